#!/usr/bin/python3
"""Writes the corpora of fuzz_msg and fuzz_frame: one message of each kind,
of fuzz_daemon and fuzz_head: conversations, of fuzz_install and
fuzz_placement.

Run from the repository's root; protoc packs the messages from their text
form, so they come from another implementation than the one under test.
"""
import pathlib
import struct
import subprocess

BLOB = 'digest: "' + "d" * 32 + '" size: 4096'
META = "dtype: 1 dims: 1 dims: 3 dims: 2"
PORT = 'name: "input" tensor { %s }' % META
HOP = 'node: "pi-1" shard: "s0" compute_us: 900 queue_us: 7 wire_us: 80'
SHARD = (
    'id: 1 name: "s0" model { %s } weights { %s } inputs { %s } '
    "outputs { %s } links { port: 0 to_shard: 2 to_port: 1 } "
    "weight_bytes: 100 arena_bytes: 200" % (BLOB, BLOB, PORT, PORT)
)

DATA = ("manifest { %s } files { %s } images: true labels: true width: 32 "
        "height: 32 crop: 1 mean: 0.5 std: 0.25 augment { crop_pad: 4 flip: "
        "true }" % (BLOB, BLOB))
RECIPE = (
    'training: "t" stage: 0 stages: 1 step: 7 state { %s } train { %s } '
    'test { %s } losses { scores: "y" weight: 1 } optimizer { momentum: 0.9 '
    'clip_norm: 5 } rates { name: "b*" rate: 2 decay: 0 } micro_max: 4 '
    "slots: 2 one_f_one_b: true seed: 3" % (BLOB, DATA, DATA)
)
TRAINED = (
    'epoch: 3 deployment: "d" shards { id: 1 name: "s0" model { %s } inputs '
    "{ %s } outputs { %s } links { to_shard: 0 } recipe { %s } } places { "
    'shard: 1 name: "s0" nodes: "n0" nodes: "n1" } nodes { name: "n1" host: '
    '"127.0.0.1" port: 7000 }' % (BLOB, PORT, PORT, RECIPE)
)
STAGE = TRAINED.replace("id: 1", "id: 2").replace("shard: 1 ", "shard: 2 ").replace(
    "stage: 0 stages: 1", "stage: 1 stages: 2 sources { port: 0 shard: 1 "
    "back_codec: 2 }").replace("images: true", "").replace(
    "places {", 'places { shard: 1 nodes: "n1" } places {')

