"""Training over real processes: a board alone, stages, replicas, with the same
losses; a board and the coordinator killed in the middle; stop and resume."""
import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
import xml.etree.ElementTree

import onnx

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bars  # noqa: E402
from edged_test import Cluster, Tap  # noqa: E402

# TSan makes a kernel twenty times as slow, and is after races, not accuracy.
IS_SLOW = os.environ.get("EDGE_MODE") == "tsan"
BATCH = 8 if IS_SLOW else 40
STEPS = 8 if IS_SLOW else 20  # of one pass over the training set
PASSES = 3 if IS_SLOW else 5
RIGHT = 0.2 if IS_SLOW else 0.9  # twice what chance gets
TRAIN, TEST = STEPS * BATCH, 5 * BATCH


def yaml(name, devices, epochs, more="", training=""):
    return (f"name: {name}\n{bars.MODEL}"
            f"devices: local {devices}\n{more}"
            f"training: {{data: set, epochs: {epochs}, batch: {BATCH}, lr: 0.03"
            f"{training}}}\n")


MIXED = ("links: {codec: q8}\n"
         "stages:\n"
         "  - {name: a, layers: conv1..pool2, replicas: [local-1, local-2]}\n"
         "  - {name: b, layers: flatten..fc2, replicas: [local-2, local-1]}\n")


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line]


def passes(rows):
    return [r for r in rows if r["phase"] == "evaluate"]


def train(cluster, name, text, *args):
    path = cluster.write(name + ".yaml", text)
    rc, out, err = cluster.ctl("train", path, "-o", "json", "-f",
                               f"{cluster.folder}/{name}.onnx", *args,
                               timeout=60)
    return rc, lines(out) if rc == 0 else [], err


def left_behind():
    """A folder as a killed edgectl leaves it, some minutes ago."""
    folder = tempfile.mkdtemp(prefix="edged-data-")
    with open(folder + "/" + "0" * 64, "wb") as f:
        f.write(b"what was packed")
    os.utime(folder, (time.time() - 300,) * 2)
    return folder


