"""Takes down what a test made, even if the test is killed: a process of its
own that reads what there is from a pipe, and acts when the pipe ends."""
import os
import shutil
import signal
import subprocess
import sys
import time


class Reaper:
    """note() before a thing is made; close() when it may go."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__)],
            stdin=subprocess.PIPE, start_new_session=True, text=True)

    def note(self, kind, what):
        self.process.stdin.write(f"{kind} {what}\n")
        self.process.stdin.flush()

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process = None


def pids_of(name):
    p = subprocess.run(["ip", "netns", "pids", name], capture_output=True,
                       text=True)
    return [int(w) for w in p.stdout.split()]


def end(pids):
    """SIGTERM, then SIGKILL for those that stay; SIGCONT, as one may be
    stopped."""
    for number in (signal.SIGCONT, signal.SIGTERM):
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
    until = time.monotonic() + 3
    while time.monotonic() < until and any(
            os.path.exists(f"/proc/{pid}") and not is_zombie(pid)
            for pid in pids):
        time.sleep(0.02)
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def end_group(path):
    """A control group: what is in it, then itself."""
    try:
        with open(path + "/cgroup.procs") as f:
            end([int(line) for line in f])
        until = time.monotonic() + 2
        while time.monotonic() < until:
            try:
                os.rmdir(path)
                return
            except OSError:
                time.sleep(0.02)
    except OSError:
        pass


def take_down(kind, what):
    if kind == "netns":
        end(pids_of(what))
        subprocess.run(["ip", "netns", "del", what], capture_output=True)
    elif kind == "pid":
        end([int(what)])
    elif kind == "cgroup":
        end_group(what)
    elif kind == "folder":
        shutil.rmtree(what, ignore_errors=True)


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    things = [line.split(None, 1) for line in sys.stdin]
    for kind, what in reversed(things):
        take_down(kind, what.strip())


if __name__ == "__main__":
    main()
