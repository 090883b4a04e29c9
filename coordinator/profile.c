/* edgectl profile, from the question to the answer; profile.h has the way. */
#include "coordinator/profile.h"

#include "base/mem.h"
#include "coordinator/rollout.h"
#include "wire/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TICK_MS 100
#define BOARDS_MS 5000 /* as for a deploy */

uint64_t profile_wall_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void profile_take_speed(struct member *m, const Edged__Speed *from)
{
    if (from == NULL || from->kind[0] == '\0' ||
        strlen(from->kind) >= sizeof(m->speed.kind)) {
        return;
    }
    (void)snprintf(m->speed.kind, sizeof(m->speed.kind), "%s", from->kind);
    if (strlen(from->machine) < sizeof(m->speed.machine)) {
        (void)snprintf(m->speed.machine, sizeof(m->speed.machine), "%s",
                       from->machine);
    }
    m->speed.threads = from->threads;
    m->speed.macs_per_s = kept_is_rate(from->macs_per_s) ? from->macs_per_s : 0;
    m->speed.bytes_per_s =
        kept_is_rate(from->bytes_per_s) ? from->bytes_per_s : 0;
    m->speed.run_s = kept_is_seconds(from->run_s) ? from->run_s : 0;
}

/* ---- talking --------------------------------------------------------------
 */

void profile_say(struct profiling *p, const char *phase, const char *node,
                 size_t done, size_t total)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Progress progress = EDGED__PROGRESS__INIT;

    if (p->client == NULL) {
        return;
    }
    progress.phase = (char *)(uintptr_t)phase;
    progress.node = (char *)(uintptr_t)node;
    progress.done = done;
    progress.total = total;
    env.body_case = EDGED__ENVELOPE__BODY_PROGRESS;
    env.progress = &progress;
    (void)io_send(p->client, &env, NULL);
}

static void send_reply(struct io_peer *client, Edged__ProfileReply *reply)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_PROFILE_REPLY;
    env.profile_reply = reply;
    (void)admin_send(client, &env, NULL);
}

static void refuse(struct io_peer *client, int rc, const char *text)
{
    Edged__ProfileReply reply = EDGED__PROFILE_REPLY__INIT;

    reply.code = rc;
    reply.text = (char *)(uintptr_t)text;
    send_reply(client, &reply);
}

/* ---- the end --------------------------------------------------------------
 */

static void release(struct profiling *p)
{
    for (size_t i = 0; i < p->n_boards; i++) {
        mem_free(p->boards[i].made.op_s);
    }
    for (size_t i = 0; i < p->n_pieces; i++) {
        blob_unref(p->pieces[i].model);
    }
    kept_deinit(&p->kept);
    mem_free(p->boards);
    mem_free(p->pieces);
    mem_free(p->op_numbers);
    mem_free(p->is_product);
    mem_free(p->pairs);
    mem_free(p->made);
    mem_free(p);
}

static double macs_of(const struct profiling *p)
{
    return p->kept.n > 0 ? p->kept.rows[0].macs : p->macs;
}

void profile_finish(struct profiling *p, int rc, const char *text)
{
    Edged__ProfileReply reply = EDGED__PROFILE_REPLY__INIT;

    io_timer_stop(p->c->io, &p->timer);
    reply.code = rc;
    reply.text = (char *)(uintptr_t)text;
    reply.model_name = p->model_name;
    reply.model = convert_digest_out(&p->model);
    reply.macs = macs_of(p);
    reply.n_ops = (uint32_t)(p->kept.n > 0 ? p->kept.rows[0].n_ops : p->n_ops);
    reply.n_measured = (uint32_t)p->n_measured;
    reply.took_ms = (uint32_t)((io_now_us(p->c->io) - p->started_us) / 1000);
    if (rc < 0) {
        log_event(p->c->log, LOG_WARN, "profile.failed", "rc=%s err=\"%s\"",
                  err_name(rc), text);
    } else {
        log_event(p->c->log, LOG_INFO, "profile.done",
                  "model=%s boards=%zu measured=%zu ms=%u", p->model_name,
                  p->n_boards, p->n_measured, reply.took_ms);
    }
    if (p->client != NULL) {
        send_reply(p->client, &reply);
    }
    p->c->profiling = NULL;
    release(p);
}

