/*
 * edgectl model export-shards: a model cut into shards, each a valid ONNX
 * file. Chained they give what the whole gives: output j of a shard is input j
 * of the next. shards.json says so for programs.
 */
#include "coordinator/ctl/model.h"

#include "base/mem.h"
#include "coordinator/ctl/table.h"
#include "coordinator/plan/cut.h"
#include "coordinator/plan/place.h"
#include "engine/fold.h"
#include "onnx/export.h"
#include "onnx/guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct exporting {
    const struct ctl *ctl;
    const struct model_options *options;
    struct graph *graph;
    struct cut *cuts;
    size_t n_cuts;
    int *order;
    size_t n_ops;
    int positions[LIMIT_SHARDS];
    size_t n_positions;
    struct graph *shards[LIMIT_SHARDS];
    size_t n_shards;
    json_t *list; /* of shards.json */
    struct table *table;
};

/* ---- where to cut ------------------------------------------------------- */

/* The places where nothing that fuses is parted, and the end. */
static size_t make_points(const struct exporting *e, struct place_point *points,
                          int *positions)
{
    struct model_size size = model_size(e->graph);
    size_t n = 0;

    for (size_t i = 0; i < e->n_cuts; i++) {
        const struct cut *cut = &e->cuts[i];

        if (cut->position > 0 && (size_t)cut->position < e->n_ops &&
            !cut->splits_group) {
            positions[n] = cut->position;
            points[n++] = (struct place_point){
                cut->macs_before, cut->weight_bytes_before, (double)cut->bytes};
        }
    }
    positions[n] = (int)e->n_ops;
    points[n++] = (struct place_point){size.macs, size.bytes, 0};
    return n;
}

/* So that the slowest of K stages takes the least time, as a deploy does. */
static int cut_evenly(struct exporting *e, struct err *err)
{
    struct place_point *points = mem_array(struct place_point, e->n_cuts + 1);
    int *positions = mem_array(int, e->n_cuts + 1);
    size_t ends[LIMIT_SHARDS];
    size_t k = e->options->stages;
    size_t n = 0;
    int rc = points == NULL || positions == NULL ? EDGE_ENOMEM : 0;

    if (rc == 0) {
        n = make_points(e, points, positions);
    }
    if (rc == 0 && k > n) {
        rc = err_set(err, EDGE_EINVAL,
                     "%s can be cut into at most %zu stages. Try: --stages %zu",
                     e->options->file, n, n);
    } else if (rc == 0) {
        rc = place_cut(points, n, k, ends);
        rc = rc < 0 ? err_set(err, rc, "out of memory") : 0;
    } else {
        (void)err_set(err, rc, "out of memory");
    }
    for (size_t i = 0; rc == 0 && i + 1 < k; i++) {
        e->positions[e->n_positions++] = positions[ends[i]];
    }
    mem_free(points);
    mem_free(positions);
    return rc;
}

static int add_position(struct exporting *e, const char *name, int position,
                        struct err *err)
{
    size_t at = e->n_positions;

    if ((size_t)position >= e->n_ops) {
        return err_set(err, EDGE_EINVAL,
                       "\"%s\" is the last layer: nothing is left after it",
                       name);
    }
    while (at > 0 && e->positions[at - 1] > position) {
        e->positions[at] = e->positions[at - 1];
        at--;
    }
    if (at > 0 && e->positions[at - 1] == position) {
        return err_set(err, EDGE_EINVAL, "two cuts are at \"%s\"", name);
    }
    e->positions[at] = position;
    e->n_positions++;
    return 0;
}

/* After one layer, by the name of its op or of what it makes. */
static int cut_after(struct exporting *e, const char *name, struct err *err)
{
    struct cut_layers layers;
    char *text;
    int rc;

    if (e->n_positions + 1 >= LIMIT_SHARDS) {
        return err_set(err, EDGE_ETOOBIG, "at most %d shards", LIMIT_SHARDS);
    }
    text = mem_printf("..%s", name);
    rc = text == NULL || name[0] == '\0'
             ? EDGE_EINVAL
             : cut_find_layers(e->graph, text, &layers, err);
    mem_free(text);
    if (rc < 0) {
        return err_set(err, rc == EDGE_ENOENT ? rc : EDGE_EINVAL,
                       "%s has no layer \"%s\". Names are shown by: edgectl "
                       "model inspect %s",
                       e->options->file, name, e->options->file);
    }
    return add_position(e, name, layers.end, err);
}

