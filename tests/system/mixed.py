#!/usr/bin/python3
"""One plan of everything at once: 2x2 tiles, a stage with replicas and an exit,
dense layers split over two boards behind a q8 link, and a value that passes the
exit by. Answers are the model's, from the exit that is sure, also while boards
are killed: none is lost, none comes twice."""
import json
import os
import random
import re
import signal
import sys
import threading
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import Tap  # noqa: E402
from procs import Procs  # noqa: E402

SEED = int(os.environ.get("EDGE_SEED", "1"))
IS_SLOW = os.environ.get("EDGE_MODE", "release") != "release"
FRAMES = int(os.environ.get("FRAMES", "120" if IS_SLOW else "400"))
KILLS = int(os.environ.get("KILLS", "4" if IS_SLOW else "8"))
AT_ONCE = 3  # clients, each with several frames under way
BOARDS = 8
SIDE = 32
CLOSE = 1e-5  # of the largest value
CLASSES = 10


class Model:
    """Random weights. `early` looks at relu4; relu3 goes to the end, too."""

    def __init__(self, folder):
        self.path = folder + "/mixed.onnx"
        self.rng = np.random.default_rng(SEED)
        self.weights = {}
        self.nodes = []
        x = self.conv("conv1", "image", 3, 12)
        x = self.op("Relu", [x], "relu1")
        x = self.conv("conv2", x, 12, 24, strides=[2, 2])
        x = self.op("Relu", [x], "relu2")
        x = self.conv("conv3", x, 24, 24)
        passed_by = self.op("Relu", [x], "relu3")
        x = self.conv("conv4", passed_by, 24, 24)
        x = self.op("Add", [x, passed_by], "sum4")
        seen = self.op("Relu", [x], "relu4")
        x = self.op("MaxPool", [seen], "pool4", kernel_shape=[2, 2],
                    strides=[2, 2])
        x = self.op("Flatten", [x], "flat")
        x = self.dense("fc1", x, 24 * 64, 512)
        x = self.op("Relu", [x], "relu5")
        x = self.dense("fc2", x, 512, 128)
        x = self.op("Relu", [x], "relu6")
        y = self.op("GlobalAveragePool", [passed_by], "by.pool")
        y = self.op("Flatten", [y], "by.flat")
        x = self.op("Concat", [x, y], "both", axis=1)
        self.dense("logits", x, 128 + 24, CLASSES)
        y = self.op("GlobalAveragePool", [seen], "early.pool")
        y = self.op("Flatten", [y], "early.flat")
        # Pictures of noise are alike: what tells them apart is made large.
        self.dense("early", y, 24, CLASSES, 6)
        self.save()

    def op(self, kind, inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name,
                                           **attributes))
        return name

    def weight(self, name, shape, scale):
        self.weights[name] = (self.rng.normal(size=shape) *
                              scale).astype(np.float32)
        return name

    def conv(self, name, x, ins, outs, **attributes):
        w = self.weight("w." + name, (outs, ins, 3, 3), (2 / ins / 9) ** 0.5)
        b = self.weight("b." + name, (outs,), 0.1)
        return self.op("Conv", [x, w, b], name, pads=[1] * 4, **attributes)

    def dense(self, name, x, ins, outs, scale=1):
        w = self.weight("w." + name, (outs, ins), scale * (2 / ins) ** 0.5)
        b = self.weight("b." + name, (outs,), 0.1)
        return self.op("Gemm", [x, w, b], name, transB=1)

    def save(self):
        def port(name, shape):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT,
                                                 shape)
        graph = helper.make_graph(
            self.nodes, "mixed", [port("image", ["N", 3, SIDE, SIDE])],
            [port("logits", ["N", CLASSES]), port("early", ["N", CLASSES])],
            [numpy_helper.from_array(w, n) for n, w in self.weights.items()])
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, self.path)

    # ---- the same with nothing but numpy, for what is behind the q8 link

    def convolve(self, name, x, stride=1):
        w = self.weights["w." + name].astype(np.float64)
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        at = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
        y = np.einsum("nchwij,ocij->nohw", at[:, :, ::stride, ::stride], w,
                      optimize=True)
        return y + self.weights["b." + name][:, None, None]

    def multiply(self, name, x):
        return x @ self.weights["w." + name].T + self.weights["b." + name]

    def run(self, image):
        """(logits, early, what crosses the q8 link) in double precision."""
        x = np.maximum(self.convolve("conv1", image.astype(np.float64)), 0)
        x = np.maximum(self.convolve("conv2", x, 2), 0)
        by = np.maximum(self.convolve("conv3", x), 0)
        x = np.maximum(self.convolve("conv4", by) + by, 0)
        early = self.multiply("early", x.mean(axis=(2, 3)))
        n, c, h, w = x.shape
        sent = x.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))
        sent = sent.reshape(n, -1)
        x = np.maximum(self.multiply("fc1", sent), 0)
        x = np.maximum(self.multiply("fc2", x), 0)
        both = np.concatenate([x, by.mean(axis=(2, 3))], axis=1)
        return self.multiply("logits", both), early, sent

    def bound(self, sent):
        """How far half a step of q8 in each value may move each output: no
        layer behind it but products and Relu, which moves nothing further."""
        step = (sent.max(axis=1) - np.minimum(sent.min(axis=1), 0)) / 255
        far = np.abs(self.weights["w.fc1"]).sum(axis=1)
        far = np.abs(self.weights["w.fc2"]) @ far
        far = np.abs(self.weights["w.logits"][:, :128]) @ far
        return np.outer(step / 2, far)


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class Frames:
    """Pictures of noise, each client's in a folder, and what is right."""

    def __init__(self, cluster, model):
        rng = np.random.default_rng(SEED + 1)
        light = rng.uniform(0.2, 1.5, size=(FRAMES, 3, 1, 1))
        self.x = (rng.normal(size=(FRAMES, 3, SIDE, SIDE)) * light + light)
        self.x = self.x.astype(np.float32)
        self.folders = [f"{cluster.folder}/frames-{i}" for i in range(AT_ONCE)]
        for folder in self.folders:
            os.mkdir(folder)
        for i in range(FRAMES):
            np.save(f"{self.folders[i % AT_ONCE]}/{i:05d}.npy",
                    self.x[i:i + 1])
        np.save(cluster.folder + "/all.npy", self.x)
        rc, _, err = cluster.ctl("model", "run", model.path, "--input",
                                 cluster.folder + "/all.npy", "--output-dir",
                                 cluster.folder + "/want")
        assert rc == 0, err
        self.logits = np.load(cluster.folder + "/want/logits.npy")
        self.early = np.load(cluster.folder + "/want/early.npy")
        logits, early, sent = model.run(self.x)
        self.bound = model.bound(sent)
        self.agree = max(far(self.logits, logits).max(),
                         far(self.early, early).max())
        sure = softmax(early).max(axis=1)
        ranked = np.sort(sure)
        # About the median, where two neighbours are furthest apart.
        half = range(FRAMES * 2 // 5, FRAMES * 3 // 5)
        at = max(half, key=lambda i: ranked[i] - ranked[i - 1])
        self.confidence = float(ranked[at - 1] + ranked[at]) / 2
        self.leaves = sure >= self.confidence
        self.gap = float(ranked[at] - ranked[at - 1])


def far(want, got):
    """Of each row, by its largest value."""
    return np.abs(want - got).max(axis=1) / np.abs(want).max(axis=1)


def yaml(frames, more=""):
    tiles = ", ".join(f"local-{i + 1}" for i in range(4))
    return (
        "name: mixed\ndevices: local 8\nmodel: {file: mixed.onnx}\nstages:\n"
        "  - {name: tiles, layers: conv1..relu2, tile: {grid: 2x2, halo: "
        f"recompute, over: [{tiles}]}}}}\n"
        "  - {name: mid, layers: conv3..relu3, replicas: [local-1, local-2]}\n"
        "  - {name: seen, layers: conv4..relu4, replicas: [local-5, local-6], "
        "codec: q8}\n"
        "  - {name: dense, layers: pool4..relu6, split: {axis: pair, over: "
        "[local-7, local-8]}}\n"
        "  - {name: last, layers: by.pool..logits, replicas: [local-3, "
        "local-4]}\n"
        f"exits: [{{after: seen, confidence: {frames.confidence:.15f}}}]\n"
        + more)


def deploy(cluster, text):
    rows = ", ".join(f"{{name: {n}, host: 127.0.0.1, port: {p}}}"
                     for n, p in cluster.ports.items())
    path = cluster.folder + "/cluster.yaml"
    with open(path, "w") as f:
        f.write(text.replace("local 8", f"[{rows}]") +
                "security: {mode: insecure}\n")
    return cluster.ctl("deploy", path, "--progress=none", "-o", "json")


class Round:
    """All frames once, by several clients at the same time."""

    def __init__(self, cluster, frames, number):
        self.out = [f"{folder}.out-{number}" for folder in frames.folders]
        self.clients = [
            cluster.begin("infer", folder, "-o", "json", "--output-dir", out)
            for folder, out in zip(frames.folders, self.out)]
        self.rows, self.values, self.failed = {}, {}, []

    def end(self):
        for client, out in zip(self.clients, self.out):
            text, err = client.communicate(timeout=300)
            if client.returncode != 0:
                self.failed.append((client.returncode, err[:300]))
            for line in text.splitlines():
                row = json.loads(line)
                i = int(re.search(r"(\d{5})\.npy", row["image"]).group(1))
                self.rows.setdefault(i, []).append(row)
            for below, _, files in os.walk(out):
                for name in files:
                    i = int(re.search(r"(\d{5})", below).group(1))
                    self.values[i] = np.load(f"{below}/{name}")
        return self


def judge(frames, done):
    """What is wrong with a round, and how many left early."""
    wrong = list(done.failed)
    left = 0
    for i in range(FRAMES):
        rows = done.rows.get(i, [])
        if len(rows) != 1 or i not in done.values:
            wrong.append((i, "lost" if not rows else "twice", len(rows)))
            continue
        is_early = rows[0].get("exit", "") == "early"
        left += is_early
        want = (frames.early if is_early else frames.logits)[i:i + 1]
        got = done.values[i].reshape(1, -1)
        if is_early != bool(frames.leaves[i]):
            wrong.append((i, "from the other exit", rows[0]))
        elif is_early:
            if far(want, got)[0] > CLOSE:
                wrong.append((i, "exact part", float(far(want, got)[0])))
        elif (np.abs(want - got) > frames.bound[i] +
              CLOSE * np.abs(want).max()).any():
            wrong.append((i, "beyond the step of q8",
                          float(far(want, got)[0])))
    return wrong, left


def counted(cluster):
    rc, out, _ = cluster.ctl("status", "-o", "json")
    rows = json.loads(out)["deployments"] if rc == 0 else []
    return {e["name"]: e["answers"] for e in rows[0]["exits"]} if rows else {}


def check_quiet(tap, cluster, frames):
    done = Round(cluster, frames, 0).end()
    wrong, left = judge(frames, done)
    tap.case(not wrong, f"{FRAMES} requests: each is answered once, as the "
             "model does", wrong[:4])
    tap.case(left == int(frames.leaves.sum()) and 0 < left < FRAMES,
             f"{left} of them left at the exit")
    tap.case(counted(cluster) == {"early": left, "logits": FRAMES - left},
             "status counts them by exit", counted(cluster))
    moved = max(far(frames.logits[i:i + 1],
                    done.values[i].reshape(1, -1))[0]
                for i in range(FRAMES) if not frames.leaves[i])
    tap.case(moved > CLOSE, f"q8 moves the others by {moved:.1e} of the "
             "largest value at most")


def check_verify(tap, cluster):
    rc, out, err = cluster.ctl("verify", "--random", "12", "-o", "json")
    v = json.loads(out) if out else {}
    tap.case(rc == 0 and v["ok"] and v["cluster"]["same_bits"] == 12 and
             v["shards"]["largest_difference"] <=
             CLOSE * v["shards"]["largest_value"] and
             {k["codec"] for k in v["links"]} == {"q8"} and
             all(k["largest_change"] <= k["bound"] for k in v["links"]),
             "verify: the bits of the shards in one process, and within the "
             "step of q8", f"{rc} {v} {err}")
    tap.case(sum(e["answers"] for e in v.get("exits", [])) == 12 and
             [e["name"] for e in v["exits"]] == ["early", "logits"],
             "and says where they left", v.get("exits"))


def check_planned(tap, cluster, frames):
    """The same exit where the planner cuts, on one board and on all."""
    rule = f"exits: [{{output: early, confidence: {frames.confidence:.15f}}}]\n"
    for title, more in (
            ("one board", "spares: none\n"),
            ("replicas", "replicas: 3\ngoal: throughput\n"),
            ("little memory on each", "goal: memory\nspares: none\n")):
        rc, out, err = deploy(cluster, "name: mixed\ndevices: local 8\nmodel: "
                              "{file: mixed.onnx}\n" + more + rule)
        if not tap.case(rc == 0, f"planned, {title}: deployed", out + err):
            continue
        done = Round(cluster, frames, title.replace(" ", "-")).end()
        wrong, left = judge(frames, done)
        tap.case(not wrong and left == int(frames.leaves.sum()),
                 f"planned, {title}: the same answers from the same exits",
                 wrong[:4])


def check_spared(tap, cluster, frames):
    """What is behind the exit has run for those alone that did not leave."""
    def runs():
        rows = cluster.ctl("status", "-o", "json")[1]
        stages = json.loads(rows)["deployments"][0]["stages"]
        return {s["name"]: sum(r["runs"] for r in s["replicas"])
                for s in stages}
    stay = FRAMES - int(frames.leaves.sum())
    # The golden input goes through all of them.
    fits = cluster.wait_for(lambda: runs()["seen"] >= FRAMES and
                            stay <= runs()["last"] <= stay + 4, 10, 0.2)
    tap.case(fits, "what is behind it ran for those alone that did not leave",
             runs())


class Killer(threading.Thread):
    """Ends one board after the other at random moments, and starts it again
    at others; the exit's more often than others."""

    def __init__(self, cluster):
        super().__init__()
        self.cluster = cluster
        self.rng = random.Random(SEED)
        self.killed = []
        self.over = threading.Event()

    def run(self):
        for _ in range(KILLS):
            any_one = f"local-{self.rng.randrange(BOARDS) + 1}"
            name = self.rng.choice([any_one, "local-5", "local-6"])
            time.sleep(self.rng.uniform(0.05, 0.6))
            self.cluster.stop(name, signal.SIGKILL)
            self.killed.append(name)
            time.sleep(self.rng.uniform(0.05, 1.5))
            self.cluster.start(name)
            self.cluster.wait_for(lambda: is_ready(self.cluster), 20, 0.1)
        self.over.set()


def is_ready(cluster):
    rc, out, _ = cluster.ctl("status", "-o", "json")
    rows = json.loads(out)["deployments"] if rc == 0 else []
    return rows and all(row["state"] == "ready" for row in rows)


def check_kills(tap, cluster, frames):
    killer = Killer(cluster)
    killer.start()
    wrong, slowest, n = [], 0, 0
    while not killer.over.is_set() or n == 0:
        n += 1
        done = Round(cluster, frames, n).end()
        wrong += judge(frames, done)[0]
        slowest = max([slowest] + [row["latency_ms"] for rows in
                                   done.rows.values() for row in rows])
    killer.join()
    tap.case(not wrong, f"{n * FRAMES} requests while boards are killed "
             f"{len(killer.killed)} times (seed {SEED}): none lost, none "
             "twice, each as the model answers", wrong[:4])
    tap.note(f"slowest {slowest:.0f} ms; killed {' '.join(killer.killed)}")


def main():
    tap = Tap()
    with Procs(BOARDS) as cluster:
        model = Model(cluster.folder)
        frames = Frames(cluster, model)
        tap.case(frames.agree < CLOSE, "this model in one process and in numpy "
                 f"agree: {frames.agree:.1e}")
        tap.note(f"confidence {frames.confidence:.4f}, none within "
                 f"{frames.gap / 2:.1e} of it")
        rc, out, err = deploy(cluster, yaml(frames))
        if tap.case(rc == 0, "deployed", out + err):
            check_quiet(tap, cluster, frames)
            check_spared(tap, cluster, frames)
            check_verify(tap, cluster)
            check_kills(tap, cluster, frames)
            check_planned(tap, cluster, frames)
    tap.end()


if __name__ == "__main__":
    main()
