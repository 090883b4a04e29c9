#!/usr/bin/python3
"""Six cameras around one thing: a set like MVMC's (prototype 3), made of
CIFAR-10. Each sample is one picture of three classes (automobile, frog, ship)
as six cameras see it: from elsewhere
(shifted, nearer, from the other side), each with faults of its own (blur,
noise, dim light), and now and then not at all: black. Written as PNG files of
3 x 2 views, numbered down the columns, a folder for each class. The same seed,
the same files.

    sixview.py CIFAR10 OUT [SEED]
"""
import lzma
import os
import struct
import sys
import zlib

import numpy as np

CLASSES = {1: "automobile", 6: "frog", 8: "ship"}
BATCHES = 3  # of CIFAR-10's five, to train on
SIDE = 32
GRID = (3, 2)  # columns, rows
# By camera, the worst first: how often the thing is out of its sight, blur
# (pixels around that are averaged), noise (of 255), light, most of a shift
# (pixels), the other side.
CAMERAS = ((0.30, 2, 35, 0.55, 6, True),
           (0.25, 2, 30, 0.65, 5, False),
           (0.20, 1, 25, 0.70, 5, True),
           (0.20, 1, 20, 0.80, 4, False),
           (0.15, 1, 16, 0.90, 4, True),
           (0.15, 1, 12, 1.00, 3, False))


def read(path):
    """(labels, pictures (n, 32, 32, 3)) of a file of CIFAR-10's."""
    with lzma.open(path) as f:
        data = np.frombuffer(f.read(), np.uint8).reshape(-1, 3073)
    return data[:, 0], data[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def blur(picture, around):
    out = np.zeros_like(picture)
    steps = range(-around, around + 1)
    for dy in steps:
        for dx in steps:
            out += np.roll(picture, (dy, dx), (0, 1))
    return out / len(steps) ** 2


def see(picture, camera, rng):
    """What one camera has of it; None: nothing."""
    gone, around, noise, light, shift, turned = camera
    if rng.random() < gone:
        return None
    x = picture[:, ::-1] if turned else picture
    x = np.pad(x.astype(np.float64), ((8, 8), (8, 8), (0, 0)), mode="edge")
    dy, dx = rng.integers(-shift, shift + 1, 2)
    side = int(rng.integers(26, 39))  # nearer, or from farther away
    y0, x0 = 24 + dy - side // 2, 24 + dx - side // 2
    at = (np.arange(SIDE) + 0.5) * side / SIDE
    x = x[np.clip(y0 + at, 0, 47).astype(int)][:, np.clip(x0 + at, 0,
                                                          47).astype(int)]
    x = blur(x, around) * light * rng.uniform(0.8, 1.2)
    x += rng.normal(0, noise, x.shape)
    return np.clip(x, 1, 255).astype(np.uint8)


def sample(picture, rng):
    """One picture of six views; one of them at least has the thing."""
    out = np.zeros((GRID[1] * SIDE, GRID[0] * SIDE, 3), np.uint8)
    views = [None]
    while all(v is None for v in views):
        views = [see(picture, c, rng) for c in CAMERAS]
    for d, view in enumerate(views):
        if view is not None:
            r, c = d % GRID[1], d // GRID[1]
            out[r * SIDE:(r + 1) * SIDE, c * SIDE:(c + 1) * SIDE] = view
    return out


def png(pixels):
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8),
                           pixels.reshape(height, -1)], axis=1)

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data +
                struct.pack(">I", zlib.crc32(kind + data)))
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0,
                                       0)) +
            chunk(b"IDAT", zlib.compress(rows.tobytes(), 1)) +
            chunk(b"IEND", b""))


def write(source, folder, prefix, rng):
    labels, pictures = source
    for label, name in CLASSES.items():
        os.makedirs(f"{folder}/{name}", exist_ok=True)
        for i in np.flatnonzero(labels == label):
            with open(f"{folder}/{name}/{prefix}{i:05d}.png", "wb") as f:
                f.write(png(sample(pictures[i], rng)))


def make(cifar, out, seed=1):
    """`train` and `test` of CIFAR-10's as such sets."""
    rng = np.random.default_rng(seed)
    for k in range(1, BATCHES + 1):
        write(read(f"{cifar}/data_batch_{k}.bin.xz"), f"{out}/train", f"{k}-",
              rng)
    write(read(f"{cifar}/test_batch.bin.xz"), f"{out}/test", "", rng)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    make(sys.argv[1], sys.argv[2], int((sys.argv + ["1"])[3]))
