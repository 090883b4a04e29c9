"""What `make install` copies, and how the two units' programs behave under a
service manager: the manager is played. Runs in a network, mount and host name
namespace of its own, on the default paths and ports, with no prior set-up."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from edged_test import BIN, ROOT, Tap  # noqa: E402
from unit_player import Service, read_unit, seconds  # noqa: E402

FAULTY = os.environ.get("EDGE_FAULTY", ROOT + "/build/faulty")
BOARD = "pi-1"
ADDRESS = "10.78.0.1"
PROGRAMS = ["edged", "edge-coordinator", "edgectl"]
UNITS = ["edged", "edge-coordinator"]
SLACK_S = 1.5  # of this machine, over what a promise allows


def sh(*command, env=None, stdin=None, timeout=60):
    p = subprocess.run(command, cwd=ROOT, text=True, capture_output=True,
                       env=env, input=stdin, timeout=timeout)
    return p.returncode, p.stdout, p.stderr


def must(*command, **kind):
    rc, out, err = sh(*command, **kind)
    if rc != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {rc}: {out}{err}")
    return out


# ---- make install ----------------------------------------------------------

def make(folder, target, *more):
    """With the compiler of the build that is tested, or all of it would be
    compiled again."""
    with open(BIN + "/flags") as f:
        compiler = f.read().split(" -std=")[0]
    return must("make", target, f"B={os.path.relpath(BIN, ROOT)}",
                "MODE=release", f"CC={compiler}", f"DESTDIR={folder}", *more,
                timeout=600)


def files_of(folder):
    return sorted(os.path.relpath(os.path.join(at, name), folder)
                  for at, _, names in os.walk(folder) for name in names)


def expected(prefix):
    docs = prefix + "/share/doc/edged"
    files = [f"{prefix}/bin/{name}" for name in PROGRAMS]
    files += [f"{prefix}/lib/systemd/system/{name}.service" for name in UNITS]
    files += [f"{docs}/{name}" for name in (
        "copyright", "README.md", "OPERATIONS.md", "CONFIG.md", "FAILURES.md")]
    for source, below in (("deploy/examples", ""), ("deploy/demo", "demo/"),
                          ("deploy/demo/images", "demo/images/")):
        files += [f"{docs}/examples/{below}{name}"
                  for name in os.listdir(f"{ROOT}/{source}")
                  if name.endswith((".yaml", ".txt", ".onnx", ".jpg", ".png"))]
    return sorted(file.lstrip("/") for file in files)


def installs(tap, folder):
    make(folder, "install")
    found = files_of(folder)
    tap.case(found == expected("usr/local"), "make install copies what it says",
             set(found) ^ set(expected("usr/local")))
    modes = {name: os.stat(f"{folder}/usr/local/bin/{name}").st_mode & 0o777
             for name in PROGRAMS}
    tap.case(set(modes.values()) == {0o755}, "programs are executable", modes)
    empty = [f for f in found if os.path.getsize(f"{folder}/{f}") == 0]
    tap.case(not empty, "no file is empty", empty)
    other = folder + ".usr"
    make(other, "install", "PREFIX=/usr")
    found = files_of(other)
    keys = read_unit(other + "/usr/lib/systemd/system/edged.service")
    tap.case(found == expected("usr") and
             keys["ExecStart"] == ["/usr/bin/edged"],
             "PREFIX=/usr moves all of it, and what the units start",
             f"{found} {keys['ExecStart']}")
    mine = other + "/usr/bin/another"
    open(mine, "w").close()
    make(other, "uninstall", "PREFIX=/usr")
    tap.case(files_of(other) == ["usr/bin/another"],
             "make uninstall removes just that", files_of(other))
    shutil.rmtree(other)


def needs(tap, folder):
    """Every library is one of deploy/apt-run.txt, or of every Debian."""
    with open(ROOT + "/deploy/apt-run.txt") as f:
        listed = {line.split()[0] for line in f if line[:1].isalpha()}
    found = set()
    for name in PROGRAMS:
        out = must("objdump", "-p", f"{folder}/usr/local/bin/{name}")
        found |= set(re.findall(r"NEEDED +(\S+)", out))
    owners = {}
    for library in found:
        _, out, _ = sh("dpkg", "-S", "*/" + library)
        owners[library] = {line.split(":")[0] for line in out.splitlines()}
    missing = [library for library, names in owners.items()
               if not names & (listed | {"libc6"})]
    tap.case(not missing, "deploy/apt-run.txt has every library's package",
             f"{missing} {owners}")
    needed = {name for names in owners.values() for name in names}
    tap.case(listed <= needed, "and no other", listed - needed)


def is_clean(tap, name):
    path = f"/usr/local/lib/systemd/system/{name}.service"
    if shutil.which("systemd-analyze") is None:
        tap.skip(f"{name}: systemd-analyze", "systemd is not installed")
        return
    rc, out, err = sh("systemd-analyze", "verify", path)
    tap.case(rc == 0 and not (out + err).strip(),
             f"{name}: systemd-analyze verify is clean", out + err)
    rc, out, err = sh("systemd-analyze", "security", "--offline=true",
                      "--threshold=15", path)
    found = re.search(r"exposure level for \S+: ([\d.]+)", out)
    tap.case(rc == 0 and found and float(found.group(1)) <= 1.5,
             f"{name}: exposure <= 1.5", (out + err)[-300:])
    if found:
        tap.note(f"figure p17.exposure_{name} {found.group(1)}")


# ---- the machine -----------------------------------------------------------

def is_alone():
    """Whether the mounts below would be ours alone: service.sh is executed
    as `unshare`, so the parent has another mount namespace, or may not be
    looked at because it is of another user namespace."""
    try:
        return (os.readlink("/proc/self/ns/mnt") !=
                os.readlink(f"/proc/{os.getppid()}/ns/mnt"))
    except PermissionError:
        return True


def set_up(folder):
    """A board with its own disk, address and name."""
    for path in ("/run", "/var/lib"):
        must("mount", "-t", "tmpfs", "-o", "mode=755", "none", path)
    must("mount", "--bind", folder + "/usr/local", "/usr/local")
    must("hostname", BOARD)
    must("ip", "link", "set", "lo", "up")
    must("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb")
    must("ip", "addr", "add", ADDRESS + "/24", "dev", "va")
    for name in ("va", "vb"):
        must("ip", "link", "set", name, "up")


def may_change_user():
    with open("/proc/self/uid_map") as f:
        return int(f.read().split()[2]) > 70000


class Board:
    def __init__(self, folder):
        uids = (61184, 61185) if may_change_user() else (None, None)
        units = "/usr/local/lib/systemd/system/"
        self.edged = Service(units + "edged.service", uids[0], folder)
        self.coordinator = Service(units + "edge-coordinator.service", uids[1],
                                   folder)
        self.env = {"PATH": os.environ["PATH"], "HOME": folder,
                    "LC_ALL": "C.UTF-8"}
        self.folder = folder

    def ctl(self, *args, **kind):
        return sh("/usr/local/bin/edgectl", *args, env=self.env, **kind)

    def begin(self, *args):
        return subprocess.Popen(["/usr/local/bin/edgectl", *args],
                                env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def infer(self):
        return self.ctl("infer", ROOT + "/deploy/demo/images/circle_1.png",
                        "-o", "json")

    def is_ready(self):
        rc, out, _ = self.ctl("nodes", "-o", "json")
        return rc == 0 and [n for n in json.loads(out)["nodes"]
                            if n["name"] == BOARD and n["state"] == "ready"]

    def wait_for(self, condition, limit_s):
        """Meanwhile both services are listened to."""
        end = time.monotonic() + limit_s
        while not (value := condition()) and time.monotonic() < end:
            self.coordinator.hear(0)
            self.edged.hear(0.05)
        return value

    def end(self):
        for service in (self.edged, self.coordinator):
            if service.process is not None and service.process.poll() is None:
                service.process.kill()
                service.process.wait()


# ---- a first boot ----------------------------------------------------------

def starts_bare(tap, board):
    for service, word in ((board.coordinator, "sudo edgectl init"),
                          (board.edged, "sudo edged join -")):
        service.start()
        ready = service.until(lambda s=service: s.said("READY=1"), 10)
        tap.case(ready, f"{service.name}: READY=1 with nothing set up",
                 service.log())
        told = service.until(lambda s=service, w=word: w in s.status(), 5)
        tap.case(told and service.process.poll() is None,
                 f"{service.name}: stays up, and its status says what to do",
                 f"{service.status()}\n{service.log()}")


def becomes_member(tap, board):
    rc, _, err = board.ctl("token", "create")
    tap.case(rc == 1 and "edgectl init" in err,
             "a token before there is a cluster: refused, with what to do",
             f"{rc}: {err}")
    rc, _, err = board.ctl("init")
    tap.case(rc == 0, "edgectl init finds the coordinator of the system",
             f"{rc}: {err}\n{board.coordinator.log()}")
    rc, token, err = board.ctl("token", "create")
    join = sh("/usr/local/bin/edged", "join", "-", env=board.env, stdin=token)
    tap.case(rc == 0 and join[0] == 0, "the token makes the daemon a member",
             f"{rc} {err} {join}\n{board.edged.log()}")
    tap.case(board.wait_for(board.is_ready, 10), "it is ready",
             board.ctl("nodes")[1] + board.edged.log())
    told = board.wait_for(lambda: "shards" in board.edged.status() and
                          "1 of 1 nodes" in board.coordinator.status(), 5)
    tap.case(told, "both say so to the service manager",
             f"{board.edged.status()}, {board.coordinator.status()}")


def serves(tap, board):
    path = board.folder + "/cluster.yaml"
    with open(ROOT + "/deploy/demo/cluster.yaml") as f:
        text = f.read()
    text = re.sub(r"devices: .*",
                  f"devices: [{{name: {BOARD}, host: {ADDRESS}}}]", text)
    text = re.sub(r"replicas: .*", "", text)
    text = text.replace("shapes.onnx", ROOT + "/deploy/demo/shapes.onnx")
    text = text.replace("labels.txt", ROOT + "/deploy/demo/labels.txt")
    with open(path, "w") as f:
        f.write(text)
    rc, out, err = board.ctl("deploy", path, "--progress=none")
    tap.case(rc == 0, "edgectl deploy", out + err + board.edged.log())
    rc, out, err = board.infer()
    tap.case(rc == 0 and "circle" in out, "edgectl infer", out + err)
    told = board.wait_for(lambda: re.match(r"[1-9]\d* shards, \d+ MiB, [\d.]+ "
                                           r"runs/s$", board.edged.status()),
                          5)
    tap.case(told, "its status says what it holds", board.edged.status())


def others_are_told(tap, board):
    if board.edged.uid is None:
        tap.skip("another user is told to use sudo", "one user only here")
        return
    for command in (["edgectl", "status"], ["edged", "join", "-"]):
        rc, out, err = sh("setpriv", "--reuid=65534", "--clear-groups",
                          "/usr/local/bin/" + command[0], *command[1:],
                          env=dict(board.env, HOME="/"), stdin="x")
        tap.case(rc != 0 and "sudo " + command[0] in err,
                 f"{command[0]}: another user is told to use sudo",
                 f"{rc} {out} {err}")


def backs_up(tap, board):
    """As docs/OPERATIONS.md says; the test's folder is no link."""
    state = "/var/lib/edge-coordinator"
    copy = board.folder + "/backup.tar.gz"
    board.coordinator.stop()
    must("tar", "-C", "/var/lib", "-czf", copy, "edge-coordinator")
    shutil.rmtree(state)
    board.coordinator.start()
    board.coordinator.until(lambda: board.coordinator.said("READY=1"), 10)
    rc, _, _ = board.ctl("token", "create")
    tap.case(rc == 1, "a coordinator that has lost its state has no authority")
    board.coordinator.stop()
    shutil.rmtree(state)
    must("tar", "-C", "/var/lib", "-xzf", copy)
    board.coordinator.start()
    tap.case(board.wait_for(board.is_ready, 10) and board.infer()[0] == 0,
             "restored, the board is a member and serves",
             board.coordinator.log()[-2000:])


