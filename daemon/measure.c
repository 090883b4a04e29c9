/*
 * How long does each op of this part of a model take here?
 *
 *   Measure -> is there memory? -> read and planned on the disk strand ->
 *   one run that warms up, then as many as the budget allows, each in pieces
 *   of MEASURE_PIECE_MS on the compute strand -> the medians: Measured
 *
 *   another one is under way     Measured, EDGE_EBUSY
 *   it does not fit              Measured, EDGE_ENOFIT
 *   it cannot be read or run     Measured, the reason
 *   requests are computed        a piece waits until none is; after
 *                                MEASURE_IDLE_MS: Measured, EDGE_EBUSY
 *   the coordinator goes away    the rest is dropped
 */
#include "daemon/parts.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "onnx/import.h"

#include <stdlib.h>
#include <string.h>

enum measure_state { MEASURE_PLANNING, MEASURE_WAITING, MEASURE_RUNNING };

struct measure {
    struct io_work work;
    struct daemon *daemon;
    struct io_peer *peer; /* who asked; NULL: gone */
    enum measure_state state;
    uint32_t number;
    double budget_ns;
    struct blob *model;
    struct plan *plan;
    struct tensor *inputs;
    struct tensor *outputs;
    size_t n_inputs; /* of those that are there */
    size_t n_outputs;
    int rc; /* of a job, with `why` */
    struct err why;
    /* Of the run under way. */
    size_t step;
    double *ns;       /* by step */
    double percent;   /* how much slower it is on purpose */
    double share;     /* of a processor: below 1, a quota */
    double *least_ns; /* by step: of the board that is rehearsed; NULL: none */
    /* Of those that are done. */
    double *samples; /* step * MEASURE_RUNS + run */
    size_t n_runs;
    bool is_warm;
    double spent_ns;
    struct io_timer timer;
};

/* ---- answers --------------------------------------------------------------
 */

static void answer(struct io_peer *peer, Edged__Measured *message)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_MEASURED;
    env.measured = message;
    if (io_send(peer, &env, NULL) < 0) {
        io_hang_up(peer, EDGE_EBUSY, "you do not read your replies");
    }
}

static void refuse(struct io_peer *peer, uint32_t number, int rc,
                   const char *text)
{
    Edged__Measured message = EDGED__MEASURED__INIT;

    message.number = number;
    message.code = rc;
    message.text = (char *)(uintptr_t)text;
    answer(peer, &message);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof(values[0]), compare);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* The first 8 bytes of the name's SHA-256. */
static uint64_t op_number(const char *name)
{
    struct digest digest;
    uint64_t number = 0;

    digest_of(name, strlen(name), &digest);
    memcpy(&number, digest.bytes, sizeof(number));
    return number;
}

