"""Boards as network namespaces on one bridge, and faults of their net
(RELIABILITY.md (e), R1-R4). Needs root; why_not() says what is missing.

Names begin with a prefix of this process, so that several labs run side by
side, and a reaper (reaper.py) takes everything down even if this process is
killed. Nothing outside of these namespaces is touched."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from reaper import Reaper  # noqa: E402

# Without certificates edged speaks on loopback only, so the boards' addresses
# are of 127/8, which these namespaces carry from one to the other.
NET_PLAIN = "127.77.0."
NET = "10.77.0."


def run(*args, check=True, stdin=None):
    p = subprocess.run(args, input=stdin, capture_output=True, text=True)
    if check and p.returncode != 0:
        raise RuntimeError(" ".join(args) + ": " + p.stderr.strip())
    return p


def why_not():
    """The reason that there can be no lab here; "" if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "nft", "iptables", "tc"):
        if not shutil.which(program):
            return f"there is no program {program} (deploy/apt-test.txt)"
    name = f"edgelab{os.getpid()}t"
    if run("ip", "netns", "add", name, check=False).returncode != 0:
        return "no network namespace can be made here"
    try:
        p = run("ip", "-n", name, "link", "add", "v", "type", "bridge",
                check=False)
        return "" if p.returncode == 0 else "the kernel has no bridge"
    finally:
        run("ip", "netns", "del", name, check=False)


