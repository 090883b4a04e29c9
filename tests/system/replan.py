#!/usr/bin/python3
"""A board becomes four times slower for long: the plan moves away from it
while requests go on, and says from what to what and why. Where the file writes
the stages nothing moves, and that is said."""
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/../lib/lab"]
import boards as lab  # noqa: E402
from edged_test import ROOT, Tap  # noqa: E402

MODEL = ROOT + "/deploy/demo/shapes.onnx"

MEMORY = "1MiB"  # no board holds the whole model, so that it is a pipeline

# Paced, so that what else this machine does is not drift.
BOARDS = """
[[board]]
name = "board"
macs_per_s = 6e8
count = 3
"""


def yaml(c):
    devices = c.devices().replace("}", f", memory: {MEMORY}}}")
    return (f"name: lab\ndevices: {devices}\nmodel: {{file: {MODEL}}}\n"
            "spares: none\nfaults: allowed\n"
            "replan: {after: 4s, pause: 2s}\n")


def status(c):
    return c.json("status")["deployments"][0]


def stages(c):
    """The boards of each stage."""
    return [sorted(r["node"] for r in s["replicas"])
            for s in status(c)["stages"]]


def holders(c):
    return sorted({n for nodes in stages(c) for n in nodes})


def until(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def deploy(c, text):
    rc, _, err = c.deploy(text)
    if rc != 0:
        raise RuntimeError("deploy: " + err)


def begin_bench(c, *args):
    return subprocess.Popen([c.bin + "/edgectl", "bench", *args,
                             "--progress=none"], env=c.env,
                            stdout=subprocess.PIPE, text=True)


def moves(tap, c):
    rc, _, err = c.ctl("profile", c.write("cluster.yaml", yaml(c)), timeout=60)
    deploy(c, yaml(c))
    before = stages(c)
    tap.case(rc == 0 and len(before) > 1, f"a pipeline: {before}", err)
    slow = next(nodes[0] for nodes in before if len(nodes) == 1)
    bench = begin_bench(c, "--for", "16", "--clients", "1", "--check", MODEL,
                        "-o", "json")
    c.ctl("fault", "slow", slow, "--factor", "4", "--for", "60s",
          "--no-watch")
    left = until(lambda: slow not in holders(c), 14)
    report = json.loads(bench.communicate()[0])
    _, events, _ = c.ctl("events", "-n", "20")
    tap.case(left, f"the plan leaves {slow}, which is 4 times slower",
             json.dumps(status(c)) + events)
    tap.case(report["failed"] == report["wrong"] == report["repeated"] == 0,
             f"{report['answered']} requests meanwhile, none failed or wrong",
             json.dumps(report))
    now = status(c)
    tap.case(now["generation"] == 1 and now["replans"] == 1,
             "once, and the generation stays", json.dumps(now))
    tap.case("moved from" in events and slow in events, "the events say why",
             events)
    _, out, _ = c.ctl("status", "--plan")
    tap.case("plan: " in out and "planned again 1 times" in out,
             "status --plan says so", out)
    tap.note(now["replan"])


def stays(tap, c):
    c.ctl("fault", "clear", "--all")
    c.ctl("undeploy", "lab", "--yes")
    rc, out, err = c.ctl("plan", c.write("cluster.yaml", yaml(c)), "-o",
                         "yaml")
    deploy(c, out)
    slow = next(nodes[0] for nodes in stages(c) if len(nodes) == 1)
    c.ctl("fault", "slow", slow, "--factor", "4", "--for", "60s",
          "--no-watch")
    bench = begin_bench(c, "--for", "10", "--clients", "1")
    said = until(lambda: "stages" in status(c)["replan"], 10)
    bench.communicate()
    tap.case(said and status(c)["replans"] == 0,
             "a plan that the file writes stays, and status says why",
             err + json.dumps(status(c)))


def main():
    tap = Tap()
    with lab.LoopLab(lab.read(BOARDS), MODEL) as c:
        moves(tap, c)
        stays(tap, c)
    tap.end()


if __name__ == "__main__":
    main()
