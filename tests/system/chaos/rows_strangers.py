"""P13 and P14: peers that cost something and give nothing."""
import select
import socket
import time

import hostile
import onnx_tiny
import wire
from load import Load, quantile
from lab_choice import loopback
from rows_death import MODEL, deploy, grown, until
from rows_load import slow_boards
from trial import Void
from usage import Usage, one

ROUNDS = 3
IDLE = 1000


def rss(cluster, name):
    return one(cluster.pid(name))["rss_kib"]


class Calm:
    """p99 of a steady load without and with a nuisance, in turn, so that the
    machine's other work falls on both."""

    def __init__(self, t, cluster):
        self.t = t
        self.cluster = cluster
        self.without = []
        self.with_it = []

    def measure(self, seconds):
        load = Load(self.cluster, MODEL, seconds=seconds, rate=40, clients=4)
        return load

    def take(self, load, into):
        report = load.finish()
        if report is None or report["failed"] or report["wrong"]:
            self.t.must(False, "honest requests failed: " + load.err[-200:])
            return
        into.append([a.ms for a in load.answers])

    def judge(self):
        calm = quantile(sum(self.without, []), .99)
        busy = quantile(sum(self.with_it, []), .99)
        if not calm or not busy:
            raise Void("no honest requests were answered")
        self.t.most("p99_worse", round(100 * (busy / calm - 1), 1), "%", 10,
                    f"p99 {calm:.1f} -> {busy:.1f} ms")


# ---- P13: connections that say nothing -------------------------------------

class Strangers:
    """Keeps `n` silent connections to a port; what is closed is noted with
    its age and made again, PER_S at most."""
    PER_S = 500

    def __init__(self, address, n):
        self.address = address
        self.n = n
        self.poll = select.poll()
        self.open = {}  # fd -> (socket, when)
        self.ages = []
        self.began = time.monotonic()
        self.made = -n  # the first ones at once

    def add(self):
        s = socket.socket()
        s.setblocking(False)
        try:
            s.connect(self.address)
        except BlockingIOError:
            pass
        self.open[s.fileno()] = (s, time.monotonic())
        self.poll.register(s, select.POLLIN)
        self.made += 1

    def step(self):
        allowed = (time.monotonic() - self.began) * self.PER_S
        while len(self.open) < self.n and self.made < allowed:
            self.add()
        for fd, _ in self.poll.poll(20):
            s, since = self.open.pop(fd)
            self.poll.unregister(fd)
            self.ages.append(time.monotonic() - since)
            s.close()
        if not self.open:
            time.sleep(0.005)

    def keep(self, seconds, more=lambda: True):
        end = time.monotonic() + seconds
        while time.monotonic() < end and more():
            self.step()

    def oldest(self):
        """Including those that are still open."""
        now = time.monotonic()
        return max(self.ages + [now - t for _, t in self.open.values()],
                   default=0)

    def close(self):
        for s, _ in self.open.values():
            s.close()
        self.open.clear()


def address_of(cluster, name):
    node = [n for n in cluster.json("nodes")["nodes"] if n["name"] == name][0]
    return (node["host"], node["port"])


def idle(t):
    with loopback(2, allow_faults=True) as cluster:
        deploy(cluster, 2)
        slow_boards(cluster, 25)
        base = Usage(cluster)
        address = address_of(cluster, "local-1")
        few_strangers(t, cluster, address)
        calm = Calm(t, cluster)
        seconds = 6 if t.short else 12
        grew = []
        for _ in range(1 if t.short else ROUNDS):
            calm.take(calm.measure(seconds), calm.without)
            strangers = Strangers(address, IDLE)
            try:
                strangers.keep(1)
                before = rss(cluster, "local-1")
                load = calm.measure(seconds)
                strangers.keep(seconds + 5, load.running)
                grew.append(rss(cluster, "local-1") - before)
                calm.take(load, calm.with_it)
            finally:
                strangers.close()
            t.note(f"{strangers.made + IDLE} connections made")
        t.most("rss_all", max(grew), "KiB", 2048)
        calm.judge()
        grown(t, cluster, base)


def few_strangers(t, cluster, address):
    """As many silent connections as there is room for: none is pushed out by
    a newer one, so that their deadline closes them. What the process keeps
    for each; the first round only warms it up."""
    grows, ages = [], []
    for _ in range(2):
        before = rss(cluster, "local-1")
        few = Strangers(address, 30)
        try:
            few.keep(0.5)
            grows.append(rss(cluster, "local-1") - before)
            few.n = 0
            few.keep(20, lambda: few.open)
            ages.append(few.oldest())
        finally:
            few.close()
    t.most("t_close", round(max(ages), 2), "s", 5.25,
           "5 s and one look at the clock")
    t.most("one_idle", round(max(0, grows[1]) / 30, 2), "KiB", 2)


