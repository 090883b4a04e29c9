/*
 * What a placement says of exits, of tiers and of any other plan: which shard
 * has one, which of its outputs leaves and when, and which links wait for it.
 */
#include "coordinator/plan_job.h"

#include "base/mem.h"
#include "wire/convert.h"

int plan_exits_arrange(struct working *w, struct err *err)
{
    int rc = leaving_arrange(w->graph, w->job->cluster, &w->leaving, err);

    return rc < 0 ? err_wrap(err, rc, "%s", w->job->model_name) : 0;
}

/* ---- where they are ------------------------------------------------------ */

struct way_out {
    int number;
    int output; /* of the model as it is arranged */
    const struct cluster_exit *from;
};

struct ways_out {
    struct way_out all[LIMIT_PORTS];
    size_t n;
    int *numbers; /* of each shard's exit; 0: it has none */
};

static void list_ways(const struct working *w, struct ways_out *ways)
{
    const struct cluster_exit *exits = w->job->cluster->exits;

    for (size_t i = 0; i < w->leaving.n; i++) {
        const struct leaving_exit *exit = &w->leaving.exits[i];

        ways->all[ways->n++] =
            (struct way_out){(int)i + 1, exit->output, &exits[exit->of]};
    }
    for (size_t s = 0; w->has_tiers && s < w->tiers.n_stages; s++) {
        int number = tiers_exit_number(&w->tiers, s);

        if (number > 0) {
            ways->all[ways->n++] = (struct way_out){number, w->tiers.outputs[s],
                                                    &exits[w->tiers.exits[s]]};
        }
    }
}

/* The link that brings output number `output` to the gateway. */
static const struct part_link *link_of(const struct working *w, int output)
{
    for (size_t i = 0; i < w->parts.n_links; i++) {
        const struct part_link *link = &w->parts.links[i];

        if (link->to == PARTS_OUTSIDE && link->to_port == output) {
            return link;
        }
    }
    return NULL; /* not so: each output is made by some part */
}

static const char *output_name(const struct working *w, int output)
{
    return w->graph->values[w->graph->outputs[output]].name;
}

/* ---- a shard's ----------------------------------------------------------- */

/* A tier's by its tier, another by its output: for people, and for whoever
 * asks which output this is. */
static char *exit_name(const struct working *w, const struct way_out *way)
{
    const char *name =
        way->from->at != NULL ? way->from->at : output_name(w, way->output);

    return convert_name_ok(name) ? mem_strdup(name)
                                 : mem_printf("exit%d", way->number);
}

/* Whether they are no scores any more, but what Softmax made of them. */
static bool is_softmax(const struct working *w, int output)
{
    int op = w->graph->values[w->graph->outputs[output]].producer;

    return op >= 0 && w->graph->ops[op].kind == OP_SOFTMAX;
}

static int set_exit(const struct working *w, const struct way_out *way,
                    const struct part_link *link, Edged__Shard *shard)
{
    Edged__Exit *exit = mem_new(Edged__Exit);

    if (exit == NULL) {
        return EDGE_ENOMEM;
    }
    edged__exit__init(exit);
    shard->exit = exit;
    exit->number = (uint32_t)way->number;
    exit->port = (uint32_t)link->from_port;
    exit->by_entropy = way->from->by_entropy;
    exit->below =
        way->from->by_entropy ? way->from->entropy : 1 - way->from->confidence;
    exit->probabilities = is_softmax(w, way->output);
    exit->name = exit_name(w, way);
    return exit->name == NULL ? EDGE_ENOMEM : 0;
}

/* One shard answers once: with its exit, or at the end. */
static int check_alone(const struct working *w, const struct ways_out *ways,
                       const struct way_out *way, int shard, struct err *err)
{
    bool is_last = link_of(w, 0)->from == shard;

    if (!is_last && ways->numbers[shard] == 0) {
        return 0;
    }
    return err_set(err, EDGE_ECONFIG,
                   "line %u:%u: the exit for \"%.200s\" would be computed "
                   "together with %s, and spare nothing. Write \"stages\" of "
                   "which one ends behind it",
                   way->from->at_after.line, way->from->at_after.column,
                   output_name(w, way->output),
                   is_last ? "the model's answer" : "another one");
}

static int set_ways(const struct working *w, struct ways_out *ways,
                    Edged__Placement *spec, struct err *err)
{
    for (size_t i = 0; i < ways->n; i++) {
        const struct way_out *way = &ways->all[i];
        const struct part_link *link = link_of(w, way->output);
        int rc = check_alone(w, ways, way, link->from, err);

        if (rc == 0 && set_exit(w, way, link, spec->shards[link->from]) < 0) {
            rc = err_set(err, EDGE_ENOMEM, "out of memory");
        }
        if (rc < 0) {
            return rc;
        }
        ways->numbers[link->from] = way->number;
    }
    return 0;
}

/* ---- links --------------------------------------------------------------- */

/* Tiers may lack each other. Others need what the exit's shard makes, so they
 * wait for it as for any shard. */
static void set_links(const struct working *w, const struct ways_out *ways,
                      size_t i, Edged__Shard *shard)
{
    uint32_t most = 0;

    for (size_t k = 0; k < shard->n_links; k++) {
        Edged__Link *link = shard->links[k];

        if (link->to_shard == 0) {
            link->to_port = 0;
            continue;
        }
        link->after = (uint32_t)leaving_after(&w->parts, ways->numbers, i,
                                              link->to_shard - 1);
        most = link->after > most ? link->after : most;
    }
    /* Each exit on the way gathers first. */
    shard->wait_ms =
        w->has_tiers && most > 0 ? (most + 1) * plan_tiers_wait_ms(w) : 0;
}

/* What the gateway sends goes at once: nobody could call it back. */
static int check_entries(const struct working *w, const struct ways_out *ways,
                         struct err *err)
{
    for (size_t i = 0; i < w->parts.n_links && !w->has_tiers; i++) {
        const struct part_link *link = &w->parts.links[i];

        if (link->from == PARTS_OUTSIDE &&
            leaving_rank(&w->parts, ways->numbers, (size_t)link->to) > 1) {
            return err_set(
                err, EDGE_EUNSUPPORTED,
                "the model's input \"%.200s\" is needed by layers that its "
                "exits do not need, and that they could not spare. Leave out "
                "\"exits\", or make the model begin with one stage for all",
                w->graph->values[w->graph->inputs[link->from_port]].name);
        }
    }
    return 0;
}

int plan_exits_describe(const struct working *w, Edged__Placement *spec,
                        struct err *err)
{
    struct ways_out ways = {.numbers = mem_array(int, w->parts.n)};
    int rc;

    if (ways.numbers == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    list_ways(w, &ways);
    rc = set_ways(w, &ways, spec, err);
    if (rc == 0) {
        rc = check_entries(w, &ways, err);
    }
    for (size_t i = 0; rc == 0 && i < w->parts.n; i++) {
        set_links(w, &ways, i, spec->shards[i]);
    }
    while (rc == 0 && spec->n_outputs > 1) {
        edged__port__free_unpacked(spec->outputs[--spec->n_outputs], NULL);
    }
    mem_free(ways.numbers);
    return rc;
}
