"""What lossy tiles cost in accuracy: VGG16 with batch normalisation, CIFAR
form, a quarter of the channels, unsplit, in 4x4 tiles whose margins have 4
bits, and in 2x2 tiles that lose 0.4 of what crosses (prototype 0: 90.5, 32.2
and 87.7 % by its full recipe).

What is lost slows learning down, as dropout does: what it costs in the end
shows once the plain network has learnt its pictures. So the recipe has many
passes over a twentieth of the set rather than few over all of it."""
import os

from learn import run as r

EPOCHS = int(os.environ.get("EPOCHS", "80"))
PICTURES = int(os.environ.get("PICTURES", "2560"))
# The first is that of the tiled runs.
SEEDS = [int(s) for s in os.environ.get("SEEDS", "1,2,3").split(",")]

RECIPE = """name: {name}
model: {{file: vgg16_bn.onnx}}
devices: local 2
training:
  data: {{train: {train}, test: {data}/test_batch.bin.xz, format: cifar10}}
  epochs: {epochs}
  evaluate: 20
  batch: 64
  microbatches: 1
  shares: equal
  lr: 0.05
  lr_schedule: {{kind: cosine, warmup: 1}}
  momentum: 0.9
  weight_decay: 0.0005
  augment: {{crop: 4, flip: true}}
  seed: {seed}
  {more}
"""

TILES = ("tiles: [{{layers: conv1_1..pool2, grid: {0}, halo: none}}, "
         "{{layers: conv3_1..relu4_3, grid: {0}}}]\n  ")
# In a tile's own margins too, as the prototype has it: of the maps of 4 x 4,
# that is all.
MARGIN = "margin: {clip: [0, 3], bits: 4, own: true}"
LOSS = "tile_loss: {p: 0.4}"
TILED = {"4x4-margin": (TILES.format("4x4") + MARGIN, 3.0),
         "2x2-loss": (TILES.format("2x2") + LOSS, 1.5)}


def one(name, more, seed):
    with r.Cluster(2) as c:
        r.new_model(c, "vgg16_bn", "--form", "cifar", "-W", "0.25", "-S",
                    str(seed))
        return r.train(c, name, RECIPE.format(
            name=name, train=r.first_of_cifar(PICTURES),
            data=r.data("cifar10"), epochs=EPOCHS, seed=seed, more=more))


def lossy():
    runs = {name: one(name, more, SEEDS[0])
            for name, (more, _) in TILED.items()}
    plain = [one(f"unsplit-{s}", "", s) for s in SEEDS]
    mean, deviation = r.spread([x.accuracy for x in plain])
    says = " ".join(f"{x.accuracy:.2f}" for x in plain)
    for name, (_, points) in TILED.items():
        run = runs[name]
        least = mean - 2 * deviation - points
        r.figure(f"lossy.{name}", f"{run.accuracy:.2f}", "%", f"{least:.2f}",
                 run.accuracy >= least,
                 f"less {points} of unsplit {says}; {EPOCHS} epochs of "
                 f"{PICTURES} pictures, {run.end['took_s']:.0f} s")


ROWS = {"lossy": lossy}
