"""N emulated boards on one machine, from one small TOML file:

    [[board]]             # as many tables as there are kinds of boards
    name = "pi"           # pi-1, pi-2, ...
    count = 4
    cpu = 0.25            # cores, by quota; not given: not limited
    memory = "128MiB"     # not given: not limited
    rate = "1gbit"        # its link, each way; not given: not limited
    delay_ms = 0.2        # of what it is sent, and jitter_ms
    macs_per_s = 2e9      # paced: runs take as long as at this rate, or
    pace = "pi3.toml"     # as a table of layers and seconds says, or
    slower = 2.0          # so many times as long as those two say
    [gateway]             # the coordinator's board; may be left out
    rate = "1gbit"

With root a board is a network namespace with a control group. Without, all of
them are on loopback behind relays that delay and limit (slowlink.py), and
compute is paced, but not held by a quota: says() tells which it is.

An emulated board that is paced computes everything for real and then waits
for the rest of its time (edged --pace), so that this machine must be able to
compute at the rate of all boards together; check() says if it is not."""
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../system")]
import control  # noqa: E402
import namespaces  # noqa: E402
from cluster import LabCluster  # noqa: E402
from edged_test import BIN  # noqa: E402
from procs import Procs  # noqa: E402
from slowlink import SlowLinks  # noqa: E402

KEYS = {"name", "count", "cpu", "memory", "rate", "delay_ms", "jitter_ms",
        "macs_per_s", "pace", "slower"}
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
RATES = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}


def number(text, units, what):
    m = re.fullmatch(r"([0-9.]+)\s*([A-Za-z]+)", text)
    if not m or m.group(2) not in units:
        raise ValueError(f"{what}: \"{text}\" is not a number and one of "
                         f"{', '.join(units)}")
    return float(m.group(1)) * units[m.group(2)]


class Board:
    def __init__(self, name, row, folder):
        unknown = set(row) - KEYS
        if unknown:
            raise ValueError(f"board {name}: no such key: {unknown}")
        self.name = name
        self.cpu = row.get("cpu")
        self.memory = (int(number(row["memory"], UNITS, name))
                       if "memory" in row else None)
        self.rate = row.get("rate")
        self.bytes_per_s = (number(self.rate, RATES, name) / 8
                            if self.rate else None)
        self.delay_ms = row.get("delay_ms", 0)
        self.jitter_ms = row.get("jitter_ms", 0)
        self.macs_per_s = row.get("macs_per_s")
        self.slower = row.get("slower", 1.0)
        self.table = None  # layer -> seconds
        if "pace" in row:
            with open(os.path.join(folder, row["pace"]), "rb") as f:
                self.table = tomllib.load(f)["layers"]

    def is_paced(self):
        return self.table is not None or self.macs_per_s is not None


def read(text, folder="."):
    """The boards of a lab's file; paths in it are relative to `folder`."""
    boards = []
    for row in tomllib.loads(text).get("board", []):
        for _ in range(row.get("count", 1)):
            n = sum(b.name.startswith(row.get("name", "board") + "-")
                    for b in boards)
            boards.append(Board(f"{row.get('name', 'board')}-{n + 1}", row,
                                folder))
    if not boards:
        raise ValueError("a lab needs a [[board]]")
    return boards


def layers(model):
    """[{name, macs, output, ...}] of a model, as the planner sees them."""
    p = subprocess.run([BIN + "/edgectl", "model", "inspect", model, "-o",
                        "json"], capture_output=True, text=True)
    if p.returncode != 0:
        raise RuntimeError(p.stderr)
    return json.loads(p.stdout)["layers"]


def numbers(shape):
    n = 1
    for d in shape:
        n *= d or 1
    return n


def pace_rows(board, rows):
    """layer -> (seconds, work) of a paced board."""
    table = {}
    for row in rows:
        work = row["macs"] or numbers(row["output"])
        if board.table is not None:
            seconds = board.table.get(row["name"], 0)
        else:
            seconds = row["macs"] / board.macs_per_s
        if seconds > 0:
            table[row["name"]] = (seconds * board.slower, work)
    return table


def write_pace(board, rows, path):
    with open(path, "w") as f:
        f.write("# OP SECONDS WORK\n")
        for name, (seconds, work) in pace_rows(board, rows).items():
            f.write(f"{name} {seconds!r} {work}\n")


def check(boards):
    """What of it this machine cannot give, as sentences; [] is good."""
    cores = os.cpu_count()
    quotas = sum(b.cpu for b in boards if b.cpu)
    return ([f"quotas of {quotas:.2f} cores on a machine of {cores}"]
            if quotas >= cores else [])


def has_netdelay():
    try:
        namespaces.netdelay()
    except FileNotFoundError:
        return False
    return True


