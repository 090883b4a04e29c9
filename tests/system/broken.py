#!/usr/bin/python3
"""Broken YAML files, models and pictures, as a user meets them: each has its
own sentence and exit code, nothing crashes, nothing is half deployed."""
import glob
import hashlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import ROOT, Cluster, Tap, cluster_yaml  # noqa: E402

MODEL = ROOT + "/deploy/demo/shapes.onnx"


def crashed(rc):
    return rc < 0 or rc >= 128


def yamls(tap, c):
    seen = set()
    files = [f for f in sorted(glob.glob(ROOT + "/tests/golden/yaml/*.yaml"))
             if not os.path.basename(f).startswith(("warn-", "profiles-"))]
    bad = []
    for path in files:
        rc, out, err = c.ctl("deploy", path)
        said = err.replace(path, "")
        if rc != 3 or "error:" not in err or crashed(rc) or out:
            bad.append(f"{os.path.basename(path)}: exit {rc}: {err}")
        seen.add(said)
    tap.case(len(files) >= 40 and not bad,
             f"{len(files)} broken cluster.yaml files: exit 3, file, line and "
             "reason", "\n".join(bad))
    tap.case(len(seen) >= 0.9 * len(files), "each is told in its own words")


def models(tap, c):
    files = sorted(glob.glob(ROOT + "/tests/golden/onnx/broken/*.onnx"))
    bad, seen = [], set()
    for path in files:
        rc, _, err = c.deploy(cluster_yaml(path, 2))
        if rc not in (1, 3) or len(err) < 20:
            bad.append(f"{os.path.basename(path)}: exit {rc}: {err}")
        seen.add(err.replace(os.path.basename(path), ""))
    tap.case(len(files) >= 20 and not bad,
             f"{len(files)} broken models are refused", "\n".join(bad))
    tap.case(len(seen) >= 0.8 * len(files), "each with its own reason")


def write(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def broken_pictures(folder):
    with open(ROOT + "/deploy/demo/images/circle_1.png", "rb") as f:
        png = f.read()
    jpg_path = next(p for p in glob.glob(ROOT + "/deploy/demo/images/*.jpg"))
    with open(jpg_path, "rb") as f:
        jpg = f.read()
    huge = png[:16] + (60000).to_bytes(4, "big") * 2 + png[24:]
    cases = {
        "empty.png": b"",
        "text.jpg": b"not a picture at all\n" * 20,
        "cut.png": png[:len(png) // 2],
        "cut.jpg": jpg[:len(jpg) // 2],
        "head.jpg": jpg[:30],
        "huge.png": huge,
        "flipped.png": png[:60] + bytes([png[60] ^ 255]) + png[61:],
        "photo.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64,
        "anim.gif": b"GIF89a\x10\0\x10\0\0\0\0;",
        "photo.webp": b"RIFF\x20\0\0\0WEBPVP8 " + b"\0" * 24,
        "wide.ppm": b"P6\n100000 100000\n255\n" + b"\0" * 100,
        "short.npy": b"\x93NUMPY\1\0\x10\0{'descr': '<f4'",
    }
    return [write(folder, name, data) for name, data in cases.items()]


def pictures(tap, c):
    files = broken_pictures(c.folder)
    bad, seen = [], set()
    for path in files:
        rc, out, err = c.ctl("infer", path)
        name = os.path.basename(path)
        if rc != 1 or name not in err or out.strip():
            bad.append(f"{name}: exit {rc}: {err}{out}")
        seen.add(err.replace(name, "").replace(c.folder, ""))
    tap.case(not bad, f"{len(files)} broken pictures: exit 1, named and told "
             "why", "\n".join(bad))
    tap.case(len(seen) >= len(files) - 3, "each in its own words",
             "\n".join(sorted(seen)))


def sums(tap, c):
    """A file that names the SHA-256 of its model is good for that one."""
    with open(MODEL, "rb") as f:
        right = hashlib.sha256(f.read()).hexdigest()
    text = cluster_yaml(MODEL, 2).replace("model:\n",
                                          f"model:\n  sha256: {'0' * 64}\n")
    path = c.write("meant.yaml", text)
    bad = []
    for verb in ("validate", "plan", "deploy", "profile", "simulate"):
        rc, out, err = c.ctl(verb, path)
        if rc != 3 or out or f"{path}:4:11: error: shapes.onnx" not in err \
                or f"sha256: {right}" not in err:
            bad.append(f"{verb}: exit {rc}: {err}{out}")
    tap.case(not bad, "another model than the file is meant for is refused by "
             "every verb, exit 3", "\n".join(bad))
    path = c.write("meant.yaml", text.replace("0" * 64, right))
    rc, out, err = c.ctl("plan", "-o", "yaml", path)
    written = c.write("written.yaml", out)
    tap.case(rc == 0 and f"sha256: {right}" in out, "the one that is meant is "
             "planned, and plan -o yaml names it", err + out)
    rc, _, err = c.ctl("validate", written)
    tap.case(rc == 0, "what it wrote is read back", err)


def usage(tap, c):
    rc, _, err = c.ctl("deply")
    tap.case(rc == 2 and 'Did you mean "deploy"' in err,
             "a mistyped verb is met with a suggestion, exit 2", err)
    rc, _, err = c.ctl("status", "--wacht")
    tap.case(rc == 2 and "--watch" in err, "so is a mistyped option", err)
    rc, out, _ = c.ctl("help")
    tap.case(rc == 0 and "deploy" in out, "help goes to stdout, exit 0")
    rc, _, err = c.ctl("deploy")
    tap.case(rc == 2 and err, "deploy without a file is a usage error", err)
    rc, _, err = c.ctl("deploy", "/nowhere.yaml")
    tap.case(rc in (1, 3) and "/nowhere.yaml" in err, "no such file", err)
    rc, out, err = c.ctl("status", "-o", "json")
    tap.case(rc == 0 and "\033" not in out + err,
             "no escape sequence reaches a pipe")


def main():
    tap = Tap()
    with Cluster(2) as c:
        yamls(tap, c)
        models(tap, c)
        sums(tap, c)
        status = c.json("status")
        tap.case(status["deployments"] == [], "nothing was half deployed",
                 status)
        pids = [c.pid(n) for n in ("local-1", "local-2", "coordinator")]
        rc, _, err = c.deploy(cluster_yaml(
            MODEL, 2, 1, ROOT + "/deploy/demo/labels.txt",
            "{size: 64x64, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"))
        tap.case(rc == 0, "a good model deploys after all that", err)
        pictures(tap, c)
        usage(tap, c)
        tap.case(pids == [c.pid(n) for n in ("local-1", "local-2",
                                             "coordinator")],
                 "no program has died meanwhile")
    tap.end()


main()
