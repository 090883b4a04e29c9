#include "coordinator/plan/parts.h"

#include "base/mem.h"
#include "coordinator/plan/rewrite.h"
#include "tensor/shape.h"

#include <string.h>

struct making {
    const struct graph *graph;
    struct parts *parts;
    struct err *err;
    int *part_of;     /* of each op: index into labels; -1: constants alone */
    int *made_by;     /* of each value: the part; OUTSIDE: a graph input;
                         UNMADE: constant */
    struct ports *in; /* of each part */
    struct ports *out;
};

#define UNMADE (-2)

struct ports {
    int values[LIMIT_PORTS];
    size_t n;
};

/* ---- which part ---------------------------------------------------------- */

static int part_with(struct making *m, int label)
{
    for (size_t i = 0; i < m->parts->n; i++) {
        if (m->parts->labels[i] == label) {
            return (int)i;
        }
    }
    m->parts->labels[m->parts->n] = label;
    return (int)m->parts->n++;
}

static bool depends_on_input(const struct making *m, const struct op *op)
{
    for (int k = 0; k < op->n_in; k++) {
        if (op->in[k] >= 0 && m->made_by[op->in[k]] != UNMADE) {
            return true;
        }
    }
    return false;
}

static int label_ops(struct making *m)
{
    const struct graph *g = m->graph;

    for (size_t i = 0; i < g->n_values; i++) {
        m->made_by[i] = UNMADE;
    }
    for (size_t i = 0; i < g->n_inputs; i++) {
        m->made_by[g->inputs[i]] = PARTS_OUTSIDE;
    }
    for (size_t i = 0; i < g->n_ops; i++) {
        const struct op *op = &g->ops[i];

        m->part_of[i] = -1;
        if (!depends_on_input(m, op)) {
            continue;
        }
        if (rewrite_part(op) == REWRITE_NO_PART) {
            return err_set(m->err, EDGE_EINVAL, "\"%.200s\" is in no part",
                           op->name);
        }
        m->part_of[i] = part_with(m, rewrite_part(op));
        for (int k = 0; k < op->n_out; k++) {
            if (op->out[k] >= 0) {
                m->made_by[op->out[k]] = m->part_of[i];
            }
        }
    }
    return 0;
}

/* ---- ports and links ----------------------------------------------------- */

/* The port of a value, added if need be. */
static int port_of(struct making *m, struct ports *ports, int value)
{
    const struct value *v = &m->graph->values[value];
    size_t bytes;

    for (size_t i = 0; i < ports->n; i++) {
        if (ports->values[i] == value) {
            return (int)i;
        }
    }
    if (ports->n == LIMIT_PORTS) {
        return err_set(m->err, EDGE_ENOFIT,
                       "more than %d values would enter or leave one shard, "
                       "\"%.200s\" among them",
                       LIMIT_PORTS, v->name);
    }
    if (!v->has_shape || !shape_bytes(&v->shape, v->dtype, &bytes) ||
        bytes > LIMIT_PAYLOAD) {
        return err_set(m->err, EDGE_ENOFIT,
                       "\"%.200s\" crosses, but does not fit a frame of %zu "
                       "bytes",
                       v->name, LIMIT_PAYLOAD);
    }
    ports->values[ports->n] = value;
    return (int)ports->n++;
}

int parts_link(struct parts *p, const struct part_link *link)
{
    for (size_t i = 0; i < p->n_links; i++) {
        if (memcmp(&p->links[i], link, sizeof(*link)) == 0) {
            return 0;
        }
    }
    if (p->n_links == p->links_room) {
        size_t room = p->links_room > 0 ? 2 * p->links_room : 64;
        struct part_link *grown = mem_array(struct part_link, room);

        if (grown == NULL) {
            return EDGE_ENOMEM;
        }
        if (p->n_links > 0) {
            memcpy(grown, p->links, p->n_links * sizeof(*grown));
        }
        mem_free(p->links);
        p->links = grown;
        p->links_room = room;
    }
    p->links[p->n_links++] = *link;
    return 0;
}