class Net:
    """A bridge and one namespace for each of `names`."""
    number = 0

    def __init__(self, names, net=NET):
        Net.number += 1
        self.prefix = f"edgelab{os.getpid()}n{Net.number}"
        self.names = list(names)
        self.net = net
        self.reaper = Reaper()
        self.delays = {}  # namespace -> the netdelay that runs there
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self):
        self._add("sw")
        run("ip", "-n", self.ns("sw"), "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self.ns("sw"), "link", "set", "br0", "up")
        for i, name in enumerate(self.names):
            self._add(name)
            self._wire(name, i)

    def _add(self, name):
        self.reaper.note("netns", self.ns(name))
        run("ip", "netns", "add", self.ns(name))

    def _wire(self, name, i):
        ns, sw = self.ns(name), self.ns("sw")
        run("ip", "link", "add", "v", "netns", ns, "type", "veth", "peer",
            "name", f"p{i}", "netns", sw)
        run("ip", "-n", sw, "link", "set", f"p{i}", "master", "br0", "up")
        run("ip", "-n", ns, "link", "set", "lo", "up")
        if self.net.startswith("127."):
            self.within(name, "sh", "-c",
                        "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet")
            # 127/8 is the machine itself; here only 127.0.0.1 is.
            for table in (["ip", "route", "del", "local", "127.0.0.0/8",
                           "table", "local"],
                          ["ip", "addr", "flush", "dev", "lo"],
                          ["ip", "addr", "add", "127.0.0.1/32", "dev", "lo"]):
                self.within(name, *table, check=False)
        run("ip", "-n", ns, "addr", "add", self.address(name) + "/24", "dev",
            "v", *(["scope", "global"]))
        run("ip", "-n", ns, "link", "set", "v", "up")
        self._as_boards_do(name)

    def _as_boards_do(self, name):
        """Boards' systems come with CUBIC. A machine that runs tests may be
        set to BBR, which keeps a token bucket a fifth empty: before its queue
        fills its round trip is some microseconds, so the window is of that.
        Where CUBIC is not to be had, things stay as they are."""
        self.within(name, "ip", "route", "replace", self.net + "0/24", "dev",
                    "v", "proto", "kernel", "scope", "link", "src",
                    self.address(name), "congctl", "cubic", check=False)

    def ns(self, name):
        return f"{self.prefix}-{name}"

    def address(self, name):
        return self.net + str(self.names.index(name) + 1)

    def command(self, name, *args):
        """The argument list that runs `args` on that board."""
        return ["ip", "netns", "exec", self.ns(name), *args]

    def within(self, name, *args, check=True, stdin=None):
        return run(*self.command(name, *args), check=check, stdin=stdin)

    # ---- faults ------------------------------------------------------------
    def link(self, name, up):
        """Pulls the cable, or puts it back."""
        run("ip", "-n", self.ns("sw"), "link", "set",
            f"p{self.names.index(name)}", "up" if up else "down")

    def drop_from(self, name, sources):
        """What `sources` send to `name` is lost from now on."""
        rules = "".join(f"  ip saddr {self.address(s)} counter drop\n"
                        for s in sources)
        self.within(name, "nft", "-f", "-", stdin=(
            "table inet chaos {\n chain in {\n  type filter hook input "
            "priority 0; policy accept;\n" + rules + " }\n}\n"))

    def one_way(self, name, side):
        """At once, at the switch: side "in", nothing reaches the board any
        more; "out", nothing of it reaches others."""
        word = "oifname" if side == "in" else "iifname"
        run("ip", "netns", "exec", self.ns("sw"), "nft", "-f", "-", stdin=(
            "table bridge chaos {\n chain way {\n  type filter hook forward "
            "priority 0; policy accept;\n  " + word +
            f' "p{self.names.index(name)}" counter drop\n }}\n}}\n'))

    def both_ways(self):
        run("ip", "netns", "exec", self.ns("sw"), "nft", "delete", "table",
            "bridge", "chaos", check=False)

    def heal(self, name):
        """After drop_from() or refuse()."""
        self.within(name, "nft", "delete", "table", "inet", "chaos",
                    check=False)

    def refuse(self, name, port):
        """Connections to a port are reset, as after a crash."""
        self.within(name, "nft", "-f", "-", stdin=(
            "table inet chaos {\n chain in {\n  type filter hook input "
            "priority 0; policy accept;\n  tcp dport " + str(port) +
            " counter reject with tcp reset\n }\n}\n"))

    def reset(self, name, port):
        """Live connections from or to a port of a board end with RST."""
        self.within(name, "ss", "-K", "-tn", "sport", "=", str(port),
                    check=False)

    def rate(self, name, bits):
        """What a board sends, such as "8mbit"."""
        self.within(name, "tc", "qdisc", "add", "dev", "v", "root",
                    *bucket(bits))

    def rate_in(self, name, bits):
        """What a board is sent, at the switch."""
        run("tc", "-n", self.ns("sw"), "qdisc", "add", "dev",
            f"p{self.names.index(name)}", "root", *bucket(bits))

    def unlimited(self, name):
        self.within(name, "tc", "qdisc", "del", "dev", "v", "root",
                    check=False)

    def loss(self, name, part):
        """This part of what a board is sent is lost."""
        self.within(name, "iptables", "-A", "INPUT", "-i", "v", "-m",
                    "statistic", "--mode", "random", "--probability",
                    str(part), "-j", "DROP")

    def no_loss(self, name):
        self.within(name, "iptables", "-F", "INPUT", check=False)

    def delay(self, name, ms, jitter_ms=0, loss=0.0, seed=1):
        """What a board is sent comes later (R4); raises where it cannot."""
        program = netdelay()
        process = subprocess.Popen(
            self.command(name, program, "7", str(ms), str(jitter_ms),
                         str(loss), str(seed)), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.reaper.note("pid", process.pid)
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError("netdelay: " + process.stderr.read())
        self.delays[name] = process
        self.within(name, "iptables", "-t", "mangle", "-A", "PREROUTING",
                    "-i", "v", "-j", "NFQUEUE", "--queue-num", "7")

    def no_delay(self, name):
        self.within(name, "iptables", "-t", "mangle", "-F", "PREROUTING",
                    check=False)
        process = self.delays.pop(name, None)
        if process is not None:
            process.terminate()
            process.wait()
            process.stdout.close()
            process.stderr.close()

    def close(self):
        for name in list(self.delays):
            self.no_delay(name)
        self.reaper.close()


def bucket(bits):
    """A token bucket for tc: of 1 ms, and a whole segment at least."""
    unit = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}[bits[-4:]]
    burst = max(32 << 10, int(float(bits[:-4]) * unit / 8 / 1000))
    return ["tbf", "rate", bits, "burst", str(burst), "latency", "400ms"]


def netdelay():
    """The path of the program; raises FileNotFoundError with the reason."""
    folder = os.environ.get("EDGE_BIN", "build/release")
    path = os.path.abspath(folder + "/tests/lib/lab/netdelay")
    if not os.path.exists(path):
        raise FileNotFoundError(
            "netdelay is not built (libnetfilter-queue-dev)")
    return path
