"""cifar10_quick by its published recipe (BVLC/caffe:examples/cifar10): 5,000
steps of 100 pictures, the rate a tenth for the last 1,000."""
import os

from learn import run as r

SEED = 1  # that is published
BOARDS = [int(n) for n in os.environ.get("BOARDS", "1,2,4").split(",")]
SEEDS = [int(n) for n in os.environ.get("SEEDS", "1").split(",")]

QUICK = """name: quick
model: {{file: cifar10_quick.onnx}}
devices: local {boards}
training:
  data: {data}
  epochs: 10
  batch: 100
  microbatches: 1
  mode: data
  codec: q8
  lr: 0.001
  lr_schedule: {{kind: step, every: 8, factor: 0.1}}
  momentum: 0.9
  weight_decay: 0.004
  augment: {{flip: true}}
  seed: {seed}
"""


def one(boards, seed):
    with r.Cluster(boards) as c:
        r.new_model(c, "cifar10_quick", "-S", str(seed))
        run = r.train(c, f"quick-{boards}-{seed}", QUICK.format(
            data=r.data("cifar10"), boards=boards, seed=seed))
    target = 75.3 if seed == SEED else 75.0
    r.figure(f"quick.{boards}.seed{seed}", f"{run.accuracy:.2f}", "%", target,
             run.accuracy >= target, f"cifar10_quick, 5,000 steps of 100, "
             f"{boards} boards, {run.end['took_s']:.0f} s")


def quick():
    for seed in SEEDS:
        for boards in BOARDS:
            one(boards, seed)


ROWS = {"quick": quick}
