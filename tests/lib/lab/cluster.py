"""A cluster whose boards are network namespaces: the same calls as
edged_test.Cluster, and faults of the net. What dies is started again as a
service manager would."""
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "../../system"))
from edged_test import BIN, Cluster  # noqa: E402
from certs import Authority  # noqa: E402
from namespaces import NET, NET_PLAIN, Net  # noqa: E402

PORT = 7433
RESTART_S = 0.3


class LabCluster(Cluster):
    """Over mTLS; `plain`: without certificates, on addresses of loopback."""

    def __init__(self, n, name="lab", memory=None, plain=False):
        super().__init__(n, name=name, memory=memory,
                         keep=tempfile.mkdtemp(prefix="edged-lab."))
        self.boards = [f"local-{i + 1}" for i in range(n)]
        self.plain = plain
        self.held = set()
        self.processes = {}
        self.ending = threading.Event()
        self.lock = threading.Lock()

    def __enter__(self):
        self.net = Net(self.boards + ["coordinator"],
                       NET_PLAIN if self.plain else NET)
        self.net.reaper.note("folder", self.folder)
        self.run_folder = f"{self.folder}/run/edged-{self.name}"
        os.makedirs(self.run_folder, mode=0o700, exist_ok=True)
        try:
            for name in self.boards + ["coordinator"]:
                os.makedirs(self._state(name), mode=0o700)
            if not self.plain:
                self._certify()
            for name in self.names():
                self._start(name)
            self.keeper = threading.Thread(target=self._keep, daemon=True)
            self.keeper.start()
            self._wait_nodes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.ending.set()
        if hasattr(self, "keeper"):
            self.keeper.join()
        for process in self.processes.values():
            process.send_signal(18)  # SIGCONT: one may be stopped
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.net.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- processes ---------------------------------------------------------
    def _state(self, name):
        return os.path.dirname(self.log_path(name))

    def _certify(self):
        authority = Authority(self.folder + "/authority")
        for board in self.boards:
            authority.issue(self._state(board), "edged://node/" + board)
        authority.issue(self._state("coordinator"), "edged://coordinator")

    def _command(self, name):
        state = self._state(name)
        insecure = ["--insecure"] if self.plain else []
        if name == "coordinator":
            args = [BIN + "/edge-coordinator", "--state", state, "--socket",
                    self.run_folder + "/api.sock", "--cluster", self.name,
                    *insecure]
            for board in self.boards:
                args += ["--node",
                         f"{board}={self.net.address(board)}:{PORT}"]
            return args
        args = [BIN + "/edged", "--name", name, "--state", state, "--listen",
                self.net.address(name), "--port", str(PORT), "--cluster",
                self.name, *insecure]
        return args + (["--memory", str(self.memory)] if self.memory else [])

    def _start(self, name):
        with open(self.log_path(name), "a") as log:
            self.processes[name] = self._popen(name, log)
        self.net.reaper.note("pid", self.processes[name].pid)

    def _popen(self, name, log):
        return subprocess.Popen(
            self.net.command(name, *self._command(name)), env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)

    def _keep(self):
        died = {}
        while not self.ending.wait(0.05):
            for name, process in list(self.processes.items()):
                if process.poll() is None:
                    continue
                since = died.setdefault(name, time.monotonic())
                with self.lock:
                    held = name in self.held
                if not held and time.monotonic() - since >= RESTART_S:
                    self._start(name)
                    del died[name]

    def hold_down(self, name, held=True):
        """While held, what dies stays dead, as a board without power."""
        with self.lock:
            (self.held.add if held else self.held.discard)(name)

    def _wait_nodes(self):
        until = time.monotonic() + 20
        while time.monotonic() < until:
            rc, out, _ = self.ctl("nodes", "-o", "json")
            if rc == 0 and out.count('"state": "ready"') == self.n:
                return
            time.sleep(0.05)
        raise RuntimeError("the lab's nodes are not ready: " + out)

    def names(self):
        return self.boards + ["coordinator"]

    def devices(self):
        return "[" + ", ".join(
            f"{{name: {b}, host: {self.net.address(b)}, port: {PORT}}}"
            for b in self.boards) + "]"

    def pid(self, name):
        process = self.processes[name]
        return process.pid if process.poll() is None else None

    # ---- faults ------------------------------------------------------------
    def link(self, name, up):
        self.net.link(name, up)

    def one_way(self, name, side):
        self.net.one_way(name, side)

    def both_ways(self):
        self.net.both_ways()
