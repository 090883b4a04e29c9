#!/usr/bin/python3
"""Speed-ups and bounds on emulated boards (tests/lib/lab/boards.py): real daemons
with real messages over limited links; compute is paced, so that a figure does
not depend on how busy this machine is as long as it keeps up. ROWS=a,b runs
those rows alone."""
import json
import os
import re
import statistics
import sys

from figures import figure, run_rows

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE + "/../lib/lab"]
from boards import layers, open_lab  # noqa: E402
from measure import (Run, balanced, deploy, model, rss, stages_of,  # noqa: E402
                     verdict, yaml)

LAB = HERE + "/../lib/lab"
# Slow boards, so that a machine that does other things as well keeps up.
SPEED = float(os.environ.get("SPEED", "1e9"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
ONE = "  - {name: all, layers: %s..%s, replicas: [%s]}\n"


def lab(kind, count, path, **more):
    keys = dict(name="pi", count=count, **more)
    text = "[[board]]\n" + "".join(
        f"{k} = {v!r}\n".replace("'", '"') for k, v in keys.items())
    return open_lab(kind + text, path, LAB)


def whole(rows, *nodes):
    return ONE % (rows[0]["name"], rows[-1]["name"], ", ".join(nodes))


# ---- prototype 1 ---------------------------------------------------------------

def published(name, boards, reported):
    """A placement of deploy/examples on boards of the Pi 3's times."""
    path = model("vgg16")
    with open(f"{ROOT}/deploy/examples/{name}.yaml") as f:
        text = f.read()
    text = text[text.index("stages:") + len("stages:\n"):]
    for i, letter in enumerate("bcdefghijk"):
        text = re.sub(rf"\bpi-{letter}\b", f"pi-{i + 1}", text)
    with lab("", boards - 1, path, pace="pi3-vgg16.toml", rate="94mbit") as c:
        deploy(c, yaml(c, path, text, "throughput"))
        run = Run(c, 60, 20, check=path)
        rate = run.rate(20)
        target = 0.95 * reported
        figure(f"lab.published.{name} {rate:.3f} frames/s target "
               f"{target:.3f} {verdict(rate, target, behind=run.behind(c))} "
               "paced by the Pi 3 table "
               f"in real time, 94 Mbit/s, 60 frames, all answers checked; "
               f"{c.says()}{run.behind(c)}")


def published_rows():
    published("vgg16-9", 9, 0.56)
    published("vgg16-11", 11, 0.81)


# ---- replicas ------------------------------------------------------------------

def any_idle():
    """Two replicas, one twice as slow: a round can be no faster than twice
    the slow one, which is measured alone."""
    path = model("mobilenetv2")
    rows = layers(path)
    fast = "[[board]]\nname = \"fast\"\nmacs_per_s = 2e9\n"
    with lab(fast, 1, path, macs_per_s=2e9, slower=2.0) as c:
        got, slow = [], []
        for _ in range(ROUNDS):
            deploy(c, yaml(c, path, whole(rows, "pi-1"), "throughput"))
            slow.append(Run(c, 20, 4).rate(4))
            deploy(c, yaml(c, path, whole(rows, "pi-1", "fast-1"),
                           "throughput"))
            run = Run(c, 100, 8)
            got.append(run.rate(10))
        rate, turns = statistics.median(got), 2 * statistics.median(slow)
        figure(f"lab.any_idle {rate / turns:.2f} x target 1.2 "
               f"{verdict(rate, 1.2 * turns, behind=run.behind(c))} of "
               "round robin at its best; "
               f"{rate:.2f} against {turns:.2f} frames/s, ideal 1.5; the slow "
               f"one had {run.share('pi-1') * 100:.0f} %")


# ---- pipelines -----------------------------------------------------------------

def pipeline():
    path = model("resnet50")
    rows = layers(path)
    speed = SPEED
    with lab("", 8, path, macs_per_s=speed, rate="1gbit") as c:
        rates, behind = {}, {}
        for _ in range(ROUNDS):
            for k in (1, 2, 4, 8):
                worst, ends = balanced(rows, k, lambda r: r["macs"])
                deploy(c, yaml(c, path, stages_of(rows, ends, c.boards),
                               "throughput"))
                run = Run(c, 3 * k + 6, 2 * k + 1)
                rates.setdefault(k, []).append(run.rate(2 * k))
                behind[k] = behind.get(k) or run.behind(c)
        one = statistics.median(rates[1])
        total = sum(r["macs"] for r in rows)
        for k in (2, 4, 8):
            worst, _ = balanced(rows, k, lambda r: r["macs"])
            bad = behind[k] or behind[1]
            times = statistics.median(
                b / a for a, b in zip(rates[1], rates[k]))
            figure(f"lab.pipeline.resnet50.{k} {times:.2f} x target "
                   f"{0.9 * k:.1f} "
                   f"{verdict(times, 0.9 * k, True, bad, behind[1])} of one "
                   "board's "
                   f"{one:.3f} frames/s, boards at {speed / 1e9:.0f} GMAC/s, "
                   f"1 Gbit/s; the best cut allows {total / worst:.2f}"
                   f"{bad}")


# ---- tiles ---------------------------------------------------------------------

def tiles():
    """VGG-16's blocks in four tiles each; what is small is on one board."""
    path = model("vgg16")
    rows = layers(path)
    nodes = "[pi-1, pi-2, pi-3, pi-4]"
    tile = "tile: {grid: 2x2, halo: %s, over: " + nodes + "}"
    plans = {
        "exchange": "  - {name: conv, layers: conv1_1..pool4, " +
                    tile % "exchange" + "}\n",
        "recompute": "".join(
            f"  - {{name: t{i}, layers: {a}..{b}, {tile % 'recompute'}}}\n"
            for i, (a, b) in enumerate((("conv1_1", "pool2"),
                                        ("conv3_1", "pool3"),
                                        ("conv4_1", "pool4")))),
    }
    rest = "  - {name: rest, layers: conv5_1..fc3, replicas: [pi-1]}\n"
    with lab("", 4, path, macs_per_s=SPEED, rate="1gbit") as c:
        took, behind = {}, {}
        for _ in range(ROUNDS):
            for name, stages in [("one", whole(rows, "pi-1"))] + [
                    (n, s + rest) for n, s in plans.items()]:
                deploy(c, yaml(c, path, stages))
                run = Run(c, 3, 1)
                took.setdefault(name, []).append(run.ms())
                behind[name] = behind.get(name) or run.behind(c)
        one = statistics.median(took["one"])
        for name in plans:
            bad = behind[name] or behind["one"]
            times = statistics.median(
                a / b for a, b in zip(took["one"], took[name]))
            figure(f"lab.tiles.vgg16.{name} {times:.2f} x target 2.5 "
                   f"{verdict(times, 2.5, True, bad, behind['one'])} faster "
                   f"than one board: {one:.0f} "
                   f"-> {statistics.median(took[name]):.0f} ms, 4 boards at "
                   f"{SPEED / 1e9:.0f} "
                   f"GMAC/s, 1 Gbit/s{bad}")


# ---- memory --------------------------------------------------------------------

FC1 = ("  - {name: conv, layers: conv1_1..flatten, replicas: [pi-1]}\n"
       "  - {name: fc1, layers: fc1..fc1.relu, %s}\n"
       "  - {name: fc2, layers: fc2..fc3, replicas: [pi-2]}\n")


def half():
    """The resident memory of a daemon that holds fc1, and of half of it."""
    path = model("vgg16")
    used = {}
    for name, where in (("whole", "replicas: [pi-3]"),
                        ("half", "split: {axis: output, over: [pi-3, pi-4]}")):
        with lab("", 4, path) as c:
            deploy(c, yaml(c, path, FC1 % where))
            Run(c, 3, 1, check=path)
            used[name] = max(rss(c.pid(node))[0] for node in ("pi-3", "pi-4"))
    percent = 100 * used["half"] / used["whole"]
    figure(f"lab.half_fc1 {percent:.1f} % target 55 "
           f"{verdict(percent, 55, False)} resident {used['half'] >> 20} of "
           f"{used['whole'] >> 20} MiB")


def small_boards():
    """VGG-16, 528 MiB, over eight boards of 128 MiB each."""
    path = model("vgg16")
    six = ", ".join(f"pi-{i}" for i in range(3, 9))
    stages = (
        "  - {name: conv, layers: conv1_1..pool3, replicas: [pi-1]}\n"
        "  - {name: conv4, layers: conv4_1..flatten, replicas: [pi-2]}\n"
        f"  - {{name: fc1, layers: fc1..fc1.relu, split: {{axis: output, "
        f"over: [{six}]}}}}\n"
        "  - {name: fc2, layers: fc2..fc2.relu, replicas: [pi-1]}\n"
        "  - {name: fc3, layers: fc3, replicas: [pi-2]}\n")
    with lab("", 8, path, memory="128MiB", rate="1gbit") as c:
        deploy(c, yaml(c, path, stages))
        run = Run(c, 5, 1, check=path)
        used = max(rss(c.pid(b))[0] for b in c.boards) >> 20
        groups = getattr(c, "groups", {}).values()
        killed = sum(g.ran_out() for g in groups)
        is_held = len(groups) > 0 and all(g.folders for g in groups)
        how = "skipped" if not is_held else "short" if killed else "ok"
        figure(f"lab.small_boards {killed} killed target 0 {how} for their "
               f"memory, of 8 boards held to 128 MiB, VGG-16; "
               f"{run.report['answered']} answers checked; {used} MiB resident "
               f"at most, with what programs share; {c.says()}")


# ---- slow links ----------------------------------------------------------------

def advice(c, path):
    """What the planner would do, for each goal, once it has measured."""
    shapes = []
    for goal in ("latency", "throughput"):
        file = c.write("plan.yaml", yaml(c, path, goal=goal))
        for args in (("profile", file), ("plan", file, "-o", "json")):
            rc, out, err = c.ctl(*args, "--progress=none", timeout=600)
            if rc != 0:
                raise RuntimeError(err)
        shapes.append(json.loads(out)["chosen"]["shape"])
    return shapes


WHOLE = ("one board alone", "replicas of the whole model")


def slow_link():
    """MobileNetV2 where computing is cheap and sending is not."""
    path = model("mobilenetv2")
    rows = layers(path)
    with lab("", 4, path, macs_per_s=1e10, rate="10mbit") as c:
        shapes = advice(c, path)
        wrong = sum(shape not in WHOLE for shape in shapes)
        figure(f"lab.slow_link.plans {wrong} wrong target 0 "
               f"{'short' if wrong else 'ok'} the planner says, for latency: "
               f"{shapes[0]}; for throughput: {shapes[1]}")
        plans = {"one": whole(rows, "pi-1"),
                 "replicas": whole(rows, *c.boards),
                 "pipeline": stages_of(rows, balanced(
                     rows, 4, lambda r: r["macs"])[1], c.boards)}
        ms, rate = {}, {}
        for _ in range(ROUNDS):
            for name, stages in plans.items():
                deploy(c, yaml(c, path, stages))
                ms.setdefault(name, []).append(Run(c, 5, 1).ms())
                rate.setdefault(name, []).append(Run(c, 20, 8).rate(8))
        t = {n: statistics.median(v) for n, v in ms.items()}
        r = {n: statistics.median(v) for n, v in rate.items()}
        times = t["pipeline"] / t["one"]
        figure(f"lab.slow_link.latency {times:.2f} x target 1.0 "
               f"{verdict(times, 1.0)} a pipeline of 4 against one board: "
               f"{t['pipeline']:.0f} and {t['one']:.0f} ms, 10 GMAC/s, 10 "
               f"Mbit/s")
        times = r["replicas"] / r["pipeline"]
        figure(f"lab.slow_link.throughput {times:.2f} x target 1.0 "
               f"{verdict(times, 1.0)} 4 replicas against a pipeline of 4: "
               f"{r['replicas']:.2f} and {r['pipeline']:.2f} frames/s; one "
               f"board {r['one']:.2f}")


ROWS = {"published": published_rows, "any_idle": any_idle,
        "pipeline": pipeline, "tiles": tiles, "half": half,
        "small_boards": small_boards, "slow_link": slow_link}


if __name__ == "__main__":
    run_rows("lab", ROWS)
