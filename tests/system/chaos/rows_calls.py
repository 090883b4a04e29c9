"""Rows whose test exists already: it is called, and what it says is taken
over. A test that is called here is not written a second time."""
import glob
import os
import re
import subprocess
import tempfile

from trial import ROOT, Skip, Void

BUILD = os.environ.get("BUILD", ROOT + "/build")


def binaries():
    return os.environ.get("EDGE_BIN", ROOT + "/build/release")


# Rows that only compute leave the processor to those beside them that wait
# for a heartbeat: what P3 counts are not this machine's own queues.
IDLE = ["nice", "-n", "19"]


def call(t, command, env=None, seconds=1200):
    """Exit code and output; the output goes to the row's log as well."""
    full = dict(os.environ, EDGE_BIN=binaries(), EDGE_SEED=str(t.seed),
                **(env or {}))
    for name in ("ONLY", "ROW", "CONTROLS"):  # make chaos's own words
        full.pop(name, None)
    t.note("$ " + " ".join(command))
    try:
        p = subprocess.run(command, cwd=ROOT, env=full, text=True,
                           errors="replace", stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=seconds)
    except subprocess.TimeoutExpired as e:
        t.must(False, f"not done within {seconds} s")
        return 1, (e.stdout or b"").decode(errors="replace")
    for line in p.stdout.splitlines()[-80:]:
        t.note(line)
    return p.returncode, p.stdout


def need(*paths):
    for path in paths:
        if not os.path.exists(os.path.join(ROOT, path)):
            raise Skip(f"{path} is not there")


def find(t, text, figures):
    """figures: (pattern, name, unit, "most" or "least" or "exactly",
    limit); the worst of all matches counts."""
    for pattern, name, unit, kind, limit in figures:
        values = [float(v.replace(",", "")) for v in re.findall(pattern, text)]
        if not values:
            t.must(False, f"the test printed no {name}")
            continue
        value = min(values) if kind == "least" else max(values)
        value = int(value) if value == int(value) else value
        if kind == "exactly":
            t.exactly(name, value, limit)
        else:
            getattr(t, kind)(name, value, unit, limit)


def tap(t, command, env=None, figures=(), seconds=1200):
    """A test that prints TAP."""
    rc, out = call(t, command, env, seconds)
    cases = re.findall(r"^(ok|not ok) \d+ (.*)$", out, re.M)
    skips = [name for _, name in cases if "# skip" in name.lower()]
    for verdict, name in cases:
        if verdict == "not ok":
            t.must(False, name)
    if not cases:
        raise Void("the test said nothing: " + out[-200:])
    if len(skips) == len(cases):
        raise Skip(skips[0].split("# skip", 1)[-1].strip())
    find(t, out, figures)
    t.measured(f"{len(cases) - len(skips)} cases")
    t.must(rc == 0, f"exit code {rc}")


def counted(t, command, env=None, figures=(), seconds=1200):
    """A test that ends in "N passed, N failed", or cmocka's."""
    rc, out = call(t, command, env, seconds)
    find(t, out, figures)
    failed = re.findall(r"^(?:FAILED|\[  FAILED  \]) (.*)$", out, re.M)
    t.must(rc == 0, "; ".join(failed[:2]) or f"exit code {rc}")


# ---- P4, P7, P18 -----------------------------------------------------------

def last(t):
    need("tests/system/recovery.py")
    tap(t, ["/usr/bin/python3", "tests/system/recovery.py"],
        {"EDGE_ROUNDS": "1"} if t.short else {},
        [(r"spare is there: .* slowest ([\d,.]+) ms", "slowest_with_spare",
          "ms", "most", 2500),
         (r"first answer ([\d.]+) s", "t_placed_again", "s", "most", 5)])


def failpoints(t):
    need("tests/system/failpoints.py", "build/faulty/edged")
    tap(t, ["/usr/bin/python3", "tests/system/failpoints.py"],
        {"SAMPLE": "12" if t.short else "0"},
        [(r"figure p7.t_converge_max ([\d.]+)", "t_converge", "s", "most",
          10),
         (r"figure p7.deaths (\d+)", "deaths", "", "least",
          12 if t.short else 60),
         (r"figure p7.crossed (\d+)", "crossed", "", "exactly", 0)])


def rolling(t):
    need("tests/system/rolling.py")
    tap(t, ["/usr/bin/python3", "tests/system/rolling.py"], {},
        [(r"figure p18.leave_max ([\d.]+)", "t_leave", "s", "most", 10),
         (r"figure p18.failed (\d+)", "failed", "", "exactly", 0),
         (r"figure p18.upgrade_failed (\d+)", "upgrade_failed", "",
          "exactly", 0)])


# ---- P5, P9, P11, P22: the simulation and the units ------------------------

def memory_folder():
    """The state folders of simulated nodes need no disk; None: the usual."""
    folder = "/dev/shm"
    try:
        s = os.statvfs(folder)
        free = s.f_bavail * s.f_frsize
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) and free > 1 << 30 else None


