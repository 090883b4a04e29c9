#!/usr/bin/python3
"""Training speed on one thread and on two next to PyTorch, both modes of it:
whole steps (forward, cross-entropy, backward, SGD with momentum 0.9 and weight
decay 5e-4) of batches of 128 images in memory, ours in the 4 micro-batches that
`training:` has by default. All stay resident and are asked in turn; the ratio is
the median over rounds of ours by the better of PyTorch's.

    bench_train.py                      the figures
    bench_train.py worker NET MODE THREADS
                                        PyTorch's side (eager, channels_last)
"""
import os
import statistics
import subprocess
import sys
import time

from figures import ROOT, figure

BIN = os.environ.get("EDGE_BIN", ROOT + "/build/release")
BATCH = 128
MICRO = int(os.environ.get("MICRO", "32"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
THREADS = [int(n) for n in os.environ.get("THREADS", "1 2").split()]
MODES = ("eager", "channels_last")

# ---- networks: lists of layers, which both sides are made of ---------------


def conv(cin, cout, k=3, stride=1, groups=1, bias=False):
    return ("conv", cin, cout, k, stride, groups, bias)


def block(cin, cout, stride, widen):
    wide = cin * widen
    body = [] if widen == 1 else [conv(cin, wide, 1), ("norm", wide),
                                  ("relu6",)]
    body += [conv(wide, wide, 3, stride, wide), ("norm", wide), ("relu6",),
             conv(wide, cout, 1), ("norm", cout)]
    return [("skip", body)] if stride == 1 and cin == cout else body


def mobilenetv2():
    layers = [conv(3, 32), ("norm", 32), ("relu6",)]
    c = 32
    for widen, cout, n, stride in ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2),
                                   (6, 64, 4, 2), (6, 96, 3, 1),
                                   (6, 160, 3, 2), (6, 320, 1, 1)):
        for k in range(n):
            layers += block(c, cout, stride if k == 0 else 1, widen)
            c = cout
    return layers + [conv(c, 1280, 1), ("norm", 1280), ("relu6",), ("mean",),
                     ("flatten",), ("dense", 1280, 10)]


def vgg11():
    layers, c = [], 3
    for out in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
        if out == 0:
            layers.append(("max", 2))
        else:
            layers += [conv(c, out, bias=True), ("norm", out), ("relu",)]
            c = out
    return layers + [("flatten",), ("dense", 512, 10)]


def cifar10_quick():
    return [conv(3, 32, 5, bias=True), ("max", 3), ("relu",),
            conv(32, 32, 5, bias=True), ("relu",), ("average", 3),
            conv(32, 64, 5, bias=True), ("relu",), ("average", 3),
            ("flatten",), ("dense", 1024, 64), ("dense", 64, 10)]


NETS = {"cifar10_quick": cifar10_quick, "vgg11": vgg11,
        "mobilenetv2": mobilenetv2}

# ---- as an ONNX file ---------------------------------------------------------


