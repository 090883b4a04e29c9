#!/usr/bin/python3
"""Writes tests/golden/onnx/broken/NAME.onnx, one thing wrong with each.

What the importer must say of NAME.onnx is in NAME.expected, not written from
here: the name of the error code, and the message without the file's name.
"""
import os

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "broken")
os.makedirs(here, exist_ok=True)


def write(name, data):
    with open(os.path.join(here, name), "wb") as file:
        file.write(data)


def save(name, model):
    write(name + ".onnx", model.SerializeToString(deterministic=True))


def info(name, shape=(2,), dtype=T.FLOAT):
    return h.make_tensor_value_info(name, dtype, shape)


def make(nodes, initializers=(), inputs=None, outputs=None, opset=17, **extra):
    graph = h.make_graph(
        nodes, "broken", inputs or [info("x")], outputs or [info("y")],
        list(initializers))
    model = h.make_model(
        graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8, **extra)
    return model


def node(kind="Relu", inputs=("x",), outputs=("y",), name="n", **attributes):
    return h.make_node(kind, list(inputs), list(outputs), name=name,
                       **attributes)


def weight(dims=(2,), dtype=T.FLOAT, raw=None, name="w"):
    tensor = T(name=name, dims=dims, data_type=dtype)
    if raw is not None:
        tensor.raw_data = raw
    return tensor


def with_weight(tensor):
    return make([node("Add", ("x", "w"))], [tensor])


def external(location=None, **entries):
    tensor = weight()
    tensor.data_location = T.EXTERNAL
    if location is not None:
        entries["location"] = location
    for key, value in sorted(entries.items()):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return with_weight(tensor)


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def swap(model, old, new):
    data = model.SerializeToString(deterministic=True)
    assert len(old) == len(new) and data.count(old) >= 1
    return data.replace(old, new)


fine = make([node("Add", ("x", "w"))],
            [weight(raw=np.ones(2, np.float32).tobytes())])
whole = fine.SerializeToString(deterministic=True)
header = h.make_model(h.make_graph([], "", [], []), ir_version=8)
header.ClearField("graph")
header = header.SerializeToString(deterministic=True)

