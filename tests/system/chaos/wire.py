"""Frames as docs/PROTOCOL.md has them, packed by protoc: peers that do not
keep to it need another implementation than the one under test."""
import os
import socket
import struct
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
PAYLOAD_TAG = b"\xc2\x3e"


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def pack(text):
    return subprocess.run(
        ["protoc", f"--proto_path={ROOT}/proto", "--encode=edged.Envelope",
         "envelope.proto"],
        input=text.encode(), stdout=subprocess.PIPE, check=True).stdout


def frame(text, payload=b""):
    head = pack(text)
    if payload:
        head += PAYLOAD_TAG + varint(len(payload))
    header = struct.pack("<4sIII", b"EDG1", 1 << 16, len(head), len(payload))
    return header + struct.pack("<I", crc32c(header)) + head + payload


HELLO_CLIENT = 'hello { major: 1 role: ROLE_CLIENT name: "chaos" }'


def client(cluster):
    """A client's connection that has said hello and been answered."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(f"{cluster.folder}/run/edged-{cluster.name}/api.sock")
    s.sendall(frame(HELLO_CLIENT))
    if s.recv(4) != b"EDG1":
        raise ConnectionError("no Hello came back")
    return s
