#!/usr/bin/python3
"""Requests under fire: replicas are killed every two seconds while eight
clients work; load is shared by speed."""
import json
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import ROOT, Cluster, Tap, cluster_yaml  # noqa: E402

REQUESTS = int(os.environ.get("EDGE_REQUESTS", "20000"))
SEED = int(os.environ.get("EDGE_SEED", "1"))
MODEL = ROOT + "/deploy/demo/shapes.onnx"
DATA_MODEL = os.environ.get("EDGE_MODEL", MODEL)


def kill_under_load(tap):
    random.seed(SEED)
    with Cluster(4) as c:
        rc, _, err = c.deploy(cluster_yaml(DATA_MODEL, 4, replicas=2))
        if not tap.case(rc == 0, "two stages, two replicas each", err):
            return
        bench = c.start("bench", "--requests", str(REQUESTS), "--clients",
                        "8", "-o", "json")
        kills = 0
        began = time.monotonic()
        while bench.poll() is None and time.monotonic() < began + 900:
            name = f"local-{random.randrange(4) + 1}"
            if c.wait_ready(5) and c.kill(name):
                kills += 1
            time.sleep(2)
        out, err = bench.communicate()
        tap.note(out.replace("\n", " "))
        report = json.loads(out)
        tap.case(bench.returncode == 0 and report["failed"] == 0 and
                 report["wrong"] == 0 and report["repeated"] == 0,
                 f"{report['answered']} requests, {kills} kills (seed {SEED}):"
                 f" {report['failed']} failed, {report['wrong']} wrong, "
                 f"{report['repeated']} answered twice", out + err)
        tap.case(report["answered"] == REQUESTS and kills >= 3,
                 f"enough requests and kills to mean something ({kills})")
        tap.case(c.wait_ready(20), "every replica is ready again")


def cgroup(path, pid):
    """Half a core for a process; False where there are no such cgroups."""
    if not os.path.exists("/sys/fs/cgroup/cpu/cgroup.procs"):
        return False  # nothing is mounted there, or cgroup v2
    try:
        os.makedirs(path, exist_ok=True)
        with open(path + "/cpu.cfs_period_us", "w") as f:
            f.write("4000")
        with open(path + "/cpu.cfs_quota_us", "w") as f:
            f.write("1000")
        with open(path + "/cgroup.procs", "w") as f:
            f.write(str(pid))
        return True
    except OSError:
        return False


def slow_share(c):
    """What local-2 takes of 5,000 requests."""
    _, out, _ = c.ctl("bench", "--requests", "5000", "--clients", "8", "-o",
                      "json")
    return sum(r["share"] for r in json.loads(out)["replicas"]
               if r["node"] == "local-2")


def shared_by_speed(tap):
    """Two replicas of one stage; the second gets half the speed of the first
    (both have a quota, so that the machine's other load matters less)."""
    base = "/sys/fs/cgroup/cpu/edged-test-%d" % os.getpid()
    with Cluster(2) as c:
        rc, _, err = c.deploy(cluster_yaml(DATA_MODEL, 2, replicas=2))
        if not tap.case(rc == 0, "one stage, two replicas", err):
            return
        if not slow_down(base, c):
            tap.skip("the slow replica takes 25-40 %",
                     "no cgroup with a CPU quota can be made here")
            return
        runs = [slow_share(c) for _ in range(3)]
        share = sorted(runs)[1]
        tap.case(0.25 <= share <= 0.40,
                 f"the replica at half speed takes {share:.1%} of the "
                 "requests (25-40 %, median of three runs)",
                 " ".join(f"{r:.1%}" for r in runs))
        for pid in (c.pid("local-1"), c.pid("local-2")):
            with open("/sys/fs/cgroup/cpu/cgroup.procs", "w") as f:
                f.write(str(pid))
    for name in ("/fast", "/slow", ""):
        os.rmdir(base + name)


def slow_down(base, c):
    if not (cgroup(base + "/fast", c.pid("local-1")) and
            cgroup(base + "/slow", c.pid("local-2"))):
        return False
    with open(base + "/fast/cpu.cfs_quota_us", "w") as f:
        f.write("2000")
    # A quota is handed out processor by processor, in pieces as large as it:
    # of a process on two of them one thread gets it, another waits. On one,
    # half the quota is half the speed.
    for i, name in enumerate(("local-1", "local-2")):
        for task in os.listdir(f"/proc/{c.pid(name)}/task"):
            os.sched_setaffinity(int(task), {i % os.cpu_count()})
    return True


def main():
    tap = Tap()
    kill_under_load(tap)
    shared_by_speed(tap)
    tap.end()


main()
