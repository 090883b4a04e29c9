#!/usr/bin/python3
"""Faults on purpose, each verb on real processes: what it does is seen, it is
undone by itself, the list is empty afterwards, and nothing of it happens on a
cluster that does not allow it."""
import json
import math
import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import ROOT, Cluster, Tap, cluster_yaml  # noqa: E402

MODEL = ROOT + "/deploy/demo/shapes.onnx"


class Broken(Cluster):
    """Two stages of two replicas each."""

    def fault(self, *args):
        return self.ctl("fault", *args)

    def begin(self, *args):
        """Begins one without watching; its id."""
        rc, out, err = self.fault(*args, "--no-watch", "-o", "json")
        if rc != 0:
            raise RuntimeError(" ".join(args) + ": " + err)
        return json.loads(out)["id"]

    def list(self):
        return self.json("fault", "list")["faults"]

    def node(self, name):
        return next(n for n in self.json("nodes")["nodes"]
                    if n["name"] == name)

    def until(self, condition, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.05)
        return False

    def is_whole(self, seconds=20):
        return (self.until(lambda: not self.list(), seconds) and
                self.wait_ready(seconds) and
                self.until(lambda: all(n["state"] == "ready" for n in
                                       self.json("nodes")["nodes"]), seconds))

    def bench(self, *args):
        rc, out, err = self.ctl("bench", "-o", "json", *args)
        if not out.strip():
            raise RuntimeError("bench: " + err)
        return json.loads(out)


def holders(c):
    """The nodes of the first stage."""
    stages = c.json("status")["deployments"][0]["stages"]
    return [r["node"] for r in stages[0]["replicas"]]


def refused(tap):
    with Broken(2, name="strict") as c:
        c.deploy(cluster_yaml(MODEL, 2, replicas=2))
        before = c.pid("local-1")
        rc, out, err = c.fault("kill", "local-1", "--for", "5s")
        tap.case(rc == 1 and not out and "faults: allowed" in err and
                 "--allow-faults" in err,
                 "refused where it is not allowed, and it is said how to "
                 "allow it", err)
        tap.case(c.list() == [] and c.pid("local-1") == before,
                 "and nothing has happened")
        rc, _, err = c.deploy(cluster_yaml(MODEL, 2, replicas=2) +
                              "faults: allowed\n")
        fault = c.begin("slow", "local-1", "--for", "20s")
        tap.case([f["id"] for f in c.list()] == [fault],
                 "faults: allowed in the YAML in force allows it", err)
        rc, _, err = c.deploy(cluster_yaml(MODEL, 2, replicas=2))
        rc, _, err = c.fault("kill", "local-1")
        tap.case(rc == 1, "and taking it out forbids it again", err)
        rc, out, err = c.ctl("chaos", "--for", "1s")
        tap.case(rc == 1 and not out and "faults: allowed" in err,
                 "chaos is refused as well", err)
        rc, _, err = c.fault("clear", "--all")
        tap.case(rc == 0 and c.list() == [], "but clearing is always allowed",
                 err)


def kill(tap, c):
    name = holders(c)[0]
    before = c.pid(name)
    tap.case(c.node(name)["pid"] == before, "nodes say their pid",
             c.node(name))
    bench = c.start("bench", "--for", "8", "-o", "json")
    began = time.monotonic()
    rc, out, err = c.fault("kill", name, "--for", "3s")
    took = time.monotonic() - began
    report = json.loads(bench.communicate()[0])
    lines = out.splitlines()
    tap.case(rc == 0 and lines[0] == f"{name}: edged killed (SIGKILL); held "
             "back for 3s. Watching:" and
             any(re.match(rf" +0\.\ds  {name} gone", s) for s in lines) and
             any("sent again" in s for s in lines) and
             any(re.match(rf" +\d\.\ds  {name} ready again", s)
                 for s in lines), "kill: what happens is said", out + err)
    tap.case(3 <= took < 8 and c.pid(name) not in (None, before),
             f"it was held back for its time, and is another process "
             f"({took:.1f} s)")
    tap.case(report["failed"] == report["wrong"] == report["repeated"] == 0 and
             report["answered"] > 200,
             f"{report['answered']} requests meanwhile, none failed",
             json.dumps(report))
    tap.case(c.is_whole(), "kill is undone")
    tap.case(c.until(lambda: c.node(name)["pid"] == c.pid(name), 5),
             "and the new pid is said")
    _, out, _ = c.ctl("events", "-n", "20")
    tap.case("kill on purpose, for 3.0 s" in out and "is healed" in out,
             "the events tell of it", out)


