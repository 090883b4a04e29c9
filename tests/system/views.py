"""A model of six views, each on a board of its own, over real daemons: answers
are those of the model with `present` 0 for whoever is missing, whatever dies
meanwhile; what is confident leaves early, and nothing more is sent for it."""
import array
import json
import math
import os
import random
import signal
import struct
import sys
import time

import onnx

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import Tap  # noqa: E402
from procs import Procs  # noqa: E402

VIEWS = 6
SIDE = 16  # of a view
CHANNELS = 3
DEADLINE_MS = 500
IS_SLOW = os.environ.get("EDGE_MODE", "release") != "release"
SAMPLES = 6 if IS_SLOW else 12
LOAD = 60 if IS_SLOW else 240
HUB, SERVER = "local-7", "local-8"


def write_npy(path, shape, values):
    head = ("{'descr': '<f4', 'fortran_order': False, 'shape': %r, }"
            % (tuple(shape),))
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) +
                head.encode() + array.array("f", values).tobytes())


def read_npy(path):
    with open(path, "rb") as f:
        data = f.read()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return array.array("f", data[start:])


def entropy(scores):
    most = max(scores)
    p = [math.exp(x - most) for x in scores]
    total = sum(p)
    p = [x / total for x in p]
    return -sum(x * math.log(x) for x in p if x > 0) / math.log(len(p))


class Model:
    """The whole model in one process, for what must come out."""

    def __init__(self, cluster, name="ddnn", more=()):
        self.cluster = cluster
        self.path = f"{cluster.folder}/{name}.onnx"
        self.outputs = ("local_logits", *(("edge_logits",) if more else ()),
                        "cloud_logits")
        self.kept = {}
        rc, _, err = cluster.ctl(
            "model", "new", "ddnn", "-o", self.path, "--init", "random",
            "--seed", "5", "--input", f"{CHANNELS}x{SIDE}x{SIDE}", *more)
        assert rc == 0, err
        known = onnx.load(self.path)  # as `evaluate --missing-table` writes it
        known.metadata_props.add(key="edged.views.measured",
                                 value="- 99.5 1000\n0 91.25 1000\n")
        onnx.save(known, self.path)

    def view(self, sample, view):
        return f"{self.cluster.folder}/view-{sample}-{view}.npy"

    def picture(self, sample):
        return f"{self.cluster.folder}/pictures/{sample:03}.npy"

    def make(self, sample, black=()):
        """Views, and the picture that a grid of 3x2 cuts into them."""
        rng = random.Random(sample)
        width, height = 3 * SIDE, 2 * SIDE
        whole = [rng.uniform(-1, 1) for _ in range(CHANNELS * height * width)]
        for v in black:
            for at in range(0, len(whole), width):
                if at // width % height // SIDE == v % 2:
                    left = at + v // 2 * SIDE
                    whole[left:left + SIDE] = [0.0] * SIDE
        os.makedirs(self.cluster.folder + "/pictures", exist_ok=True)
        write_npy(self.picture(sample), (1, CHANNELS, height, width), whole)
        for v in range(VIEWS):
            top, left = v % 2 * SIDE, v // 2 * SIDE
            write_npy(self.view(sample, v), (1, CHANNELS, SIDE, SIDE), [
                whole[(c * height + top + y) * width + left + x]
                for c in range(CHANNELS) for y in range(SIDE)
                for x in range(SIDE)])

    def run(self, sample, missing=()):
        """{output: values}. What is in an absent view does not matter."""
        key = (sample, tuple(sorted(missing)))
        if key not in self.kept:
            there = f"{self.cluster.folder}/present.npy"
            folder = f"{self.cluster.folder}/want"
            write_npy(there, (1, VIEWS),
                      [0.0 if v in missing else 1.0 for v in range(VIEWS)])
            args = [f"--input=input_{v}={self.view(sample, v)}"
                    for v in range(VIEWS)]
            rc, _, err = self.cluster.ctl("model", "run", self.path, *args,
                                          f"--input=present={there}", "-d",
                                          folder)
            assert rc == 0, err
            self.kept[key] = {
                name: read_npy(f"{folder}/{name}.npy")
                for name in self.outputs}
        return self.kept[key]


def yaml(threshold, more=""):
    views = ", ".join(f"input_{v}: {{on: local-{v + 1}}}"
                      for v in range(VIEWS))
    return (f"name: cams\ndevices: local 8\nmodel: {{file: ddnn.onnx, input: {{blank: absent}}}}\n"
            f"views: {{{views}}}\n"
            f"tiers: [{{name: device, on: each-view}}, {{name: local, "
            f"on: {HUB}}}, {{name: cloud, on: {SERVER}}}]\n"
            f"exits: [{{at: local, output: local_logits, "
            f"entropy: {threshold:.15f}}}]\n"
            f"deadline: {DEADLINE_MS}ms\n{more}")


