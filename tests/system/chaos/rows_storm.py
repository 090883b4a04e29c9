"""P11: a daemon that may have no more memory than is promised, in a storm of
hostile bytes: of strangers, and of nodes that have certificates."""
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import lab_choice  # noqa: F401  (it knows where the lab is)
import hostile
from certs import Authority
from procs import Procs
from rows_death import MODEL
from trial import Void

KIB = 1024
IDLE_KIB = 16 * KIB
PEER_KIB = 4 * KIB
VICTIM = "local-1"
STRANGERS, MEMBERS = 3, 4
OPEN_MOST = 60  # half-open ones that a thread keeps


class Secured(Procs):
    """One daemon and its coordinator, over TLS."""

    def __init__(self):
        super().__init__(1)
        self.name = "test"
        self.authority = Authority(self.folder + "/authority")
        self.authority.issue(self.made(VICTIM), "edged://node/" + VICTIM)
        self.authority.issue(self.made("coordinator"), "edged://coordinator")

    def made(self, name):
        os.makedirs(self.state(name), mode=0o700)
        return self.state(name)

    def start(self, name, **env):
        args = [self.bin + "/edged", "--name", name, "--listen", "127.0.0.1",
                "--port", str(self.ports.get(name, 0))]
        if name == "coordinator":
            args = [self.bin + "/edge-coordinator", "--socket", self.socket,
                    "--node", f"{VICTIM}=127.0.0.1:{self.ports[VICTIM]}"]
        args += ["--cluster", "test", "--state", self.state(name)]
        with open(self.state(name) + "/log", "ab") as log:
            self[name] = subprocess.Popen(args, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log,
                                          env=dict(self.base, **env))
        return self[name]


# ---- memory -----------------------------------------------------------------

def status(pid, key):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(key + r":\s+(\d+)", f.read()).group(1))


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as f:
        f.write("5")


class Limit:
    """A memory cgroup of the daemon's own, where there can be one; else its
    resident memory is watched alone."""

    def __init__(self, pid, kib):
        self.folder, self.what = None, "watched, no cgroup"
        for base, most in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                           ("/sys/fs/cgroup", "memory.max")):
            folder = f"{base}/edge-storm-{pid}"
            try:
                os.mkdir(folder)
            except OSError:
                continue
            self.folder = folder
            try:
                self.write(most, kib * KIB)
                self.write("cgroup.procs", pid)
                self.what = most
                return
            except OSError:
                self.close()

    def write(self, name, value):
        with open(f"{self.folder}/{name}", "w") as f:
            f.write(str(value))

    def oom_kills(self):
        for name in ("memory.oom_control", "memory.events"):
            try:
                with open(f"{self.folder}/{name}") as f:
                    found = re.search(r"oom_kill (\d+)", f.read())
                return int(found.group(1)) if found else 0
            except OSError:
                continue
        return 0

    def close(self):
        """After the daemon has ended."""
        if self.folder:
            try:
                os.rmdir(self.folder)
            except OSError:
                pass
            self.folder = None


# ---- who storms -------------------------------------------------------------

class Storm:
    def __init__(self, t, port, folders):
        self.t, self.port, self.folders = t, port, folders
        self.over = threading.Event()
        self.counts = {"connections": 0, "frames": 0, "refused": 0,
                       "handshakes": 0}
        self.lock = threading.Lock()
        self.threads = [
            threading.Thread(target=self.strange, args=(i,))
            for i in range(STRANGERS)
        ] + [threading.Thread(target=self.betray, args=(i,))
             for i in range(MEMBERS)]

    def count(self, **more):
        with self.lock:
            for key, n in more.items():
                self.counts[key] += n

    def strange(self, number):
        rng = hostile.rng_of(self.t.seed, number)
        hello = hostile.client_hello()
        kept = []
        while not self.over.is_set():
            data, stays = hostile.stranger_bytes(rng, hello)
            try:
                s = socket.create_connection(("127.0.0.1", self.port), 2)
                kept.append(s)
                s.sendall(data)
            except OSError:
                pass
            self.count(connections=1)
            if kept and not stays:
                kept.pop().close()
            while len(kept) > OPEN_MOST:
                kept.pop(0).close()
            self.over.wait(rng.random() * 0.01)
        for s in kept:
            s.close()

    def betray(self, number):
        rng = hostile.rng_of(self.t.seed, 100 + number)
        heads, large = hostile.seeds(), list(hostile.amplified().values())
        member = hostile.Member(self.port, f"storm-{number}",
                                self.folders[number])
        while not self.over.is_set():
            try:
                member.open()
                self.count(connections=1, handshakes=1)
                self.harm(rng, member, heads, large)
            except OSError:
                self.count(refused=1)
            self.over.wait(rng.random() * 0.02)
        member.close()

    def harm(self, rng, member, heads, large):
        """Until it is thrown out, or has had its fun."""
        for _ in range(20):
            kind = rng.random()
            if kind < 0.6:
                data = hostile.mutated_frame(rng, heads)
            elif kind < 0.85:
                data = rng.choice(large)
            else:
                data = hostile.oversize(rng)
            member.s.sendall(data)
            self.count(frames=1)
            if self.over.is_set():
                return
        member.last_words()

    def run(self, seconds, watch):
        for thread in self.threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and watch():
            time.sleep(0.1)
        self.over.set()
        for thread in self.threads:
            thread.join(20)


