#!/usr/bin/python3
"""The proof of RELIABILITY.md's promises: one row a promise, one table.

  chaos.py                      every row, and the table
  chaos.py ROW... [--seed S] [--iters N] [--short]
  chaos.py --only P2,P4         the rows of these promises
  chaos.py --controls           the negative controls too: with a defence off
                                the row must fail (needs MODE=faulty programs)
  chaos.py --list               what there is
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, HERE)
import quiet  # noqa: E402
import trial  # noqa: E402
from promises import PROMISES  # noqa: E402
from rows import ROWS  # noqa: E402

LIMIT = 1700  # seconds for one row
REPEATS = 2   # of a row whose time other work has spoilt


def arguments():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("row", nargs="*")
    p.add_argument("--seed", type=int,
                   default=int(os.environ.get("EDGE_SEED", "1")))
    p.add_argument("--iters", type=int, default=0)
    p.add_argument("--short", action="store_true",
                   default=bool(os.environ.get("FAST")))
    p.add_argument("--only", default="")
    p.add_argument("--controls", action="store_true")
    p.add_argument("--only-controls", action="store_true")
    p.add_argument("--tap", action="store_true",
                   help="cases instead of the table")
    p.add_argument("--list", action="store_true")
    p.add_argument("--result", help=argparse.SUPPRESS)
    return p.parse_args()


# ---- one row, in a process of its own --------------------------------------

def run_row(args):
    name = args.row[0]
    # So that whatever the row made is taken down on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    result = trial.run(ROWS[name], name, args.seed, args.iters, args.short)
    trial.write(args.result, result)


class Job:
    """A row that runs, or has run."""
    alive = set()

    def __init__(self, args, row, control=None):
        self.row = row
        self.control = control
        fd, self.path = tempfile.mkstemp(prefix="edge-chaos-", suffix=".json")
        os.close(fd)
        self.again = ["make", "chaos", f"ROW={row}", f"SEED={args.seed}"]
        command = [sys.executable, os.path.abspath(__file__), row,
                   "--seed", str(args.seed), "--iters", str(args.iters),
                   "--result", self.path]
        env = dict(os.environ, EDGE_SEED=str(args.seed))
        # A control needs to fail once; it need not be long.
        if args.short or control:
            command.append("--short")
        if control:
            env.update(control.env)
            if control.off:
                env["EDGED_OFF"] = control.off
                env["EDGE_BIN"] = env.get("EDGE_FAULTY_BIN",
                                          ROOT + "/build/faulty")
                self.again = [f"EDGED_OFF={control.off}",
                              "EDGE_BIN=build/faulty"] + command[1:6]
        self.log = open(self.path + ".log", "w+")
        self.began = time.monotonic()
        self.process = subprocess.Popen(command, env=env, stderr=self.log,
                                        stdout=self.log,
                                        start_new_session=True)
        Job.alive.add(self)

    def label(self):
        return self.row + (f" without {self.control.why}" if self.control
                           else "")

    def done(self):
        if self.process.poll() is not None:
            return True
        if time.monotonic() < self.began + LIMIT:
            return False
        os.killpg(self.process.pid, signal.SIGTERM)
        self.done_within(20)
        return True

    def done_within(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def result(self):
        Job.alive.discard(self)
        try:
            with open(self.path) as f:
                r = json.load(f)
        except ValueError:
            self.log.seek(0)
            tail = self.log.read()[-400:]
            r = {"row": self.row, "verdict": "error", "figures": [],
                 "measured": "", "broken": [], "seed": 0, "seconds": 0,
                 "timed": False,
                 "reason": f"the row ended by itself: {tail}"}
        self.log.seek(0)
        r["log"] = self.log.read()
        self.log.close()
        os.unlink(self.path)
        os.unlink(self.path + ".log")
        return r


def run_jobs(jobs, width):
    """Starts and finishes jobs, `width` at a time; yields (job, result)."""
    waiting, running = list(jobs), []
    while waiting or running:
        while waiting and len(running) < width:
            running.append(waiting.pop(0)())
        for job in [j for j in running if j.done()]:
            running.remove(job)
            yield job, job.result()
        time.sleep(0.05)


# ---- the table -------------------------------------------------------------

def wrap(text, width):
    words, lines = text.split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines


def print_row(columns, widths):
    cells = [wrap(c, w) for c, w in zip(columns, widths)]
    for i in range(max(map(len, cells))):
        print("  ".join((c[i] if i < len(c) else "").ljust(w)
                        for c, w in zip(cells, widths)).rstrip())


def verdict_of(r):
    return {"holds": "holds", "skipped": "SKIP"}.get(
        r["verdict"], r["verdict"].upper())


def print_table(chosen, results, reds):
    widths = (4, 12, 40, 50, 5, 9)
    print()
    print_row(("P", "row", "promised", "measured", "seed", "verdict"), widths)
    for p in chosen:
        if p.skip:
            print_row((p.name, "-", p.promised, p.skip, "-", "SKIP"), widths)
        for i, row in enumerate(p.rows if not p.skip else ()):
            if row not in results:
                continue
            r = results[row]
            text = r["measured"]
            if r["reason"]:
                text += (" -- " if text else "") + r["reason"]
            print_row((p.name, row, p.promised if i == 0 else "", text,
                       str(r["seed"]), verdict_of(r)), widths)
        for control, is_red, why in reds.get(p.name, ()):
            print_row(("", "control", f"{control.row} without {control.why}",
                       why, "", "red" if is_red else "GREEN"), widths)
    print()


def figure_lines(chosen, results, reds):
    for p in chosen:
        if p.skip:
            yield f"figure chaos.{p.name} - - target - skipped {p.skip}"
            continue
        for row in p.rows:
            if row not in results:
                continue
            r = results[row]
            if r["verdict"] in ("skipped", "void", "error"):
                word = ("skipped" if r["verdict"] == "skipped" else "short")
                reason = " ".join(r["reason"].split())[:200]
                yield (f"figure chaos.{p.name}.{row} - - target - {word} "
                       f"{reason}")
            for name, value, unit, target, ok, note in r["figures"]:
                yield (f"figure chaos.{p.name}.{name} {value} {unit or '-'} "
                       f"target {target} {'ok' if ok else 'short'} "
                       f"seed {r['seed']}{'; ' + note if note else ''}")
        for control, is_red, _ in reds.get(p.name, ()):
            yield (f"figure chaos.{p.name}.control.{control.row} "
                   f"{int(is_red)} red target 1 "
                   f"{'ok' if is_red else 'short'} without {control.why}")


def write_figures(lines):
    folder = os.path.join(ROOT, os.environ.get("BUILD", "build"))
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/figures.tsv", "a") as f:
        for line in lines:
            print(line)
            f.write(line + "\n")


# ---- the run ---------------------------------------------------------------

def judge_control(control, r):
    """Red: the row ran and its promise broke. A lab that does not work proves
    nothing about the defence."""
    if control.own:
        found = re.search(rf"^.*?({control.own}.*)$", r["log"], re.M)
        bad = found and "not ok" in found.group(0)
        text = found.group(1) if found else "its test says nothing of it"
        return bool(found) and not bad, text[:160]
    if r["verdict"] == "BROKEN":
        return True, r["reason"][:160]
    return False, f"{r['verdict']}: {r['reason'] or 'nothing broke'}"[:160]


def report(job, r):
    print(f"  {verdict_of(r):6} {job.label()} [{r['seconds']} s]"
          + (f": {r['reason']}" if r["reason"] else ""), flush=True)
    if r["verdict"] in ("BROKEN", "void", "error") and not job.control:
        for line in r["log"].splitlines()[-25:]:
            print("         | " + line)
        print("         repeat: " + " ".join(job.again), flush=True)


def is_spoilt(r, before):
    """Why it proves nothing: only times are short, and others took the
    machine. "" if it does."""
    if r["verdict"] != "BROKEN" or not r.get("timed"):
        return ""
    share = max(before, quiet.others())
    return quiet.said(share) if share > quiet.BUSY else ""


def run_timed(args, row):
    """A row that counts time, alone, on a machine as quiet as it gets."""
    for i in range(REPEATS + 1):
        before = quiet.wait()
        (job, r), = run_jobs([lambda: Job(args, row)], 1)
        why = is_spoilt(r, before)
        if not why or i == REPEATS:
            break
        print(f"  void   {row}: {r['reason']}; {why}; once more", flush=True)
    if why:
        r["verdict"] = "void"
        r["reason"] += "; " + why
    return job, r


def run_all(args, chosen):
    rows = [row for p in chosen if not p.skip for row in p.rows]
    if args.row:
        rows = [r for r in rows if r in args.row]
    beside = {row for p in chosen if p.beside for row in p.rows}
    late = [lambda r=r: Job(args, r) for r in rows if r in beside]
    results = {}

    def take(job, r):
        report(job, r)
        results[job.row] = r
    for row in [r for r in rows if r not in beside]:
        take(*run_timed(args, row))
    for job, r in run_jobs(late, 3):
        take(job, r)
    return results


def run_tap(args, chosen):
    """For `make check`: a case a row, in the lab where there can be one."""
    os.environ["EDGE_LAB"] = "1"
    n = failed = 0
    for p in chosen:
        for row in p.rows:
            (_, r), = run_jobs([lambda row=row: Job(args, row)], 1)
            n += 1
            bad = r["verdict"] not in ("holds", "skipped")
            failed += bad
            skip = "# skip " + r["reason"] if r["verdict"] == "skipped" else ""
            print(f"{'not ok' if bad else 'ok'} {n} {p.name} {row} (seed "
                  f"{r['seed']}): {r['measured']} {skip or r['reason']}",
                  flush=True)
            for line in r["log"].splitlines()[-20:] if bad else []:
                print("# " + line)
    print(f"1..{n}")
    return 1 if failed else 0


def run_controls(args, chosen, results):
    """A control that is in the row's own test has been run with the row."""
    reds = {}
    ran = dict(results)
    wanted = [(p, c) for p in chosen if not p.skip for c in p.controls
              if not args.row or c.row in args.row + ["sim_controls"]]
    for p, control in wanted:
        r = ran.get(control.row) if control.own else None
        if r is None:
            (_, r), = run_jobs([lambda c=control: Job(args, c.row, c)], 1)
            if control.own:
                ran[control.row] = r
        is_red, why = judge_control(control, r)
        print(f"  {'red' if is_red else 'GREEN':6} control {control.row} "
              f"without {control.why}: {why}", flush=True)
        reds.setdefault(p.name, []).append((control, is_red, why))
    return reds


