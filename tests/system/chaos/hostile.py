"""Bytes that mean harm, for a daemon's port: made from a seed, so that a storm
can be repeated."""
import glob
import random
import socket
import ssl
import struct

import wire
from wire import crc32c, frame, varint

ROOT = wire.ROOT
HEAD_MAX = 65536


def header(head_size, payload_size, version=1 << 16):
    h = struct.pack("<4sIII", b"EDG1", version, head_size, payload_size)
    return h + struct.pack("<I", crc32c(h))


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def amplified():
    """name -> a frame of a full head whose unpacked form is many times larger
    (RELIABILITY.md (d)1)."""
    n = (HEAD_MAX - 64) // 2
    bodies = {
        "empty deployments": field(48, b"\x12\x00" * n),  # StatusReply
        "empty shards": field(5, b"\x1a\x00" * n),        # Install
        "empty strings": field(13, b"\x0a\x00" * n),      # LogReply.lines
        "empty blobs": field(6, b"\x12\x00" * n),         # Need
        "unpacked numbers": field(12, b"\x08\x01" * n),   # Epochs
        "packed numbers": field(12, field(1, b"\x01" * n)),
        "unknown fields": field(30, b"") + b"\xfa\x01\x00" * (n // 2),
        "empty hops": field(20, b"\x42\x00" * n),         # Data
    }
    return {name: header(len(b), 0) + b for name, b in bodies.items()}


def seeds():
    """Real heads, one of each kind of message: the fuzz target's corpus, whose
    first byte is the payload's size."""
    heads = []
    for path in sorted(glob.glob(ROOT + "/tests/fuzz/fuzz_msg/*")):
        with open(path, "rb") as f:
            data = f.read()
        heads.append((data[1:], data[0]))
    return heads


def mutate(rng, data):
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(len(data) + 1)
        how = rng.randrange(4)
        if how == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif how == 2:
            del data[at:at + rng.randrange(1, 9)]
        else:
            data[at:at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x7f"))
    return bytes(data)


def mutated_frame(rng, heads):
    """Mostly with a header that fits, or no message would be looked at."""
    head, size = rng.choice(heads)
    if rng.random() < 0.9:
        head = mutate(rng, head)[:HEAD_MAX] or b"\0"
    text = header(len(head), size)
    if rng.random() < 0.1:
        text = mutate(rng, text)
    return text + head + rng.randbytes(size)


def oversize(rng):
    """Lengths that must be refused at the header, and what they announce."""
    head, payload = rng.choice((
        (HEAD_MAX + 1, 0), (0xFFFFFFFF, 0), (0x80000000, 0x80000000),
        (20, 0xFFFFFFFF), (20, (64 << 20) + 1), (20, 64 << 20), (0, 0)))
    return header(head, payload) + rng.randbytes(rng.choice((0, 100, 300000)))


def client_hello():
    """The first flight of a real TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def stranger_bytes(rng, hello):
    """What one without a certificate says, and whether it then stays."""
    return rng.choice((
        lambda: (rng.randbytes(rng.randrange(1, 4096)), False),
        lambda: (mutate(rng, hello), rng.random() < 0.3),
        lambda: (hello, True),  # a handshake that is never ended
        lambda: (hello[:rng.randrange(1, len(hello))], True),
        lambda: (b"\x16\x03\x03\xff\xff" + rng.randbytes(20000), False),
        lambda: (hello + rng.randbytes(3000), False),
        lambda: (frame(wire.HELLO_CLIENT), False),
        lambda: (b"GET / HTTP/1.1\r\n\r\n", False),
    ))()


class Member:
    """A connection of a node that has a certificate, and means harm."""

    def __init__(self, port, name, folder):
        self.port, self.name = port, name
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.load_verify_locations(folder + "/tls/ca.pem")
        self.context.load_cert_chain(folder + "/tls/cert.pem",
                                     folder + "/tls/key.pem")
        self.hello = frame('hello { major: 1 role: ROLE_NODE name: "%s" '
                           "instance: 7 }" % name)
        self.s = None

    def open(self):
        """Until Hello came back; OSError if it did not."""
        self.close()
        raw = socket.create_connection(("127.0.0.1", self.port), 5)
        try:
            self.s = self.context.wrap_socket(raw)
        except BaseException:
            raw.close()
            raise
        self.s.settimeout(5)
        self.s.sendall(self.hello)
        self.read_frame()
        self.s.settimeout(2)

    def read_frame(self):
        """Head of the next frame."""
        h = self.exactly(20)
        magic, _, head, payload = struct.unpack("<4sIII", h[:16])
        if magic != b"EDG1":
            raise ConnectionError("no frame")
        data = self.exactly(head + payload)
        return data[:head]

    def exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.s.recv(n - len(data))
            if not piece:
                raise ConnectionError("closed")
            data += piece
        return data

    def last_words(self):
        """Reads up to the Goodbye: its bytes; b"" if none came."""
        try:
            while True:
                head = self.read_frame()
                if head[0] == 3 << 3 | 2:  # Goodbye
                    return head
        except OSError:
            return b""

    def close(self):
        if self.s is not None:
            self.s.close()
            self.s = None


def rng_of(seed, number):
    return random.Random(seed * 1000 + number)