static void answer_times(struct measure *m)
{
    size_t n = plan_n_times(m->plan);
    Edged__MeasuredOp *ops = mem_array(Edged__MeasuredOp, n + 1);
    Edged__MeasuredOp **list = mem_array(Edged__MeasuredOp *, n + 1);
    Edged__Measured message = EDGED__MEASURED__INIT;

    if (ops == NULL || list == NULL) {
        refuse(m->peer, m->number, EDGE_ENOMEM, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        edged__measured_op__init(&ops[i]);
        ops[i].op = op_number(plan_times(m->plan)[i].op);
        ops[i].seconds =
            median(&m->samples[i * MEASURE_RUNS], m->n_runs) * 1e-9;
        ops[i].runs = (uint32_t)m->n_runs;
        list[i] = &ops[i];
    }
    message.number = m->number;
    message.ops = list;
    message.n_ops = n;
    answer(m->peer, &message);
out:
    mem_free(list);
    mem_free(ops);
}

/* ---- the end --------------------------------------------------------------
 */

static void release(struct measure *m)
{
    for (size_t i = 0; i < m->n_inputs; i++) {
        tensor_deinit(&m->inputs[i]);
    }
    for (size_t i = 0; i < m->n_outputs; i++) {
        tensor_deinit(&m->outputs[i]);
    }
    mem_free(m->inputs);
    mem_free(m->outputs);
    mem_free(m->ns);
    mem_free(m->least_ns);
    mem_free(m->samples);
    plan_free(m->plan);
    blob_unref(m->model);
    mem_free(m);
}

/* No job is out. */
static void finish(struct measure *m, int rc, const char *text)
{
    struct daemon *d = m->daemon;

    io_timer_stop(d->io, &m->timer);
    d->measure = NULL;
    if (m->peer != NULL && rc < 0) {
        refuse(m->peer, m->number, rc, text);
    } else if (m->peer != NULL) {
        answer_times(m);
    }
    release(m);
    mem_trim();
}

void measure_peer_gone(struct daemon *d, const struct io_peer *peer)
{
    struct measure *m = d->measure;

    if (m == NULL || m->peer != peer) {
        return;
    }
    m->peer = NULL;
    if (m->state == MEASURE_WAITING) {
        finish(m, EDGE_ECLOSED, "");
    } /* else when its job is back */
}

void measure_free(struct daemon *d)
{
    if (d->measure != NULL) {
        io_timer_stop(d->io, &d->measure->timer);
        release(d->measure);
        d->measure = NULL;
    }
}

/* ---- runs -----------------------------------------------------------------
 */

static void wait_for_strand(struct measure *m)
{
    m->state = MEASURE_WAITING;
    io_timer_start(m->daemon->io, &m->timer, MEASURE_IDLE_MS);
    measure_go_on(m->daemon);
}

static void on_busy(struct io_timer *timer)
{
    finish(container_of(timer, struct measure, timer), EDGE_EBUSY,
           "it has not had a moment without requests for 30 s");
}

static double sum_of(const double *ns, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += ns[i];
    }
    return sum;
}

/* Samples enough? What takes long is not run more often than it must be. */
static bool is_enough(const struct measure *m)
{
    return m->n_runs >= MEASURE_RUNS ||
           (m->n_runs >= MEASURE_RUNS_MIN && m->spent_ns >= m->budget_ns) ||
           (m->n_runs >= 1 && m->spent_ns >= MEASURE_OVER * m->budget_ns);
}

/* The first run warms up; it counts if there is no time for another. */
static void keep_samples(struct measure *m)
{
    size_t n = plan_n_times(m->plan);
    bool counts = m->is_warm || sum_of(m->ns, n) >= 2 * m->budget_ns;

    m->spent_ns += sum_of(m->ns, n);
    if (m->least_ns != NULL) {
        paced_rehearse(m->ns, m->least_ns, n);
    }
    for (size_t i = 0; counts && i < n; i++) {
        m->samples[i * MEASURE_RUNS + m->n_runs] = m->ns[i] * m->percent / 100;
    }
    m->n_runs += counts ? 1 : 0;
    m->is_warm = true;
    m->step = 0;
}

/* Where a group of processes has a share of a processor, a short op runs at
 * full speed and a long one stands still in between: what either takes in the
 * long run is its processor's time over the share. */
static void spread(struct measure *m, size_t first, double cpu_ns)
{
    double wall_ns = sum_of(m->ns + first, m->step - first);
    double used = wall_ns > cpu_ns && cpu_ns > 0 ? cpu_ns / wall_ns : 1;

    for (size_t i = first; m->share < 1 && i < m->step; i++) {
        m->ns[i] *= used / m->share;
    }
}

static void on_piece(struct io_work *work)
{
    struct measure *m = container_of(work, struct measure, work);

    size_t first = m->step;
    uint64_t cpu_us = board_cpu_us();

    m->rc = plan_run_piece(m->plan, m->inputs, m->outputs, &m->step,
                           MEASURE_PIECE_MS * 1e6, m->ns);
    spread(m, first, (double)(board_cpu_us() - cpu_us) * 1e3);
}