class Onnx:
    def __init__(self, layers):
        import numpy
        import onnx
        from onnx import helper, numpy_helper
        self.np, self.onnx, self.helper = numpy, onnx, helper
        self.as_tensor = numpy_helper.from_array
        self.rng = numpy.random.default_rng(1)
        self.nodes, self.weights = [], []
        end = self.add_all("x", layers)
        self.nodes[-1].output[0] = "scores"
        assert end
        value = helper.make_tensor_value_info
        f32 = onnx.TensorProto.FLOAT
        self.graph = helper.make_graph(
            self.nodes, "net", [value("x", f32, ["N", 3, 32, 32])],
            [value("scores", f32, ["N", 10])], self.weights)

    def save(self, path):
        self.onnx.save(self.helper.make_model(
            self.graph, opset_imports=[self.helper.make_opsetid("", 13)],
            ir_version=8), path)

    def weight(self, shape, scale, shift=0.0):
        name = f"w{len(self.weights)}"
        data = self.rng.standard_normal(shape) * scale + shift
        self.weights.append(self.as_tensor(data.astype(self.np.float32), name))
        return name

    def op(self, kind, inputs, **attrs):
        name = f"v{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, inputs, [name], **attrs))
        return name

    def add_all(self, x, layers):
        for layer in layers:
            x = self.add(x, *layer)
        return x

    def pool(self, kind, x, k):
        return self.op(kind, [x], kernel_shape=[k, k], strides=[2, 2],
                       ceil_mode=1)

    def add(self, x, kind, *a):
        if kind == "conv":
            cin, cout, k, stride, groups, bias = a
            scale = (2 / (cin // groups * k * k)) ** 0.5
            ins = [x, self.weight((cout, cin // groups, k, k), scale)]
            if bias:
                ins.append(self.weight((cout,), 0.01))
            return self.op("Conv", ins, pads=[k // 2] * 4, group=groups,
                           strides=[stride, stride])
        if kind == "norm":
            return self.op("BatchNormalization",
                           [x, self.weight(a, 0, 1), self.weight(a, 0),
                            self.weight(a, 0), self.weight(a, 0, 1)])
        if kind == "skip":
            return self.op("Add", [x, self.add_all(x, a[0])])
        if kind == "relu6":
            return self.op("Clip", [x, self.weight((), 0),
                                    self.weight((), 0, 6)])
        if kind == "dense":
            return self.op("Gemm", [x, self.weight((a[1], a[0]), a[0] ** -0.5),
                                    self.weight((a[1],), 0.01)], transB=1)
        if kind in ("max", "average"):
            return self.pool(kind.title() + "Pool", x, a[0])
        return self.op({"relu": "Relu", "flatten": "Flatten",
                        "mean": "GlobalAveragePool"}[kind], [x])


# ---- in PyTorch --------------------------------------------------------------


def torch_net(layers):
    from torch import nn

    class Skip(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    def one(kind, *a):
        if kind == "conv":
            cin, cout, k, stride, groups, bias = a
            return nn.Conv2d(cin, cout, k, stride, k // 2, groups=groups,
                             bias=bias)
        if kind == "skip":
            return Skip(*[one(*b) for b in a[0]])
        return {"norm": lambda: nn.BatchNorm2d(a[0]),
                "relu": lambda: nn.ReLU(inplace=True),
                "relu6": lambda: nn.ReLU6(inplace=True),
                "max": lambda: nn.MaxPool2d(a[0], 2, ceil_mode=True),
                "average": lambda: nn.AvgPool2d(a[0], 2, ceil_mode=True),
                "mean": lambda: nn.AdaptiveAvgPool2d(1),
                "flatten": nn.Flatten,
                "dense": lambda: nn.Linear(*a)}[kind]()
    return nn.Sequential(*[one(*layer) for layer in layers])


def peak_kib():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("VmHWM:"))


def worker(name, mode, threads):
    import torch
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net = torch_net(NETS[name]())
    x = torch.randn(BATCH, 3, 32, 32)
    y = torch.randint(0, 10, (BATCH,))
    if mode == "channels_last":
        net = net.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    opt = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9,
                          weight_decay=5e-4)
    loss = torch.nn.CrossEntropyLoss()
    print("ready", flush=True)
    for line in sys.stdin:
        wall, cpu = [], []
        for _ in range(int(line)):
            start, used = time.perf_counter(), time.process_time()
            opt.zero_grad(set_to_none=True)
            loss(net(x), y).backward()
            opt.step()
            wall.append((time.perf_counter() - start) * 1e3)
            cpu.append((time.process_time() - used) * 1e3)
        print(statistics.median(wall), statistics.median(cpu),
              peak_kib(), flush=True)


# ---- figures -----------------------------------------------------------------


class Worker:
    def __init__(self, threads, *args):
        n = str(threads)
        env = dict(os.environ, OMP_NUM_THREADS=n, OPENBLAS_NUM_THREADS=n)
        args += (n,)
        self.p = subprocess.Popen(args, stdin=subprocess.PIPE, text=True,
                                  stdout=subprocess.PIPE, env=env,
                                  stderr=subprocess.DEVNULL)
        self.ready = self.p.stdout.readline().strip() == "ready"

    def ask(self, n):
        self.p.stdin.write(f"{n}\n")
        self.p.stdin.flush()
        return [float(word) for word in self.p.stdout.readline().split()]

    def close(self):
        self.p.stdin.close()
        self.p.wait()


def compare(name, threads):
    row = f"train.{name}" + (f"_{threads}t" if threads > 1 else "")
    path = ROOT + f"/build/train_{name}.onnx"
    Onnx(NETS[name]()).save(path)
    all_of = [Worker(threads, BIN + "/tests/bench/bench_train", path, str(BATCH),
                     str(MICRO))]
    all_of += [Worker(threads, sys.executable, os.path.abspath(__file__), "worker", name,
                      mode) for mode in MODES]
    if not all(w.ready for w in all_of):
        figure(f"{row} - ratio target 1.0 skipped a worker does not "
               "start")
        return
    for w in all_of:
        w.ask(1)
    rounds = [[w.ask(1) for w in all_of] for _ in range(ROUNDS)]
    ratio = statistics.median(min(r[1][0], r[2][0]) / r[0][0] for r in rounds)
    speed = [BATCH * 1e3 / statistics.median(r[i][0] for r in rounds)
             for i in range(3)]
    kib = [rounds[-1][i][2] for i in range(3)]
    figure(f"{row} {ratio:.2f} ratio target 1.0 "
           f"{'ok' if ratio >= 1.0 else 'short'} ours {speed[0]:.0f} images/s, "
           f"PyTorch {speed[1]:.0f} and channels-last {speed[2]:.0f}, "
           f"threads: {threads}, by {MICRO} of {BATCH}, {ROUNDS} rounds")
    share = kib[0] / min(kib[1:])
    figure(f"{row}.memory {share:.3f} ratio target 0.5 "
           f"{'ok' if share <= 0.5 else 'short'} ours {kib[0] / 1024:.0f} MiB, "
           f"PyTorch {kib[1] / 1024:.0f} and {kib[2] / 1024:.0f}")
    for w in all_of:
        w.close()


def main():
    if len(sys.argv) > 4 and sys.argv[1] == "worker":
        return worker(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ImportError as e:
        figure(f"train - ratio target 1.0 skipped {e}".lower())
        return 0
    os.makedirs(ROOT + "/build", exist_ok=True)
    for threads in THREADS:
        for name in NETS:
            compare(name, threads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