# name: (text form, payload)
MESSAGES = {
    "hello": 'hello { major: 1 role: ROLE_NODE name: "pi-1" cluster: "home" '
    'instance: 77 version: "1.0" expects: "n" }',
    "hello_client": 'hello { major: 1 role: ROLE_CLIENT name: "edgectl" }',
    "goodbye": 'goodbye { code: -13 text: "another name" }',
    "beat": "beat { seq: 5 ack: 4 ack_age_us: 99 progress: 7 computing: true "
    "shards { epoch: 1 shard: 2 ready: true queue: 3 compute_us: 900 } "
    "memory_budget: 1000000 rss: 5000 temperature_mc: -4000 }",
    "install": 'install { epoch: 3 deployment: "d" shards { %s } places { '
    'shard: 1 name: "s0" nodes: "pi-1" nodes: "pi-2" n_inputs: 1 } nodes { '
    'name: "pi-1" host: "127.0.0.1" port: 7000 } }' % SHARD,
    "need": "need { epoch: 3 blobs { %s } blobs { %s } }" % (BLOB, BLOB),
    "chunk": ("chunk { blob { %s } offset: 65536 }" % BLOB, b"weights" * 9),
    "chunk_ack": 'chunk_ack { digest: "%s" received: 5 }' % ("d" * 32),
    "ready": "ready { epoch: 3 shards { shard: 1 weight_bytes: 5 } }",
    "failed": 'failed { epoch: 3 code: -17 text: "does not fit" }',
    "retire": "retire { epoch: 2 }",
    "epochs": "epochs { epochs: 1 epochs: 300 epochs: 70000 }",
    "log_request": 'log_request { node: "pi-1" lines: 50 after: 7 }',
    "log_reply": 'log_reply { lines: "a" lines: "b c" last: 9 }',
    "data": (
        "data { request: 81985529216486895 epoch: 3 shard: 1 left_ms: 900 "
        "tensor { %s } hops { %s } hops { %s } }" % (META, HOP, HOP),
        b"\1" * 24,
    ),
    "data_scalar": ("data { tensor { dtype: 12 } }", b"\1"),
    "data_client": (
        'data { request: 1 deployment: "d" tensor { dtype: 5 dims: 200 } }',
        b"\2" * 200,
    ),
    "ack": "ack { request: 81985529216486895 epoch: 3 shard: 1 }",
    "nack": 'nack { request: 5 epoch: 3 shard: 1 code: -3 text: "busy" }',
    "answer": 'answer { request: 5 code: -14 text: "no" complete: true '
    "latency_us: 8000 hops { %s } resent: 1 }" % HOP,
    "deploy": 'deploy { yaml: "%s" model: "%s" yaml_name: "cluster.yaml" '
    "dry_run: true plan_number: 9 }" % ("y" * 32, "m" * 32),
    "progress": 'progress { phase: "push" node: "pi-1" done: 5 total: 9 }',
    "deploy_reply": 'deploy_reply { generation: 2 plan { deployment: "d" '
    'stages { name: "s0" nodes: "pi-1" macs: 3e8 } devices { name: "pi-1" '
    "free_bytes: 5 compute_ms: 1.5 } latency_ms: 12.5 changed: true } }",
    "result": 'result { code: -5 text: "not found" }',
    "status_request": "status_request { }",
    "status_reply": 'status_reply { cluster: "home" deployments { name: "d" '
    'stages { name: "s0" replicas { node: "pi-1" ready: true } } } nodes { '
    'name: "pi-1" shards: "d/s0" rate: 3.5 } warning: "plain text" }',
    "beat_speed": 'beat { seq: 1 speed { kind: "pi 4" threads: 1 macs_per_s: '
    "4e9 bytes_per_s: 3e9 run_s: 2e-5 } }",
    "measure": ("measure { number: 7 needs_bytes: 4096 budget_us: 9000 }",
                b"an onnx file"),
    "measured": "measured { number: 7 ops { op: 81985529216486895 seconds: "
    "0.001 runs: 15 } ops { op: 3 seconds: inf } }",
    "measured_not": 'measured { number: 7 code: -17 text: "does not fit" }',
    "measure_link": 'measure_link { number: 9 node { name: "n1" host: '
    '"127.0.0.1" port: 7000 } }',
    "link_measured": "link_measured { number: 9 rtt_s: 0.0003 bytes_per_s: 1e8 "
    "send_s: 2e-5 send_bytes_per_s: nan }",
    "burst": ("burst { number: 9 seq: 3 }", b"Z" * 64),
    "burst_ack": "burst_ack { number: 9 seq: 3 }",
    "profile_request": 'profile_request { deployment: "home" fresh: true }',
    "profile_row": ('profile_row { board { name: "n0" kind: "pi 4" total_s: '
                    "0.01 n_ops: 1 n_measured: 1 } }", b"\0" * 8),
    "profile_link": 'profile_row { link { a: "coordinator" b: "n0" rtt_s: 1e-4 '
    "bytes_per_s: 1e8 } }",
    "profile_reply": "profile_reply { macs: 1e9 n_ops: 50 took_ms: 3000 }",
    "train_install": "install { %s }" % TRAINED,
    "step": "step { epoch: 3 step: 9 applies: 8 rate: 0.1 square: 2 pass: 1 "
    "first: 32 sizes: 4 sizes: 4 ways: 0 ways: 1 saves: true }",
    "stepped": 'stepped { epoch: 3 shard: 1 step: 9 square: 2 losses: 1.5 '
    'samples: 8 correct: 3 busy_us: 99 weights: "12345678" }',
    "stepped_not": 'stepped { epoch: 3 shard: 1 step: 9 code: -10 text: "n1" }',
    "saved": "saved { epoch: 3 shard: 1 step: 8 state { %s } }" % BLOB,
    "flow": ("flow { epoch: 3 step: 9 micro: 1 shard: 1 tensor { %s } }" % META,
             b"\1" * 24),
    "flow_back": ("flow { epoch: 3 step: 9 shard: 1 port: 2 back: true tensor "
                  "{ %s codec: 2 } }" % META, b"\1" * 14),
    "reduce": ("reduce { epoch: 3 step: 9 shard: 1 round: 2 offset: 64 tensor "
               "{ dtype: 1 dims: 6 } }", b"\1" * 24),
    "train": 'train { yaml: "y" model: "m" yaml_name: "c.yaml" watch: true }',
    "train_progress": 'train_progress { training: "t" phase: "step" step: 5 '
    'steps: 9 loss: 1.5 stages { name: "s0" node: "n0" busy: 0.5 } }',
    "train_reply": 'train_reply { code: -5 text: "no" training: "t" }',
    "model_reply": (
        "model_reply { generation: 1 inputs { %s } outputs { %s } width: 224 "
        "mean: 0.485 std: 0.229 }" % (PORT, PORT),
        b"cat\ndog\n",
    ),
}


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


