"""A client under load: `edgectl bench` with every answer checked against the
model run here, one line a request. What the rows measure comes from it."""
import json
import math
import os
import signal
import time


class Answer:
    """One request; times in seconds of the monotonic clock."""
    __slots__ = ("due", "sent", "done", "how", "resent", "text")

    def __init__(self, line):
        due, sent, done, self.how, resent, self.text = \
            line.rstrip("\n").split("\t")
        self.due = int(due) / 1e6
        self.sent = int(sent) / 1e6
        self.done = int(done) / 1e6
        self.resent = int(resent)

    @property
    def ms(self):
        return (self.done - self.due) * 1e3


def quantile(values, part):
    """Nearest rank; 0 of nothing."""
    if not values:
        return 0.0
    values = sorted(values)
    return values[max(0, math.ceil(part * len(values)) - 1)]


class Load:
    """Runs beside the test until it has sent all, or until stop()."""
    number = 0

    def __init__(self, cluster, model, seconds=None, requests=None, rate=None,
                 clients=8, deadline_ms=None):
        Load.number += 1
        self.path = f"{cluster.folder}/load-{Load.number}.tsv"
        args = ["bench", "--clients", str(clients), "--check", model,
                "--record", self.path, "-o", "json", "--progress=none"]
        for name, value in (("--for", seconds), ("--requests", requests),
                            ("--rate", rate), ("--deadline", deadline_ms)):
            if value is not None:
                args += [name, str(value)]
        self.process = cluster.start(*args)
        self.answers = []

    def wait_first(self, seconds=10):
        """Until requests really flow; the file is buffered, so until the
        client has it open and a moment has passed."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not os.path.exists(self.path):
            time.sleep(0.01)
        return os.path.exists(self.path)

    def running(self):
        return self.process.poll() is None

    def stop(self):
        """No more requests; those under way are still waited for."""
        if self.running():
            self.process.send_signal(signal.SIGINT)

    def finish(self, seconds=900):
        """The report of the client; `answers` is filled. None: it broke."""
        out, err = self.process.communicate(timeout=seconds)
        self.err = err
        self.code = self.process.returncode
        if os.path.exists(self.path):
            with open(self.path) as f:
                self.answers = [Answer(line) for line in f
                                if line.count("\t") >= 5]
            os.unlink(self.path)
        try:
            self.report = json.loads(out)
        except ValueError:
            self.report = None
        return self.report

    # ---- what came of it --------------------------------------------------
    def right(self, begin=0, end=math.inf):
        return [a for a in self.answers
                if a.how == "ok" and begin <= a.due < end]

    def p(self, part, begin=0, end=math.inf):
        return quantile([a.ms for a in self.right(begin, end)], part)

    def slowest(self):
        return max((a.ms for a in self.answers), default=0.0)

    def failures(self):
        return [a for a in self.answers if a.how not in ("ok", "wrong")]


def peak_rate(cluster, model, seconds=3, clients=8):
    """Requests a second that the cluster answers at most."""
    load = Load(cluster, model, seconds=seconds, clients=clients)
    report = load.finish()
    if not report or report["failed"] or not report["answered"]:
        raise RuntimeError("no load before the fault: " + load.err)
    return report["rate"]
