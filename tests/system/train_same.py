"""Who shares the work makes no difference to the weights: 20 steps over real
processes, stages and replicas, each against one board with the same
micro-batches. With batch normalisation, so that what is decided once a
mini-batch shows as well."""
import math
import os
import random
import sys

import onnx
from onnx import numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/../lib/lab"]
from boards import layers  # noqa: E402
from edged_test import Cluster, Tap  # noqa: E402

IS_SLOW = os.environ.get("EDGE_MODE") in ("asan", "tsan")
BATCH, STEPS = 16, 4 if IS_SLOW else 20
STAGES = (2, 4) if IS_SLOW else (2, 3, 4, 5)
MICROS = (1, 4) if IS_SLOW else (1, 2, 4, 8)
REPLICAS = (2, 4) if IS_SLOW else (2, 3, 4, 8)


def draw(folder):
    """CIFAR-10's files, of noise."""
    rng = random.Random(3)
    os.mkdir(folder + "/set")
    for name, n in (("data_batch_1", BATCH * STEPS), ("test_batch", 8)):
        with open(f"{folder}/set/{name}.bin", "wb") as f:
            for _ in range(n):
                f.write(bytes([rng.randrange(10)]) + rng.randbytes(3072))


def blocks(path):
    """(first layer, last layer) of parts that a cut may lie between."""
    found = {}
    for row in layers(path):
        word = row["name"].split(".")[0]
        first = found.get(word, (row["name"],))[0]
        found[word] = (first, row["name"])
    return list(found.values())


def stages(rows, k):
    text = "stages:\n"
    for i in range(k):
        part = rows[len(rows) * i // k:len(rows) * (i + 1) // k]
        text += (f"  - {{name: s{i}, layers: {part[0][0]}..{part[-1][1]}, "
                 f"replicas: [local-{i + 1}]}}\n")
    return text


class School:
    def __init__(self, tap, cluster):
        self.tap = tap
        self.cluster = cluster
        self.n = 0

    def weights(self, model, devices, training, more=""):
        """Of the file that the training writes; {} and a failed case if there
        is none."""
        self.n += 1
        folder = self.cluster.folder
        path = self.cluster.write(
            f"t{self.n}.yaml",
            f"name: t{self.n}\nmodel: {{file: {model}}}\n"
            f"devices: local {devices}\n{more}"
            f"training: {{data: set, epochs: 1, batch: {BATCH}, lr: 0.001, "
            f"momentum: 0.9, weight_decay: 1e-4, {training}}}\n")
        rc, _, err = self.cluster.ctl("train", path, "-q", "-f",
                                      f"{folder}/t{self.n}.onnx", timeout=200)
        if rc != 0:
            self.tap.case(False, f"trained: {training}", err)
            return {}
        file = onnx.load(f"{folder}/t{self.n}.onnx")
        return {t.name: numpy_helper.to_array(t).astype("float64")
                for t in file.graph.initializer}

    def same(self, got, want, what):
        """Bit for bit: one unit in the last place decides a ReLU or the
        largest of four otherwise sooner or later, and then all differs."""
        far = sum(float(((got[k] - want[k]) ** 2).sum())
                  for k in want if k in got)
        self.tap.case(got.keys() == want.keys() and far == 0 and want != {},
                      f"{what}: the weights of one board",
                      f"{math.sqrt(far):.2g} apart")


def check_stages(school, model):
    rows = blocks(school.cluster.folder + "/" + model)
    for m in MICROS:
        want = school.weights(model, 1, f"mode: data, microbatches: {m}")
        for k in STAGES:
            for schedule in ("gpipe", "1f1b") if k == STAGES[-1] else ("1f1b",):
                got = school.weights(
                    model, k, f"microbatches: {m}, schedule: {schedule}",
                    stages(rows, k))
                school.same(got, want, f"{k} stages, {m} micro-batches, "
                                       f"{schedule}")


def check_replicas(school, model):
    for p in REPLICAS:
        want = school.weights(model, 1, f"mode: data, microbatches: {p}, "
                                        "shares: equal")
        got = school.weights(model, p, "mode: data, microbatches: 1, "
                                       "shares: equal")
        school.same(got, want, f"{p} replicas")


def main():
    tap = Tap()
    with Cluster(max(STAGES + REPLICAS), name="same") as cluster:
        draw(cluster.folder)
        for name, args in (("small.onnx", ("mobilenetv2", "--form", "cifar",
                                           "--width", "0.1")),
                           ("quick.onnx", ("cifar10_quick",))):
            rc, _, err = cluster.ctl("model", "new", *args, "-o",
                                     f"{cluster.folder}/{name}")
            tap.case(rc == 0, f"{name} was made", err)
        school = School(tap, cluster)
        check_stages(school, "small.onnx")
        check_replicas(school, "small.onnx")
        check_replicas(school, "quick.onnx")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