static int cut_where_told(struct exporting *e, struct err *err)
{
    char *names = mem_strdup(e->options->cut);
    char *at = names;
    int rc = names == NULL ? err_set(err, EDGE_ENOMEM, "out of memory") : 0;

    while (rc == 0 && at != NULL) {
        char *name = strsep(&at, ",");

        rc = cut_after(e, name, err);
    }
    mem_free(names);
    return rc;
}

/* ---- files -------------------------------------------------------------- */

static int write_file(const char *folder, const char *name, const void *data,
                      size_t size, struct err *err)
{
    char *path = mem_printf("%s/%s", folder, name);
    FILE *file = path != NULL ? fopen(path, "wb") : NULL;
    int number = 0;

    if (path == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (file == NULL || (size > 0 && fwrite(data, size, 1, file) != 1)) {
        number = errno;
    }
    if (file != NULL && fclose(file) != 0 && number == 0) {
        number = errno;
    }
    if (number != 0) {
        (void)err_set(err, err_from_errno(number), "cannot write %s: %s", path,
                      strerror(number));
    }
    mem_free(path);
    return number != 0 ? err_from_errno(number) : 0;
}

static int write_shard(const struct exporting *e, const struct export *out,
                       const char *name, struct err *err)
{
    int rc = write_file(e->options->folder, name, out->model->data,
                        out->model->size, err);

    for (size_t i = 0; rc == 0 && i < out->n_blobs; i++) {
        char hex[DIGEST_HEX];

        digest_hex(&out->blobs[i].digest, hex);
        rc = write_file(e->options->folder, hex, out->blobs[i].data,
                        out->blobs[i].size, err);
    }
    return rc;
}

/* ---- what is said of them ----------------------------------------------- */

static json_t *ports_json(const struct graph *graph, const int *values,
                          size_t n)
{
    json_t *ports = json_array();

    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(ports, model_value_json(graph, values[i]));
    }
    return ports;
}

static json_t *shard_json(const struct graph *shard, const char *file,
                          const struct export *out)
{
    json_t *weights = json_array();

    for (size_t i = 0; i < out->n_blobs; i++) {
        char hex[DIGEST_HEX];

        digest_hex(&out->blobs[i].digest, hex);
        (void)json_array_append_new(weights, json_string(hex));
    }
    return json_pack("{s:s,s:o,s:o,s:o}", "file", file, "inputs",
                     ports_json(shard, shard->inputs, shard->n_inputs),
                     "outputs",
                     ports_json(shard, shard->outputs, shard->n_outputs),
                     "weights", weights);
}

/* The names that leave a shard, and their bytes together. */
static char *crossing(const struct graph *shard, double *bytes)
{
    char *text = mem_strdup("");

    *bytes = 0;
    for (size_t i = 0; text != NULL && i < shard->n_outputs; i++) {
        const struct value *v = &shard->values[shard->outputs[i]];
        char *longer = mem_printf("%s%s%s", text, i > 0 ? ", " : "", v->name);
        size_t size = 0;

        (void)shape_bytes(&v->shape, v->dtype, &size);
        *bytes += (double)size;
        mem_free(text);
        text = longer;
    }
    if (text != NULL) {
        show_clean(text);
    }
    return text;
}

static void shard_row(struct exporting *e, size_t i, const char *file)
{
    size_t first = i > 0 ? (size_t)e->positions[i - 1] : 0;
    size_t end = i < e->n_positions ? (size_t)e->positions[i] : e->n_ops;
    struct model_size size = model_size(e->shards[i]);
    char text[SHOW_NUMBER];
    double bytes;
    char *out = crossing(e->shards[i], &bytes);
    char *from = show_copy(e->graph->ops[e->order[first]].name);
    char *to = show_copy(e->graph->ops[e->order[end - 1]].name);

    table_row(e->table);
    table_text(e->table, 0, "%s", file);
    table_text(e->table, 1, "%zu", end - first);
    table_text(e->table, 2, "%s..%s", from != NULL ? from : "?",
               to != NULL ? to : "?");
    table_text(e->table, 3, "%s", show_bytes(size.bytes, text));
    table_text(e->table, 4, "%s", show_count(size.macs, text));
    table_text(e->table, 5, "%s", show_bytes(bytes, text));
    table_text(e->table, 6, "%s", out != NULL ? out : "?");
    mem_free(out);
    mem_free(from);
    mem_free(to);
}

