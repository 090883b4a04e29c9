#!/usr/bin/python3
"""Writes tests/golden/onnx/opsets/: models whose operators have forms of other
opsets than 17, with inputs and the outputs that NumPy computes for them."""
import math
import os
import shutil

import numpy as np
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "opsets")
shutil.rmtree(here, ignore_errors=True)
rng = np.random.default_rng(2)
F = np.float32
I = np.int64


def save(name, opset, nodes, x, y, constants=None, shape=None):
    ys = y if isinstance(y, list) else [y]
    folder = os.path.join(here, name)
    os.makedirs(os.path.join(folder, "test_data_set_0"))

    def info(key, v, dims):
        kind = h.mapping.NP_TYPE_TO_TENSOR_TYPE[v.dtype]
        return h.make_tensor_value_info(key, kind, dims)

    graph = h.make_graph(
        nodes, name, [info("x", x, shape or x.shape)],
        [info(f"y{k}", v, v.shape) for k, v in enumerate(ys)],
        [numpy_helper.from_array(np.array(v), k)
         for k, v in (constants or {}).items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)],
                         ir_version=8)
    write(os.path.join(folder, "model.onnx"), model)
    for kind, values in (("input", [x]), ("output", ys)):
        for k, v in enumerate(values):
            write(os.path.join(folder, "test_data_set_0", f"{kind}_{k}.pb"),
                  numpy_helper.from_array(np.ascontiguousarray(v)))


def write(path, message):
    with open(path, "wb") as file:
        file.write(message.SerializeToString(deterministic=True))


def n(kind, inputs="x", outputs="y0", **attributes):
    names = [i if i != "-" else "" for i in inputs.split()]
    return h.make_node(kind, names, outputs.split(), **attributes)


def normal(*shape):
    return rng.standard_normal(shape).astype(F)


def softmax_2d(x, axis):
    rows = x.reshape(int(np.prod(x.shape[:axis])), -1)
    e = np.exp(rows - rows.max(1, keepdims=True))
    return (e / e.sum(1, keepdims=True)).reshape(x.shape).astype(F)


def erf(x):
    return np.vectorize(math.erf)(x)


def nearest(x, sizes, index):
    for axis, size in enumerate(sizes):
        at = [min(max(index(i, size / x.shape[axis]), 0), x.shape[axis] - 1)
              for i in range(size)]
        x = x.take(at, axis)
    return x


def linear(x, sizes):
    """Coordinates i / scale, as before opset 11."""
    for axis, size in enumerate(sizes):
        last = x.shape[axis] - 1
        at = np.minimum(np.arange(size) * x.shape[axis] / size, last)
        low = np.floor(at).astype(int)
        part = (at - low).reshape([-1 if a == axis else 1
                                   for a in range(x.ndim)])
        high = np.minimum(low + 1, last)
        x = x.take(low, axis) * (1 - part) + x.take(high, axis) * part
    return x.astype(F)


def floor_index(i, scale):
    return math.floor(i / scale)


def ceil_index(i, scale):
    return math.ceil(i / scale)


# Attributes that became inputs.
x = normal(3, 4)
save("clip_7", 7, [n("Clip", min=-0.5, max=0.25)], x, x.clip(-0.5, 0.25))
save("clip_7_max", 7, [n("Clip", max=0.25)], x, np.minimum(x, F(0.25)))
save("dropout_7", 7, [n("Dropout", ratio=0.5)], x, x)
save("slice_9", 9, [n("Slice", starts=[1, -3], ends=[3, 9], axes=[0, 1])], x,
     x[1:3, -3:9])
z = normal(1, 3, 1)
save("squeeze_11", 11, [n("Squeeze", axes=[0, 2])], z, z.reshape(3))
save("unsqueeze_11", 11, [n("Unsqueeze", axes=[0, 3])], x,
     x.reshape(1, 3, 4, 1))
