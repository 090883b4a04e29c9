#!/usr/bin/python3
"""edgectl verify: the cluster against one process, for plans that are exact,
in pieces and lossy; and answers that are wrong are found out."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import ROOT, Cluster, Tap, cluster_yaml  # noqa: E402

MODEL = ROOT + "/deploy/demo/shapes.onnx"
IMAGES = ROOT + "/deploy/demo/images"
SPEC = "{size: 64x64, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"
BASE = cluster_yaml(MODEL, 2, spec=SPEC, cut=False) + "spares: none\n"
TWO = ("stages:\n"
       "  - {name: a, layers: stem.conv..block3.add, replicas: [local-1]%s}\n"
       "  - {name: b, layers: block4.expand.conv..softmax, "
       "replicas: [local-2]}\n")
TILES = ("stages:\n  - {name: a, layers: stem.conv..block3.add, tile: {grid: "
         "2x1, %s, over: [local-1, local-2]}}\n"
         "  - {name: b, layers: block4.expand.conv..softmax, "
         "replicas: [local-2]}\n")
SPLIT = ("stages:\n  - {name: a, layers: stem.conv..block1.expand.relu, split: "
         "{axis: input, over: [local-1, local-2]}}\n"
         "  - {name: b, layers: block1.depthwise.conv..softmax, "
         "replicas: [local-2]}\n")


def verify(c, *args):
    rc, out, err = c.ctl("verify", "-o", "json", *args)
    return rc, json.loads(out) if out else None, err


def good(tap, c, name, yaml, check, *args):
    rc, _, err = c.deploy(yaml)
    if rc != 0:
        tap.case(False, name, err)
        return
    rc, r, err = verify(c, *args)
    tap.case(rc == 0 and r["ok"] and
             r["cluster"]["same_bits"] == r["cluster"]["inputs"] > 0 and
             check(r), name, f"{r} {err}")


def exact(tap, c):
    good(tap, c, "stages: the model's own bits", BASE + TWO % "",
         lambda r: r["shards"] is None and r["cluster"]["inputs"] == 16)
    good(tap, c, "the same for pictures", BASE + TWO % "",
         lambda r: r["cluster"]["inputs"] > 10, IMAGES)
    good(tap, c, "tiles: the shards' own bits, near the model's",
         BASE + TILES % "halo: exchange",
         lambda r: r["shards"]["largest_difference"] <=
         1e-4 * r["shards"]["largest_value"], "--random", "4")
    good(tap, c, "a split by input channels: the same",
         BASE + SPLIT,
         lambda r: r["shards"]["largest_difference"] <=
         1e-4 * r["shards"]["largest_value"], "--random", "4", "--seed", "3")


def lossy(tap, c):
    good(tap, c, "q4 on the link: within its bound, the model's choices",
         BASE + "links: {input: q8}\n" + TWO % ", codec: q4",
         lambda r: r["loss"]["largest_difference"] > 0 and
         r["shards"]["same_bits"] == r["shards"]["inputs"] and
         [k["codec"] for k in r["links"]] == ["q8", "q4"] and
         all(0 < k["largest_change"] <= k["bound"] and
             k["bytes"] < 0.27 * k["plain_bytes"] for k in r["links"]),
         IMAGES)
    rc, out, err = c.ctl("verify", "--random", "2")
    tap.case(rc == 0 and "a -> b" in out and "good" in out.split() and
             "NOT" not in out, "the same for people", out + err)
    good(tap, c, "half precision without loss of a choice",
         BASE + "links: {codec: fp16+zstd}\n" + TWO % "",
         lambda r: r["loss"]["same_first_choice"] == r["loss"]["inputs"],
         IMAGES)
    good(tap, c, "zstd on every link, and the model's own bits all the same",
         BASE + "links: {zstd: on}\n" + TWO % "",
         lambda r: [k["codec"] for k in r["links"]] == ["fp32+zstd"] * 2 and
         r["shards"]["same_bits"] == r["shards"]["inputs"] and
         r["loss"]["largest_difference"] == 0 and
         all(k["largest_change"] == 0 for k in r["links"]), IMAGES)
    good(tap, c, "zstd on top of what the stage says",
         BASE + "links: {zstd: on}\n" + TWO % ", codec: q4+runs",
         lambda r: [k["codec"] for k in r["links"]] ==
         ["fp32+zstd", "q4+runs+zstd"] and
         r["shards"]["same_bits"] == r["shards"]["inputs"], IMAGES)
    good(tap, c, "zstd: auto, tried on a picture",
         BASE + f"links: {{zstd: auto, calibrate: {IMAGES}}}\n" + TWO % "",
         lambda r: r["cluster"]["same_bits"] == r["cluster"]["inputs"], IMAGES)
    good(tap, c, "auto: 8 bits or 16, and no choice changes",
         BASE + "links: {codec: auto, input: auto}\n" + TWO % "",
         lambda r: len(r["links"]) == 2 and
         all(k["codec"] in ("q8", "fp16") for k in r["links"]) and
         r["loss"]["same_first_choice"] == r["loss"]["inputs"], IMAGES)
    good(tap, c, "auto without any loss allowed: the same",
         BASE + "links: {codec: auto, max_loss: 0%}\n" + TWO % "",
         lambda r: r["loss"]["same_first_choice"] == r["loss"]["inputs"],
         IMAGES)
    good(tap, c, "auto tried on pictures: four bits where these allow it",
         BASE + f"links: {{codec: auto, calibrate: {IMAGES}}}\n" + TWO % "",
         lambda r: [k["codec"] for k in r["links"]] == ["q4+runs"] and
         r["loss"]["same_first_choice"] == r["loss"]["inputs"], IMAGES)
    for name, folder, says in (
            ("no such folder", "nowhere", "nowhere"),
            ("a folder without pictures", ".", "no picture"),
            ("a picture that is none", "bad", "bad/cat.png")):
        if folder == "bad":
            os.makedirs(c.folder + "/bad", exist_ok=True)
            with open(c.folder + "/bad/cat.png", "w") as f:
                f.write("not a picture")
        rc, _, err = c.deploy(
            BASE + f"links: {{codec: auto, calibrate: {folder}}}\n" +
            TWO % "")
        tap.case(rc == 3 and "links.calibrate" in err and says in err,
                 "calibrate: " + name, err)
    good(tap, c, "tiles without borders: the shards' own bits",
         BASE + TILES % "halo: none",
         lambda r: r["loss"]["largest_difference"] > 0, "--random", "3")


def other_model(c):
    """The same ports and other weights."""
    import numpy as np
    import onnx
    from onnx import numpy_helper
    model = onnx.load(MODEL)
    for t in model.graph.initializer:
        w = numpy_helper.to_array(t)
        if w.dtype == np.float32 and w.ndim == 4:
            t.CopyFrom(numpy_helper.from_array(w * np.float32(1.001), t.name))
            break
    path = c.folder + "/other.onnx"
    onnx.save(model, path)
    return path


def wrong(tap, c):
    path = other_model(c)
    for name, yaml in (("stages", BASE + TWO % ""),
                       ("q8 on the link", BASE + TWO % ", codec: q8")):
        rc, _, err = c.deploy(yaml)
        tap.case(rc == 0, "deployed: " + name, err)
        rc, r, err = verify(c, "--file", path, "--random", "3")
        tap.case(rc == 1 and not r["ok"], f"{name}: another model is found out",
                 f"{r} {err}")
    rc, out, err = c.ctl("verify", "--file", path, "--random", "3")
    tap.case(rc == 1 and "WRONG" in out and "NOT GOOD" in out,
             "and people are told", out + err)
    rc, _, err = c.ctl("verify", "--file", c.folder + "/none.onnx")
    tap.case(rc != 0 and "none.onnx" in err, "no such file", err)
    rc, _, err = c.ctl("verify", "-m", "nobody")
    tap.case(rc != 0 and "nobody" in err, "no such deployment", err)
    rc, _, err = c.ctl("verify", "--within", "2")
    tap.case(rc == 2 and "within" in err, "no such bound", err)


def main():
    tap = Tap()
    with Cluster(2) as c:
        exact(tap, c)
        lossy(tap, c)
        wrong(tap, c)
    tap.end()


main()
