/* Shard graphs become blobs of the store, ports, links and sizes. */
#include "coordinator/parts.h"
#include "coordinator/plan/parts.h"

#include "base/mem.h"
#include "engine/plan.h"
#include "graph/graph.h"
#include "onnx/export.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

static Edged__Port *port_new(const struct value *value)
{
    Edged__Port *port = mem_new(Edged__Port);
    Edged__TensorMeta *meta = mem_new(Edged__TensorMeta);
    int rank = value->shape.rank;

    if (port == NULL || meta == NULL) {
        mem_free(port);
        mem_free(meta);
        return NULL;
    }
    edged__port__init(port);
    edged__tensor_meta__init(meta);
    port->tensor = meta;
    port->name = mem_strdup(value->name);
    meta->dtype = value->dtype;
    meta->dims =
        mem_dup(value->shape.dims, (size_t)rank * sizeof(value->shape.dims[0]));
    meta->n_dims = meta->dims != NULL ? (size_t)rank : 0;
    return port;
}

static int copy_ports(const struct graph *graph, const int *values, size_t n,
                      Edged__Port ***out, size_t *n_out)
{
    *out = mem_array(Edged__Port *, n);
    if (*out == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        (*out)[i] = port_new(&graph->values[values[i]]);
        if ((*out)[i] == NULL) {
            return EDGE_ENOMEM;
        }
        *n_out = i + 1;
    }
    return 0;
}

int placement_copy_ports(Edged__Placement *spec, const struct graph *model)
{
    int rc = copy_ports(model, model->inputs, model->n_inputs, &spec->inputs,
                        &spec->n_inputs);

    return rc < 0 ? rc
                  : copy_ports(model, model->outputs, model->n_outputs,
                               &spec->outputs, &spec->n_outputs);
}

/* The links that leave shard `from`, or the model's own inputs. */
static int make_links(const struct parts *parts, int from, Edged__Link ***out,
                      size_t *n_out)
{
    *out = mem_array(Edged__Link *, parts->n_links);
    if (*out == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < parts->n_links; i++) {
        const struct part_link *part = &parts->links[i];
        Edged__Link *link;

        if (part->from != from) {
            continue;
        }
        link = mem_new(Edged__Link);
        if (link == NULL) {
            return EDGE_ENOMEM;
        }
        edged__link__init(link);
        link->port = (uint32_t)part->from_port;
        link->to_shard = (uint32_t)(part->to + 1); /* OUTSIDE: the gateway */
        link->to_port = (uint32_t)part->to_port;
        (*out)[(*n_out)++] = link;
    }
    return 0;
}

static int put_blobs(struct store *store, const struct export *files,
                     Edged__Shard *shard, struct err *err)
{
    struct digest digest;
    int rc =
        store_put(store, files->model->data, files->model->size, &digest, err);

    if (rc < 0) {
        return rc;
    }
    shard->model = convert_ref_new(&digest, files->model->size);
    shard->weights = mem_array(Edged__BlobRef *, files->n_blobs);
    if (shard->model == NULL || shard->weights == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < files->n_blobs && rc == 0; i++) {
        rc = store_put(store, files->blobs[i].data, files->blobs[i].size,
                       &digest, err);
        shard->weights[i] = convert_ref_new(&digest, files->blobs[i].size);
        if (shard->weights[i] == NULL) {
            return err_set(err, EDGE_ENOMEM, "out of memory");
        }
        shard->n_weights = i + 1;
    }
    return rc;
}

/* What the shard will take on a node: planned here once, and let go. */
static int measure(const struct graph *graph, Edged__Shard *shard,
                   struct err *err)
{
    struct plan *plan = NULL;
    int rc = plan_make(graph, &plan, err);

    if (rc < 0) {
        return rc;
    }
    shard->weight_bytes = plan_packed_bytes(plan);
    shard->arena_bytes = plan_arena_bytes(plan);
    plan_free(plan);
    return 0;
}

static int describe(struct store *store, const struct parts *parts, size_t i,
                    Edged__Shard *shard, struct err *err)
{
    const struct graph *graph = parts->shards[i];
    struct export files = {0};
    int rc = export_graph(graph, &files, err);

    if (rc == 0) {
        rc = put_blobs(store, &files, shard, err);
    }
    export_deinit(&files);
    if (rc == 0) {
        rc = measure(graph, shard, err);
    }
    if (rc < 0) {
        return err_wrap(err, rc, "shard s%zu", i);
    }
    shard->id = (uint32_t)i + 1;
    shard->name = mem_printf("s%zu", i);
    rc = shard->name == NULL ? EDGE_ENOMEM
                             : copy_ports(graph, graph->inputs, graph->n_inputs,
                                          &shard->inputs, &shard->n_inputs);
    if (rc == 0) {
        rc = copy_ports(graph, graph->outputs, graph->n_outputs,
                        &shard->outputs, &shard->n_outputs);
    }
    if (rc == 0) {
        rc = make_links(parts, (int)i, &shard->links, &shard->n_links);
    }
    return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

int shards_describe(struct store *store, const struct graph *model,
                    const struct parts *parts, Edged__Placement *spec,
                    struct err *err)
{
    int rc;

    spec->shards = mem_array(Edged__Shard *, parts->n);
    if (spec->shards == NULL || placement_copy_ports(spec, model) < 0 ||
        make_links(parts, PARTS_OUTSIDE, &spec->entries, &spec->n_entries) <
            0) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < parts->n; i++) {
        Edged__Shard *shard = mem_new(Edged__Shard);

        if (shard == NULL) {
            return err_set(err, EDGE_ENOMEM, "out of memory");
        }
        edged__shard__init(shard);
        spec->shards[i] = shard;
        spec->n_shards = i + 1;
        rc = describe(store, parts, i, shard, err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}