def devices(cluster, text):
    rows = ", ".join(f"{{name: {n}, host: 127.0.0.1, port: {p}}}"
                     for n, p in cluster.ports.items())
    return text.replace("local 8", f"[{rows}]") + \
        "security: {mode: insecure}\n"


def deploy(cluster, text):
    path = cluster.folder + "/cluster.yaml"
    with open(path, "w") as f:
        f.write(devices(cluster, text))
    return cluster.ctl("deploy", path, "--progress=none", "-o", "json")


def infer(cluster, *args):
    folder = cluster.folder + "/got"
    rc, out, err = cluster.ctl("infer", *args, "-o", "json", "-d", folder)
    row = json.loads(out) if out else {}
    if row:
        row["values"] = read_npy(folder + "/cloud_logits.npy")
    return rc, row, err


def missing_of(row):
    return [int(name.rsplit("_", 1)[1]) for name in row["missing"]]


def is_right(model, sample, row, values, threshold):
    """Bit for bit what the model gives without the views that it names, from
    the tier that it should leave at."""
    want = model.run(sample, missing_of(row))
    leaves = entropy(want["local_logits"]) < threshold
    name = "local_logits" if leaves else "cloud_logits"
    return (row.get("exit", "") == ("local" if leaves else "") and
            row["complete"] == (not row["missing"]) and
            list(values) == list(want[name]))


