/* edgectl model new: a known architecture with seeded weights, as a file. */
#include "coordinator/ctl/model.h"

#include "base/mem.h"
#include "coordinator/ctl/table.h"
#include "graph/infer.h"
#include "onnx/export.h"
#include "onnx/zoo.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct wanted {
    struct zoo_options zoo;
    int hidden[ZOO_HIDDEN_MAX];
};

/* ---- the list ------------------------------------------------------------ */

static char *entry_text(const struct zoo_entry *e)
{
    char parameters[SHOW_NUMBER];
    char macs[SHOW_NUMBER];
    char input[48];

    if (e->input[1] == 0) {
        (void)snprintf(input, sizeof(input), "%" PRId64, e->input[0]);
    } else {
        (void)snprintf(input, sizeof(input), "%" PRId64 "x%" PRId64 "x%" PRId64,
                       e->input[0], e->input[1], e->input[2]);
    }
    return mem_printf("  %-13s  %-8s  %-9s  %10s  %7s  %s", e->name, e->form,
                      input, show_count((double)e->parameters, parameters),
                      show_count(e->mmacs * 1e6, macs), e->about);
}

char *model_list(void)
{
    char *text = mem_printf("\n\nArchitectures of `model new`, each with its "
                            "usual form first:\n  %-13s  %-8s  %-9s  %10s  %7s",
                            "NAME", "FORM", "INPUT", "PARAMETERS", "MACS");
    struct zoo_entry e;

    for (size_t i = 0; text != NULL && zoo_list(i, &e); i++) {
        char *line = entry_text(&e);
        char *longer = line != NULL ? mem_printf("%s\n%s", text, line) : NULL;

        mem_free(line);
        mem_free(text);
        text = longer;
    }
    return text;
}

/* ---- options ------------------------------------------------------------- */

/* Height x width x channels, as 32x32x3, where it can be nothing else. */
static void turn(int64_t *size)
{
    bool is_behind =
        (size[2] == 1 || size[2] == 3) && size[0] > 4 && size[1] > 4;

    if (is_behind) {
        const int64_t turned[3] = {size[2], size[0], size[1]};

        memcpy(size, turned, sizeof(turned));
    }
}

/* `text`: CxHxW, as 3x224x224, or HxWxC; or one length. */
static int read_size(const char *text, int64_t *size, struct err *err)
{
    int end = 0;

    if (sscanf(text, "%6" SCNd64 "x%6" SCNd64 "x%6" SCNd64 "%n", &size[0],
               &size[1], &size[2], &end) == 3 &&
        text[end] == '\0') {
        turn(size);
        return size[0] != 0 ? 0
                            : err_set(err, EDGE_EINVAL, "--input: 0 channels");
    }
    size[1] = 0;
    size[2] = 0;
    if (sscanf(text, "%6" SCNd64 "%n", &size[0], &end) == 1 &&
        text[end] == '\0' && size[0] > 0) {
        return 0;
    }
    return err_set(err, EDGE_EINVAL,
                   "--input \"%.64s\" is not a size: channels x height x "
                   "width, as 3x224x224, or one length, as 784",
                   text);
}

static int read_inputs(const struct model_options *options,
                       struct zoo_options *zoo, struct err *err)
{
    const struct named_list *inputs = &options->inputs;

    if (inputs->n == 0) {
        return 0;
    }
    if (inputs->n > 1 || inputs->items[0].name[0] != '\0') {
        return err_set(err, EDGE_EINVAL,
                       "new takes one --input, a size, as 3x224x224");
    }
    return read_size(inputs->items[0].path, zoo->input, err);
}

static int read_width(const char *text, struct zoo_options *zoo,
                      struct err *err)
{
    char *end;

    if (text == NULL) {
        return 0;
    }
    zoo->width = strtod(text, &end);
    if (end == text || *end != '\0' || !(zoo->width > 0) ||
        !isfinite(zoo->width)) {
        return err_set(err, EDGE_EINVAL,
                       "--width \"%.64s\" is not a number above 0, as 0.5",
                       text);
    }
    return 0;
}

