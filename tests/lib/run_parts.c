#include "tests/lib/run_parts.h"

#include "base/mem.h"
#include "coordinator/plan/rewrite.h"
#include "engine/fold.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/unit.h"

#include <string.h>

struct ports {
    struct tensor in[LIMIT_PORTS];
    struct tensor out[LIMIT_PORTS];
};

/* Hands a tensor along every link that leaves shard `from`. */
static void pass_on(const struct parts *parts, int from,
                    const struct tensor *made, struct ports *ports,
                    struct tensor *outputs)
{
    for (size_t i = 0; i < parts->n_links; i++) {
        const struct part_link *link = &parts->links[i];

        if (link->from != from) {
            continue;
        }
        if (link->to >= 0) {
            ports[link->to].in[link->to_port] =
                tensor_ref(&made[link->from_port]);
        } else {
            outputs[link->to_port] = tensor_ref(&made[link->from_port]);
        }
    }
}

static void run_part(struct graph *shard, struct ports *ports)
{
    struct err err;

    assert_true(shard->n_inputs <= LIMIT_PORTS);
    for (size_t i = 0; i < shard->n_inputs; i++) {
        assert_non_null(ports->in[i].blob); /* all have come */
    }
    for (size_t i = 0; i < shard->n_ops; i++) {
        assert_int_equal(rewrite_part(&shard->ops[i]), REWRITE_NO_PART);
    }
    if (pass_run_shard(shard, fold_eval, NULL, &err) < 0) {
        fail_msg("%s", err.text);
    }
    run_graph(shard, ports->in, ports->out);
}

void run_made_parts(const struct parts *parts, const struct tensor *inputs,
                    struct tensor *outputs)
{
    struct ports *ports = mem_array(struct ports, parts->n);

    assert_non_null(ports);
    pass_on(parts, PARTS_OUTSIDE, inputs, ports, outputs);
    for (size_t i = 0; i < parts->n; i++) {
        run_part(parts->shards[i], &ports[i]);
        pass_on(parts, (int)i, ports[i].out, ports, outputs);
        for (size_t k = 0; k < LIMIT_PORTS; k++) {
            tensor_deinit(&ports[i].in[k]);
            tensor_deinit(&ports[i].out[k]);
        }
    }
    mem_free(ports);
}

size_t run_parts(const struct graph *graph, const struct tensor *inputs,
                 struct tensor *outputs)
{
    struct parts parts;
    struct err err;
    size_t n;
    int rc = parts_make(graph, &parts, &err);

    if (rc == EDGE_ENOFIT) {
        return 0;
    }
    if (rc < 0) {
        fail_msg("%s", err.text);
    }
    n = parts.n;
    run_made_parts(&parts, inputs, outputs);
    parts_deinit(&parts);
    return n;
}