def check_answers(tap, cluster, model, threshold):
    left = 0
    fine = True
    sizes = set()
    for s in range(SAMPLES):
        rc, row, err = infer(cluster, "--grid", "3x2", model.picture(s))
        ok = rc == 0 and is_right(model, s, row, row["values"], threshold)
        fine = fine and ok
        if not ok:
            tap.note(f"{s}: {row} {err}")
            continue
        left += row.get("exit") == "local"
        sizes |= {(row.get("exit", ""), sent["values"])
                  for sent in row["sent_bytes"].values()}
    tap.case(fine, "every answer is the model's, from the tier that is sure")
    tap.case(0 < left < SAMPLES, f"{left} of {SAMPLES} left at the hub")
    local = [n for name, n in sizes if name == "local"]
    if not fine:
        return
    cloud = [n for name, n in sizes if name == ""]
    features = 4 * (SIDE // 2) ** 2 // 8  # a bit for each value
    tap.case(local == [40] and cloud == [40 + features],
             f"what leaves sends its scores alone, 40 bytes a view; what does "
             f"not, {features} more for its features", sizes)
    tap.note(f"bytes a view: {local[0]} if it leaves, {cloud[0]} if not")


def check_status(tap, cluster):
    """What was sent, counted at the sockets, and where answers left."""
    rc, out, _ = cluster.ctl("status", "-o", "json")
    d = json.loads(out)["deployments"][0]
    left = {e["name"]: e["answers"] for e in d["exits"]}
    on = left["cloud"]
    features = 4 * (SIDE // 2) ** 2 // 8
    want = SAMPLES * 40 + on * features
    tap.case(rc == 0 and sum(left.values()) == SAMPLES and
             len(d["views"]) == VIEWS and d["incomplete"] == 0 and
             all(v["samples"] == SAMPLES and v["values"] == want and
                 v["node"] == f"local-{i + 1}" for i, v in
                 enumerate(d["views"])),
             "status says what each view's board sent, and the exits",
             f"{left} {d['views']}")
    heads = sum(v["heads"] for v in d["views"]) / VIEWS / SAMPLES
    tap.note(f"{want / SAMPLES:.0f} bytes of values a view and sample, "
             f"{heads:.0f} around them; a raw view has "
             f"{CHANNELS * SIDE * SIDE}")


def check_missing(tap, cluster, model, threshold):
    for missing in ([0], [5], [1, 3], [0, 1, 2, 3, 4]):
        words = ",".join("-" if v in missing else model.view(1, v)
                         for v in range(VIEWS))
        rc, row, err = infer(cluster, "--views", words, "--strict")
        tap.case(rc == 6 and missing_of(row) == missing and
                 is_right(model, 1, row, row["values"], threshold) and
                 "answered without input_" in err,
                 f"without {missing}: the model's answer, and exit code 6",
                 f"{rc} {row} {err}")
    rc, row, err = infer(cluster, "--views", ",".join(
        ["", *(model.view(1, v) for v in range(1, VIEWS))]))
    tap.case(rc == 0 and missing_of(row) == [0] and "warning" in err,
             "not strict: a warning", err)
    tap.case(row.get("measured") == {"accuracy": 0.9125, "samples": 1000},
             "it says how good answers without that view were measured to be",
             row)
    rc, _, err = cluster.ctl("infer", "--views", "-,-,-,-,-,-")
    tap.case(rc != 0 and "no view is there at all" in err,
             "no view at all is an error", err)
    rc, _, err = cluster.ctl("infer", "--views", "a,b")
    tap.case(rc != 0 and "has 6 inputs" in err, "too few views are refused",
             err)


class Load:
    """All pictures again and again in one edgectl; rows as they come."""

    def __init__(self, cluster, model):
        self.cluster = cluster
        self.model = model
        self.folder = cluster.folder + "/load"
        names = [model.picture(i % SAMPLES) for i in range(LOAD)]
        self.p = cluster.begin("infer", "--grid", "3x2", "-o", "json", *names)
        self.rows = []

    def read(self, n):
        while len(self.rows) < n:
            line = self.p.stdout.readline()
            if not line:
                break
            self.rows.append(json.loads(line))
        return len(self.rows)

    def end(self):
        self.read(LOAD)
        return self.p.wait(60), self.p.stderr.read()


def scores_fit(model, sample, row, threshold, either):
    """By the classes that are printed: with many pictures no tensors are.
    `either`: an exit may be away, and then its answers come from the last
    tier."""
    want = model.run(sample, missing_of(row))
    leaves = entropy(want["local_logits"]) < threshold
    if either and leaves and not row.get("exit"):
        leaves = False
    scores = want["local_logits" if leaves else "cloud_logits"]
    best = max(range(len(scores)), key=lambda i: scores[i])
    return (row["top"][0]["index"] == best and
            row.get("exit", "") == ("local" if leaves else "") and
            row["complete"] == (not row["missing"]))


def check_load(tap, cluster, model, threshold, title, action, most_ms,
               may_miss, after=None, either=False):
    """Something dies under load: all are answered, in time and labelled."""
    load = Load(cluster, model)
    load.read(LOAD // 4)
    action()
    load.read(LOAD // 2)
    if after:
        after()
    rc, err = load.end()
    rows = load.rows
    seen = {tuple(missing_of(r)) for r in rows}
    slowest = max((r["latency_ms"] for r in rows), default=0)
    tap.case(rc == 0 and len(rows) == LOAD, f"{title}: all are answered",
             f"{rc} {len(rows)} {err}")
    wrong = [i for i, r in enumerate(rows)
             if not scores_fit(model, i % SAMPLES, r, threshold, either)]
    tap.case(not wrong, f"{title}: each as the model answers without what it "
             "lacks", [(i, rows[i]) for i in wrong[:2]])
    # While boards come and go senders may differ on who gathers, and parts of
    # a request meet on two boards: a few answers lack views that are there.
    strays = sum(tuple(missing_of(r)) not in {(), *may_miss} for r in rows)
    tap.case(strays <= (LOAD // 20 if either else 0) and slowest < most_ms,
             f"{title}: labelled, slowest {slowest:.0f} ms",
             f"{seen} {slowest} {strays}")
    for i, r in enumerate(rows):
        if either and r["missing"]:
            tap.note(f"{i}: without {missing_of(r)}, {r['latency_ms']:.0f} ms, "
                     f"by {[(h['node'], h['shard']) for h in r['hops']]}")
    return seen


def check_kills(tap, cluster, model, threshold):
    seen = check_load(tap, cluster, model, threshold, "a view's board is killed",
                      lambda: cluster.stop("local-3", signal.SIGKILL),
                      DEADLINE_MS, [(2,)])
    tap.case((2,) in seen, "the view was missed")
    rc, row, _ = infer(cluster, "--grid", "3x2", model.picture(0))
    tap.case(rc == 0 and missing_of(row) == [2] and
             row["latency_ms"] < DEADLINE_MS / 2,
             "a lost board is not waited for", row)
    rc, out, _ = cluster.ctl("status", "-o", "json")
    d = json.loads(out)["deployments"][0]
    tap.case(d["state"] == "degraded" and "input_2" in d["reason"],
             "status says who is missing", d["reason"])
    cluster.start("local-3")

    def is_back():
        _, row, _ = infer(cluster, "--grid", "3x2", model.picture(0))
        return row.get("complete")
    tap.case(cluster.wait_for(is_back, 20), "it comes back: complete again")

    seen = check_load(tap, cluster, model, threshold, "a view's board is frozen",
                      lambda: cluster["local-5"].send_signal(signal.SIGSTOP),
                      3 * DEADLINE_MS + 500, [(4,)],
                      after=lambda: time.sleep(0.1))
    cluster["local-5"].send_signal(signal.SIGCONT)
    tap.case((4,) in seen, "the silent view was missed")
    tap.case(cluster.wait_for(is_back, 20), "it goes on: complete again")


def check_tiers(tap, cluster, model, threshold):
    """Whoever gathers may die as well: others go on."""
    cluster.wait_for(lambda: has_spares(cluster), 20)
    check_load(tap, cluster, model, threshold, "the exit's board is killed",
               lambda: cluster.stop(HUB, signal.SIGKILL), 4000, [],
               either=True)
    cluster.start(HUB)
    # Its senders dial it again within seconds; until all have, they differ.
    cluster.wait_for(lambda: is_settled(cluster) and all(
        infer(cluster, "--grid", "3x2", model.picture(0))[1].get("complete")
        for _ in range(8)), 30, 0.5)
    check_load(tap, cluster, model, threshold, "the last board is killed",
               lambda: cluster.stop(SERVER, signal.SIGKILL), 4000, [],
               either=True)


def check_black(tap, cluster, model, threshold):
    """`blank: absent`: what is black is not there."""
    model.make(SAMPLES, black=(1, 4))
    rc, row, err = infer(cluster, "--grid", "3x2", model.picture(SAMPLES))
    tap.case(rc == 0 and missing_of(row) == [1, 4] and
             is_right(model, SAMPLES, row, row["values"], threshold),
             "black views of a picture are not there", f"{row} {err}")
    model.make(SAMPLES, black=range(VIEWS))
    rc, _, err = infer(cluster, "--grid", "3x2", model.picture(SAMPLES))
    tap.case(rc != 0 and "black all over" in err,
             "a picture that is black all over is refused", err)
    os.unlink(model.picture(SAMPLES))


def middle(values):
    values = sorted(values)
    n = len(values) // 2
    return (values[n - 1] + values[n]) / 2


def check_edge(tap, cluster):
    """A tier between: each sample leaves where it is first sure enough."""
    model = Model(cluster, "edge", ("--edge",))
    local = middle(entropy(model.run(s)["local_logits"])
                   for s in range(SAMPLES))
    edge = middle(entropy(model.run(s)["edge_logits"]) for s in range(SAMPLES)
                  if entropy(model.run(s)["local_logits"]) >= local)
    text = yaml(local).replace("name: cams", "name: edge").replace(
        "ddnn.onnx", "edge.onnx").replace(
        "{name: cloud,", "{name: edge, on: local-1}, {name: cloud,").replace(
        "}]\ndeadline", f"}}, {{at: edge, output: edge_logits, "
        f"entropy: {edge:.15f}}}]\ndeadline")
    rc, out, err = deploy(cluster, text)
    if not tap.case(rc == 0, "a model with an edge tier is deployed",
                    out + err):
        return
    seen = []
    for s in range(SAMPLES):
        missing = [2, 5] if s % 3 == 2 else []
        rc, row, err = infer(cluster, "-m", "edge", "--views", ",".join(
            "-" if v in missing else model.view(s, v) for v in range(VIEWS)))
        want = model.run(s, missing)
        leaves = ("local" if entropy(want["local_logits"]) < local else
                  "edge" if entropy(want["edge_logits"]) < edge else "")
        seen.append(leaves)
        if not (rc == 0 and missing_of(row) == missing and
                row.get("exit", "") == leaves and list(row["values"]) ==
                list(want[(leaves or "cloud") + "_logits"])):
            tap.case(False, f"sample {s} leaves at \"{leaves}\"",
                     f"{row} {err}")
            return
    tap.case(set(seen) == {"local", "edge", ""}, "samples leave at the hub, at "
             "the edge and in the end, each with the model's bits", seen)
    cluster.ctl("undeploy", "edge", "--yes")


def stages_of(cluster):
    rc, out, _ = cluster.ctl("status", "-o", "json")
    rows = json.loads(out)["deployments"] if rc == 0 else []
    return {s["name"]: s["replicas"] for s in rows[0]["stages"]} if rows else {}


def has_spares(cluster):
    stages = stages_of(cluster)
    return stages and all(
        any(r["spare"] and r["ready"] for r in stages[name])
        for name in ("local", "cloud"))


def is_settled(cluster):
    """The hub has its tier again, and views are where they were."""
    stages = stages_of(cluster)
    return stages and any(
        r["node"] == HUB and r["ready"] and not r["spare"]
        for r in stages["local"]) and has_spares(cluster)


def main():
    tap = Tap()
    with Procs(8) as cluster:
        model = Model(cluster)
        for s in range(SAMPLES):
            model.make(s)
        threshold = middle(entropy(model.run(s)["local_logits"])
                           for s in range(SAMPLES))
        rc, out, err = deploy(cluster, yaml(threshold))
        tap.case(rc == 0, "deployed", out + err)
        check_answers(tap, cluster, model, threshold)
        check_status(tap, cluster)
        check_missing(tap, cluster, model, threshold)
        check_black(tap, cluster, model, threshold)
        check_edge(tap, cluster)
        check_kills(tap, cluster, model, threshold)
        check_tiers(tap, cluster, model, threshold)
    tap.end()


if __name__ == "__main__":
    main()
