"""Real processes over TLS, with certificates that the openssl command makes:
another implementation than the one under test. Who gets in, and what those
are told who do not."""
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/chaos"]
import onnx_tiny  # noqa: E402
from edged_test import BIN, Tap  # noqa: E402
from procs import Procs  # noqa: E402

IDLE_KIB = 16 * 1024  # RELIABILITY: an idle daemon


def openssl(*args, stdin=b"", timeout=20):
    p = subprocess.run(["openssl", *args], input=stdin, capture_output=True,
                       timeout=timeout)
    return p.returncode, (p.stdout + p.stderr).decode(errors="replace")


def must(*args):
    rc, text = openssl(*args)
    if rc != 0:
        raise RuntimeError(f"openssl {args[0]}: {text}")


class Authority:
    """A CA of the openssl command."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.key, self.cert = folder + "/ca.key", folder + "/ca.pem"
        self.make_key(self.key)
        must("req", "-x509", "-new", "-key", self.key, "-out", self.cert,
             "-days", "30", "-subj", "/CN=test", "-addext",
             "basicConstraints=critical,CA:TRUE", "-addext",
             "keyUsage=critical,keyCertSign,cRLSign")

    @staticmethod
    def make_key(path):
        must("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
             path)
        os.chmod(path, 0o600)

    def issue(self, folder, uri):
        """FOLDER/tls/{ca,cert,key}.pem of somebody."""
        tls = folder + "/tls"
        os.makedirs(tls, exist_ok=True)
        self.make_key(tls + "/key.pem")
        with open(tls + "/ext", "w") as f:
            f.write(f"subjectAltName=URI:{uri}\n"
                    "extendedKeyUsage=serverAuth,clientAuth\n")
        must("req", "-new", "-key", tls + "/key.pem", "-subj", "/CN=x",
             "-out", tls + "/csr")
        must("x509", "-req", "-in", tls + "/csr", "-CA", self.cert, "-CAkey",
             self.key, "-CAcreateserial", "-days", "7", "-extfile",
             tls + "/ext", "-out", tls + "/cert.pem")
        with open(self.cert) as f, open(tls + "/ca.pem", "w") as out:
            out.write(f.read())
        if uri == "edged://coordinator":
            shutil.copy(self.key, tls + "/ca-key.pem")  # keeps its mode


class Secure(Procs):
    """As Procs, with certificates instead of --insecure."""

    def __init__(self, n):
        super().__init__(n)
        self.ca = Authority(self.folder + "/authority")
        for name in self.nodes():
            self.ca.issue(self.state(name), "edged://node/" + name)
        self.ca.issue(self.state("coordinator"), "edged://coordinator")

    def start(self, name, **env):
        if name == "coordinator":
            args = [self.bin + "/edge-coordinator", "--cluster", "test",
                    "--state", self.state(name), "--socket", self.socket]
            for node, port in self.ports.items():
                args += ["--node", f"{node}=127.0.0.1:{port}"]
        else:
            args = [self.bin + "/edged", "--name", name, "--cluster", "test",
                    "--listen", "0.0.0.0", "--state", self.state(name),
                    "--port", str(self.ports.get(name, 0))]
        with open(self.state(name) + "/log", "ab") as log:
            self[name] = subprocess.Popen(args, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log,
                                          env=dict(self.base, **env))
        return self[name]

    def log(self, name):
        with open(self.state(name) + "/log", errors="replace") as f:
            return f.read()

    def nodes_up(self):
        return self.log("coordinator").count("peer.up name=local-") >= self.n

    def s_client(self, name, *args, stdin=b""):
        return openssl("s_client", "-quiet", "-connect",
                       f"127.0.0.1:{self.ports[name]}", "-CAfile",
                       self.ca.cert, *args, stdin=stdin)[1]


# ---- programs without certificates -----------------------------------------

def run(folder, program, *args):
    """One that should end by itself."""
    p = subprocess.run([f"{BIN}/{program}", "--state", folder, *args],
                       capture_output=True, timeout=10)
    return p.returncode, p.stderr.decode(errors="replace")


def stays_up(folder, text, program, *args):
    """Whether it says that, and is there afterwards; and its log."""
    os.makedirs(folder, exist_ok=True)
    path = folder + "/log"
    with open(path, "wb") as log:
        p = subprocess.Popen([f"{BIN}/{program}", "--state", folder, *args],
                             stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def said():
        with open(path, errors="replace") as f:
            return f.read()
    try:
        ok = Procs.wait_for(lambda: text in said(), 10) and p.poll() is None
    finally:
        p.kill()
        p.wait()
    return ok, said()


def no_certificates(tap, folder):
    ok, text = stays_up(folder, "edgectl token create | ssh x sudo edged "
                        "join -", "edged", "--name", "x", "--port", "0")
    tap.case(ok, "edged without a certificate says how to join, and waits",
             text)
    ok, text = stays_up(folder, "edgectl init", "edge-coordinator",
                        "--socket", folder + "/s")
    tap.case(ok, "edge-coordinator without one says how to begin, and waits",
             text)
    for program in ("edged", "edge-coordinator"):
        rc, text = run(folder, program, "--insecure", "--listen", "0.0.0.0",
                       "--port", "0")
        tap.case(rc == 1 and "plain text is for loopback only" in text and
                 "without --insecure" in text,
                 f"{program} --insecure listens on loopback alone", text)


def open_key(tap, cluster):
    folder = cluster.folder + "/open-key"
    cluster.ca.issue(folder, "edged://node/x")
    os.chmod(folder + "/tls/key.pem", 0o644)
    ok, text = stays_up(folder, "chmod 600", "edged", "--name", "x", "--port",
                        "0")
    tap.case(ok and "net.listen address" not in text,
             "a key that others may read is not used", text)


# ---- a cluster --------------------------------------------------------------

def works(tap, cluster):
    tap.case(cluster.wait_for(cluster.nodes_up, 10),
             "nodes with openssl's certificates come up",
             cluster.log("coordinator")[-2000:])
    model = onnx_tiny.relu(cluster.folder + "/m.onnx", 1000)
    path = cluster.folder + "/cluster.yaml"
    with open(path, "w") as f:
        f.write(f"name: test\ndevices: local {cluster.n}\n"
                f"model:\n  file: {model}\n")
    rc, out, err = cluster.ctl("deploy", path, "--progress=none")
    tap.case(rc == 0, "a model is deployed and its golden input answered",
             out + err)
    rc, out, _ = cluster.ctl("status")
    tap.case(rc == 0 and "plain text" not in out, "status warns of nothing",
             out)


def idle_memory(tap, cluster):
    for name in ("local-2", "coordinator"):
        with open(f"/proc/{cluster[name].pid}/status") as f:
            kib = int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
        tap.note(f"figure tls.rss.{name} {kib} KiB")
        if name == "local-2":
            tap.case(kib <= IDLE_KIB, f"an idle daemon takes {kib} KiB")


def strangers(tap, cluster):
    name = "local-1"
    own = cluster.state("local-2") + "/tls/"
    text = cluster.s_client(name, "-tls1_3")
    tap.case("certificate required" in text,
             "no certificate: alert 116, after the handshake", text)
    text = cluster.s_client(name, "-tls1_2", "-cert", own + "cert.pem",
                            "-key", own + "key.pem")
    tap.case("alert protocol version" in text, "TLS 1.2 is refused", text)
    other = Authority(cluster.folder + "/other")
    other.issue(cluster.folder + "/evil", "edged://coordinator")
    evil = cluster.folder + "/evil/tls/"
    text = cluster.s_client(name, "-cert", evil + "cert.pem", "-key",
                            evil + "key.pem", "-cert_chain", evil + "ca.pem")
    tap.case("alert unknown ca" in text, "another CA is refused", text)
    with socket.create_connection(("127.0.0.1", cluster.ports[name])) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        s.settimeout(5)
        answer = s.makefile("rb").read()
    tap.case(answer.startswith(b"EDG1") and b"this port speaks TLS" in answer,
             "plain text is told so in plain text", answer)


def foreign_node(tap, cluster):
    """A card with another cluster's certificate where local-2 should be."""
    cluster.stop("local-2")
    Authority(cluster.folder + "/third").issue(cluster.state("local-2"),
                                               "edged://node/local-2")
    cluster.start("local-2")
    said = "local-2 presents a certificate of another cluster (CA "

    def is_said():
        return said in cluster.log("coordinator")
    tap.case(cluster.wait_for(is_said, 15) and
             "ssh local-2 sudo edged join -" in cluster.log("coordinator"),
             "the coordinator says whose certificate it met, and what to do",
             cluster.log("coordinator")[-1500:])


def answer_tls(listener, said):
    """An edged with --insecure in one respect: it answers in plain text."""
    s, _ = listener.accept()
    said.append(s.recv(3))
    s.sendall(b"EDG1" + bytes(40))
    s.close()


def plain_node(tap, cluster):
    listener = socket.create_server(("127.0.0.1", cluster.ports["local-2"]))
    said = []
    thread = threading.Thread(target=answer_tls, args=(listener, said))
    thread.start()
    thread.join(10)
    listener.close()
    text = "the other end answers in plain text"

    def is_said():
        return text in cluster.log("coordinator")
    tap.case(said == [b"\x16\x03\x01"] and cluster.wait_for(is_said, 5),
             "who answers in plain text is recognised",
             cluster.log("coordinator")[-1500:])


def main():
    tap = Tap()
    with Secure(2) as cluster:
        no_certificates(tap, cluster.folder + "/none")
        open_key(tap, cluster)
        works(tap, cluster)
        idle_memory(tap, cluster)
        strangers(tap, cluster)
        foreign_node(tap, cluster)
        cluster.stop("local-2")
        plain_node(tap, cluster)
    tap.end()


main()
