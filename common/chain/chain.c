#include "chain/chain.h"

#include "base/mem.h"
#include "engine/plan.h"

#include <math.h>
#include <string.h>

struct stop { /* a shard and what it has in one run */
    struct plan *plan;
    size_t n_inputs;
    size_t n_outputs;
    struct tensor *inputs;
    struct tensor *outputs;
};

struct chain {
    struct stop *stops;
    size_t n;
    struct chain_link *links;
    struct chain_seen *seen;
    size_t n_links;
    bool is_plain; /* whatever the links say */
};

static int check_link(const struct chain *chain, const struct chain_link *link,
                      struct err *err)
{
    bool fits = link->from >= CHAIN_OUTSIDE && link->to >= CHAIN_OUTSIDE &&
                link->from < (int)chain->n && link->to < (int)chain->n &&
                (link->to == CHAIN_OUTSIDE || link->from < link->to);

    if (fits && link->from != CHAIN_OUTSIDE) {
        fits = link->from_port < chain->stops[link->from].n_outputs;
    }
    if (fits && link->to != CHAIN_OUTSIDE) {
        fits = link->to_port < chain->stops[link->to].n_inputs;
    }
    return fits ? 0
                : err_set(err, EDGE_EINVAL, "a link from shard %d to shard %d",
                          link->from + 1, link->to + 1);
}

static int make_stop(const struct graph *shard, struct stop *stop,
                     struct err *err)
{
    int rc = plan_make(shard, &stop->plan, err);

    if (rc < 0) {
        return rc;
    }
    stop->n_inputs = plan_n_inputs(stop->plan);
    stop->n_outputs = plan_n_outputs(stop->plan);
    stop->inputs = mem_array(struct tensor, stop->n_inputs);
    stop->outputs = mem_array(struct tensor, stop->n_outputs);
    return stop->inputs == NULL || stop->outputs == NULL
               ? err_set(err, EDGE_ENOMEM, "out of memory")
               : 0;
}

static int fill(struct chain *chain, struct graph *const *shards,
                struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < chain->n && rc == 0; i++) {
        rc = make_stop(shards[i], &chain->stops[i], err);
    }
    for (size_t i = 0; i < chain->n_links && rc == 0; i++) {
        rc = check_link(chain, &chain->links[i], err);
        chain->seen[i] =
            (struct chain_seen){.least = INFINITY, .most = -INFINITY};
    }
    return rc;
}

int chain_make(struct graph *const *shards, size_t n,
               const struct chain_link *links, size_t n_links,
               struct chain **out, struct err *err)
{
    struct chain *chain = mem_new(struct chain);
    int rc;