static int add_link(struct making *m, struct part_link link)
{
    int rc = parts_link(m->parts, &link);

    return rc < 0 ? err_set(m->err, rc, "out of memory") : 0;
}

static int position_in(const int *values, size_t n, int value)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i] == value) {
            return (int)i;
        }
    }
    return -1;
}

/* `value` crosses from where it is made to part `to`. */
static int cross(struct making *m, int value, int to)
{
    int from = m->made_by[value];
    int to_port = port_of(m, &m->in[to], value);
    int from_port;

    if (to_port < 0) {
        return to_port;
    }
    from_port = from == PARTS_OUTSIDE
                    ? position_in(m->graph->inputs, m->graph->n_inputs, value)
                    : port_of(m, &m->out[from], value);
    return from_port < 0
               ? from_port
               : add_link(m, (struct part_link){from, from_port, to, to_port});
}

static int link_ops(struct making *m)
{
    const struct graph *g = m->graph;
    int rc = 0;

    for (size_t i = 0; i < g->n_ops && rc == 0; i++) {
        for (int k = 0; k < g->ops[i].n_in && rc == 0; k++) {
            int value = g->ops[i].in[k];

            if (m->part_of[i] >= 0 && value >= 0 &&
                m->made_by[value] != UNMADE &&
                m->made_by[value] != m->part_of[i]) {
                rc = cross(m, value, m->part_of[i]);
            }
        }
    }
    return rc;
}

