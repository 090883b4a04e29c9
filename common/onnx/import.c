#include "onnx/import.h"

#include "base/mem.h"
#include "onnx/import_impl.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FUNCTIONS_MAX 1024 /* each node is looked up among them */

/* ---- what the model as a whole must be ---------------------------------- */

static bool is_onnx_domain(const char *domain)
{
    return domain == NULL || domain[0] == '\0' ||
           strcmp(domain, "ai.onnx") == 0;
}

static int take_opset(struct import *im, struct err *err)
{
    const Onnx__ModelProto *m = im->model;
    int64_t version = 0;

    for (size_t i = 0; i < m->n_opset_import; i++) {
        if (is_onnx_domain(m->opset_import[i]->domain)) {
            version = m->opset_import[i]->version;
        }
    }
    if (version == 0) {
        return err_set(err, EDGE_EINVAL,
                       "it does not say which ONNX opset it uses");
    }
    if (version < 1 || version > ONNX_OPSET_MAX) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "it uses ONNX opset %lld; edged reads opsets %d to %d",
                       (long long)version, ONNX_OPSET_MIN, ONNX_OPSET_MAX);
    }
    im->opset = (int)version;
    return 0;
}

/* An older model will do if its operators are still what they were. */
static int take_old_opset(struct import *im, struct err *err)
{
    const Onnx__GraphProto *g = im->model->graph;
    char text[NODE_TEXT];
    char type[SHOW_TEXT];

    for (size_t i = 0; i < g->n_node && im->opset < ONNX_OPSET_MIN; i++) {
        int since = import_since(g->node[i]->op_type);

        if (im->opset < since) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "it uses ONNX opset %d, in which %s has a form that "
                           "edged does not read; it reads %s from opset %d on",
                           im->opset, import_node_text(g->node[i], i, text),
                           import_show(g->node[i]->op_type, type), since);
        }
    }
    if (im->opset < ONNX_OPSET_MIN) {
        im->opset = ONNX_OPSET_MIN;
    }
    return 0;
}

static bool is_function(const Onnx__ModelProto *m, const Onnx__NodeProto *node)
{
    const char *domain = node->domain != NULL ? node->domain : "";

    for (size_t i = 0; i < m->n_functions; i++) {
        const Onnx__FunctionProto *f = m->functions[i];

        if (f->name != NULL && strcmp(f->name, node->op_type) == 0 &&
            strcmp(f->domain != NULL ? f->domain : "", domain) == 0) {
            return true;
        }
    }
    return false;
}

static int refuse_operator(struct import *im, size_t index, struct err *err)
{
    const Onnx__NodeProto *node = im->model->graph->node[index];
    const char *domain = is_onnx_domain(node->domain) ? "" : node->domain;
    char text[NODE_TEXT];
    char type[SHOW_TEXT];
    char of[SHOW_TEXT];

    return err_set(err, EDGE_EUNSUPPORTED,
                   "%s uses %s %s%s%s, which edged does not support",
                   import_node_text(node, index, text),
                   is_function(im->model, node) ? "the model's function"
                                                : "operator",
                   import_show(domain, of), domain[0] != '\0' ? "::" : "",
                   import_show(node->op_type, type));
}

static int check_operators(struct import *im, struct err *err)
{
    const Onnx__GraphProto *g = im->model->graph;
    char text[NODE_TEXT];

    for (size_t i = 0; i < g->n_node; i++) {
        const char *type = g->node[i]->op_type;

        if (type == NULL || type[0] == '\0') {
            return err_set(err, EDGE_EINVAL, "%s has no operator",
                           import_node_text(g->node[i], i, text));
        }
        if (!import_is_supported(g->node[i]) ||
            is_function(im->model, g->node[i])) {
            return refuse_operator(im, i, err);
        }
    }
    return 0;
}

