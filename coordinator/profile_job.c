/* What a profile does off the loop: state.db, and the model. */
#include "coordinator/profile.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "graph/infer.h"
#include "onnx/export.h"

#include <stdio.h>
#include <string.h>

#define PART_OPS 64

static void on_run(struct io_work *work)
{
    struct profiling *p = container_of(work, struct profiling, work);

    p->job(p);
}

static void on_done(struct io_work *work)
{
    struct profiling *p = container_of(work, struct profiling, work);

    p->job_done(p);
}

/* One job at a time. */
static void give(struct profiling *p, enum io_strand strand,
                 void (*run)(struct profiling *p),
                 void (*done)(struct profiling *p))
{
    p->rc = 0;
    p->job = run;
    p->job_done = done;
    p->work = (struct io_work){.run = on_run,
                               .done = on_done,
                               .cost_us = strand == IO_DISK ? 2000 : 50000};
    io_work(p->c->io, strand, &p->work);
}

/* ---- state.db -------------------------------------------------------------
 */

static void look(struct profiling *p)
{
    p->rc = state_load_kept(p->c->state, &p->model, &p->kept, &p->err);
}

void profile_look(struct profiling *p, void (*done)(struct profiling *p))
{
    give(p, IO_DISK, look, done);
}

static void keep(struct profiling *p)
{
    for (size_t i = 0; i < p->n_boards && p->rc == 0; i++) {
        if (p->boards[i].is_made) {
            p->rc = state_put_profile(p->c->state, &p->model,
                                      &p->boards[i].made, &p->err);
        }
    }
    for (size_t i = 0; i < p->n_made && p->rc == 0; i++) {
        p->rc = state_put_link(p->c->state, &p->made[i], &p->err);
    }
}

void profile_keep(struct profiling *p, void (*done)(struct profiling *p))
{
    give(p, IO_DISK, keep, done);
}

/* ---- the model ------------------------------------------------------------
 */

static int no_memory(struct profiling *p)
{
    return err_set(&p->err, EDGE_ENOMEM, "out of memory");
}

static int number_ops(struct profiling *p, const struct graph *graph)
{
    int *order = NULL;
    int rc = cut_order(graph, &order, &p->n_ops, &p->err);

    if (rc < 0) {
        return rc;
    }
    p->op_numbers = mem_array(uint64_t, p->n_ops);
    p->is_product = mem_array(bool, p->n_ops);
    rc = p->op_numbers == NULL || p->is_product == NULL ? no_memory(p) : 0;
    for (size_t i = 0; i < p->n_ops && rc == 0; i++) {
        const struct op *op = &graph->ops[order[i]];
        struct digest digest;
        struct op_cost cost;

        digest_of(op->name, strlen(op->name), &digest);
        memcpy(&p->op_numbers[i], digest.bytes, sizeof(p->op_numbers[i]));
        infer_cost(graph, op, &cost);
        p->is_product[i] = cost.macs > 0;
    }
    mem_free(order);
    return rc;
}

/* A part as a file; where that cannot be, it is not measured. */
static void make_piece(const struct graph *graph, struct profile_piece *piece)
{
    struct export file = {0};
    struct graph *part = NULL;
    struct err err;
    int rc = profile_part_make(graph, &piece->part, &part, &err);

    if (rc == 0) {
        rc = export_graph(part, &file, &err);
    }
    if (rc == 0 && (file.n_blobs > 0 || file.model->size > LIMIT_CHUNK)) {
        rc = err_set(&err, EDGE_ETOOBIG, "it is too large to be sent");
    }
    if (rc == 0) {
        piece->model = blob_ref(file.model);
    } else {
        (void)snprintf(piece->why, sizeof(piece->why), "%.150s", err.text);
    }
    export_deinit(&file);
    graph_free(part);
}

static int make_pieces(struct profiling *p, const struct graph *graph)
{
    struct profile_part *parts = NULL;
    size_t n = 0;
    int rc =
        profile_parts_find(graph, p->most_bytes, PART_OPS, &parts, &n, &p->err);

    if (rc < 0) {
        return rc;
    }
    p->pieces = mem_array(struct profile_piece, n);
    if (p->pieces == NULL) {
        mem_free(parts);
        return no_memory(p);
    }
    p->n_pieces = n;
    for (size_t i = 0; i < n; i++) {
        p->pieces[i].part = parts[i];
        p->macs += parts[i].macs;
        make_piece(graph, &p->pieces[i]);
    }
    mem_free(parts);
    return 0;
}

static void read_model(struct profiling *p)
{
    struct plan_job job = {
        .store = p->store,
        .guard = p->c->guard,
        .model = p->model,
        .model_name = p->model_name,
    };
    struct graph *graph = NULL;

    p->rc = plan_read_model(&job, &graph, NULL, &p->err);
    if (p->rc == 0) {
        p->rc = number_ops(p, graph);
    }
    if (p->rc == 0) {
        p->rc = make_pieces(p, graph);
    }
    graph_free(graph);
    mem_trim();
}

void profile_read(struct profiling *p, void (*done)(struct profiling *p))
{
    give(p, IO_COMPUTE, read_model, done);
}