def encode(text, kind="Envelope", file="envelope.proto"):
    return subprocess.run(
        ["protoc", "--proto_path=proto", "--encode=edged." + kind, file],
        input=text.encode(), stdout=subprocess.PIPE, check=True).stdout


def pack(text, payload):
    head = encode(text)
    if payload:
        head += b"\xc2\x3e" + varint(len(payload))
    return head


def frame(head, payload):
    header = struct.pack("<4sIII", b"EDG1", 1 << 16, len(head), len(payload))
    return header + struct.pack("<I", crc32c(header)) + head + payload


def say(who, text, payload=0):
    """A step of tests/lib/steps.h: a message; payload in units of 16 bytes."""
    head = encode(text)
    return struct.pack("<BHB", who, len(head), payload) + head


def wait(ms):
    return struct.pack("<BH", 0xC0, ms)


WORK, LEAVE, COME = b"\xd0", 0xE0, 0xF0
TENSOR = "tensor { dtype: 1 dims: 512 }"

# Peer 0 is the coordinator, 1 a node; the shard is 1 of epoch 5.
TO_DAEMON = {
    "request": say(0, "data { request: 9 epoch: 5 shard: 1 %s }" % TENSOR,
                   128) + WORK
    + say(0, "ack { request: 9 epoch: 5 shard: 0 from: 1 }"),
    "twice": say(0, "data { request: 9 epoch: 5 shard: 1 %s }" % TENSOR, 128)
    + say(1, "data { request: 9 epoch: 5 shard: 1 from: 2 %s }" % TENSOR, 128)
    + WORK + bytes([LEAVE]) + WORK + bytes([COME])
    + say(0, "ack { request: 9 epoch: 5 shard: 0 from: 1 }"),
    "stale": say(0, "data { request: 9 epoch: 4 shard: 1 left_ms: 5 %s }"
                 % TENSOR, 128) + say(0, "retire { epoch: 5 }") + WORK,
    "epochs": say(0, "epochs { epochs: 5 }") + say(0, "epochs { }") + WORK,
    "install": say(0, MESSAGES["install"]) + WORK
    + say(0, 'chunk { blob { %s } offset: 0 }' % BLOB, 255) + WORK
    + say(0, 'chunk { blob { %s } offset: 4080 }' % BLOB, 1) + WORK,
    "beats": say(0, MESSAGES["beat"]) + say(1, MESSAGES["beat"]) + wait(2000)
    + wait(2000) + say(0, MESSAGES["log_request"]),
    "measure": say(0, "measure { number: 7 needs_bytes: 4096 budget_us: 9 }", 9)
    + WORK + say(0, MESSAGES["measure_link"])
    + say(1, "burst_ack { number: 9 seq: 0 }") + wait(1)
    + say(1, "burst_ack { number: 9 seq: 1 }") + say(1, "burst { number: 1 }", 4)
    + bytes([LEAVE | 1]) + wait(4000) + say(0, "measure { }", 1)
    + bytes([LEAVE]) + WORK,
    "train": say(0, MESSAGES["train_install"]) + WORK
    + say(0, MESSAGES["step"]) + say(1, "flow { epoch: 5 shard: 1 %s }" % TENSOR,
                                     128)
    + say(1, "reduce { epoch: 5 shard: 1 %s }" % TENSOR, 128)
    + say(0, "step { epoch: 5 step: 1 sizes: 1 ways: 0 }") + WORK
    + say(1, MESSAGES["flow"][0]) + say(1, MESSAGES["reduce"][0])
    + say(0, MESSAGES["chunk_ack"]) + wait(50) + bytes([LEAVE | 1]) + WORK
    + say(0, "retire { epoch: 3 }") + WORK,
    "nack": say(0, "data { request: 9 epoch: 5 shard: 1 %s }" % TENSOR, 128)
    + WORK + say(0, 'nack { request: 9 epoch: 5 shard: 0 code: -3 from: 1 }')
    + wait(500),
}

