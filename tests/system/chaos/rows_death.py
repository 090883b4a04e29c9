"""P1 and P2: a replica dies at once, or in silence, under load."""
import os
import signal
import time

from load import Load, peak_rate, quantile
from logs import Tail
from lab_choice import lab, loopback
from edged_test import even_stages
from trial import Void
from usage import Usage

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
MODEL = ROOT + "/deploy/demo/shapes.onnx"


def deploy(cluster, replicas, extra=""):
    """The demo's model in as many stages as there are devices for."""
    text = (f"name: {cluster.name}\ndevices: {cluster.devices()}\n"
            f"model:\n  file: {MODEL}\nreplicas: {replicas}\n{extra}")
    text += even_stages(MODEL, (len(cluster.names()) - 1) // replicas)
    rc, _, err = cluster.deploy(text)
    if rc != 0:
        raise Void("deploy: " + err)
    if not cluster.wait_ready(20):
        raise Void("not ready after the deploy")


def half_load(t, cluster, seconds, most=400, deadline_ms=None):
    """50 % of what the cluster answers at most, for so long."""
    peak = peak_rate(cluster, MODEL, 2 if t.short else 3)
    # The client and all boards share this machine's cores, so that the peak
    # moves with its other load: never more than it can surely do.
    rate = max(20, min(most, int(peak / 2)))
    t.note(f"peak {peak:.0f}/s, load {rate}/s")
    load = Load(cluster, MODEL, seconds=seconds, rate=rate,
                deadline_ms=deadline_ms)
    load.wait_first()
    return load, rate


def until(seconds, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


# ---- P1 --------------------------------------------------------------------

def kill_once(t, cluster, load):
    """Waits for health, kills one at random; its moment, or None."""
    if not cluster.wait_ready(10):
        t.must(False, "not ready again 10 s after a kill")
        return None
    # Not in step with anything that has a period.
    pause = time.monotonic() + 1.0 + t.rng.random() * 0.6
    if not until(5, lambda: time.monotonic() >= pause or not load.running()):
        return None
    if not load.running():
        return None
    victim = f"local-{t.rng.randrange(4) + 1}"
    pid = cluster.pid(victim)
    if pid is None:
        return None
    moment = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    if not until(2, lambda: cluster.pid(victim) not in (None, pid)):
        t.must(False, f"{victim} was not started again within 2 s")
    return moment


def kill9(t):
    kills = t.iters or (4 if t.short else 20)
    with loopback(4) as cluster:
        deploy(cluster, 2)
        base = Usage(cluster)
        # What was lost with a board and is sent again takes far less.
        load, rate = half_load(t, cluster, 20 + kills * 12, deadline_ms=5000)
        calm = time.monotonic() + (1.5 if t.short else 5)
        began = time.monotonic()
        until(10, lambda: time.monotonic() >= calm)
        moments = []
        while load.running() and len(moments) < kills:
            moment = kill_once(t, cluster, load)
            if moment is None:
                break
            moments.append(moment)
        t.healthy(cluster, "after")
        load.stop()
        report = load.finish()
        before = [a.ms for a in load.right(begin=began, end=calm)]
        during = [a.ms for m in moments for a in load.right(m, m + 1)]
        t.least("kills", len(moments), "", kills)
        t.least("requests", report["answered"], "",
                rate * 8 if t.short else 10000)
        t.answers(load, report)
        t.measured(f"p50 {quantile(before, .5):.1f} -> "
                   f"{quantile(during, .5):.1f} ms")
        base_p99 = quantile(before, .99)
        t.most("p99_kill_second", round(quantile(during, .99), 1), "ms",
               round(base_p99 + 250, 1), f"p99 before {base_p99:.1f} ms")
        t.most("slowest", round(load.slowest(), 1), "ms", 2500)
        t.enough(load, report, rate * 0.5)  # or it is slow because of them
        grown(t, cluster, base)


def grown(t, cluster, base):
    """Back to base; requests under way may need a moment to be let go."""
    said = []

    def is_back():
        said[:] = base.grown(Usage(cluster))
        return not said

    until(10, is_back)
    t.must(not said, "back to base: " + "; ".join(said[:4]))


# ---- P2 --------------------------------------------------------------------

SUSPECT = (("node.suspect", "node={}"),)
DEAD = (("node.dead", "node={}"), ("node.lost", "node={}"))


def named(patterns, victim):
    return [tuple(w.format(victim) for w in words) for words in patterns]


def silence(t, cluster, load, victim, begin, end, times):
    """One fault from begin() to end(); when it was noticed."""
    tail = Tail(cluster.log_path("coordinator"))
    try:
        if not load.running():
            raise Void("the load ended before the fault")
        wall = time.time()
        begin()
        suspect = tail.wait(named(SUSPECT, victim), 6)
        dead = tail.wait(named(DEAD, victim), 6)
        # The fault lasts a little longer than its discovery.
        until(0.5, lambda: False)
    finally:
        end()
        tail.close()
    times.append((suspect and suspect - wall, dead and dead - wall))
    t.note(f"{victim}: suspect {times[-1][0]}, dead {times[-1][1]}")
    t.healthy(cluster, "after")


def silent_death(t, cluster, faults):
    """faults(victim) gives (begin, end)."""
    rounds = t.iters or (1 if t.short else 5)
    deploy(cluster, 2)
    base = Usage(cluster)
    # What waits for a silent board until it is suspect must fit into the
    # gateway's window of 256 requests: that is what the promise rests on.
    load, rate = half_load(t, cluster, 20 + rounds * 30, 100)
    until(1.5 if t.short else 3, lambda: not load.running())
    times = []
    boards = [n for n in cluster.names() if n != "coordinator"]
    for _ in range(rounds):
        victim = boards[t.rng.randrange(len(boards))]
        silence(t, cluster, load, victim, *faults(victim), times)
        until(1, lambda: not load.running())
    load.stop()
    report = load.finish()
    t.enough(load, report, rate * 0.5)
    t.answers(load, report)
    t.most("max_latency", round(load.slowest() / 1e3, 3), "s", 2.5)
    for name, column, limit in (("t_suspect", 0, 2.0), ("t_dead", 1, 3.5)):
        values = [row[column] for row in times]
        if None in values:
            t.must(False, f"{name}: not noticed within 6 s")
        else:
            t.most(name, round(max(values), 3), "s", limit)
    grown(t, cluster, base)


def stop(t):
    with loopback(4) as cluster:
        def faults(victim):
            pid = cluster.pid(victim)
            return (lambda: os.kill(pid, signal.SIGSTOP),
                    lambda: os.kill(pid, signal.SIGCONT))
        silent_death(t, cluster, faults)


def cut(t):
    """The victim's cable is pulled, and put back."""
    with lab(4) as cluster:
        silent_death(t, cluster, lambda victim: (
            lambda: cluster.link(victim, False),
            lambda: cluster.link(victim, True)))


def oneway(t):
    """What the victim sends is lost, what is sent to it arrives; or the other
    way round."""
    with lab(4) as cluster:
        def faults(victim):
            side = t.rng.choice(("in", "out"))
            return (lambda: cluster.one_way(victim, side),
                    cluster.both_ways)
        silent_death(t, cluster, faults)
