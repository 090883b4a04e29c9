"""Plays systemd for one unit file, as far as a test can: folders, user,
environment, limits, the notify socket. What needs a kernel's or PID 1's help
(seccomp, cgroups, mount namespaces) it leaves out."""
import os
import resource
import select
import signal
import socket
import subprocess
import time


def read_unit(path):
    """key -> list of values, sections ignored."""
    keys = {}
    with open(path) as f:
        for line in f:
            if "=" in line and not line.startswith(("#", ";")):
                key, value = line.rstrip("\n").split("=", 1)
                keys.setdefault(key, []).append(value)
    return keys


def seconds(text):
    if text.endswith("ms"):
        return float(text[:-2]) / 1000
    return float(text.removesuffix("s"))


class Service:
    """`uid` stands for DynamicUser=; None: as the caller."""

    def __init__(self, path, uid, root=""):
        self.keys = read_unit(path)
        self.name = os.path.basename(path).removesuffix(".service")
        self.uid = uid
        self.command = self.only("ExecStart").split()
        self.watchdog = seconds(self.only("WatchdogSec"))
        self.log_path = f"/tmp/{self.name}.log" if not root else (
            f"{root}/{self.name}.log")
        self.heard = []  # (when, text)
        self.process = None
        self.socket = None

    def only(self, key):
        values = self.keys.get(key, [])
        if len(values) != 1:
            raise ValueError(f"{self.name}: {key} is there {len(values)} times")
        return values[0]

    def make_folders(self):
        env = {}
        for kind, where in (("State", "/var/lib/"), ("Runtime", "/run/")):
            path = where + self.only(kind + "Directory")
            os.makedirs(path, exist_ok=True)
            os.chmod(path, int(self.only(kind + "DirectoryMode"), 8))
            if self.uid is not None:
                os.chown(path, self.uid, self.uid)
            env[kind.upper() + "_DIRECTORY"] = path
        return env

    def listen(self):
        if self.socket is not None:
            self.socket.close()
        path = f"/run/notify-{self.name}"
        if os.path.exists(path):
            os.unlink(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        return path

    def limit(self):
        os.umask(int(self.only("UMask"), 8))
        n = int(self.only("LimitNOFILE"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def start(self, program=None, **env):
        full = {"PATH": "/usr/local/bin:/usr/bin:/bin", **self.make_folders(),
                "NOTIFY_SOCKET": self.listen(),
                "WATCHDOG_USEC": str(int(self.watchdog * 1e6)), **env}
        for line in self.keys.get("Environment", []):
            full.update(word.split("=", 1) for word in line.split())
        command = [program or self.command[0], *self.command[1:]]
        if self.uid is not None:
            command = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}",
                       "--clear-groups", "--no-new-privs",
                       "--bounding-set=-all", "--inh-caps=-all", *command]
        self.heard = []
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, env=full, cwd="/", stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=self.limit)

    def hear(self, limit_s):
        """Waits at most so long for one message; what has come is kept."""
        ready, _, _ = select.select([self.socket], [], [], limit_s)
        while ready:
            text = self.socket.recv(4096).decode()
            self.heard.append((time.monotonic(), text))
            ready, _, _ = select.select([self.socket], [], [], 0)

    def until(self, condition, limit_s):
        """Hears until the condition is true, or it has died: its value."""
        end = time.monotonic() + limit_s
        while not (value := condition()):
            left = end - time.monotonic()
            if left <= 0 or (self.process.poll() is not None and left < 0.1):
                return value
            self.hear(min(left, 0.05))
        return value

    def said(self, word):
        """When it said so, in any line of any message."""
        return [when for when, text in self.heard
                if any(line.startswith(word) for line in text.split("\n"))]

    def status(self):
        lines = [line[7:] for _, text in self.heard
                 for line in text.split("\n") if line.startswith("STATUS=")]
        return lines[-1] if lines else ""

    def stop(self, number=signal.SIGTERM, limit_s=20):
        """Exit code (None: still there) and how long it took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.until(lambda: self.process.poll() is not None, limit_s)
        self.hear(0)
        return self.process.poll(), time.monotonic() - began

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()