def pause(tap, c):
    name = holders(c)[0]
    before = c.pid(name)
    began = time.monotonic()
    c.begin("pause", name, "--for", "5s")
    seen = c.until(lambda: c.node(name)["state"] in ("suspect", "lost"), 3)
    noticed = time.monotonic() - began
    lost = c.until(lambda: c.node(name)["state"] in ("lost", "never"), 3)
    tap.case(seen and lost and c.pid(name) == before,
             f"pause: nothing is answered, the process is there; noticed "
             f"after {noticed:.1f} s")
    tap.case(len(c.list()) == 1, "it is listed")
    tap.case(c.is_whole() and time.monotonic() - began >= 4.9 and
             c.pid(name) == before, "pause is undone in the same process")


def slow(tap, c):
    name = holders(c)[0]

    def share(report):
        return next((r["share"] for r in report["replicas"]
                     if r["node"] == name), 0)

    def calm():
        return share(c.bench("--requests", "200", "--clients", "2"))
    # It was paused before, and is trusted again step by step.
    trusted = c.until(lambda: calm() > 0.2, 40)
    c.begin("slow", name, "--extra", "40", "--for", "4s")
    hit = c.bench("--for", "3", "--clients", "2")
    tap.case(trusted and share(hit) < 0.1,
             f"slow: it did a good part of the runs, then {share(hit):.0%}",
             json.dumps(hit))
    tap.case(hit["failed"] == 0 and hit["wrong"] == 0,
             "and nothing is wrong or lost")
    tap.case(c.is_whole(), "slow is undone")


def partition(tap, c):
    name = holders(c)[0]
    before = c.pid(name)
    began = time.monotonic()
    c.begin("partition", name, "--for", "5s")
    tap.case(c.until(lambda: c.node(name)["state"] == "lost", 4.5) and
             "silent" in c.node(name)["reason"],
             "partition: silence is what tells", c.node(name))
    report = c.bench("--for", "1")
    tap.case(report["failed"] == 0 and
             all(r["node"] != name for r in report["replicas"]),
             "others take its work", json.dumps(report))
    tap.case(c.is_whole() and time.monotonic() - began >= 4.9 and
             c.pid(name) == before, "partition is undone")
    other = holders(c)[1]
    fault = c.begin("partition", name, "--from", other, "--direction", "in",
                    "--for", "20s")
    what = c.list()[0]["what"]
    tap.case("in with " + other in what, "one direction, one node", what)
    rc, _, err = c.fault("clear", fault)
    tap.case(rc == 0 and c.list() == [] and c.is_whole(),
             "cleared by its id before its time", err)


def drop(tap, c):
    name = holders(c)[0]
    c.begin("drop", name, "--percent", "100", "--from", "coordinator",
            "--direction", "out", "--for", "4s")
    tap.case(c.until(lambda: c.node(name)["state"] in ("suspect", "lost"), 4),
             "drop: beats do not arrive", c.node(name))
    tap.case(c.is_whole(), "drop is undone")
    # While its frames get lost, what is lost is noticed by its absence alone.
    calm = c.bench("--for", "1")
    c.begin("drop", name, "--percent", "4", "--for", "6s")
    hit = c.bench("--for", "5", "--deadline", "20000")
    tap.case(hit["failed"] == 0 and hit["wrong"] == 0 and
             hit["answered"] > calm["rate"] * 5 / 20,
             f"drop: {hit['answered']} answered, none lost, at 4 % of frames",
             json.dumps(hit))
    tap.case(c.is_whole(), "drop is undone once more")


def corrupt(tap, c):
    name = holders(c)[0]
    events = c.start("bench", "--for", "3", "-o", "json")
    c.begin("corrupt", name, "--percent", "50", "--for", "2s")
    report = json.loads(events.communicate()[0])
    # Whoever it sends to may be the one that notices.
    found = []
    for peer in ("coordinator", "local-1", "local-2", "local-3", "local-4"):
        _, log, _ = c.ctl("logs", peer, "-n", "400")
        found += [s for s in log.splitlines() if "peer.down" in s and
                  f"name={name} " in s and
                  ("rc=EPROTO" in s or "rc=ETLS" in s)]
    tap.case(found, "corrupt: flipped bits are noticed",
             "\n".join(s for s in log.splitlines() if "down" in s))
    tap.case(report["wrong"] == 0, "no answer is wrong", json.dumps(report))
    tap.case(c.is_whole(), "corrupt is undone")


