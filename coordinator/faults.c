/*
 * Faults on purpose: who may ask for one, which are in force, what became of
 * the nodes they hit. A record goes through ASKED, ON, OVER (faults.h).
 *
 * Failures: the node refuses or does not answer: the client hears it and the
 * record goes. The node restarts, or was cut off and comes back: it says what
 * is in force there (FaultList), and any other fault of it is over.
 */
#include "coordinator/faults.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define LOOK_MS 20 /* how exactly times are taken */
#define REPLY_MS 3000
#define KEEP_MS 60000

/* ---- may they? ------------------------------------------------------------
 */

bool faults_allowed(const struct coordinator *c, char *why, size_t size)
{
    why[0] = '\0';
    if (c->allow_faults) {
        (void)snprintf(why, size, "--allow-faults");
        return true;
    }
    list_each(&c->deployments, it, after)
    {
        const struct deployment *d = list_entry(it, struct deployment, link);

        if (d->current != NULL && d->cluster != NULL &&
            d->cluster->faults_allowed) {
            (void)snprintf(why, size, "faults: allowed of %s", d->name);
            return true;
        }
    }
    return false;
}

static int check_allowed(const struct coordinator *c, struct err *err)
{
    char why[160];

    return faults_allowed(c, why, sizeof(why))
               ? 0
               : err_set(err, EDGE_EREFUSED,
                         "this cluster does not allow faults. Write  faults: "
                         "allowed  into cluster.yaml and deploy it, or start "
                         "it with  edgectl up --allow-faults  (on boards: "
                         "edge-coordinator --allow-faults)");
}

/* ---- records --------------------------------------------------------------
 */

static void on_look(struct io_timer *timer);

static void look_soon(struct faults *faults)
{
    if (!faults->looking && !faults->c->closing) {
        faults->looking = true;
        io_timer_start(faults->c->io, &faults->look, LOOK_MS);
    }
}

static void drop(struct faults *faults, struct fault_record *record)
{
    list_unlink(&record->link);
    faults->n--;
    mem_free(record);
}

struct fault_record *faults_find(const struct faults *faults, uint32_t id)
{
    list_each(&faults->records, it, after)
    {
        struct fault_record *record = list_entry(it, struct fault_record, link);

        if (record->spec.id == id) {
            return record;
        }
    }
    return NULL;
}

/* The oldest of those that are kept for watchers alone. */
static void make_room(struct faults *faults)
{
    list_each(&faults->records, it, after)
    {
        struct fault_record *record = list_entry(it, struct fault_record, link);

        if (faults->n >= FAULT_RECORDS && record->state == RECORD_OVER) {
            drop(faults, record);
        }
    }
}

struct fault_record *faults_add(struct faults *faults,
                                const struct fault_spec *spec)
{
    struct fault_record *record;

    make_room(faults);
    record = faults->n < FAULT_RECORDS ? mem_new(struct fault_record) : NULL;
    if (record == NULL) {
        return NULL;
    }
    record->spec = *spec;
    record->began_us = io_now_us(faults->c->io);
    list_init(&record->link);
    list_push(&faults->records, &record->link);
    faults->n++;
    look_soon(faults);
    return record;
}

static size_t count_on(const struct faults *faults)
{
    size_t n = 0;

    list_each(&faults->records, it, after)
    {
        n += list_entry(it, struct fault_record, link)->state != RECORD_OVER
                 ? 1
                 : 0;
    }
    return n;
}

/* Short, and not the number of a fault that a node still has from the life
 * of an earlier coordinator, most likely; that node would refuse it. */
static uint32_t new_id(const struct faults *faults)
{
    uint32_t id;

    do {
        id = (uint32_t)(io_random(faults->c->io) & 0xffff);
    } while (id == 0 || faults_find(faults, id) != NULL);
    return id;
}

/* ---- what becomes of the node ---------------------------------------------
 */

/* Every shard that it has in a placement in force, spares aside, is ready
 * there. */
