#!/usr/bin/python3
"""Writes tests/fuzz/fuzz_onnx/: small models that the importer takes, of many
opsets and operators, as seeds for the fuzzer."""
import os

import numpy as np
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

here = os.path.dirname(os.path.abspath(__file__))
folder = os.path.join(here, "..", "..", "fuzz", "fuzz_onnx")
os.makedirs(folder, exist_ok=True)


def save(name, opset, nodes, shape, out=("y",), constants=None, dtype=T.FLOAT):
    graph = h.make_graph(
        nodes, name,
        [h.make_tensor_value_info("x", dtype, shape)],
        [h.make_tensor_value_info(o, T.FLOAT, None) for o in out],
        [numpy_helper.from_array(np.array(v), k)
         for k, v in (constants or {}).items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)],
                         ir_version=8)
    h.set_model_props(model, {"mean": "0.5"})
    with open(os.path.join(folder, name + ".onnx"), "wb") as file:
        file.write(model.SerializeToString(deterministic=True))


def n(kind, inputs, outputs="y", **attributes):
    return h.make_node(kind, inputs.split(), outputs.split(), **attributes)


f = np.float32
i = np.int64
ones = np.ones
image = ["N", 2, 4, 4]
save("conv", 13, [n("Conv", "x w b", pads=[1, 1, 1, 1], group=2)], image,
     constants={"w": ones((2, 1, 3, 3), f), "b": ones(2, f)})
save("conv_transpose", 11, [n("ConvTranspose", "x w", strides=[2, 2])], image,
     constants={"w": ones((2, 1, 2, 2), f)})
save("gemm", 13, [n("Gemm", "x w", transB=1)], ["N", 4],
     constants={"w": np.arange(512, dtype=f).reshape(128, 4)})
save("batch_norm", 7, [n("BatchNormalization", "x a a a a", "y m v s t",
                         spatial=1)], image, constants={"a": ones(2, f)})
save("clip_dropout", 7, [n("Clip", "x", "a", min=0.0, max=6.0),
                         n("Dropout", "a", ratio=0.5)], [4])
save("slice", 9, [n("Slice", "x", starts=[1], ends=[3], axes=[1])], [4, 4])
save("squeeze", 11, [n("Squeeze", "x", "a", axes=[0]),
                     n("Unsqueeze", "a", axes=[0, 2])], [1, 4])
save("reduce", 11, [n("ReduceMean", "x", "a", axes=[1]),
                    n("ReduceSum", "x", "b", axes=[1]),
                    n("Add", "a b")], [4, 4])
save("reduce_18", 18, [n("ReduceMax", "x a", keepdims=0)], [4, 4],
     constants={"a": np.array([1], i)})
save("split_18", 18, [n("Split", "x", "y z w", num_outputs=3)], [7],
     out=("y", "w"))
save("pad_18", 18, [n("Pad", "x p  a".replace("  ", " c "))], image,
     constants={"p": np.array([1, 2], i), "a": np.array([-1], i),
                "c": np.array(0, f)})
save("softmax_9", 9, [n("LogSoftmax", "x")], [2, 3, 4])
save("upsample", 9, [n("Upsample", "x s", mode="nearest")], image,
     constants={"s": np.array([1, 1, 2, 2], f)})
save("resize_18", 18, [h.make_node("Resize", ["x", "", "", "s"], ["y"],
                                   axes=[2, 3], mode="linear")], image,
     constants={"s": np.array([8, 8], i)})
save("quantize", 21, [n("QuantizeLinear", "x s", "q", output_dtype=T.INT8),
                      n("DequantizeLinear", "q s")], [4],
     constants={"s": np.array(0.5, f)})
save("qlinear", 10, [n("QuantizeLinear", "x s z", "q"),
                     n("QLinearConv", "q s z w s z s z", "r"),
                     n("DequantizeLinear", "r s z")], [1, 1, 4, 4],
     constants={"s": np.array(0.5, f), "z": np.array(3, np.uint8),
                "w": ones((1, 1, 2, 2), np.uint8)})
save("gelu", 20, [n("Gelu", "x", "a"), n("Gelu", "a", approximate="tanh")],
     [4])
save("gelu_int", 20, [n("Gelu", "x")], [4], dtype=T.INT64)  # must be refused
save("gelu_parts", 13, [n("Div", "x r", "a"), n("Erf", "a", "b"),
                        n("Add", "b one", "c"), n("Mul", "x c", "d"),
                        n("Mul", "d half")], [4],
     constants={"r": np.array(1.41421354, f), "one": np.array(1, f),
                "half": np.array(0.5, f)})
save("shapes", 15, [n("Shape", "x", "s", start=1), n("Gather", "s zero", "g"),
                    n("Unsqueeze", "g ax", "u"), n("Concat", "u u", "c",
                                                   axis=0),
                    n("ConstantOfShape", "c", value=numpy_helper.from_array(
                        np.array([2], f)))], ["N", 4],
     constants={"zero": np.array(0, i), "ax": np.array([0], i)})
save("fill", 9, [n("ConstantOfShape", "s", "w"), n("MatMul", "x w")], [2, 32],
     constants={"s": np.array([32, 32], i)})
save("top_k", 9, [n("TopK", "x", "y z", k=2)], [8])
save("constants", 13, [h.make_node("Constant", [], ["a"], value_float=1.0),
                       h.make_node("Constant", [], ["b"], value_ints=[1, 2]),
                       n("Cast", "b", "c", to=T.FLOAT), n("Sum", "x a c")],
     [2])
save("detect", 11, [n("Transpose", "x", "t", perm=[0, 2, 1]),
                    n("NonMaxSuppression", "x t k", "i"),
                    n("Cast", "i", to=T.FLOAT)], [1, 4, 4],
     constants={"k": np.array([2], i)})
