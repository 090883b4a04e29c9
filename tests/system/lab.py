#!/usr/bin/python3
"""The lab's boards are what its file says: as slow, as small and as far away
as that, with root or without."""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/../lib/lab"]
import control  # noqa: E402
import boards as lab  # noqa: E402
import namespaces  # noqa: E402
from edged_test import ROOT, Tap  # noqa: E402
from measure import Run, deploy, layers, stages_of, yaml  # noqa: E402

MODEL = ROOT + "/deploy/demo/shapes.onnx"
MMACS = sum(r["macs"] for r in layers(MODEL)) / 1e6

PACED = """
[[board]]
name = "slow"
macs_per_s = 1e8
[[board]]
name = "fast"
macs_per_s = 1e8
slower = 0.5
"""

FAR = """
[[board]]
name = "far"
rate = "20mbit"
delay_ms = 50
"""

BROKEN = (("", "a lab needs a [[board]]"),
          ("[[board]]\nspeed = 3\n", "no such key"),
          ("[[board]]\nmemory = \"12 apples\"\n", "KiB, MiB, GiB"))


def whole(c, node):
    rows = layers(MODEL)
    return yaml(c, MODEL, stages_of(rows, [len(rows)], [node]))


def paced(tap, make):
    """A run takes as long as the table says, and not as this machine does."""
    with make(lab.read(PACED), MODEL) as c:
        tap.note(c.says())
        for node, ms in (("slow-1", MMACS * 10), ("fast-1", MMACS * 5)):
            deploy(c, whole(c, node))
            run = Run(c, 12, 1, check=MODEL)
            took = run.report["replicas"][0]["compute_ms"]
            tap.case(ms * 0.98 <= took <= ms * 1.5 + 30,
                     f"{node} takes {ms:.0f} ms a run by its table",
                     f"{took} ms")


def far(tap, make):
    """What it is sent comes 50 ms later; a relay delays both ways."""
    with make(lab.read(FAR), MODEL) as c:
        if getattr(c, "missing", None):
            tap.skip("a board that is far away", c.says())
            return
        deploy(c, whole(c, "far-1"))
        ms = Run(c, 10, 1, check=MODEL).ms()
        least = 55 if isinstance(c, lab.SpaceLab) else 110
        tap.case(least <= ms <= 400,
                 f"a board that is far away answers after {least} ms or more",
                 f"{ms} ms")


def limited(tap):
    """A quota holds a process that would take a whole core, and the limit of
    its memory one that takes too much."""
    for controller in ("cpu", "memory"):
        why = control.why_not(controller)
        if why:
            tap.skip("quotas and limits", why)
            return
    name = f"edgelab{os.getpid()}q"
    group = control.Group(name, 0.2, 64 << 20)
    try:
        pid = os.fork()
        if pid == 0:
            group.join(os.getpid())
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                pass
            os._exit(0)
        _, _, usage = os.wait4(pid, 0)
        used = usage.ru_utime + usage.ru_stime
        tap.case(used <= 0.45, "a fifth of a core, by quota", used)
        pid = os.fork()
        if pid == 0:
            group.join(os.getpid())
            hog = bytearray(256 << 20)
            for i in range(0, len(hog), 4096):
                hog[i] = 1
            os._exit(0)
        _, status, _ = os.wait4(pid, 0)
        tap.case(os.WIFSIGNALED(status) and group.ran_out() == 1,
                 "64 MiB are all that a board has", (status, group.ran_out()))
    finally:
        group.close()
    tap.case(not os.path.exists(control.folder("cpu", name)),
             "nothing of it is left")


def main():
    tap = Tap()
    for text, says in BROKEN:
        try:
            lab.read(text)
            tap.case(False, "refused: " + says)
        except ValueError as e:
            tap.case(says in str(e), "refused: " + says, e)
    tap.case(lab.check(lab.read("[[board]]\ncount = 999\ncpu = 0.5\n")) != []
             and lab.check(lab.read("[[board]]\ncpu = 0.1\n")) == [],
             "more quotas than cores are noticed")
    why = namespaces.why_not()
    if why:
        tap.skip("boards in namespaces", why)
    else:
        paced(tap, lab.SpaceLab)
        far(tap, lab.SpaceLab)
    paced(tap, lab.LoopLab)
    far(tap, lab.LoopLab)
    limited(tap)
    tap.end()


if __name__ == "__main__":
    main()
