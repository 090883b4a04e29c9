/* Faults on purpose: ending them early, and saying which there are. */
#include "coordinator/faults.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- clear ----------------------------------------------------------------
 */

static void clear_at(const struct member *m, uint32_t id)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultClear clear = EDGED__FAULT_CLEAR__INIT;

    clear.id = id;
    env.body_case = EDGED__ENVELOPE__BODY_FAULT_CLEAR;
    env.fault_clear = &clear;
    /* If it is lost the node ends the fault by its own clock. */
    (void)io_send(m->peer, &env, NULL);
}

/* False: the node cannot hear of it; its own clock ends the fault. */
static bool clear(struct faults *faults, struct fault_record *record)
{
    const struct member *m = members_find(faults->c, record->spec.node);
    bool is_down = record->spec.kind == EDGED__FAULT_KIND__FAULT_KILL ||
                   record->spec.kind == EDGED__FAULT_KIND__FAULT_PAUSE;

    if (m == NULL || m->peer == NULL || !m->peer->up || is_down) {
        return false;
    }
    clear_at(m, record->spec.id);
    faults_end(faults, record, "is cleared");
    return true;
}

static void clear_all(struct faults *faults, const Edged__FaultClear *which,
                      unsigned *cleared, unsigned *left, struct err *last)
{
    uint64_t now_us = io_now_us(faults->c->io);

    list_each(&faults->records, it, after)
    {
        struct fault_record *record = list_entry(it, struct fault_record, link);

        if (record->state != RECORD_ON ||
            (which->id != 0 && record->spec.id != which->id) ||
            (which->node[0] != '\0' &&
             strcmp(record->spec.node, which->node) != 0)) {
            continue;
        }
        if (clear(faults, record)) {
            ++*cleared;
            continue;
        }
        ++*left;
        (void)err_set(last, EDGE_EPARTIAL,
                      "%s cannot hear of it: its %s ends by itself in %llu s",
                      record->spec.node, fault_kind_name(record->spec.kind),
                      (unsigned long long)(record->spec.ms -
                                           (now_us - record->began_us) / 1000) /
                              1000 +
                          1);
    }
}

void faults_on_clear(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg)
{
    const Edged__FaultClear *which = msg->env->fault_clear;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Result result = EDGED__RESULT__INIT;
    unsigned cleared = 0;
    unsigned left = 0;
    struct err err;

    clear_all(c->faults, which, &cleared, &left, &err);
    if (left > 0) {
        result.code = EDGE_EPARTIAL;
    } else if (cleared == 0 && (which->id != 0 || which->node[0] != '\0')) {
        result.code = err_set(&err, EDGE_ENOENT,
                              "there is no such fault. Try: edgectl fault "
                              "list");
    } else {
        (void)err_set(&err, 0, "%u cleared", cleared);
    }
    result.text = err.text;
    env.body_case = EDGED__ENVELOPE__BODY_RESULT;
    env.result = &result;
    (void)admin_send(peer, &env, NULL);
}

/* ---- list -----------------------------------------------------------------
 */

static uint32_t ms_since(const struct fault_record *record, uint64_t at_us)
{
    uint64_t ms = (at_us - record->began_us) / 1000;

    return at_us == 0 ? 0 : ms > 0 ? (uint32_t)ms : 1;
}

struct row { /* of a FaultList */
    Edged__FaultState state;
    Edged__Fault fault;
    char *peers[LIMIT_FAULT_PEERS];
};

static void fill_row(struct row *row, const struct fault_record *record,
                     uint64_t now_us)
{
    Edged__FaultState *state = &row->state;

    edged__fault_state__init(state);
    fault_spec_out(&record->spec, &row->fault, row->peers);
    state->fault = &row->fault;
    state->age_ms = ms_since(record, now_us);
    if (record->state == RECORD_ON) {
        state->left_ms = record->spec.ms > state->age_ms
                             ? record->spec.ms - state->age_ms
                             : 1;
    }
    state->suspect_ms = ms_since(record, record->suspect_us);
    state->lost_ms = ms_since(record, record->lost_us);
    state->back_ms = ms_since(record, record->back_us);
}

void faults_on_query(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultList list = EDGED__FAULT_LIST__INIT;
    struct row *rows = mem_array(struct row, FAULT_RECORDS);
    Edged__FaultState *states[FAULT_RECORDS];
    uint64_t now_us = io_now_us(c->io);
    char why[160];

    (void)msg;
    if (rows == NULL) {
        io_hang_up(peer, EDGE_ENOMEM, "out of memory");
        return;
    }
    list_each(&c->faults->records, it, after)
    {
        struct fault_record *record = list_entry(it, struct fault_record, link);

        if (record->state != RECORD_ASKED) {
            fill_row(&rows[list.n_faults], record, now_us);
            states[list.n_faults] = &rows[list.n_faults].state;
            list.n_faults++;
        }
    }
    list.faults = states;
    list.allowed = faults_allowed(c, why, sizeof(why));
    list.why = why;
    env.body_case = EDGED__ENVELOPE__BODY_FAULT_LIST;
    env.fault_list = &list;
    (void)admin_send(peer, &env, NULL);
    mem_free(rows);
}

/* ---- what a node says when it connects ------------------------------------
 */

static const Edged__FaultState *state_of(const Edged__FaultList *list,
                                         uint32_t id)
{
    for (size_t i = 0; i < list->n_faults; i++) {
        if (list->faults[i]->fault != NULL &&
            list->faults[i]->fault->id == id) {
            return list->faults[i];
        }
    }
    return NULL;
}

/* Of a coordinator before this one. */
static void adopt(struct faults *faults, const struct member *m,
                  const Edged__FaultState *state)
{
    struct fault_record *record;
    struct fault_spec spec;
    struct err err;

    if (state->fault == NULL ||
        fault_spec_read(state->fault, &spec, &err) < 0 || spec.id == 0 ||
        strcmp(spec.node, m->name) != 0 ||
        faults_find(faults, spec.id) != NULL) {
        return;
    }
    record = faults_add(faults, &spec);
    if (record != NULL) {
        record->state = RECORD_ON;
        record->began_us -=
            (state->age_ms < spec.ms ? state->age_ms : spec.ms) *
            UINT64_C(1000);
    }
}

void faults_on_list(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg)
{
    const Edged__FaultList *list = msg->env->fault_list;
    const struct member *m = members_of(c, peer);

    if (m == NULL) {
        return;
    }
    list_each(&c->faults->records, it, after)
    {
        struct fault_record *record = list_entry(it, struct fault_record, link);

        if (record->state == RECORD_ON &&
            strcmp(record->spec.node, m->name) == 0 &&
            state_of(list, record->spec.id) == NULL) {
            faults_end(c->faults, record, "is over there");
        }
    }
    for (size_t i = 0; i < list->n_faults && i < LIMIT_FAULTS; i++) {
        adopt(c->faults, m, list->faults[i]);
    }
}
