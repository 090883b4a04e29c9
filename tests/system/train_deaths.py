#!/usr/bin/python3
"""The coordinator dies at every durable step of a training, and is started
again: the training goes on by itself, or, if it had not begun for good, is
begun again; it ends in the weights of one that nothing happened to."""
import glob
import hashlib
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bars  # noqa: E402
from edged_test import ROOT, Tap  # noqa: E402
from procs import Procs  # noqa: E402

FAULTY = os.environ.get("EDGE_FAULTY", ROOT + "/build/faulty")
HITS = (1, 2, 4)


def sites():
    """Every failpoint of the trainer."""
    names = []
    for path in [ROOT + "/coordinator/state_train.c",
                 *sorted(glob.glob(ROOT + "/coordinator/train/*.c"))]:
        with open(path) as f:
            names += re.findall(r'FAILPOINT\("([^"]+)"\)', f.read())
    return list(dict.fromkeys(names))


def begin(procs, name):
    path = f"{procs.folder}/{name}.yaml"
    with open(path, "w") as f:
        f.write(f"name: {name}\n{bars.MODEL}devices: local 2\n{bars.STAGES}"
                "training: {data: set, epochs: 2, batch: 20, microbatches: 2, "
                "lr: 0.01, shares: equal, on_loss: wait, "
                "checkpoint: {steps: 5}}\n")
    return procs.begin("train", path, "-o", "json", "-f",
                       f"{procs.folder}/{name}.onnx")


def end(procs, name, process):
    """The weights' SHA-256, or None and what was said."""
    _, err = process.communicate(timeout=60)
    if process.returncode != 0:
        return None, err
    with open(f"{procs.folder}/{name}.onnx", "rb") as f:
        return hashlib.sha256(f.read()).hexdigest(), err


def death(procs, number, site, hit):
    """(whether it died there, the weights, what was said)."""
    name = f"t{number}"
    procs.stop("coordinator", 9)
    victim = procs.start("coordinator", EDGED_FP=f"{site}:{hit}")
    procs.wait_for(lambda: procs.is_listening() or victim.poll() is not None,
                   10)
    process = begin(procs, name)
    procs.wait_for(lambda: victim.poll() is not None or
                   process.poll() is not None, 30)
    died = victim.poll() == -9
    procs.revive()
    weights, err = end(procs, name, process)
    if weights is None:
        weights, more = end(procs, name, begin(procs, name))
        err += more
    return died, weights, err


def main():
    tap = Tap()
    reached = set()
    with Procs(2, FAULTY) as procs:
        err = bars.prepare(procs, 400, 40)
        tap.case(not err, "a model to train", err)
        whole, err = end(procs, "whole", begin(procs, "whole"))
        tap.case(whole, "a training that nothing happens to", err)
        tried = [(site, hit) for site in sites() for hit in HITS]
        for number, (site, hit) in enumerate(tried):
            died, weights, err = death(procs, number, site, hit)
            if died:
                reached.add(site)
            tap.case(weights == whole,
                     f"{site} hit {hit}: {'died' if died else 'not reached'}",
                     f"{weights} {err}")
    missed = set(sites()) - reached
    tap.case(not missed and reached, f"every site was reached ({len(reached)})",
             "never reached: " + ", ".join(sorted(missed)))
    tap.end()


main()
