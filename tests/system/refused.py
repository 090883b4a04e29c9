#!/usr/bin/python3
"""Who is not let in, over addresses that are not loopback: each within 5 s,
with a sentence of its own that says what to do, and for next to no memory."""
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../lib/lab")]
import forge  # noqa: E402
from edged_test import Tap  # noqa: E402
from namespaces import why_not  # noqa: E402
from shelf import JOIN_PORT, PORT, Shelf, faketime, wait_for  # noqa: E402

REFUSED_S = 5
JOIN = "edgectl token create | ssh %s sudo edged join -"
MEMORY_KIB = 2 * 1024  # P13: all strangers together


class Timed:
    def __enter__(self):
        self.began = time.monotonic()
        return self

    def __exit__(self, *exc):
        self.took = time.monotonic() - self.began


# ---- tokens -----------------------------------------------------------------

def refuse_token(tap, s, name, token, *texts, args=()):
    with Timed() as t:
        rc, err = s.join("pi-2", token, *args)
    ok = rc == 1 and all(x in err for x in texts) and t.took <= REFUSED_S
    tap.case(ok and forge.split(token)[1:2] != [""] and
             "BEGIN" not in err, f"{name} ({t.took:.2f} s)", f"{rc}: {err}")


def tokens(tap, s):
    used = s.token()
    rc, err = s.join("pi-1", used)
    tap.case(rc == 0 and s.wait_ready("pi-1"), "pi-1 joins", err)
    refuse_token(tap, s, "a token is used once", used, "used already",
                 "edgectl token create")
    short = s.token("--ttl", "1s")
    until = time.monotonic() + 2.2
    wait_for(lambda: time.monotonic() > until, 5)
    refuse_token(tap, s, "a token expires", short, "expired",
                 "edgectl token create")
    good = s.token().strip()
    refuse_token(tap, s, "half a token is no token", good[:-20] + "\n",
                 "not whole", "edgectl token create")
    refuse_token(tap, s, "other text is no token", "hello\n",
                 "not a token", "edgectl token create")
    refuse_token(tap, s, "no text is no token", "", "no token came",
                 "edgectl token create")
    parts = forge.split(good)
    parts[1] = forge.random_32()
    refuse_token(tap, s, "a token that nobody made", forge.whole(parts),
                 "has not made that token", "edgectl token create")
    parts = forge.split(good)
    parts[2] = forge.random_32()
    refuse_token(tap, s, "a token of another cluster's authority",
                 forge.whole(parts), "of another cluster than the token",
                 "expected", "make a token")
    parts = forge.split(good)
    parts[4] = f"{s.address('coordinator')}:{PORT + 7}"
    with Timed() as t:
        rc, err = s.join("pi-2", forge.whole(parts))
    tap.case(rc == 4 and f"port {PORT + 7}" in err and t.took <= REFUSED_S,
             f"a coordinator that is not there ({t.took:.2f} s)",
             f"{rc}: {err}")


def other_names(tap, s):
    """Two boards of one name; a daemon of another cluster; a stranger who may
    not use the socket."""
    good = s.token()
    s.stop("pi-2")
    s.start("pi-2", "--name", "pi-1")
    with Timed() as t:
        rc, err = s.join("pi-2", good)
    tap.case(rc == 1 and "a board called pi-1 is a member already" in err and
             s.address("pi-1") in err and t.took <= REFUSED_S,
             f"a second board of a name ({t.took:.2f} s)", f"{rc}: {err}")
    s.stop("pi-2")
    s.start("pi-2", "--cluster", "elsewhere")
    refuse_token(tap, s, "a daemon that is for another cluster", good,
                 'the token is for cluster "home"', "elsewhere token create")
    s.stop("pi-2")
    s.start("pi-2")
    s.wait_socket("pi-2")
    p = subprocess.run(
        ["setpriv", "--reuid", "65200", "--clear-groups", s.bin + "/edged",
         "join", "--run", s.run("pi-2"), "-"], input=good.encode(),
        capture_output=True, timeout=30)
    tap.case(p.returncode == 1 and b"sudo edged join -" in p.stderr,
             "only root brings a token", p.stderr)
    rc, err = s.join("pi-2", good)
    tap.case(rc == 0 and s.wait_ready("pi-1", "pi-2"),
             "and none of that used the token up",
             err)


# ---- certificates of boards -------------------------------------------------

def replace(s, name, ca, uri, **how):
    """A board whose folder has another certificate now."""
    s.stop(name)
    s.unpack(name)
    forge.issue(ca, s.state(name), uri, **how)
    forge.own(s.state(name), s.state(name))


def refuse_board(tap, s, name, who, *texts):
    """pi-2 starts with what it has; `who` says these texts about it."""
    before = len(s.log(who))
    s.start("pi-2")

    def said():
        return [line for line in s.log(who)[before:].splitlines()
                if all(x in line for x in texts)]
    with Timed() as t:
        ok = wait_for(said, 10)
    tap.case(ok and t.took <= REFUSED_S + 5 and not s.ready("pi-2"),
             f"{name}: {who} says so", s.log(who)[before:][-1500:])