void profile_peer_gone(struct coordinator *c, const struct io_peer *peer)
{
    struct profiling *p = c->profiling;

    if (p != NULL && p->client == peer) {
        p->client = NULL;
    }
    if (p != NULL && p->is_bursting && p->burst.peer == peer) {
        burst_fail(&p->burst, EDGE_ECLOSED);
    }
}

void profile_free(struct coordinator *c)
{
    if (c->profiling != NULL) {
        profile_links_stop(c->profiling);
        io_timer_stop(c->io, &c->profiling->timer);
        release(c->profiling);
        c->profiling = NULL;
    }
}

/* ---- step by step ---------------------------------------------------------
 */

static bool has_failed(struct profiling *p)
{
    if (p->rc < 0) {
        profile_finish(p, p->rc, p->err.text);
        return true;
    }
    return false;
}

static void on_looked_again(struct profiling *p)
{
    if (!has_failed(p)) {
        profile_reply_all(p);
        profile_finish(p, 0, "");
    }
}

static void on_kept(struct profiling *p)
{
    if (has_failed(p)) {
        return;
    }
    kept_deinit(&p->kept);
    p->step = PROFILE_ANSWERING;
    profile_look(p, on_looked_again);
}

void profile_links_done(struct profiling *p)
{
    p->step = PROFILE_KEEPING;
    profile_keep(p, on_kept);
}

void profile_boards_done(struct profiling *p)
{
    p->step = PROFILE_LINKS;
    profile_links_start(p);
}

static void on_read(struct profiling *p)
{
    if (!has_failed(p)) {
        p->step = PROFILE_BOARDS;
        profile_boards_start(p);
    }
}

static void on_looked(struct profiling *p)
{
    if (has_failed(p)) {
        return;
    }
    if (profile_boards_pick(p)) {
        p->step = PROFILE_READING;
        profile_say(p, "import", "", 0, 0);
        profile_read(p, on_read);
    } else {
        profile_boards_done(p);
    }
}

/* Boards that have just begun are not asked for yet. */
static bool are_all_there(const struct profiling *p)
{
    for (size_t i = 0; i < p->n_boards; i++) {
        const struct member *m = members_find(p->c, p->boards[i].name);

        if (m == NULL || !members_is_ready(m) || m->speed.kind[0] == '\0') {
            return false;
        }
    }
    return true;
}

static void wait(struct profiling *p)
{
    uint64_t waited_us = io_now_us(p->c->io) - p->started_us;

    if (are_all_there(p) || waited_us > BOARDS_MS * UINT64_C(1000)) {
        p->step = PROFILE_LOOKING;
        profile_look(p, on_looked);
    }
}

static void on_tick(struct io_timer *timer)
{
    struct profiling *p = container_of(timer, struct profiling, timer);

    io_timer_start(p->c->io, timer, TICK_MS);
    if (p->step == PROFILE_WAITING) {
        wait(p);
    } else if (p->step == PROFILE_BOARDS) {
        profile_boards_tick(p); /* may be the end of p */
    } else if (p->step == PROFILE_LINKS) {
        profile_links_tick(p);
    }
}

/* ---- the question ---------------------------------------------------------
 */

static int add_board(struct profiling *p, const char *name, struct err *err)
{
    const struct member *m = members_find(p->c, name);

    if (m == NULL) {
        return err_set(err, EDGE_ENOENT,
                       "there is no device \"%s\". Try: edgectl nodes", name);
    }
    (void)snprintf(p->boards[p->n_boards].name, sizeof(p->boards[0].name), "%s",
                   name);
    p->n_boards++;
    return 0;
}