def check_scratch(tap, cluster):
    gone, used = left_behind(), left_behind()
    lock = os.open(used, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    rc, _, err = train(cluster, "scratch", yaml("scratch", 1, 1))
    tap.case(rc == 0 and not os.path.exists(gone) and os.path.exists(used),
             "what a killed edgectl left in the temporary folder goes, what "
             "another uses stays", err)
    os.close(lock)
    shutil.rmtree(used)


def check_forms(tap, cluster):
    """Who shares the work makes no difference to what is learnt."""
    forms = {
        "one": yaml("one", 1, 2, training=", microbatches: 2"),
        "stages": yaml("stages", 2, 2, bars.STAGES, ", microbatches: 2"),
        "replicas": yaml("replicas", 2, 2, training=", microbatches: 1"),
        "zstd": yaml("zstd", 2, 2, "links: {zstd: on}\n" + bars.STAGES,
                     ", microbatches: 2"),
        "agreeing": yaml("agreeing", 2, 2,
                         training=", microbatches: 1, sync: {local: 1}"),
    }
    found, accuracy = {}, 0
    for name, text in forms.items():
        rc, rows, err = train(cluster, name, text)
        done = passes(rows)
        if not tap.case(rc == 0 and len(done) == 2 and
                        rows[-1]["phase"] == "end" and
                        rows[-1]["test_samples"] == TEST,
                        f"{name}: trained and tested on the whole set", err):
            continue
        found[name] = [r["loss"] for r in done]
        accuracy = done[-1]["test_accuracy"]
        tap.note(f"{name}: {done[-1]['test_accuracy']:.3f} after "
                 f"{rows[-1]['took_s']:.1f} s")
    want = found.get("one", [])
    for name in ("stages", "replicas", "zstd", "agreeing"):
        got = found.get(name, [])
        tap.case(len(got) == 2 and
                 all(abs(a - b) <= 1e-3 * abs(b) for a, b in zip(got, want)),
                 f"{name}: the losses of one board", f"{got} {want}")
    return want, accuracy


def check_evaluates(tap, cluster):
    """After each second pass, and the last one."""
    rc, rows, err = train(cluster, "seldom", yaml(
        "seldom", 1, 3, training=", evaluate: 2"))
    got = ["test_accuracy" in r for r in passes(rows)]
    tap.case(rc == 0 and got == [False, True, True] and
             rows[-1].get("test_accuracy") == passes(rows)[-1]["test_accuracy"],
             "evaluate: 2: after the second pass, and the last", err or str(got))


def weights(cluster, name):
    model = onnx.load(f"{cluster.folder}/{name}.onnx")
    return {t.name: t.raw_data for t in model.graph.initializer}


def check_rates(tap, cluster):
    """What has a rate of 0 stays, the rest learns; names that are none's."""
    before = weights(cluster, "lenet")
    rc, _, err = train(cluster, "rates", yaml("rates", 2, 1, bars.STAGES, (
        ", rates: [{parameters: ['*'], decay: 0}, {parameters: ['*.bias', "
        "conv1.weight], lr: 0}]")))
    after = weights(cluster, "rates") if rc == 0 else {}
    stay = {n for n in before if after.get(n) == before[n]}
    want = {n for n in before if n.endswith(".bias") or n == "conv1.weight"}
    tap.case(rc == 0 and len(want) == 5 and stay == want,
             "parameters at rate 0 stay, others learn", err or str(stay))
    for training in (", rates: [{parameters: [conv9.weight], lr: 2}]",
                     ", freeze: [conv9.weight]"):
        rc, _, err = train(cluster, "rates", yaml("rates", 1, 1, "", training))
        tap.case(rc != 0 and '"conv9.weight"' in err and "the model has conv1"
                 in err, "a name that is nothing's: what there is", err)


def check_local(tap, cluster):
    """Steps of their own: learnt all the same, with fewer bytes around."""
    sent = {}
    for name, sync in (("each", "gradient"), ("fifth", "{local: 5}"),
                       ("pass", "{delta: epoch}")):
        rc, rows, err = train(cluster, name, yaml(
            name, 2, PASSES, training=f", microbatches: 1, sync: {sync}"))
        right = rows[-1]["test_accuracy"] if rc == 0 else 0
        steps = max([r["step"] for r in rows if r.get("stages")], default=1)
        sent[name] = bytes_of(rows, "reduce_bytes") / steps
        tap.case(rc == 0 and right >= RIGHT, f"sync: {sync}: learnt", err or
                 str(right))
        tap.note(f"{sync}: {right:.3f}, {sent[name]:.0f} bytes a step around")
    # Weights and momentum: twice the gradients, each fifth step.
    tap.case(0 < sent["pass"] < sent["fifth"] <= 0.45 * sent["each"],
             "fewer bytes the less often", str(sent))


def bytes_of(rows, key):
    return sum(stage[key] for row in rows
               for stage in row.get("stages", []))


def check_sets_in(tap, cluster):
    """A sparse link that sets in: ever shorter, and learnt all the same."""
    rc, rows, err = train(cluster, "sets-in", yaml(
        "sets-in", 2, 6 * PASSES,
        "links: {codec: \"sparse:10%\"}\n" + bars.STAGES,
        f", microbatches: 2, codec_warmup: {5 * PASSES}"))
    done = passes(rows)
    if not tap.case(rc == 0 and len(done) == 6 * PASSES, "sparse: trained",
                    err):
        return
    # Bytes are said each half second, whatever a pass takes.
    said = [r for r in rows if bytes_of([r], "plain_bytes") > 0]
    share = [bytes_of([r], "sent_bytes") / bytes_of([r], "plain_bytes")
             for r in (said[0], said[-1])]
    tap.case(len(said) > 2 and share[0] > 2 * share[1] > 0,
             "sparse: ever shorter", str(share))
    tap.case(done[-1]["test_accuracy"] >= RIGHT, "sparse: learnt",
             str(done[-1]))
    tap.note(f"sets in: {share[0]:.2f} to {share[1]:.2f} of the bytes, "
             f"{done[-1]['test_accuracy']:.3f}")


def check_codecs(tap, cluster, want, accuracy):
    """Eight bits forward, back and between replicas: as good, and short."""
    rc, rows, err = train(cluster, "mixed", yaml(
        "mixed", 2, 2, MIXED, ", microbatches: 2, shares: equal, codec: q8, "
        "reduce_codec: q8/tensor"))
    done = passes(rows)
    if not tap.case(rc == 0 and len(done) == 2, "q8: trained", err):
        return
    got = [r["loss"] for r in done]
    tap.case(len(want) == 2 and
             all(abs(a - b) <= 0.02 * max(b, 0.1) for a, b in zip(got, want)) and
             done[-1]["test_accuracy"] >= accuracy - (0.1 if IS_SLOW else 0.02),
             "q8: as good as without", f"{got} {want} {done[-1]}")
    path = cluster.write("auto.yaml", yaml("auto", 2, 1, MIXED.replace(
        "codec: q8", "codec: auto")))
    rc, _, err = cluster.ctl("train", path, timeout=60)
    tap.case(rc != 0 and "auto.yaml:4:16: " in err and "such as q8" in err,
             "codec: auto is refused, with its place", err)
    path = cluster.write("zstd-auto.yaml", yaml(
        "auto", 2, 1, "links: {zstd: auto}\n" + bars.STAGES))
    rc, _, err = cluster.ctl("train", path, timeout=60)
    tap.case(rc != 0 and "zstd-auto.yaml: " in err and "on or off" in err,
             "zstd: auto is refused", err)
    around = [bytes_of(rows, k) for k in ("reduce_bytes", "reduce_plain")]
    links = [bytes_of(rows, k) - r
             for k, r in zip(("sent_bytes", "plain_bytes"), around)]
    for name, (sent, plain) in (("between replicas", around),
                                ("between stages", links)):
        tap.case(0 < plain and 0 < sent <= plain * 0.255 + 64 * plain / 10000,
                 f"q8: a quarter of the bytes {name}", f"{sent} of {plain}")
    tap.note(f"q8: loss {got[-1]:.4f}, {done[-1]['test_accuracy']:.3f} after "
             f"{rows[-1]['took_s']:.1f} s")


def wait_step(cluster, process, least):
    """Lines of the running training, until it has done so many steps."""
    rows, until = [], time.monotonic() + 40
    while time.monotonic() < until:
        line = process.stdout.readline()
        if not line:
            break
        rows.append(json.loads(line))
        if rows[-1]["step"] >= least:
            break
    return rows


def check_kills(tap, cluster):
    path = cluster.write("kills.yaml", yaml(
        "kills", 2, PASSES, training=", microbatches: 1, checkpoint: {steps: 5}"))
    process = cluster.start("train", path, "-o", "json", "-f",
                            f"{cluster.folder}/kills.onnx")
    rows = wait_step(cluster, process, PASSES * STEPS // 4)
    cluster.kill("local-2")
    began = time.monotonic()
    step = rows[-1]["step"]
    rows += wait_step(cluster, process, step + 5)
    tap.note(f"5 steps on after {time.monotonic() - began:.1f} s")
    cluster.kill("coordinator")
    out, err = process.communicate(timeout=60)
    rows += lines(out)
    end = rows[-1]
    tap.case(process.returncode == 0 and end["phase"] == "end" and
             end["steps"] == PASSES * STEPS,
             "a board and the coordinator killed: it ends by itself", err)
    tap.case(any(r["phase"] == "resume" for r in rows),
             "it says that it goes on from a checkpoint")
    tap.case(end.get("test_accuracy", 0) >= RIGHT,
             "and learns what it would have learnt", end)
    tap.case(os.path.getsize(f"{cluster.folder}/kills.onnx") > 10000,
             "the trained model is written")


def content(cluster, name):
    with open(f"{cluster.folder}/{name}.onnx", "rb") as f:
        return f.read()


def curve(path):
    """Dots of both panels, and where the line of the loss begins and ends."""
    space = "{http://www.w3.org/2000/svg}"
    root = xml.etree.ElementTree.parse(path).getroot()
    lines = [p.get("d") for p in root.iter(space + "path")
             if p.get("class") == "train" and "L" in p.get("d")]
    xs = [float(at.split()[0]) for at in lines[0][1:].split("L")]
    first = round(xs[0] - (xs[-1] - 64) / (4 * STEPS), 1)
    return len(list(root.iter(space + "circle"))), (first, xs[-1])


def stop_and_resume(tap, cluster, name, training):
    """A run that was stopped ends in the bits of one that was not. The rows of
    what it did when it went on."""
    text = yaml(name, 2, 4, training=", microbatches: 1, shares: equal" +
                training)
    rc, _, err = train(cluster, name, text)
    tap.case(rc == 0, f"{name}: a run that nobody stops", err)
    whole = content(cluster, name)
    path = cluster.write(name + ".yaml", text)
    process = cluster.start("train", path, "-o", "json")
    wait_step(cluster, process, 5)
    rc, _, err = cluster.ctl("train", "--stop", "-m", name, timeout=60)
    process.communicate(timeout=60)
    tap.case(rc == 0 and process.returncode == 1, f"{name}: --stop stops it",
             err)
    rc, rows, err = train(cluster, name, text, "--resume")
    tap.case(rc == 0 and rows[-1]["steps"] == 4 * STEPS,
             f"{name}: --resume goes on to the end", err)
    tap.case(content(cluster, name) == whole, f"{name}: with the weights of "
             "the run that nobody stopped, bit for bit")
    return rows


def check_resume(tap, cluster):
    rows = stop_and_resume(tap, cluster, "again", "")
    for codec in ("q4", "sparse:10%+q8"):
        stop_and_resume(tap, cluster, "coded-" + codec[:2],
                        f', reduce_codec: "{codec}", checkpoint: {{steps: 3}}')
    path = cluster.folder + "/again.yaml"
    shape = cluster.json("model", "inspect", f"{cluster.folder}/again.onnx")[
        "inputs"][0]["shape"]
    tap.case(shape == [None, 1, bars.SIDE, bars.SIDE],
             "the file that is written takes any number of pictures", shape)
    dots, ends = curve(rows[-1]["curve"])
    tap.case(dots == 8 and ends == (64.0, 684.0),
             "one curve of the whole run", f"{dots} dots, {ends}")
    rc, out, err = cluster.ctl("train", path, "--nope")
    tap.case(rc == 2, "an option that is none", err)
    rc, _, err = cluster.ctl("evaluate", path, timeout=60)
    tap.case(rc == 0, "evaluate", err)


def main():
    tap = Tap()
    with Cluster(2) as cluster:
        err = bars.prepare(cluster, TRAIN, TEST)
        tap.case(not err, "a model to train", err)
        check_sets_in(tap, cluster)
        check_scratch(tap, cluster)
        check_codecs(tap, cluster, *check_forms(tap, cluster))
        check_evaluates(tap, cluster)
        check_rates(tap, cluster)
        check_local(tap, cluster)
        check_kills(tap, cluster)
        if not IS_SLOW:  # the same work by the same threads once more
            check_resume(tap, cluster)
    tap.end()


main()
