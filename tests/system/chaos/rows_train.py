"""P6: boards and the coordinator are killed at random steps of a training. It
goes on, loses no more than a checkpoint's interval, and ends in the very
weights of a run that nothing happened to."""
import hashlib
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import bars  # noqa: E402
from edged_test import Cluster  # noqa: E402

from trial import Void  # noqa: E402

BATCH, STEPS, EVERY = 40, 20, 10  # steps of a pass, between checkpoints
FORMS = {"stages": bars.STAGES, "replicas": ""}


def yaml(name, more, passes):
    """The same boards with the same shares throughout."""
    return (f"name: {name}\n{bars.MODEL}devices: local 2\n{more}"
            f"training: {{data: set, epochs: {passes}, batch: {BATCH}, "
            "microbatches: 2, lr: 0.01, shares: equal, on_loss: wait, "
            f"checkpoint: {{steps: {EVERY}}}}}\n")


class Run:
    """edgectl train, and what it says as it says it."""

    def __init__(self, cluster, name, text):
        self.path = f"{cluster.folder}/{name}.onnx"
        self.process = cluster.start(
            "train", cluster.write(name + ".yaml", text), "-o", "json", "-f",
            self.path)
        self.rows = []  # (when, row)
        self.changed = threading.Condition()
        self.ended = False
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.rows.append((time.monotonic(), json.loads(line)))
                self.changed.notify()
        with self.changed:
            self.ended = True
            self.changed.notify()

    def wait_for(self, condition, seconds):
        with self.changed:
            self.changed.wait_for(lambda: condition() or self.ended, seconds)
            return condition()

    def step(self):
        return self.rows[-1][1]["step"] if self.rows else 0

    def first(self, since, phases):
        """When and what the first row of these phases was, after `since`."""
        for when, row in self.rows[since:]:
            if row["phase"] in phases:
                return when, row
        return None

    def end(self, seconds):
        """The weights' SHA-256, or why there are none."""
        self.wait_for(lambda: self.ended, seconds)
        if not self.ended:
            self.process.kill()
        err = self.process.stderr.read()
        if self.process.wait() != 0:
            raise RuntimeError(f"edgectl train: {err[-300:]}")
        with open(self.path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()


def went_on(run, since, phases):
    """The row that a new placement begins with, and its first step."""
    run.wait_for(lambda: run.first(since, phases), 30)
    placed = run.first(since, phases)
    if placed is None:
        return None, None
    index = next(i for i in range(since, len(run.rows))
                 if run.rows[i][1] is placed[1])
    run.wait_for(lambda: run.first(index, ("step",)), 30)
    return placed, run.first(index, ("step",))


def kill_one(t, cluster, run):
    """Seconds until it steps again, and the steps that were lost (None: not
    seen); None if it ended meanwhile."""
    victim = t.rng.choice(["local-1", "local-2", "coordinator"])
    at = run.step() + t.rng.randrange(2, 2 * EVERY)
    run.wait_for(lambda: run.step() >= at, 30)
    before = run.step()
    since = len(run.rows)
    began = time.monotonic()
    if run.ended or cluster.kill(victim) is None:
        return None
    # A new placement is installed; the step after that is where it goes on.
    # Who was watching comes back to a new coordinator when it is under way.
    phases = ("install",)
    if victim == "coordinator":
        phases, since = ("install", "step"), len(run.rows)
    placed, again = went_on(run, since, phases)
    if again is None:
        return None
    is_seen = placed[1]["phase"] == "install"
    lost = max(0, before - again[1]["step"]) if is_seen else None
    t.note(f"{victim} killed at step {before}: goes on at "
           f"{again[1]['step']}{'' if is_seen else ' or before'} after "
           f"{again[0] - began:.2f} s")
    return again[0] - began, lost


def form(t, cluster, name, kills):
    passes = 4 + 2 * kills
    whole = Run(cluster, name, yaml(name, FORMS[name], passes)).end(300)
    other = name + "-killed"
    run = Run(cluster, other, yaml(other, FORMS[name], passes))
    found = []
    for _ in range(kills):
        one = kill_one(t, cluster, run)
        if one is None:
            break
        found.append(one)
    killed = run.end(300)
    t.must(killed == whole, f"{name}: {killed[:12]} is learnt after "
           f"{len(found)} kills, {whole[:12]} without")
    return found


def train(t):
    kills = t.iters or (2 if t.short else 10)
    found = []
    with Cluster(2) as cluster:
        err = bars.prepare(cluster, BATCH * STEPS, 200)
        if err:
            raise Void(err)
        for name in FORMS:
            found += form(t, cluster, name, kills)
    if not found:
        raise Void("nothing was killed before the training was over")
    t.least("kills", len(found), "", kills)
    t.most("t_resume", max(s for s, _ in found), "s", 5)
    lost = [n for _, n in found if n is not None]
    t.least("losses_seen", len(lost), "", kills // 2)
    t.most("steps_lost", max(lost, default=0), "", EVERY)
    t.measured("weights bit-identical")
