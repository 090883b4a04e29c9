#!/usr/bin/python3
"""Writes the demo's model before it has learnt anything: `net.py start.onnx`.
Needs python3-onnx and python3-numpy.

The network is the small kind that runs on boards: inverted residual blocks of
MobileNetV2 (Sandler et al. 2018) with ReLU. Batch norms stay ops of their
own, as training needs them; edged folds them where the model is deployed."""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 64
CLASSES = 12
STEM = 16
# output channels, hidden channels, stride; a residual where neither changes.
BLOCKS = [(16, 32, 1), (32, 80, 2), (32, 128, 1), (56, 192, 2),
          (56, 224, 1), (56, 224, 1), (96, 320, 2), (96, 384, 1)]
HEAD = 192


class Writer:
    """Collects nodes and weights; every call returns its output's name."""

    def __init__(self):
        self.nodes, self.weights = [], []
        self.rng = np.random.default_rng(1)

    def weight(self, name, array):
        self.weights.append(
            numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def random(self, name, shape, fan):
        """He et al. 2015: a variance of 2 by what one number goes into."""
        return self.weight(name, self.rng.normal(0, (2 / fan) ** 0.5, shape))

    def node(self, kind, inputs, name, output=None, **attributes):
        output = output or name
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name,
                                           **attributes))
        return output

    def conv(self, x, name, cin, cout, kernel, stride=1, groups=1, relu=True):
        w = self.random(name + ".weight", (cout, cin // groups, kernel, kernel),
                        cout // groups * kernel * kernel)
        x = self.node("Conv", [x, w], name + ".conv", group=groups,
                      kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4,
                      strides=[stride] * 2)
        start = {"scale": np.ones, "bias": np.zeros, "mean": np.zeros,
                 "var": np.ones}
        x = self.node("BatchNormalization",
                      [x] + [self.weight(f"{name}.{what}", make(cout))
                             for what, make in start.items()],
                      name + ".norm", epsilon=1e-5)
        return self.node("Relu", [x], name + ".relu") if relu else x

    def block(self, x, name, cin, cout, hidden, stride):
        y = self.conv(x, name + ".expand", cin, hidden, 1)
        y = self.conv(y, name + ".depthwise", hidden, hidden, 3, stride, hidden)
        y = self.conv(y, name + ".project", hidden, cout, 1, relu=False)
        if stride == 1 and cin == cout:
            return self.node("Add", [x, y], name + ".add")
        return y


def model():
    w = Writer()
    x = w.conv("image", "stem", 3, STEM, 3, 2)
    cin = STEM
    for i, (cout, hidden, stride) in enumerate(BLOCKS):
        x = w.block(x, f"block{i + 1}", cin, cout, hidden, stride)
        cin = cout
    x = w.conv(x, "head", cin, HEAD, 1)
    x = w.node("GlobalAveragePool", [x], "head.pool")
    x = w.node("Flatten", [x], "head.flatten", axis=1)
    x = w.node("Gemm", [x, w.weight("fc.weight", w.rng.normal(
        0, 0.01, (CLASSES, HEAD))), w.weight("fc.bias", np.zeros(CLASSES))],
        "fc", transB=1)
    w.node("Softmax", [x], "softmax", "probabilities", axis=1)
    image = helper.make_tensor_value_info(
        "image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    answer = helper.make_tensor_value_info(
        "probabilities", TensorProto.FLOAT, ["batch", CLASSES])
    graph = helper.make_graph(w.nodes, "shapes", [image], [answer], w.weights)
    return helper.make_model(graph, producer_name="edged demo", ir_version=8,
                             opset_imports=[helper.make_opsetid("", 13)])


if __name__ == "__main__":
    made = model()
    onnx.checker.check_model(made, full_check=True)
    onnx.save(made, sys.argv[1])