class SpaceLab(LabCluster):
    """Boards as network namespaces and control groups."""

    def __init__(self, boards, model=None, name="lab", gateway=None):
        super().__init__(len(boards), name=name, plain=True)
        self.kinds = {b.name: b for b in boards}
        self.boards = list(self.kinds)
        self.model = model
        self.groups = {}
        self.missing = []
        self.gateway = gateway  # its rate

    def says(self):
        return "; ".join(["network namespaces, control groups v" +
                          ("2" if control.is_v2() else "1")] + self.missing)

    def __enter__(self):
        self.rows = layers(self.model) if self.model else []
        return super().__enter__()

    def __exit__(self, *exc):
        try:
            super().__exit__(*exc)
        finally:
            for group in self.groups.values():
                group.close()

    def _start(self, name):
        if name in self.kinds and name not in self.groups:
            self._limit(self.kinds[name])
        if name == "coordinator" and self.gateway is not None:
            self.net.rate(name, self.gateway)
            self.net.rate_in(name, self.gateway)
            self.gateway = None  # once
        super()._start(name)

    def _command(self, name):
        args = super()._command(name)
        board = self.kinds.get(name)
        if board is not None and board.memory:
            args += ["--memory", str(int(board.memory / (1 << 20)) - 12)]
        if board is not None and board.is_paced():
            path = f"{self._state(name)}/pace"
            write_pace(board, self.rows, path)
            args += ["--pace", path]
        return args

    def _limit(self, board):
        """Before its first process; the process enters by itself, so that
        nothing of it is outside of its group."""
        cpu, memory = board.cpu, board.memory
        for controller, wanted in (("cpu", cpu), ("memory", memory)):
            why = control.why_not(controller) if wanted else ""
            if why:
                self.missing.append(why)
                cpu = None if controller == "cpu" else cpu
                memory = None if controller == "memory" else memory
        self.groups[board.name] = control.Group(
            self.net.ns(board.name), cpu, memory, self.net.reaper)
        if board.rate:
            self.net.rate(board.name, board.rate)
            self.net.rate_in(board.name, board.rate)
        if board.delay_ms or board.jitter_ms:
            if has_netdelay():
                self.net.delay(board.name, board.delay_ms, board.jitter_ms)
            else:
                self.missing.append("no delays: netdelay is not built")

    def _popen(self, name, log):
        group = self.groups.get(name)

        def enter():
            if group is not None:
                group.join(os.getpid())

        return subprocess.Popen(
            self.net.command(name, *self._command(name)), env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            preexec_fn=enter)


class LoopLab(Procs):
    """The same calls without root: loopback, relays, paced compute."""

    def __init__(self, boards, model=None, name="test"):
        super().__init__(len(boards))
        self.kinds = {b.name: b for b in boards}
        self.boards = list(self.kinds)
        self.model = model
        self.relays = {}

    def says(self):
        unheld = [w for w, is_asked in (
            ("CPU quotas", any(b.cpu for b in self.kinds.values())),
            ("memory limits", any(b.memory for b in self.kinds.values())))
            if is_asked]
        return ("no root: loopback and relays" +
                (", without " + " and ".join(unheld) if unheld else ""))

    def nodes(self):
        return self.boards

    def __enter__(self):
        self.rows = layers(self.model) if self.model else []
        for board in self.kinds.values():
            # A relay stands for both links that bytes pass.
            delay = board.delay_ms / 1e3, \
                (board.delay_ms + board.jitter_ms) / 1e3
            if board.delay_ms or board.jitter_ms or board.rate:
                self.relays[board.name] = SlowLinks(
                    delay, board.bytes_per_s).__enter__()
        super().__enter__()
        if not self.wait_for(lambda: self.ctl("nodes", "-o", "json")[1].count(
                '"state": "ready"') == len(self.boards), 20):
            self.__exit__()
            raise RuntimeError("the lab's nodes are not ready")
        return self

    def __exit__(self, *exc):
        super().__exit__(*exc)
        for relay in self.relays.values():
            relay.__exit__()

    def reach(self, name, port):
        relay = self.relays.get(name)
        return relay.before(port) if relay else port

    def arguments(self, name):
        board = self.kinds.get(name)
        args = []
        if board is not None and board.memory:
            args += ["--memory", str(int(board.memory / (1 << 20)) - 12)]
        if board is not None and board.is_paced():
            path = self.state(name) + "/pace"
            write_pace(board, self.rows, path)
            args += ["--pace", path]
        return args

    def log_path(self, name):
        return self.state(name) + "/log"

    def pid(self, name):
        return self[name].pid if self[name].poll() is None else None

    def json(self, *args):
        rc, out, err = self.ctl(*args, "-o", "json")
        if rc != 0:
            raise RuntimeError(" ".join(args) + ": " + err)
        return json.loads(out)

    def devices(self):
        return "[" + ", ".join(
            f"{{name: {b}, host: 127.0.0.1, port: {self.ports[b]}}}"
            for b in self.boards) + "]"

    def write(self, name, text):
        path = f"{self.folder}/{name}"
        with open(path, "w") as f:
            f.write(text)
        return path

    def deploy(self, text, *args):
        path = self.write("cluster.yaml", text)
        return self.ctl("deploy", path, "--progress=none", "-o", "json", *args,
                        timeout=600)


def open_lab(text, model=None, folder="."):
    """A lab for the file's text; a context manager."""
    boards = read(text, folder)
    if namespaces.why_not():
        return LoopLab(boards, model)  # each relay stands for both ends
    return SpaceLab(boards, model,
                    gateway=tomllib.loads(text).get("gateway", {}).get("rate"))
