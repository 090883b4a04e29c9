#!/usr/bin/python3
"""The published placements of prototype 1 (deploy/examples/): each is valid,
and frames that take links of random delay, two replicas and two halves of a
layer come out as themselves."""
import os
import re
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/../lib/lab"]
from edged_test import BIN, ROOT, Tap  # noqa: E402
from procs import Procs  # noqa: E402
from slowlink import SlowLinks  # noqa: E402

EXAMPLES = ROOT + "/deploy/examples"
FRAMES = int(os.environ.get("FRAMES", "1000"))
AT_ONCE = 7  # clients of `infer`, each with 8 frames under way
SIDE = 64
CLOSE = 1e-5


class Links(Procs):
    """Daemons that are reached over slow links alone."""

    def __init__(self, n, links):
        super().__init__(n)
        self.links = links

    def reach(self, name, port):
        return self.links.before(port)


def model(name, path):
    subprocess.run([BIN + "/edgectl", "model", "new", name, "--init", "random",
                    "--input", f"3x{SIDE}x{SIDE}", "-o", path], check=True,
                   stdout=subprocess.DEVNULL)


def example(name, folder, devices=None):
    """Its text in a file beside the model, with other devices if told."""
    with open(f"{EXAMPLES}/{name}.yaml") as f:
        text = f.read()
    for i, letter in enumerate("bcdefghijk"[:devices or 0]):
        text = re.sub(rf"\bpi-{letter}\b(\.local)?", f"local-{i + 1}", text)
    if devices:
        text = re.sub(r"(?m)^coordinator:.*\n", "", text)
        text = re.sub(r"devices: \[[^]]*\]", f"devices: local {devices}", text)
    path = f"{folder}/{name}.yaml"
    with open(path, "w") as f:
        f.write(text)
    return path


def valid(tap, c):
    for name, boards, replicas in (
            ("alexnet-5", 4, 1), ("alexnet-6", 5, 2), ("vgg16-9", 8, 3),
            ("vgg16-11", 10, 7)):
        net = name.split("-")[0]
        if not os.path.exists(f"{c.folder}/{net}.onnx"):
            model(net, f"{c.folder}/{net}.onnx")
        path = example(name, c.folder)
        rc, out, err = c.ctl("validate", path)
        tap.case(rc == 0, f"{name}.yaml is valid", err)
        with open(path) as f:
            text = f.read()
        used = set(re.findall(r"\bpi-[b-k]\b(?!\.)", text))
        most = max(len(m.split(",")) for m in
                   re.findall(r"replicas: \[([^]]*)\]", text))
        tap.case(len(used) == boards and most == replicas,
                 f"{name}.yaml uses {boards} boards and the gateway's", used)


def frames(c, reference):
    """FRAMES pictures of noise over AT_ONCE folders, and what the model in one
    process makes of each."""
    x = np.random.default_rng(11).normal(size=(FRAMES, 3, SIDE, SIDE))
    x = x.astype(np.float32)
    folders = [f"{c.folder}/frames-{i}" for i in range(AT_ONCE)]
    for folder in folders:
        os.mkdir(folder)
    for i in range(FRAMES):
        np.save(f"{folders[i % AT_ONCE]}/{i:05d}.npy", x[i:i + 1])
    np.save(c.folder + "/all.npy", x)
    p = subprocess.run([BIN + "/edgectl", "model", "run", reference, "--input",
                        c.folder + "/all.npy", "--output-dir",
                        c.folder + "/want"], capture_output=True, text=True)
    if p.returncode != 0:
        raise RuntimeError(p.stderr)
    return folders, np.load(c.folder + "/want/fc3.npy")


def answers(folder):
    """number of frame -> its answers, of one client."""
    found = {}
    for below, _, files in os.walk(folder):
        for name in files:
            number = int(re.search(r"(\d{5})", below).group(1))
            found.setdefault(number, []).append(
                np.load(f"{below}/{name}").ravel())
    return found


def judge(tap, got, want):
    own, mixed, lost, twice = 0, [], [], []
    scale = np.abs(want).max(axis=1)
    for i in range(FRAMES):
        if len(got.get(i, [])) != 1:
            (twice if i in got else lost).append(i)
            continue
        # A hundred of a thousand outputs tell two frames apart.
        far = np.abs(want[:, :100] - got[i][0][:100]).max(axis=1) / scale
        whole = np.abs(want[i] - got[i][0]).max() / scale[i]
        own += whole <= CLOSE
        if whole > CLOSE or (far <= CLOSE).sum() != 1:
            mixed.append((i, int(far.argmin()), float(far.min())))
    tap.case(not lost and not twice, f"{FRAMES} frames, none lost, none twice",
             f"lost {lost[:9]}, twice {twice[:9]}")
    tap.case(own == FRAMES and not mixed,
             f"every answer is its own frame's and no other's: {own}",
             f"(frame, most like frame, by) {mixed[:9]}")


def delayed(tap):
    with SlowLinks(seed=5) as links, Links(5, links) as c:
        if not c.wait_for(lambda: c.ctl("nodes")[1].count("ready") == 5, 20):
            tap.case(False, "five boards over slow links", c.ctl("nodes"))
            return
        valid(tap, c)
        rc, _, err = c.ctl("deploy", example("alexnet-6", c.folder, 5),
                           "--progress=none")
        if not tap.case(rc == 0, "alexnet-6 deployed", err):
            return
        links.delay_s = (0.0, 0.2)
        folders, want = frames(c, c.folder + "/alexnet.onnx")
        clients = [c.begin("infer", folder, "-o", "json", "--output-dir",
                           folder + ".out") for folder in folders]
        got, codes = {}, []
        for folder, client in zip(folders, clients):
            _, err = client.communicate(timeout=300)
            codes.append((client.returncode, err[:200]))
            got.update(answers(folder + ".out"))
        tap.case(all(code == 0 for code, _ in codes), "all are answered",
                 codes)
        judge(tap, got, want)


def main():
    tap = Tap()
    delayed(tap)
    tap.end()


if __name__ == "__main__":
    main()