# ---- P14: slow readers, slow senders ---------------------------------------

def slow(t):
    with loopback(2, allow_faults=True) as cluster:
        deploy(cluster, 2)
        big = onnx_tiny.relu(cluster.folder + "/big.onnx", 256 * 1024)
        rc, _, err = cluster.deploy(
            f"name: big\ndevices: {cluster.devices()}\nmodel:\n"
            f"  file: {big}\nreplicas: 2\n")
        if rc != 0:
            raise Void("deploy: " + err)
        slow_boards(cluster, 25)
        base = Usage(cluster)
        calm = Calm(t, cluster)
        calm.cluster.env["EDGED_MODEL"] = cluster.name
        seconds = 8 if t.short else 12
        for _ in range(1 if t.short else ROUNDS):
            calm.take(calm.measure(seconds), calm.without)
            load = calm.measure(seconds + 4)
            slow_reader(t, cluster, load)
            calm.take(load, calm.with_it)
        slow_senders(t, cluster)
        worst(t)
        calm.judge()
        grown(t, cluster, base)


def worst(t):
    """One figure a name: the worst of all rounds."""
    kept = {}
    for figure in t.figures:
        old = kept.get(figure[0])
        if old is None or figure[1] > old[1]:
            kept[figure[0]] = figure
    t.figures[:] = kept.values()
    t.parts[:] = [f"{f[0].split('.')[-1]} {f[1]} {f[2]}" for f in t.figures]


ASKED = 80  # answers of 1 MiB: 80 MiB, if nothing stopped them


def peak(cluster, name, seconds):
    end = time.monotonic() + seconds
    most = rss(cluster, name)
    while time.monotonic() < end:
        time.sleep(0.02)
        most = max(most, rss(cluster, name))
    return most


def slow_reader(t, cluster, load):
    """Asks for 80 MiB and reads none of it."""
    request = ('data { request: %d deployment: "big" tensor { dtype: 1 '
               'dims: 1 dims: 262144 } }')
    payload = bytes(1 << 20)
    s = wire.client(cluster)
    s.setblocking(False)
    poll = select.poll()
    poll.register(s, select.POLLOUT)
    before = peak(cluster, "coordinator", 2)  # the load alone has ups, too
    most = before
    waiting = [wire.frame(request % (i + 1), payload) for i in range(ASKED)]
    rest = b""
    began = time.monotonic()
    closed = None
    while time.monotonic() < began + 25 and closed is None:
        if not rest and waiting:
            rest = waiting.pop(0)
        for _, event in poll.poll(20):
            closed, rest = push(s, rest, event, began, closed)
        most = max(most, rss(cluster, "coordinator"))
        if not rest and not waiting:
            poll.modify(s, 0)  # it only waits to be closed
    s.close()
    t.most("reader_grows", round((most - before) / 1024, 1), "MiB", 4 + 3,
           "4 MiB of requests and answers, 1 MiB each that comes in and goes "
           "out, and 1 MiB of the others")
    t.most("reader_closed", round(closed or 99, 1), "s", 12,
           "10 s after nothing moved")
    del load


def push(s, rest, event, began, closed):
    if event & (select.POLLHUP | select.POLLERR):
        return time.monotonic() - began, b""
    if rest and event & select.POLLOUT:
        try:
            return closed, rest[s.send(rest):]
        except BlockingIOError:
            return closed, rest
        except OSError:
            return time.monotonic() - began, b""
    return closed, rest


def slow_senders(t, cluster):
    """A byte a second: a stranger's TLS handshake, a client's frame."""
    node = cluster.json("nodes")["nodes"][0]
    stranger = socket.create_connection((node["host"], node["port"]))
    client = wire.client(cluster)
    text = wire.frame('status_request { }')
    hello = hostile.client_hello()
    took = {}
    began = time.monotonic()
    ends = {"stranger": (stranger, hello), "client": (client, text)}
    sent = 0
    while len(took) < 2 and time.monotonic() < began + 20:
        if time.monotonic() - began >= sent:
            for name, (s, data) in ends.items():
                if name not in took and sent < len(data):
                    try:
                        s.sendall(data[sent:sent + 1])
                    except OSError:
                        took[name] = time.monotonic() - began
            sent += 1
        for name, (s, _) in ends.items():
            if name not in took and is_closed(s):
                took[name] = time.monotonic() - began
        time.sleep(0.02)
    for s, _ in ends.values():
        s.close()
    for name in ends:
        t.most(f"sender_{name}", round(took.get(name, 99), 2), "s", 10)


def is_closed(s):
    """Reads what is there; a Goodbye counts as the end."""
    s.setblocking(False)
    try:
        data = s.recv(4096)
        while data:
            if b"5 s" in data or b"slow" in data:
                return True
            data = s.recv(4096)
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        s.setblocking(True)


