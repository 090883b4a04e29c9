#!/usr/bin/python3
"""Deploying again, changing a layer, failing a check, restarting, running out
of memory: what is pushed, what serves, and what is said."""
import json
import os
import signal
import sys
import time

import numpy as np
import onnx
from onnx import numpy_helper

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import ROOT, Cluster, Tap, cluster_yaml  # noqa: E402

MODEL = ROOT + "/deploy/demo/shapes.onnx"
LABELS = ROOT + "/deploy/demo/labels.txt"
PICTURE = ROOT + "/deploy/demo/images/circle_1.png"
SPEC = "{size: 64x64, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"


def yaml(n, model=MODEL, replicas=2, name="test"):
    return cluster_yaml(model, n, replicas, LABELS, SPEC, name)


def answer(c, *args):
    rc, out, err = c.ctl("infer", PICTURE, "-o", "json", *args)
    return (json.loads(out)["top"], None) if rc == 0 else (None, err)


def pushed(result):
    rc, out, err = result
    return json.loads(out)["pushed_bytes"] if rc == 0 else err


def change_last_layer(folder, by):
    """The model with other weights in its last Gemm: (path, changed bytes)."""
    model = onnx.load(MODEL)
    gemm = [n for n in model.graph.node if n.op_type in ("Gemm", "MatMul")][-1]
    weight = next(t for t in model.graph.initializer
                  if t.name == gemm.input[1])
    values = numpy_helper.to_array(weight) * np.float32(by)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    path = f"{folder}/changed.onnx"
    onnx.save(model, path)
    return path, values.nbytes


def again(tap, c):
    first = pushed(c.deploy(yaml(4)))
    tap.case(isinstance(first, int) and first > 500000,
             f"the first deploy pushes the weights ({first} bytes)")
    second = pushed(c.deploy(yaml(4)))
    tap.case(second == 0, f"the second one pushes {second} bytes")
    before, err = answer(c)
    tap.case(before is not None and before[0]["label"] == "circle",
             "it answers", err)
    path, size = change_last_layer(c.folder, 0.5)
    third = pushed(c.deploy(yaml(4, path)))
    shards = 64 * 1024  # the last shard's own file names the new blob
    tap.case(isinstance(third, int) and 0 < third <= 2 * (size + shards),
             f"another last layer of {size} bytes pushes {third} bytes to two "
             "replicas")
    after, err = answer(c)
    tap.case(after is not None and after[0]["score"] != before[0]["score"],
             "the changed model answers differently", err)
    tap.case(pushed(c.deploy(yaml(4))) == 0, "the old one is still cached")


def flip(path):
    """Flips a bit in the middle of a file."""
    os.chmod(path, 0o600)
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 1]))


def blobs(c, node):
    folder = f"{c.folder}/state/edged/test/{node}/blobs"
    return {os.path.join(folder, name) for name in os.listdir(folder)}


def healing(tap, c):
    """A node's own copies rot: it is found when they are read, and they are
    sent again."""
    before, _ = answer(c)
    for path in blobs(c, "local-4"):
        flip(path)
    c.ctl("undeploy", "test", "--yes")  # or they would not be read again
    rc, out, err = c.deploy(yaml(4))
    tap.case(rc == 0 and json.loads(out)["pushed_bytes"] > 0,
             "corrupt blobs on a node are found and sent again", err + out)
    after, err = answer(c)
    tap.case(after == before, "the answers stay the same", err)


def failing(tap, c):
    """What the coordinator would push is corrupt: no node takes it."""
    before, _ = answer(c)
    generation = c.json("status")["deployments"][0]["generation"]
    path, size = change_last_layer(c.folder, 0.7)
    known = blobs(c, "coordinator")
    c.write("cluster.yaml", yaml(4, path))
    c.ctl("plan", c.folder + "/cluster.yaml")  # puts its blobs there
    for new in blobs(c, "coordinator") - known:
        if os.path.getsize(new) == size:
            flip(new)
    rc, _, err = c.deploy(yaml(4, path))
    tap.case(rc == 1 and "local-" in err and "SHA-256" in err,
             "weights that fail their check fail the deploy; the node is "
             "named", err)
    after, err = answer(c)
    status = c.json("status")["deployments"][0]
    tap.case(after == before and status["generation"] == generation,
             "the old generation serves as before", err)


def restarts(tap, c):
    before, _ = answer(c)
    c.kill("coordinator")
    until = time.monotonic() + 10
    after = None
    while after is None and time.monotonic() < until:
        time.sleep(0.05)
        after, err = answer(c)
    tap.case(after == before, "a coordinator that was killed serves again by "
             "itself", err)
    tap.case(pushed(c.deploy(yaml(4))) == 0,
             "and has nothing to push after it")
    for i in range(1, 5):
        c.kill(f"local-{i}")
    tap.case(c.wait_ready(20), "all daemons killed at once come back")
    after, err = answer(c)
    tap.case(after == before, "and answer the same", err)


def side_by_side(tap, c):
    rc, _, err = c.deploy(yaml(4, name="other", replicas=1))
    tap.case(rc == 0, "a second deployment on the same boards", err)
    _, err = answer(c)
    tap.case(err is not None and "-m NAME" in err,
             "infer asks which of the two is meant", err)
    one, _ = answer(c, "-m", "test")
    two, _ = answer(c, "-m", "other")
    tap.case(one is not None and one == two, "both answer alike")
    rc, _, err = c.ctl("undeploy", "other")
    tap.case(rc == 0, "undeploy", err)
    rc, _, err = c.ctl("undeploy", "other")
    tap.case(rc == 1 and "not deployed" in err, "twice is an error", err)
    one, err = answer(c)
    tap.case(one is not None, "the first one goes on", err)


def refusals(tap):
    with Cluster(2, memory=1) as c:
        rc, _, err = c.deploy(yaml(2, replicas=2))
        tap.case(rc == 3 and "does not fit" in err and "MiB" in err,
                 "a plan beyond the memory budget is refused with exit 3",
                 err)
        rc, _, err = c.ctl("infer", PICTURE)
        tap.case(rc == 1 and "nothing is deployed" in err,
                 "and nothing is half deployed", err)
        rc, _, err = c.deploy(yaml(5, replicas=1))
        tap.case(rc == 3 and "local-3" in err,
                 "more devices than daemons: exit 3, the first one named",
                 err)
    rc, _, err = c.ctl("status")
    tap.case(rc == 4 and "edgectl up" in err, "no cluster: exit 4", err)


def stops(tap):
    with Cluster(3) as c:
        pids = [c.pid(name) for name in ("local-1", "local-2", "local-3",
                                         "coordinator")]
        os.kill(pids[0], signal.SIGKILL)
        rc, _, err = c.ctl("down")
        tap.case(rc == 0, "down", err)
        alive = [p for p in pids if os.path.exists(f"/proc/{p}")]
        left = os.listdir(c.folder + "/run/edged-test")
        tap.case(not alive and not left, "no process and no socket is left",
                 f"{alive} {left}")


def main():
    tap = Tap()
    with Cluster(4) as c:
        again(tap, c)
        healing(tap, c)
        failing(tap, c)
        restarts(tap, c)
        side_by_side(tap, c)
    refusals(tap)
    stops(tap)
    tap.end()


main()
