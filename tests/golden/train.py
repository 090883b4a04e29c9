#!/usr/bin/python3
"""Writes tests/golden/train/NET.txt: what PyTorch makes of a run.

    tests/golden/train.py [FOLDER]

For each network the losses of 100 steps, and of each parameter after them its
norm and its products with eight vectors of signs, which show a change in
any direction without the megabytes of the weights themselves. Weights, images
and labels come from a formula that tests/unit/test_train_golden.c has too.
Needs python3-torch and python3-numpy.
"""
import os
import sys

import numpy as np
import torch
from torch import nn

STEPS = 100
BATCH = 8
SIGNS = 8
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(z):
    """splitmix64's output function."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def numbers(stream, n):
    """n integers below 2^24 of a numbered stream."""
    start = mix(np.array([stream], dtype=np.uint64) + GOLDEN)
    i = np.arange(1, n + 1, dtype=np.uint64)
    return (mix(start + i * GOLDEN) >> np.uint64(40)).astype(np.int64)


def uniform(stream, n):
    """Multiples of 2^-23 in [-1, 1)."""
    return (numbers(stream, n) / 2.0**23 - 1.0).astype(np.float32)


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


def cifar10_quick():
    return nn.Sequential(
        nn.Conv2d(3, 32, 5, padding=2), nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.ReLU(),
        nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True), nn.Flatten(),
        nn.Linear(1024, 64), nn.Linear(64, 10))


def mobile():
    """The blocks of MobileNetV2, few and narrow."""
    def block(c, wide):
        return Residual(
            nn.Conv2d(c, wide, 1, bias=False), nn.BatchNorm2d(wide),
            nn.ReLU6(),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False),
            nn.BatchNorm2d(wide), nn.ReLU6(),
            nn.Conv2d(wide, c, 1, bias=False), nn.BatchNorm2d(c))
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8), nn.ReLU6(), block(8, 24), block(8, 24),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


NETS = {
    # name: (network, image, learning rate, nesterov)
    # Rates are low on purpose: at higher ones the losses agree to 1e-7 for
    # fifty steps, until one activation falls to the other side of a kink by
    # a last bit, and the runs part from there.
    "lenet": (lenet, (1, 28, 28), 0.003, False),
    "cifar10_quick": (cifar10_quick, (3, 32, 32), 0.05, False),
    "mobile": (mobile, (3, 16, 16), 0.002, True),
}


def start(net):
    for stream, p in enumerate(net.parameters()):
        if p.dim() == 1:
            x = uniform(stream, p.numel()) * np.float32(0.1)
            x += np.float32(1 if stream in net.scales else 0)
        else:
            ins = p.numel() // p.shape[0]
            x = uniform(stream, p.numel()) * np.float32((3.0 / ins) ** 0.5)
        p.data = torch.from_numpy(x.reshape(p.shape))


def run(name, out):
    make, image, rate, nesterov = NETS[name]
    net = make()
    ids = {id(m.weight) for m in net.modules() if isinstance(m, nn.BatchNorm2d)}
    net.scales = {i for i, p in enumerate(net.parameters()) if id(p) in ids}
    start(net)
    net.train()
    optim = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9,
                            nesterov=nesterov, weight_decay=0.005)
    n = BATCH * int(np.prod(image))
    for step in range(STEPS):
        # Sixteen batches, over and over.
        x = uniform(1000 + step % 16, n).reshape((BATCH,) + image)
        labels = numbers(2000 + step % 16, BATCH) % 10
        optim.zero_grad()
        loss = nn.functional.cross_entropy(
            net(torch.from_numpy(x)), torch.from_numpy(labels))
        loss.backward()
        optim.step()
        out.write("loss %d %.7g\n" % (step, loss.item()))
    for i, p in enumerate(net.parameters()):
        flat = p.detach().numpy().reshape(-1).astype(np.float64)
        out.write("param %d %.9g" % (i, np.sqrt((flat * flat).sum())))
        for k in range(SIGNS):
            signs = 1.0 - 2.0 * (numbers(3000 + k, flat.size) & 1)
            out.write(" %.9g" % (flat * signs).sum())
        out.write("\n")


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "train")
    os.makedirs(folder, exist_ok=True)
    torch.set_num_threads(1)
    for name in NETS:
        with open(os.path.join(folder, name + ".txt"), "w") as out:
            run(name, out)


main()
