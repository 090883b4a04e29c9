/*
 * Every bound in the system, in one place (docs/FAILURES.md explains them).
 * Nothing here depends on anything; static asserts tie the values together.
 */
#ifndef EDGE_BASE_LIMITS_H
#define EDGE_BASE_LIMITS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

/* Names, shapes, graphs. */
#define LIMIT_NAME 64              /* a node, shard or deployment */
#define LIMIT_GRAPH_NAME 1024      /* a name inside an ONNX graph */
#define LIMIT_RANK 8               /* dimensions of a tensor */
#define LIMIT_PORTS 16             /* inputs or outputs of a shard */
#define LIMIT_OP_INPUTS 256        /* inputs of one op (Concat, Sum, Max) */
#define LIMIT_GRAPH_OPS 65536      /* ops of a graph */
#define LIMIT_GRAPH_VALUES 262144  /* values of a graph */
#define LIMIT_GRAPH_PORTS 1024     /* inputs or outputs of a graph */
#define LIMIT_GRAPH_METAS 1024     /* entries of metadata */
#define LIMIT_FOLD_BYTES MIB(1024) /* constants that folding may make */
#define LIMIT_ONNX_DEPTH 32        /* nesting of an ONNX message */
#define LIMIT_TENSOR_BYTES ((size_t)1 << 40) /* sanity bound of one tensor */

/* Frames and messages. */
#define LIMIT_HEAD KIB(64)      /* the protobuf part of a frame */
#define LIMIT_HELLO_HEAD KIB(4) /* before the peer is known */
#define LIMIT_PAYLOAD MIB(64)   /* tensor bytes of a frame */
#define LIMIT_UNPACK MIB(4)     /* memory of one unpacked message */
#define LIMIT_HELLO_UNPACK KIB(16)
#define LIMIT_KEPT MIB(4)           /* a packed message in a state folder */
#define LIMIT_KEPT_UNPACK MIB(32)   /* and the memory of it unpacked */
#define LIMIT_CHUNK KIB(256)        /* one piece of a pushed blob */
#define LIMIT_STORE_SPARE MIB(1024) /* files in a store that nobody needs */
#define LIMIT_WRITE_QUEUE MIB(4) /* per peer, before senders see EDGE_EBUSY */
#define LIMIT_CONTROL_RESERVE MIB(1) /* beyond it, for messages, not data */

/* Queues and windows. */
#define LIMIT_SHARD_QUEUE 32      /* requests waiting for one shard */
#define LIMIT_CLIENT_BYTES MIB(4) /* of one client's requests under way */
#define LIMIT_GATEWAY_WINDOW 256  /* requests admitted and not yet answered */
#define LIMIT_DEDUP_IDS                                        \
    4096               /* latest ids among which a shard knows \
                        * those that it has finished */
#define LIMIT_EPOCHS 2 /* placements a node holds per deployment */
#define LIMIT_DEPLOYMENTS 16
#define LIMIT_NODES 1024         /* in one cluster */
#define LIMIT_SHARDS 256         /* in one deployment */
#define LIMIT_MICROS 256         /* micro-batches of one training step */
#define LIMIT_MICRO_SAMPLES 4096 /* in one of them */
#define LIMIT_MEASURE_OPS 512    /* of a part of a model that is measured */
#define LIMIT_PROFILES 2048      /* that the coordinator keeps, and links */
#define LIMIT_REPLICAS 64        /* of one shard */
#define LIMIT_HOPS 64            /* recorded in one answer */
#define LIMIT_LOG_LINES 1000     /* kept in memory for `edgectl logs` */
#define LIMIT_EVENTS 128         /* kept in memory for `edgectl events` */
#define LIMIT_EVENT_TEXT 240     /* bytes of one, with its NUL */
#define LIMIT_DAEMON_CONNS 64
#define LIMIT_COORD_CONNS 2048
#define LIMIT_UNAUTH_CONNS 32
#define LIMIT_FAULTS 32      /* on purpose and in force, at once */
#define LIMIT_FAULT_PEERS 16 /* that one of them names */
#define LIMIT_IP_CONNS 16    /* of one address, but on loopback */
#define LIMIT_DENIED 1024    /* certificates revoked that have not expired */
#define LIMIT_TOKENS 1024    /* made in a day */
#define LIMIT_CERTS 4096     /* that the coordinator remembers */
#define LIMIT_MEMBER_JOBS 64 /* certificates in the making at once */
#define LIMIT_ENROLS 16      /* of those, for boards that are not members */
#define LIMIT_ATTEMPTS 16    /* sends of one request by one holder */

