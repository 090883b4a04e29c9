"""Several views and early exits (prototype 3, Acceptance E): the table of
missing devices on MNIST, the pairs of aggregators, thresholds, and the set of
six cameras."""
import json
import os

from learn import run as r
from learn import sixview

EPOCHS = int(os.environ.get("EPOCHS", "9"))
CAMERAS = int(os.environ.get("CAMERAS", "40"))  # epochs
SEED = int(os.environ.get("SEED", "1"))
MNIST = ("{size: 32x32, resize: pad, grid: 3x2, color: gray, mean: 0.1307, "
         "std: 0.3081}")
SIX = ("{size: 96x64, resize: stretch, grid: 3x2, blank: absent, mean: 0.35, "
       "std: 0.25}")
YAML = """name: {name}
model: {{file: {file}.onnx, input: {input}}}
devices: local 1
training:
  data: {data}
  epochs: {epochs}
  batch: {batch}
  microbatches: 1
  seed: {seed}
  lr_schedule: {{kind: cosine, warmup: 1}}
  {more}
"""
SGD = """lr: 0.05
  momentum: 0.9
  nesterov: true
  weight_decay: 0.0003
  augment: {crop: 1}
  view_dropout: 0.2
  losses: {"device_*": 0.3, local_logits: 1, cloud_logits: 2}"""
ADAM = """optimizer: adam
  lr: 0.003
  view_dropout: 0.15
  losses: {"device_*": 0.2, local_logits: 0.5, cloud_logits: 1}"""
# The prototype's rows, or what 5 nearest neighbours reach, whichever is more;
# where 10,000 pictures do not tell, a tenth of a point may be missing.
ROWS_MNIST = {(): 99.17, (0,): 98.52, (1,): 99.15, (2,): 92.1, (3,): 93.0,
              (4,): 96.1, (5,): 98.61, (4, 5): 95.7, (3, 4, 5): 87.8,
              (2, 3, 4, 5): 40.8, (1, 2, 3, 4, 5): 22.6}


class Net:
    """One that is trained, and then asked."""

    def __init__(self, cluster, name, new, values, seed=SEED):
        self.c = cluster
        self.name = name
        r.new_model(cluster, "ddnn", *new, "-S", str(seed), file=name)
        text = YAML.format(name=name, file=name, seed=seed, **values)
        self.run = r.train(cluster, name, text)
        self.path = cluster.write(name + "-use.yaml", text.replace(
            f"file: {name}.onnx", f"file: {name}-trained.onnx"))

    def lines(self, *args):
        rc, out, err = self.c.ctl(*args, self.path, "-o", "json", "-q")
        if rc != 0:
            raise RuntimeError(err)
        return [json.loads(line) for line in out.splitlines()]

    def table(self):
        """{missing: accuracy in percent} of the last tier."""
        return {tuple(row["missing"]): 100 * row["accuracy"]
                for row in self.lines("evaluate", "--missing-table")}

    def tune(self, loss):
        """As `exits tune` proposes it if that many points may be lost."""
        return self.lines("exits", "tune", "--loss", str(loss))[0]


def mnist(epochs, more):
    return {"input": MNIST, "data": r.data("mnist"), "epochs": epochs,
            "batch": 64, "more": more}


def six(cluster, epochs, more):
    folder = cluster.folder + "/six"
    if not os.path.exists(folder):
        sixview.make(r.data("cifar10"), folder, SEED)
    return {"input": SIX, "epochs": epochs, "batch": 32, "more": more,
            "data": f"{{train: {folder}/train, test: {folder}/test, "
                    "format: folder}"}


def missing():
    with r.Cluster(1) as c:
        net = Net(c, "missing", ("--arch", "res", "-W", "0.5", "--input",
                                 "16x10x1"), mnist(EPOCHS, SGD))
        for row, accuracy in net.table().items():
            want = ROWS_MNIST[row]
            least = want - (0.1 if want > 98 else 0)
            r.figure(f"missing.{list(row)}".replace(" ", ""),
                     f"{accuracy:.2f}", "%", f"{want}", accuracy >= least,
                     f"ddnn res, width 0.5, {EPOCHS} epochs, "
                     f"{net.run.end['took_s']:.0f} s")
        thresholds(net, "missing.exits")


