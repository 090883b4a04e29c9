"""Certificates and tokens that edged would not make: written by the openssl
command with the cluster's own authority, or another's."""
import base64
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../../system/chaos")]
from certs import Authority, make_key  # noqa: E402
from wire import crc32c  # noqa: E402


def read(path):
    with open(path) as f:
        return f.read()


def openssl(*args):
    p = subprocess.run(["openssl", *args], capture_output=True, text=True)
    if p.returncode != 0:
        raise RuntimeError(f"openssl {args[0]}: {p.stderr}")


def of_coordinator(state):
    """The cluster's authority, from the coordinator's folder, as (certificate,
    key)."""
    return state + "/tls/ca.pem", state + "/tls/ca-key.pem"


def of_stranger(folder):
    a = Authority(folder)
    return a.cert, a.key


CA_CONFIG = """[ca]
default_ca = a
[a]
database = {tls}/index
serial = {tls}/serial
new_certs_dir = {tls}
default_md = sha256
policy = p
[p]
commonName = supplied
"""


def date(days):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(
        time.time() + days * 86400))


def sign(ca, tls, first_day, last_day):
    """With `openssl ca`, which alone can say when a certificate begins."""
    for name, text in (("index", ""), ("serial", os.urandom(8).hex()),
                       ("ca.conf", CA_CONFIG.format(tls=tls))):
        with open(f"{tls}/{name}", "w") as f:
            f.write(text)
    openssl("ca", "-batch", "-notext", "-config", tls + "/ca.conf", "-cert",
            ca[0], "-keyfile", ca[1], "-in", tls + "/csr", "-extfile",
            tls + "/ext", "-startdate", date(first_day), "-enddate",
            date(last_day), "-out", tls + "/cert.pem")


def issue(ca, state, uri, first_day=-1, last_day=2):
    """STATE/tls for `uri`, good from and to so many days from now."""
    tls = state + "/tls"
    os.makedirs(tls, mode=0o700, exist_ok=True)
    make_key(tls + "/key.pem")
    with open(tls + "/ext", "w") as f:
        f.write(f"subjectAltName=URI:{uri}\n"
                "extendedKeyUsage=serverAuth,clientAuth\n")
    openssl("req", "-new", "-key", tls + "/key.pem", "-subj", "/CN=x", "-out",
            tls + "/csr")
    sign(ca, tls, first_day, last_day)
    with open(tls + "/ca.pem", "w") as out:
        out.write(read(ca[0]))
    for name in os.listdir(tls):
        if name not in ("ca.pem", "cert.pem", "key.pem"):
            os.unlink(f"{tls}/{name}")


def own(path, like):
    """Everything below `path` belongs to whom `like` belongs to."""
    s = os.stat(like)
    for folder, _, files in os.walk(path):
        for p in [folder] + [f"{folder}/{f}" for f in files]:
            os.chown(p, s.st_uid, s.st_gid)


# ---- tokens ------------------------------------------------------------------

def split(token):
    """[magic, secret, fingerprint, cluster, addresses, check]"""
    return token.strip().split("/")


def whole(parts):
    """With the check that belongs to it."""
    text = "/".join(parts[:5])
    return f"{text}/{crc32c(text.encode()):08x}\n"


def random_32():
    return base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