/* Late work and doubtful nodes (common/relay). */
#define RETRIES 2            /* copies of a late hop beyond the first */
#define HEDGE 95             /* percentile after which there is a second */
#define HEDGE_MIN_MS 5       /* sooner a second copy gains nothing */
#define RETRY_BUDGET 20      /* percent of recent sends that may be copies */
#define RETRY_BUDGET_MIN 3   /* but so many at least */
#define RETRY_WINDOW_S 10    /* seconds that are recent */
#define HOP_DEADLINE_MS 1000 /* at least, and HOP_TIMES times its p99 */
#define HOP_TIMES 4
#define HOP_SAMPLES 128    /* times of a shard that are remembered */
#define HOP_SAMPLES_MIN 20 /* before that nothing is late */
#define DERATE 60          /* percent of its speed expected of a hot board */
#define DERATE_RUNS 16     /* until its measured time says how slow it is */
#define SLOW_START_MS 5000 /* until a node that came back has its share */
#define STRIKES 3          /* losses within STRIKE_WINDOW_MS: ejected */
#define STRIKE_WINDOW_MS 60000
#define EJECT_MS 5000 /* x2 each time, up to ... */
#define EJECT_MAX_MS 60000

/* Times, in milliseconds. */
#define BEAT_MS 500
#define WATCH_MS 100 /* how often silence is looked at */
#define SUSPECT_MS 1500
#define DEAD_MS 3000
#define HELLO_MS 5000
#define JOIN_MS 10000 /* for one without a certificate, all in all */
#define USER_TIMEOUT_MS 3000
#define STUCK_WRITE_MS 10000
#define FRAME_MS 5000      /* for one frame, or ... */
#define FRAME_RATE KIB(64) /* ... its size at so many bytes per second */
#define DRAIN_MS 10000
#define REDIAL_MIN_MS 100
#define REDIAL_MAX_MS 5000
#define INSTALL_MS 120000 /* a node without any progress on an install */
#define SAVE_MS 120000    /* or on a state that it saves */
#define FAULT_MIN_MS 100  /* of a fault on purpose */
#define FAULT_MAX_MS 600000
#define STORE_SWEEP_MS 600000 /* how often a store is looked through */
#define STORE_YOUNG_S 600     /* since a file in it was used: it stays */
#define STALL_MS 3000         /* one run, before the watchdog is let loose */
#define TOKEN_TTL_MS 900000ull
#define TOKEN_TTL_MAX_MS (7 * 86400000ull)
#define CERT_TTL_MS (30 * 86400000ull)
#define RENEW_AGAIN_MS 2000    /* after a renewal that got no answer */
#define RENEW_REFUSED_MS 60000 /* after one that was refused */
#define ENROL_MS 5000          /* for each address of a token */
#define REQUEST_MS 30000       /* default deadline of a request */
#define SENSE_BEHIND_MS 100    /* ago is what sources are asked for */

/* Measuring a model on a board (docs/decisions/0018). */
#define MEASURE_RUNS 15        /* of each op at most */
#define MEASURE_RUNS_MIN 3     /* at least, unless they take ... */
#define MEASURE_OVER 4         /* times their share of the budget */
#define MEASURE_BUDGET_MS 5000 /* of computing, a model on a board */
#define MEASURE_PIECE_MS 20    /* on the strand at once; or one op */
#define MEASURE_IDLE_MS 30000  /* for a board that is busy to have a moment */