static bool serves_place(const struct member *m, const struct placement *p,
                         const Edged__Place *place)
{
    for (size_t k = 0; k + place->spares < place->n_nodes; k++) {
        const struct relay_load *load =
            relay_load(m->node, p->epoch, place->shard);

        if (strcmp(place->nodes[k], m->name) == 0 &&
            (load == NULL || !load->ready)) {
            return false;
        }
    }
    return true;
}

static bool serves(const struct coordinator *c, const struct member *m)
{
    list_each(&c->deployments, it, after)
    {
        const struct placement *p =
            list_entry(it, struct deployment, link)->current;

        for (size_t i = 0; p != NULL && i < p->spec->n_places; i++) {
            if (!serves_place(m, p, p->spec->places[i])) {
                return false;
            }
        }
    }
    return true;
}

void faults_end(struct faults *faults, struct fault_record *record,
                const char *why)
{
    record->state = RECORD_OVER;
    record->over_us = io_now_us(faults->c->io);
    event_note(faults->c, EVENT_FAULT, record->spec.node, "%s (%04x) %s",
               fault_kind_name(record->spec.kind), record->spec.id, why);
}

static void note_node(const struct faults *faults, struct fault_record *record,
                      uint64_t now_us)
{
    const struct member *m = members_find(faults->c, record->spec.node);
    bool is_ready = m != NULL && members_is_ready(m);

    if (record->suspect_us == 0 && (!is_ready || m->suspect)) {
        record->suspect_us = now_us;
    }
    if (record->lost_us == 0 && !is_ready) {
        record->lost_us = now_us;
    }
    if (record->state == RECORD_OVER && is_ready && !m->suspect &&
        serves(faults->c, m)) {
        record->back_us = now_us;
        event_note(faults->c, EVENT_FAULT, record->spec.node,
                   "%s (%04x) is healed, %.1f s after it began",
                   fault_kind_name(record->spec.kind), record->spec.id,
                   (double)(now_us - record->began_us) / 1e6);
    }
}

static void reply(struct io_peer *client, int rc, const char *text,
                  const struct fault_spec *spec)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FaultReply message = EDGED__FAULT_REPLY__INIT;
    char *peers[LIMIT_FAULT_PEERS];
    Edged__Fault fault;

    if (client == NULL) {
        return;
    }
    message.code = rc;
    message.text = (char *)(uintptr_t)text;
    if (rc == 0) {
        fault_spec_out(spec, &fault, peers);
        message.fault = &fault;
    }
    env.body_case = EDGED__ENVELOPE__BODY_FAULT_REPLY;
    env.fault_reply = &message;
    (void)admin_send(client, &env, NULL);
}

static void look_at(struct faults *faults, struct fault_record *record)
{
    uint64_t now_us = io_now_us(faults->c->io);

    if (record->state == RECORD_ASKED) {
        if (now_us - record->began_us > REPLY_MS * UINT64_C(1000)) {
            reply(record->client, EDGE_ETIMEOUT,
                  "the node does not answer. Try: edgectl nodes",
                  &record->spec);
            drop(faults, record);
        }
        return;
    }
    if (record->state == RECORD_ON &&
        now_us - record->began_us >= record->spec.ms * UINT64_C(1000)) {
        faults_end(faults, record, "is over"); /* the clock has gone on */
    } else if (record->state == RECORD_OVER &&
               now_us - record->over_us > KEEP_MS * UINT64_C(1000)) {
        drop(faults, record);
        return;
    }
    if (record->back_us == 0) {
        note_node(faults, record, io_now_us(faults->c->io));
    }
}

static void on_look(struct io_timer *timer)
{
    struct faults *faults = container_of(timer, struct faults, look);

    faults->looking = false;
    list_each(&faults->records, it, after)
    {
        look_at(faults, list_entry(it, struct fault_record, link));
    }
    if (!list_is_empty(&faults->records)) {
        look_soon(faults);
    }
}

/* ---- a fault is asked for -------------------------------------------------
 */