# Peers 0 and 1 are nodes, 2 the client; epoch 1 is in force.
OUT = "tensor { dtype: 1 dims: 4 }"
TO_HEAD = {
    "request": say(2, 'data { request: 9 deployment: "home" %s }' % OUT, 1)
    + wait(100) + say(0, 'nack { request: 1 epoch: 1 shard: 1 code: -3 }')
    + wait(100),
    "admin": say(2, "status_request { }") + say(2, "model_request { }")
    + say(2, 'log_request { lines: 5 }') + say(2, 'undeploy { deployment: '
                                               '"home" }') + WORK + wait(100),
    "deploy": say(2, 'chunk { blob { %s } offset: 0 }' % BLOB, 255) + WORK
    + say(2, MESSAGES["deploy"]) + WORK,
    "beats": say(0, MESSAGES["beat"]) + say(1, MESSAGES["beat"]) + wait(4000)
    + say(0, 'beat { seq: 9 shards { epoch: 1 shard: 1 ready: true } }'),
    "seats": bytes([LEAVE]) + wait(500) + bytes([COME]) + wait(20)
    + say(0, "need { epoch: 1 blobs { %s } }" % BLOB) + say(0, "ready { epoch"
                                                           ": 1 }")
    + say(0, 'failed { epoch: 1 code: -17 text: "no" }') + wait(5000),
    "profile": say(0, MESSAGES["beat_speed"]) + say(1, MESSAGES["beat_speed"])
    + say(2, MESSAGES["profile_request"]) + wait(5500) + WORK + wait(100) + WORK
    + say(0, MESSAGES["measured"]) + say(0, MESSAGES["link_measured"])
    + say(1, "burst_ack { }") + bytes([LEAVE]) + wait(9000) + WORK + wait(9000)
    + WORK + wait(1000) + WORK,
    "outputs": say(0, 'data { request: 5 epoch: 1 shard: 0 from: 1 %s }' % OUT,
                   1) + say(0, "ack { request: 5 epoch: 1 shard: 1 }"),
}

# Acts of fuzz_train.c.
(STEP, SPOILT, VALUE, GRADIENT, PIECE, ANSWER, JOB, ALL_JOBS, TIME, GO, RETURN,
 STOP, ACK, RETIRE, INSTALL, FINISH) = range(0, 256, 16)
ASKS = 8  # trainings there, and how many boards each has
BOARDS = [4, 4, 3, 3, 2, 2, 2, 1]


