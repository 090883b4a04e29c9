#!/usr/bin/python3
"""From boards without certificates to a cluster over TLS, on addresses that
are not loopback: init, token, join, deploy, infer; everything restarted;
certificates renewed under load; a board revoked, and let in again."""
import json
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/chaos", os.path.join(HERE, "../lib/lab")]
from edged_test import ROOT, Tap, even_stages  # noqa: E402
from namespaces import why_not  # noqa: E402
from shelf import PORT, Shelf, wait_for  # noqa: E402

BOARDS = ["pi-1", "pi-2", "pi-3"]
MODEL = ROOT + "/deploy/demo/shapes.onnx"
PICTURE = ROOT + "/deploy/demo/images/circle_1.png"
LABELS = ROOT + "/deploy/demo/labels.txt"
SPEC = "{size: 64x64, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"
JOIN = "edgectl token create | ssh %s sudo edged join -"
CERT_TTL_S = 45  # renewed when two thirds of it and the backdated minute are
RENEW_S = 10     # over: 10 s after it was made
REVOKE_S = 5


def infer(s):
    """The label that the cluster gives a picture of a circle."""
    rc, out, err = s.ctl("infer", PICTURE, "-o", "json")
    if rc != 0:
        return err
    top = json.loads(out)["top"]
    return top[0]["label"] if top else None


# ---- begin ------------------------------------------------------------------

def out_of_the_box(tap, s):
    for name in s.names():
        s.start(name)
    said = all([s.says("coordinator", 'next="edgectl init"')] +
               [s.says(b, JOIN % b) for b in BOARDS])
    tap.case(said, "without certificates all start and say what to do",
             s.all_logs())
    rc, _, err = s.ctl("token", "create")
    tap.case(rc == 1 and "edgectl init" in err,
             "token create before init says what comes first", err)
    rc, _, err = s.ctl("init")
    tap.case(rc == 0 and JOIN.replace("%s", "BOARD") in err,
             "init makes the certificates and says what comes next", err)
    rc, _, again = s.ctl("init")
    ca = re.search(r"\(CA ([0-9a-f:]+)\)", err)
    tap.case(rc == 0 and ca and ca.group(0) in again and
             "as they were" in again, "init again changes nothing", again)
    tap.case(all(s.lives(n) for n in s.names()), "all of them are still up")


def join_all(tap, s, secrets):
    for board in BOARDS:
        token = s.token()
        secrets.append(token.split("/")[1])
        rc, err = s.join(board, token)
        tap.case(rc == 0 and f"{board} is a member now" in err,
                 f"{board} joins through its running daemon", err)
    tap.case(s.address("coordinator") in token,
             "the token names the coordinator's address", token)
    tap.case(s.wait_ready(), "edgectl nodes shows all of them ready",
             s.ctl("nodes")[1] + s.all_logs()[-2000:])