for kind, function in (("Mean", np.mean), ("Sum", np.sum), ("Max", np.max),
                       ("Min", np.min)):
    name = f"reduce_{kind.lower()}"
    save(name + "_11", 11, [n("Reduce" + kind, axes=[1], keepdims=0)], x,
         function(x, 1))
    save(name + "_11_all", 11, [n("Reduce" + kind)], x,
         function(x, keepdims=True))
    save(name + "_18", 18, [n("Reduce" + kind, "x a")], x,
         function(x, 0, keepdims=True), {"a": np.array([-2], I)})
    save(name + "_18_none", 18,
         [n("Reduce" + kind, noop_with_empty_axes=1)], x, x)
save("split_11", 11, [n("Split", "x", "y0 y1", axis=1, split=[1, 3])], x,
     [x[:, :1], x[:, 1:]])
z = normal(2, 7)
save("split_18", 18, [n("Split", "x", "y0 y1 y2", num_outputs=3, axis=-1)], z,
     [z[:, :3], z[:, 3:6], z[:, 6:]])
save("pad_10", 10, [n("Pad", pads=[0, 1, 2, 0], value=1.5)], x,
     np.pad(x, ((0, 2), (1, 0)), constant_values=F(1.5)))
save("pad_10_reflect", 10, [n("Pad", pads=[1, 1, 1, 1], mode="reflect")], x,
     np.pad(x, 1, mode="reflect"))
save("pad_18", 18, [n("Pad", "x p - a")], x, np.pad(x, ((0, 0), (2, 1))),
     {"p": np.array([2, 1], I), "a": np.array([-1], I)})
z = np.array([[3, 1, 4, 1.5, 9], [2, 6, 5, 3.5, 8]], F)
save("top_k_9", 9, [n("TopK", "x", "y0 y1", k=2)], z,
     [np.array([[9, 4], [8, 6]], F), np.array([[4, 2], [4, 1]], I)])

# Softmax over a matrix.
z = normal(2, 3, 4)
for axis in (0, 1, 2):
    save(f"softmax_9_{axis}", 9, [n("Softmax", axis=axis)], z,
         softmax_2d(z, axis))
save("log_softmax_11", 11, [n("LogSoftmax")], z, np.log(softmax_2d(z, 1)))
save("log_softmax_11_negative", 11, [n("LogSoftmax", axis=-2)], z,
     np.log(softmax_2d(z, 1)))
w = normal(1, 5, 1, 1)
save("softmax_9_one_axis", 9, [n("Softmax")], w, softmax_2d(w, 1))
save("softmax_9_free_batch", 9, [n("Softmax")], z, softmax_2d(z, 1),
     shape=("N", 3, 4))

# Batch normalization.
z = normal(2, 3, 4, 4)
p = {k: np.abs(normal(3)) + F(0.5) for k in "sbmv"}
c = {k: v.reshape(1, 3, 1, 1) for k, v in p.items()}
save("batch_norm_7", 7, [n("BatchNormalization", "x s b m v", "y0 q r t u",
                           spatial=1)], z,
     (z - c["m"]) / np.sqrt(c["v"] + F(1e-5)) * c["s"] + c["b"], p)

# Resizing.
z = normal(1, 2, 3, 4)
up = (1, 2, 6, 8)
scales = np.array([1, 1, 2, 2], F)
save("upsample_7", 7, [n("Upsample", scales=[1.0, 1.0, 2.0, 2.0])], z,
     nearest(z, up, floor_index))
save("upsample_9", 9, [n("Upsample", "x s")], z, nearest(z, up, floor_index),
     {"s": scales})
save("upsample_9_linear", 9, [n("Upsample", "x s", mode="linear")], z,
     linear(z, up), {"s": scales})
save("resize_10_up", 10, [n("Resize", "x s")], z, nearest(z, up, floor_index),
     {"s": scales})
