/* What happens in PLANNING, GOLDEN and KEEPING. */
#include "coordinator/rollout.h"

#include "base/failpoint.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define GOLDEN_MS 20000

static void step_to(struct rollout *r, enum rollout_step step)
{
    r->step = step;
    r->step_us = io_now_us(r->c->io);
}

/* ---- PLANNING
 * ------------------------------------------------------------------ */

/* `deploy --plan N`: what was looked at is what is done. */
static bool is_other_plan(const struct rollout *r, struct err *err)
{
    if (r->plan_number == 0 || r->plan_number == r->report->number) {
        return false;
    }
    (void)err_set(err, EDGE_EREFUSED,
                  "plan %llu is not the plan any more, that is %llu now. Look "
                  "at it: edgectl plan",
                  (unsigned long long)r->plan_number,
                  (unsigned long long)r->report->number);
    return true;
}

static void on_planned(struct plan_job *job)
{
    struct rollout *r = job->arg;
    Edged__Placement *spec = job->spec;
    struct err err;
    int rc;

    if (job->rc < 0) {
        rollout_finish(r, job->rc, job->err.text);
        return;
    }
    rc = report_new(r->c, deployments_get(r->c, r->cluster->name), job,
                    &r->report);
    if (rc < 0 || r->dry_run) {
        rollout_finish(r, rc, rc < 0 ? "out of memory" : "");
        return;
    }
    if (is_other_plan(r, &err)) {
        rollout_finish(r, EDGE_EREFUSED, err.text);
        return;
    }
    rc = placement_new(r->c, r->deployment, spec, &r->next, &err);
    if (rc < 0) {
        rollout_finish(r, rc, err.text);
        return;
    }
    job->spec = NULL; /* the placement's now */
    FAILPOINT("rollout.planned");
    rollout_say(r, "install", "", 0, 0, "");
    step_to(r, ROLLOUT_INSTALLING);
    placement_install(r->next);
    FAILPOINT("rollout.asked");
    rollout_poke(r->c);
}

/* Spares make way for what is deployed. */
static uint64_t spare_bytes(const struct rollout *r, const struct member *m)
{
    uint64_t bytes = recovery_loan(r->c, m, NULL);

    return bytes < m->memory_used ? bytes : m->memory_used;
}

/* What the file allows of a device; 0: all of it. */
static uint64_t most_of(const struct cluster *cluster, const char *name)
{
    for (size_t i = 0; i < cluster->n_devices; i++) {
        if (strcmp(cluster->devices[i].name, name) == 0) {
            return cluster->devices[i].memory;
        }
    }
    return 0;
}

/* Of what is planned again: what it has there now goes when the new plan is in
 * force. */
