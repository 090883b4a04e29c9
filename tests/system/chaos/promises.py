"""The table: a row per promise of RELIABILITY.md (a), what runs for it, and
which defence its control takes away."""


class Promise:
    def __init__(self, name, promised, rows=(), controls=(), skip="",
                 beside=False):
        self.name = name          # P1
        self.promised = promised  # the number column
        self.rows = rows          # names in ROWS
        self.controls = controls  # Control, each must go red
        self.skip = skip          # why it does not run
        self.beside = beside      # nothing is timed: others may run with it


class Control:
    """A row that must fail: with programs of MODE=faulty and `off` taken
    away, or with `env` set."""

    def __init__(self, row, off="", env=None, why="", own=""):
        self.row = row
        self.own = own  # the row's test has the control in it: what it says
        self.off = off
        self.env = env or {}
        self.why = why


LATER = "its mechanism has an issue of its own: "

PROMISES = [
    Promise("P1", "0 failed, wrong, duplicate of >= 10,000 over 20 kills; "
            "p99 in the kill second <= p99 + 250 ms", ["kill9"],
            [Control("kill9", "resend", why="sending again")]),
    Promise("P2", "0 failed; slowest <= 2.5 s; SUSPECT <= 2.0 s, "
            "DEAD <= 3.5 s", ["stop", "cut", "oneway"],
            [Control("stop", "timers", why="timers")]),
    Promise("P3", "false alarms: 0 on a clean net; < 0.1 DEAD a device-hour "
            "at 2 % loss + 20 ms", ["clean", "lossy"],
            [Control("clean", "limits-0.3s", why="limits above 0.3 s")],
            beside=True),
    Promise("P4", "the last holder: with a spare 0 failed, <= 2.5 s; without "
            "placed again <= 5 s, or fails fast by name", ["last"],
            [Control("last", "place-again", why="placing again")]),
    Promise("P5", "answered exactly once; a reply is right for one named "
            "model", ["once"],
            [Control("sim_controls", why="dedup",
                     own=r"control dedup off: seed \d+ goes red")], beside=True),
    Promise("P6", "training survives a crash: goes on <= 5 s, loses <= a "
            "checkpoint's interval, ends bit-identical", ["train"],
            [Control("train", "checkpoint", why="whole checkpoints")]),
    Promise("P7", "a crash at any failpoint of a deploy: converges <= 10 s, "
            "0 crossed", ["failpoints"],
            [Control("failpoints", why="the journal",
                     own=r"ok \d+ control: with the journal off it fails")]),
    Promise("P8", "power cuts: whole-old or whole-new",
            skip=LATER + "power cuts in virtual machines"),
    Promise("P9", "10,000 of 10,000 flips and truncations of weights refused",
            ["corrupt"],
            [Control("corrupt", "digest", why="checking digests")],
            beside=True),
    Promise("P10", "disk full, EIO: the old model serves",
            skip=LATER + "disk torture"),
    Promise("P11", "idle <= 16 MiB RSS; a 10 min storm of hostile bytes "
            "under a memory limit: 0 OOM kills", ["storm"],
            [Control("storm", "unpack-budget", why="the budget allocator")],
            beside=True),
    Promise("P12", "60 s a fuzz target, 0 crashes; >= 1e6 inputs of frames "
            "and messages; >= 8 targets", ["fuzz"],
            [Control("planted", why="a check", env={"EDGE_PLANTED": "1"})],
            beside=True),
    Promise("P13", "1,000 idle strangers: closed <= 5 s, one <= 2 KiB, all "
            "<= 2 MiB; p99 worsens <= 10 %", ["idle"],
            [Control("idle", "auth-deadline", why="the deadline")]),
    Promise("P14", "slow reader and sender: <= 4 MiB a peer, closed <= 10 s; "
            "others' p99 worsens <= 10 %", ["slow"],
            [Control("slow", "client-bytes,high-water",
                     why="the high-water mark")]),
    Promise("P15", "overload x4: goodput >= 90 %, rejects <= 10 ms, retry "
            "<= 20 %", ["overload"],
            [Control("overload", "queue-bound", why="bounds of queues")]),
    Promise("P16", "each malloc and each I/O call fails once",
            skip=LATER + "malloc and I/O torture"),
    Promise("P17", "units: exposure <= 1.5, no start limit", ["units"],
            [Control("units", why="StartLimitIntervalSec=0",
                     env={"EDGE_UNITS_DEFAULT": "1"})]),
    Promise("P18", "SIGTERM drains <= 10 s; rolling restart: 0 failed",
            ["rolling"],
            [Control("rolling", why="draining",
                     own=r"ok \d+ control: with draining off")]),
    Promise("P19", "clock jumps", skip=LATER + "clocks"),
    Promise("P20", "24 h soak", skip=LATER + "the soak"),
    Promise("P21", "N and N-1 talk", skip="there is no earlier release yet"),
    Promise("P22", "1,000 simulated seeds", ["simulate"],
            [Control("sim_controls", why="sending again",
                     own=r"control no resends: seed \d+ goes red"),
             Control("sim_controls", why="right kernels",
                     own=r"control spoiled answers: seed \d+ goes red")],
            beside=True),
]