/* A board of a test is as fast as it says, on whatever it runs. */
static void on_pretended(struct io_work *work)
{
    struct measure *m = container_of(work, struct measure, work);
    const struct plan_time *times = plan_times(m->plan);
    double rate = m->daemon->board->macs_per_s;

    for (size_t i = 0; i < plan_n_times(m->plan); i++) {
        m->ns[i] = 1000 + (rate > 0 ? times[i].macs / rate * 1e9 : 0);
    }
    m->step = plan_n_times(m->plan);
    m->rc = 0;
}

static void on_ran(struct io_work *work)
{
    struct measure *m = container_of(work, struct measure, work);

    if (m->rc < 0 || m->peer == NULL) {
        finish(m, m->rc < 0 ? m->rc : EDGE_ECLOSED, "it cannot be run");
        return;
    }
    if (m->step == plan_n_times(m->plan)) {
        keep_samples(m);
    }
    if (is_enough(m)) {
        finish(m, 0, "");
    } else {
        wait_for_strand(m);
    }
}

void measure_go_on(struct daemon *d)
{
    struct measure *m = d->measure;
    struct io_stretch stretch;

    if (m == NULL || m->state != MEASURE_WAITING || d->on_strand > 0 ||
        !list_is_empty(&d->runnable) || d->closing) {
        return;
    }
    io_timer_stop(d->io, &m->timer);
    m->state = MEASURE_RUNNING;
    fault_stretch(d, &stretch); /* what is slow on purpose is slow here, too */
    m->percent = stretch.percent > 100 ? stretch.percent : 100;
    m->share = d->speed.share > 0 ? d->speed.share : 1;
    m->work = (struct io_work){
        .run = d->board != NULL ? on_pretended : on_piece,
        .done = on_ran,
        .cost_us = MEASURE_PIECE_MS * 1000 / 4,
    };
    io_work(d->io, IO_COMPUTE, &m->work);
}

/* ---- made ready, on the disk strand ---------------------------------------
 */

static int no_memory(struct err *err)
{
    return err_set(err, EDGE_ENOMEM, "out of memory");
}

static int make_inputs(struct measure *m)
{
    size_t n = plan_n_inputs(m->plan);

    m->inputs = mem_array(struct tensor, n);
    for (size_t i = 0; m->inputs != NULL && i < n; i++) {
        const struct plan_port *port = plan_input(m->plan, i);
        struct tensor *t = &m->inputs[i];

        if (tensor_init(t, port->dtype, &port->shape) < 0) {
            return EDGE_ENOMEM;
        }
        m->n_inputs = i + 1;
        memset(t->data, 0, tensor_bytes(t));
        for (int64_t k = 0; t->dtype == DTYPE_F32 && k < tensor_count(t); k++) {
            ((float *)t->data)[k] = 0.25F + 0.125F * (float)(k % 5);
        }
    }
    return m->inputs != NULL ? 0 : EDGE_ENOMEM;
}

static int make_outputs(struct measure *m)
{
    size_t n = plan_n_outputs(m->plan);

    m->outputs = mem_array(struct tensor, n);
    for (size_t i = 0; m->outputs != NULL && i < n; i++) {
        const struct plan_port *port = plan_output(m->plan, i);

        if (tensor_init(&m->outputs[i], port->dtype, &port->shape) < 0) {
            return EDGE_ENOMEM;
        }
        m->n_outputs = i + 1;
    }
    return m->outputs != NULL ? 0 : EDGE_ENOMEM;
}

static int make_room(struct measure *m, struct err *err)
{
    size_t n = plan_n_times(m->plan);

    if (n > LIMIT_MEASURE_OPS) {
        return err_set(err, EDGE_EINVAL, "%zu ops at once", n);
    }
    m->ns = mem_array(double, n + 1); /* views alone are no step at all */
    m->samples = mem_array(double, (n + 1) * MEASURE_RUNS);
    if (m->ns == NULL || m->samples == NULL || make_inputs(m) < 0 ||
        make_outputs(m) < 0) {
        return no_memory(err);
    }
    return 0;
}

