#!/usr/bin/python3
"""Latency of each model on one thread next to ONNX Runtime: both stay
resident and are asked in turn; the ratio is the median over rounds."""
import glob
import os
import shutil
import statistics
import subprocess
import sys

from figures import ROOT, figure

HERE = os.path.dirname(os.path.abspath(__file__))
BIN = os.environ.get("EDGE_BIN", ROOT + "/build/release")
DATA = os.environ.get("EDGE_DATA", ROOT + "/../shared/data")
ORT = ROOT + "/build/ort"
ROUNDS = int(os.environ.get("ROUNDS", "9"))
VERSION = "1.30.0"


def install():
    """The npm package; its CPU library is inside it, so nothing else is
    fetched."""
    if os.path.isdir(ORT + "/node_modules/onnxruntime-node"):
        return True
    if not shutil.which("npm"):
        return False
    os.makedirs(ORT, exist_ok=True)
    env = dict(os.environ, ONNXRUNTIME_NODE_INSTALL="skip")
    return subprocess.run(
        ["npm", "install", "--prefix", ORT, "--ignore-scripts", "--no-audit",
         "--no-fund", "onnxruntime-node@" + VERSION], env=env,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class Worker:
    def __init__(self, *args):
        env = dict(os.environ, OMP_NUM_THREADS="1")
        self.p = subprocess.Popen(args, stdin=subprocess.PIPE, text=True,
                                  stdout=subprocess.PIPE, env=env,
                                  stderr=subprocess.DEVNULL)
        self.ready = self.p.stdout.readline().strip() == "ready"

    def ask(self, n):
        self.p.stdin.write(f"{n}\n")
        self.p.stdin.flush()
        return float(self.p.stdout.readline())

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def compare(path, name):
    ours = Worker(BIN + "/tests/bench/bench_engine", path)
    theirs = Worker("node", HERE + "/ort_worker.js", ORT, path)
    if not (ours.ready and theirs.ready):
        figure(f"rivals.{name} - ratio target 1.0 skipped "
               f"{'ours' if not ours.ready else 'ONNX Runtime'} does not "
               "start")
    else:
        n = max(1, min(50, int(200 / max(ours.ask(1), 0.05))))
        rounds = [(ours.ask(n), theirs.ask(n)) for _ in range(ROUNDS)]
        ratio = statistics.median(a / b for a, b in rounds)
        ms = [statistics.median(r[i] for r in rounds) for i in (0, 1)]
        figure(f"rivals.{name} {ratio:.2f} ratio target 1.0 "
               f"{'ok' if ratio <= 1.0 else 'short'} ours {ms[0]:.2f} ms, "
               f"ONNX Runtime {ms[1]:.2f} ms, {ROUNDS} rounds of {n}, one "
               "thread")
    ours.close()
    theirs.close()


def main():
    models = sorted(glob.glob(DATA + "/models/*/model.onnx"))
    if not models:
        figure("rivals - ratio target 1.0 skipped no data folder")
    elif not install():
        figure("rivals - ratio target 1.0 skipped npm cannot install "
               "onnxruntime-node")
    else:
        for path in models:
            compare(path, os.path.basename(os.path.dirname(path)))


if __name__ == "__main__":
    sys.exit(main())
