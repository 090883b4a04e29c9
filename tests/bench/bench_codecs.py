#!/usr/bin/python3
"""What codecs on the links of a real model save and cost: bytes by the boards'
own counters, and the first choices for every shared photograph of which the
true class is known, beside those of the same stages without codecs."""
import os
import sys

from figures import ROOT, figure

sys.path.insert(0, ROOT + "/tests/system")
from codec_runs import (MODELS, borders, measured, path,  # noqa: E402
                        photographs, sent, tiles, yaml)
from edged_test import Cluster  # noqa: E402

# The codec between boards, and that of the model's inputs.
CODECS = [("fp16", "fp16"), ("fp32+zstd", "fp32+zstd"), ("q8", "q8"),
          ("q8/tensor", "q8"), ("q8/channel", "q8"), ("q8+zstd", "q8+zstd"),
          ("q4", "q8"), ("q4/channel", "q8"), ("q4+runs", "q8"),
          ("q4+runs+zstd", "q8"), ("q2", "q8"), ("sparse:50%+q8", "q8"),
          ("sparse:25%+q8", "q8"), ("sparse:10%+q8", "q8")]
BYTES_MOST = {"q8": 0.26}
BORDERS_MOST = 1 / 8


def both(cluster, runs):
    """Of the links between boards, and with those that inputs come by."""
    return (sent(cluster, runs, lambda n: n not in ("s3", "gateway")),
            sent(cluster, runs, lambda n: n != "s3"))


def whole(cluster, model, photos, want):
    for codec, of_input in CODECS:
        name = f"{model}.{codec}"
        got, counts, err = measured(
            cluster, yaml(model, f"{{codec: {codec}, input: {of_input}}}"),
            photos, both)
        if got is None:
            figure(f"codecs.{name} - of fp32 target - skipped {err.strip()}")
            continue
        between, total = counts
        other = sum(a != b for a, b in zip(got, want))
        most = BYTES_MOST.get(codec)
        ok = most is None or (total[0] <= most * total[1] and other == 0)
        figure(f"codecs.{name} {total[0] / total[1]:.4f} of fp32 target "
               f"{most or '-'} {'ok' if ok else 'short'} {other} of "
               f"{len(photos)} first choices are others; "
               f"{between[0] / between[1]:.4f} between boards")


def tiled(cluster, model, photos, want):
    for codec in ("fp32", "q8", "q4+runs"):
        name = f"{model}.borders.{codec}"
        got, (bytes, plain), err = measured(cluster, tiles(model, codec),
                                            photos, borders)
        if got is None:
            figure(f"codecs.{name} - of fp32 target - skipped {err.strip()}")
            continue
        other = sum(a != b for a, b in zip(got, want))
        most = BORDERS_MOST if codec == "q4+runs" else None
        ok = most is None or bytes <= most * plain
        figure(f"codecs.{name} {bytes / plain:.4f} of fp32 target "
               f"{most or '-'} {'ok' if ok else 'short'} {other} of "
               f"{len(photos)} first choices are others; "
               f"{plain / len(photos):.0f} bytes of borders a picture in fp32")


def main():
    for model in MODELS:
        if not os.path.exists(path(model)):
            figure(f"codecs.{model} - ratio target - skipped no data folder")
            continue
        photos = photographs(model)
        with Cluster(4) as cluster:
            want, _, err = measured(cluster, yaml(model, "{codec: fp32}"),
                                    photos, both)
            if want is None:
                figure(f"codecs.{model} - of fp32 target - skipped {err}")
                continue
            whole(cluster, model, photos, want)
            tiled(cluster, model, photos, want)


main()
