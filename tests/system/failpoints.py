#!/usr/bin/python3
"""P7: a process dies at every durable step of a deploy, and all is well again.

Models with different answers are deployed over each other, each of them new,
while one client asks all the time. At a failpoint the coordinator or a node is
killed in the middle of it and started again. Within 10 s one generation,
whole, old or new, must answer on every node; no answer may be another than
that of the model it names, nor of an older version than was seen before; a
deploy that was reported done must stay done; no file of the way may be left;
and the same deploy must work then.

ONLY=PATTERN: those sites alone. SAMPLE=N: about N of them. At the end the
defence is taken away, and the same must fail."""
import fnmatch
import glob
import hashlib
import json
import os
import re
import sys
import threading
import time

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import ROOT, Tap, cluster_yaml  # noqa: E402
from procs import Procs  # noqa: E402

FAULTY = os.environ.get("EDGE_FAULTY", ROOT + "/build/faulty")
MODEL = ROOT + "/deploy/demo/shapes.onnx"
PICTURE = ROOT + "/deploy/demo/images/circle_1.png"
SPEC = "{size: 64x64, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"
CONVERGE_S = 10
SETTLED_S = 1.1
HITS = (1, 3)
NODE = "local-2"
UNDEPLOY = ("state.delete.*", "undeploy.*")


def sites():
    """[(site, process)] of every failpoint in the programs' sources but
    those of tokens, certificates and drained nodes, which no deploy comes
    by, of a run, which a node need not have while one is under way, and of
    trainings, which train_deaths.py goes through."""
    found = []
    for pattern, where in (("common/base/store.c", ("coordinator", NODE)),
                           ("coordinator/*.c", ("coordinator",)),
                           ("daemon/*.c", (NODE,))):
        for path in sorted(glob.glob(f"{ROOT}/{pattern}")):
            if path.endswith(("/state_members.c", "/state_train.c",
                              "/run.c")):
                continue
            with open(path) as f:
                names = re.findall(r'FAILPOINT\("([^"]+)"\)', f.read())
            found += [(name, process) for name in dict.fromkeys(names)
                      for process in where
                      if not name.startswith("state.drained")]
    return found


def make_model(path, number):
    """The model with other weights in its first and in its last layer, so
    that every node has something to fetch."""
    model = onnx.load(MODEL)
    layers = [n for n in model.graph.node
              if n.op_type in ("Conv", "Gemm", "MatMul")]
    for layer in (layers[0], layers[-1]):
        weight = next(t for t in model.graph.initializer
                      if t.name == layer.input[1])
        values = numpy_helper.to_array(weight) * np.float32(1 + number / 64)
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, path)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class Load(threading.Thread):
    """One client that asks all the time and judges each answer: every model
    has one answer, and no two have the same."""

    def __init__(self, procs):
        super().__init__(daemon=True)
        self.procs = procs
        self.right = {}  # digest -> what it answers
        self.answered = self.failed = self.crossed = self.back = 0
        self.newest = {}  # life -> generation
        self.life = 0  # of the deployment: after an undeploy it has another
        self.is_over = False

    def run(self):
        while not self.is_over:
            life = self.life
            rc, out, _ = self.procs.ctl("infer", PICTURE, "-o", "json",
                                        "--timeout=20")
            if rc == 0:
                self.judge(json.loads(out), life)
            else:
                self.failed += 1

    def judge(self, answer, life):
        model, top = answer["model"], answer["top"]
        self.answered += 1
        if model not in self.right:
            self.crossed += top in self.right.values()
            self.right[model] = top
        self.crossed += top != self.right[model]
        newest = self.newest.get(life, 0)
        self.back += answer["generation"] < newest
        self.newest[life] = max(newest, answer["generation"])


