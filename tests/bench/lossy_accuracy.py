"""What lossy tiles cost in accuracy: VGG16 with batch normalisation, CIFAR
form, a quarter of the channels, trained unsplit, in 4x4 tiles with margins of
4 bits, and in 2x2 tiles that lose 0.4 of what crosses; on real processes, over
the whole test set. Not part of `make bench`, for it takes most of an hour:

    python3 tests/bench/lossy_accuracy.py [EPOCHS [FILES [SEEDS [NAME...]]]]

FILES of CIFAR-10's five are learnt from (1), by each of SEEDS seeds (1).
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "system"))
from edged_test import DATA, Cluster  # noqa: E402

MODEL = ["vgg16_bn", "--form", "cifar", "--width", "0.25"]
TILED = ("tiles: [{{layers: conv1_1..pool2, grid: {0}, halo: none}}, "
         "{{layers: conv3_1..relu4_3, grid: {0}}}]")
# Where prototype 0 has them: in a tile's own margins, too.
MARGIN = "margin: {clip: [0, 3], bits: 4, own: true}"
RUNS = {
    "unsplit": "",
    "4x4-margin": TILED.format("4x4") + ", " + MARGIN,
    "2x2-loss-0.4": TILED.format("2x2") + ", tile_loss: {p: 0.4}",
}


def recipe(name, extra, epochs, seed):
    extra = extra and ", " + extra
    return (f"name: {name}\n"
            f"model: {{file: m{seed}.onnx}}\n"
            "devices: local 1\n"
            f"training: {{data: set, epochs: {epochs}, batch: 64, "
            f"microbatches: 1, lr: 0.05, weight_decay: 0.0005, "
            "lr_schedule: {kind: cosine, warmup: 1}, "
            f"augment: {{crop: 4, flip: true}}, seed: {seed}{extra}}}\n")


def prepare(cluster, files, seeds):
    folder = cluster.folder + "/set"
    os.mkdir(folder)
    names = [f"data_batch_{i + 1}.bin" for i in range(files)]
    for name in names + ["test_batch.bin"]:
        for end in ("", ".xz"):
            path = f"{DATA}/cifar10/{name}{end}"
            if os.path.exists(path):
                os.symlink(path, f"{folder}/{name}{end}")
    for seed in range(1, seeds + 1):
        rc, _, err = cluster.ctl("model", "new", *MODEL, "--seed", str(seed),
                                 "-o", f"{cluster.folder}/m{seed}.onnx")
        if rc:
            sys.exit(err)


def train(cluster, name, text):
    path = cluster.write(name + ".yaml", text)
    rc, out, err = cluster.ctl("train", path, "-o", "json", timeout=7200)
    if rc:
        sys.exit(err)
    rows = [json.loads(line) for line in out.splitlines() if line]
    return [r for r in rows if r["phase"] == "evaluate"], rows[-1]


def main():
    numbers = list(map(int, sys.argv[1:4]))
    epochs, files, seeds = numbers + [8, 1, 1][len(numbers):]
    only = sys.argv[4:] or list(RUNS)
    with Cluster(1) as cluster:
        prepare(cluster, files, seeds)
        for seed in range(1, seeds + 1):
            for name in only:
                title = f"{name.replace('.', '')}-{seed}"
                passes, end = train(cluster, title,
                                    recipe(title, RUNS[name], epochs, seed))
                print(json.dumps({
                    "run": name, "seed": seed, "epochs": epochs,
                    "samples": files * 10000,
                    "test_samples": end["test_samples"],
                    "accuracy": end["test_accuracy"],
                    "passes": [r["test_accuracy"] for r in passes],
                    "took_s": end["took_s"]}), flush=True)


main()
