#!/usr/bin/python3
"""Every exported shard is a valid ONNX model, and the shards chained in
another runtime give the stored outputs."""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import onnx

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, HERE + "/../bench")
import bench_rivals  # noqa: E402
from edged_test import BIN, DATA, ROOT, Tap  # noqa: E402
from real_models import is_close, load_inputs, ports, read_tensor  # noqa: E402

LARGE = 100e6


def export(path, k, folder):
    p = subprocess.run([BIN + "/edgectl", "model", "export-shards", path,
                        "--stages", str(k), "--output-dir", folder],
                       capture_output=True, text=True)
    return p.returncode == 0, p.stderr


def check(folder):
    """What onnx.checker says of the shards; [] is good."""
    bad = []
    for path in sorted(glob.glob(folder + "/*.onnx")):
        try:
            onnx.checker.check_model(path)
        except Exception as e:  # noqa: BLE001: the checker raises many kinds
            bad.append(f"{os.path.basename(path)}: {e}")
    return bad


def chain(path, name, info, folder):
    """Stored inputs through the shards in ONNX Runtime: (ok, text)."""
    data = os.path.dirname(path) + "/test_data_set_0"
    for i, t in enumerate(load_inputs(data, info)):
        np.ascontiguousarray(t).tofile(f"{folder}/input_{i}.bin")
    p = subprocess.run(["node", HERE + "/ort_chain.js", bench_rivals.ORT,
                        folder], capture_output=True, text=True,
                       env=dict(os.environ, TMPDIR=folder))  # it logs there
    if p.returncode != 0:
        return False, p.stderr
    for i in range(len(info["outputs"])):
        want = read_tensor(f"{data}/output_{i}.pb")
        got = np.fromfile(f"{folder}/output_{i}.bin", want.dtype)
        ok, text = is_close(name, want, got.reshape(want.shape))
        if not ok:
            return False, text
    return True, ""


def one(tap, path, name, k, has_ort):
    folder = tempfile.mkdtemp(prefix="edged-shards.")
    ok, err = export(path, k, folder)
    if tap.case(ok, f"{name}: exported in {k} stages", err):
        bad = check(folder)
        with open(folder + "/shards.json") as f:
            n = len(json.load(f)["shards"])
        tap.case(not bad and n >= 1, f"{name}: onnx.checker passes its {n} "
                 "shards", "\n".join(bad))
        info = ports(path)
        if has_ort and os.path.isdir(os.path.dirname(path) +
                                     "/test_data_set_0"):
            ok, err = chain(path, name, info, folder)
            tap.case(ok, f"{name}: {n} shards chained in ONNX Runtime give "
                     "the stored outputs", err)
    shutil.rmtree(folder)


def main():
    tap = Tap()
    models = sorted(glob.glob(DATA + "/models/*/model.onnx"))
    if not models:
        tap.note("no data folder: the shipped model alone")
    models.append(ROOT + "/deploy/demo/shapes.onnx")
    has_ort = bench_rivals.install()
    if not has_ort:
        tap.skip("shards chained in another runtime",
                 "npm cannot install onnxruntime-node")
    for path in models:
        name = os.path.basename(os.path.dirname(path))
        if ports(path)["weight_bytes"] > LARGE:
            tap.note(f"{name}: left out for its size")
            continue
        for k in (1, 4):
            one(tap, path, name, k, has_ort)
    tap.end()


if __name__ == "__main__":
    main()