class Trial:
    """A cluster, and one death after the other. Model `number` is the newest
    that was deployed or tried."""

    def __init__(self, procs):
        self.procs = procs
        self.number = 0
        self.load = Load(procs)

    def prepare(self):
        rc, _, err = self.deploy()
        if rc != 0:
            raise RuntimeError(err)
        self.load.start()

    def write_next(self):
        self.number += 1
        model = self.model(self.number)
        make_model(model, self.number)
        with open(self.path(self.number), "w") as f:
            f.write(cluster_yaml(model, self.procs.n, 2, None, SPEC))

    def model(self, number):
        return f"{self.procs.folder}/m{number}.onnx"

    def path(self, number):
        return f"{self.procs.folder}/{number}.yaml"

    def deploy(self):
        """The next model."""
        self.write_next()
        return self.again()

    def again(self):
        return self.procs.ctl("deploy", self.path(self.number),
                              "--progress=none", "-o", "json")

    def epochs(self):
        """What each node keeps, and what else lies about."""
        kept, left = set(), []
        for name in self.procs:
            for path in glob.glob(self.procs.state(name) + "/*/*") + glob.glob(
                    self.procs.state(name) + "/*/.*"):
                file = os.path.basename(path)
                if path.endswith((".new", ".tmp")) or file.startswith(".st"):
                    left.append(path)
                elif os.path.dirname(path).endswith("/epochs"):
                    kept.add(file)
        return kept, left

    def looks_whole(self):
        """None, or what is not as it should be yet."""
        rc, out, err = self.procs.ctl("status", "-o", "json")
        if rc != 0:
            return err
        status = json.loads(out)
        if any(n["state"] != "ready" for n in status["nodes"]):
            return "a node is not ready"
        kept, left = self.epochs()
        rows = status["deployments"]
        if left or len(kept) != len(rows):
            return f"epochs {kept} are kept; left over: {left}"
        if rows and rows[0]["state"] != "ready":
            return rows[0]["state"] + ": " + rows[0]["reason"]
        return None

    def converge(self):
        """(seconds, what was wrong to the end or None)."""
        began = time.monotonic()
        while True:
            wrong = self.looks_whole()
            if wrong is None or time.monotonic() > began + CONVERGE_S:
                return time.monotonic() - began, wrong
            self.procs.revive()
            time.sleep(0.03)

    def in_force(self):
        """(number of the model, generation); (None, 0): nothing answers."""
        rc, out, _ = self.procs.ctl("status", "-o", "json")
        rows = json.loads(out)["deployments"] if rc == 0 else []
        if not rows:
            return None, 0
        rc, out, err = self.procs.ctl("infer", PICTURE, "-o", "json")
        if rc != 0:
            return None, 0
        answer = json.loads(out)
        self.load.judge(answer, self.load.life)
        if answer["generation"] != rows[0]["generation"]:
            return None, 0
        for number in (self.number, self.number - 1):
            if answer["model"] == digest(self.model(number)):
                return number, answer["generation"]
        return None, 0

    def restart(self, process, env):
        """In a life that will end at a failpoint, well connected."""
        self.procs.stop(process, 9)
        victim = self.procs.start(process, **env)
        since = [time.monotonic()]

        def is_settled():  # a short connection would be redialed slowly
            if self.looks_whole() is not None:
                since[0] = time.monotonic()
            return (victim.poll() is not None or
                    time.monotonic() > since[0] + SETTLED_S)

        self.procs.wait_for(is_settled, 15)
        return victim

    def die_at(self, site, process, hit, env):
        """Deploys (or undeploys) until the process dies there: (whether it
        did, the command that was under way)."""
        victim = self.restart(process, dict(env, EDGED_FP=f"{site}:{hit}"))
        undeploys = any(fnmatch.fnmatch(site, u) for u in UNDEPLOY)
        command = None
        for _ in range(hit):
            if victim.poll() is not None:
                break
            if undeploys:
                if self.in_force()[0] is None:
                    self.load.life += 1  # generations begin again at 1
                    self.again()
                self.load.life += 1
                command = self.procs.begin("undeploy", "test")
            else:
                self.write_next()
                command = self.procs.begin(
                    "deploy", self.path(self.number), "--progress=none", "-o",
                    "json", "--timeout=60")
            self.procs.wait_for(
                lambda: victim.poll() is not None or
                command.poll() is not None, 30)
            # What comes after the reply: the old epoch is retired.
            self.procs.wait_for(lambda: victim.poll() is not None or
                                self.looks_whole() is None, 5)
        return victim.poll() == -9, command

    def judge(self, site, command):
        """(what is in force, what is wrong with that or None)."""
        out = command.communicate(timeout=60)[0] if command else ""
        number, generation = self.in_force()
        if any(fnmatch.fnmatch(site, u) for u in UNDEPLOY):
            return number, None
        if number is None:
            return number, "no one generation answers"
        if (command is not None and command.returncode == 0 and
                (number != self.number or
                 generation != json.loads(out)["generation"])):
            return number, "a deploy that was done is gone: " + out.strip()
        return number, None

    def one(self, site, process, hit, env=None):
        """One death: (whether it died, seconds, row, problem or None)."""
        before = self.load.crossed + self.load.back
        reached, command = self.die_at(site, process, hit, env or {})
        self.procs.revive()
        seconds, wrong = self.converge()
        number, problem = self.judge(site, command)
        wrong = wrong or problem
        if wrong is None and self.load.crossed + self.load.back > before:
            wrong = "an answer of another version than it names, or an old one"
        word = ("none" if number is None else
                "new" if number == self.number else "old")
        row = (f"{site:<20} {process:<12} hit {hit} "
               f"{'died' if reached else 'not reached':<12} {word:<5} "
               f"t_converge={seconds:.2f}")
        if number is None:
            self.load.life += 1
        rc, _, err = self.again()
        if wrong is None and rc != 0:
            wrong = "deployed again: " + err
        return reached, seconds, row, wrong


