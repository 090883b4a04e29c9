#!/usr/bin/python3
"""Training on emulated boards (tests/lib/lab/boards.py): what pipelines and
replicas gain over one board, what a slow board costs, bytes between replicas,
and memory. Compute is paced but for the rows `two`, `sockets` and `memory`,
which are as fast as this machine. ROWS=a,b runs those rows alone."""
import json
import os
import random
import statistics
import sys

from figures import figure, run_rows

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/../lib/lab"]
from boards import layers, open_lab  # noqa: E402
from measure import balanced, model  # noqa: E402

BATCH, STEPS, PASSES = 64, 4, 3
# Multiply-accumulates a second of a board: this machine must be faster than
# all of them together, in training, with kernels of small maps.
SPEED = float(os.environ.get("SPEED", "5e8"))
SETTLED = 8  # passes, after which shares follow the speeds measured
SLACK = 1.1  # a step that takes longer than its pace by more was not paced
NETS = {"mobilenetv2": ("--form", "cifar", "--width", "0.35"),
        "cifar10_quick": ()}


# ---- a training ----------------------------------------------------------------

def draw(folder):
    """CIFAR-10's files, of noise: what is learnt does not matter here."""
    rng = random.Random(1)
    os.makedirs(folder + "/set", exist_ok=True)
    for name, n in (("data_batch_1", BATCH * STEPS), ("test_batch", 4)):
        with open(f"{folder}/set/{name}.bin", "wb") as f:
            for _ in range(n):
                f.write(bytes([rng.randrange(10)]) + rng.randbytes(3072))


def yaml(c, path, training, stages="", passes=PASSES):
    return ("name: lab\n"
            f"devices: {c.devices()}\nmodel: {{file: {path}}}\n" +
            (f"stages:\n{stages}" if stages else "") +
            f"training: {{data: set, epochs: {passes}, batch: {BATCH}, "
            f"lr: 0.001, checkpoint: {{steps: 100000}}, {training}}}\n")


class Trained:
    """What `edgectl train` said of it."""

    def __init__(self, c, text):
        draw(c.folder)
        file = c.write("train.yaml", text)
        rc, out, err = c.ctl("train", file, "-o", "json", "-f",
                             f"{c.folder}/out.onnx", timeout=1800)
        if rc != 0:
            raise RuntimeError(f"train: {err}\n{text}")
        self.rows = [json.loads(line) for line in out.splitlines() if line]
        self.passes = [r for r in self.rows if r["phase"] == "evaluate"]
        self.stages = [s for r in self.rows for s in r.get("stages", [])]

    def step_s(self):
        """Of the last pass: sizes are ready, shares have settled."""
        return (self.passes[-1]["took_s"] - self.passes[-2]["took_s"]) / STEPS

    def peak(self):
        """Bytes resident at most, of the largest board."""
        return max(s["peak_bytes"] for s in self.stages)

    def sent(self, key):
        return sum(s[key] for s in self.stages)


def board(n, more="", speed=SPEED, rate="1gbit"):
    return (f"[[board]]\nname = \"pi\"\ncount = {n}\nrate = \"{rate}\"\n" +
            (f"macs_per_s = {speed!r}\n" if speed else "") + more)


def train(path, lab, training, stages=None, passes=PASSES):
    with open_lab(lab, path) as c:
        return Trained(c, yaml(c, path, training,
                               stages(c) if stages else "", passes))


def pace_s(path):
    """A step on one board, by its pace: forward once, and back twice."""
    return 3 * BATCH * sum(r["macs"] for r in layers(path)) / SPEED


def behind(seconds, path):
    """The base is as long as its pace says, or this machine was too busy."""
    pace = pace_s(path)
    return ("" if seconds <= pace * SLACK else
            "; this machine did not keep up: a step took "
            f"{seconds:.2f} s, its pace is {pace:.2f}")


def say(name, value, unit, target, is_good, text):
    late = "; this machine did not keep up" in text
    how = "ok" if is_good and not late else "skipped" if late else "short"
    figure(f"train_lab.{name} {value:.3f} {unit} target {target} {how} {text}")


# ---- pipelines -----------------------------------------------------------------

def blocks(path):
    """Rows of layers() that begin with the same word are one."""
    found = []
    for row in layers(path):
        word = row["name"].split(".")[0]
        if not found or found[-1]["word"] != word:
            found.append({"word": word, "name": row["name"], "macs": 0})
        found[-1].update(last=row["name"], fused=row["fused"],
                         cut_bytes=row["cut_bytes"])
        found[-1]["macs"] += row["macs"]
    return found


def cut(path, k, boards=None):
    """Stages as even as whole blocks allow, one a board or on `boards`."""
    rows = blocks(path)
    ends = balanced(rows, k, lambda r: r["macs"])[1]
    first = [0] + ends[:-1]
    return lambda c: "".join(
        f"  - {{name: s{i}, layers: {rows[a]['name']}..{rows[b - 1]['last']}, "
        f"replicas: [{(boards or c.boards)[i]}]}}\n"
        for i, (a, b) in enumerate(zip(first, ends)))


def pipeline():
    path = model("mobilenetv2", *NETS["mobilenetv2"])
    one = train(path, board(1), "mode: data, microbatches: 4").step_s()
    for m, target, ideal in ((4, 0.52, 7 / 16), (16, 0.36, 19 / 64)):
        for schedule in ("gpipe", "1f1b"):
            t = train(path, board(4), f"microbatches: {m}, schedule: "
                      f"{schedule}", cut(path, 4)).step_s()
            say(f"pipeline.{m}.{schedule}", t / one, "x", target,
                t / one <= target,
                f"a step of 4 stages by one board's ({one:.2f} s); ideal "
                f"{ideal:.3f}{behind(one, path)}")


