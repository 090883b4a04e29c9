#!/usr/bin/python3
"""Codecs on the links of a real model over four daemons: what is answered, and
what really went over the sockets by the daemons' own counters."""
import json
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


def every_bit(c, folder):
    """All outputs for one photograph, as they were saved."""
    rc, _, err = c.ctl("infer", "-d", f"{c.folder}/{folder}", PHOTOS[0])
    if rc != 0:
        return err
    found = {}
    for name in sorted(os.listdir(f"{c.folder}/{folder}")):
        with open(f"{c.folder}/{folder}/{name}", "rb") as f:
            found[name] = f.read()
    return found


def planned(c, text):
    """The codecs that a plan of this file says, of links to devices."""
    rc, out, err = c.ctl("plan", c.write("planned.yaml", text), "-o", "json")
    if rc != 0:
        return err
    return {link["codec"] for link in json.loads(out)["links"]
            if link["to"] != "gateway"}


def zstd(tap, c):
    """It is seen on the sockets, and in no answer."""
    for codec in "fp32", "q8":
        seen = {}
        for how in "off", "on", "auto":
            text = yaml(MODEL, f"{{codec: {codec}, input: {codec}, "
                               f"zstd: {how}}}")
            got, (bytes, plain), err = measured(c, text, PHOTOS[:9], all_links)
            seen[how] = (got, every_bit(c, codec + how), bytes)
            tap.case(got is not None and 0 < bytes <= plain,
                     f"{codec}, zstd: {how}: {bytes} bytes of {plain}", err)
        tap.case(seen["on"][2] < 0.9 * seen["off"][2],
                 f"zstd on {codec}: a tenth less at least")
        tap.case(seen["off"][:2] == seen["on"][:2] == seen["auto"][:2] and
                 isinstance(seen["on"][1], dict) and len(seen["on"][1]) > 0,
                 f"zstd on {codec}: the same answers, bit for bit")
        says = planned(c, yaml(MODEL, f"{{codec: {codec}, input: {codec}, "
                                      f"zstd: on}}"))
        tap.case(says == {codec + "+zstd"}, f"the plan says {codec}+zstd",
                 str(says))


def main():
    tap = Tap()
    with Cluster(4) as c:
        q8(tap, c)
        tiled(tap, c)
        zstd(tap, c)
    tap.end()


main()