w = np.arange(1, 9, dtype=F).reshape(1, 1, 2, 4)
save("resize_10_down", 10, [n("Resize", "x s")], w,
     np.array([1, 3], F).reshape(1, 1, 1, 2),  # of ONNX's own test at opset 10
     {"s": np.array([1, 1, 0.6, 0.6], F)})
save("resize_10_linear", 10, [n("Resize", "x s", mode="linear")], z,
     linear(z, up), {"s": scales})
save("resize_11_sizes", 11,
     [n("Resize", "x e e s", coordinate_transformation_mode="asymmetric",
        nearest_mode="floor")], z, nearest(z, up, floor_index),
     {"e": np.zeros(0, F), "s": np.array(up, I)})
save("resize_11_tensorflow", 11,
     [n("Resize", "x e e s", nearest_mode="floor",
        coordinate_transformation_mode="tf_half_pixel_for_nn")], z,
     nearest(z, (1, 2, 5, 9), lambda i, s: math.floor((i + 0.5) / s)),
     {"e": np.zeros(0, F), "s": np.array([1, 2, 5, 9], I)})
save("resize_11_tensorflow_round", 11,
     [n("Resize", "x e e s",
        coordinate_transformation_mode="tf_half_pixel_for_nn")], z,
     nearest(z, (1, 2, 5, 9), lambda i, s: math.ceil((i + 0.5) / s - 0.5)),
     {"e": np.zeros(0, F), "s": np.array([1, 2, 5, 9], I)})
for name, shape in (("resize_18", None), ("resize_18_free", ("N", 2, 3, 4))):
    save(name, 18,
         [n("Resize", "x - - s", axes=[3, 2], nearest_mode="floor",
            coordinate_transformation_mode="asymmetric")], z,
         nearest(z, up, floor_index), {"s": np.array([8, 6], I)}, shape)
save("resize_18_scales", 18,
     [n("Resize", "x - s", axes=[-1], nearest_mode="floor",
        coordinate_transformation_mode="asymmetric")], z,
     nearest(z, (1, 2, 3, 8), floor_index), {"s": np.array([2], F)})

# New operators and attributes.
x = normal(3, 4)
gelu = (0.5 * x * (1 + erf(x / math.sqrt(2)))).astype(F)
save("gelu_20", 20, [n("Gelu")], x, gelu)
save("gelu_20_tanh", 20, [n("Gelu", approximate="tanh")], x,
     (0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi)
                             * (x + 0.044715 * x ** 3)))).astype(F))
save("gelu_parts", 13,
     [n("Div", "x r", "a"), n("Erf", "a", "b"), n("Add", "one b", "c"),
      n("Mul", "c x", "d"), n("Mul", "half d")], x, gelu,
     {"r": np.array(math.sqrt(2), F), "one": np.array(1, F),
      "half": np.array(0.5, F)})
q = np.clip(np.rint(x / F(0.05)), -128, 127)
save("quantize_21", 21, [n("QuantizeLinear", "x s", "y0", output_dtype=T.INT8)],
     x, q.astype(np.int8), {"s": np.array(0.05, F)})
save("constants_13", 13,
     [h.make_node("Constant", [], ["a"], value_float=1.5),
      h.make_node("Constant", [], ["b"], value_floats=[1.0, 2.0, 3.0, 4.0]),
      h.make_node("Constant", [], ["c"], value_int=2),
      h.make_node("Constant", [], ["d"], value_ints=[4, 3]),
      n("Mul", "x a", "e"), n("Add", "e b", "f"),
      n("Reshape", "f d", "g"), n("Cast", "c", "i", to=T.FLOAT),
      n("Mul", "g i")], x,
     ((x * F(1.5) + np.array([1, 2, 3, 4], F)).reshape(4, 3) * F(2)))
save("pool_19", 19,
     [n("AveragePool", kernel_shape=[2, 2], dilations=[1, 1])],
     normal(1, 1, 2, 2) * 0 + F(3), np.full((1, 1, 1, 1), 3, F))
