#!/usr/bin/python3
"""What sharding costs: a request through k daemons on this machine, against
the same model in one process, per hop; and the memory of daemons."""
import glob
import json
import os
import statistics
import subprocess
import sys

from figures import ROOT, figure

sys.path.insert(0, ROOT + "/tests/system")
from edged_test import BIN, DATA, Cluster, cluster_yaml  # noqa: E402

SHIPPED = ROOT + "/deploy/demo/shapes.onnx"
TCP_BYTES_PER_US = 3000.0  # loopback; bench_net prints this machine's
ROUNDS = 7


def alone_ms(path, worker):
    worker.stdin.write("25\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def hops(path, name, k):
    """(p50 through k daemons - time of the model alone) / hops."""
    worker = subprocess.Popen([BIN + "/tests/bench/bench_engine", path],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True)
    worker.stdout.readline()
    with Cluster(k) as c:
        rc, _, err = c.deploy(cluster_yaml(path, k))
        plan = c.json("plan", c.folder + "/cluster.yaml", "--progress=none")
        sent = sum(s["link_bytes"] for s in plan["stages"])
        extra, all_ms = [], []
        for _ in range(ROUNDS):
            alone = alone_ms(path, worker)
            out = c.ctl("bench", "--requests", "100", "--clients", "1", "-o",
                        "json")[1]
            ms = json.loads(out)["latency_ms"]["p50"]
            # client -> gateway -> k nodes -> gateway -> client
            extra.append((ms - alone) * 1000 / (k + 1))
            all_ms.append(ms)
    worker.stdin.close()
    worker.wait()
    us = statistics.median(extra)
    target = 150 + sent / (k + 1) / (0.8 * TCP_BYTES_PER_US)
    figure(f"hops.{name}.{k} {us:.0f} us target {target:.0f} "
           f"{'ok' if us <= target else 'short'} per hop of {k + 1}; "
           f"{statistics.median(all_ms):.2f} ms through {k} daemons, "
           f"{sent} bytes between them")


def rss(pid):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
    return 0


def memory():
    mib = 1 << 20
    with Cluster(1) as c:
        idle = rss(c.pid("local-1"))
        figure(f"memory.idle {idle / mib:.1f} MiB target 16 "
               f"{'ok' if idle <= 16 * mib else 'short'}")
    models = sorted(glob.glob(DATA + "/models/*/model.onnx")) or [SHIPPED]
    for path in models:
        name = os.path.basename(os.path.dirname(path))
        info = json.loads(subprocess.run(
            [BIN + "/edgectl", "model", "inspect", path, "-o", "json"],
            capture_output=True).stdout)
        with Cluster(1) as c:  # a fresh daemon: no other model's pages
            rc, _, err = c.deploy(cluster_yaml(path, 1))
            if rc != 0:
                figure(f"memory.{name} - MiB target - skipped {err.strip()}")
                continue
            plan = c.json("plan", c.folder + "/cluster.yaml",
                          "--progress=none")
            c.ctl("bench", "--requests", "20", "--clients", "1")
            used = rss(c.pid("local-1"))
        limit = (1.05 * info["weight_bytes"] +
                 sum(s["arena_bytes"] for s in plan["stages"]) + 16 * mib)
        figure(f"memory.{name} {used / mib:.1f} MiB target {limit / mib:.1f} "
               f"{'ok' if used <= limit else 'short'} 1.05 x weights "
               f"({info['weight_bytes'] / mib:.1f}) + arena + 16 MiB")


def main():
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    if only in ("", "hops"):
        hops(SHIPPED, "shapes", 4)
        real = DATA + "/models/mobilenetv2_1.0_224_fp32/model.onnx"
        if os.path.exists(real):
            hops(real, "mobilenetv2", 4)
        else:
            figure("hops.mobilenetv2.4 - us target 150 skipped no data folder")
    if only in ("", "memory"):
        memory()


if __name__ == "__main__":
    main()