/* Files of users. */
#define LIMIT_YAML KIB(256)
#define LIMIT_YAML_DEPTH 16
#define LIMIT_YAML_NODES 65536 /* values and keys of one file */
#define LIMIT_YAML_KEYS 256    /* of one mapping */
#define LIMIT_CONFIG_ERRORS 50 /* reported at once */
#define LIMIT_LOCAL 64         /* daemons of a local cluster */
#define LIMIT_IMAGE_SIDE 4096
#define LIMIT_IMAGE_FILE MIB(8)
#define LIMIT_IMAGE_SCANS 64
#define LIMIT_IMAGE_DECODER MIB(64)
#define LIMIT_MODEL_FILE ((size_t)2 << 30) /* what one protobuf may hold */
#define LIMIT_LABELS KIB(512)
#define LIMIT_CALIBRATION MIB(64) /* inputs that codecs are tried on */

/* What is trained and counted. */
#define LIMIT_LOSSES 16 /* outputs with a loss */
#define LIMIT_EXITS 4   /* of them, where samples may leave before the end */
#define EXIT_LEVELS 101 /* thresholds tried: 0, 0.01, ..., 1 */
#define LIMIT_LEFT ((size_t)EXIT_LEVELS * (LIMIT_EXITS + 1))

/* Data sets for training. */
#define LIMIT_DATA_SAMPLES ((uint64_t)1 << 27)
#define LIMIT_DATA_CLASSES 32768
#define LIMIT_DATA_CLASS 255     /* bytes of a class's name */
#define LIMIT_DATA_SIDE 1024     /* pixels, of a set of one size */
#define LIMIT_DATA_SHARD MIB(32) /* one blob of samples */
#define LIMIT_DATA_SHARDS 8192   /* of one set */
#define LIMIT_DATA_MANIFEST MIB(12)
#define LIMIT_DATA_PIXELS \
    ((uint64_t)1 << 47)          /* summed up: squares of levels fit 64 bits */
#define LIMIT_XZ_MEMORY MIB(128) /* to unpack an xz file */

static_assert(LIMIT_HELLO_HEAD <= LIMIT_HEAD, "hello fits a head");
static_assert(LIMIT_CERTS >= 2 * LIMIT_DENIED &&
                  LIMIT_MEMBER_JOBS > LIMIT_ENROLS,
              "members come before strangers");
static_assert(LIMIT_DENIED * 40 <= LIMIT_HEAD, "Denied fits a head");
static_assert((size_t)3 * LIMIT_DATA_SIDE * LIMIT_DATA_SIDE <=
                      LIMIT_DATA_SHARD &&
                  LIMIT_IMAGE_FILE + 8 <= LIMIT_DATA_SHARD,
              "a sample fits a shard");
static_assert((size_t)LIMIT_DATA_CLASSES * (LIMIT_DATA_CLASS + 7) +
                      (size_t)LIMIT_DATA_SHARDS * 96 + 1024 <=
                  LIMIT_DATA_MANIFEST,
              "a manifest holds all that it may say");
static_assert(LIMIT_DATA_CLASSES <= 65536, "a label has two bytes");
static_assert(LIMIT_CHUNK <= LIMIT_WRITE_QUEUE, "a chunk fits the queue");
static_assert(LIMIT_CHUNK <= LIMIT_PAYLOAD, "a chunk fits a frame");
static_assert(LIMIT_PORTS <= LIMIT_GRAPH_PORTS, "a shard is a graph");
static_assert(WATCH_MS * 5 <= BEAT_MS, "silence is seen within the promise");
static_assert(BEAT_MS * 3 <= SUSPECT_MS, "three beats before suspicion");
static_assert(2 * LIMIT_UNAUTH_CONNS <= LIMIT_DAEMON_CONNS,
              "strangers have half the places of known peers at most");
static_assert(SUSPECT_MS < DEAD_MS, "suspicion comes before death");

#endif
