/*
 * Requests, from admission to answer.
 *
 *   1. gateway_submit takes a slot of the window and holds the inputs, one
 *      hold per first shard, in the relay; where their links have a codec, once
 *      they are in it (input_code.h).
 *   2. Data for shard 0 comes from the last shards: an output each. When all
 *      that a shard sends are here they are acknowledged, being safe.
 *   3. With the last output the request is answered, exactly once.
 *
 * A hold that fails for good, or the deadline, is the answer instead. Data of
 * a request that is not here was answered before: it is acknowledged too. A
 * placement that ends before a request is through: the request begins again
 * in the one that is in force, for its inputs are still here.
 */
#include "coordinator/gateway_inner.h"

#include "base/mem.h"

#include <string.h>

static void drop_tensors(struct tensor *tensors, size_t n)
{
    for (size_t i = 0; i < n && tensors != NULL; i++) {
        tensor_deinit(&tensors[i]);
    }
    mem_free(tensors);
}

static void drop_entries(struct request *r)
{
    for (size_t i = 0; i < r->n_entries; i++) {
        hold_cancel(&r->c->relay, &r->entries[i].hold);
        mem_free(r->entries[i].parts);
    }
    mem_free(r->entries);
    r->entries = NULL;
    r->n_entries = 0;
    input_code_drop(r->code);
    r->code = NULL;
}

static void leave_placement(struct request *r)
{
    r->placement->in_flight--;
    if (r->placement->alone == r) {
        r->placement->alone = NULL;
    }
    placement_settle(r->placement);
}

/* Out of every list: whatever a callback does then, it meets no trace. */
static void request_leave(struct request *r)
{
    for (size_t i = 0; i < r->n_entries; i++) {
        hold_cancel(&r->c->relay, &r->entries[i].hold);
    }
    if (!list_is_empty(&r->link)) {
        list_unlink(&r->link);
        r->c->n_requests--;
        leave_placement(r);
    }
}

static void request_free(struct request *r)
{
    request_leave(r);
    drop_entries(r);
    drop_tensors(r->inputs, r->n_inputs);
    drop_tensors(r->outputs, r->n_outputs);
    mem_free(r->hops);
    mem_free(r);
}

static uint32_t count_resent(const struct request *r)
{
    uint32_t n = r->resent;

    for (size_t i = 0; i < r->n_entries; i++) {
        n +=
            r->entries[i].hold.attempt > 1 ? r->entries[i].hold.attempt - 1 : 0;
    }
    return n;
}

/* The single exit. */
void request_finish(struct request *r, int rc, const char *text)
{
    uint64_t now = io_now_us(r->c->io);
    struct answer answer = {
        .rc = rc,
        .text = text,
        .outputs = rc == 0 ? r->outputs : NULL,
        .n_outputs = r->n_outputs,
        .hops = r->hops,
        .n_hops = r->n_hops,
        .latency_us = (uint32_t)(now - r->admitted_us),
        .resent = count_resent(r),
        .version = rc == 0 ? r->placement->spec : NULL,
        .exit = rc == 0 ? r->left_at : NULL,
        .views = &r->views,
        .at_us = r->at_us,
    };

    if (r->placement->deployment != NULL) {
        counts_add(&r->placement->deployment->counts, now, answer.latency_us,
                   rc == 0);
        if (rc == 0) {
            views_count(&r->placement->deployment->counts, &answer);
        }
        if (rc == 0 && r->is_alone && answer.resent == 0) {
            counts_add_alone(&r->placement->deployment->counts,
                             answer.latency_us);
        }
    }
    if (rc < 0) {
        log_event(r->c->log, LOG_WARN, "request.failed",
                  "request=%llu rc=%s err=\"%s\"", (unsigned long long)r->id,
                  err_name(rc), text);
    }
    request_leave(r);
    r->cb(r->arg, &answer);
    request_free(r);
}

/* Whoever asked is gone: what is not computed yet need not be. */
void gateway_cancel(struct request *r)
{
    for (size_t i = 0; i < r->n_entries; i++) {
        hold_abandon(&r->c->relay, &r->entries[i].hold);
    }
    request_free(r);
}

static void on_hold_done(struct hold *hold, int rc, const char *text)
{
    if (rc < 0) {
        request_finish(container_of(hold, struct entry, hold)->request, rc,
                       text);
    }
}

/* ---- admission --------------------------------------------------------------
 */

static struct entry *entry_for(struct request *r, uint32_t shard)
{
    struct entry *e;

