"""A set of pictures that is soon learnt: a bright column or row at one of five
places is one of ten classes. Written as MNIST's files are."""
import os
import random
import struct

SIDE = 28

MODEL = ("model: {file: lenet.onnx, input: {size: 28x28, color: gray, "
         "range: 0..1, mean: 0, std: 1}}\n")
STAGES = ("stages:\n"
          "  - {name: a, layers: conv1..pool2, replicas: [local-1]}\n"
          "  - {name: b, layers: flatten..fc2, replicas: [local-2]}\n")


def picture(label, rng):
    """Bytes of one."""
    at = 2 + 5 * (label % 5) + rng.randrange(3)
    pixels = [rng.randrange(90) for _ in range(SIDE * SIDE)]
    for i in range(SIDE):
        for w in range(2):
            y, x = (i, at + w) if label < 5 else (at + w, i)
            pixels[y * SIDE + x] = 150 + rng.randrange(100)
    return bytes(pixels)


def draw(folder, part, n, rng):
    images, labels = bytearray(), bytearray()
    for _ in range(n):
        labels.append(rng.randrange(10))
        images += picture(labels[-1], rng)
    with open(f"{folder}/{part}-images-idx3-ubyte", "wb") as f:
        f.write(struct.pack(">IIII", 2051, n, SIDE, SIDE) + images)
    with open(f"{folder}/{part}-labels-idx1-ubyte", "wb") as f:
        f.write(struct.pack(">II", 2049, n) + labels)


def prepare(cluster, train, test, seed=7):
    """`set` and `lenet.onnx` in the cluster's folder; an error or ""."""
    rng = random.Random(seed)
    os.mkdir(cluster.folder + "/set")
    draw(cluster.folder + "/set", "train", train, rng)
    draw(cluster.folder + "/set", "t10k", test, rng)
    rc, _, err = cluster.ctl("model", "new", "lenet", "-o",
                             cluster.folder + "/lenet.onnx")
    return err if rc else ""
