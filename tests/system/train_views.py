"""Models of several views over real processes: who shares the work makes no
difference, what is left out counts for nothing, and evaluations say what each
exit and each set of views is worth."""
import json
import os
import sys

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bars  # noqa: E402
from edged_test import Cluster, Tap  # noqa: E402

IS_SLOW = os.environ.get("EDGE_MODE") in ("asan", "tsan")
BATCH = 8 if IS_SLOW else 40
STEPS = 6 if IS_SLOW else 30
EPOCHS = 1 if IS_SLOW else 3
TRAIN, TEST = STEPS * BATCH, 5 * BATCH
INPUT = "{size: 32x32, resize: pad, grid: 3x2, color: gray, mean: 0.3, std: 0.3}"


def yaml(name, form, devices, training, more_input=""):
    inputs = INPUT[:-1] + more_input + "}"
    return (f"name: {name}\nmodel: {{file: {form}.onnx, input: {inputs}}}\n"
            f"devices: local {devices}\n"
            f"training: {{data: set, epochs: {EPOCHS}, batch: {BATCH}, "
            f"optimizer: adam, lr: 0.003, {training}}}\n")


class Views:
    def __init__(self, tap, cluster):
        self.tap = tap
        self.c = cluster

    def new(self, form):
        rc, _, err = self.c.ctl(
            "model", "new", "ddnn", "--arch", form, "--input", "16x10x1",
            "--width", "0.25", "-o", f"{self.c.folder}/{form}.onnx")
        self.tap.case(rc == 0, f"{form}: a model to train", err)

    def train(self, name, form, devices, training, more_input=""):
        """The constants of the file that it writes."""
        path = self.c.write(name + ".yaml",
                            yaml(name, form, devices, training, more_input))
        out = f"{self.c.folder}/{name}-trained.onnx"
        rc, _, err = self.c.ctl("train", path, "-q", "-f", out, timeout=200)
        if not self.tap.case(rc == 0, f"{name}: trained", err):
            return {}
        return {t.name: numpy_helper.to_array(t)
                for t in onnx.load(out).graph.initializer}

    def lines(self, *args):
        rc, out, err = self.c.ctl(*args, "-o", "json", timeout=200)
        if rc != 0:
            return [], err
        return [json.loads(line) for line in out.splitlines()], err

    def adopt(self, name, form):
        """A file whose model is the trained one."""
        os.replace(f"{self.c.folder}/{name}-trained.onnx",
                   f"{self.c.folder}/{form}.onnx")
        return self.c.write("use.yaml", yaml("use", form, 1, "microbatches: 1"))


def same(a, b):
    return bool(a) and a.keys() == b.keys() and all(
        np.array_equal(a[k], b[k]) for k in a)


def check_shares(tap, views, form):
    """A board alone, and two, learn the same bits; whom dropout leaves out is
    part of what is learnt."""
    parts = "microbatches: 2, shares: equal, view_dropout: 0.3"
    alone = views.train(form + "-one", form, 1, parts)
    two = views.train(form + "-two", form, 2,
                      parts.replace("microbatches: 2", "microbatches: 1"))
    tap.case(same(alone, two), f"{form}: two boards learn what one does")
    plain = views.train(form + "-plain", form, 1,
                        parts.replace(", view_dropout: 0.3", ""))
    tap.case(bool(plain) and not same(alone, plain),
             f"{form}: with views left out another model is learnt")
    again = views.train(form + "-again", form, 1, parts)
    tap.case(same(alone, again), f"{form}: the same seed leaves out the same")
    return alone


def by_name(row):
    return {o["output"]: o for o in row.get("outputs", [])}