def pings(tap, board):
    for service in (board.edged, board.coordinator):
        del service.heard[:]
        service.until(lambda s=service: len(s.said("WATCHDOG=1")) > 2, 15)
        times = service.said("WATCHDOG=1")
        gap = max((b - a for a, b in zip(times, times[1:])), default=99)
        tap.case(len(times) > 2 and gap < service.watchdog / 2 + SLACK_S,
                 f"{service.name}: signs of life, well within WatchdogSec",
                 times)


def comes_back(tap, board):
    code, _ = board.edged.stop(signal.SIGKILL)
    began = time.monotonic()
    board.edged.start()
    ready = board.edged.until(lambda: board.edged.said("READY=1"), 10)
    tap.case(code == -signal.SIGKILL and ready, "ready again after SIGKILL")
    tap.case(board.wait_for(lambda: board.infer()[0] == 0, 10),
             "still a member, with its shards", board.edged.log()[-2000:])
    tap.note(f"figure p17.t_serving {time.monotonic() - began:.2f} s")


# ---- stuck -----------------------------------------------------------------

def sign(service):
    return max(service.said("WATCHDOG=1"))


def stick(board, off=""):
    """A daemon whose compute strand hangs at its first run. When that began,
    and the signs of life that came after it."""
    edged = board.edged
    edged.stop(signal.SIGKILL)
    program = f"{board.folder}/usr/local/bin/edged-faulty"
    if not os.path.exists(program):
        shutil.copy(FAULTY + "/edged", program)
    edged.start("/usr/local/bin/edged-faulty", EDGED_OFF=off,
                EDGED_STALL="run.compute:60000")
    if not board.wait_for(board.is_ready, 10):
        raise RuntimeError("not ready: " + edged.log()[-2000:])
    client = board.begin("infer", ROOT + "/deploy/demo/images/circle_1.png")
    began = time.monotonic()
    edged.until(lambda: time.monotonic() - sign(edged) > edged.watchdog, 20)
    last = sign(edged)
    client.kill()
    client.wait()
    return began, last