    if (chain == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    chain->stops = mem_array(struct stop, n);
    chain->links = mem_dup(links, n_links * sizeof(*links));
    chain->seen = mem_array(struct chain_seen, n_links);
    if (chain->stops == NULL || chain->links == NULL || chain->seen == NULL) {
        chain_free(chain);
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    chain->n = n;
    chain->n_links = n_links;
    rc = fill(chain, shards, err);
    if (rc < 0) {
        chain_free(chain);
        return rc;
    }
    *out = chain;
    return 0;
}

static void let_go(struct tensor *tensors, size_t n)
{
    for (size_t i = 0; tensors != NULL && i < n; i++) {
        tensor_deinit(&tensors[i]);
    }
}

void chain_free(struct chain *chain)
{
    if (chain == NULL) {
        return;
    }
    for (size_t i = 0; i < chain->n; i++) {
        struct stop *stop = &chain->stops[i];

        let_go(stop->inputs, stop->n_inputs);
        let_go(stop->outputs, stop->n_outputs);
        mem_free(stop->inputs);
        mem_free(stop->outputs);
        plan_free(stop->plan);
    }
    mem_free(chain->stops);
    mem_free(chain->links);
    mem_free(chain->seen);
    mem_free(chain);
}

/* ---- running ------------------------------------------------------------- */

static void look(struct chain_seen *seen, const struct tensor *before,
                 const struct tensor *after)
{
    const float *a = before->data;
    const float *b = after->data;
    int64_t n = tensor_count(before);

    for (int64_t i = 0; i < n; i++) {
        seen->least = fmin(seen->least, (double)a[i]);
        seen->most = fmax(seen->most, (double)a[i]);
        seen->changed = fmax(seen->changed, fabs((double)a[i] - (double)b[i]));
    }
}

/* A tensor as it comes out of link i. */
static int pass(struct chain *chain, size_t i, const struct tensor *from,
                struct tensor *to, struct err *err)
{
    struct chain_seen *seen = &chain->seen[i];
    size_t bytes = 0;
    int rc;

    *to = tensor_ref(from);
    if (chain->is_plain) {
        return 0;
    }
    rc = coded_pass(&chain->links[i].codec, to, &bytes, err);
    if (rc < 0) {
        return rc;
    }
    seen->bytes += bytes;
    seen->plain += tensor_bytes(from);
    if (to->data != from->data) {
        look(seen, from, to);
    }
    return 0;
}

static int pass_on(struct chain *chain, int from, const struct tensor *values,
                   size_t n, struct err *err)
{
    for (size_t i = 0; i < chain->n_links; i++) {
        const struct chain_link *link = &chain->links[i];
        int rc;

        if (link->from != from || link->to == CHAIN_OUTSIDE) {
            continue;
        }
        if (link->from_port >= n ||
            chain->stops[link->to].inputs[link->to_port].blob != NULL) {
            return err_set(err, EDGE_EINVAL, "shard %d has a link twice",
                           link->to + 1);
        }
        rc = pass(chain, i, &values[link->from_port],
                  &chain->stops[link->to].inputs[link->to_port], err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int run_stop(struct stop *stop, size_t number, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < stop->n_inputs; i++) {
        if (stop->inputs[i].blob == NULL) {
            return err_set(err, EDGE_EINVAL, "shard %zu lacks an input",
                           number);
        }
    }
    for (size_t i = 0; i < stop->n_outputs && rc == 0; i++) {
        const struct plan_port *port = plan_output(stop->plan, i);

        rc = tensor_init(&stop->outputs[i], port->dtype, &port->shape);
    }
    if (rc == 0) {
        rc = plan_run(stop->plan, stop->inputs, stop->outputs);
    }
    let_go(stop->inputs, stop->n_inputs);
    return rc < 0 ? err_set(err, rc, "run shard %zu here: %s", number,
                            err_text(rc))
                  : 0;
}

static int collect(const struct chain *chain, struct tensor *outputs, size_t n,
                   struct err *err)
{
    for (size_t i = 0; i < chain->n_links; i++) {
        const struct chain_link *link = &chain->links[i];

        if (link->to == CHAIN_OUTSIDE && link->from != CHAIN_OUTSIDE &&
            link->to_port < n && outputs[link->to_port].blob == NULL) {
            outputs[link->to_port] =
                tensor_ref(&chain->stops[link->from].outputs[link->from_port]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (outputs[i].blob == NULL) {
            return err_set(err, EDGE_EINVAL, "nobody makes output %zu", i);
        }
    }
    return 0;
}

int chain_run(struct chain *chain, const struct tensor *inputs, size_t n_inputs,
              struct tensor *outputs, size_t n_outputs, struct err *err)
{
    int rc = pass_on(chain, CHAIN_OUTSIDE, inputs, n_inputs, err);

    for (size_t i = 0; i < chain->n && rc == 0; i++) {
        struct stop *stop = &chain->stops[i];

        rc = run_stop(stop, i + 1, err);
        if (rc == 0) {
            rc = pass_on(chain, (int)i, stop->outputs, stop->n_outputs, err);
        }
    }
    if (rc == 0) {
        rc = collect(chain, outputs, n_outputs, err);
    }
    for (size_t i = 0; i < chain->n; i++) {
        let_go(chain->stops[i].inputs, chain->stops[i].n_inputs);
        let_go(chain->stops[i].outputs, chain->stops[i].n_outputs);
    }
    return rc;
}

void chain_set_codec(struct chain *chain, size_t i, const struct codec *codec)
{
    chain->links[i].codec = *codec;
}

void chain_use_codecs(struct chain *chain, bool on)
{
    chain->is_plain = !on;
}

const struct chain_seen *chain_seen(const struct chain *chain, size_t i)
{
    return &chain->seen[i];
}
