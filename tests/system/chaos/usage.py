"""What processes hold: descriptors, threads, resident memory, files. A fault
may not leave any of it behind."""
import os


def one(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            status = dict(line.split(":", 1) for line in f)
        return {"fds": len(os.listdir(f"/proc/{pid}/fd")),
                "threads": int(status["Threads"]),
                "rss_kib": int(status["VmRSS"].split()[0])}
    except (OSError, KeyError):
        return None


def temporary_files(folder):
    """Files that a store was still writing (base/store.c, STAGE_PREFIX)."""
    return [os.path.join(base, f) for base, _, files in os.walk(folder)
            for f in files if f.startswith(".stage-") or f.endswith(".tmp")]


class Usage:
    """Of every program of a cluster at one moment."""

    def __init__(self, cluster):
        self.of = {}
        for name in cluster.names():
            pid = cluster.pid(name)
            self.of[name] = one(pid) if pid else None
        self.temporary = temporary_files(cluster.folder + "/state")

    def grown(self, after, rss_mib=24):
        """What `after` has more of than this, as sentences. A process that
        was restarted is compared like any other: it does the same work. The
        gateway's window of the demo's inputs is 12 MiB, at both ends of a
        hop, and malloc keeps what was freed; a leak in 10,000 requests would
        be more than that."""
        said = []
        for name, a in after.of.items():
            b = self.of.get(name)
            if a is None:
                said.append(f"{name} is not there")
                continue
            if b is None:
                continue
            if a["fds"] > b["fds"] + 2:
                said.append(f"{name}: {b['fds']} -> {a['fds']} descriptors")
            if a["threads"] > b["threads"]:
                said.append(f"{name}: {b['threads']} -> {a['threads']} "
                            "threads")
            if a["rss_kib"] > b["rss_kib"] + rss_mib * 1024:
                said.append(f"{name}: {b['rss_kib']} -> {a['rss_kib']} KiB")
        if after.temporary:
            said.append("left: " + " ".join(after.temporary[:3]))
        return said
