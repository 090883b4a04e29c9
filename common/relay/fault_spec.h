/*
 * A fault on purpose as coordinator and daemon both understand it: every
 * number of a Fault message checked.
 */
#ifndef EDGE_RELAY_FAULT_SPEC_H
#define EDGE_RELAY_FAULT_SPEC_H

#include "base/limits.h"
#include "wire/convert.h"

struct fault_spec {
    uint32_t id; /* 0: none yet */
    char node[LIMIT_NAME + 1];
    Edged__FaultKind kind;
    uint32_t ms;
    uint32_t permille;       /* drop, corrupt */
    uint32_t factor_percent; /* slow */
    uint32_t extra_ms;
    uint32_t rate_milli;
    Edged__FaultWay way; /* drop, partition */
    char peers[LIMIT_FAULT_PEERS][LIMIT_NAME + 1];
    size_t n_peers; /* 0: all */
};

/* EDGE_EINVAL with a sentence: a number out of its range, or a word that does
 * not belong to this kind of fault. */
int fault_spec_read(const Edged__Fault *from, struct fault_spec *spec,
                    struct err *err);
/* The message for it, which borrows from `spec` and `peers`. */
void fault_spec_out(const struct fault_spec *spec, Edged__Fault *to,
                    char *peers[LIMIT_FAULT_PEERS]);
/* "kill", "pause" ...; "?" for none of them. */
const char *fault_kind_name(Edged__FaultKind kind);

#endif