    for (size_t i = 0; i < r->n_entries; i++) {
        if (r->entries[i].hold.shard == shard) {
            return &r->entries[i];
        }
    }
    e = &r->entries[r->n_entries];
    e->parts = mem_array(struct relay_part, r->placement->spec->n_entries);
    if (e->parts == NULL) {
        return NULL;
    }
    r->n_entries++;
    e->request = r;
    e->hold = (struct hold){
        .request = r->id,
        .epoch = r->placement->epoch,
        .shard = shard,
        .deadline_us = r->deadline_us,
        .parts = e->parts,
        .sent = &r->placement->sent,
        .views = &r->views,
        .at_us = r->at_us,
        .done = on_hold_done,
    };
    return e;
}

static int make_entries(struct request *r)
{
    const Edged__Placement *spec = r->placement->spec;

    r->entries = mem_array(struct entry, spec->n_entries);
    if (r->entries == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < spec->n_entries; i++) {
        const Edged__Link *link = spec->entries[i];
        struct entry *e;

        if (views_is_absent(r, link->port)) {
            continue;
        }
        e = entry_for(r, link->to_shard);
        if (e == NULL || link->port >= r->n_inputs) {
            return e == NULL ? EDGE_ENOMEM : EDGE_EINVAL;
        }
        e->parts[e->hold.n_parts++] = (struct relay_part){
            .port = link->to_port, .tensor = r->inputs[link->port]};
    }
    return 0;
}

/* `inputs` NULL: it has none. */
static struct request *request_new(struct placement *p,
                                   const struct tensor *inputs)
{
    struct request *r = mem_new(struct request);

    if (r == NULL) {
        return NULL;
    }
    list_init(&r->link);
    r->c = p->c;
    r->placement = p;
    r->n_inputs = p->spec->n_inputs;
    r->n_outputs = p->spec->n_outputs;
    r->inputs = mem_array(struct tensor, r->n_inputs);
    r->outputs = mem_array(struct tensor, r->n_outputs);
    if (r->inputs == NULL || r->outputs == NULL) {
        request_free(r);
        return NULL;
    }
    for (size_t i = 0; i < r->n_inputs && inputs != NULL; i++) {
        if (inputs[i].dtype == DTYPE_NONE) {
            r->without |= UINT32_C(1) << i;
        } else {
            r->inputs[i] = tensor_ref(&inputs[i]);
        }
    }
    return r;
}

static void start_holds(struct request *r)
{
    for (size_t i = 0; i < r->n_entries; i++) {
        hold_start(&r->c->relay, &r->entries[i].hold);
    }
}

/* The part of an entry that this link brings. */
static struct relay_part *part_of(struct request *r, const Edged__Link *link)
{
    struct entry *e = entry_for(r, link->to_shard); /* it is there */
    size_t i = 0;

    while (e->parts[i].port != link->to_port) {
        i++;
    }
    return &e->parts[i];
}

static void on_coded(void *arg, int rc)
{
    struct request *r = arg;
    const Edged__Placement *spec = r->placement->spec;

    if (rc < 0) {
        request_finish(r, EDGE_EUNAVAILABLE, "out of memory");
        return;
    }
    for (size_t i = 0; i < spec->n_entries; i++) {
        const Edged__Link *link = spec->entries[i];

        if (!views_is_absent(r, link->port)) {
            *part_of(r, link) =
                input_code_part(r->code, link, &r->inputs[link->port]);
        }
    }
    start_holds(r);
}

struct request_from { /* one of the two */
    const struct tensor *inputs;
    uint64_t at_us;
};

/* EDGE_ENOMEM: it has not entered. */
static int enter(struct request *r, struct placement *p)
{
    if (r->at_us == 0 && input_code_is_wanted(p->spec)) {
        r->code = input_code_start(p->c, p->spec, r->inputs, on_coded, r);
        if (r->code == NULL) {
            return EDGE_ENOMEM;
        }
    }
    r->placement = p;
    r->is_alone = p->in_flight == 0;
    if (p->alone != NULL) {
        p->alone->is_alone = false;
    }
    p->alone = r->is_alone ? r : NULL;
    p->in_flight++;
    if (r->code == NULL) {
        start_holds(r);
    }
    return 0;
}

static int submit(struct placement *p, const struct request_from *from,
                  uint32_t deadline_ms, gateway_cb cb, void *arg,
                  struct request **request)
{
    struct coordinator *c = p->c;
    bool stays = p->deployment == NULL || p->deployment->current != p;
    struct request *r;
    int rc;

    if (!admit(p, stays, deadline_ms)) {
        return EDGE_EBUSY;
    }
    r = request_new(p, from->inputs);
    if (r == NULL) {
        return EDGE_ENOMEM;
    }
    r->at_us = from->at_us;
    r->id = c->next_request++;
    r->admitted_us = io_now_us(c->io);
    r->deadline_us = r->admitted_us + (uint64_t)deadline_ms * 1000;
    r->stays = stays;
    r->views.through = stays; /* all of it is tried */
    r->cb = cb;
    r->arg = arg;
    rc = views_look(r, p);
    if (rc == 0) {
        rc = make_entries(r);
    }
    if (rc == 0) {
        rc = enter(r, p);
    }
    if (rc < 0) {
        request_free(r);
        return rc;
    }
    list_push(&c->requests, &r->link);
    c->n_requests++;
    if (request != NULL) {
        *request = r;
    }
    return 0;
}

