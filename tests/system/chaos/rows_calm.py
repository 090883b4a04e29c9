"""P3: nothing fails, so nobody may be suspected, or on a bad net only
suspected."""
import re
import time

from lab_choice import lab
from load import Load
from rows_death import MODEL, deploy, until

LOST = re.compile(r"node\.(dead|lost)|no beat for|peer\.lost|rc=ETIMEOUT")
SUSPECT = re.compile(r"(node|peer)\.suspect")


def watch(t, cluster, seconds):
    """Lines of all logs from now on that raise an alarm: suspect, dead."""
    begin = {n: len(read(cluster, n)) for n in cluster.names()}
    load = Load(cluster, MODEL, seconds=seconds, rate=10, clients=2)
    end = time.monotonic() + seconds
    until(seconds + 1, lambda: time.monotonic() >= end)
    report = load.finish(60)
    new = {n: read(cluster, n)[begin[n]:].splitlines()
           for n in cluster.names()}
    suspects = [line for n in new for line in new[n] if SUSPECT.search(line)]
    dead = [line for n in new for line in new[n] if LOST.search(line)]
    for line in (suspects + dead)[:6]:
        t.note(line)
    t.answers(load, report)
    t.enough(load, report, 5)
    return len(suspects), len(dead)


def read(cluster, name):
    with open(cluster.log_path(name), errors="replace") as f:
        return f.read()


def seconds_of(t):
    return t.iters or (20 if t.short else 600)


def clean(t):
    seconds = seconds_of(t)
    with lab(4) as cluster:
        deploy(cluster, 2)
        suspects, dead = watch(t, cluster, seconds)
        t.exactly("false_suspect", suspects)
        t.exactly("false_dead", dead)
        t.measured(f"{seconds} s on 4 boards (10 min for 1 h)")


def lossy(t):
    """2 % of packets are lost, and they take 20 ms."""
    seconds = seconds_of(t)
    with lab(4) as cluster:
        deploy(cluster, 2)
        for name in cluster.names():
            cluster.net.delay(name, 20, 2, 0.02, t.seed)
        suspects, dead = watch(t, cluster, seconds)
        hours = 4 * seconds / 3600
        t.figure("false_dead", dead, "count", "<0.1 a device-hour",
                 dead < 0.1 * hours or dead == 0,
                 f"{hours:.2f} device-hours, {suspects} suspected")