def thresholds(net, name, loss=0.5):
    """The one that is proposed loses at most half a point of the best exit."""
    said = net.tune(loss)
    outputs = {o["output"]: 100 * o["accuracy"] for o in said["outputs"]}
    best = max(outputs["local_logits"], outputs["cloud_logits"])
    pick = said["chosen"] or said["thresholds"][0]
    overall = 100 * pick["overall"]
    r.figure(name, f"{overall:.2f}", "%", f"{best - 0.5:.2f}",
             overall >= best - 0.5 and pick["early"] >= 0.6,
             f"{100 * pick['early']:.1f} % leave early (60) at "
             f"{pick['threshold']:.2f}; local {outputs['local_logits']:.2f}, "
             f"cloud {outputs['cloud_logits']:.2f}; {pick['bytes']:.1f} of "
             f"{said['raw_bytes']:.0f} B a view and sample")
    for t in said["thresholds"][::10]:
        r.note(f"{name}: threshold {t['threshold']:.1f}: early "
               f"{100 * t['early']:.1f} %, right {100 * t['overall']:.2f} %, "
               f"{t['bytes']:.1f} B")
    return said, outputs


def pairs():
    """The nine pairs of aggregators; best and worst say whether it matters."""
    with r.Cluster(1) as c:
        for local in ("mp", "ap", "cc"):
            for cloud in ("mp", "ap", "cc"):
                net = Net(c, f"{local}-{cloud}", (
                    "--aggregators", f"{local}-{cloud}", "--classes", "3",
                    "--input", "32x32x3"), six(c, 12, ADAM))
                outputs = {o["output"]: 100 * o["accuracy"]
                           for o in net.tune(0.5)["outputs"]}
                r.figure(f"pairs.{local}-{cloud}",
                         f"{outputs['cloud_logits']:.2f}", "%", "-", True,
                         f"cloud; local {outputs['local_logits']:.2f}")


def cameras():
    # Boards see differently well, which weights for their scores can learn.
    new = ("--classes", "3", "--input", "32x32x3", "-W", "4", "--aggregators",
           "cc-cc")
    with r.Cluster(1) as c:
        net = Net(c, "binary", new, six(c, CAMERAS, ADAM))
        alone = [Net(c, f"float{seed}", (*new, "--arch", "float"),
                     six(c, CAMERAS, ADAM[:ADAM.index("losses")] +
                         "losses: {cloud_logits: 1}"), seed).run.accuracy
                 for seed in range(SEED, SEED + 3)]
        said, outputs = thresholds(net, "six.exits", loss=0)
        whole = said["always_bytes"] + said["further_bytes"]
        r.figure("six.bytes", f"{whole:.0f}", "B", 140, whole <= 140,
                 "a view and sample, when nothing leaves early")
        pick = said["chosen"] or said["thresholds"][0]
        mean, deviation = r.spread(alone)
        least = mean - 2 * deviation - 1
        r.figure("six.overall", f"{100 * pick['overall']:.2f}", "%",
                 f"{least:.2f}",
                 100 * pick["overall"] >= least and
                 pick["bytes"] <= 3072 / 20,
                 "less 1 of the cloud alone in float, "
                 f"{' '.join(f'{a:.2f}' for a in alone)}; "
                 f"{pick['bytes']:.1f} B, a {3072 / pick['bytes']:.0f}th of a "
                 "picture")
        table = net.table()
        steps = [table[tuple(range(k, 6))] for k in range(1, 6)] + [table[()]]
        r.figure("six.devices", " ".join(f"{a:.1f}" for a in steps), "%",
                 "rising", steps == sorted(steps), "with 1 to 6, worst first")
        drops = [table[()] - table[(k,)] for k in range(6)]
        r.figure("six.failure", f"{max(drops):.2f}", "points", 3,
                 max(drops) <= 3, "any one missing")


ROWS = {"missing": missing, "pairs": pairs, "cameras": cameras}
