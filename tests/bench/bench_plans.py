#!/usr/bin/python3
"""Predicted against measured: plans of several kinds, of several models, over
several links, each on emulated boards that are paced. Two predictions are
held against the run: `edgectl plan` with what `edgectl profile` measured on
these very boards, and `edgectl simulate` with a file that says what they are.
ONLY_PLANS=a,b runs those alone."""
import json
import os
import sys
import traceback

from figures import figure

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/../lib/lab"]
from boards import layers, open_lab, pace_rows  # noqa: E402
from measure import (Run, balanced, deploy, model,  # noqa: E402
                     stages_of, yaml)

WITHIN = 1.15
ALL = "[pi-1, pi-2, pi-3, pi-4]"


def whole(rows, first, last, *nodes):
    return (f"  - {{name: {first.replace('.', '-')}, layers: "
            f"{first}..{last}, replicas: [{', '.join(nodes)}]}}\n")


def one(rows):
    return whole(rows, rows[0]["name"], rows[-1]["name"], "pi-1")


def replicas(rows):
    return whole(rows, rows[0]["name"], rows[-1]["name"], "pi-1", "pi-2",
                 "pi-3")


def pipeline(rows):
    ends = balanced(rows, 4, lambda r: r["macs"])[1]
    return stages_of(rows, ends, ["pi-1", "pi-2", "pi-3", "pi-4"])


def split(rows):
    """AlexNet's first dense layer in halves."""
    return (whole(rows, "conv1", "flatten", "pi-1") +
            "  - {name: fc1, layers: fc1..fc1.relu, split: {axis: output, "
            "over: [pi-2, pi-3]}}\n" +
            whole(rows, "fc2", "fc3", "pi-4"))


def tiles(rows):
    """VGG-16's first blocks in four tiles."""
    return (f"  - {{name: map, layers: conv1_1..pool2, tile: {{grid: 2x2, "
            f"halo: recompute, over: {ALL}}}}}\n" +
            whole(rows, "conv3_1", "fc3", "pi-1"))


MODELS = {"mobilenetv2": 1e9, "resnet50": 4e9, "alexnet": 5e8, "vgg16": 4e9}
PLANS = [(kind, name, link) for name in ("mobilenetv2", "resnet50")
         for link in ("1gbit", "30mbit") for kind in (one, replicas, pipeline)]
PLANS += [(split, "alexnet", "1gbit"), (split, "alexnet", "30mbit"),
          (tiles, "vgg16", "1gbit"), (tiles, "vgg16", "200mbit")]


# ---- predictions ---------------------------------------------------------------

def rate_text(link):
    return f"{link[:-4]}{link[-4].upper()}bit/s"


def profile_file(c, rows, link):
    """What the lab's boards are, for `simulate`."""
    board = next(iter(c.kinds.values()))
    times = "".join(f"      {name}: {seconds * 1e3:.4f}ms\n" for
                    name, (seconds, _) in pace_rows(board, rows).items())
    return c.write("profile.yaml", f"kinds:\n  pi:\n    layers:\n{times}"
                   f"link: {{rate: {rate_text(link)}, delay: 0.1ms}}\n")


def planned(c, path, text):
    """(ms, answers/s) of `edgectl plan`, on a measured profile."""
    file = c.write("plan.yaml", text)
    rc, _, err = c.ctl("profile", file, "--progress=none", timeout=600)
    if rc != 0:
        raise RuntimeError("profile: " + err)
    rc, out, err = c.ctl("plan", file, "-o", "json", "--progress=none")
    if rc != 0:
        raise RuntimeError("plan: " + err)
    out = json.loads(out)
    return out["latency_ms"], out["images_per_s"]


def simulated(c, rows, link, text, clients):
    file = c.write("simulate.yaml", text)
    rc, out, err = c.ctl("simulate", file, "--profiles",
                         profile_file(c, rows, link), "--clients",
                         str(clients), "-o", "json")
    if rc != 0:
        raise RuntimeError("simulate: " + err)
    out = json.loads(out)
    return out["alone_ms"], out["requests_per_s"]


# ---- one plan ------------------------------------------------------------------

def compare(what, predicted, measured, unit, behind):
    ratio = predicted / measured
    ok = 1 / WITHIN <= ratio <= WITHIN
    how = "skipped" if behind else "ok" if ok else "short"
    figure(f"plans.{what} {ratio:.3f} x target {WITHIN} "
           f"{how} predicted {predicted:.2f}, measured "
           f"{measured:.2f} {unit}{behind}")
    return how


def run_plan(kind, name, link):
    path = model(name)
    rows = layers(path)
    lab = (f"[[board]]\nname = \"pi\"\ncount = 4\nrate = \"{link}\"\n"
           f"macs_per_s = {MODELS[name]!r}\n[gateway]\nrate = \"{link}\"\n")
    with open_lab(lab, path) as c:
        text = yaml(c, path, kind(rows))
        deploy(c, text)
        ms = Run(c, 5, 1).ms()
        clients = 10
        run = Run(c, 40, clients)
        rate, behind = run.rate(15), run.behind(c)
        sources = {}
        for source, ask in (
                ("plan", lambda: planned(c, path, text)),
                ("simulate", lambda: simulated(c, rows, link, text, clients))):
            try:
                sources[source] = ask()
            except (RuntimeError, KeyError) as e:
                figure(f"plans.{source}.{kind.__name__}.{name}.{link} - x "
                       f"target {WITHIN} short {' '.join(str(e).split())}")
    good = []
    for source, (want_ms, want_rate) in sources.items():
        what = f"{source}.{kind.__name__}.{name}.{link}"
        good.append(compare(what + ".latency", want_ms, ms, "ms", behind))
        good.append(compare(what + ".rate", want_rate, rate, "answers/s",
                            behind))
    return good


def main():
    wanted = [w for w in os.environ.get("ONLY_PLANS", "").split(",") if w]
    good, failed = [], 0
    for kind, name, link in PLANS:
        what = f"{kind.__name__}.{name}.{link}"
        if wanted and not any(what.startswith(w) for w in wanted):
            continue
        try:
            good += run_plan(kind, name, link)
        except Exception:  # noqa: BLE001: the other plans go on
            traceback.print_exc()
            figure(f"plans.{what} - - target - short it did not run")
            failed = 1
    print(f"# {good.count('ok')} of {len(good)} predictions within 15 %, "
          f"{good.count('skipped')} could not be measured")
    sys.exit(failed)


if __name__ == "__main__":
    main()