static uint64_t own_bytes(const struct rollout *r, const struct member *m)
{
    const struct placement *p = r->is_replan ? r->deployment->current : NULL;
    uint64_t bytes = 0;

    for (size_t i = 0; p != NULL && i < p->spec->n_places; i++) {
        const Edged__Place *place = p->spec->places[i];

        for (size_t k = 0; k + place->spares < place->n_nodes; k++) {
            if (strcmp(place->nodes[k], m->name) == 0) {
                bytes += p->spec->shards[i]->weight_bytes +
                         p->spec->shards[i]->arena_bytes;
            }
        }
    }
    return bytes;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* What the board has left meanwhile, and what the file allows of it then. */
static uint64_t free_bytes(const struct rollout *r,
                           const struct cluster *cluster, size_t i)
{
    const struct member *m = r->members[i];
    uint64_t most = most_of(cluster, m->name);
    uint64_t firm = m->memory_used - spare_bytes(r, m);
    uint64_t left = less(m->memory_budget, firm);
    uint64_t allowed =
        most != 0 ? less(most, less(firm, own_bytes(r, m))) : left;

    return allowed < left ? allowed : left;
}

struct plan_job *rollout_job(struct rollout *r)
{
    struct plan_job *job = mem_new(struct plan_job);
    const struct cluster *cluster =
        r->is_recovery ? r->deployment->cluster : r->cluster;

    if (job == NULL) {
        return NULL;
    }
    job->devices = mem_array(struct plan_device, r->n_members);
    if (job->devices == NULL) {
        mem_free(job);
        return NULL;
    }
    for (size_t i = 0; i < r->n_members; i++) {
        const struct member *m = r->members[i];

        memcpy(job->devices[i].name, m->name, sizeof(m->name));
        job->devices[i].free_bytes = free_bytes(r, cluster, i);
        job->devices[i].speed = m->speed;
    }
    job->n_devices = r->n_members;
    job->store = r->c->store;
    job->guard = r->c->guard;
    job->explain = r->explain;
    job->state = r->dry_run ? NULL : r->c->state;
    job->kept = r->c->state;
    job->cluster = cluster;
    job->model = r->model;
    job->calibration = r->has_calibration ? &r->calibration : NULL;
    job->generation = r->dry_run       ? 0
                      : r->is_recovery ? r->deployment->generation
                                       : r->deployment->generation + 1;
    job->model_name = r->model_name;
    job->arg = r;
    return job;
}

/* The same file and the same model again: what is in force stays, reckoned
 * with as its boards were measured while they served, unless another plan is
 * better by what `replan` asks for. Bytes of memory are counted and not
 * measured: there any gain will do. */
static int keep_plan(struct rollout *r)
{
    const struct deployment *d = deployments_get(r->c, r->cluster->name);
    struct plan_job *job = r->job;

    if (d == NULL || d->current == NULL ||
        memcmp(&d->yaml, &r->yaml, sizeof(r->yaml)) != 0 ||
        memcmp(&d->model, &r->model, sizeof(r->model)) != 0) {
        return 0;
    }
    job->now = placement_copy(d->current->spec);
    if (job->now == NULL) {
        return EDGE_ENOMEM;
    }
    job->stays = true;
    job->gain =
        r->cluster->goal == CLUSTER_GOAL_MEMORY ? 0 : r->cluster->replan.gain;
    for (size_t i = 0; i < job->n_devices; i++) {
        job->devices[i].factor =
            placement_scale(job->now, job->devices[i].name);
    }
    return 0;
}

void rollout_begin_planning(struct rollout *r)
{
    r->job = rollout_job(r);
    if (r->job == NULL || keep_plan(r) < 0) {
        rollout_finish(r, EDGE_ENOMEM, "out of memory");
        return;
    }
    r->job->done = on_planned;
    rollout_say(r, "plan", "", 0, 0, "");
    step_to(r, ROLLOUT_PLANNING);
    plan_job_start(r->c->io, r->job);
}

/* ---- KEEPING
 * ------------------------------------------------------------------- */

static void on_keep(struct io_work *work)
{
    struct rollout *r = container_of(work, struct rollout, work);
    struct state_row row = {
        .name = r->deployment->name,
        .generation = r->generation,
        .epoch = r->next->epoch,
        .yaml = r->yaml,
        .model = r->model,
        .labels = r->labels,
        .has_labels = r->has_labels,
        .model_name = r->model_name,
        .deployed_at_ms = r->deployed_at_ms,
        .placement = r->packed,
        .placement_size = r->packed_size,
    };

    r->keep_rc = 0;
    if (DEFENCE_OFF("journal")) {
        return;
    }
    for (size_t i = 0; i < r->n_members && r->keep_rc == 0; i++) {
        struct state_node node = {r->nodes[i].name, r->nodes[i].host,
                                  r->nodes[i].port};

        r->keep_rc = state_put_node(r->c->state, &node, &r->keep_err);
    }
    if (r->keep_rc == 0) {
        r->keep_rc = state_put(r->c->state, &row, &r->keep_err);
    }
}

static void leave_old(struct rollout *r, struct placement *old)
{
    placement_leave(old);
    if (r->is_urgent) { /* its requests would wait for nothing */
        io_timer_start(r->c->io, &old->drain, 0);
    }
}

static void take_names(struct rollout *r, struct deployment *d)
{
    cluster_free(d->cluster);
    d->cluster = r->cluster;
    r->cluster = NULL;
    d->yaml = r->yaml;
    d->model = r->model;
    d->labels = r->labels;
    d->has_labels = r->has_labels;
    d->generation = r->generation;
    d->deployed_at_ms = r->deployed_at_ms;
    memcpy(d->model_name, r->model_name, sizeof(d->model_name));
}

/* New requests enter the new placement from here on. */
static void switch_over(struct rollout *r)
{
    struct deployment *d = r->deployment;
    struct placement *old = d->current;

    if (!r->is_recovery) {
        take_names(r, d);
        counts_forget_views(&d->counts);
    }
    r->next->is_quiet = false;
    d->current = r->next;
    r->next = NULL;
    r->is_new = false;
    log_event(r->c->log, LOG_INFO, "deployment.switched",
              "name=%s generation=%u epoch=%u", d->name, d->generation,
              d->current->epoch);
    event_note(r->c, EVENT_SWITCH, "",
               "%s: generation %u answers now, %s on %zu nodes", d->name,
               d->generation, d->model_name, d->current->n_seats);
    if (old != NULL) {
        leave_old(r, old);
    }
}

static void on_kept(struct io_work *work)
{
    struct rollout *r = container_of(work, struct rollout, work);

    FAILPOINT("rollout.switch.before");
    if (r->keep_rc == 0) {
        switch_over(r);
    }
    FAILPOINT("rollout.switch.after");
    rollout_finish(r, r->keep_rc, r->keep_rc < 0 ? r->keep_err.text : "");
}

/* Copies for the strand: members may move meanwhile. */
static int copy_nodes(struct rollout *r)
{
    r->nodes = mem_array(struct plan_node, r->n_members);
    for (size_t i = 0; i < r->n_members && r->nodes != NULL; i++) {
        memcpy(r->nodes[i].name, r->members[i]->name, sizeof(r->nodes[i].name));
        memcpy(r->nodes[i].host, r->members[i]->host, sizeof(r->nodes[i].host));
        r->nodes[i].port = r->members[i]->port;
    }
    return r->nodes == NULL ? EDGE_ENOMEM : 0;
}

static void date(struct rollout *r)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    r->deployed_at_ms =
        (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    r->generation = r->deployment->generation + 1;
}

void rollout_begin_keeping(struct rollout *r)
{
    r->packed_size = edged__placement__get_packed_size(r->next->spec);
    r->packed = mem_resize(NULL, r->packed_size, 1);
    if (r->packed == NULL || copy_nodes(r) < 0) {
        rollout_finish(r, EDGE_ENOMEM, "out of memory");
        return;
    }
    (void)edged__placement__pack(r->next->spec, r->packed);
    if (!r->is_recovery) {
        date(r);
    }
    step_to(r, ROLLOUT_KEEPING);
    r->work.run = on_keep;
    r->work.done = on_kept;
    r->work.cost_us = 5000;
    io_work(r->c->io, IO_DISK, &r->work);
}

/* ---- GOLDEN
 * -------------------------------------------------------------------- */

static void judge(struct rollout *r, const struct answer *answer)
{
    const Edged__Placement *spec = r->next->spec;

    if (r->golden_rc < 0) {
        return;
    }
    if (answer->rc == 0 && answer->views->absent != 0) {
        return; /* a view was lost: another answer is right */
    }
    if (answer->rc < 0) {
        r->golden_rc =
            err_set(&r->golden_err, answer->rc,
                    "the golden input got no answer: %s", answer->text);
        return;
    }
    for (size_t i = 0; i < answer->n_outputs && r->golden_rc == 0; i++) {
        r->golden_rc =
            golden_compare(&r->want[i], &answer->outputs[i], spec->golden_loss,
                           spec->outputs[i]->name, &r->golden_err);
    }
    if (r->golden_rc < 0) {
        r->golden_rc = err_wrap(&r->golden_err, r->golden_rc,
                                "the golden input is answered wrongly");
    }
}

static void on_golden(void *arg, const struct answer *answer)
{
    struct rollout *r = arg;

    judge(r, answer);
    if (--r->n_golden == 0) {
        if (r->golden_rc < 0) {
            rollout_finish(r, r->golden_rc, r->golden_err.text);
        } else {
            rollout_begin_keeping(r);
        }
    }
}

/* Enough at once that every replica gets one: senders prefer the idle. */
static size_t count_golden(const struct placement *p)
{
    size_t most = 1;

    for (size_t i = 0; i < p->spec->n_places; i++) {
        size_t n = p->spec->places[i]->n_nodes - p->spec->places[i]->spares;

        most = n > most ? n : most;
    }
    return most;
}

void rollout_begin_golden(struct rollout *r)
{
    const Edged__Placement *spec = r->next->spec;
    size_t n = count_golden(r->next);
    struct tensor *inputs = NULL;
    struct err err;
    int rc;

    step_to(r, ROLLOUT_GOLDEN);
    rollout_say(r, "golden", "", 0, 0, "");
    FAILPOINT("rollout.golden");
    rc = golden_read(r->c->store, spec->golden_input, spec->inputs,
                     spec->n_inputs, &inputs, &err);
    if (rc == 0) {
        rc = golden_read(r->c->store, spec->golden_output, spec->outputs,
                         spec->n_outputs, &r->want, &err);
        r->n_want = rc == 0 ? spec->n_outputs : 0;
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = gateway_submit(r->next, inputs, GOLDEN_MS, on_golden, r, NULL);
        r->n_golden += rc == 0;
        if (rc == EDGE_EBUSY && r->n_golden > 0) {
            rc = 0; /* fewer will do */
            break;
        }
        if (rc < 0) {
            (void)err_set(&err, rc, "the golden input: %s", err_text(rc));
        }
    }
    golden_free(inputs, spec->n_inputs);
    if (rc < 0 && r->n_golden == 0) {
        rollout_finish(r, rc, err.text);
    } else if (rc < 0) { /* when those that are under way are answered */
        r->golden_rc = err_set(&r->golden_err, rc, "%s", err.text);
    }
}
