#!/usr/bin/python3
"""F15: the coordinator is away. Nodes keep their shards; after its restart it
serves again within 2 s and pushes nothing; a client that waits for an answer
gets it from the next one, or one clear error, and never hangs."""
import json
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import ROOT, Tap, cluster_yaml  # noqa: E402
from procs import Procs  # noqa: E402

MODEL = ROOT + "/deploy/demo/shapes.onnx"
PICTURE = ROOT + "/deploy/demo/images/circle_1.png"
SPEC = "{size: 64x64, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"
BACK_S = 2
PATIENCE_S = 10


def deploy(c):
    path = c.folder + "/cluster.yaml"
    with open(path, "w") as f:
        f.write(cluster_yaml(MODEL, c.n, 2, None, SPEC))
    return c.ctl("deploy", path, "--progress=none", "-o", "json")


def answer(c):
    rc, out, err = c.ctl("infer", PICTURE, "-o", "json")
    return (json.loads(out)["top"] if rc == 0 else None), rc, err


def kept(c):
    """What would change if a node loaded or got anything anew."""
    files = []
    for name in c.nodes():
        folder = c.state(name) + "/blobs"
        for file in sorted(os.listdir(folder)):
            s = os.stat(os.path.join(folder, file))
            files.append((name, file, s.st_ino, s.st_mtime_ns))
        with open(c.state(name) + "/log") as f:
            files.append((name, len(re.findall("epoch.ready", f.read()))))
    return files


def away(tap, c):
    before = answer(c)[0]
    had = kept(c)
    pids = [c[name].pid for name in c.nodes()]
    c.stop("coordinator", 9)
    began = time.monotonic()
    _, rc, err = answer(c)
    tap.case(rc == 4 and time.monotonic() - began < 2,
             "while it is away: exit 4 at once", f"{rc}: {err}")
    c.wait_for(lambda: time.monotonic() - began > 3.5, 5)  # longer than DEAD
    tap.case(all(c[n].poll() is None for n in c.nodes()) and kept(c) == had,
             "no node exits, and all keep their shards")
    began = time.monotonic()
    c.start("coordinator")
    after = c.wait_for(lambda: answer(c)[0], 15)
    took = time.monotonic() - began
    tap.case(after == before and took <= BACK_S,
             f"it serves again {took:.2f} s after its restart")
    tap.case(kept(c) == had and pids == [c[n].pid for n in c.nodes()],
             "nothing was pushed, nothing loaded again")
    tap.note(f"figure f15.back {took:.2f} s")


def under_load(tap, c, number, name):
    """It ends and is started again while 8 clients wait."""
    bench = c.begin("bench", "--for", "4", "--clients", "8", "-o", "json")
    time.sleep(1)
    began = time.monotonic()
    c.stop("coordinator", number)
    took = time.monotonic() - began
    c.start("coordinator")
    out, err = bench.communicate(timeout=60)
    report = json.loads(out) if out else {"failed": "?", "wrong": "?",
                                          "answered": 0, "repeated": "?"}
    tap.case(bench.returncode == 0 and report["failed"] == 0 and
             report["wrong"] == 0 and report["repeated"] == 0,
             f"{name} under load: {report['answered']} answered, "
             f"{report['failed']} failed, {report['wrong']} wrong "
             f"(gone after {took:.2f} s)", err)
    tap.case(report["answered"] > 100, "enough answers to mean something")
    return took


def busy(c):
    status = json.loads(c.ctl("status", "-o", "json")[1])
    return sum(d["in_flight"] for d in status["deployments"])


def is_socket(fd):
    try:
        return os.readlink(fd).startswith("socket:")
    except FileNotFoundError:
        return False  # closed since it was listed


def has_socket(pid):
    folder = f"/proc/{pid}/fd"
    return any(is_socket(f"{folder}/{fd}") for fd in os.listdir(folder))


def gone_for_good(tap, c):
    bench = c.begin("bench", "--for", "600", "--clients", "4")
    c.wait_for(lambda: busy(c), 5)
    c["local-1"].send_signal(signal.SIGSTOP)  # so that it is not done at once
    deploying = c.begin("deploy", c.folder + "/cluster.yaml",
                        "--progress=none")
    c.wait_for(lambda: has_socket(deploying.pid), 5)
    busy(c)  # the coordinator has read more than that one
    began = time.monotonic()
    c.stop("coordinator", 9)
    _, err = deploying.communicate(timeout=30)
    tap.case(deploying.returncode in (0, 1, 4) and
             time.monotonic() - began < 5 and
             (deploying.returncode == 0 or "Deploying again is safe" in err),
             f"a deploy ends with one error: exit {deploying.returncode}",
             err)
    c["local-1"].send_signal(signal.SIGCONT)
    _, err = bench.communicate(timeout=60)
    took = time.monotonic() - began
    tap.case(bench.returncode == 4 and "has not come back" in err and
             took < PATIENCE_S + 5,
             f"who waits for an answer is told after {took:.1f} s: exit "
             f"{bench.returncode}", err)


def main():
    tap = Tap()
    with Procs(4) as c:
        rc, _, err = deploy(c)
        if tap.case(rc == 0, "two stages, two replicas each", err):
            away(tap, c)
            under_load(tap, c, 9, "SIGKILL")
            took = under_load(tap, c, 15, "SIGTERM")
            tap.case(took < 10, f"SIGTERM: gone after {took:.2f} s")
            gone_for_good(tap, c)
    tap.end()


main()
