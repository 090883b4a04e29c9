"""Control groups, version 1 or 2: a CPU quota and a memory limit for each of
the lab's boards. Needs root and a mounted controller; why_not() says."""
import os
import time

BASE = "/sys/fs/cgroup"
PERIOD_US = 5000  # short, so that a board is slow rather than now and then away
QUOTA_MIN_US = 1000  # the kernel's


def is_v2():
    return os.path.exists(BASE + "/cgroup.controllers")


def folder(controller, name):
    return f"{BASE}/{name}" if is_v2() else f"{BASE}/{controller}/{name}"


def why_not(controller):
    """The reason that no group can have this controller; "" if it can."""
    if os.geteuid() != 0:
        return "control groups need root"
    if is_v2():
        with open(BASE + "/cgroup.controllers") as f:
            has = controller in f.read().split()
    else:
        has = os.path.exists(f"{BASE}/{controller}/cgroup.procs")
    return "" if has else f"the {controller} controller is not mounted here"


def write(path, text):
    with open(path, "w") as f:
        f.write(str(text))


class Group:
    """One board's. join() brings a process in; what it starts is in as
    well."""

    def __init__(self, name, cpu=None, memory=None, reaper=None):
        """`cpu` in cores, `memory` in bytes; None: not limited."""
        self.folders = []
        self.limits = []
        if cpu is not None:
            self._make("cpu", name, reaper)
            self._quota(folder("cpu", name), cpu)
        if memory is not None:
            self._make("memory", name, reaper)
            self._memory(folder("memory", name), memory)

    def _make(self, controller, name, reaper):
        path = folder(controller, name)
        if is_v2():
            write(BASE + "/cgroup.subtree_control", "+" + controller)
        if path in self.folders:
            return
        if reaper is not None:
            reaper.note("cgroup", path)
        os.makedirs(path, exist_ok=True)
        self.folders.append(path)

    @staticmethod
    def _quota(path, cpu):
        period = max(PERIOD_US, int(QUOTA_MIN_US / cpu))
        quota = int(cpu * period)
        if is_v2():
            write(path + "/cpu.max", f"{quota} {period}")
        else:
            write(path + "/cpu.cfs_period_us", period)
            write(path + "/cpu.cfs_quota_us", quota)

    @staticmethod
    def _memory(path, size):
        write(path + ("/memory.max" if is_v2() else
                      "/memory.limit_in_bytes"), size)

    def join(self, pid):
        for path in self.folders:
            write(path + "/cgroup.procs", pid)

    def ran_out(self):
        """How often a process was killed for its memory."""
        name, word = (("memory.events", "oom_kill") if is_v2() else
                      ("memory.oom_control", "oom_kill"))
        for path in self.folders:
            try:
                with open(f"{path}/{name}") as f:
                    rows = [line.split() for line in f]
            except OSError:
                continue
            return sum(int(r[1]) for r in rows if r[0] == word)
        return 0

    def close(self):
        """Its processes have ended; it may take a moment to be empty."""
        until = time.monotonic() + 2
        for path in self.folders:
            while time.monotonic() < until:
                try:
                    os.rmdir(path)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)