static int check_model(struct import *im, struct err *err)
{
    const Onnx__GraphProto *g = im->model->graph;
    int rc;

    if (g == NULL) {
        return err_set(err, EDGE_ECORRUPT,
                       "it has no graph, so it is no ONNX model");
    }
    if (im->model->n_functions > FUNCTIONS_MAX) {
        return err_set(err, EDGE_ETOOBIG, "it has %zu functions, %d can be",
                       im->model->n_functions, FUNCTIONS_MAX);
    }
    rc = check_operators(im, err);
    if (rc == 0) {
        rc = take_opset(im, err);
    }
    if (rc == 0) {
        rc = take_old_opset(im, err);
    }
    if (rc == 0 && g->n_sparse_initializer > 0) {
        rc = err_set(err, EDGE_EUNSUPPORTED,
                     "it has sparse initializers, which edged does not "
                     "support");
    }
    if (rc == 0 && g->n_output == 0) {
        rc = err_set(err, EDGE_EINVAL, "its graph has no output");
    }
    return rc;
}

/* ---- the graph ---------------------------------------------------------- */

static int take_initializer(struct import *im, size_t index, struct err *err)
{
    const Onnx__TensorProto *proto = im->model->graph->initializer[index];
    char shown[SHOW_TEXT];
    struct tensor t;
    int value;
    int rc = import_value(im, proto->name, &value, err);

    if (rc == 0) {
        rc =
            import_tensor_proto(im, proto, &im->skeleton->raws[index], &t, err);
    }
    if (rc < 0) {
        return rc == EDGE_ENOMEM ? rc
                                 : err_wrap(err, rc, "initializer \"%s\"",
                                            import_show(proto->name, shown));
    }
    graph_set_const(im->graph, value, &t);
    return 0;
}

static int take_input(struct import *im, const Onnx__ValueInfoProto *info,
                      struct err *err)
{
    char shown[SHOW_TEXT];
    int value;
    int rc = import_value(im, info->name, &value, err);

    if (rc < 0 || graph_is_const(im->graph, value)) {
        return rc;
    }
    rc = import_type(im, info, value, err);
    if (rc == 0) {
        rc = graph_add_input(im->graph, value);
        if (rc == EDGE_ETOOBIG) {
            rc = err_set(err, rc, "a model may have %d inputs",
                         LIMIT_GRAPH_PORTS);
        }
    }
    if (rc < 0 && rc != EDGE_ENOMEM) {
        return err_wrap(err, rc, "graph input \"%s\"",
                        import_show(info->name, shown));
    }
    return rc < 0 ? rc : 0;
}

/* What the file says of an output's shape counts only where the ops that
 * make it do not tell; what it says of the type must be so. */
static int take_output_type(struct import *im, const Onnx__ValueInfoProto *info,
                            int value, struct err *err)
{
    struct value *v = &im->graph->values[value];
    enum dtype dtype = v->dtype;
    bool has_shape = v->has_shape;
    struct shape shape = v->shape;
    int rc = info->type != NULL ? import_type(im, info, value, err) : 0;

    v = &im->graph->values[value];
    if (rc == 0 && dtype != DTYPE_NONE && v->dtype != dtype) {
        rc = err_set(err, EDGE_EINVAL, "it is said to be %s, but is %s",
                     dtype_name(v->dtype), dtype_name(dtype));
        v->dtype = dtype;
    }
    if (has_shape) {
        v->has_shape = true;
        v->shape = shape;
    }
    return rc;
}

static int take_output(struct import *im, const Onnx__ValueInfoProto *info,
                       struct err *err)
{
    char shown[SHOW_TEXT];
    int value;
    int rc = import_value(im, info->name, &value, err);

    if (rc == 0) {
        rc = take_output_type(im, info, value, err);
    }
    if (rc == 0) {
        rc = graph_add_output(im->graph, value);
        if (rc == EDGE_EEXIST) {
            rc = err_set(err, EDGE_EINVAL, "it is there twice");
        } else if (rc == EDGE_ETOOBIG) {
            rc = err_set(err, rc, "a model may have %d outputs",
                         LIMIT_GRAPH_PORTS);
        }
    }
    if (rc < 0 && rc != EDGE_ENOMEM) {
        return err_wrap(err, rc, "graph output \"%s\"",
                        import_show(info->name, shown));
    }
    return rc < 0 ? rc : 0;
}

