#include "relay/fault_spec.h"

#include <string.h>

#define FACTOR_MOST 100000 /* percent */
#define EXTRA_MOST 10000   /* ms */
#define PERMILLE_ALL 1000

const char *fault_kind_name(Edged__FaultKind kind)
{
    switch (kind) {
    case EDGED__FAULT_KIND__FAULT_KILL: return "kill";
    case EDGED__FAULT_KIND__FAULT_PAUSE: return "pause";
    case EDGED__FAULT_KIND__FAULT_SLOW: return "slow";
    case EDGED__FAULT_KIND__FAULT_DROP: return "drop";
    case EDGED__FAULT_KIND__FAULT_PARTITION: return "partition";
    case EDGED__FAULT_KIND__FAULT_CORRUPT: return "corrupt";
    case EDGED__FAULT_KIND__FAULT_NONE:
    case _EDGED__FAULT_KIND_IS_INT_SIZE:
    default: return "?";
    }
}

static int check_times(const struct fault_spec *spec, struct err *err)
{
    if (spec->ms < FAULT_MIN_MS || spec->ms > FAULT_MAX_MS) {
        return err_set(err, EDGE_EINVAL,
                       "a fault lasts from %d ms to %d minutes", FAULT_MIN_MS,
                       FAULT_MAX_MS / 60000);
    }
    return 0;
}

static int check_slow(const struct fault_spec *spec, struct err *err)
{
    bool is_slow = spec->kind == EDGED__FAULT_KIND__FAULT_SLOW;
    bool any =
        spec->factor_percent > 0 || spec->extra_ms > 0 || spec->rate_milli > 0;

    if (any != is_slow) {
        return err_set(err, EDGE_EINVAL,
                       is_slow ? "slow needs a factor, ms per run, or a rate"
                               : "a factor, ms per run or a rate belong to "
                                 "slow");
    }
    if (spec->factor_percent > FACTOR_MOST ||
        (spec->factor_percent > 0 && spec->factor_percent <= 100)) {
        return err_set(err, EDGE_EINVAL,
                       "a factor is more than 1, and at most %d",
                       FACTOR_MOST / 100);
    }
    if (spec->extra_ms > EXTRA_MOST) {
        return err_set(err, EDGE_EINVAL, "a run is slowed by at most %d ms",
                       EXTRA_MOST);
    }
    if (spec->rate_milli > 0 && spec->rate_milli < 1000000 / EXTRA_MOST) {
        return err_set(err, EDGE_EINVAL, "a rate is at least 0.1 runs/s");
    }
    return 0;
}

static int check_share(const struct fault_spec *spec, struct err *err)
{
    bool has_share = spec->kind == EDGED__FAULT_KIND__FAULT_DROP ||
                     spec->kind == EDGED__FAULT_KIND__FAULT_CORRUPT;

    if (has_share != (spec->permille > 0) || spec->permille > PERMILLE_ALL) {
        return err_set(err, EDGE_EINVAL,
                       has_share ? "drop and corrupt need a part of the "
                                   "frames, from 0.1 %% to 100 %%"
                                 : "a part of the frames belongs to drop and "
                                   "corrupt");
    }
    return 0;
}

static int check_links(const struct fault_spec *spec, struct err *err)
{
    bool has_links = spec->kind == EDGED__FAULT_KIND__FAULT_DROP ||
                     spec->kind == EDGED__FAULT_KIND__FAULT_PARTITION;

    if ((unsigned)spec->way > EDGED__FAULT_WAY__FAULT_IN) {
        return err_set(err, EDGE_EINVAL, "a direction is in, out or both");
    }
    if (!has_links &&
        (spec->way != EDGED__FAULT_WAY__FAULT_BOTH || spec->n_peers > 0)) {
        return err_set(err, EDGE_EINVAL,
                       "a direction and other nodes belong to drop and "
                       "partition");
    }
    for (size_t i = 0; i < spec->n_peers; i++) {
        if (strcmp(spec->peers[i], spec->node) == 0) {
            return err_set(err, EDGE_EINVAL, "%s cannot be cut off from itself",
                           spec->node);
        }
    }
    return 0;
}

static int read_peers(const Edged__Fault *from, struct fault_spec *spec,
                      struct err *err)
{
    if (from->n_peers > LIMIT_FAULT_PEERS) {
        return err_set(err, EDGE_EINVAL, "a fault names at most %d other nodes",
                       LIMIT_FAULT_PEERS);
    }
    for (size_t i = 0; i < from->n_peers; i++) {
        if (!convert_name_ok(from->peers[i])) {
            return err_set(err, EDGE_EINVAL, "a name of a node is not one");
        }
        memcpy(spec->peers[i], from->peers[i], strlen(from->peers[i]) + 1);
    }
    spec->n_peers = from->n_peers;
    return 0;
}

static int check(const struct fault_spec *spec, struct err *err)
{
    int rc = check_times(spec, err);

    if (rc == 0) {
        rc = check_slow(spec, err);
    }
    if (rc == 0) {
        rc = check_share(spec, err);
    }
    return rc < 0 ? rc : check_links(spec, err);
}

int fault_spec_read(const Edged__Fault *from, struct fault_spec *spec,
                    struct err *err)
{
    int rc;

    *spec = (struct fault_spec){
        .id = from->id,
        .kind = from->kind,
        .ms = from->ms,
        .permille = from->permille,
        .factor_percent = from->factor_percent,
        .extra_ms = from->extra_ms,
        .rate_milli = from->rate_milli,
        .way = from->way,
    };
    if (from->kind == EDGED__FAULT_KIND__FAULT_NONE ||
        (unsigned)from->kind > EDGED__FAULT_KIND__FAULT_CORRUPT) {
        return err_set(err, EDGE_EINVAL, "there is no such fault");
    }
    if (!convert_name_ok(from->node)) {
        return err_set(err, EDGE_EINVAL, "a fault needs the name of a node");
    }
    memcpy(spec->node, from->node, strlen(from->node) + 1);
    rc = read_peers(from, spec, err);
    return rc < 0 ? rc : check(spec, err);
}

void fault_spec_out(const struct fault_spec *spec, Edged__Fault *to,
                    char *peers[LIMIT_FAULT_PEERS])
{
    edged__fault__init(to);
    to->id = spec->id;
    to->node = (char *)(uintptr_t)spec->node;
    to->kind = spec->kind;
    to->ms = spec->ms;
    to->permille = spec->permille;
    to->factor_percent = spec->factor_percent;
    to->extra_ms = spec->extra_ms;
    to->rate_milli = spec->rate_milli;
    to->way = spec->way;
    for (size_t i = 0; i < spec->n_peers; i++) {
        peers[i] = (char *)(uintptr_t)spec->peers[i];
    }
    to->peers = peers;
    to->n_peers = spec->n_peers;
}