def works(tap, s):
    path = s.folder + "/cluster.yaml"
    with open(path, "w") as f:
        f.write(f"name: shelf\ndevices: [{', '.join(BOARDS)}]\n"
                f"model:\n  file: {MODEL}\n  labels: {LABELS}\n"
                f"  input: {SPEC}\nreplicas: 2\n" +
                even_stages(MODEL, len(BOARDS) // 2))
    rc, _, err = s.ctl("deploy", path, "--progress=none")
    tap.case(rc == 0, "deploy over TLS", err)
    label = infer(s)
    tap.case(label == "circle", "infer gives the right answer", label)
    rc, out, _ = s.ctl("status")
    tap.case(rc == 0 and "plain text" not in out, "status warns of nothing",
             out)


# ---- restarts ---------------------------------------------------------------

def sent_bytes(s, name):
    """By the coordinator's interface, whatever it was."""
    out = s.net.within(name, "cat", "/proc/net/dev").stdout
    line = [x for x in out.splitlines() if x.strip().startswith("v:")][0]
    return int(line.split(":")[1].split()[8])


def restarts(tap, s):
    for name in ["coordinator"] + BOARDS:
        s.stop(name, 9)
    for name in s.names():
        s.start(name)
    tap.case(s.wait_ready(), "after the death of all of them they are members "
             "again by themselves", s.all_logs()[-2000:])
    label = wait_for(lambda: infer(s) == "circle", 10)
    tap.case(label, "and answer", infer(s))
    weights = os.path.getsize(MODEL)
    sent = sent_bytes(s, "coordinator")
    s.stop("coordinator")
    s.start("coordinator")
    tap.case(s.wait_ready() and wait_for(lambda: infer(s) == "circle", 10),
             "the coordinator alone comes back as well", infer(s))
    sent = sent_bytes(s, "coordinator") - sent
    tap.case(sent < weights, f"nothing was pushed ({sent} bytes in all)")


# ---- renewal ----------------------------------------------------------------

def counts(s):
    return [len(re.findall(r"member.renewed rc=OK", s.log(b)))
            for b in BOARDS] + \
        [len(re.findall(r"authority.renewed rc=OK", s.log("coordinator")))]


def read_certs(s):
    texts = []
    for name in s.names():
        with open(s.state(name) + "/tls/cert.pem") as f:
            texts.append(f.read())
    return texts


def renewal(tap, s):
    """Of all, twice, while requests run; and what was renewed is in use."""
    old, before = read_certs(s), counts(s)
    bench = s.begin("bench", "--for", "600", "--clients", "4", "--check",
                    MODEL, "-o", "json", "--progress=none")
    done = wait_for(lambda: all(b >= a + 2 for a, b in
                                zip(before, counts(s))), 4 * CERT_TTL_S)
    tap.case(done, f"each certificate of {CERT_TTL_S} s is renewed, twice",
             f"{before} {counts(s)}")
    bench.send_signal(2)
    out, err = bench.communicate(timeout=60)
    report = json.loads(out) if out else {"failed": "?", "wrong": "?",
                                          "answered": 0}
    tap.case(report["failed"] == 0 and report["wrong"] == 0 and
             report["answered"] > 100,
             f"meanwhile {report['answered']} answered, "
             f"{report['failed']} failed, {report['wrong']} wrong", err + out)
    new = read_certs(s)
    tap.case(not set(old) & set(new), "every certificate is another one")
    s.stop("pi-1")
    s.start("pi-1")
    tap.case(s.wait_ready("pi-1"), "and good for a new connection",
             s.log("pi-1")[-1500:])


# ---- revocation -------------------------------------------------------------

def is_connected(s, board):
    out = s.net.within(board, "ss", "-Htn", "state", "established",
                       f"( sport = :{PORT} or dport = :{PORT} )").stdout
    return bool(out.strip())


def revoke(tap, s):
    began = time.monotonic()
    rc, _, err = s.ctl("revoke", "pi-3")
    tap.case(rc == 0 and JOIN % "pi-3" in err,
             "revoke says how to let it come back", err)
    gone = wait_for(lambda: not is_connected(s, "pi-3"), REVOKE_S)
    took = time.monotonic() - began
    tap.case(gone and took <= REVOKE_S,
             f"every connection of it is closed after {took:.2f} s",
             s.log("pi-3")[-1500:])
    tap.note(f"figure f23.revoked {took:.2f} s")
    tap.case(s.says("pi-3", "pi-3 was revoked") and
             JOIN % "pi-3" in s.log("pi-3")[-3000:],
             "the board's log says why and what to do",
             s.log("pi-3")[-1500:])
    out = s.ctl("nodes")[1] + s.ctl("status")[1]
    tap.case("revoked" in out, "edgectl says it as well", out)
    tap.case(infer(s) == "circle", "the others go on", infer(s))


def stays_out(tap, s):
    """Neither it nor the coordinator's restart brings it back; the others
    refuse it too, as a peer that dials them with its old certificate."""
    for name in ("pi-3", "coordinator"):
        s.stop(name)
        s.start(name)
    tap.case(s.wait_ready("pi-1", "pi-2"), "the others come back",
             s.log("coordinator")[-1500:])
    came = wait_for(lambda: s.ready("pi-3"), 3)
    tap.case(not came, "a revoked board does not")
    tls = s.state("pi-3") + "/tls/"
    for target, port in (("pi-1", PORT), ("coordinator", 7434)):
        p = s.net.within(
            "pi-3", "timeout", "10", "openssl", "s_client", "-quiet",
            "-connect", f"{s.address(target)}:{port}", "-CAfile",
            tls + "ca.pem", "-cert", tls + "cert.pem", "-key",
            tls + "key.pem", check=False)
        tap.case("alert certificate revoked" in p.stderr,
                 f"{target} refuses its certificate", p.stderr)


def comes_back(tap, s, secrets):
    token = s.token()
    secrets.append(token.split("/")[1])
    rc, err = s.join("pi-3", token)
    tap.case(rc == 0 and s.wait_ready(), "with a new token it is a member "
             "again", err + s.log("pi-3")[-1500:])


# ---- secrets ----------------------------------------------------------------

def secrets_are_kept(tap, s, secrets):
    logs = s.all_logs()
    tap.case(len(secrets) == 4 and not any(x in logs for x in secrets) and
             "PRIVATE KEY" not in logs,
             "no secret of a token and no key is in a log, trace and all")
    found = []
    for folder, _, files in os.walk(s.folder):
        for file in (f for f in files if not f.endswith(".sock")):
            with open(f"{folder}/{file}", "rb") as f:
                text = f.read()
            found += [file for x in secrets if x.encode() in text]
    tap.case(not found, "no token is in any file", found)
    shown = s.ctl("logs", "pi-1", "-n", "1000")[1] + s.ctl("events")[1]
    tap.case(not any(x in shown for x in secrets),
             "nor in edgectl logs and events")
    token = s.token()
    rc, err = s.join("pi-1", "", "--run", s.run("pi-1"), token.strip())
    tap.case(rc != 0 and token.split("/")[1] not in err,
             "a token as an argument is refused and not repeated", err)


def private(tap, s, when):
    found = s.open_files()
    tap.case(not found, f"no file of anybody's is open to others: {when}",
             "\n".join(found))


def main():
    tap = Tap()
    why = why_not()
    if why:
        tap.skip("membership over two namespaces", why)
        tap.end()
    secrets = []
    with Shelf(BOARDS, ["--cert-ttl", f"{CERT_TTL_S}s"]) as s:
        out_of_the_box(tap, s)
        private(tap, s, "after init")
        join_all(tap, s, secrets)
        private(tap, s, "after join")
        works(tap, s)
        restarts(tap, s)
        renewal(tap, s)
        private(tap, s, "after renewal")
        revoke(tap, s)
        stays_out(tap, s)
        comes_back(tap, s, secrets)
        secrets_are_kept(tap, s, secrets)
        private(tap, s, "at the end")
    tap.end()


main()
