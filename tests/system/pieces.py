#!/usr/bin/python3
"""Stages that are split and tiled over daemons: the answers stay, also while
daemons die, and what cannot be cut is refused before anything is pushed."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import ROOT, Cluster, Tap, cluster_yaml  # noqa: E402

MODEL = ROOT + "/deploy/demo/shapes.onnx"
LABELS = ROOT + "/deploy/demo/labels.txt"
IMAGES = ROOT + "/deploy/demo/images"
SPEC = "{size: 64x64, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"
ALL = "[local-1, local-2, local-3, local-4]"
REST = "  - {name: rest, layers: %s..softmax, replicas: [local-3, local-4]}\n"
FRONT = "stem.conv..block3.add"
CUTS = {
    "tiles, borders computed again":
        (FRONT, f"tile: {{grid: 2x2, over: {ALL}}}", "block4.expand.conv"),
    "tiles that exchange borders":
        (FRONT, f"tile: {{grid: 2x2, halo: exchange, over: {ALL}}}",
         "block4.expand.conv"),
    "three tiles on two devices":
        (FRONT, "tile: {grid: 1x3, over: [local-1, local-2]}",
         "block4.expand.conv"),
    "two tiles with two replicas each":
        (FRONT, f"tile: {{grid: 2x1, over: {ALL}}}", "block4.expand.conv"),
    "six layers by output channels":
        ("stem.conv..block4.project.conv",
         "split: {axis: output, over: [local-1, local-2]}",
         "block5.expand.conv"),
    "by input channels":
        ("stem.conv..block1.expand.relu",
         "split: {axis: input, over: [local-1, local-2, local-3]}",
         "block1.depthwise.conv"),
    "in pairs":
        ("block2.expand.conv..block2.project.conv",
         f"split: {{axis: pair, over: {ALL}}}", "block3.expand.conv"),
}


def yaml(layers, cut, rest):
    text = cluster_yaml(MODEL, 4, 2, LABELS, SPEC, cut=False) + "stages:\n"
    if layers.startswith("block2"):
        text += ("  - {name: begin, layers: stem.conv..block1.add, "
                 "replicas: [local-1, local-2]}\n")
    return (text + f"  - {{name: first, layers: {layers}, {cut}}}\n" +
            REST % rest)


def answers(c):
    rc, out, err = c.ctl("infer", IMAGES, "-o", "json")
    rows = [json.loads(line) for line in out.splitlines()]
    return rc, {r["image"]: {t["label"]: t["score"] for t in r["top"]}
                for r in rows}, err


def same(got, want):
    return got.keys() == want.keys() and all(
        got[i].keys() == want[i].keys() and
        all(abs(got[i][k] - want[i][k]) < 1e-4 for k in want[i])
        for i in want)


def exact(tap, c, want):
    for name, cut in CUTS.items():
        rc, _, err = c.deploy(yaml(*cut))
        if not tap.case(rc == 0, "deployed: " + name, err):
            continue
        rc, got, err = answers(c)
        tap.case(rc == 0 and same(got, want),
                 f"the same {len(want)} answers: {name}", err)


def lossy(tap, c, want):
    rc, _, err = c.deploy(yaml(
        FRONT, f"tile: {{grid: 2x2, halo: none, over: {ALL}}}",
        "block4.expand.conv"))
    tap.case(rc == 0, "deployed: tiles without borders", err)
    rc, got, err = answers(c)
    tap.case(rc == 0 and got.keys() == want.keys() and not same(got, want),
             "its answers are others", err)


def kills(tap, c):
    """Pieces and the joins of pieces die under load."""
    rc, _, err = c.deploy(yaml(*CUTS["two tiles with two replicas each"]))
    tap.case(rc == 0, "two replicas of everything", err)
    bench = c.start("bench", "--for", "15", "--clients", "4", "--check",
                    MODEL, "-o", "json")
    for node in ("local-4", "local-1", "local-3"):
        time.sleep(1.5)
        c.kill(node)
        c.wait_ready(8)
    out, err = bench.communicate(timeout=60)
    r = json.loads(out)
    tap.case(bench.returncode == 0 and r["failed"] == 0 and r["wrong"] == 0
             and r["repeated"] == 0 and r["answered"] > 100,
             f"three kills: {r['answered']} answered, {r['failed']} failed, "
             f"{r['wrong']} wrong", err)


def refused(tap, c):
    epoch = c.json("status")["deployments"][0]["generation"]
    for name, layers, cut, rest, says in (
            ("more tiles than one shard can join", FRONT,
             f"tile: {{grid: 5x4, over: {ALL}}}", "block4.expand.conv", "16"),
            ("a grid finer than the map", "block6.expand.conv..block6.add",
             f"tile: {{grid: 16x1, over: {ALL}}}", "block7.expand.conv", ""),
            ("layers that no tile can compute", "stem.conv..softmax",
             f"tile: {{grid: 2x2, over: {ALL}}}", None, "tile by tile"),
            ("layers without weights", "stem.conv..stem.relu",
             "split: {axis: pair, over: [local-1, local-2]}",
             "block1.expand.conv", "pairs")):
        text = yaml(layers, cut, rest or "")
        if rest is None:
            text = text.replace(REST % "", "")
        rc, _, err = c.deploy(text)
        tap.case(rc in (1, 3) and says in err and len(err) > 30,
                 f"refused: {name}", err)
    tap.case(c.json("status")["deployments"][0]["generation"] == epoch,
             "the old generation serves as before")


def main():
    tap = Tap()
    with Cluster(4) as c:
        rc, _, err = c.deploy(cluster_yaml(MODEL, 4, 2, LABELS, SPEC))
        tap.case(rc == 0, "whole stages first", err)
        rc, want, err = answers(c)
        tap.case(rc == 0 and len(want) > 10, "they answer", err)
        exact(tap, c, want)
        lossy(tap, c, want)
        kills(tap, c)
        refused(tap, c)
    tap.end()


main()
