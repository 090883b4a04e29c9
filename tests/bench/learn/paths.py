"""MobileNetV2 for CIFAR-10 in the nine partitions of prototype 2
(deploy/examples/mobilenetv2-*.yaml), by a recipe that two cores can afford, and
what codecs on links cost it."""
import os
import re

from learn import run as r

NAMES = ("cloud", "first2", "first3", "last2", "last3", "f2l2", "f2l3", "f3l2",
         "f3l3")
EDGE_CODEC = ", codec: sparse:10%/haar"
EDGE = ("edge-1", "cloud-1", "cloud-2", "cloud-3")
WIDTH = os.environ.get("WIDTH", "0.25")
EPOCHS = int(os.environ.get("EPOCHS", "40"))
PICTURES = int(os.environ.get("PICTURES", "5000"))
WARMUP = int(os.environ.get("WARMUP", "4"))
BATCH = int(os.environ.get("BATCH", "100"))
RATE = float(os.environ.get("RATE", "0.1"))
SEEDS = (1, 2, 3)
NOTE = (f"MobileNetV2 of width {WIDTH}, {EPOCHS} epochs of {PICTURES} pictures, "
        f"batch {BATCH} = 4 x {BATCH // 4}")

RECIPE = """training:
  data: {{train: {train}, test: {data}/test_batch.bin.xz, format: cifar10}}
  epochs: {epochs}
  evaluate: {evaluate}
  batch: {batch}
  microbatches: 4
  lr: {rate}
  lr_schedule: {{kind: cosine, warmup: {warmup}}}
  momentum: 0.9
  weight_decay: 0.0005
  augment: {{crop: 4, flip: true}}
  seed: {seed}
  {more}
"""


def example(name, edge_codec, rate=RATE, seed=1, more="", links="",
            evaluate=max(1, EPOCHS // 10)):
    """An example's placement with boards of this machine and our recipe."""
    with open(f"{r.ROOT}/deploy/examples/mobilenetv2-{name}.yaml") as f:
        text = f.read()
    for i, board in enumerate(EDGE):
        text = re.sub(rf"\b{board}\b", f"local-{i + 1}", text)
    text = re.sub(r"devices: \[[^]]*\]", "devices: local 4", text)
    text = text.replace(EDGE_CODEC, edge_codec)
    text = text[:text.index("training:")]
    return text + links + RECIPE.format(
        train=r.first_of_cifar(PICTURES), data=r.data("cifar10"),
        epochs=EPOCHS, evaluate=evaluate, batch=BATCH, rate=rate, warmup=WARMUP,
        seed=seed, more=more)


def one(name, text, seed=1, look=None):
    with r.Cluster(4) as c:
        r.new_model(c, "mobilenetv2", "--form", "cifar", "-W", WIDTH,
                    "-S", str(seed))
        run = r.train(c, name, text)
        if look:
            look(c)
        return run


class Reference:
    """What is reached without codecs: run once for the rows that need it."""
    runs = None

    @classmethod
    def least(cls):
        """What short runs are held to: their mean less twice their
        deviation."""
        if cls.runs is None:
            cls.runs = [one(f"plain-{s}", example("cloud", "", seed=s), s)
                        for s in SEEDS]
        mean, deviation = r.spread([x.accuracy for x in cls.runs])
        return mean - 2 * deviation

    @classmethod
    def says(cls):
        return " ".join(f"{x.accuracy:.2f}" for x in cls.runs)


def judge(name, run, points):
    least = Reference.least() - points
    r.figure(name, f"{run.accuracy:.2f}", "%", f"{least:.2f}",
             run.accuracy >= least,
             f"less {points} of uncompressed {Reference.says()}; {NOTE}, "
             f"{run.end['took_s']:.0f} s")


def coded(name, codec, **more):
    return one(name, example("cloud", "", more=f"codec: {codec}",
                             links=f"links: {{codec: {codec}}}\n", **more))


def codecs():
    Reference.least()
    judge("codecs.q8", coded("q8", "q8"), 0.3)
    judge("codecs.q4", coded("q4", "q4"), 1.0)
    run = coded("q4-lr.4", "q4", rate=0.4, evaluate=1)
    best, fell = 0.0, 0
    for accuracy in run.tests[WARMUP:]:
        fell += accuracy < best / 2
        best = max(best, accuracy)
    skipped = max(row["skipped"] for row in run.rows if "skipped" in row)
    r.figure("codecs.q4.lr.4", fell + skipped, "epochs or steps", 0,
             fell + skipped == 0, f"{fell} epochs below half of the best, "
             f"{skipped} steps skipped for what is no number; "
             f"{run.accuracy:.2f} %, {NOTE}")


def leaves(cluster):
    """Boards, besides the first, that have any of a few pictures in a file."""
    import lzma
    with lzma.open(r.data("cifar10") + "/data_batch_1.bin.xz") as f:
        records = f.read(3073 * 50)
    pictures = [records[i + 1:i + 3073] for i in range(0, len(records), 3073)]
    found = []
    for i in range(4):
        top = os.path.dirname(cluster.log_path(f"local-{i + 1}"))
        for folder, _, files in os.walk(top):
            for path in (f"{folder}/{name}" for name in files):
                if not os.path.isfile(path):
                    continue  # a socket
                with open(path, "rb") as f:
                    data = f.read()
                if any(p in data for p in pictures):
                    found.append(i + 1)
    return sorted(set(found))


def partitions():
    Reference.least()
    found = []
    for name in NAMES:
        text = example(name, EDGE_CODEC,
                       more="codec: q4\n  straight_through: true")
        run = one(f"prune-{name}", text,
                  look=lambda c: found.append(leaves(c)))
        judge(f"partitions.{name}", run, 1.0)
    r.figure("partitions.leaves", sum(f != [1] for f in found), "partitions", 0,
             all(f == [1] for f in found),
             "in which another board than the edge has a picture")


ROWS = {"codecs": codecs, "partitions": partitions}
