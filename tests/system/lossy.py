"""Training with lossy tiles over real processes: what is lost is the same
whoever shares the work, evaluation has settings of its own, and what makes no
sense is refused."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bars  # noqa: E402
from edged_test import Cluster, Tap  # noqa: E402

IS_SLOW = os.environ.get("EDGE_MODE") == "tsan"
BATCH = 8 if IS_SLOW else 40
STEPS = 8 if IS_SLOW else 20
TRAIN, TEST = STEPS * BATCH, 5 * BATCH

TILES = "tiles: [{layers: conv1..pool2, grid: 2x2}]"
LOSSES = {
    "bernoulli": TILES + ", tile_loss: {p: 0.4}",
    "markov": TILES + ", tile_loss: {model: markov, p11: 0.8, p22: 0.3}, "
              "margin: {clip: [0, 2], bits: 4, own: true}, "
              "block_loss: {layers: [\"fc*\"], p: 0.1}",
}


def yaml(name, devices, training, more=""):
    return (f"name: {name}\n{bars.MODEL}"
            f"devices: local {devices}\n{more}"
            f"training: {{data: set, epochs: 2, batch: {BATCH}, lr: 0.03, "
            f"{training}}}\n")


def train(cluster, name, text):
    path = cluster.write(name + ".yaml", text)
    rc, out, err = cluster.ctl("train", path, "-o", "json", "-f",
                               f"{cluster.folder}/{name}.onnx", timeout=60)
    rows = [json.loads(line) for line in out.splitlines() if line and rc == 0]
    return rc, [r for r in rows if r["phase"] == "evaluate"], err


def numbers(rows):
    return [r[k] for r in rows for k in ("loss", "test_loss")]


def check_forms(tap, cluster, name, training):
    """A board alone, two with half of the pictures, two with half of the
    model."""
    forms = {"one": (1, "", 1), "replicas": (2, "", 1),
             "stages": (2, bars.STAGES, 2)}
    found = {}
    for form, (devices, more, parts) in forms.items():
        title = f"{name}-{form}"
        rc, rows, err = train(cluster, title, yaml(
            title, devices, f"microbatches: {parts}, {training}", more))
        tap.case(rc == 0 and len(rows) == 2, f"{title}: trained", err)
        found[form] = numbers(rows)
    want = found["one"]
    for form in ("replicas", "stages"):
        got = found[form]
        tap.case(len(got) == len(want) > 0 and
                 all(abs(a - b) <= 1e-3 * abs(b) + 1e-4  # 4 bits may tip
                     for a, b in zip(got, want)),
                 f"{name}: {form} lose what one board does", f"{got} {want}")
    return want


def check_settings(tap, cluster, plain):
    """Loss where it is asked for and nowhere else."""
    every = TILES + ", tile_loss: {p: 0.9, train: %s, eval: %s}"
    found = {}
    for where in ("false true", "true false"):
        name = "only-" + where.replace(" ", "-")
        rc, rows, err = train(cluster, name, yaml(
            name, 1, "microbatches: 1, " + every % tuple(where.split())))
        tap.case(rc == 0 and len(rows) == 2, f"{name}: trained", err)
        found[where] = numbers(rows) if len(rows) == 2 else [0] * 4
    evaluated, trained = found["false true"], found["true false"]
    tap.case(evaluated[0::2] == plain[0::2] and evaluated[1] != plain[1],
             "train: false: learns as without, is evaluated with loss",
             f"{evaluated} {plain}")
    tap.case(trained[0] != plain[0], "eval: false: learns with loss",
             f"{trained} {plain}")


def check_refusals(tap, cluster):
    for name, training, told in (
            ("no-layer", "tiles: [{layers: nope, grid: 2x2}]", "\"nope\""),
            ("too-fine", "tiles: [{layers: conv1..pool2, grid: 8x8}]",
             "finer"),
            ("dense", "tiles: [{layers: fc1, grid: 2x2}]", "tile by tile"),
            ("twice", TILES[:-1] + ", {layers: conv2, grid: 2x2}]", "two"),
            ("no-tiles", "tile_loss: {p: 0.1}", "without \"tiles\""),
            ("no-dense", "block_loss: {layers: [conv1]}", "no dense layer"),
            ("chain", TILES + ", tile_loss: {p: 0.1, p22: 0.1}", "markov")):
        rc, _, err = train(cluster, name, yaml(name, 1, training))
        tap.case(rc != 0 and told in err, f"{name}: refused", err)


def main():
    tap = Tap()
    with Cluster(2) as cluster:
        err = bars.prepare(cluster, TRAIN, TEST)
        tap.case(not err, "a model to train", err)
        rc, rows, err = train(cluster, "plain", yaml("plain", 1,
                                                     "microbatches: 1"))
        tap.case(rc == 0 and len(rows) == 2, "plain: trained", err)
        plain = numbers(rows)
        for name, training in LOSSES.items():
            got = check_forms(tap, cluster, name, training)
            tap.case(got != plain, f"{name}: other losses than without")
        check_settings(tap, cluster, plain)
        check_refusals(tap, cluster)
    tap.end()


main()