def choose():
    wanted = [(s, p, h) for s, p in sites() for h in HITS
              if fnmatch.fnmatch(s, os.environ.get("ONLY", "*"))]
    most = int(os.environ.get("SAMPLE", "0"))
    if most and most < len(wanted):
        step = len(wanted) / most
        wanted = [wanted[int(i * step)] for i in range(most)]
    return wanted


def all_sites(tap):
    reached = set()
    slowest = 0
    tried = choose()
    with Procs(4, FAULTY) as procs:
        trial = Trial(procs)
        trial.prepare()
        for site, process, hit in tried:
            died, seconds, row, wrong = trial.one(site, process, hit)
            slowest = max(slowest, seconds)
            if died:
                reached.add(site)
            tap.case(wrong is None, row, wrong)
        trial.load.is_over = True
        trial.load.join(30)
        load = trial.load
        tap.case(load.crossed == 0 and load.back == 0,
                 f"crossed={load.crossed}, gone back={load.back}, of "
                 f"{load.answered} answers ({load.failed} failed while the "
                 "coordinator was away)")
        tap.case(load.answered > 3 * len(tried),
                 f"enough answers to mean something ({load.answered})")
        missed = {s for s, _, h in tried if h == 1} - reached
        tap.case(not missed, f"every site was reached ({len(reached)})",
                 "never reached: " + ", ".join(sorted(missed)))
        tap.note(f"figure p7.t_converge_max {slowest:.2f} s")
        tap.note(f"figure p7.crossed {load.crossed}")
        tap.note(f"figure p7.deaths {len(tried)}")


def control(tap):
    """Without the journal a deploy that was done is undone by a crash."""
    with Procs(4, FAULTY) as procs:
        trial = Trial(procs)
        trial.prepare()
        _, _, row, wrong = trial.one("placement.retire", "coordinator", 1,
                                     {"EDGED_OFF": "journal"})
        trial.load.is_over = True
        trial.load.join(30)
        tap.case(wrong is not None and "is gone" in wrong,
                 "control: with the journal off it fails", f"{row}\n{wrong}")


def main():
    tap = Tap()
    all_sites(tap)
    if "ONLY" not in os.environ:
        control(tap)
    tap.end()


main()