def check_table(tap, views, path):
    rows, err = views.lines("evaluate", path, "--missing-table")
    sets = [row["missing"] for row in rows]
    want = [[], [0], [1], [2], [3], [4], [5], [4, 5], [3, 4, 5], [2, 3, 4, 5],
            [1, 2, 3, 4, 5]]
    tap.case(sets == want, "the table has the prototype's sets", err or sets)
    if sets != want:
        return
    tap.case(all(by_name(row)[f"device_{k}"]["samples"] ==
                 (0 if k in row["missing"] else TEST)
                 for row in rows for k in range(6)),
             "the exit of a view that is missing is not counted", rows[1])
    own = [by_name(row).get("device_0") for row in rows if 0 not in row["missing"]]
    tap.case(len({o["accuracy"] for o in own}) == 1,
             "a view's own exit does not mind who else is there", own)
    last = by_name(rows[-1])
    tap.case(last["local_logits"]["accuracy"] == last["device_0"]["accuracy"],
             "the highest of one view's scores are its own", last)
    one, err = views.lines("evaluate", path, "--missing", "4,5")
    tap.case(one and one[-1].get("outputs") == rows[7]["outputs"],
             "one row by itself is the table's", err or one)


def check_tune(tap, views, path):
    rows, err = views.lines("exits", "tune", path)
    if not tap.case(len(rows) == 1, "exits tune", err):
        return
    said = rows[0]
    outputs = by_name(said)
    first, last = said["thresholds"][0], said["thresholds"][-1]
    tap.case(len(said["thresholds"]) == 101 and last["early"] == 1 and
             abs(last["overall"] - outputs["local_logits"]["accuracy"]) < 1e-9
             and last["bytes"] == said["always_bytes"] == 40,
             "at threshold 1 all leave at the local exit", last)
    tap.case(first["early"] == 0 and abs(
        first["overall"] - outputs["cloud_logits"]["accuracy"]) < 1e-9 and
        first["bytes"] == 40 + 20,
        "at threshold 0 none does; features take a bit each", first)
    early = [t["early"] for t in said["thresholds"]]
    tap.case(early == sorted(early), "a higher threshold lets more leave")
    best = max(o["accuracy"] for name, o in outputs.items()
               if name in ("local_logits", "cloud_logits"))
    for loss in (0, 2):
        rows, err = views.lines("exits", "tune", path, "--loss", str(loss))
        fine = [t for t in said["thresholds"]
                if t["overall"] >= best - loss / 100 - 1e-9]
        want = fine[-1] if fine else None
        tap.case(rows and rows[0]["chosen"] == want,
                 f"--loss {loss}: the highest that loses no more", err or rows)
    rc, out, err = views.c.ctl("exits", "tune", path, "--loss", "100", "-q",
                               timeout=200)
    tap.case(rc == 0 and "exits: [{at: local, output: local_logits, "
             "entropy: 1.00}]" in out, "as a line for the cluster's file",
             out + err)


def check_file(tap, views, path):
    out = views.c.folder + "/known.onnx"
    rc, _, err = views.c.ctl("evaluate", path, "--missing-table", "-f", out,
                             "-q", timeout=200)
    if not tap.case(rc == 0, "the table is kept in a model's file", err):
        return
    metas = {m.key: m.value for m in onnx.load(out).metadata_props}
    lines = metas.get("edged.views.measured", "").splitlines()
    tap.case(len(lines) == 11 and lines[0].startswith("- ") and
             lines[7].startswith("4,5 ") and lines[7].endswith(f" {TEST}"),
             "in a line for each set", metas)