static int enter_outputs(struct import *im, const Onnx__NodeProto *node,
                         struct err *err)
{
    size_t most = (size_t)import_outputs_max(node);
    int value;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < node->n_output && i < most; i++) {
        if (node->output[i][0] != '\0') {
            rc = import_value(im, node->output[i], &value, err);
        }
    }
    return rc;
}

/* All names of the file enter the graph before the upgrades make up some. */
static int enter_names(struct import *im, struct err *err)
{
    const Onnx__GraphProto *g = im->model->graph;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < g->n_initializer; i++) {
        rc = take_initializer(im, i, err);
    }
    for (size_t i = 0; rc == 0 && i < g->n_input; i++) {
        rc = take_input(im, g->input[i], err);
    }
    for (size_t i = 0; rc == 0 && i < g->n_node; i++) {
        rc = enter_outputs(im, g->node[i], err);
    }
    return rc;
}

static int take_metas(struct import *im, struct err *err)
{
    const Onnx__ModelProto *m = im->model;
    int rc = 0;

    if (m->n_metadata_props > LIMIT_GRAPH_METAS) {
        return err_set(err, EDGE_ETOOBIG,
                       "it has %zu metadata entries, %d can be",
                       m->n_metadata_props, LIMIT_GRAPH_METAS);
    }
    for (size_t i = 0; rc == 0 && i < m->n_metadata_props; i++) {
        const Onnx__StringStringEntryProto *entry = m->metadata_props[i];

        if (entry->key != NULL && entry->key[0] != '\0') {
            rc = graph_add_meta(im->graph, entry->key,
                                entry->value != NULL ? entry->value : "");
            rc = rc == EDGE_EEXIST ? 0 : rc; /* the first one counts */
        }
    }
    return rc;
}

static int build(struct import *im, struct err *err)
{
    const Onnx__GraphProto *g = im->model->graph;
    int rc = import_declare_all(im, err);

    if (rc == 0) {
        rc = enter_names(im, err);
    }
    for (size_t i = 0; rc == 0 && i < g->n_node; i++) {
        rc = import_node(im, g->node[i], i, err);
    }
    for (size_t i = 0; rc == 0 && i < g->n_output; i++) {
        rc = take_output(im, g->output[i], err);
    }
    if (rc == 0) {
        rc = take_metas(im, err);
    }
    if (rc == 0) {
        rc = graph_sort(im->graph, err);
    }
    if (rc == 0) {
        rc = import_fuse_gelu(im->graph);
    }
    return rc == 0 ? graph_check(im->graph, err) : rc;
}

static void import_deinit(struct import *im)
{
    names_deinit(&im->names);
    mem_free(im->known);
    mem_free(im->location);
    blob_unref(im->external);
}

static int import_model(struct import *im, struct graph **graph,
                        struct err *err)
{
    const char *name;
    int rc = check_model(im, err);

    if (rc < 0) {
        return rc;
    }
    name = im->model->graph->name;
    if (name == NULL || name[0] == '\0' || strlen(name) > LIMIT_GRAPH_NAME) {
        name = "model";
    }
    im->graph = graph_new(name);
    if (im->graph == NULL) {
        return EDGE_ENOMEM;
    }
    rc = build(im, err);
    if (rc < 0) {
        graph_free(im->graph);
    } else {
        *graph = im->graph;
    }
    import_deinit(im);
    return rc;
}

/* ---- the file ----------------------------------------------------------- */

static int unpack(struct blob *file, const ProtobufCMessageDescriptor *type,
                  struct skeleton *skeleton, struct skeleton_message *message,
                  struct err *err)
{
    int rc;