static int read_hidden(const char *text, struct wanted *wanted, struct err *err)
{
    size_t n = 0;

    while (text != NULL && n < ZOO_HIDDEN_MAX) {
        char *end;
        long size = strtol(text, &end, 10);

        if (end == text || (*end != ',' && *end != '\0') || size < 1 ||
            size > INT32_MAX) {
            break;
        }
        wanted->hidden[n++] = (int)size;
        text = *end == ',' ? end + 1 : NULL;
    }
    if (text != NULL) {
        return err_set(err, EDGE_EINVAL,
                       "--hidden: cannot read \"%.64s\"; up to %d sizes, as "
                       "128,64",
                       text, ZOO_HIDDEN_MAX);
    }
    wanted->zoo.hidden = wanted->hidden;
    wanted->zoo.n_hidden = n;
    return 0;
}

static int read_init(const char *text, struct zoo_options *zoo, struct err *err)
{
    if (text == NULL || strcmp(text, "train") == 0) {
        zoo->init = ZOO_INIT_TRAIN;
    } else if (strcmp(text, "random") == 0) {
        zoo->init = ZOO_INIT_RANDOM;
    } else {
        return err_set(err, EDGE_EINVAL,
                       "--init: \"%.64s\" is neither train nor random", text);
    }
    return 0;
}

static int read_options(const struct model_options *options,
                        struct wanted *wanted, struct err *err)
{
    int rc;

    wanted->zoo = (struct zoo_options){.seed = options->seed,
                                       .classes = (int64_t)options->classes,
                                       .form = options->form,
                                       .devices = (int)options->devices,
                                       .filters = (int64_t)options->filters,
                                       .aggregators = options->aggregators,
                                       .has_edge = options->has_edge};
    rc = read_inputs(options, &wanted->zoo, err);
    if (rc == 0) {
        rc = read_width(options->width, &wanted->zoo, err);
    }
    if (rc == 0 && options->hidden != NULL) {
        rc = read_hidden(options->hidden, wanted, err);
    }
    return rc == 0 ? read_init(options->init, &wanted->zoo, err) : rc;
}

/* ---- the verb ------------------------------------------------------------ */

static int report(const struct ctl *ctl, struct graph *graph, const char *path,
                  struct err *err)
{
    double parameters = (double)zoo_parameters(graph);
    struct model_size size;
    char texts[3][SHOW_NUMBER];
    int rc = infer_bind_batch(graph, 1, err);

    if (rc == 0) {
        rc = infer_graph(graph, err);
    }
    if (rc < 0) {
        return rc;
    }
    size = model_size(graph);
    if (ctl->format == CTL_JSON) {
        return show_json_line(
            json_pack("{s:o,s:I,s:I,s:I}", "file", show_json(path),
                      "parameters", (json_int_t)parameters, "weight_bytes",
                      (json_int_t)size.bytes, "macs", (json_int_t)size.macs),
            err);
    }
    (void)printf("%s  %s parameters, %s, %s MACs\n", path,
                 show_count(parameters, texts[0]),
                 show_bytes(size.bytes, texts[1]),
                 show_count(size.macs, texts[2]));
    return 0;
}

int model_write(const struct ctl *ctl, struct graph *graph, const char *path,
                struct err *err)
{
    int rc = export_file(graph, path, err);

    return rc < 0 ? rc : report(ctl, graph, path, err);
}

int model_new(const struct ctl *ctl, struct model_options *options,
              struct err *err)
{
    struct wanted wanted;
    struct graph *graph = NULL;
    char *path = NULL;
    int rc = read_options(options, &wanted, err);

    if (rc == 0) {
        rc = zoo_make(options->file, &wanted.zoo, &graph, err);
    }
    if (rc < 0) {
        goto out;
    }
    path = options->out != NULL ? mem_strdup(options->out)
                                : mem_printf("%s.onnx", options->file);
    if (path == NULL) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
        goto out;
    }
    rc = model_write(ctl, graph, path, err);
out:
    mem_free(path);
    graph_free(graph);
    return rc;
}
