"""Handwritten digits."""
import os

from learn import run as r

MNIST = """name: mnist
model:
  file: lenet.onnx
  input: {{size: 28x28, color: gray, range: 0..1, mean: 0, std: 1}}
devices: local 2
training:
  data: {data}
  epochs: {epochs}
  batch: 64
  microbatches: 1
  lr: 0.02
  lr_schedule: {{kind: cosine}}
  momentum: 0.9
  weight_decay: 0.0005
  seed: {seed}
"""

EPOCHS = 6
SEED = int(os.environ.get("SEED", "1"))


def mnist():
    with r.Cluster(2) as c:
        r.new_model(c, "lenet", "-S", str(SEED))
        run = r.train(c, "mnist", MNIST.format(data=r.data("mnist"), seed=SEED,
                                               epochs=EPOCHS))
    r.figure("mnist", f"{run.accuracy:.2f}", "%", "99.0", run.accuracy >= 99,
             f"lenet, {EPOCHS} epochs, two boards, {run.end['took_s']:.0f} s")


ROWS = {"mnist": mnist}