    if (file->size == 0) {
        return err_set(err, EDGE_ECORRUPT, "the file is empty");
    }
    if (file->size > LIMIT_MODEL_FILE) {
        return err_set(err, EDGE_ETOOBIG,
                       "it has %zu bytes, an ONNX file can have %zu",
                       file->size, LIMIT_MODEL_FILE);
    }
    rc = skeleton_make(file->data, file->size, type, skeleton, err);
    return rc == 0 ? skeleton_unpack(skeleton, type, message, err) : rc;
}

/* Every failure below says why, but for want of memory. */
static int say(struct err *err, int rc, const char *label)
{
    if (rc == EDGE_ENOMEM) {
        return err_set(err, rc, "%s: out of memory", label);
    }
    return rc < 0 ? err_wrap(err, rc, "%s", label) : rc;
}

int import_blob(struct blob *file, const char *label, import_open open,
                void *arg, struct graph **graph, struct err *err)
{
    struct skeleton skeleton = {.bytes = NULL};
    struct skeleton_message message = {.message = NULL};
    struct import im = {
        .skeleton = &skeleton, .file = file, .open = open, .arg = arg};
    int rc =
        unpack(file, &onnx__model_proto__descriptor, &skeleton, &message, err);

    if (rc == 0) {
        im.model = (const Onnx__ModelProto *)message.message;
        rc = import_model(&im, graph, err);
    }
    skeleton_release(&message);
    skeleton_deinit(&skeleton);
    return say(err, rc, label);
}

static int open_folder(const char *path)
{
    char *folder = mem_strdup(path);
    char *slash = folder != NULL ? strrchr(folder, '/') : NULL;
    int fd;

    if (folder == NULL) {
        return -1;
    }
    if (slash != NULL) {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    fd = open(slash != NULL ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    mem_free(folder);
    return fd;
}

struct apart { /* what lies beside the file */
    int folder;
    bool is_asked;
};

static int open_apart(void *arg, const char *location, struct blob **blob,
                      struct err *err)
{
    struct apart *apart = arg;

    apart->is_asked = true;
    return import_folder_open(&apart->folder, location, blob, err);
}

int import_file_apart(const char *path, struct graph **graph, bool *is_apart,
                      struct err *err)
{
    struct apart apart = {.folder = -1};
    struct blob *file = NULL;
    int rc = blob_map(path, &file, err);

    if (rc < 0) {
        return rc;
    }
    apart.folder = open_folder(path);
    if (apart.folder < 0) {
        rc = err_set(err, EDGE_EIO, "%s: its folder cannot be opened", path);
    } else {
        rc = import_blob(file, path, open_apart, &apart, graph, err);
        (void)close(apart.folder);
    }
    *is_apart = apart.is_asked;
    blob_unref(file);
    return rc;
}

int import_file(const char *path, struct graph **graph, struct err *err)
{
    bool is_apart;

    return import_file_apart(path, graph, &is_apart, err);
}

int import_tensor(struct blob *file, struct tensor *t, char **name,
                  struct err *err)
{
    struct skeleton skeleton = {.bytes = NULL};
    struct skeleton_message message = {.message = NULL};
    struct import im = {.skeleton = &skeleton, .file = file};
    struct tensor made = {.blob = NULL};
    char *copy = NULL;
    int rc =
        unpack(file, &onnx__tensor_proto__descriptor, &skeleton, &message, err);

    if (rc == 0) {
        const Onnx__TensorProto *proto =
            (const Onnx__TensorProto *)message.message;

        copy = mem_strdup(proto->name != NULL ? proto->name : "");
        rc = copy != NULL
                 ? import_tensor_proto(&im, proto, skeleton.raws, &made, err)
                 : EDGE_ENOMEM;
    }
    if (rc == 0) {
        *t = made;
    }
    if (rc == 0 && name != NULL) {
        *name = copy;
        copy = NULL;
    }
    mem_free(copy);
    skeleton_release(&message);
    skeleton_deinit(&skeleton);
    return say(err, rc, "tensor");
}
