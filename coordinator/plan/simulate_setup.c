/* Before a simulation: what is wrong with its model, and room for all of it. */
#include "coordinator/plan/simulate_inner.h"

#include "base/mem.h"

#include <string.h>

#define SAMPLES_MAX ((size_t)1 << 20)

/* ---- links by where they come from --------------------------------------- */

static size_t row_of(const struct sim *sim, int end)
{
    return end == SIMULATE_OUTSIDE ? sim->model->n_shards : (size_t)end;
}

static bool is_end(const struct sim *sim, int end)
{
    return end == SIMULATE_OUTSIDE ||
           (end >= 0 && (size_t)end < sim->model->n_shards);
}

static int sort_links(struct sim *sim, struct err *err)
{
    size_t n = sim->model->n_shards;
    size_t at = 0;

    for (size_t row = 0; row <= n; row++) {
        sim->first[row] = (uint32_t)at;
        for (size_t i = 0; i < sim->model->n_links; i++) {
            const struct simulate_link *link = &sim->model->links[i];

            if (!is_end(sim, link->from) || !is_end(sim, link->to) ||
                !(link->bytes >= 0)) {
                return err_set(err, EDGE_EINVAL, "link %zu leads nowhere", i);
            }
            if (row_of(sim, link->from) == row) {
                sim->links[at++] = (uint32_t)i;
                sim->inputs[row_of(sim, link->to)]++;
            }
        }
    }
    sim->first[n + 1] = (uint32_t)at;
    return 0;
}

/* Every shard gets its turn, from the gateway on. */
static int check_order(const struct sim *sim, struct err *err)
{
    size_t n = sim->model->n_shards;
    uint32_t *missing = mem_dup(sim->inputs, (n + 1) * sizeof(*missing));
    uint32_t *ready = mem_array(uint32_t, n + 1);
    size_t n_ready = 0;
    int rc = missing == NULL || ready == NULL
                 ? err_set(err, EDGE_ENOMEM, "out of memory")
                 : 0;

    if (rc == 0) {
        ready[n_ready++] = (uint32_t)n;
    }
    for (size_t i = 0; rc == 0 && i < n_ready; i++) {
        for (uint32_t k = sim->first[ready[i]]; k < sim->first[ready[i] + 1];
             k++) {
            int to = sim->model->links[sim->links[k]].to;

            if (to != SIMULATE_OUTSIDE && --missing[to] == 0) {
                ready[n_ready++] = (uint32_t)to;
            }
        }
    }
    if (rc == 0 && (n_ready != n + 1 || sim->inputs[n] == 0)) {
        rc = err_set(err, EDGE_EINVAL,
                     "a shard waits for what never comes, or nothing answers");
    }
    mem_free(missing);
    mem_free(ready);
    return rc;
}

static int check(const struct sim *sim, struct err *err)
{
    const struct simulate_model *model = sim->model;
    const struct simulate_options *o = sim->options;

    for (size_t i = 0; i < model->n_shards; i++) {
        const struct simulate_shard *shard = &model->shards[i];

        if (shard->n_devices == 0 || shard->n_devices > LIMIT_NODES) {
            return err_set(err, EDGE_EINVAL, "shard %zu has no device", i);
        }
        if (shard->like > model->n_shards ||
            (shard->like > 0 &&
             model->shards[shard->like - 1].n_devices != shard->n_devices)) {
            return err_set(err, EDGE_EINVAL, "shard %zu is like no other", i);
        }
        for (size_t k = 0; k < shard->n_devices; k++) {
            if (shard->devices[k] >= model->profile->n_devices ||
                !(shard->seconds[k] >= 0)) {
                return err_set(err, EDGE_EINVAL,
                               "shard %zu: there is no such device", i);
            }
        }
    }
    if (model->n_shards == 0 || model->n_shards > LIMIT_SHARDS ||
        o->clients > LIMIT_GATEWAY_WINDOW ||
        (o->clients == 0 && !(o->rate > 0)) ||
        (o->requests == 0 && !(o->for_s > 0))) {
        return err_set(err, EDGE_EINVAL, "the simulation has no load or end");
    }
    return 0;
}

/* ---- room ---------------------------------------------------------------- */

static size_t samples(const struct simulate_options *o)
{
    return o->requests > 0 && o->requests < SAMPLES_MAX ? o->requests
                                                        : SAMPLES_MAX;
}

static bool has_room(const struct sim *sim)
{
    return sim->links != NULL && sim->first != NULL && sim->inputs != NULL &&
           sim->turn != NULL && sim->requests != NULL &&
           sim->free_slots != NULL && sim->cells != NULL &&
           sim->boards != NULL && sim->latencies != NULL;
}

static int make_room(struct sim *sim)
{
    size_t n = sim->model->n_shards;

    sim->n_slots = sim->options->clients > 0 ? sim->options->clients
                                             : LIMIT_GATEWAY_WINDOW;
    sim->latencies_max = samples(sim->options);
    sim->links = mem_array(uint32_t, sim->model->n_links + 1);
    sim->first = mem_array(uint32_t, n + 2);
    sim->inputs = mem_array(uint32_t, n + 1);
    sim->turn = mem_array(uint32_t, n);
    sim->requests = mem_array(struct sim_request, sim->n_slots);
    sim->free_slots = mem_array(uint32_t, sim->n_slots);
    sim->cells = mem_array(struct sim_cell, sim->n_slots * n);
    sim->boards =
        mem_array(struct sim_board, sim->model->profile->n_devices + 1);
    sim->latencies = mem_array(double, sim->latencies_max);
    if (!has_room(sim)) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < sim->n_slots; i++) {
        sim->free_slots[sim->n_free++] = (uint32_t)(sim->n_slots - 1 - i);
    }
    for (size_t i = 0; i <= sim->model->profile->n_devices; i++) {
        sim->boards[i].head = SIM_NONE;
    }
    return 0;
}

static int result_room(struct sim *sim)
{
    struct simulate_result *r = sim->result;

    *r = (struct simulate_result){.n_devices = sim->model->profile->n_devices,
                                  .n_links = sim->model->n_links};
    r->busy = mem_array(double, r->n_devices + 1);
    r->sent = mem_array(double, r->n_devices + 1);
    r->runs = mem_array(uint64_t, r->n_devices + 1);
    r->carried = mem_array(double, r->n_links + 1);
    return r->busy == NULL || r->sent == NULL || r->runs == NULL ||
                   r->carried == NULL
               ? EDGE_ENOMEM
               : 0;
}

int sim_setup(struct sim *sim, struct err *err)
{
    int rc = check(sim, err);

    if (rc < 0) {
        return rc;
    }
    if (result_room(sim) < 0 || make_room(sim) < 0) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rng_init(&sim->rng, sim->options->seed);
    rc = sort_links(sim, err);
    return rc == 0 ? check_order(sim, err) : rc;
}

void sim_deinit(struct sim *sim)
{
    sim_queue_deinit(&sim->queue);
    mem_free(sim->links);
    mem_free(sim->first);
    mem_free(sim->inputs);
    mem_free(sim->turn);
    mem_free(sim->requests);
    mem_free(sim->free_slots);
    mem_free(sim->cells);
    mem_free(sim->boards);
    mem_free(sim->latencies);
}

void simulate_deinit(struct simulate_result *result)
{
    mem_free(result->busy);
    mem_free(result->sent);
    mem_free(result->runs);
    mem_free(result->carried);
    *result = (struct simulate_result){0};
}
