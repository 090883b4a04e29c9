#!/usr/bin/python3
"""Trains the demo's model on pictures that draw.py draws, and writes it as
ONNX. README.md has the result. Needs python3-torch, python3-onnx,
python3-numpy and python3-pil.

    train.py            # about ten minutes on two cores
    train.py --check    # only runs shapes.onnx on the shipped pictures

The network is the small kind that runs on boards: inverted residual blocks of
MobileNetV2 (Sandler et al. 2018) with ReLU. Batch norms stay ops of their
own, for the importer of edged to fold.
"""

import argparse
import pathlib
import time

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageOps
from torch import nn
from torch.nn import functional as F

import draw

SIDE = 64
CROP = 0.875
MEAN = STD = 0.5

STEM = 16
# output channels, hidden channels, stride; a residual where neither changes.
BLOCKS = [(16, 32, 1), (32, 80, 2), (32, 128, 1), (56, 192, 2),
          (56, 224, 1), (56, 224, 1), (96, 320, 2), (96, 384, 1)]
HEAD = 192


# ---- data -------------------------------------------------------------------

def prepare(picture):
    """As edged does it: RGB, shorter side to SIDE / CROP, the middle."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("RGBA", "P"):
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(paper, picture)
    picture = picture.convert("RGB")
    width, height = picture.size
    target = round(SIDE / CROP)
    ratio = target / min(width, height)
    if width < height:
        size = (target, int(height * ratio))
    else:
        size = (int(width * ratio), target)
    picture = picture.resize(size, Image.BILINEAR)
    left, top = (round((side - SIDE) / 2) for side in size)
    picture = picture.crop((left, top, left + SIDE, top + SIDE))
    return np.asarray(picture).transpose(2, 0, 1)


def random_picture(rng, label):
    width, height = (int(v) for v in rng.integers(64, 160, 2))
    if max(width, height) > 2 * min(width, height):
        width = height
    kind = rng.uniform()
    if kind < 0.05:
        return draw.draw_cutout(rng, label, width, height)
    picture = draw.draw_picture(rng, label, width, height)
    return picture.convert("L") if kind < 0.1 else picture


def draw_set(seed, n):
    """(n,3,SIDE,SIDE) bytes and (n) labels."""
    pictures = np.empty((n, 3, SIDE, SIDE), np.uint8)
    labels = np.arange(n) % len(draw.LABELS)
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        pictures[i] = prepare(random_picture(rng, draw.LABELS[labels[i]]))
    return torch.from_numpy(pictures), torch.from_numpy(labels)


def normalise(pictures):
    """Channels last in memory, which trains three times as fast."""
    x = (pictures.float() / 255 - MEAN) / STD
    return x.contiguous(memory_format=torch.channels_last)


# ---- the network ------------------------------------------------------------

def conv(cin, cout, kernel, stride=1, groups=1):
    """Convolution and batch norm."""
    return nn.Sequential(
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups,
                  bias=False),
        nn.BatchNorm2d(cout))


class Block(nn.Module):
    def __init__(self, cin, cout, hidden, stride):
        super().__init__()
        self.residual = stride == 1 and cin == cout
        self.expand = conv(cin, hidden, 1)
        self.depthwise = conv(hidden, hidden, 3, stride, hidden)
        self.project = conv(hidden, cout, 1)

    def forward(self, x):
        y = F.relu(self.expand(x))
        y = F.relu(self.depthwise(y))
        y = self.project(y)
        return x + y if self.residual else y


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv(3, STEM, 3, 2)
        blocks, cin = [], STEM
        for cout, hidden, stride in BLOCKS:
            blocks.append(Block(cin, cout, hidden, stride))
            cin = cout
        self.blocks = nn.ModuleList(blocks)
        self.head = conv(cin, HEAD, 1)
        self.fc = nn.Linear(HEAD, len(draw.LABELS))

    def forward(self, x):
        x = F.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        x = F.relu(self.head(x))
        return self.fc(F.dropout(x.mean((2, 3)), 0.1, self.training))


def train(net, pictures, labels, passes, batch=96):
    steps = passes * (len(labels) // batch)
    optim = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.02)
    rate = torch.optim.lr_scheduler.OneCycleLR(optim, 6e-3, steps)
    for number in range(passes):
        order = torch.randperm(len(labels))
        total, start = 0.0, time.time()
        for at in range(0, len(labels) - batch + 1, batch):
            some = order[at:at + batch]
            loss = F.cross_entropy(net(normalise(pictures[some])),
                                   labels[some], label_smoothing=0.05)
            optim.zero_grad()
            loss.backward()
            optim.step()
            rate.step()
            total += loss.item() * batch
        print(f"pass {number + 1}: loss {total / len(labels):.4f}, "
              f"{time.time() - start:.0f} s", flush=True)


def scores(net, pictures):
    with torch.no_grad():
        return torch.cat([net(normalise(some)) for some in pictures.split(256)])


# ---- ONNX -------------------------------------------------------------------

class Writer:
    """Collects nodes and weights; every call returns its output's name."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, name, value):
        array = value.detach().numpy().astype(np.float32)
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind, inputs, name, output=None, **attributes):
        output = output or name
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name,
                                           **attributes))
        return output

    def conv(self, pair, x, name, relu=True):
        layer, norm = pair
        pad = layer.padding[0]
        x = self.node("Conv", [x, self.weight(name + ".weight", layer.weight)],
                      name + ".conv", group=layer.groups,
                      kernel_shape=list(layer.kernel_size),
                      pads=[pad] * 4, strides=list(layer.stride))
        x = self.node(
            "BatchNormalization",
            [x, self.weight(name + ".scale", norm.weight),
             self.weight(name + ".bias", norm.bias),
             self.weight(name + ".mean", norm.running_mean),
             self.weight(name + ".var", norm.running_var)],
            name + ".norm", epsilon=norm.eps)
        return self.node("Relu", [x], name + ".relu") if relu else x

    def block(self, block, x, name):
        y = self.conv(block.expand, x, name + ".expand")
        y = self.conv(block.depthwise, y, name + ".depthwise")
        y = self.conv(block.project, y, name + ".project", relu=False)
        return self.node("Add", [x, y], name + ".add") if block.residual else y