# ---- the row ----------------------------------------------------------------

def one_message(t, cluster, folder):
    """Each message that grows when it is unpacked, alone: what it costs, and
    that the budget is what refuses it."""
    pid = cluster[VICTIM].pid
    member = hostile.Member(cluster.ports[VICTIM], "storm-0", folder)
    refused, grew, frames = 0, [], hostile.amplified()
    for name, data in list(frames.items()) * 2:  # the first time warms it up
        member.open()
        forget_peak(pid)
        before = status(pid, "VmRSS")
        member.s.sendall(data)
        words = member.last_words()
        grew.append((status(pid, "VmHWM") - before, name))
        refused += bool(words)
    member.close()
    worst = max(grew[len(frames):])
    t.note("unpacked: " + ", ".join(f"{n} {k} KiB" for k, n in
                                    grew[len(frames):]))
    t.most("one_message", worst[0], "KiB", PEER_KIB, worst[1])
    t.must(refused == 2 * len(frames), f"{refused} of {2 * len(frames)} "
           "messages that grow were answered with Goodbye")


def deploy(cluster):
    path = cluster.folder + "/cluster.yaml"
    with open(path, "w") as f:
        f.write(f"name: test\ndevices: local 1\nmodel:\n  file: {MODEL}\n")
    rc, _, err = cluster.ctl("deploy", path, "--progress=none")
    if rc != 0:
        raise Void("deploy: " + err)


def answers(t, cluster, when):
    rc, out, err = cluster.ctl("bench", "--requests", "50", "--check", MODEL,
                               "--progress=none", "-o", "json")
    try:
        got = json.loads(out)
    except ValueError:
        got = {"answered": 0}
    t.must(rc == 0 and got["answered"] == 50 and got["wrong"] == 0,
           f"50 right answers {when}: {got['answered']}, {err[-200:]}")


def memory_used(cluster):
    _, out, _ = cluster.ctl("nodes", "-o", "json")
    return int(re.search(r'"memory_used": (\d+)', out).group(1)) // KIB


def storm(t):
    seconds = t.iters or (20 if t.short else 600)
    with Secured() as cluster:
        pid = cluster[VICTIM].pid
        if not cluster.wait_for(lambda: "peer.up name=" + VICTIM in
                                log(cluster, "coordinator"), 10):
            raise Void("the daemon did not come up")
        # Until it has found out how fast the board is, it is not idle.
        if not cluster.wait_for(lambda: "board.speed" in log(cluster, VICTIM),
                                20):
            raise Void("the daemon does not know its board")
        t.most("idle", status(pid, "VmRSS"), "KiB", IDLE_KIB)
        folders = [cluster.made(f"storm-{i}") for i in range(MEMBERS)]
        for i, folder in enumerate(folders):
            cluster.authority.issue(folder, f"edged://node/storm-{i}")
        deploy(cluster)
        answers(t, cluster, "before")
        most = IDLE_KIB + int(1.05 * memory_used(cluster)) + PEER_KIB
        limit = Limit(pid, most)
        try:
            one_message(t, cluster, folders[0])
            under_limit(t, cluster, Storm(t, cluster.ports[VICTIM], folders),
                        seconds, most, limit)
        finally:
            cluster.stop(VICTIM, signal.SIGKILL)
            limit.close()


def log(cluster, name):
    with open(cluster.state(name) + "/log", errors="replace") as f:
        return f.read()


def under_limit(t, cluster, storm_, seconds, most, limit):
    pid, process = cluster[VICTIM].pid, cluster[VICTIM]
    forget_peak(pid)
    storm_.run(seconds, lambda: process.poll() is None)
    alive = process.poll() is None
    counts = storm_.counts
    t.note(f"{limit.what}; " + ", ".join(f"{n} {k}" for k, n in
                                         counts.items()))
    t.measured(f"{seconds} s, {counts['connections']} connections, "
               f"{counts['frames']} frames of members ({limit.what})")
    t.exactly("oom_kills", limit.oom_kills())
    t.must(alive, f"it lives: it ended with {process.returncode}")
    if not alive:
        return
    t.most("max_rss", status(pid, "VmHWM"), "KiB", most,
           "16 MiB, 1.05 x weights and arenas, 4 MiB for its peer")
    answers(t, cluster, "after")
    if counts["frames"] < 20 * seconds or counts["connections"] < 20 * seconds:
        raise Void(f"no storm: {counts}")