# Not ONNX, or not all of it.
write("empty.onnx", b"")
write("text.onnx", b"name: cluster\nmodel: model.onnx\n" * 4)
write("truncated.onnx", whole[: len(whole) // 2])
write("last-byte-missing.onnx", whole[:-1])
write("garbage-behind.onnx", whole + b"\xff\xff\xff\xff\xff\xff")
write("wrong-wire-type.onnx", header + varint(7 << 3) + varint(5))
write("group.onnx", header + varint(7 << 3 | 3))
write("missing-graph.onnx", header)
write("two-graphs.onnx", whole + field(7, fine.graph.SerializeToString()))
write("length-too-long.onnx", header + field(7, varint(1 << 3 | 2) + b"\x7f"))
write("wild-length.onnx", header + varint(7 << 3 | 2) + b"\xff" * 9 + b"\x01")
inner = b""
for _ in range(40):  # AttributeProto.g, GraphProto.node, NodeProto.attribute
    inner = field(1, field(5, field(6, inner)))
write("deep-nesting.onnx", header + field(7, inner))
write("bad-utf8.onnx", swap(make([node(name="abcd")]), b"abcd", b"a\xff\xfed"))
write("nul-in-name.onnx", swap(make([node(name="abcd")]), b"abcd", b"ab\0d"))

# The model.
no_opset = make([node()])
del no_opset.opset_import[:]
save("no-opset", no_opset)
save("opset-3", make([node()], opset=3))
save("opset-99", make([node()], opset=99))
no_output = make([node()])
del no_output.graph.output[:]
save("no-output", no_output)
sparse = make([node("Add", ("x", "w"))])
values = numpy_helper.from_array(np.ones(1, np.float32), "w")
sparse.graph.sparse_initializer.add().values.CopyFrom(values)
save("sparse-initializer", sparse)

# Operators.
save("unknown-operator", make([node("Frobnicate")]))
save("lstm", make([node(), node("LSTM", "xxx", "z", "Foo_12")]))
save("unnamed-lstm", make([node("LSTM", "xxx", "y", "")]))
save("custom-domain", make([node("FusedConv", domain="com.microsoft")]))
save("training-domain",
     make([node("Gradient", domain="ai.onnx.preview.training")]))
branch = h.make_graph([node(outputs=("b",))], "then", [], [info("b")])
save("if", make([node("If", then_branch=branch, else_branch=branch)]))
function = make([node("Twice", domain="mine")])
function.functions.append(h.make_function(
    "mine", "Twice", ["a"], ["b"], [node("Add", "aa", "b")],
    [h.make_opsetid("", 17)]))
save("function", function)
nothing = make([node()])
nothing.graph.node[0].ClearField("op_type")
save("no-operator", nothing)
save("control-characters", make([node("LSTM", name="a\x1b[2J\rb")]))

# Values.
save("undefined-input", make([node("Add", ("x", "nowhere"))]))
save("missing-weight", make([node("Conv", ("x", "w1"))]))
save("undefined-output", make([node()], outputs=[info("z")]))
save("cycle", make([node("Add", ("x", "b"), ("a",), "p"),
                    node("Relu", ("a",), ("b",), "q"),
                    node("Neg", ("a",), ("y",), "r")]))
save("self-cycle", make([node("Add", ("x", "y"))]))
save("made-twice", make([node(), node("Neg", name="m")]))
save("initializer-twice", make(
    [node("Add", ("x", "w"))], [weight(raw=b"12345678")] * 2))
save("input-twice", make([node()], inputs=[info("x"), info("x")]))
save("input-made-by-node", make([node(outputs=("x",))]))
save("graph-output-twice", make([node()], outputs=[info("y"), info("y")]))
save("long-name", make([node(outputs=("y" * 2000,))]))
save("nameless-input", make([node()], inputs=[info("x"), info("")]))
save("nameless-initializer", make([node()], [weight(name="", raw=b"12345678")]))
save("wrong-output-type", make([node()], outputs=[info("y", dtype=T.INT64)]))
sequence = h.make_tensor_sequence_value_info("x", T.FLOAT, [2])
save("sequence-input", make([node()], inputs=[sequence]))
save("string-input", make([node()], inputs=[info("x", dtype=T.STRING)]))
untyped = make([node()])
untyped.graph.input[0].ClearField("type")
save("untyped-input", untyped)
save("negative-input-dim", make([node()], inputs=[info("x", (2, -3))]))
save("rank-9-input", make([node()], inputs=[info("x", (1,) * 9)]))

# Tensors.
save("negative-dims", with_weight(weight((2, -4), raw=b"")))
save("huge-dims", with_weight(weight((1 << 40, 1 << 40), raw=b"1234")))
save("large-claim", with_weight(weight((1 << 30,), raw=b"1234")))
save("rank-9", with_weight(weight((1,) * 9, raw=b"1234")))
save("raw-length", with_weight(weight(raw=b"12345")))
save("no-data", with_weight(weight()))
short = weight()
short.float_data.extend([1.0])
save("field-length", with_weight(short))
wrong_field = weight()
wrong_field.int64_data.extend([1, 2])
save("wrong-field", with_weight(wrong_field))
small = weight(dtype=T.INT8)
small.int32_data.extend([1, 200])
save("int8-range", with_weight(small))
save("bool-range", with_weight(weight(dtype=T.BOOL, raw=b"\1\2")))
strings = weight(dtype=T.STRING)
strings.string_data.extend([b"a", b"b"])
save("string-tensor", with_weight(strings))
save("unknown-dtype", with_weight(weight(dtype=99, raw=b"1234")))
save("undefined-dtype", with_weight(weight(dtype=0, raw=b"1234")))
save("bfloat16", with_weight(weight(dtype=T.BFLOAT16, raw=b"1234")))
save("complex", with_weight(weight(dtype=T.COMPLEX64, raw=b"1" * 16)))
segment = weight(raw=b"12345678")
segment.segment.begin = 0
segment.segment.end = 2
save("segment", with_weight(segment))

# External data; the rest is in test_external.c.
write("eight.bin", b"12345678")
save("external-parent", external("../x"))
save("external-parent-inside", external("a/../../x"))
save("external-absolute", external("/etc/passwd"))
save("external-missing", external("missing.bin"))
save("external-folder", external("."))
save("external-no-location", external())
save("external-short", external("eight.bin", offset="4"))
save("external-length", external("eight.bin", length="4"))
save("external-huge-length", external("eight.bin", length="9" * 30))
save("external-negative-offset", external("eight.bin", offset="-4"))
save("external-beyond", external("eight.bin", offset="4096"))

# Attributes and arity.
save("attribute-type", make([node("Softmax", axis="last")]))
save("attribute-unknown", make([node(slope=1.0)]))
save("attribute-missing", make([node("Concat")]))
twice = make([node("Softmax", axis=0)])
twice.graph.node[0].attribute.append(twice.graph.node[0].attribute[0])
save("attribute-twice", twice)
nameless = make([node("Softmax", axis=0)])
nameless.graph.node[0].attribute[0].name = ""
save("attribute-nameless", nameless)
save("attribute-graph", make([node("Softmax", axis=branch)]))
save("attribute-too-old", make([node("Clip", min=0.0)]))
save("constant-empty", make([node("Constant", (), ("c",)), node()]))
save("too-many-inputs", make([node("Relu", "xx")]))
save("too-few-inputs", make([node("Conv")]))
save("input-left-out", make([node("Add", ("x", ""))]))
save("no-inputs", make([node("Relu", ())]))
save("no-outputs", make([node(), node(outputs=())]))
save("sum-of-300", make([node("Sum", "x" * 300)]))

# Forms that there is no way to support.
save("batch-norm-training", make(
    [node("BatchNormalization", "xxxxx", training_mode=1)]))
save("batch-norm-outputs", make(
    [node("BatchNormalization", "xxxxx", ("y", "m", "v"))],
    outputs=[info("y"), info("m")]))
save("pad-wrap", make([node("Pad", ("x", "x"), mode="wrap")], opset=19))
save("resize-antialias", make(
    [node("Resize", ("x", "", "x"), antialias=1)], opset=18))
save("cast-to-string", make([node("Cast", to=T.STRING)]))
save("quantize-blocked", make(
    [node("QuantizeLinear", "xx", block_size=32)], opset=21))
print(f"onnx {onnx.__version__}")
