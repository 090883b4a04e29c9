"""A coordinator and daemons started one by one, so that a test may give each
its own environment and end and restart each by itself. Plain text on
loopback: what is tested here is not the connection."""
import os
import signal
import subprocess
import tempfile
import time

from edged_test import BIN, clear


class Procs(dict):
    """name -> Popen of "coordinator" and "local-1".."local-N". edgectl()
    talks to this coordinator. A context manager."""

    def __init__(self, n, bin_folder=BIN, env=None):
        super().__init__()
        self.bin = os.path.abspath(bin_folder)
        self.n = n
        self.folder = tempfile.mkdtemp(prefix="edged-procs.")
        self.socket = self.folder + "/api.sock"
        self.base = dict(os.environ, **(env or {}))
        self.env = dict(self.base, EDGED_API=self.socket)
        self.env.pop("EDGED_CLUSTER", None)
        self.ports = {}  # where others reach each
        self.listens = {}  # where it listens
        self.starts = 0

    def __enter__(self):
        for name in self.nodes():
            self.start(name)
        for name in self.nodes():
            self.listens[name] = self.read_port(name)
            self.ports[name] = self.reach(name, self.listens[name])
        self.start("coordinator")
        self.wait_for(self.is_listening, 10)
        return self

    def __exit__(self, *exc):
        for name in list(self):
            self.stop(name, signal.SIGKILL)
        clear(self.folder)

    def nodes(self):
        return [f"local-{i + 1}" for i in range(self.n)]

    def state(self, name):
        return f"{self.folder}/{name}"

    def read_port(self, name):
        def port():
            try:
                with open(self.state(name) + "/port") as f:
                    return int(f.read() or 0)
            except OSError:
                return 0
        return self.wait_for(port, 10)

    def reach(self, name, port):
        """The port to dial for one that listens on `port`."""
        del name
        return port

    def arguments(self, name):
        """More of a program's."""
        del name
        return []

    def start(self, name, **env):
        """Starts a process; `env` is for this life of it alone."""
        os.makedirs(self.state(name), exist_ok=True)
        if name == "coordinator":
            args = [self.bin + "/edge-coordinator", "--insecure", "--cluster",
                    "test", "--state", self.state(name), "--socket",
                    self.socket]
            for node, port in self.ports.items():
                args += ["--node", f"{node}=127.0.0.1:{port}"]
        else:
            args = [self.bin + "/edged", "--insecure", "--name", name,
                    "--cluster", "test", "--state", self.state(name),
                    "--port", str(self.listens.get(name, 0))]
        args += self.arguments(name)
        with open(self.state(name) + "/log", "ab") as log:
            self[name] = subprocess.Popen(args, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log,
                                          env=dict(self.base, **env))
        self.starts += 1
        return self[name]

    def stop(self, name, number=signal.SIGTERM, seconds=15):
        """Signals a process and waits for its end: its exit status."""
        p = self[name]
        if p.poll() is None:
            p.send_signal(number)
        return p.wait(seconds)

    def revive(self):
        """Starts again what has died, without a failpoint: who."""
        died = [name for name in self if self[name].poll() is not None]
        for name in died:
            self.start(name)
        return died

    def is_listening(self):
        return self.ctl("status")[0] == 0

    def ctl(self, *args, timeout=60):
        p = subprocess.run([self.bin + "/edgectl", *args], env=self.env,
                           stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=timeout)
        return (p.returncode, p.stdout.decode(errors="replace"),
                p.stderr.decode(errors="replace"))

    def begin(self, *args):
        return subprocess.Popen([self.bin + "/edgectl", *args], env=self.env,
                                stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    @staticmethod
    def wait_for(condition, seconds, pause=0.02):
        """The condition's value once it is true; False after so long."""
        until = time.monotonic() + seconds
        while True:
            value = condition()
            if value or time.monotonic() > until:
                return value
            time.sleep(pause)
