"""A MobileNetV2 that knows ImageNet learns ten classes of small pictures, with a
new head, on two boards; ONNX Runtime reads what it writes."""
import json
import lzma
import os
import struct
import subprocess
import sys
import zlib

from learn import run as r

sys.path.insert(0, r.ROOT + "/tests/bench")
import bench_rivals  # noqa: E402

TRAIN, TEST = 30, 20  # pictures of a class
EPOCHS = 4
SIDE = 224
ALIKE = 5  # pictures that both runtimes are asked about
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog",
         "horse", "ship", "truck")

TEXT = """name: finetune
model:
  file: start.onnx
  input: {{size: 224x224, resize: stretch, range: 0..255, mean: 128, std: 128}}
devices: local 2
training:
  data: pictures/
  epochs: {epochs}
  batch: 20
  microbatches: 1
  mode: data
  freeze: 99%     # all but the new head
  optimizer: adam
  lr: 0.002
  augment: {{flip: true}}
"""


def png(path, planes):
    """A picture of 32 x 32 from a record of CIFAR-10: red, green, blue."""
    def chunk(kind, body):
        return (struct.pack(">I", len(body)) + kind + body +
                struct.pack(">I", zlib.crc32(kind + body)))
    pixels = bytes(planes[c * 1024 + i] for i in range(1024) for c in range(3))
    rows = b"".join(b"\0" + pixels[y * 96:y * 96 + 96] for y in range(32))
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" +
                chunk(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def draw(folder, file, each):
    """The first `each` pictures of every class, a folder for each: a few of
    their records."""
    found = [0] * len(NAMES)
    records = []
    with lzma.open(r.data("cifar10") + "/" + file) as f:
        while min(found) < each:
            record = f.read(3073)
            label = record[0]
            if found[label] == each:
                continue
            os.makedirs(f"{folder}/{NAMES[label]}", exist_ok=True)
            png(f"{folder}/{NAMES[label]}/{found[label]}.png", record[1:])
            found[label] += 1
            records.append(record)
    return records[:ALIKE]


def tensor(record):
    """It as the model's input, each pixel seven times as wide and high."""
    import numpy as np
    x = np.frombuffer(record[1:], np.uint8).reshape(1, 3, 32, 32)
    x = x.repeat(SIDE // 32, 2).repeat(SIDE // 32, 3).astype(np.float32)
    return (x - 128) / 128


def ask_ours(c, path, x):
    import numpy as np
    np.save(c.folder + "/x.npy", x)
    out = c.json("model", "run", path, "--input", c.folder + "/x.npy",
                 "--output-dir", c.folder)["outputs"][0]
    return out["name"], np.load(f"{c.folder}/{out['file']}").ravel()


def ask_ort(c, path, name, x):
    import numpy as np
    x.tofile(c.folder + "/input_0.bin")
    with open(c.folder + "/shards.json", "w") as f:
        json.dump({"shards": [{
            "file": os.path.basename(path),
            "inputs": [{"name": "input", "type": "float32",
                        "shape": list(x.shape)}],
            "outputs": [{"name": name, "type": "float32",
                         "shape": [1, len(NAMES)]}]}]}, f)
    subprocess.run(["node", r.ROOT + "/tests/system/ort_chain.js",
                    bench_rivals.ORT, c.folder], check=True)
    return np.fromfile(c.folder + "/output_0.bin", np.float32)


def compare(c, path, records):
    worst, same = 0.0, 0
    for record in records:
        x = tensor(record)
        name, ours = ask_ours(c, path, x)
        theirs = ask_ort(c, path, name, x)
        worst = max(worst, float(abs(ours - theirs).max()))
        same += int(ours.argmax() == theirs.argmax())
    r.figure("finetune.onnx", f"{worst:.1e}", "of 1", "1e-4",
             worst <= 1e-4 and same == len(records),
             f"ONNX Runtime's answers to {len(records)} pictures by the file "
             f"that is written, {same} of the same class")


def finetune():
    start = r.data("models/mobilenetv2_1.0_224_fp32") + "/model.onnx"
    with r.Cluster(2) as c:
        draw(c.folder + "/pictures/train", "data_batch_1.bin.xz", TRAIN)
        records = draw(c.folder + "/pictures/test", "test_batch.bin.xz", TEST)
        rc, _, err = c.ctl("model", "head", start, "--classes", "10", "-o",
                           c.folder + "/start.onnx")
        if rc != 0:
            raise RuntimeError(err)
        before = json.loads(c.ctl("evaluate", c.write(
            "finetune.yaml", TEXT.format(epochs=EPOCHS)), "-o",
            "json")[1].splitlines()[-1])["test_accuracy"] * 100
        run = r.train(c, "finetune", TEXT.format(epochs=EPOCHS))
        r.figure("finetune", f"{run.accuracy:.1f}", "%", "50",
                 run.accuracy >= 50, f"from {before:.1f} % before, "
                 f"MobileNetV2 with a new head on {TRAIN} pictures of each of "
                 f"10 classes, {EPOCHS} epochs, two boards, "
                 f"{run.end['took_s']:.0f} s")
        if bench_rivals.install():
            compare(c, c.folder + "/finetune-trained.onnx", records)
        else:
            r.note("no ONNX Runtime: npm is not there, or cannot fetch it")


ROWS = {"finetune": finetune}