def choose(args):
    only = [w for w in args.only.split(",") if w]
    chosen = [p for p in PROMISES if not only or p.name in only]
    if args.row:
        chosen = [p for p in chosen if set(args.row) & set(p.rows)]
        for p in chosen:
            p.rows = [r for r in p.rows if r in args.row]
    unknown = set(only) - {p.name for p in PROMISES}
    unknown |= set(args.row) - set(ROWS)
    if unknown or not chosen:
        sys.exit(f"chaos: no such row: {' '.join(sorted(unknown))}. "
                 "Try: chaos.py --list")
    return chosen


def end_jobs(number, frame):
    """Ctrl-C: rows end their clusters themselves."""
    for job in list(Job.alive):
        if job.process.poll() is None:
            os.killpg(job.process.pid, signal.SIGTERM)
    for job in list(Job.alive):
        job.done_within(20)
    sys.exit(130)


def main():
    args = arguments()
    if args.list:
        for p in PROMISES:
            print(f"{p.name:4} {p.skip or ' '.join(p.rows)}")
        return 0
    if args.result:
        run_row(args)
        return 0
    signal.signal(signal.SIGTERM, end_jobs)
    signal.signal(signal.SIGINT, end_jobs)
    chosen = choose(args)
    if args.tap:
        return run_tap(args, chosen)
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short",
                             "HEAD"], capture_output=True, text=True)
    began = time.monotonic()
    print(f"chaos: seed {args.seed}, commit {commit.stdout.strip()}",
          flush=True)
    results = {} if args.only_controls else run_all(args, chosen)
    reds = (run_controls(args, chosen, results)
            if args.controls or args.only_controls else {})
    print_table(chosen, results, reds)
    write_figures(figure_lines(chosen, results, reds))
    bad = [r["row"] for r in results.values()
           if r["verdict"] not in ("holds", "skipped")]
    green = [c.row for rs in reds.values() for c, red, _ in rs if not red]
    print(f"took {time.monotonic() - began:.0f} s")
    print(f"{len(results) - len(bad)} rows hold or are skipped, "
          f"{len(bad)} do not; {len(green)} controls stay green")
    return 1 if bad or green else 0


sys.exit(main())
