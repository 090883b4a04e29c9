"""What codecs leave of the bytes between two stages, each way, by the daemons'
own counters."""
import os
import sys

from learn import run as r

sys.path.insert(0, os.path.join(r.ROOT, "tests/system"))
import bars  # noqa: E402

BATCH, MICRO = 64, 2
VALUES = BATCH // MICRO * 50 * 4 * 4  # of a micro-batch, after pool2
HEAD = 64  # bytes of a message besides its values
BLOCK, SCALE = 1024, 8  # values that share a step, and what that takes
# codec: bits that a value takes, or what is allowed of float32
BITS = {"fp16": 16, "q12": 12, "q8": 8, "q6": 6, "q4": 4}
PARTS = {"sparse:10%": 0.15, "sparse:10%+q8": 0.06, "sparse:10%/haar": 0.15}
# Of another codec back: all gradients straight through.
BACK = {"sparse:10%/haar": "q4"}

TEXT = """name: wire
{model}devices: local 2
links: {{codec: "{codec}"}}
{stages}training: {{data: set, epochs: 2, batch: {batch}, microbatches: {micro},
           codec: "{back}", straight_through: {straight}, lr: 0.02}}
"""


def bound(codec, messages):
    if codec in PARTS:
        return messages * VALUES * 4 * PARTS[codec]
    scales = 0 if codec == "fp16" else SCALE * -(-VALUES // BLOCK)
    return messages * (VALUES * BITS[codec] / 8 + HEAD + scales)


def wire():
    with r.Cluster(2) as c:
        err = bars.prepare(c, 20 * BATCH, BATCH)
        if err:
            raise RuntimeError(err)
        for codec in (*BITS, *PARTS):
            back = BACK.get(codec, codec)
            run = r.train(c, "wire", TEXT.format(
                model=bars.MODEL, stages=bars.STAGES, codec=codec, back=back,
                straight=str(codec in BACK).lower(), batch=BATCH, micro=MICRO))
            for way, name, used in (("forward", "a", codec),
                                    ("back", "b", back)):
                sent, plain = (sum(
                    s[key] for row in run.rows for s in row.get("stages", [])
                    if s["stage"] == name)
                    for key in ("sent_bytes", "plain_bytes"))
                messages = plain / (VALUES * 4)
                least = bound(used, messages)
                r.figure(f"wire.{codec}.{way}", f"{sent / plain:.4f}",
                         "of fp32", f"{least / plain:.4f}",
                         0 < sent <= least, f"{sent} bytes in {messages:.2f} "
                         f"micro-batches of {VALUES} values, as {used}")


ROWS = {"wire": wire}
