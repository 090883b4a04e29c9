"""A training whose boards and coordinator are killed at random steps: how soon
it goes on, and what it ends with."""
import random
import time

from learn import run as r

BOARDS = 3
KILLS = int(r.os.environ.get("KILLS", "8"))
SECONDS = 5  # in which it goes on
STAGES = ("stages:\n"
          "  - {name: a, layers: conv1..pool2, replicas: [local-1, local-2]}\n"
          "  - {name: b, layers: flatten..fc2, replicas: [local-3]}\n")
TEXT = """name: kills
model:
  file: lenet.onnx
  input: {{size: 28x28, color: gray, range: 0..1, mean: 0, std: 1}}
devices: local 3
{stages}training:
  data: {data}
  epochs: 3
  batch: 64
  microbatches: 2
  lr: 0.02
  lr_schedule: {{kind: cosine}}
  weight_decay: 0.0005
  checkpoint: {{steps: 50}}
  seed: {seed}
"""


class Killer:
    """Kills somebody whenever the training reaches the next random step.
    `gone_on`: seconds until the first step that was computed after that."""

    def __init__(self, cluster, steps, seed):
        rng = random.Random(seed)
        self.cluster = cluster
        self.at = sorted(rng.sample(range(steps // 20, steps * 9 // 10),
                                    KILLS))
        names = cluster.names()  # each of them, in any order
        self.names = [name for _ in range(-(-KILLS // len(names)))
                      for name in rng.sample(names, len(names))][:KILLS]
        self.gone_on = []
        self.victim = None  # who is not known to be replaced yet
        self.killed_s = 0.0
        self.is_back = False

    def __call__(self, row):
        now = time.monotonic()
        if self.victim is None:
            if self.at and row["phase"] == "step" and row["step"] >= self.at[0]:
                self.kill(row["step"], now)
            return
        # A board that is gone is noticed, then said: "resume". Who looks on is
        # back at a new coordinator when all is under way again, but what the
        # old one had said may still be unread.
        if self.victim == "coordinator":
            self.is_back = now - self.killed_s > 0.2
        elif row["phase"] in ("resume", "install"):
            self.is_back = True
        if self.is_back and (row.get("stages") or row["phase"] == "end"):
            self.gone_on.append(now - self.killed_s)
            r.note(f"{self.victim}: on after {self.gone_on[-1]:.2f} s")
            self.victim = None

    def kill(self, step, now):
        self.at.pop(0)
        self.victim = self.names[len(self.gone_on)]
        self.killed_s, self.is_back = now, False
        r.note(f"{self.victim} killed at step {step}")
        if self.cluster.kill(self.victim) is None:
            raise RuntimeError(f"{self.victim} is not there to be killed")


def one(name, seed, steps=0):
    with r.Cluster(BOARDS) as c:
        r.new_model(c, "lenet", "-S", str(seed))
        killer = Killer(c, steps, seed) if steps else None
        run = r.train(c, name, TEXT.format(stages=STAGES, seed=seed,
                                           data=r.data("mnist")),
                      on_row=killer)
        return run, killer


def kills():
    plain = [one(f"whole-{s}", s)[0] for s in (1, 2, 3)]
    mean, _ = r.spread([x.accuracy for x in plain])
    run, killer = one("killed", 1, plain[0].end["steps"])
    n, worst = len(killer.gone_on), max(killer.gone_on, default=0)
    r.figure("kills.go_on", f"{worst:.1f}", "s", SECONDS,
             n == KILLS and worst <= SECONDS,
             f"at most, {n} of {KILLS} kills of 3 boards and the coordinator "
             f"while lenet learns MNIST in two stages, one of two replicas: "
             + " ".join(f"{s:.1f}" for s in killer.gone_on))
    r.figure("kills.accuracy", f"{run.accuracy:.2f}", "%",
             f"{mean - 0.5:.2f}", run.accuracy >= mean - 0.5,
             "less 0.5 of the mean of three undisturbed runs: "
             + " ".join(f"{x.accuracy:.2f}" for x in plain))


ROWS = {"kills": kills}
