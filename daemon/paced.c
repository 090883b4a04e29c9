#include "daemon/paced.h"

#include "base/blob.h"
#include "base/mem.h"
#include "graph/infer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX MIB(4)
#define SECONDS_MAX 3600.0
#define HIDDEN_NS 1 /* measured, and as good as nothing */

struct row {
    char *name;
    double s_per_work;
};

struct paced {
    struct row *rows;
    size_t n;
    size_t room;
};

/* ---- reading ------------------------------------------------------------- */

/* 0, or EDGE_EINVAL for a line that is no row. */
static int read_row(struct paced *pace, const char *line)
{
    char name[LIMIT_GRAPH_NAME + 1];
    double seconds;
    double work;
    int end = 0;
    struct row *row;
    int rc;

    if (sscanf(line, "%1024s %lf %lf %n", name, &seconds, &work, &end) != 3 ||
        line[end] != '\0' || !(seconds >= 0 && seconds <= SECONDS_MAX) ||
        !(work > 0)) {
        return EDGE_EINVAL;
    }
    rc = mem_grow(&pace->rows, &pace->room, pace->n, sizeof(*pace->rows));
    if (rc < 0) {
        return rc;
    }
    row = &pace->rows[pace->n];
    *row = (struct row){mem_strdup(name), seconds / work};
    if (row->name == NULL) {
        return EDGE_ENOMEM;
    }
    pace->n++;
    return 0;
}

static int read_line(struct paced *pace, char *line)
{
    line[strcspn(line, "#")] = '\0';
    return line[strspn(line, " \t\r")] == '\0' ? 0 : read_row(pace, line);
}

static int read_text(struct paced *pace, char *text, const char *path,
                     struct err *err)
{
    unsigned number = 1;

    for (char *line = text; line != NULL; number++) {
        char *next = strchr(line, '\n');
        int rc;

        if (next != NULL) {
            *next++ = '\0';
        }
        rc = read_line(pace, line);
        if (rc == EDGE_ENOMEM) {
            return err_set(err, rc, "out of memory");
        }
        if (rc < 0) {
            return err_set(err, EDGE_ECONFIG,
                           "%s, line %u: not \"OP SECONDS WORK\", with up to "
                           "%.0f seconds and some work, as \"conv1 0.25 "
                           "86704128\"",
                           path, number, SECONDS_MAX);
        }
        line = next;
    }
    return pace->n > 0 ? 0 : err_set(err, EDGE_ECONFIG, "%s has no rows", path);
}

int paced_load(const char *path, struct paced **out, struct err *err)
{
    struct paced *pace = mem_new(struct paced);
    struct blob *blob = NULL;
    char *text = NULL;
    int rc = blob_read(path, FILE_MAX, &blob, err);

    if (rc < 0) {
        goto out;
    }
    text = mem_printf("%.*s", (int)blob->size, (const char *)blob->data);
    rc = pace != NULL && text != NULL
             ? read_text(pace, text, path, err)
             : err_set(err, EDGE_ENOMEM, "out of memory");
    if (rc == 0) {
        *out = pace;
        pace = NULL;
    }
out:
    paced_free(pace);
    blob_unref(blob);
    mem_free(text);
    return rc;
}

void paced_free(struct paced *pace)
{
    for (size_t i = 0; pace != NULL && i < pace->n; i++) {
        mem_free(pace->rows[i].name);
    }
    if (pace != NULL) {
        mem_free(pace->rows);
    }
    mem_free(pace);
}

/* ---- what a graph takes -------------------------------------------------- */

/* An op, or a piece of it, which is called NAME/... (plan/rewrite.h). */
static bool is_of(const char *op, const char *name)
{
    size_t n = strlen(name);

    return strncmp(op, name, n) == 0 && (op[n] == '\0' || op[n] == '/');
}

/* The row with the longest name that fits: "a/b/p0" is a piece of "a/b". */
static const struct row *row_of(const struct paced *pace, const char *op)
{
    const struct row *best = NULL;

    for (size_t i = 0; i < pace->n; i++) {
        const struct row *row = &pace->rows[i];

        if (is_of(op, row->name) &&
            (best == NULL || strlen(row->name) > strlen(best->name))) {
            best = row;
        }
    }
    return best;
}

/* What a cut adds, to slice and to join, is named after what it cuts, and is
 * no part of its work. */
static bool is_joinery(const struct op *op, const struct row *row)
{
    return strcmp(op->name, row->name) != 0 &&
           (op->kind == OP_CONCAT || op->kind == OP_SLICE ||
            op->kind == OP_SUM || op->kind == OP_IDENTITY);
}

static double work_of(const struct graph *graph, const struct op *op)
{
    const struct value *made = &graph->values[op->out[0]];
    struct op_cost cost;
    int64_t count;

    infer_cost(graph, op, &cost);
    count = made->has_shape ? shape_count(&made->shape) : 0;
    return cost.macs > 0 ? cost.macs : count > 0 ? (double)count : 0;
}

double paced_op_s(const struct paced *pace, const struct graph *graph,
                  const struct op *op)
{
    const struct row *row = row_of(pace, op->name);

    return row != NULL && !is_joinery(op, row) && op->out[0] >= 0
               ? row->s_per_work * work_of(graph, op)
               : 0;
}

uint32_t paced_us(const struct paced *pace, const struct graph *graph)
{
    double s = 0;

    for (size_t i = 0; i < graph->n_ops; i++) {
        s += paced_op_s(pace, graph, &graph->ops[i]);
    }
    return s < SECONDS_MAX ? (uint32_t)lround(s * 1e6)
                           : (uint32_t)(SECONDS_MAX * 1e6);
}

void paced_rehearse(double *ns, const double *least_ns, size_t n)
{
    double here = 0;
    double there = 0;

    for (size_t i = 0; i < n; i++) {
        here += ns[i];
        there += least_ns[i];
    }
    for (size_t i = 0; here < there && i < n; i++) {
        ns[i] = least_ns[i] > 0 ? least_ns[i] : HIDDEN_NS;
    }
}

void paced_stretch(struct io_stretch *stretch, uint32_t pace_us)
{
    uint64_t us = pace_us;

    if (us == 0) {
        return;
    }
    if (stretch->percent > 100) {
        us = us * stretch->percent / 100;
    }
    us += stretch->extra_us;
    us = us < UINT32_MAX ? us : UINT32_MAX;
    if (us > stretch->least_us) {
        stretch->least_us = (uint32_t)us;
    }
}