def lesson():
    """Whole steps of each board of each training, and what goes wrong."""
    whole = bytes([STEP, FINISH, STEP, FINISH,
                   SPOILT | 1, 1, 11, FINISH,  # evaluates, saves
                   ACK, ALL_JOBS, ACK, STEP, FINISH])
    by_hand = bytes([STEP, JOB, JOB, JOB]) + b"".join(
        bytes([VALUE, 0, m, 0, JOB, JOB, GRADIENT, 0, m, 0, JOB, JOB])
        for m in range(4)) + bytes([ALL_JOBS]) + b"".join(
        bytes([PIECE, 0, a, r]) for a in range(4) for r in range(3)) + bytes(
        [ALL_JOBS, STEP, FINISH])
    files = {}
    for ask in range(ASKS):
        for board in range(BOARDS[ask]):
            name = "%d_%d" % (ask, board)
            files["whole_" + name] = bytes([ask, board]) + whole
            files["by_hand_" + name] = bytes([ask, board]) + by_hand
        begin = bytes([ask, 0])
        files["agree_%d" % ask] = begin + bytes(
            [STEP, FINISH, SPOILT, 2, 12, 13, 32, FINISH, STEP, FINISH])
        for kind, name in (VALUE, "values"), (GRADIENT, "gradients"), (
                PIECE, "pieces"):
            for rounds in range(4):
                files["spoilt_%s_%d_%d" % (name, ask, rounds)] = begin + bytes(
                    [STEP, ALL_JOBS]) + bytes([ANSWER, ALL_JOBS]) * rounds + (
                    b"".join(bytes([kind | 1, 0, rounds, 1, what, 3, 5])
                             for what in range(16))) + bytes([FINISH, STEP,
                                                              FINISH])
        for what in range(16):
            if what % ASKS == ask:
                files["step_%d_%d" % (what, ask)] = begin + bytes(
                    [STEP, FINISH, SPOILT, 1, what, 200, FINISH, INSTALL,
                     STEP, ALL_JOBS, SPOILT, 1, what, 1, FINISH])
        files["ends_%d" % ask] = begin + bytes(
            [STEP, JOB, GO | 1, ALL_JOBS, RETURN | 1, INSTALL, STEP, JOB,
             GO | 15, ALL_JOBS, RETURN | 15, STOP | 1, 1, ANSWER, ALL_JOBS,
             STOP | 1, 0, TIME | 2, 5, FINISH, STEP, JOB, RETIRE, JOB, INSTALL,
             STEP, STOP | 1, 2, FINISH])
    return files


def recipes():
    """Of fuzz_recipe.c: those of a school, and more that they may say."""
    def ref(number):
        return 'digest: "\\%03o%s" size: 1' % (number, "\\000" * 31)

    def data(manifest, files, which):
        return ("manifest { %s } files { %s } files { %s } %s width: 12 height: "
                "12 crop: 1 augment { crop_pad: 2 flip: true }"
                % (ref(manifest), ref(files[0]), ref(files[1]), which))

    def recipe(stage, stages):
        which = (("images: true " if stage == 0 else "")
                 + ("labels: true" if stage + 1 == stages else ""))
        loss = 'losses { scores: "scores" weight: 1 }'
        return (
            'training: "lesson" stage: %d stages: %d train { %s } test { %s } '
            "%s optimizer { momentum: 0.9 beta1: 0.9 beta2: 0.999 epsilon: 1e-8 "
            "weight_decay: 0.01 } micro_max: 4 slots: 2 seed: 5"
            % (stage, stages, data(3, (0, 1), which), data(255, (253, 254), which),
               loss if stage + 1 == stages else ""))

    def source(port):
        return ("sources { port: %d shard: 1 link: %d back_codec: 3 } "
                % (port, port))

    kinds = {
        "plain": (0, 0, 0, 1, ""),
        "adam": (0, 0, 0, 1, 'optimizer { kind: 1 clip_norm: 1 } recompute: '
                 'true rates { name: "conv*" rate: 0.5 } rates { name: "*" }'),
        "exits": (0, 0, 0, 1, 'losses { scores: "scores" weight: 0.5 } exits { '
                  "loss: 1 doubt: 1 }"),
        "lossy": (0, 0, 0, 1, 'lossy { layers { value: "conv1" halo: 1 rows { '
                  "in: 0 in: 6 in: 12 out: 0 out: 6 out: 12 } columns { in: 0 "
                  'in: 12 out: 0 out: 12 } } products: "scores" blocks: 2 train '
                  "{ loss: 1 p: 0.1 block_p: 0.1 } eval { p: 0.1 } levels: 4 "
                  "low: -1 high: 1 }"),
        "state": (0, 0, 0, 1, "state { %s }" % ref(3)),
        "views": (0, 0, 0, 1, "train { views: 0 columns: 1 rows: 1 }"),
        "first": (1, 0, 0, 2, ""),
        "last": (1, 1, 1, 2, source(0)),
        "last_two": (1, 1, 1, 2, source(0) + source(1)),
        "reduce": (2, 0, 0, 1, "reduce_codec: 2 one_f_one_b: true"),
        "local": (2, 1, 0, 1, "local: true"),
    }
    files = {}
    for name, (ask, board, stage, stages, more) in kinds.items():
        # Two in a row are one message, in which the second is added.
        text = b"".join(encode(part, "Recipe", "recipe.proto")
                        for part in (recipe(stage, stages), more))
        files[name] = bytes([ask, board, 0]) + text
        files["spoilt_" + name] = bytes(
            [ask, board, 3, 1, 0, 7, 40, 0, 255, 200, 1, 4]) + text
    return files