def check_blank(tap, views, form):
    """Noise is nowhere black, so `blank: absent` changes nothing; a set whose
    pictures are black beside their bars shows in the counts."""
    folder = views.c.folder
    path = views.c.write("blank.yaml", yaml("blank", form, 1, "microbatches: 1",
                                            ", blank: absent"))
    rows, err = views.lines("evaluate", path)
    tap.case(rows and by_name(rows[-1])["device_2"]["samples"] == TEST,
             "no view is black: all are there", err or rows)
    name = folder + "/set/t10k-images-idx3-ubyte"
    with open(name, "rb") as f:
        data = bytearray(f.read())
    pixels = np.frombuffer(data, np.uint8)[16:].reshape(TEST, 28, 28)
    pixels[:TEST // 2, :, 18:] = 0  # views 4 and 5 of these
    with open(name, "wb") as f:
        f.write(data)
    rows, err = views.lines("evaluate", path)
    counts = by_name(rows[-1]) if rows else {}
    tap.case(counts and counts["device_3"]["samples"] == TEST and
             counts["device_4"]["samples"] == counts["device_5"]["samples"] ==
             TEST - TEST // 2, "black views are not there", err or counts)


def check_refusals(tap, views, form):
    for name, change, told in (
            ("no-grid", ("grid: 3x2, ", ""), "grid"),
            ("other-grid", ("grid: 3x2", "grid: 2x2"), "4 views"),
            ("other-size", ("32x32", "64x64"), "10x16"),
            ("colors", ("color: gray", "color: rgb"), "channels"),
            ("pipeline", ("microbatches: 1", "microbatches: 1, mode: pipeline"),
             "whole on each")):
        path = views.c.write(name + ".yaml", yaml(
            name, form, 2, "microbatches: 1").replace(*change))
        rc, _, err = views.c.ctl("train", path, "-q", timeout=60)
        tap.case(rc != 0 and told in err, f"{name}: refused", err)
    for args, told in ((("--missing", "6"), "0 to 5"),
                       (("--missing", "0,1,2,3,4,5"), "no answer"),
                       (("--missing", "x"), "numbers of views"),
                       (("-f", "x.onnx"), "--missing-table"),
                       (("--missing", "0", "--missing-table"), "one row")):
        rc, _, err = views.c.ctl("evaluate", views.c.folder + "/use.yaml", *args)
        tap.case(rc != 0 and told in err, f"refused: {' '.join(args)}", err)


def check_edge(tap, views):
    """Exits are asked in the order of the tiers, whatever that of the file."""
    out = f"{views.c.folder}/edge.onnx"
    rc, _, err = views.c.ctl("model", "new", "ddnn", "--edge", "--input",
                             "16x10x1", "-o", out)
    tap.case(rc == 0, "a model with an edge tier", err)
    takers = ", ".join(f"input_{v}: {{on: local-1}}" for v in range(6))
    path = views.c.write("edge.yaml", yaml("edge", "edge", 1, "seed: 1") + (
        f"views: {{{takers}}}\n"
        "tiers: [{name: device, on: each-view}, {name: near, on: local-1}, "
        "{name: edge, on: local-1}, {name: cloud, on: local-1}]\n"
        "exits: [{at: edge, output: edge_logits, entropy: 0.3}, "
        "{at: near, output: local_logits, confidence: 0.3}]\n"))
    rc, out, err = views.c.ctl("exits", "tune", path, "--loss", "100", "-q",
                               timeout=200)
    tap.case(rc == 0 and "exits: [{at: near, output: local_logits, "
             "confidence: 0.00},\n          {at: edge, output: edge_logits, "
             "entropy: 1.00}]" in out, "a line for each exit, in the tiers' "
             "order", out + err)


def main():
    tap = Tap()
    with Cluster(2) as cluster:
        err = bars.prepare(cluster, TRAIN, TEST)
        tap.case(not err, "pictures to learn from", err)
        views = Views(tap, cluster)
        for form in ("float", "binary"):
            views.new(form)
            learnt = check_shares(tap, views, form)
            if form == "binary" and learnt:
                tap.case(all(np.abs(w).max() <= 1 for n, w in learnt.items()
                             if n.endswith((".conv.weight", ".fc.weight"))),
                         "binary: weights stay within 1")
        path = views.adopt("binary-one", "binary")
        check_table(tap, views, path)
        check_tune(tap, views, path)
        check_file(tap, views, path)
        check_refusals(tap, views, "binary")
        check_blank(tap, views, "binary")
        check_edge(tap, views)
    tap.end()


main()