/* Those of cluster.yaml; without one, all. */
static int add_boards(struct profiling *p, const struct cluster *cluster,
                      struct err *err)
{
    bool all = cluster == NULL;
    size_t n = all ? 0 : cluster->n_devices;
    int rc = 0;

    if (all) {
        list_each(&p->c->members, it, after)
        {
            n++;
        }
    }
    p->boards = mem_array(struct sitting, n + 1);
    if (p->boards == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n && !all && rc == 0; i++) {
        rc = add_board(p, cluster->devices[i].name, err);
    }
    if (all) {
        list_each(&p->c->members, it2, after2)
        {
            (void)add_board(p, list_entry(it2, struct member, link)->name, err);
        }
    }
    if (rc == 0 && p->n_boards == 0) {
        rc = err_set(err, EDGE_ENOENT, "there are no boards. Try: edgectl up");
    }
    return rc;
}

/* Its errors were shown by edgectl, which reads the file first. */
static int read_yaml(struct profiling *p, const Edged__ProfileRequest *from,
                     struct cluster **cluster, struct err *err)
{
    struct config_errors *errors = mem_new(struct config_errors);
    struct blob *yaml = NULL;
    struct digest digest;
    int rc = errors == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                            : convert_digest_in(&from->yaml, &digest, err);

    if (rc == 0) {
        rc = store_map(p->c->store, &digest, true, &yaml, err);
    }
    if (rc == 0) {
        rc = cluster_read((const char *)yaml->data, yaml->size, from->yaml_name,
                          cluster, errors);
        if (rc < 0) {
            (void)err_set(err, rc, "%s is not valid. Try: edgectl validate %s",
                          from->yaml_name, from->yaml_name);
        }
    }
    blob_unref(yaml);
    mem_free(errors);
    return rc;
}

static int begin_file(struct profiling *p, const Edged__ProfileRequest *from,
                      struct err *err)
{
    struct cluster *cluster = NULL;
    int rc = convert_digest_in(&from->model, &p->model, err);

    if (rc == 0) {
        rc = read_yaml(p, from, &cluster, err);
    }
    if (rc == 0) {
        (void)snprintf(p->model_name, sizeof(p->model_name), "%s",
                       from->model_name);
        rc = add_boards(p, cluster, err);
    }
    cluster_free(cluster);
    return rc;
}

static int begin_deployed(struct profiling *p,
                          const Edged__ProfileRequest *from, struct err *err)
{
    struct deployment *d;
    int rc = deployments_find(p->c, from->deployment, &d, err);

    if (rc < 0) {
        return rc;
    }
    p->model = d->model;
    (void)snprintf(p->model_name, sizeof(p->model_name), "%s", d->model_name);
    return add_boards(p, d->cluster, err);
}

static int begin(struct profiling *p, const Edged__ProfileRequest *from,
                 struct err *err)
{
    return from->model.len > 0 ? begin_file(p, from, err)
                               : begin_deployed(p, from, err);
}

void profile_on_request(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg)
{
    const Edged__ProfileRequest *from = msg->env->profile_request;
    struct profiling *p;
    struct err err;
    int rc;

    if (c->profiling != NULL || leave_refuses(c)) {
        refuse(peer, EDGE_EBUSY,
               c->profiling != NULL
                   ? "another profile is under way. Try again when it is done"
                   : "the coordinator is stopping. Try again in a moment");
        return;
    }
    p = mem_new(struct profiling);
    if (p == NULL) {
        refuse(peer, EDGE_ENOMEM, "out of memory");
        return;
    }
    p->c = c;
    p->store = c->store;
    p->started_us = io_now_us(c->io);
    p->fresh = from->fresh;
    p->wants_ops = from->ops;
    rc = begin(p, from, &err);
    if (rc < 0) {
        refuse(peer, rc, err.text);
        release(p);
        return;
    }
    p->client = peer;
    c->profiling = p;
    io_timer_init(&p->timer, on_tick);
    io_timer_start(c->io, &p->timer, TICK_MS);
    wait(p);
}