def seeds_of(t, first, n, seconds):
    """Runs seeds of the simulation; its tally is measured."""
    program = binaries() + "/tests/sim/sim_cluster"
    need(program)
    with tempfile.TemporaryDirectory(dir=memory_folder()) as folder:
        rc, out = call(t, [*IDLE, program, "--seeds", f"{first}..{first + n - 1}"],
                       {"TMPDIR": folder}, seconds)
    bad = re.findall(r"^FAILED seed (\d+): (.*)$", out, re.M)
    for seed, why in bad[:3]:
        t.must(False, f"seed {seed}: {why}; repeat: {program} --seed {seed}")
    passed = re.search(r"(\d+) passed, (\d+) failed", out)
    if not passed:
        raise Void("the simulation said nothing: " + out[-200:])
    t.must(rc == 0, f"exit code {rc}")
    return int(passed.group(1)), len(bad), out


def simulate(t):
    n = t.iters or (40 if t.short else 1000)
    passed, bad, out = seeds_of(t, 1 + (t.seed - 1) * n, n, 1650)
    t.exactly("seeds_failed", bad)
    t.least("seeds", passed, "", n)
    found = re.search(r"lasted ([\d.]+) min", out)
    t.measured(f"each {found.group(1) if found else '?'} min of virtual time "
               "or more (1 h nightly)")


def once(t):
    """Every answer of every seed is compared with its model's, and counted;
    frames come late, twice and in another order."""
    n = t.iters or (10 if t.short else 60)
    passed, bad, out = seeds_of(t, 100000 + t.seed * n, n, 900)
    t.exactly("wrong_or_twice", bad)
    t.least("seeds", passed, "", n)
    found = re.search(r"(\d+) requests: (\d+) right", out)
    t.least("right_answers", int(found.group(2)) if found else 0, "",
            1000 * n)


def sim_controls(t):
    """The simulation takes defences away itself and must go red."""
    program = os.environ.get("EDGE_RELEASE_BIN",
                             ROOT + "/build/release") + "/tests/sim/sim_cluster"
    need(program)
    call(t, [*IDLE, program, "--control"])


# ---- P12 -------------------------------------------------------------------

def fuzz(t):
    seconds = t.iters or (5 if t.short else 60)
    targets = glob.glob(ROOT + "/tests/fuzz/fuzz_*.c")
    rc, out = call(t, [*IDLE, "bash", "tests/run.sh", "fuzz"],
                   {"TIME": str(seconds), "BUILD": "build"}, 1500)
    ran = re.findall(r"ok +fuzz/(\w+): .*inputs: (\d+)", out)
    t.least("targets", len(ran), "", max(8, len(targets)))
    t.exactly("crashes", len(re.findall(r"FAIL +fuzz/", out)))
    t.measured(f"{seconds} s each, " + ", ".join(
        f"{name.removeprefix('fuzz_')} {int(n):,}" for name, n in ran))
    for name, n in ran:
        if name in ("fuzz_frame", "fuzz_msg") and seconds >= 60:
            t.least(name + "_inputs", int(n), "", 1000000)
    t.must(rc == 0, f"exit code {rc}")


# ---- P17 -------------------------------------------------------------------

def units(t):
    files = sorted(glob.glob(ROOT + "/deploy/*.service"))
    if not files:
        raise Skip("deploy/ has no units")
    t.least("units", len(files), "", 2)
    for path in files:
        with open(path) as f:
            text = f.read()
        if os.environ.get("EDGE_UNITS_DEFAULT"):  # the control
            text = text.replace("StartLimitIntervalSec=0", "")
        with tempfile.TemporaryDirectory() as folder:
            copy = folder + "/" + os.path.basename(path)
            with open(copy, "w") as f:
                f.write(text)
            unit(t, copy)


def unit(t, path):
    name = os.path.basename(path).removesuffix(".service")
    p = subprocess.run(["systemd-analyze", "security", "--offline=true",
                        "--threshold=15", path],
                       capture_output=True, text=True)
    found = re.search(r"exposure level for \S+: ([\d.]+)", p.stdout)
    if not found:
        raise Void("systemd-analyze: " + (p.stderr or p.stdout)[-200:])
    t.most(f"exposure_{name}", float(found.group(1)), "", 1.5)
    with open(path) as f:
        keys = dict(line.strip().split("=", 1) for line in f
                    if "=" in line and not line.startswith("#"))
    for key, value in (("StartLimitIntervalSec", "0"), ("Restart", "always"),
                       ("NoNewPrivileges", "yes"),
                       ("CapabilityBoundingSet", "")):
        t.must(keys.get(key) == value,
               f"{name}: {key} is {keys.get(key)}, not {value}: with the "
               "default a crash loop ends for ever"
               if key.startswith("Start") else f"{name}: {key}")
    t.must("WatchdogSec" in keys and keys.get("Type") == "notify",
           f"{name}: no watchdog")


# ---- tests that are written where what they test is ------------------------

def corrupt(t):
    program = binaries() + "/tests/unit/test_corrupt"
    if not os.path.exists(program):
        raise Skip("tests/unit/test_corrupt.c is not there")
    trials = 500 if t.short else 10000
    counted(t, [*IDLE, program], {"CORRUPT_TRIALS": str(trials)},
            [(r"refused (\d+) of \d+", "refused", "", "least", trials)])


def planted(t):
    """The frames' target with a read past the end: it must be found."""
    rc, out = call(t, [*IDLE, "bash", "tests/run.sh", "fuzz", "frame"],
                   {"TIME": "20", "BUILD": "build"}, 600)
    t.exactly("crashes", len(re.findall(r"FAIL +fuzz/", out)))
    t.must(rc == 0, f"exit code {rc}")
