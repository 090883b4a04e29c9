"""What the rows of bench_learn.py share: a training by edgectl on daemons of
its own, its figures, and the recipes' text."""
import json
import lzma
import os
import statistics
import sys

from figures import ROOT, Skip
from figures import figure as print_figure

sys.path.insert(0, ROOT + "/tests/system")
from edged_test import DATA, Cluster  # noqa: E402

OUT = os.environ.get("LEARN_OUT", ROOT + "/build/learn")


def figure(name, value, unit, target, is_ok, text):
    """`value` as it shall be read."""
    print_figure(f"learn.{name} {value} {unit} target {target} "
                 f"{'ok' if is_ok else 'short'} {text}")


def data(name):
    """A folder of the shared data."""
    path = os.path.join(os.path.abspath(DATA), name)
    if not os.path.exists(path):
        raise Skip(f"{path} is not there; EDGE_DATA names another folder")
    return path


def first_of_cifar(n):
    """A file with the first pictures of the set alone."""
    os.makedirs(OUT, exist_ok=True)
    path = f"{os.path.abspath(OUT)}/cifar-{n}.bin"
    with lzma.open(data("cifar10") + "/data_batch_1.bin.xz") as f:
        pictures = f.read(3073 * n)
    with open(path, "wb") as f:
        f.write(pictures)
    return path


def note(text):
    print("# " + text, flush=True)


class Run:
    """What `edgectl train -o json` said."""

    def __init__(self, name, rows, err):
        self.name = name
        self.rows = rows
        self.err = err
        self.tests = [r["test_accuracy"] * 100 for r in rows
                      if r["phase"] == "evaluate" and "test_accuracy" in r]
        self.losses = [r["loss"] for r in rows if r["phase"] == "evaluate"]
        self.end = rows[-1] if rows else {}

    @property
    def is_done(self):
        return self.end.get("phase") == "end" and bool(self.tests)

    @property
    def accuracy(self):
        return self.tests[-1]

    def bytes_of(self, key):
        return sum(stage[key] for row in self.rows
                   for stage in row.get("stages", []))


def read(name, stream, on_row):
    """The lines of a run, which are also kept for whoever wants to look
    closer."""
    os.makedirs(OUT, exist_ok=True)
    rows = []
    with open(f"{OUT}/{name}.jsonl", "w", buffering=1) as f:
        for line in stream:
            f.write(line)
            rows.append(json.loads(line))
            if on_row:
                on_row(rows[-1])
    return rows


def train(cluster, name, text, *args, on_row=None):
    """A whole training; raises if it does not end well."""
    path = cluster.write(name + ".yaml", text)
    process = cluster.start("train", path, "-o", "json", "-f",
                            f"{cluster.folder}/{name}-trained.onnx", *args)
    try:
        rows = read(name, process.stdout, on_row)
        err = process.stderr.read()
        process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    run = Run(name, rows, err)
    if process.returncode != 0 or not run.is_done:
        raise RuntimeError(f"{name}: {err or 'it did not end'}")
    tests = " ".join(f"{t:.2f}" for t in run.tests)
    note(f"{name}: {tests} % after {run.end['took_s']:.0f} s")
    return run


def new_model(cluster, name, *args, file=None):
    path = f"{cluster.folder}/{file or name}.onnx"
    rc, _, err = cluster.ctl("model", "new", name, "-o", path, *args)
    if rc != 0:
        raise RuntimeError(err)
    return path


def spread(values):
    """Mean and standard deviation of a few."""
    return statistics.mean(values), (statistics.stdev(values)
                                     if len(values) > 1 else 0.0)
