/* edgectl model new | head | inspect | run | export-shards. */
#include "coordinator/ctl/model.h"

#include "base/suggest.h"
#include "graph/infer.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

struct verb {
    const char *name;
    int (*run)(const struct ctl *ctl, struct model_options *options,
               struct err *err);
};

static const struct verb verbs[] = {
    {"new", model_new},
    {"head", model_head},
    {"inspect", model_inspect},
    {"run", model_run},
    {"export-shards", model_export},
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* ---- what the files share ----------------------------------------------- */

json_t *model_shape_json(const struct shape *shape)
{
    json_t *dims = json_array();

    for (int i = 0; i < shape->rank; i++) {
        int64_t dim = shape->dims[i];

        (void)json_array_append_new(dims,
                                    dim < 0 ? json_null() : json_integer(dim));
    }
    return dims;
}

json_t *model_value_json(const struct graph *graph, int value)
{
    const struct value *v = &graph->values[value];

    return json_pack("{s:o,s:s,s:o}", "name", show_json(v->name), "type",
                     dtype_name(v->dtype), "shape",
                     v->has_shape ? model_shape_json(&v->shape) : json_null());
}

struct model_size model_size(const struct graph *graph)
{
    struct model_size size = {0, 0, 0};

    for (size_t i = 0; i < graph->n_values; i++) {
        const struct tensor *data = &graph->values[i].data;

        if (data->blob != NULL) {
            size.parameters += (double)tensor_count(data);
            size.bytes += (double)tensor_bytes(data);
        }
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        struct op_cost cost;

        infer_cost(graph, &graph->ops[i], &cost);
        size.macs += cost.macs;
    }
    return size;
}

/* ---- the command line --------------------------------------------------- */

/* A file for `new` and `head`, otherwise how to print, as of every verb. */
static error_t parse_output(struct model_options *options, char *arg,
                            struct argp_state *state)
{
    size_t n = strlen(arg);

    if (n > 5 && strcmp(arg + n - 5, ".onnx") == 0) {
        options->out = arg;
        return 0;
    }
    return ctl_parse_shared(options->ctl, 'o', arg, state);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct model_options *options = state->input;
    struct err err;

    switch (key) {
    case 'i':
        if (named_add(&options->inputs, arg, &err) < 0) {
            argp_error(state, "%s", err.text);
        }
        return 0;
    case 'd': options->folder = arg; return 0;
    case 'S':
        options->seed = (uint64_t)ctl_number(state, arg, 0, LONG_MAX);
        options->is_seeded = true;
        return 0;
    case 'N':
        options->classes = (size_t)ctl_number(state, arg, 1, 65536);
        return 0;
    case 'f': options->form = arg; return 0;
    case 'W': options->width = arg; return 0;
    case 'H': options->hidden = arg; return 0;
    case 'I': options->init = arg; return 0;
    case 'V':
        options->devices = (size_t)ctl_number(state, arg, 1, 64);
        return 0;
    case 'F':
        options->filters = (size_t)ctl_number(state, arg, 1, 65536);
        return 0;
    case 'A': options->aggregators = arg; return 0;
    case 'E': options->has_edge = true; return 0;
    case 'o': return parse_output(options, arg, state);
    case 's':
        options->stages = (size_t)ctl_number(state, arg, 1, LIMIT_SHARDS);
        return 0;
    case 'C': options->cut = arg; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int usage(const char *text)
{
    (void)fprintf(stderr, "edgectl model: %s  See: edgectl model --help\n",
                  text);
    return CTL_USAGE;
}

/* Verbs that later releases have: say so, rather than "unknown". */
static int unknown(const char *name)
{
    static const char *const later[] = {"import", "quantize", "ls", "rm"};
    struct suggest suggest;
    char text[256];

    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        if (strcmp(name, later[i]) == 0) {
            (void)snprintf(text, sizeof(text),
                           "\"%s\" is not in this release; there are new, "
                           "head, inspect, run and export-shards.",
                           name);
            return usage(text);
        }
    }
    suggest_init(&suggest, name);
    for (size_t i = 0; i < N_VERBS; i++) {
        suggest_try(&suggest, verbs[i].name);
    }
    (void)snprintf(text, sizeof(text), "there is no \"%.64s\".%s%s%s", name,
                   suggest_best(&suggest) ? " Did you mean \"" : "",
                   suggest_best(&suggest) ? suggest_best(&suggest) : "",
                   suggest_best(&suggest) ? "\"?" : "");
    return usage(text);
}

/* Of those that make a model. */
static bool has_options_to_make(const struct model_options *options)
{
    return options->out != NULL || options->is_seeded || options->classes > 0;
}

static bool has_options_of_new(const struct model_options *options)
{
    return options->form != NULL || options->width != NULL ||
           options->hidden != NULL || options->init != NULL ||
           options->devices > 0 || options->filters > 0 ||
           options->aggregators != NULL || options->has_edge;
}

/* Options of one that another would silently ignore are refused. */
static int check_options(const char *name, struct model_options *options)
{
    bool runs = strcmp(name, "run") == 0;
    bool exports = strcmp(name, "export-shards") == 0;
    bool makes = strcmp(name, "new") == 0;
    bool heads = strcmp(name, "head") == 0;

    if (options->inputs.n > 0 && !runs && !makes) {
        return usage("--input is for run and new.");
    }
    if (!makes && !heads && has_options_to_make(options)) {
        return usage("-o FILE.onnx, --classes and --seed are for new and "
                     "head.");
    }
    if (!makes && has_options_of_new(options)) {
        return usage("--form, --width, --hidden, --init, --devices, "
                     "--device-filters, --aggregators and --edge are for "
                     "new.");
    }
    if (heads && options->classes == 0) {
        return usage("head needs --classes N.");
    }
    if (options->folder != NULL && !runs && !exports) {
        return usage("--output-dir is for run and export-shards.");
    }
    if ((options->stages > 0 || options->cut != NULL) && !exports) {
        return usage("--stages and --cut are for export-shards.");
    }
    if (exports && (options->stages > 0) == (options->cut != NULL)) {
        return usage("export-shards needs --stages K or --cut NAME,...");
    }
    if (exports && options->folder == NULL) {
        return usage("export-shards needs --output-dir DIR.");
    }
    return CTL_OK;
}

static int run_verb(const struct ctl *ctl, const struct verb *verb,
                    struct model_options *options)
{
    struct err err;
    int code = check_options(verb->name, options);
    int rc;

    if (code != CTL_OK) {
        return code;
    }
    rc = verb->run(ctl, options, &err);
    return rc < 0 ? ctl_fail(&err, rc) : CTL_OK;
}

int cmd_model(struct ctl *ctl, int argc, char **argv)
{
    struct model_options options = {.ctl = ctl, .seed = 1};
    const struct verb *verb = NULL;
    int code;
    int first;

    ctl_parse(ctl, parse, &options, argc, argv, &first);
    for (size_t i = 0; first < argc && i < N_VERBS; i++) {
        verb = strcmp(verbs[i].name, argv[first]) == 0 ? &verbs[i] : verb;
    }
    code = show_check_format(ctl);
    if (code == CTL_OK && verb != NULL && argc - first == 2) {
        options.file = argv[first + 1];
        code = run_verb(ctl, verb, &options);
    } else if (code == CTL_OK) {
        code = first == argc
                   ? usage("new, head, inspect, run or export-shards?")
               : verb == NULL ? unknown(argv[first])
               : verb->run == model_new
                   ? usage("new needs one name, as mobilenetv2.")
                   : usage("give one model, a file that ends in .onnx.");
    }
    named_deinit(&options.inputs);
    return code;
}