int gateway_submit(struct placement *p, const struct tensor *inputs,
                   uint32_t deadline_ms, gateway_cb cb, void *arg,
                   struct request **request)
{
    struct request_from from = {.inputs = inputs};

    return submit(p, &from, deadline_ms, cb, arg, request);
}

int gateway_sense(struct placement *p, uint64_t at_us, uint32_t deadline_ms,
                  gateway_cb cb, void *arg, struct request **request)
{
    struct request_from from = {.at_us = at_us};

    return submit(p, &from, deadline_ms, cb, arg, request);
}

/* ---- a placement ends ---------------------------------------------------- */

static bool are_ports_equal(Edged__Port *const *a, size_t n_a,
                            Edged__Port *const *b, size_t n_b)
{
    for (size_t i = 0; i < n_a && n_a == n_b; i++) {
        const Edged__TensorMeta *x = a[i]->tensor;
        const Edged__TensorMeta *y = b[i]->tensor;

        if (x->dtype != y->dtype || x->n_dims != y->n_dims ||
            memcmp(x->dims, y->dims, x->n_dims * sizeof(*x->dims)) != 0) {
            return false;
        }
    }
    return n_a == n_b;
}

/* Where its requests can go on, or NULL. */
static struct placement *successor(const struct placement *p)
{
    struct placement *next =
        p->deployment != NULL ? p->deployment->current : NULL;

    if (next == NULL || next == p || p->c->closing ||
        !are_ports_equal(p->spec->inputs, p->spec->n_inputs, next->spec->inputs,
                         next->spec->n_inputs) ||
        !are_ports_equal(p->spec->outputs, p->spec->n_outputs,
                         next->spec->outputs, next->spec->n_outputs)) {
        return NULL;
    }
    return next;
}

/* Under another number, so that nothing that still comes is taken for it. */
static int begin_again(struct request *r, struct placement *next)
{
    struct placement *old = r->placement;
    int rc;

    r->resent = count_resent(r) + 1;
    drop_entries(r);
    for (size_t i = 0; i < r->n_outputs; i++) {
        tensor_deinit(&r->outputs[i]);
        r->outputs[i] = (struct tensor){0};
    }
    r->n_have = 0;
    mem_free(r->hops);
    r->hops = NULL;
    r->n_hops = 0;
    r->id = r->c->next_request++;
    r->placement = next;
    rc = views_look(r, next);
    rc = rc == 0 ? make_entries(r) : rc;
    r->placement = old;
    if (rc == 0) {
        rc = enter(r, next);
    }
    if (rc == 0) {
        r->is_alone = false; /* its time is that of two placements */
        old->alone = old->alone == r ? NULL : old->alone;
        old->in_flight--;
        placement_settle(old);
    }
    return rc;
}

static struct request *find_in(struct coordinator *c, const struct placement *p)
{
    list_each(&c->requests, it, after)
    {
        struct request *r = list_entry(it, struct request, link);

        if (r->placement == p) {
            return r;
        }
    }
    return NULL;
}

void gateway_leave(struct placement *p)
{
    struct coordinator *c = p->c;
    struct placement *next = successor(p);
    struct request *r;

    /* The end of a golden input may end the rollout, and `p` with it. */
    while ((r = find_in(c, p)) != NULL) {
        if (next == NULL || r->stays || begin_again(r, next) < 0) {
            request_finish(r, EDGE_ESTALE, "its epoch has ended");
        }
    }
}

void gateway_refuse(struct placement *p, const char *why)
{
    struct coordinator *c = p->c;
    struct request *r;

    while ((r = find_in(c, p)) != NULL) {
        request_finish(r, EDGE_EUNAVAILABLE, why);
    }
}

/* ---- ends ---------------------------------------------------------------- */

void gateway_end_late(struct coordinator *c)
{
    uint64_t now = io_now_us(c->io);

    list_each(&c->requests, it, after)
    {
        struct request *r = list_entry(it, struct request, link);

        if (r->deadline_us <= now) {
            request_finish(r, EDGE_ETIMEOUT, "its deadline has passed");
        }
    }
}

void gateway_end_all(struct coordinator *c)
{
    list_each(&c->requests, it, after)
    {
        request_finish(list_entry(it, struct request, link), EDGE_ECLOSED,
                       "the coordinator is stopping");
    }
}

void gateway_free_all(struct coordinator *c)
{
    list_each(&c->requests, it, after)
    {
        request_free(list_entry(it, struct request, link));
    }
    input_code_free_all(c);
}