def memory():
    """Real processes, nothing paced: who holds how much. What a pipeline is
    held against is one process with the whole batch at once; one that takes
    micro-batches one after the other holds less than any pipeline of them."""
    path = model("mobilenetv2", "--form", "cifar")
    held, summed = {}, {}
    for name, n, training, stages in (
            ("one process", 1, "microbatches: 1, mode: data", None),
            ("one process, micro-batches in turn", 1,
             "microbatches: 4, mode: data", None),
            ("4 boards", 4, "microbatches: 4", cut(path, 4)),
            ("4 boards, forward twice", 4, "microbatches: 4, recompute: true",
             cut(path, 4))):
        t = train(path, board(n, speed=None), training, stages)
        held[name] = t.peak()
        summed[name] = sum(max(s["peak_bytes"] for s in t.stages
                               if s["node"] == node)
                           for node in {s["node"] for s in t.stages})
    one = held["one process"]
    says = "; ".join(f"{k}: {v / 2**20:.0f} MiB" for k, v in held.items())
    for name, key in (("memory", "4 boards"),
                      ("memory.recompute", "4 boards, forward twice")):
        part = held[key] / one
        say(name, part, "x", 0.5, part <= 0.5,
            f"the largest of 4 boards by one process with the batch at once; "
            f"{says}")
    part = summed["4 boards, forward twice"] / one
    say("memory.sum", part, "x", 0.7, part <= 0.7,
        "all 4 boards, forward twice, by one process with the batch at once")


def sockets():
    """The same stages on one core: four processes, or one."""
    path = model("mobilenetv2", *NETS["mobilenetv2"])
    ratios = []
    kept = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(kept)})
    try:
        for _ in range(3):
            t = [train(path, board(n, speed=None, rate="10gbit"),
                       "microbatches: 4",
                       cut(path, 4, None if n == 4 else ["pi-1"] * 4)).step_s()
                 for n in (4, 1)]
            ratios.append(t[0] / t[1])
    finally:
        os.sched_setaffinity(0, kept)
    ratio = statistics.median(ratios)
    say("sockets", ratio, "x", 1.1, ratio <= 1.1,
        "4 stages in 4 processes by the same in one, all on one core; medians "
        f"of 3: {', '.join(f'{r:.2f}' for r in ratios)}")


# ---- replicas ------------------------------------------------------------------

def data(n, more="", passes=PASSES):
    path = model("cifar10_quick")
    return train(path, board(n - (1 if more else 0), more),
                 "mode: data, microbatches: 1", passes=passes)


def replicas():
    path = model("cifar10_quick")
    one = data(1).step_s()
    for n, target in ((2, 1.7), (4, 3.4), (8, 6.0)):
        t = data(n)
        gain = one / t.step_s()
        say(f"replicas.{n}", gain, "x", target, gain >= target,
            f"images/s of {n} boards by one's{behind(one, path)}")
        numbers = 145578
        around = t.sent("reduce_bytes") / n / (PASSES * STEPS)
        bound = 2 * (n - 1) / n * 4 * numbers
        say(f"bytes.{n}", around, "bytes", f"{bound:.0f}", around <= bound,
            "payload a node and step")


def slowed():
    path = model("cifar10_quick")
    one = data(1).step_s()
    slow = (f"[[board]]\nname = \"slow\"\nrate = \"1gbit\"\n"
            f"macs_per_s = {SPEED!r}\nslower = 2.0\n")
    t = data(4, slow, SETTLED).step_s()
    ideal = one / 3.5
    say("slowed", t / ideal, "x", 1.15, t / ideal <= 1.15,
        "of 4 boards one is half as fast: a step by what shares by speed "
        f"allow{behind(one, path)}")


def two():
    """Not emulated: two processes of one thread each on this machine."""
    path = model("cifar10_quick")
    gains = []
    for _ in range(3):
        t = [train(path, board(n, speed=None, rate="10gbit"),
                   "mode: data, microbatches: 1").step_s() for n in (1, 2)]
        gains.append(t[0] / t[1])
    gain = statistics.median(gains)
    say("two", gain, "x", 1.7, gain >= 1.7,
        "images/s of two processes by one's, each with one thread, not paced; "
        f"medians of 3: {', '.join(f'{g:.2f}' for g in gains)}")


def overlap():
    """Two boards on a slow link: a step by what computing and adding up take
    one after the other. Forward needs all parameters, so no more than the way
    back, two thirds of the time, can hide the sum."""
    path = model("vgg11", "--form", "cifar", "--width", "0.5")
    speed, bits_per_s = 5 * SPEED, 100e6
    t = train(path, board(2, speed=speed, rate="100mbit"),
              "mode: data, microbatches: 1, shares: equal")
    pace = pace_s(path) * SPEED / speed / 2
    around = t.sent("reduce_bytes") / 2 / (PASSES * STEPS) * 8 / bits_per_s
    step = t.step_s()
    hidden = 1 - (step - pace) / around
    say("overlap", step / (pace + around), "x", 0.8,
        step <= 0.8 * (pace + around),
        f"a step of 2 boards at 100 Mbit/s ({step:.2f} s) by its pace "
        f"({pace:.2f} s) and the time that the sum is on the link "
        f"({around:.2f} s); {100 * hidden:.0f} % of the sum is hidden")


ROWS = {"pipeline": pipeline, "memory": memory, "sockets": sockets,
        "replicas": replicas, "slowed": slowed, "overlap": overlap, "two": two}


if __name__ == "__main__":
    run_rows("train_lab", ROWS)