/* A rehearsal (paced.h) does not wait for what it knows; an op that has fused
 * with the one before it adds to that one's time. */
static int note_pace(struct measure *m, const struct graph *graph)
{
    const struct paced *pace = m->daemon->pace;
    size_t n = plan_n_times(m->plan);
    size_t step = 0;

    if (pace == NULL || n == 0) {
        return 0;
    }
    m->least_ns = mem_array(double, n);
    for (size_t i = 0; m->least_ns != NULL && i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];

        for (size_t k = 0; k < n; k++) {
            if (strcmp(plan_times(m->plan)[k].op, op->name) == 0) {
                step = k;
            }
        }
        m->least_ns[step] += paced_op_s(pace, graph, op) * 1e9;
    }
    return m->least_ns == NULL ? EDGE_ENOMEM : 0;
}

static int read_graph(struct measure *m, struct graph **graph, struct err *err)
{
    int rc =
        import_blob(m->model, "a model to be measured", NULL, NULL, graph, err);

    return rc < 0 ? rc : infer_graph(*graph, err);
}

static void on_plan(struct io_work *work)
{
    struct measure *m = container_of(work, struct measure, work);
    struct graph *graph = NULL;

    m->rc = read_graph(m, &graph, &m->why);
    if (m->rc == 0) {
        m->rc = plan_make(graph, &m->plan, &m->why);
    }
    if (m->rc == 0) {
        m->rc = make_room(m, &m->why);
    }
    if (m->rc == 0 && note_pace(m, graph) < 0) {
        m->rc = no_memory(&m->why);
    }
    graph_free(graph);
}

static void on_planned(struct io_work *work)
{
    struct measure *m = container_of(work, struct measure, work);

    if (m->rc < 0 || m->peer == NULL) {
        finish(m, m->rc < 0 ? m->rc : EDGE_ECLOSED, m->why.text);
    } else {
        wait_for_strand(m);
    }
}

/* ---- the question ---------------------------------------------------------
 */

static int check(struct daemon *d, const struct msg *msg, struct err *err)
{
    const Edged__Measure *from = msg->env->measure;
    uint64_t budget = beat_memory_budget(d);
    uint64_t used = beat_memory_used(d);
    uint64_t room = used < budget ? budget - used : 0;

    if (d->measure != NULL || leave_declines(d)) {
        return err_set(err, EDGE_EBUSY,
                       d->measure != NULL ? "it measures another model"
                                          : "it takes no work");
    }
    if (msg->payload == NULL || msg->payload->size > LIMIT_CHUNK) {
        return err_set(err, EDGE_EPROTO, "a Measure without a model");
    }
    if (from->needs_bytes > room) {
        return err_set(err, EDGE_ENOFIT, "needs %llu MiB, %llu are free",
                       (unsigned long long)(from->needs_bytes >> 20),
                       (unsigned long long)(room >> 20));
    }
    return 0;
}

void measure_on_measure(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    const Edged__Measure *from = msg->env->measure;
    struct measure *m = NULL;
    struct err err;
    int rc = check(d, msg, &err);

    if (rc == 0) {
        m = mem_new(struct measure);
        rc = m == NULL ? no_memory(&err) : 0;
    }
    if (rc < 0) {
        refuse(peer, from->number, rc, err.text);
        return;
    }
    d->measure = m;
    m->daemon = d;
    m->peer = peer;
    m->number = from->number;
    m->budget_ns = (double)from->budget_us * 1e3;
    m->model = blob_ref(msg->payload);
    io_timer_init(&m->timer, on_busy);
    m->work =
        (struct io_work){.run = on_plan, .done = on_planned, .cost_us = 20000};
    io_work(d->io, IO_DISK, &m->work);
}
