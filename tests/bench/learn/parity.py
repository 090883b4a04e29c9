"""Eight bits and their parity, which boards learn until they know all of it
(Dahl, McAvinney and Newhall, PDCN 2008)."""
import os
import struct

from learn import run as r

BOARDS = (1, 2, 4, 8)
N = 256

PARITY = """name: parity
model:
  file: parity.onnx
  input: {{size: 8x1, color: gray, range: 0..1, mean: 0.5, std: 0.5}}
devices: local {boards}
training:
  data: bits/
  epochs: 1000
  batch: 32
  microbatches: 1
  mode: data
  optimizer: adam
  lr: 0.01
  stop: {{target: 100%}}
"""


def bits(folder):
    """All 256 as a data set, to learn and to test: pictures of 8 x 1."""
    os.mkdir(folder)
    pixels = bytes(255 * (i >> k & 1) for i in range(N) for k in range(8))
    labels = bytes(i.bit_count() % 2 for i in range(N))
    for part in ("train", "t10k"):
        with open(f"{folder}/{part}-images-idx3-ubyte", "wb") as f:
            f.write(struct.pack(">IIII", 2051, N, 1, 8) + pixels)
        with open(f"{folder}/{part}-labels-idx1-ubyte", "wb") as f:
            f.write(struct.pack(">II", 2049, N) + labels)


def one(boards):
    with r.Cluster(boards) as c:
        r.new_model(c, "parity", "--input", "1x1x8")
        bits(c.folder + "/bits")
        run = r.train(c, f"parity-{boards}", PARITY.format(boards=boards))
    right = round(run.accuracy * N / 100)
    r.figure(f"parity.{boards}", right, "right", N, right == N,
             f"of {N}, {boards} boards, {len(run.tests)} epochs, "
             f"{run.end['took_s']:.1f} s")


def parity():
    for boards in BOARDS:
        one(boards)


ROWS = {"parity": parity}
