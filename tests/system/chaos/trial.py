"""One row of the table: what it promises, what it measured, whether it
held."""
import json
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))


TIMED = ("ms", "s", "%")  # units of figures that a busy machine spoils


class Skip(Exception):
    """A row that cannot run here, with its reason."""


class Void(Exception):
    """A run that proves nothing: no load, or no health before the fault."""


class Trial:
    def __init__(self, row, seed, iters, short):
        self.row = row
        self.seed = seed
        self.iters = iters
        self.short = short
        self.rng = random.Random(seed)
        self.broken = []   # promises that did not hold
        self.hard = False  # one of them is not a matter of time
        self.parts = []    # of the measured column
        self.figures = []  # [name, value, unit, target, ok, note]
        self.began = time.monotonic()

    def note(self, text):
        print(f"# {time.monotonic() - self.began:6.1f} {text}",
              file=sys.stderr, flush=True)

    def must(self, ok, text, timed=False):
        """Part of the promise. `timed`: it hangs on how fast this machine
        is at that moment."""
        if not ok:
            self.broken.append(text)
            self.hard = self.hard or not timed
            self.note("BROKEN: " + text)
        return ok

    def measured(self, text):
        self.parts.append(text)

    def figure(self, name, value, unit, target, ok, note=""):
        """A number with its target, for the table and figures.tsv."""
        self.figures.append([f"{self.row}.{name}", value, unit, target,
                             bool(ok), note])
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        self.parts.append(f"{name} {text}{' ' + unit if unit else ''}")
        return self.must(ok, f"{name} is {text} {unit}, promised {target}",
                         timed=unit in TIMED)

    def most(self, name, value, unit, limit, note=""):
        return self.figure(name, value, unit, f"<={limit}", value <= limit,
                           note)

    def least(self, name, value, unit, limit, note=""):
        return self.figure(name, value, unit, f">={limit}", value >= limit,
                           note)

    def exactly(self, name, value, limit=0, note=""):
        return self.figure(name, value, "count", limit, value == limit, note)

    # ---- what every row asserts -------------------------------------------
    def answers(self, load, report):
        """0 failed, 0 wrong, 0 duplicate: P1's sentence."""
        if report is None:
            self.must(False, "the client ended early: " + load.err[-300:])
            return
        # Any other end than its own count of them is a request unanswered.
        self.must(load.code == 0 or report["failed"] or report["wrong"] or
                  report["repeated"],
                  f"the client ended with {load.code}: {load.err[-300:]}")
        for a in load.failures()[:3]:
            self.note(f"failed after {a.ms:.0f} ms: {a.how} {a.text}")
        self.exactly("failed", len(load.failures()))
        self.exactly("wrong", report["wrong"])
        self.exactly("duplicate", report["repeated"])

    def enough(self, load, report, rate):
        """A run below half its rate proves nothing, unless it is slow because
        its requests fail."""
        got = report["rate"] if report else 0
        if got < rate and not (load.failures() or self.broken):
            raise Void(f"{got:.0f} requests/s of at least {rate:.0f}: "
                       "this run proves nothing")

    def healthy(self, cluster, when, seconds=20):
        ok = cluster.wait_ready(seconds)
        if not ok and when == "before":
            raise Void("not ready before the fault")
        self.must(ok, f"every replica is ready again {when}")
        return ok

    def result(self, verdict, reason=""):
        return {"row": self.row, "seed": self.seed, "verdict": verdict,
                "reason": reason, "measured": ", ".join(self.parts),
                "figures": self.figures, "broken": self.broken,
                "timed": bool(self.broken) and not self.hard,
                "seconds": round(time.monotonic() - self.began, 1)}


def run(function, row, seed, iters, short):
    """Runs a row to its result; a failure of the lab itself is one too."""
    trial = Trial(row, seed, iters, short)
    try:
        function(trial)
    except Skip as e:
        return trial.result("skipped", str(e))
    except Void as e:
        return trial.result("void", str(e))
    except Exception as e:  # the row must be in the table in any case
        import traceback
        traceback.print_exc()
        return trial.result("error", f"{type(e).__name__}: {e}")
    return trial.result("holds" if not trial.broken else "BROKEN",
                        "; ".join(trial.broken[:3]))


def write(path, result):
    with open(path, "w") as f:
        json.dump(result, f)