def words(tap, c):
    rc, _, err = c.fault("kil", "local-1")
    tap.case(rc == 2 and 'Did you mean "kill"?' in err, "a mistyped fault",
             err)
    for args in (("kill",), ("kill", "local-1", "--for", "1h"),
                 ("kill", "local-1", "--for", "never"),
                 ("drop", "local-1", "--percent", "101"), ("clear",), (),
                 ("list", "local-1")):
        rc, out, err = c.fault(*args)
        tap.case(rc == 2 and not out, "usage: fault " + " ".join(args), err)
    rc, _, err = c.fault("kill", "local-1", "--percent", "5")
    tap.case(rc == 1, "a part of the frames is nothing for kill", err)
    rc, _, err = c.fault("pause", "local-9")
    tap.case(rc == 1 and "edgectl nodes" in err, "no such node", err)


def head_restart(tap, c):
    """The node undoes it with nobody there; a new coordinator knows of it."""
    name = holders(c)[0]
    c.begin("slow", name, "--for", "6s")
    began = time.monotonic()
    c.kill("coordinator")
    tap.case(c.until(lambda: c.ctl("fault", "list", "-o", "json")[0] == 0 and
                     len(c.list()) == 1, 5),
             "a coordinator that was restarted learns of it")
    tap.case(c.is_whole() and time.monotonic() - began >= 5.5,
             "and it ends in its time")


def chaos(tap, c):
    rc, out, err = c.ctl("chaos", "--seed", "7", "--for", "20s", "-o", "json",
                         "--check", MODEL)
    report = json.loads(out) if out.strip() else {}
    tap.note(err.replace("\n", "; "))
    tap.case(report.get("lost") == report.get("wrong") ==
             report.get("duplicated") == 0,
             f"chaos: {report.get('requests')} requests under "
             f"{len(report.get('faults', []))} faults (seed 7): none lost, "
             "wrong or duplicated", out + err)
    tap.case(rc == 0 and report["passed"] and len(report["faults"]) >= 3 and
             all(f["recovered"] for f in report["faults"]) and
             report["before"]["requests"] > 100,
             "and it passes", out + err)
    tap.case(c.list() == [], "nothing is left in force")
    rc, out, err = c.ctl("chaos", "--mix", "kill,explode")
    tap.case(rc == 2 and "--mix" in err, "an unknown fault in a mix", err)
    rc, out, err = c.ctl("chaos", "--mix", "kill", "--for", "2s", "--least",
                         "1000", "-q")
    tap.case(rc == 1 and "FAILED" in out,
             "a run that is slower than wanted fails", out + err)
    npy = c.write("x.npy", "")
    with open(npy, "wb") as f:
        shape = (1, 3, 64, 64)
        head = (f"{{'descr': '<f4', 'fortran_order': False, "
                f"'shape': {shape}, }}").ljust(117) + "\n"
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) +
                head.encode() + struct.pack("<f", 0.25) * math.prod(shape))
    rc, out, err = c.ctl("chaos", "--mix", "slow", "--for", "1s", "--input",
                         npy, "--check", MODEL, "-q", "-o", "json")
    tap.case(rc == 0 and json.loads(out)["passed"],
             "the load may be an input of the user's", out + err)
    rc, out, err = c.ctl("chaos", "--for", "1s", "--input", MODEL, "-q")
    tap.case(rc == 1 and "by itself" in err and not c.list(),
             "an input that is none ends it before any fault", out + err)


def main():
    tap = Tap()
    refused(tap)
    with Broken(4) as c:
        rc, _, err = c.deploy(cluster_yaml(MODEL, 4, replicas=2) +
                              "faults: allowed\n")
        if not tap.case(rc == 0, "two stages, two replicas each", err):
            tap.end()
        for check in (words, kill, pause, slow, partition, drop, corrupt,
                      head_restart, chaos):
            check(tap, c)
    tap.end()


main()
