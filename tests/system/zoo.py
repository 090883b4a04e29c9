#!/usr/bin/python3
"""`edgectl model new`: files that other tools take, of the published sizes,
with the answers of another runtime."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/../bench"]
import bench_rivals  # noqa: E402
from edged_test import BIN, Tap  # noqa: E402

# Parameters that gradients change, as the literature counts them; alexnet is
# the one stream of prototype 1.
PARAMETERS = {"vgg16": 138357544, "vgg11_bn": 132868840, "resnet50": 25557032,
              "resnet18": 11689512, "mobilenetv2": 3504872,
              "alexnet": 47518376}
# name, options, shape of one input, classes, parameters
SMALL = (
    ("mobilenetv2", ("--form", "cifar"), (3, 32, 32), 10, 2296922),
    ("mobilenetv2", ("--form", "cifar", "--width", "0.5"), (3, 32, 32), 10,
     None),
    ("resnet18", ("--form", "cifar", "--classes", "7"), (3, 32, 32), 7, None),
    ("vgg11_bn", ("--form", "cifar"), (3, 32, 32), 10, 9231114),
    ("vgg16", ("--width", "0.1"), (3, 224, 224), 1000, None),
    ("vgg16_bn", ("--form", "cifar", "--width", "0.25", "--input", "3x64x64"),
     (3, 64, 64), 10, None),
    ("cifar10_quick", (), (3, 32, 32), 10, 145578),
    ("lenet", (), (1, 28, 28), 10, 431080),
    ("mlp", ("--input", "20", "--hidden", "30,40", "--classes", "5"), (20,), 5,
     21 * 30 + 31 * 40 + 41 * 5),
    ("mlp", ("--input", "1x28x28"), (1, 28, 28), 10, 109386),
    ("mlp", ("--input", "8x1x1"), (8, 1, 1), 10, None),
    ("parity", (), (8,), 2, 354),
    ("parity", ("--input", "1x1x8"), (1, 1, 8), 2, 354),
)


def ctl(*args):
    p = subprocess.run([BIN + "/edgectl", "model", *args], capture_output=True,
                       text=True)
    return p.returncode, p.stdout, p.stderr


def make(path, name, *args):
    """(its exit code, its stderr, the memory that it had at most)."""
    p = subprocess.Popen([BIN + "/edgectl", "model", "new", name, "-o", path,
                          *args], stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True)
    err = p.stderr.read()
    p.stderr.close()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    return p.returncode, err, usage.ru_maxrss * 1024


def count(model):
    """Without running statistics and the two bounds of Clip."""
    return sum(int(np.prod(t.dims)) for t in model.graph.initializer
               if len(t.dims) > 0 and not t.name.endswith((".mean", ".var")))


def check(tap, path, name):
    rc, err, _ = make(path, name)
    if not tap.case(rc == 0, f"{name}: written", err):
        return
    onnx.checker.check_model(path)
    onnx.shape_inference.infer_shapes_path(path, path + ".inferred",
                                           strict_mode=True)
    model = onnx.load(path + ".inferred")
    os.unlink(path + ".inferred")
    tap.case(count(model) == PARAMETERS[name],
             f"{name}: onnx.checker passes; {count(model)} parameters",
             f"{PARAMETERS[name]} are published")
    dims = [d.dim_value or d.dim_param
            for d in model.graph.output[0].type.tensor_type.shape.dim]
    tap.case(len(model.graph.value_info) >= len(model.graph.node) - 1 and
             dims[-1] == 1000, f"{name}: onnx infers every shape", dims)


def ask_ort(path, folder, output, x, classes):
    """Its answer, from ONNX Runtime."""
    x.tofile(folder + "/input_0.bin")
    with open(folder + "/shards.json", "w") as f:
        json.dump({"shards": [{
            "file": os.path.basename(path),
            "inputs": [{"name": "input", "type": "float32",
                        "shape": list(x.shape)}],
            "outputs": [{"name": output, "type": "float32",
                         "shape": [1, classes]}]}]}, f)
    p = subprocess.run(["node", HERE + "/ort_chain.js", bench_rivals.ORT,
                        folder], capture_output=True, text=True,
                       env=dict(os.environ, TMPDIR=folder))
    if p.returncode != 0:
        return None, p.stderr
    return np.fromfile(folder + "/output_0.bin", np.float32), ""


def compare(tap, path, folder, what, shape, classes, has_ort):
    x = np.random.default_rng(5).normal(size=(1, *shape)).astype(np.float32)
    np.save(folder + "/x.npy", x)
    rc, out, err = ctl("run", path, "--input", folder + "/x.npy",
                       "--output-dir", folder, "-o", "json")
    if not tap.case(rc == 0, f"{what}: edgectl model run", err) or not has_ort:
        return
    output = json.loads(out)["outputs"][0]
    got = np.load(f"{folder}/{output['file']}").ravel()
    want, err = ask_ort(path, folder, output["name"], x, classes)
    far = None if want is None else np.abs(got - want).max()
    tap.case(far is not None and far <= 1e-4 * np.abs(want).max(),
             f"{what}: ONNX Runtime gives the same outputs", err or far)


def run(tap, path, folder, name, has_ort):
    """Smaller, so that it is quick."""
    rc, err, _ = make(path, name, "--init", "random", "--input", "3x96x64",
                      "--seed", "9")
    if tap.case(rc == 0, f"{name}: of another size", err):
        compare(tap, path, folder, name, (3, 96, 64), 1000, has_ort)


def small(tap, path, folder, row, has_ort):
    name, args, shape, classes, parameters = row
    what = " ".join((name, *args))
    rc, out, err = ctl("new", name, "-o", path, "-o", "json", *args)
    if not tap.case(rc == 0, f"{what}: written", err):
        return
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    n = count(model)
    said = json.loads(out)
    tap.case(said["parameters"] == n and parameters in (None, n) and
             said["macs"] > 0,
             f"{what}: onnx.checker passes; {n} parameters", out)
    kinds = [node.op_type for node in model.graph.node]
    tap.case(kinds[-1] == "Gemm" and
             ("BatchNormalization" in kinds) == name.startswith(
                 ("mobile", "resnet", "vgg11_bn", "vgg16_bn")) and
             ("Dropout" in kinds) == (row[0] == "vgg16"),
             f"{what}: to be trained: scores, norms and dropouts", kinds)
    compare(tap, path, folder, what, shape, classes, has_ort)


def ask_all(path, folder, model, values):
    """Every output of a model with several inputs, from ONNX Runtime."""
    for i, x in enumerate(values):
        x.tofile(f"{folder}/input_{i}.bin")
    ports = [{"name": v.name, "type": "float32", "shape": list(x.shape)}
             for v, x in zip(model.graph.input, values)]
    outputs = [{"name": o.name, "type": "float32", "shape": [1, 4]}
               for o in model.graph.output]
    with open(folder + "/shards.json", "w") as f:
        json.dump({"shards": [{"file": os.path.basename(path),
                               "inputs": ports, "outputs": outputs}]}, f)
    p = subprocess.run(["node", HERE + "/ort_chain.js", bench_rivals.ORT,
                        folder], capture_output=True, text=True,
                       env=dict(os.environ, TMPDIR=folder))
    if p.returncode != 0:
        return None, p.stderr
    return [np.fromfile(f"{folder}/output_{i}.bin", np.float32)
            for i in range(len(outputs))], ""


def views(tap, path, folder, form, aggregators, has_ort):
    """ddnn: with a view that is not there, all exits."""
    what = f"ddnn {form} {aggregators}"
    rc, _, err = ctl("new", "ddnn", "--arch", form, "--devices", "3",
                     "--classes", "4", "--input", "16x10x1", "--aggregators",
                     aggregators, "--init", "random", "-o", path)
    if not tap.case(rc == 0, f"{what}: written", err):
        return
    model = onnx.load(path)
    onnx.checker.check_model(path, full_check=True)
    rng = np.random.default_rng(6)
    values = [rng.normal(size=(1, 1, 16, 10)).astype(np.float32)
              for _ in range(3)] + [np.array([[1, 0, 1]], np.float32)]
    args = []
    for v, x in zip(model.graph.input, values):
        np.save(f"{folder}/{v.name}.npy", x)
        args += ["--input", f"{v.name}={folder}/{v.name}.npy"]
    rc, out, err = ctl("run", path, *args, "--output-dir", folder, "-o", "json")
    if not tap.case(rc == 0, f"{what}: edgectl model run", err) or not has_ort:
        return
    want, err = ask_all(path, folder, model, values)
    far = [] if want is None else [
        np.abs(np.load(f"{folder}/{o['file']}").ravel() - w).max() /
        np.abs(w).max() for o, w in zip(json.loads(out)["outputs"], want)]
    tap.case(len(far) == 5 and max(far) <= 1e-4,
             f"{what}: ONNX Runtime gives the same at every exit", err or far)


def same_again(tap, folder):
    """The same options, the same file; another seed, other weights."""
    texts = []
    for i, seed in enumerate(("4", "4", "5")):
        path = f"{folder}/{i}.onnx"
        make(path, "lenet", "--seed", seed)
        with open(path, "rb") as f:
            texts.append(f.read())
        os.unlink(path)
    tap.case(texts[0] == texts[1] != texts[2],
             "the same seed gives the same file, another one another")


def memory(tap, path):
    """Before anything else: a child counts what its parent had, too."""
    rc, err, peak = make(path, "vgg16")
    tap.case(rc == 0 and peak <= os.path.getsize(path) + (64 << 20),
             "vgg16 is written in the memory of its weights and 64 MiB",
             err or peak)


def refused(tap, folder):
    for args, says in ((("vgg",), "(of alexnet, cifar10_quick, ddnn, "
                                "lenet, mlp"),
                       (("vgg61",), 'Did you mean "vgg11"?'),
                       (("vgg16", "--form", "cifra"), 'mean "cifar"?'),
                       (("vgg16", "--width", "0"), "--width"),
                       (("vgg16", "--width", "1e9"), "width"),
                       (("vgg16", "--hidden", "3"), "no hidden layers"),
                       (("mlp", "--hidden", "3,,4"), '",4"'),
                       (("mlp", "--init", "zero"), "neither train nor"),
                       (("vgg16", "--input", "3x31x31"), "too small"),
                       (("vgg16", "--input", "3x31"), "3x224x224"),
                       (("vgg16", "-o", "there/is/no.onnx"), "there/is/no"),
                       (("inspect", "--seed", "3"), "")):
        rc, _, err = ctl("new", *args)
        tap.case(rc != 0 and says in err, f"refused: new {' '.join(args)}",
                 err)
    for option in ("--seed", "--form", "--width", "--hidden", "--init"):
        rc, _, err = ctl("inspect", option, "3", folder + "/x.npy")
        tap.case(rc == 2 and option in err, f"refused: inspect {option}", err)


def listed(tap):
    rc, out, err = ctl("--help")
    wanted = [("mobilenetv2", "cifar", "3x32x32", "2.3 M", "91 M"),
              ("cifar10_quick", "cifar", "3x32x32", "146 k", "12 M"),
              ("resnet18", "imagenet", "3x224x224", "12 M", "1.8 G"),
              ("parity", "numbers", "8", "354")]
    rows = [" ".join(line.split()) for line in out.splitlines()]
    missing = [w for w in wanted
               if not any(r.startswith(" ".join(w)) for r in rows)]
    tap.case(rc == 0 and not missing,
             "--help lists the architectures with parameters and MACs",
             err or missing)


def main():
    tap = Tap()
    has_ort = bench_rivals.install()
    if not has_ort:
        tap.skip("the answers of another runtime",
                 "npm cannot install onnxruntime-node")
    with tempfile.TemporaryDirectory(prefix="edged-zoo.") as folder:
        memory(tap, folder + "/vgg16.onnx")
        for name in sorted(PARAMETERS, key=PARAMETERS.get):
            path = f"{folder}/{name}.onnx"
            check(tap, path, name)
            run(tap, path, folder, name, has_ort)
            os.unlink(path)
        for row in SMALL:
            small(tap, f"{folder}/small.onnx", folder, row, has_ort)
        for form in ("binary", "float", "res"):
            for aggregators in ("mp-cc", "ap-mp", "cc-ap"):
                views(tap, f"{folder}/views.onnx", folder, form, aggregators,
                      has_ort)
        same_again(tap, folder)
        refused(tap, folder)
        listed(tap)
    tap.end()


if __name__ == "__main__":
    main()
