"""Boards as they come out of the box, in network namespaces: each program runs
as a user of its own with the two folders that a service manager would give it,
and has no certificate until somebody makes it a member. `edgectl` runs as root
on the coordinator's board, `edged join` as root on the other ones."""
import glob
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../system")]
from edged_test import BIN  # noqa: E402
from namespaces import Net  # noqa: E402

PORT = 7433
JOIN_PORT = 7434
FIRST_USER = 65101
PROGRAMS = ("edged", "edge-coordinator", "edgectl")


def wait_for(condition, seconds, pause=0.05):
    """The condition's value once it is true; the last one after so long."""
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > until:
            return value
        time.sleep(pause)


def faketime(offset):
    """The environment of a program whose wall clock is wrong, for Shelf.more;
    None: there is no libfaketime here."""
    paths = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not paths:
        return None
    return ["LD_PRELOAD=" + paths[0], "FAKETIME=" + offset,
            "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1"]


class Shelf:
    """A context manager. `coordinator_args` are more of its arguments."""

    def __init__(self, boards, coordinator_args=()):
        self.boards = list(boards)
        self.coordinator_args = list(coordinator_args)
        self.folder = tempfile.mkdtemp(prefix="edged-shelf.")
        os.chmod(self.folder, 0o755)  # users of other ids go through it
        self.bin = self.folder + "/bin"
        self.home = self.folder + "/home"
        self.processes = {}
        self.more = {}  # name -> "NAME=VALUE" that its program gets besides

    def __enter__(self):
        self.net = Net(["coordinator"] + self.boards)
        self.net.reaper.note("folder", self.folder)
        try:
            os.mkdir(self.bin)
            os.mkdir(self.home, 0o700)
            for program in PROGRAMS:
                shutil.copy(f"{BIN}/{program}", self.bin)
            for name in self.names():
                self.unpack(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        for name in list(self.processes):
            self.stop(name, 9)
        self.net.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def names(self):
        return ["coordinator"] + self.boards

    def unpack(self, name):
        """A board with empty folders, owned by the program's user."""
        user = FIRST_USER + self.names().index(name)
        for path, mode in ((self.state(name), 0o700), (self.run(name), 0o755)):
            shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path)
            os.chmod(path, mode)
            os.chown(path, user, user)

    def state(self, name):
        return f"{self.folder}/{name}.state"

    def run(self, name):
        return f"{self.folder}/{name}.run"

    def address(self, name):
        return self.net.address(name)

    # ---- processes ---------------------------------------------------------
    def command(self, name, *args):
        if name == "coordinator":
            args = [self.bin + "/edge-coordinator", *self.coordinator_args,
                    *args]
        else:
            args = [self.bin + "/edged", "--name", name, "--config", "",
                    *args]
        user = str(FIRST_USER + self.names().index(name))
        return self.net.command(name, "setpriv", "--reuid", user, "--regid",
                                user, "--clear-groups", "--no-new-privs",
                                "env", *self.more.get(name, []), *args)

    def environment(self, name):
        env = dict(os.environ, STATE_DIRECTORY=self.state(name),
                   RUNTIME_DIRECTORY=self.run(name), HOME="/nonexistent",
                   EDGED_TRACE="net,member,authority,rollout")
        env.pop("NOTIFY_SOCKET", None)
        return env

    def start(self, name, *args):
        with open(f"{self.folder}/{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                self.command(name, *args), env=self.environment(name),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        self.net.reaper.note("pid", self.processes[name].pid)

    def try_to_start(self, name, *args, seconds=10):
        """(exit code, stderr) of a program that should end by itself."""
        p = subprocess.run(self.command(name, *args), capture_output=True,
                           env=self.environment(name), timeout=seconds)
        return p.returncode, p.stderr.decode(errors="replace")

    def stop(self, name, number=15):
        p = self.processes.pop(name)
        if p.poll() is None:
            p.send_signal(number)
        return p.wait(20)

    def lives(self, name):
        return self.processes[name].poll() is None

    def log(self, name):
        try:
            with open(f"{self.folder}/{name}.log", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def says(self, name, text, seconds=5):
        return wait_for(lambda: text in self.log(name), seconds)

    def rss_kib(self, name):
        with open(f"/proc/{self.processes[name].pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    # ---- what people type --------------------------------------------------
    def _user(self):
        return dict(os.environ, HOME=self.home,
                    XDG_CONFIG_HOME=self.home + "/config",
                    EDGED_API=self.run("coordinator") + "/api.sock")

    def ctl(self, *args, timeout=60):
        p = subprocess.run(
            self.net.command("coordinator", self.bin + "/edgectl", *args),
            env=self._user(), stdin=subprocess.DEVNULL, capture_output=True,
            timeout=timeout)
        return (p.returncode, p.stdout.decode(errors="replace"),
                p.stderr.decode(errors="replace"))

    def begin(self, *args):
        return subprocess.Popen(
            self.net.command("coordinator", self.bin + "/edgectl", *args),
            env=self._user(), stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def token(self, *args):
        rc, out, err = self.ctl("token", "create", *args)
        if rc != 0:
            raise RuntimeError("token create: " + err)
        return out

    def join(self, name, token, *args):
        """`edged join - <<<TOKEN` on that board."""
        if not args:
            args = ("--run", self.run(name))
            self.wait_socket(name)
        p = subprocess.run(
            self.net.command(name, self.bin + "/edged", "join", *args, "-"),
            input=token.encode(), capture_output=True, timeout=60)
        return p.returncode, p.stderr.decode(errors="replace")

    def wait_socket(self, name):
        wait_for(lambda: os.path.exists(self.run(name) + "/join.sock"), 5)

    def ready(self, *names):
        import json
        rc, out, _ = self.ctl("nodes", "-o", "json")
        nodes = json.loads(out)["nodes"] if rc == 0 else []
        up = {n["name"] for n in nodes if n["state"] == "ready"}
        return up.issuperset(names or self.boards)

    def wait_ready(self, *names, seconds=15):
        return wait_for(lambda: self.ready(*names), seconds)

    # ---- what lies about ---------------------------------------------------
    def open_files(self):
        """State that others than its owner may touch: there must be none."""
        found = []
        for name in self.names():
            for folder, _, files in os.walk(self.state(name)):
                for path in [folder] + [f"{folder}/{f}" for f in files]:
                    if stat.S_IMODE(os.lstat(path).st_mode) & 0o077:
                        found.append(path)
        for path in (glob.glob(self.folder + "/*.run/*.sock") +
                     glob.glob(self.home + "/**", recursive=True)):
            if stat.S_IMODE(os.lstat(path).st_mode) & 0o077:
                found.append(path)
        return found

    def all_logs(self):
        return "".join(self.log(name) for name in self.names())
