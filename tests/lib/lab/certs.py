"""A cluster's certificates, made by the openssl command: another
implementation than the one under test. A state folder gets
tls/{ca,cert,key}.pem, the coordinator's the authority's key as well, as
`edgectl init` and `edged join` would leave them."""
import os
import shutil
import subprocess


def openssl(*args):
    p = subprocess.run(["openssl", *args], capture_output=True, text=True)
    if p.returncode != 0:
        raise RuntimeError(f"openssl {args[0]}: {p.stderr}")


def make_key(path):
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
            path)
    os.chmod(path, 0o600)


class Authority:
    def __init__(self, folder):
        os.makedirs(folder)
        self.key, self.cert = folder + "/ca.key", folder + "/ca.pem"
        make_key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-out", self.cert,
                "-days", "2", "-subj", "/CN=lab", "-addext",
                "basicConstraints=critical,CA:TRUE", "-addext",
                "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, state, uri):
        """To whoever has this state folder."""
        tls = state + "/tls"
        os.makedirs(tls, mode=0o700)
        make_key(tls + "/key.pem")
        with open(tls + "/ext", "w") as f:
            f.write(f"subjectAltName=URI:{uri}\n"
                    "extendedKeyUsage=serverAuth,clientAuth\n")
        openssl("req", "-new", "-key", tls + "/key.pem", "-subj", "/CN=x",
                "-out", tls + "/csr")
        openssl("x509", "-req", "-in", tls + "/csr", "-CA", self.cert,
                "-CAkey", self.key, "-CAcreateserial", "-days", "2",
                "-extfile", tls + "/ext", "-out", tls + "/cert.pem")
        with open(self.cert) as f, open(tls + "/ca.pem", "w") as out:
            out.write(f.read())
        if uri == "edged://coordinator":
            shutil.copy(self.key, tls + "/ca-key.pem")  # keeps its mode
        for name in ("ext", "csr"):
            os.unlink(f"{tls}/{name}")
