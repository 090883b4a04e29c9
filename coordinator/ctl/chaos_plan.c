#include "coordinator/ctl/chaos_plan.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned chaos_mix(const char *text)
{
    unsigned mix = 0;

    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        char word[16] = "";
        Edged__FaultKind kind;

        if (n >= sizeof(word)) {
            return 0;
        }
        memcpy(word, text, n);
        kind = faults_kind(word);
        if (kind == EDGED__FAULT_KIND__FAULT_NONE) {
            return 0;
        }
        mix |= 1u << kind;
        text += n + (text[n] == ',');
    }
    return mix;
}

/* ---- who may be hit -------------------------------------------------------
 */

/* How many others are ready to do this stage's work; -1: `node` has no part
 * in it. */
static int others(const Edged__StageStatus *stage, const char *node)
{
    bool has_part = false;
    int n = 0;

    for (size_t i = 0; i < stage->n_replicas; i++) {
        const Edged__ReplicaStatus *r = stage->replicas[i];

        if (strcmp(r->node, node) == 0) {
            has_part = true;
        } else {
            n += r->ready ? 1 : 0;
        }
    }
    return has_part ? n : -1;
}

static bool may_hit(const Edged__StatusReply *status, const char *node,
                    bool brutal)
{
    bool holds = false;

    for (size_t i = 0; i < status->n_deployments; i++) {
        const Edged__DeploymentStatus *d = status->deployments[i];

        for (size_t k = 0; k < d->n_stages; k++) {
            int n = others(d->stages[k], node);

            if (n == 0 && !brutal) {
                return false;
            }
            holds = holds || n >= 0;
        }
    }
    return holds;
}

static int by_name(const void *left, const void *right)
{
    const char *const *a = left;
    const char *const *b = right;

    return strverscmp(*a, *b);
}

static size_t candidates(const struct chaos_plan *plan,
                         const Edged__StatusReply *status,
                         const char *names[LIMIT_NODES])
{
    size_t n = 0;

    for (size_t i = 0; i < status->n_nodes && n < LIMIT_NODES; i++) {
        const Edged__NodeStatus *node = status->nodes[i];

        if (strcmp(node->state, "ready") == 0 &&
            strlen(node->name) <= LIMIT_NAME &&
            may_hit(status, node->name, plan->brutal)) {
            names[n++] = node->name;
        }
    }
    if (n > 0) {
        qsort(names, n, sizeof(names[0]), by_name);
    }
    return n;
}

/* ---- what happens to it ---------------------------------------------------
 */

static uint32_t between(struct rng *rng, uint32_t least, uint32_t most)
{
    return least + (uint32_t)rng_below(rng, most - least + 1);
}

static Edged__FaultKind choose_kind(struct chaos_plan *plan)
{
    unsigned n = (unsigned)__builtin_popcount(plan->mix);
    unsigned skip = (unsigned)rng_below(&plan->rng, n);
    int kind = EDGED__FAULT_KIND__FAULT_KILL;

    while ((plan->mix & 1u << kind) == 0 || skip-- > 0) {
        kind++;
    }
    return (Edged__FaultKind)kind;
}

/* All others, the coordinator, or the node after it in the list. */
static void choose_peer(struct chaos_plan *plan, struct chaos_hit *hit,
                        const char *const *names, size_t n, size_t at)
{
    const char *other = n > 1 ? names[(at + 1) % n] : "coordinator";

    hit->wish.way = (Edged__FaultWay)rng_below(&plan->rng, 3);
    switch (rng_below(&plan->rng, 4)) {
    case 0: other = "coordinator"; break;
    case 1: break;
    default: return;
    }
    (void)snprintf(hit->peer, sizeof(hit->peer), "%s", other);
    hit->wish.peers[0] = hit->peer;
    hit->wish.n_peers = 1;
}

/* Milder values of `fault` than a user may ask for: a mix runs many. */
static void choose_numbers(struct chaos_plan *plan, struct chaos_hit *hit,
                           const char *const *names, size_t n, size_t at)
{
    struct fault_wish *wish = &hit->wish;

    switch (wish->kind) {
    case EDGED__FAULT_KIND__FAULT_KILL:
        wish->ms = between(&plan->rng, 500, 3000);
        break;
    case EDGED__FAULT_KIND__FAULT_SLOW:
        wish->factor_percent = between(&plan->rng, 200, 1000);
        break;
    case EDGED__FAULT_KIND__FAULT_DROP:
        wish->permille = between(&plan->rng, 5, 50);
        break;
    case EDGED__FAULT_KIND__FAULT_CORRUPT:
        wish->permille = between(&plan->rng, 1, 20);
        break;
    case EDGED__FAULT_KIND__FAULT_PARTITION:
        choose_peer(plan, hit, names, n, at);
        break;
    case EDGED__FAULT_KIND__FAULT_PAUSE:
    case EDGED__FAULT_KIND__FAULT_NONE:
    case _EDGED__FAULT_KIND_IS_INT_SIZE:
    default: break;
    }
}

int chaos_next(struct chaos_plan *plan, const Edged__StatusReply *status,
               struct chaos_hit *hit, struct err *err)
{
    const char *names[LIMIT_NODES];
    size_t n = candidates(plan, status, names);
    size_t at;

    if (n == 0) {
        return err_set(err, EDGE_EUNAVAILABLE,
                       "every node is the only one that holds some shard. "
                       "Deploy with replicas: 2, or say --brutal");
    }
    at = (size_t)rng_below(&plan->rng, n);
    *hit = (struct chaos_hit){.peer = ""};
    (void)snprintf(hit->node, sizeof(hit->node), "%s", names[at]);
    hit->wish.node = hit->node;
    hit->wish.kind = choose_kind(plan);
    hit->wish.ms = between(&plan->rng, 2000, 5000);
    choose_numbers(plan, hit, names, n, at);
    return 0;
}
