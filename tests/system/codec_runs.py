"""Real models cut by hand over four daemons with codecs on the links: what
they answer to the photographs, and what the daemons say they sent."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import DATA, cluster_yaml  # noqa: E402

ALL = "[local-1, local-2, local-3, local-4]"
MODELS = {
    "squeezenet1.1": (
        "{size: 224x224, mean: [0.485, 0.456, 0.406], "
        "std: [0.229, 0.224, 0.225]}",
        ["squeezenet0_conv0_fwd", "squeezenet0_concat0",
         "squeezenet0_conv4_fwd", "squeezenet0_concat1",
         "squeezenet0_pool1_fwd", "squeezenet0_concat5",
         "squeezenet0_conv19_fwd", "squeezenet0_flatten0_reshape0"]),
    "mobilenetv2_1.0_224_fp32": (
        "{size: 224x224, range: 0..255, mean: 128, std: 128}",
        ["Conv_1", "Conv_3", "Conv_4", "Add_2", "Conv_16", "Add_7",
         "Conv_37", "Softmax_1"]),
}


def path(model):
    return f"{DATA}/models/{model}/model.onnx"


def photographs(model):
    """Those whose true class is known."""
    with open(f"{DATA}/images/expected_classification.tsv") as f:
        rows = [line.rstrip("\n").split("\t") for line in f][1:]
    return [f"{DATA}/images/{row[0]}" for row in rows
            if row[2] == model and row[1] != "-"]


def yaml(model, links):
    """No spares: where they are added the epoch changes, and the counters
    begin again."""
    spec, ends = MODELS[model]
    text = (cluster_yaml(path(model), 4, spec=spec, cut=False) +
            f"spares: none\nlinks: {links}\nstages:\n")
    for i in range(4):
        text += (f"  - {{name: s{i}, layers: {ends[2 * i]}..{ends[2 * i + 1]}, "
                 f"replicas: [local-{i + 1}]}}\n")
    return text


def tiles(model, codec):
    """The first two stages as 2 x 2 tiles that exchange borders."""
    spec, ends = MODELS[model]
    last, rest = ends[3:5]
    return (cluster_yaml(path(model), 4, spec=spec, cut=False) +
            "spares: none\nstages:\n"
            f"  - {{name: tiles, layers: {ends[0]}..{last}, tile: {{grid: 2x2, "
            f"halo: exchange, codec: {codec}, over: {ALL}}}}}\n"
            f"  - {{name: rest, layers: {rest}..{ends[-1]}, "
            f"replicas: [local-4]}}\n")


def answers(cluster, photos):
    """The first choice for each, or None and what went wrong."""
    rc, out, err = cluster.ctl("infer", "--top", "1", "-o", "json", *photos)
    rows = [json.loads(line) for line in out.splitlines()]
    if rc != 0 or len(rows) != len(photos):
        return None, err
    return [row["top"][0]["index"] for row in rows], err


def measured(cluster, text, photos, count):
    """Deploys, asks for all photographs, counts: (first choices or None, what
    count(cluster, runs) gives, what went wrong). Counters begin again when
    recovery makes a new epoch because a board was slow to answer; then it is
    all done once more."""
    for _ in range(4):
        rc, _, err = cluster.deploy(text)
        if rc != 0:
            return None, (0, 0), err
        got, err = answers(cluster, photos)
        try:
            return got, count(cluster, len(photos)), err
        except RuntimeError as e:
            err = str(e)
    return None, (0, 0), err


def sent(cluster, runs, stages):
    """(bytes, bytes as they would be without codecs) that the stages which
    stages() picks by name sent, and with them the gateway if it picks "gateway",
    once each has run that often."""
    until = time.monotonic() + 20
    while True:
        deployment = cluster.json("status")["deployments"][0]
        picked = [r for s in deployment["stages"] if stages(s["name"])
                  for r in s["replicas"]]
        if all(r["runs"] >= runs or r["spare"] for r in picked):
            if stages("gateway"):
                picked.append(deployment)
            return (sum(r["sent_bytes"] for r in picked),
                    sum(r["plain_bytes"] for r in picked))
        if time.monotonic() > until:
            raise RuntimeError(f"not {runs} runs of each: {picked}")
        time.sleep(0.1)


def borders(cluster, runs):
    """The same of what tiles send each other; what the last of their shards
    send goes to where they are joined."""
    rows = cluster.json("status")["deployments"][0]["stages"]
    levels = {name: int(name.split(".")[2]) if name.count(".") == 2 else 0
              for name in (row["name"] for row in rows)
              if name.startswith("tiles.") and name.split(".")[1].isdigit()}
    last = max(levels.values())
    return sent(cluster, runs, lambda name: levels.get(name, last) < last)
