#include "coordinator/recovery_plan.h"

#include "base/failpoint.h"
#include "base/mem.h"
#include "coordinator/plan/pinned.h"

#include <stdio.h>
#include <string.h>

#define SETTLE_MS 5000 /* a device is up so long before more is put on it */
#define SETTLE_DOUBLINGS 6
#define LOADING_MS 5000 /* a device that is up reads its shards for so long */

/* ---- who is there -------------------------------------------------------- */

static bool holds(const struct placement *p, size_t stage,
                  const struct member *m)
{
    return members_is_ready(m) && !m->node->leaving &&
           relay_is_ready(m->node, p->epoch, p->spec->shards[stage]->id);
}

static bool is_well_held(const struct placement *p, size_t stage)
{
    const Edged__Place *place = p->spec->places[stage];

    for (size_t k = 0; k < place->n_nodes; k++) {
        const struct member *m = members_find(p->c, place->nodes[k]);

        if (m != NULL && members_state(p->c, m) == MEMBER_UP &&
            holds(p, stage, m)) {
            return true;
        }
    }
    return false;
}

/* Views may lack, but not all of them. */
size_t recovery_find_broken(const struct placement *p)
{
    size_t n = p->spec->n_places;
    bool has_view = false;
    size_t lost = n;

    for (size_t i = 0; i < n; i++) {
        bool is_held = is_well_held(p, i);

        if (!is_held && !placement_may_lack(p, i)) {
            return i;
        }
        if (placement_may_lack(p, i)) {
            has_view = has_view || is_held;
            lost = lost == n && !is_held ? i : lost;
        }
    }
    return has_view ? n : lost;
}

bool recovery_is_gone(const struct placement *p, size_t stage)
{
    const Edged__Place *place = p->spec->places[stage];
    uint64_t now = io_now_us(p->c->io);

    for (size_t k = 0; k < place->n_nodes; k++) {
        const struct member *m = members_find(p->c, place->nodes[k]);
        uint64_t up_us = m != NULL ? m->steady.up_us : 0;

        if (m != NULL && members_is_ready(m) &&
            (holds(p, stage, m) || now - up_us < (uint64_t)LOADING_MS * 1000)) {
            return false; /* a suspect, or one that reads its shards */
        }
    }
    return true;
}

static bool is_settled(const struct coordinator *c, const struct member *m)
{
    uint32_t n =
        m->steady.flaps < SETTLE_DOUBLINGS ? m->steady.flaps : SETTLE_DOUBLINGS;

    return io_now_us(c->io) - m->steady.up_us >= ((uint64_t)SETTLE_MS * 1000)
                                                     << n;
}

static bool is_usable(const struct placement *p, const struct member *m,
                      bool is_urgent)
{
    if (m == NULL || m->drained || members_state(p->c, m) != MEMBER_UP ||
        m->steady.shy_us > io_now_us(p->c->io)) {
        return false;
    }
    return is_urgent || is_settled(p->c, m) ||
           seat_of((struct placement *)(uintptr_t)p, m) != NULL;
}

/* ---- memory -------------------------------------------------------------- */

static uint64_t needs_of(const Edged__Shard *shard)
{
    return shard->weight_bytes + shard->arena_bytes;
}