# Acts of fuzz_trainer.c.
(SERVE, T_STEPPED, T_SAVED, T_READY, T_FAILED, T_PASS, T_SILENCE, T_LEAVE,
 T_COME, T_STATE, T_WORK, T_ASK, T_RESTART, T_BOTH) = range(0, 224, 16)


def lies():
    """Four trainings, each lie in them."""
    files = {}
    for kind in range(4):
        begin = bytes([kind])
        both = bytes([T_BOTH])
        files["honest_%d" % kind] = begin + both * 9
        files["stepped_%d" % kind] = begin + both + b"".join(
            bytes([T_STEPPED, 1, what, 254, SERVE | 1, T_WORK, T_PASS | 9])
            + both for what in range(16))
        files["saved_%d" % kind] = begin + both * 2 + b"".join(
            bytes([SERVE | 1, T_STEPPED, 0, T_STATE, 3, 1, 2, 3,
                   T_SAVED, 1, what, 0, T_WORK])
            + both * 2 for what in range(8))
        files["comes_and_goes_%d" % kind] = begin + both * 3 + bytes(
            [T_LEAVE, T_PASS | 5, SERVE | 1, SERVE | 1, T_COME, T_PASS | 9,
             T_FAILED, 0, 3, T_READY, 0, T_SILENCE | 15, T_ASK, T_RESTART,
             T_COME, T_COME | 1, T_PASS | 9, T_ASK]) + both * 4
        files["stopped_%d" % kind] = begin + both * 3 + bytes(
            [T_ASK | 1, T_ASK]) + both
    return files


PLACEMENT = (
    'epoch: 3 deployment: "home" shards { %s } places { shard: 1 name: "s0" '
    'nodes: "n0" nodes: "n1" n_inputs: 1 } entries { port: 0 to_shard: 1 '
    'to_port: 0 } inputs { %s } outputs { %s } texts { first: "a" last: "b" } '
    "golden_input { %s } golden_output { %s } queue: 8"
    % (SHARD.replace("to_shard: 2 to_port: 1", "to_shard: 0 to_port: 0"),
       PORT, PORT, BLOB, BLOB))


def write(target, files):
    folder = pathlib.Path("tests/fuzz") / target
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def main():
    write("fuzz_train", lesson())
    write("fuzz_trainer", lies())
    write("fuzz_recipe", recipes())
    install = MESSAGES["install"]
    write("fuzz_daemon", TO_DAEMON)
    write("fuzz_head", TO_HEAD)
    write("fuzz_install", {"one": encode(
        install[install.index("{") + 1:install.rindex("}")], "Install",
        "control.proto")})
    write("fuzz_install", {
        "trained": encode(TRAINED, "Install", "control.proto"),
        "stage": encode(STAGE, "Install", "control.proto")})
    write("fuzz_placement",
          {"one": encode(PLACEMENT, "Placement", "shard.proto")})
    folder = pathlib.Path("tests/fuzz")
    (folder / "fuzz_msg").mkdir(exist_ok=True)
    (folder / "fuzz_frame").mkdir(exist_ok=True)
    stream = b""
    for name, message in MESSAGES.items():
        text, payload = message if isinstance(message, tuple) else (message, b"")
        if payload:
            text = "payload_crc: %d %s" % (crc32c(payload), text)
        head = pack(text, payload)
        (folder / "fuzz_msg" / name).write_bytes(bytes([len(payload)]) + head)
        stream += frame(head, payload)
        if payload or name in ("hello", "beat"):
            (folder / "fuzz_frame" / name).write_bytes(
                b"\x50" + frame(head, payload))
    (folder / "fuzz_frame" / "all").write_bytes(b"\xff" + stream)
    (folder / "fuzz_frame" / "all_by_one").write_bytes(b"\x01" + stream)


if __name__ == "__main__":
    main()
