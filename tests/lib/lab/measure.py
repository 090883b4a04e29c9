"""What the lab's benchmarks share: models, stages by hand, and rates and times
of a deployment that runs."""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../system/chaos"),
                os.path.join(HERE, "../../system")]
from edged_test import BIN, ROOT  # noqa: E402
from boards import layers  # noqa: E402
from load import Answer, quantile  # noqa: E402

MODELS = ROOT + "/build/lab-models"
DEADLINE_MS = 600000


def verdict(value, target, least=True, behind="", base_behind=""):
    """A machine that is too busy makes boards slower: what is reached in spite
    of that is reached, what is missed was not measured, and beside a base that
    was slowed nothing was."""
    if base_behind:
        return "skipped"
    if value >= target if least else value <= target:
        return "ok"
    return "skipped" if behind else "short"


def model(name, *args):
    """The path of `edgectl model new NAME`, made once, with constants that
    all show in the answers."""
    os.makedirs(MODELS, exist_ok=True)
    args = ("--init", "random", *args)
    path = f"{MODELS}/{'-'.join((name, *args)).replace('/', '_')}.onnx"
    if not os.path.exists(path):
        subprocess.run([BIN + "/edgectl", "model", "new", name, *args, "-o",
                        path], check=True, stdout=subprocess.DEVNULL)
    return path


# ---- cluster.yaml --------------------------------------------------------------

def yaml(c, path, stages="", goal="latency", more=""):
    return (f"name: lab\ndevices: {c.devices()}\nmodel: {{file: {path}}}\n"
            f"goal: {goal}\nspares: none\n{more}" +
            (f"stages:\n{stages}" if stages else ""))


def cuts(rows):
    """Positions where a cut is possible without taking apart what is computed
    at once: the end of a stage is before the row of that number."""
    return [i + 1 for i, r in enumerate(rows[:-1])
            if r["cut_bytes"] is not None and not r["fused"]]


def balanced(rows, k, cost):
    """The ends of k stages whose largest cost is least; exact."""
    ends = cuts(rows) + [len(rows)]
    total = [0]
    for r in rows:
        total.append(total[-1] + cost(r))
    best = {0: (0.0, [])}  # end -> (largest cost so far, ends)
    for _ in range(k):
        after = {}
        for end in ends:
            found = [(max(worst, total[end] - total[at]), done + [end])
                     for at, (worst, done) in best.items() if at < end]
            if found:
                after[end] = min(found)
        best = after
    return best[len(rows)]


def stages_of(rows, ends, devices):
    """One stage a device, by hand."""
    text, at = "", 0
    for i, (end, device) in enumerate(zip(ends, devices)):
        text += (f"  - {{name: s{i}, layers: {rows[at]['name']}.."
                 f"{rows[end - 1]['name']}, replicas: [{device}]}}\n")
        at = end
    return text


# ---- measuring -----------------------------------------------------------------

def deploy(c, text):
    rc, out, err = c.deploy(text)
    if rc != 0:
        raise RuntimeError("deploy: " + err + "\n" + text)
    return json.loads(out)


class Run:
    """n answered requests from so many clients at once."""

    def __init__(self, c, n, clients, check=None):
        path = f"{c.folder}/answers.tsv"
        args = ["bench", "--requests", str(n), "--clients", str(clients),
                "--deadline", str(DEADLINE_MS), "--record", path, "-o", "json",
                "--progress=none"] + (["--check", check] if check else [])
        rc, out, err = c.ctl(*args, timeout=1800)
        self.report = json.loads(out) if out else {}
        if rc != 0 or self.report["answered"] != n or self.report["wrong"]:
            raise RuntimeError(f"bench: {err} {out[:300]}")
        with open(path) as f:
            self.answers = [Answer(line) for line in f]

    def rate(self, skip):
        """Answers a second once the first `skip` are out: the boards are busy
        from there to the last answer."""
        done = sorted(a.done for a in self.answers)[skip:]
        return (len(done) - 1) / (done[-1] - done[0])

    def ms(self, part=0.5):
        return quantile([(a.done - a.sent) * 1e3 for a in self.answers], part)

    def behind(self, c):
        """Whose runs took longer than their pace: this machine was too busy,
        and the figure is of it and not of the boards. "" if none."""
        found = []
        for row in self.report["replicas"]:
            with open(c.log_path(row["node"]), errors="replace") as f:
                paces = re.findall(
                    r"pace\.shard.* shard=" + re.escape(row["shard"]) +
                    r" us=(\d+)", f.read())
            ms = int(paces[-1]) / 1e3 if paces else 0
            if ms > 0 and row["compute_ms"] > 1.03 * ms + 3:
                found.append((row["compute_ms"] / ms,
                              f"{row['shard']} on {row['node']} took "
                              f"{row['compute_ms']:.0f} ms, its pace is "
                              f"{ms:.0f}"))
        return ("; this machine did not keep up: " + max(found)[1]
                if found else "")

    def share(self, node):
        rows = self.report["replicas"]
        return (sum(r["requests"] for r in rows if r["node"] == node) /
                sum(r["requests"] for r in rows))


def rss(pid):
    """Bytes now, and at most."""
    found = {}
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith(("VmRSS", "VmHWM")):
                found[line[:5]] = int(line.split()[1]) * 1024
    return found["VmRSS"], found["VmHWM"]