def boards(tap, s):
    ours = forge.of_coordinator(s.state("coordinator"))
    replace(s, "pi-2", forge.of_stranger(s.folder + "/foreign"),
            "edged://node/pi-2")
    refuse_board(tap, s, "a foreign certificate", "coordinator",
                 "pi-2 presents a certificate of another cluster (CA ",
                 "expected", JOIN % "pi-2")
    replace(s, "pi-2", ours, "edged://client/pi-2")
    refuse_board(tap, s, "a client's certificate for a node", "coordinator",
                 "says that it is a node, but its certificate is that of a "
                 "client", JOIN % "pi-2")
    replace(s, "pi-2", ours, "edged://coordinator")
    refuse_board(tap, s, "a coordinator's certificate for a node",
                 "coordinator", "its certificate is that of a coordinator",
                 JOIN % "pi-2")
    replace(s, "pi-2", ours, "edged://node/pi-9")
    refuse_board(tap, s, "another node's certificate", "coordinator",
                 "pi-2 calls itself so, but its certificate is that of pi-9",
                 JOIN % "pi-2")


def clocks(tap, s):
    ours = forge.of_coordinator(s.state("coordinator"))
    replace(s, "pi-2", ours, "edged://node/pi-2", first_day=-40, last_day=-10)
    refuse_board(tap, s, "an expired certificate", "coordinator",
                 "the certificate of pi-2 expired on", "here it is",
                 JOIN % "pi-2")
    replace(s, "pi-2", ours, "edged://node/pi-2", first_day=3, last_day=9)
    refuse_board(tap, s, "a certificate of the future", "coordinator",
                 "the clock of this board", "is before the notBefore of the "
                 "certificate of pi-2", "timedatectl")
    early = faketime("@1970-01-02 00:00:00")
    if early is None:
        tap.skip("a board whose clock begins in 1970", "there is no "
                 "libfaketime (deploy/apt-test.txt)")
        return
    replace(s, "pi-2", ours, "edged://node/pi-2")
    s.more["pi-2"] = early
    refuse_board(tap, s, "a board whose clock begins in 1970", "pi-2",
                 "the clock of this board (1970-01-02", "timedatectl")
    s.more.pop("pi-2")


# ---- who dials in -----------------------------------------------------------

def s_client(s, board, port, *args):
    p = s.net.within("stranger", "timeout", "10", "openssl", "s_client",
                     "-quiet", "-connect", f"{s.address(board)}:{port}", *args,
                     check=False)
    return p.stderr + p.stdout


def with_cert(folder):
    tls = folder + "/tls/"
    return ["-cert", tls + "cert.pem", "-key", tls + "key.pem",
            "-cert_chain", tls + "ca.pem"]


def dial_in(tap, s, name, board, args, alert, text):
    """The log says each reason, but one line a second in all."""
    port = JOIN_PORT if board == "coordinator" else PORT
    before = len(s.log(board))
    with Timed() as t:
        out = s_client(s, board, port, *args)

    def said():
        if text in s.log(board)[before:]:
            return True
        s_client(s, board, port, *args)
        return False
    ok = alert in out and t.took <= REFUSED_S
    tap.case(ok and wait_for(said, 8, pause=0.3),
             f"{name} at {board} ({t.took:.2f} s)",
             out + s.log(board)[before:][-1500:])


def strangers(tap, s):
    foreign, old = s.folder + "/st-foreign", s.folder + "/st-old"
    ours = forge.of_coordinator(s.state("coordinator"))
    forge.issue(forge.of_stranger(s.folder + "/foreign2"), foreign,
                "edged://coordinator")
    good = s.folder + "/st-good"
    forge.issue(ours, good, "edged://client/x")
    for board in ("pi-1", "coordinator"):
        dial_in(tap, s, "another CA", board, with_cert(foreign),
                "alert unknown ca", "presents a certificate of another "
                "cluster")
        dial_in(tap, s, "TLS 1.2", board, ["-tls1_2"] + with_cert(good),
                "alert protocol version", "TLS 1.3 only")
        forge.issue(ours, old, "edged://coordinator", -40, -10)
        dial_in(tap, s, "an expired certificate", board, with_cert(old),
                "alert certificate expired", "expired on")
        forge.issue(ours, old, "edged://coordinator", 3, 9)
        dial_in(tap, s, "a certificate of the future", board, with_cert(old),
                "alert bad certificate", "is before the notBefore")
        plain(tap, s, board)
    dial_in(tap, s, "no certificate", "pi-1", [], "certificate required",
            "the other end shows no certificate")