static int put_shard(struct exporting *e, size_t i, struct err *err)
{
    struct export out = {0};
    char file[32];
    int rc = export_graph(e->shards[i], &out, err);

    (void)snprintf(file, sizeof(file), "shard-%zu.onnx", i);
    if (rc == 0) {
        rc = write_shard(e, &out, file, err);
    }
    if (rc == 0) {
        (void)json_array_append_new(e->list,
                                    shard_json(e->shards[i], file, &out));
        if (e->table != NULL) {
            shard_row(e, i, file);
        }
    }
    export_deinit(&out);
    return rc < 0 ? err_wrap(err, rc, "shard %zu", i) : 0;
}

static int write_list(const struct exporting *e, struct err *err)
{
    json_t *root = json_pack(
        "{s:o,s:o,s:o,s:O}", "model", show_json(e->options->file), "inputs",
        ports_json(e->graph, e->graph->inputs, e->graph->n_inputs), "outputs",
        ports_json(e->graph, e->graph->outputs, e->graph->n_outputs), "shards",
        e->list);
    char *path = mem_printf("%s/shards.json", e->options->folder);
    int rc = 0;

    if (root == NULL || path == NULL) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    } else if (json_dump_file(root, path, JSON_INDENT(2)) < 0) {
        rc = err_set(err, EDGE_EIO, "cannot write %s", path);
    }
    mem_free(path);
    if (rc == 0 && e->ctl->format == CTL_JSON) {
        return show_json_line(root, err);
    }
    json_decref(root);
    return rc;
}

/* ---- the verb ----------------------------------------------------------- */

static int cut_model(struct exporting *e, struct err *err)
{
    int rc = guard_import_file(e->options->file, &e->graph, err);

    if (rc == 0) {
        rc = fold_prepare(e->graph, 1, NULL, 0, err);
        rc = rc < 0 ? err_wrap(err, rc, "%s", e->options->file) : 0;
    }
    if (rc == 0) {
        rc = cut_order(e->graph, &e->order, &e->n_ops, err);
    }
    if (rc == 0) {
        rc = cut_candidates(e->graph, &e->cuts, &e->n_cuts, err);
    }
    if (rc == 0) {
        rc = e->options->cut != NULL ? cut_where_told(e, err)
                                     : cut_evenly(e, err);
    }
    if (rc == 0) {
        rc = cut_split(e->graph, e->positions, e->n_positions, e->shards, err);
    }
    if (rc == 0) {
        e->n_shards = e->n_positions + 1;
    }
    return rc;
}

static int put_all(struct exporting *e, struct err *err)
{
    static const struct table_column columns[] = {
        {"FILE", false},   {"LAYERS", true},        {"FROM..TO", false},
        {"WEIGHTS", true}, {"MULTIPLY-ADDS", true}, {"SENDS", true},
        {"OUTPUTS", false}};
    int rc = named_make_folder(e->options->folder, err);

    if (e->ctl->format != CTL_JSON) {
        e->table = table_new(e->ctl, columns, 7);
    }
    e->list = json_array();
    for (size_t i = 0; rc == 0 && i < e->n_shards; i++) {
        rc = put_shard(e, i, err);
    }
    if (rc == 0) {
        rc = write_list(e, err);
    }
    if (e->table != NULL) { /* what was written is said also after an error */
        table_print(e->table);
    }
    json_decref(e->list);
    return rc;
}

int model_export(const struct ctl *ctl, struct model_options *options,
                 struct err *err)
{
    struct exporting *e = mem_new(struct exporting);
    int rc;

    if (e == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    e->ctl = ctl;
    e->options = options;
    rc = cut_model(e, err);
    if (rc == 0) {
        rc = put_all(e, err);
    }
    for (size_t i = 0; i < e->n_shards; i++) {
        graph_free(e->shards[i]);
    }
    graph_free(e->graph);
    cut_free(e->cuts, e->n_cuts);
    mem_free(e->order);
    mem_free(e);
    return rc;
}