def to_onnx(net):
    w = Writer()
    x = w.conv(net.stem, "image", "stem")
    for i, block in enumerate(net.blocks):
        x = w.block(block, x, f"block{i + 1}")
    x = w.conv(net.head, x, "head")
    x = w.node("GlobalAveragePool", [x], "head.pool")
    x = w.node("Flatten", [x], "head.flatten", axis=1)
    x = w.node("Gemm", [x, w.weight("fc.weight", net.fc.weight),
                        w.weight("fc.bias", net.fc.bias)], "fc", transB=1)
    w.node("Softmax", [x], "softmax", "probabilities", axis=1)
    image = helper.make_tensor_value_info(
        "image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    answer = helper.make_tensor_value_info(
        "probabilities", TensorProto.FLOAT, ["batch", len(draw.LABELS)])
    graph = helper.make_graph(w.nodes, "shapes", [image], [answer], w.weights)
    model = helper.make_model(
        graph, producer_name="edged demo", ir_version=8,
        opset_imports=[helper.make_opsetid("", 13)])
    onnx.checker.check_model(model, full_check=True)
    return model


def run_onnx(model, x):
    """The file's own nodes, one by one: a check of what was written."""
    values = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy())
              for t in model.graph.initializer}
    values["image"] = x
    for node in model.graph.node:
        a = {f.name: helper.get_attribute_value(f) for f in node.attribute}
        v = [values[name] for name in node.input]
        if node.op_type == "Conv":
            y = F.conv2d(v[0], v[1], None, a["strides"], a["pads"][0],
                         groups=a["group"])
        elif node.op_type == "BatchNormalization":
            y = F.batch_norm(v[0], v[3], v[4], v[1], v[2], eps=a["epsilon"])
        elif node.op_type == "Relu":
            y = F.relu(v[0])
        elif node.op_type == "Add":
            y = v[0] + v[1]
        elif node.op_type == "GlobalAveragePool":
            y = v[0].mean((2, 3), keepdim=True)
        elif node.op_type == "Flatten":
            y = v[0].flatten(1)
        elif node.op_type == "Gemm":
            y = F.linear(*v)
        else:
            y = F.softmax(v[0], 1)
        values[node.output[0]] = y
    return values["probabilities"]


def check_images(model, folder, expected):
    """Prints the model's answers to the shipped pictures, counts wrong ones."""
    wrong = 0
    for line in expected.read_text().splitlines():
        name, label = line.split("\t")
        picture = prepare(Image.open(folder / name))[None].copy()
        answer = run_onnx(model, normalise(torch.from_numpy(picture)))[0]
        best = int(answer.argmax())
        wrong += draw.LABELS[best] != label
        print(f"{name}\t{draw.LABELS[best]}\t{answer[best]:.3f}")
    return wrong


def main():
    here = pathlib.Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, default=here/"shapes.onnx")
    parser.add_argument("--labels", type=pathlib.Path,
                        default=here / "labels.txt")
    parser.add_argument("--pictures", type=int, default=20000)
    parser.add_argument("--passes", type=int, default=7)
    parser.add_argument("--check", action="store_true",
                        help="only run --out on the shipped pictures")
    args = parser.parse_args()
    if not args.check:
        torch.manual_seed(1)
        net = Net().to(memory_format=torch.channels_last)
        print("parameters", sum(p.numel() for p in net.parameters()))
        start = time.time()
        pictures, labels = draw_set(1, args.pictures)
        print(f"drew {len(labels)} pictures, {time.time() - start:.0f} s")
        train(net, pictures, labels, args.passes)
        net.eval()
        fresh, truth = draw_set(2, 6000)
        answers = scores(net, fresh)
        right = (answers.argmax(1) == truth).float().mean().item()
        print(f"fresh pictures: {100 * right:.2f} % of {len(truth)} right")
        model = to_onnx(net)
        gap = run_onnx(model, normalise(fresh[:60])) - answers[:60].softmax(1)
        print(f"ONNX against torch: {gap.abs().max().item():.2g}")
        onnx.save(model, str(args.out))
        args.labels.write_text("".join(f"{name}\n" for name in draw.LABELS))
    model = onnx.load(str(args.out))
    wrong = check_images(model, here / "images", here / "expected.tsv")
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