static int check(struct coordinator *c, const struct fault_spec *spec,
                 struct member **m, struct err *err)
{
    *m = members_find(c, spec->node);
    if (*m == NULL) {
        return err_set(err, EDGE_ENOENT,
                       "there is no node \"%s\". Try: edgectl nodes",
                       spec->node);
    }
    if (!members_is_ready(*m)) {
        return err_set(err, EDGE_EUNAVAILABLE,
                       "%s is not connected, so nothing can be done to it. "
                       "Try: edgectl nodes",
                       spec->node);
    }
    for (size_t i = 0; i < spec->n_peers; i++) {
        if (members_find(c, spec->peers[i]) == NULL &&
            strcmp(spec->peers[i], "coordinator") != 0) {
            return err_set(err, EDGE_ENOENT,
                           "there is no node \"%s\" to cut it off from; "
                           "\"coordinator\" is one. Try: edgectl nodes",
                           spec->peers[i]);
        }
    }
    if (count_on(c->faults) >= LIMIT_FAULTS) {
        return err_set(err, EDGE_EBUSY,
                       "%d faults are in force, which are the most. Try: "
                       "edgectl fault clear --all",
                       LIMIT_FAULTS);
    }
    return 0;
}

static int tell(struct member *m, const struct fault_spec *spec,
                struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    char *peers[LIMIT_FAULT_PEERS];
    Edged__Fault fault;
    int rc;

    fault_spec_out(spec, &fault, peers);
    env.body_case = EDGED__ENVELOPE__BODY_FAULT;
    env.fault = &fault;
    rc = io_send(m->peer, &env, NULL);
    return rc < 0 ? err_set(err, rc, "%s: %s", m->name, err_text(rc)) : 0;
}

void faults_on_fault(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg)
{
    struct fault_record *record;
    struct fault_spec spec;
    struct member *m;
    struct err err;
    int rc = check_allowed(c, &err);

    if (rc == 0) {
        rc = fault_spec_read(msg->env->fault, &spec, &err);
    }
    if (rc == 0) {
        rc = check(c, &spec, &m, &err);
    }
    if (rc == 0) {
        spec.id = new_id(c->faults);
        rc = tell(m, &spec, &err);
    }
    if (rc == 0) {
        record = faults_add(c->faults, &spec);
        if (record != NULL) {
            record->client = peer;
            return;
        }
        rc = err_set(&err, EDGE_ENOMEM, "out of memory");
    }
    reply(peer, rc, err.text, NULL);
}

void faults_on_reply(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg)
{
    const Edged__FaultReply *answer = msg->env->fault_reply;
    const struct member *m = members_of(c, peer);
    struct fault_record *record =
        answer->fault != NULL ? faults_find(c->faults, answer->fault->id)
                              : NULL;

    if (m == NULL || record == NULL || record->state != RECORD_ASKED ||
        strcmp(record->spec.node, m->name) != 0) {
        return;
    }
    reply(record->client, answer->code < 0 ? answer->code : 0, answer->text,
          &record->spec);
    record->client = NULL;
    if (answer->code < 0) {
        drop(c->faults, record);
        return;
    }
    record->state = RECORD_ON;
    record->began_us = io_now_us(c->io);
    event_note(c, EVENT_FAULT, m->name, "%s on purpose, for %.1f s (%04x)",
               fault_kind_name(record->spec.kind), record->spec.ms / 1e3,
               record->spec.id);
}

/* ---- life -----------------------------------------------------------------
 */

void faults_peer_gone(struct coordinator *c, struct io_peer *peer)
{
    list_each(&c->faults->records, it, after)
    {
        struct fault_record *record = list_entry(it, struct fault_record, link);

        if (record->client == peer) {
            record->client = NULL;
        }
    }
}

int faults_init(struct coordinator *c)
{
    struct faults *faults = mem_new(struct faults);

    if (faults == NULL) {
        return EDGE_ENOMEM;
    }
    faults->c = c;
    list_init(&faults->records);
    io_timer_init(&faults->look, on_look);
    c->faults = faults;
    return 0;
}

void faults_free(struct coordinator *c)
{
    if (c->faults == NULL) {
        return;
    }
    io_timer_stop(c->io, &c->faults->look);
    list_each(&c->faults->records, it, after)
    {
        drop(c->faults, list_entry(it, struct fault_record, link));
    }
    mem_free(c->faults);
    c->faults = NULL;
}
