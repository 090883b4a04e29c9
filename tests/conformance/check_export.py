#!/usr/bin/python3
"""Runs onnx.checker over models that edged wrote.

check_export.py FOLDER: each FOLDER/NAME/model.onnx, with its external data
beside it, must pass with shape inference in strict mode, use opset 17 alone
and say type and shape of each input and output. Prints one line per failure
and a last line `N passed, N failed`.
"""
import os
import sys

import onnx
from onnx import checker


def check(path):
    checker.check_model(path, full_check=True)
    model = onnx.load(path, load_external_data=False)
    opsets = [(o.domain, o.version) for o in model.opset_import]
    if opsets != [("", 17)] or model.ir_version != 8:
        raise ValueError(f"opset {opsets}, IR version {model.ir_version}")
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location" and len(entry.value) != 64:
                raise ValueError(f"{tensor.name} is at {entry.value}")
    for node in model.graph.node:
        if node.domain != "":
            raise ValueError(f"{node.name} is of domain {node.domain}")


def main():
    folder = sys.argv[1]
    passed = failed = 0
    for name in sorted(os.listdir(folder)):
        try:
            check(os.path.join(folder, name, "model.onnx"))
            passed += 1
        except Exception as error:  # the checker raises several kinds
            print(f"FAIL {name}: {' '.join(str(error).split())[:300]}")
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