static int link_outputs(struct making *m)
{
    const struct graph *g = m->graph;

    for (size_t i = 0; i < g->n_outputs; i++) {
        int from = m->made_by[g->outputs[i]];
        int port;
        int rc;

        if (from < 0) {
            return err_set(m->err, EDGE_EINVAL,
                           "output \"%.200s\" is made by no part",
                           g->values[g->outputs[i]].name);
        }
        port = port_of(m, &m->out[from], g->outputs[i]);
        rc = port < 0 ? port
                      : add_link(m, (struct part_link){from, port,
                                                       PARTS_OUTSIDE, (int)i});
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- order --------------------------------------------------------------- */

/* The next part all of whose senders are `done`; -1: there is none. */
static int next_part(const struct parts *p, const bool *done)
{
    for (size_t i = 0; i < p->n; i++) {
        bool waits = done[i];

        for (size_t k = 0; k < p->n_links && !waits; k++) {
            waits = p->links[k].to == (int)i && p->links[k].from >= 0 &&
                    !done[p->links[k].from];
        }
        if (!waits) {
            return (int)i;
        }
    }
    return -1;
}

/* order[i]: the part that comes i-th. */
static int order_parts(const struct making *m, int *order)
{
    const struct parts *p = m->parts;
    bool *done = mem_array(bool, p->n);
    int rc = done == NULL ? err_set(m->err, EDGE_ENOMEM, "out of memory") : 0;

    for (size_t i = 0; i < p->n && rc == 0; i++) {
        order[i] = next_part(p, done);
        if (order[i] < 0) {
            rc = err_set(m->err, EDGE_EINVAL,
                         "these parts wait for each other in a circle");
        } else {
            done[order[i]] = true;
        }
    }
    mem_free(done);
    return rc;
}

static int compare_links(const struct part_link *a, const struct part_link *b)
{
    if (a->from != b->from) {
        return a->from < b->from ? -1 : 1;
    }
    if (a->from_port != b->from_port) {
        return a->from_port < b->from_port ? -1 : 1;
    }
    return a->to != b->to ? (a->to < b->to ? -1 : 1) : a->to_port - b->to_port;
}

/* Insertion: links come nearly in order. */
static void sort_links(struct parts *p)
{
    for (size_t i = 1; i < p->n_links; i++) {
        struct part_link link = p->links[i];
        size_t at = i;

        while (at > 0 && compare_links(&p->links[at - 1], &link) > 0) {
            p->links[at] = p->links[at - 1];
            at--;
        }
        p->links[at] = link;
    }
}

/* ---- shards -------------------------------------------------------------- */

static void strip(struct graph *shard)
{
    for (size_t i = 0; i < shard->n_ops; i++) {
        rewrite_clear_part(&shard->ops[i]);
    }
}

static int extract(struct making *m, int part, size_t index,
                   struct graph **shard)
{
    const struct ports *in = &m->in[part];
    const struct ports *out = &m->out[part];
    char *name = mem_printf("%s/%zu", m->graph->name, index);
    int rc;

    if (name == NULL) {
        return err_set(m->err, EDGE_ENOMEM, "out of memory");
    }
    rc = graph_extract(m->graph, in->values, in->n, out->values, out->n, name,
                       shard, m->err);
    mem_free(name);
    if (rc == 0) {
        strip(*shard);
    }
    return rc;
}

/* Puts the parts in order: shards are made so, labels and links follow. */
static int make_shards(struct making *m)
{
    struct parts *p = m->parts;
    int *order = mem_array(int, p->n);
    int *place = mem_array(int, p->n);
    int *labels = mem_array(int, p->n);
    int rc = EDGE_ENOMEM;

    p->shards = mem_array(struct graph *, p->n);
    if (order != NULL && place != NULL && labels != NULL && p->shards != NULL) {
        rc = order_parts(m, order);
    }
    for (size_t i = 0; i < p->n && rc == 0; i++) {
        place[order[i]] = (int)i;
        labels[i] = p->labels[order[i]];
        rc = extract(m, order[i], i, &p->shards[i]);
    }
    for (size_t i = 0; i < p->n_links && rc == 0; i++) {
        struct part_link *link = &p->links[i];

        link->from = link->from >= 0 ? place[link->from] : link->from;
        link->to = link->to >= 0 ? place[link->to] : link->to;
    }
    if (rc == 0) {
        memcpy(p->labels, labels, p->n * sizeof(*labels));
        sort_links(p);
    }
    mem_free(order);
    mem_free(place);
    mem_free(labels);
    return rc;
}

/* ---- all of it ----------------------------------------------------------- */

static int make_ports(struct making *m)
{
    m->in = mem_array(struct ports, m->parts->n);
    m->out = mem_array(struct ports, m->parts->n);
    return m->in == NULL || m->out == NULL
               ? err_set(m->err, EDGE_ENOMEM, "out of memory")
               : 0;
}

int parts_make(const struct graph *graph, struct parts *parts, struct err *err)
{
    struct making m = {.graph = graph, .parts = parts, .err = err};
    int rc = 0;

    *parts = (struct parts){0};
    parts->labels = mem_array(int, graph->n_ops + 1);
    m.part_of = mem_array(int, graph->n_ops + 1);
    m.made_by = mem_array(int, graph->n_values + 1);
    if (parts->labels == NULL || m.part_of == NULL || m.made_by == NULL) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = rc < 0 ? rc : label_ops(&m);
    rc = rc < 0 ? rc : make_ports(&m);
    rc = rc < 0 ? rc : link_ops(&m);
    rc = rc < 0 ? rc : link_outputs(&m);
    rc = rc < 0 ? rc : make_shards(&m);
    mem_free(m.part_of);
    mem_free(m.made_by);
    mem_free(m.in);
    mem_free(m.out);
    if (rc < 0) {
        parts_deinit(parts);
    }
    return rc;
}

void parts_deinit(struct parts *parts)
{
    for (size_t i = 0; i < parts->n && parts->shards != NULL; i++) {
        graph_free(parts->shards[i]);
    }
    mem_free(parts->shards);
    mem_free(parts->labels);
    mem_free(parts->links);
    *parts = (struct parts){0};
}
