#!/usr/bin/python3
"""Codecs on the links of a real model over four daemons: what is answered, and
what really went over the sockets by the daemons' own counters."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from codec_runs import (borders, measured, photographs, sent,  # noqa: E402
                        tiles, yaml)
from edged_test import Cluster, Tap  # noqa: E402

MODEL = "squeezenet1.1"
PHOTOS = photographs(MODEL)


def all_links(c, runs):
    """The last stage sends answers alone."""
    return sent(c, runs, lambda name: name != "s3")


def q8(tap, c):
    want, (bytes, plain), err = measured(c, yaml(MODEL, "{codec: fp32}"),
                                         PHOTOS, all_links)
    tap.case(want is not None, f"{len(PHOTOS)} photographs", err)
    tap.case(bytes == plain > 0, f"{plain} bytes to daemons")
    got, (bytes, plain), err = measured(
        c, yaml(MODEL, "{codec: q8, input: q8}"), PHOTOS, all_links)
    tap.case(got is not None and got == want,
             "q8 on every link: the same first choice for every one", err)
    tap.case(0 < bytes <= 0.26 * plain,
             f"{bytes} bytes, {bytes / max(plain, 1):.4f} of {plain}")


def tiled(tap, c):
    got, (bytes, plain), err = measured(c, tiles(MODEL, "q4+runs"), PHOTOS,
                                        borders)
    tap.case(got is not None, "tiles whose borders are in q4+runs answer", err)
    tap.case(0 < bytes <= plain / 8,
             f"{bytes} bytes of borders, {bytes / max(plain, 1):.4f} of "
             f"{plain}")


def main():
    tap = Tap()
    with Cluster(4) as c:
        q8(tap, c)
        tiled(tap, c)
    tap.end()


main()