static bool is_spare_on(const Edged__Place *place, const char *node)
{
    for (size_t k = place->n_nodes - place->spares; k < place->n_nodes; k++) {
        if (strcmp(place->nodes[k], node) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_firm_somewhere(const struct placement *p, size_t stage)
{
    const Edged__Place *place = p->spec->places[stage];

    for (size_t k = 0; k + place->spares < place->n_nodes; k++) {
        const struct member *m = members_find(p->c, place->nodes[k]);

        if (m != NULL && members_state(p->c, m) == MEMBER_UP &&
            holds(p, stage, m)) {
            return true;
        }
    }
    return false;
}

uint64_t recovery_loan(struct coordinator *c, const struct member *m,
                       const struct deployment *but)
{
    uint64_t bytes = 0;

    list_each(&c->deployments, it, after)
    {
        const struct deployment *d = list_entry(it, struct deployment, link);
        const struct placement *p = d->current;

        for (size_t i = 0; d != but && p != NULL && i < p->spec->n_places;
             i++) {
            if (is_spare_on(p->spec->places[i], m->name) && holds(p, i, m) &&
                is_firm_somewhere(p, i)) {
                bytes += needs_of(p->spec->shards[i]);
            }
        }
    }
    return bytes;
}

static uint64_t free_bytes(const struct member *m, uint64_t most)
{
    uint64_t budget =
        most != 0 && most < m->memory_budget ? most : m->memory_budget;

    return budget > m->memory_used ? budget - m->memory_used : 0;
}

/* ---- the plan ------------------------------------------------------------ */

static enum again_role role_now(const struct placement *p, size_t stage,
                                const struct member *m)
{
    const Edged__Place *place = p->spec->places[stage];

    for (size_t k = 0; k < place->n_nodes; k++) {
        if (strcmp(place->nodes[k], m->name) == 0) {
            return !holds(p, stage, m)                   ? AGAIN_NONE
                   : k + place->spares >= place->n_nodes ? AGAIN_SPARE
                                                         : AGAIN_FIRM;
        }
    }
    return AGAIN_NONE;
}

static size_t spares_wanted(const struct cluster *cluster, size_t wanted)
{
    if (DEFENCE_OFF("spares")) {
        return 0;
    }
    if (cluster->spares != CLUSTER_SPARES_AUTO) {
        return (size_t)cluster->spares;
    }
    return wanted < 2 ? 1 : 0; /* two can each stand in for the other */
}

static void fill_devices(struct recovery_plan *plan, struct placement *p,
                         bool is_urgent)
{
    const struct cluster *cluster = plan->d->cluster;
    struct again *a = &plan->again;

    for (size_t i = 0; i < cluster->n_devices; i++) {
        struct member *m = members_find(p->c, cluster->devices[i].name);

        plan->members[i] = m;
        plan->devices[i].usable = is_usable(p, m, is_urgent);
        if (plan->devices[i].usable) {
            plan->devices[i].free_bytes =
                free_bytes(m, cluster->devices[i].memory);
            plan->devices[i].loan = recovery_loan(p->c, m, plan->d);
        }
    }
    a->devices = plan->devices;
    a->n_devices = cluster->n_devices;
}

/* Whether all whom the planner put it on do it, and can go on. */
static bool is_done_as_planned(const struct recovery_plan *plan,
                               const struct placement *p, size_t s)
{
    bool is_done = placement_is_as_planned(p->spec, s);

    for (size_t d = 0; d < plan->again.n_devices && is_done; d++) {
        is_done = !placement_is_planned_on(p->spec, s,
                                           plan->d->cluster->devices[d].name) ||
                  (plan->devices[d].usable && holds(p, s, plan->members[d]));
    }
    return is_done;
}

/* What is done where the planner wants it stays there: that another board is
 * idle may be just what was planned. */
static bool may_be_on(const struct recovery_plan *plan,
                      const struct placement *p, size_t s, size_t d)
{
    const char *node = plan->d->cluster->devices[d].name;

    if (is_done_as_planned(plan, p, s)) {
        return placement_is_planned_on(p->spec, s, node);
    }
    return pinned_allows(plan->d->cluster, p->spec->shards[s]->name, node);
}

/* It is where it is sensed, or nowhere. */
static void pin_view(struct recovery_plan *plan, size_t s)
{
    const struct again *a = &plan->again;

    plan->stages[s].wanted = 0;
    for (size_t d = 0; d < a->n_devices; d++) {
        size_t at = s * a->n_devices + d;

        plan->may[at] = plan->now[at] == AGAIN_FIRM;
        plan->stages[s].wanted += plan->may[at];
    }
}

static void fill_stages(struct recovery_plan *plan, const struct placement *p)
{
    struct again *a = &plan->again;

    for (size_t s = 0; s < p->spec->n_places; s++) {
        const Edged__Place *place = p->spec->places[s];
        size_t wanted =
            place->wanted > 0 ? place->wanted : place->n_nodes - place->spares;

        plan->stages[s].needs_bytes = needs_of(p->spec->shards[s]);
        plan->stages[s].wanted = wanted;
        plan->stages[s].spares =
            place->view > 0 ? 0 : spares_wanted(plan->d->cluster, wanted);
        for (size_t d = 0; d < a->n_devices; d++) {
            size_t at = s * a->n_devices + d;

            plan->now[at] = plan->devices[d].usable
                                ? (uint8_t)role_now(p, s, plan->members[d])
                                : AGAIN_NONE;
            plan->may[at] = may_be_on(plan, p, s, d);
        }
        if (place->view > 0) {
            pin_view(plan, s);
        }
    }
    a->stages = plan->stages;
    a->n_stages = p->spec->n_places;
    a->now = plan->now;
    a->may = plan->may;
    a->role = plan->role;
}

int recovery_plan_make(struct recovery_plan *plan, struct deployment *d,
                       bool is_urgent)
{
    size_t n = d->cluster->n_devices;
    size_t n_stages = d->current->spec->n_places;

    *plan = (struct recovery_plan){.d = d};
    plan->devices = mem_array(struct again_device, n);
    plan->members = mem_array(struct member *, n);
    plan->stages = mem_array(struct again_stage, n_stages);
    plan->now = mem_array(uint8_t, n * n_stages);
    plan->role = mem_array(uint8_t, n * n_stages);
    plan->may = mem_array(bool, n *n_stages);
    if (plan->devices == NULL || plan->members == NULL ||
        plan->stages == NULL || plan->now == NULL || plan->role == NULL ||
        plan->may == NULL) {
        recovery_plan_free(plan);
        return EDGE_ENOMEM;
    }
    fill_devices(plan, d->current, is_urgent);
    fill_stages(plan, d->current);
    plan->again.only_needs = is_urgent;
    plan->rc = again_place(&plan->again);
    return 0;
}

void recovery_plan_free(struct recovery_plan *plan)
{
    mem_free(plan->devices);
    mem_free(plan->members);
    mem_free(plan->stages);
    mem_free(plan->now);
    mem_free(plan->role);
    mem_free(plan->may);
}

bool recovery_plan_is_better(const struct recovery_plan *plan)
{
    struct again_score now = again_score(&plan->again, plan->now);
    struct again_score then = again_score(&plan->again, plan->role);

    return plan->rc == 0 && again_is_better(&then, &now);
}

/* ---- the placement that comes of it -------------------------------------- */

static int add_nodes(const struct recovery_plan *plan, size_t stage,
                     enum again_role role, Edged__Place *place)
{
    const struct again *a = &plan->again;

    for (size_t d = 0; d < a->n_devices; d++) {
        if (plan->role[stage * a->n_devices + d] != (uint8_t)role ||
            place->n_nodes == LIMIT_REPLICAS) {
            continue;
        }
        place->nodes[place->n_nodes] = mem_strdup(plan->members[d]->name);
        if (place->nodes[place->n_nodes] == NULL) {
            return EDGE_ENOMEM;
        }
        place->n_nodes++;
        place->spares += role == AGAIN_SPARE;
    }
    return 0;
}

static int set_place(const struct recovery_plan *plan, size_t stage,
                     Edged__Place *place)
{
    if (place->view > 0) {
        return 0;
    }
    for (size_t k = 0; k < place->n_nodes; k++) {
        mem_free(place->nodes[k]);
    }
    mem_free(place->nodes);
    place->n_nodes = 0;
    place->spares = 0;
    place->wanted = (uint32_t)plan->stages[stage].wanted;
    place->nodes = mem_array(char *, plan->again.n_devices);
    if (place->nodes == NULL || add_nodes(plan, stage, AGAIN_FIRM, place) < 0) {
        return EDGE_ENOMEM;
    }
    return add_nodes(plan, stage, AGAIN_SPARE, place);
}

int recovery_plan_spec(const struct recovery_plan *plan, Edged__Placement **out)
{
    Edged__Placement *spec = placement_copy(plan->d->current->spec);

    if (spec == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < spec->n_places; i++) {
        if (set_place(plan, i, spec->places[i]) < 0) {
            edged__placement__free_unpacked(spec, NULL);
            return EDGE_ENOMEM;
        }
    }
    *out = spec;
    return 0;
}

/* ---- in words ------------------------------------------------------------ */

static void add(char *out, size_t size, const char *text)
{
    size_t used = strlen(out);

    (void)snprintf(out + used, size - used, "%s", text);
}

/* "n1 (lost: connection reset) and n2 (cannot read its shards)". */
static void name_holders(const struct placement *p, size_t stage, char *out,
                         size_t size)
{
    const Edged__Place *place = p->spec->places[stage];
    char text[300];

    out[0] = '\0';
    for (size_t k = 0; k < place->n_nodes; k++) {
        struct member *m = members_find(p->c, place->nodes[k]);
        const struct seat *seat =
            m != NULL ? seat_of((struct placement *)(uintptr_t)p, m) : NULL;
        const char *why = m == NULL              ? ""
                          : !members_is_ready(m) ? m->why
                          : seat != NULL         ? seat->why
                                                 : "";

        (void)snprintf(text, sizeof(text), "%s%s (%s%s%.160s)",
                       k > 0 ? " and " : "", place->nodes[k],
                       m != NULL && members_is_ready(m) ? "not ready" : "lost",
                       why[0] != '\0' ? ": " : "", why);
        add(out, size, text);
    }
}

static void name_room(const struct recovery_plan *plan, size_t stage, char *out,
                      size_t size)
{
    const struct again *a = &plan->again;
    size_t best = a->n_devices;

    for (size_t d = 0; d < a->n_devices; d++) {
        if (a->devices[d].usable &&
            (best == a->n_devices ||
             a->devices[d].free_bytes > a->devices[best].free_bytes)) {
            best = d;
        }
    }
    if (best == a->n_devices) {
        (void)snprintf(out, size, "no other device is connected");
        return;
    }
    (void)snprintf(
        out, size,
        "no other device has room for its %llu MiB (%s has %llu MiB free)",
        (unsigned long long)(a->stages[stage].needs_bytes >> 20) + 1,
        plan->members[best]->name,
        (unsigned long long)(a->devices[best].free_bytes >> 20));
}

void recovery_plan_explain(const struct recovery_plan *plan, size_t stage,
                           char *out, size_t size)
{
    const struct deployment *d = plan->d;
    const struct placement *p = d->current;
    char holders[300];
    char room[260];

    name_holders(p, stage, holders, sizeof(holders));
    if (plan->rc < 0) {
        name_room(plan, plan->again.failed_stage, room, sizeof(room));
    } else if (d->recovery.last_failure[0] != '\0') {
        (void)snprintf(room, sizeof(room),
                       "placing it elsewhere failed: %.200s",
                       d->recovery.last_failure);
    } else {
        (void)snprintf(room, sizeof(room), "it is not placed elsewhere");
    }
    (void)snprintf(out, size,
                   "%s is unavailable: stage %s was on %s; %s. Start edged "
                   "there again, or look at: edgectl nodes",
                   d->name, p->spec->places[stage]->name, holders, room);
}