def stuck(tap, board):
    edged = board.edged
    began, last = stick(board)
    silent = time.monotonic() - last >= edged.watchdog
    tap.case(silent and board.ctl("logs", BOARD)[0] == 0,
             "a stuck compute strand: no more signs of life, though the loop "
             "lives", edged.log()[-2000:])
    restart = last + edged.watchdog + seconds(edged.only("RestartSec")) - began
    tap.case(restart <= 15, "a manager restarts it <= 15 s after the hang",
             restart)
    tap.note(f"figure p17.t_hang_restart {restart:.1f} s")
    began, last = stick(board, off="progress")
    tap.case(time.monotonic() - last < edged.watchdog,
             "control: without the strand's progress it goes on for ever")
    edged.stop(signal.SIGKILL)


# ---- the end ---------------------------------------------------------------

def stops(tap, board):
    board.edged.start()
    board.wait_for(board.is_ready, 10)
    for service in (board.edged, board.coordinator):
        code, took = service.stop()
        tap.case(service.said("STOPPING=1") and code == 0 and took <= 10,
                 f"{service.name}: SIGTERM: STOPPING=1, exit 0 within 10 s",
                 f"{code} after {took:.1f} s\n{service.log()[-1500:]}")
        left = service.only("TimeoutStopSec")
        tap.case(took < float(left), f"{service.name}: within TimeoutStopSec")
    log = board.edged.log() + board.coordinator.log()
    tap.case("PRIVATE KEY" not in log, "no key in any log")


def main():
    if not is_alone():
        sys.exit("service.py: would mount over /run and /var/lib of this "
                 "machine; run it as: bash tests/system/service.sh")
    tap = Tap()
    folder = tempfile.mkdtemp(prefix="edged-service.")
    board = None
    try:
        installs(tap, folder)
        needs(tap, folder)
        set_up(folder)
        for name in UNITS:
            is_clean(tap, name)
        board = Board(folder)
        for part in (starts_bare, becomes_member, serves,
                     others_are_told, backs_up, pings, comes_back,
                     stuck, stops):
            part(tap, board)
    except RuntimeError as e:
        tap.case(False, "the test can go on", str(e))
    finally:
        if board is not None:
            board.end()
        subprocess.run(["umount", "-l", "/usr/local"], check=False,
                       stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)
    tap.end()


main()
