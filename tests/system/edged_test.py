"""What the system tests share: a cluster of real processes in a temporary
folder, and TAP. Needs nothing but the standard library."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("EDGE_BIN",
                                     os.path.join(ROOT, "build/release")))
DATA = os.environ.get("EDGE_DATA", os.path.join(ROOT, "..", "shared", "data"))

SANITIZER = r"(ERROR|WARNING): (Address|Leak|Thread|Memory)Sanitizer|" \
    r"runtime error:"


def findings(folder):
    """What sanitizers said in the logs below a folder, with its place."""
    said = []
    for top, _, names in os.walk(folder):
        for path in (os.path.join(top, n) for n in names
                     if n.endswith("log")):
            with open(path, errors="replace") as f:
                lines = f.read().splitlines()
            at = next((i for i, line in enumerate(lines)
                       if re.search(SANITIZER, line)), None)
            if at is not None:
                said += [os.path.relpath(path, folder), *lines[at:at + 50]]
    return said


def clear(folder):
    """Removes a cluster's folder. What a sanitizer found in one of its
    programs fails the test, whatever the test itself saw of it."""
    said = findings(folder)
    shutil.rmtree(folder, ignore_errors=True)
    if said:
        print("\n".join(said), flush=True)
        raise RuntimeError("a sanitizer found something, see above")


class Tap:
    """Counts and prints cases; plan() at the end."""

    def __init__(self):
        self.n = 0
        self.failed = 0

    def case(self, ok, name, detail=""):
        self.n += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.n} {name}")
        for line in str(detail).splitlines()[:20] if not ok else []:
            print("# " + line)
        sys.stdout.flush()
        return ok

    def skip(self, name, reason):
        self.n += 1
        print(f"ok {self.n} {name} # skip {reason}", flush=True)

    def note(self, text):
        print("# " + text, flush=True)

    def end(self):
        print(f"1..{self.n}")
        sys.exit(1 if self.failed else 0)


class Cluster:
    """A coordinator and N daemons. Use as a context manager."""

    def __init__(self, n, name="test", memory=None, keep=None,
                 allow_faults=False):
        self.n = n
        self.allow_faults = allow_faults
        self.name = name
        self.memory = memory
        self.folder = keep or tempfile.mkdtemp(prefix="edged-test.")
        self.env = dict(os.environ, EDGED_CLUSTER=name,
                        XDG_RUNTIME_DIR=self.folder + "/run",
                        XDG_STATE_HOME=self.folder + "/state")
        os.makedirs(self.folder + "/run", exist_ok=True)

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *exc):
        self.ctl("down", "-q")
        clear(self.folder)

    def up(self):
        args = ["up", "--local=%d" % self.n, "-q"]
        if self.memory:
            args.append("--memory=%d" % self.memory)
        if self.allow_faults:
            args.append("--allow-faults")
        rc, out, err = self.ctl(*args)
        if rc != 0:
            raise RuntimeError("up: " + err)

    def ctl(self, *args, stdin=None, timeout=600):
        """(exit code, stdout, stderr) of edgectl."""
        p = subprocess.run([BIN + "/edgectl", *args], env=self.env,
                           input=stdin, capture_output=True, timeout=timeout)
        return (p.returncode, p.stdout.decode(errors="replace"),
                p.stderr.decode(errors="replace"))

    def start(self, *args):
        return subprocess.Popen([BIN + "/edgectl", *args], env=self.env,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def json(self, *args):
        rc, out, err = self.ctl(*args, "-o", "json")
        if rc != 0:
            raise RuntimeError(" ".join(args) + ": " + err)
        return json.loads(out)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def deploy(self, yaml_text, *args):
        path = self.write("cluster.yaml", yaml_text)
        return self.ctl("deploy", path, "--progress=none", "-o", "json", *args)

    def devices(self):
        """The `devices:` of a cluster.yaml for this cluster."""
        return f"local {self.n}"

    def names(self):
        """Of all programs of the cluster."""
        return [f"local-{i + 1}" for i in range(self.n)] + ["coordinator"]

    def log_path(self, name):
        return f"{self.folder}/state/edged/{self.name}/{name}/log"

    def pid(self, name):
        """The pid of `local-1` or `coordinator`; None while it is down."""
        with open(f"{self.folder}/run/edged-{self.name}/up.pid") as f:
            parent = f.read().strip()
        want = f"{self.folder}/state/edged/{self.name}/{name}".encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    ppid = f.read().rsplit(")", 1)[1].split()[1]
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    args = f.read().split(b"\0")
            except OSError:
                continue
            if ppid == parent and want in args:
                return int(pid)
        return None

    def kill(self, name, number=signal.SIGKILL):
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, number)
        return pid

    def wait_ready(self, seconds=20):
        """Until every replica of every deployment is ready."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            rc, out, _ = self.ctl("status", "-o", "json")
            if rc == 0:
                rows = json.loads(out)["deployments"]
                if rows and all(r["state"] == "ready" for r in rows):
                    return True
            time.sleep(0.05)
        return False


def even_stages(model, k):
    """`stages:` that cut a model into k of about the same work, for tests
    that are about stages: the planner itself may well say that one board
    alone is faster."""
    p = subprocess.run([BIN + "/edgectl", "model", "inspect", model, "-o",
                        "json"], capture_output=True, text=True, timeout=60)
    layers = json.loads(p.stdout)["layers"] if p.returncode == 0 else []
    total = sum(layer["macs"] for layer in layers)
    text, first, done = "", 0, 0
    for i, layer in enumerate(layers):
        done += layer["macs"]
        made = text.count("\n")
        if i + 1 == len(layers) or (
                not layer["fused"] and layer.get("cut_bytes") and
                made + 1 < k and done >= total * (made + 1) / k):
            text += (f'  - {{name: s{made}, layers: '
                     f'"{layers[first]["name"]}..{layer["name"]}"}}\n')
            first = i + 1
    return "stages:\n" + text if text.count("\n") > 1 else ""


def cluster_yaml(model, n, replicas=1, labels=None, spec=None, name="test",
                 cut=True):
    """With `cut`, over all n devices: as many stages as they allow."""
    text = f"name: {name}\ndevices: local {n}\nmodel:\n  file: {model}\n"
    if labels:
        text += f"  labels: {labels}\n"
    if spec:
        text += f"  input: {spec}\n"
    text += f"replicas: {replicas}\n"
    k = n // replicas
    return text + even_stages(model, k) if cut and k > 1 else text