def plain(tap, s, board):
    port = JOIN_PORT if board == "coordinator" else PORT
    with Timed() as t:
        p = subprocess.run(
            s.net.command("stranger", "timeout", "10", "bash", "-c",
                          f"exec 3<>/dev/tcp/{s.address(board)}/{port}; "
                          "printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"),
            capture_output=True)
    tap.case(b"this port speaks TLS" in p.stdout and t.took <= REFUSED_S,
             f"plain text at {board} is told so ({t.took:.2f} s)",
             p.stdout + p.stderr)


def impostor(tap, s, name, uri, text):
    """A coordinator with somebody else's certificate dials pi-1."""
    state = s.folder + "/impostor"
    forge.issue(forge.of_coordinator(s.state("coordinator")), state, uri)
    before = len(s.log("pi-1"))
    with open(s.folder + "/impostor.log", "wb") as log:
        p = subprocess.Popen(
            s.net.command("stranger", s.bin + "/edge-coordinator", "--state",
                          state, "--socket", state + "/s", "--node",
                          f"pi-1={s.address('pi-1')}:{PORT}"),
            stdout=log, stderr=log)
    s.net.reaper.note("pid", p.pid)
    ok = wait_for(lambda: text in s.log("pi-1")[before:] and text in
                  forge.read(s.folder + "/impostor.log"), 10)
    p.kill()
    p.wait()
    tap.case(ok and s.ready("pi-1"), f"{name}: both ends say so",
             s.log("pi-1")[before:] + forge.read(s.folder + "/impostor.log"))


# ---- memory -----------------------------------------------------------------

def crowd(s, n):
    """That many boards with tokens that nobody made, at once."""
    parts = forge.split(s.token())
    answers = []

    def one(i):
        parts[1] = forge.random_32()
        p = subprocess.run(
            s.net.command("stranger", s.bin + "/edged", "join", "--name",
                          f"x{i}", "--config", "", "--state",
                          f"{s.folder}/x{i}", "--run",
                          f"{s.folder}/no", "-"),
            input=forge.whole(list(parts)).encode(), capture_output=True)
        answers.append(p.returncode)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers


def memory(tap, s):
    crowd(s, 12)  # buffers that stay, whoever comes
    before = s.rss_kib("coordinator")
    for _ in range(4):
        answers = crowd(s, 12)
    more = s.rss_kib("coordinator") - before
    tap.case(more <= MEMORY_KIB and 0 not in answers,
             f"48 boards with bad tokens cost the coordinator {more} KiB",
             answers)
    tap.note(f"figure f23.memory {more} KiB")
    events = s.ctl("events", "-o", "json")[1]
    tap.case("has not made that token" not in events,
             "and push nothing out of the events", events[-500:])
    tap.case(s.lives("coordinator") and s.ready("pi-1"), "which goes on")


def plain_text(tap, s):
    s.stop("pi-2")
    s.unpack("pi-2")
    rc, err = s.try_to_start("pi-2", "--insecure", "--listen", "0.0.0.0")
    tap.case(rc == 1 and "plain text is for loopback only" in err and
             "without --insecure" in err,
             "edged --insecure does not listen beyond loopback", err)
    rc, err = s.try_to_start("stranger", "--insecure", "--listen",
                             s.address("stranger"))
    tap.case(rc == 1 and "plain text is for loopback only" in err,
             "nor at an address of the net", err)
    p = subprocess.run(
        s.net.command("stranger", s.bin + "/edge-coordinator", "--insecure",
                      "--listen", s.address("stranger"), "--state",
                      s.folder + "/plain", "--socket", s.folder + "/plain.s"),
        capture_output=True, timeout=10, text=True)
    tap.case(p.returncode == 1 and "plain text is for loopback only" in
             p.stderr and "without --insecure" in p.stderr,
             "nor does edge-coordinator", p.stderr)
    s.start("pi-2", "--insecure")
    rc, err = s.join("pi-2", s.token())
    tap.case(rc == 1 and "--insecure" in err,
             "a daemon in plain text does not join", err)


def main():
    tap = Tap()
    why = why_not()
    if why:
        tap.skip("strangers over two namespaces", why)
        tap.end()
    with Shelf(["pi-1", "pi-2", "stranger"]) as s:
        for name in ("coordinator", "pi-1", "pi-2"):
            s.start(name)
        s.says("coordinator", "authority.none")
        rc, _, err = s.ctl("init")
        tap.case(rc == 0, "init", err)
        tokens(tap, s)
        other_names(tap, s)
        strangers(tap, s)
        impostor(tap, s, "a node's certificate for a coordinator",
                 "edged://node/coordinator", "says that it is a coordinator, "
                 "but its certificate is that of a node")
        impostor(tap, s, "a client's certificate for a coordinator",
                 "edged://client/x", "says that it is a coordinator, but its "
                 "certificate is that of a client")
        memory(tap, s)
        boards(tap, s)
        clocks(tap, s)
        plain_text(tap, s)
        found = s.open_files()
        tap.case(not found, "nothing of all this left a file open to others",
                 "\n".join(found))
    tap.end()


main()
