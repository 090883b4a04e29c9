#include "onnx/zoo.h"

#include "base/mem.h"
#include "base/suggest.h"
#include "onnx/zoo_make.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CLASSES_MAX 65536
#define CHANNELS_MAX 1024
#define NUMBERS_MAX 65536 /* of an input that is no picture */
#define HIDDEN_MAX 65536
#define WIDTH_MAX 16.0

/* How pictures become the input (docs/decisions/0006), so that training and
 * `edgectl infer cat.jpg` work as it is. */
#define IMAGENET "mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]"
#define CIFAR "mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201]"
#define CIFAR_RAW "range: 0..255, mean: [125.3, 123, 113.9]"
#define MNIST "color: gray, mean: 0.1307, std: 0.3081"

/* `parameters` and `mmacs` are what zoo_make() gives; those that are
 * published elsewhere (torchvision 0.13; the pipeline prototypes' counts) are
 * the same, and tests/unit/test_zoo.c holds each row to them. */
struct row {
    struct zoo_entry e;
    const char *pictures; /* NULL: the input is no picture */
    struct zoo_map (*make)(struct zoo *z, struct zoo_map x);
    bool is_dense;                     /* hidden layers, no width */
    void (*make_views)(struct zoo *z); /* instead: one part for each view */
};

#define LARGE {3, 224, 224}, 1000
#define SMALL {3, 32, 32}, 10

static const struct row rows[] = {
    {{"alexnet", "imagenet", "one stream", LARGE, 47518376, 373.4},
     IMAGENET,
     zoo_alexnet,
     false,
     NULL},
    {{"cifar10_quick", "cifar", "Caffe's", SMALL, 145578, 12.4},
     CIFAR_RAW,
     zoo_cifar10_quick,
     false,
     NULL},
    {{"ddnn", "binary", "--devices 6, 1 bit", SMALL, 109060, 2.2},
     CIFAR,
     NULL,
     false,
     zoo_ddnn_binary},
    {{"ddnn", "float", "--devices 6", SMALL, 108990, 2.2},
     CIFAR,
     NULL,
     false,
     zoo_ddnn_float},
    {{"ddnn", "res", "--devices 6", SMALL, 1070486, 637.2},
     CIFAR,
     NULL,
     false,
     zoo_ddnn_res},
    {{"lenet", "mnist", "Caffe's", {1, 28, 28}, 10, 431080, 2.3},
     MNIST,
     zoo_lenet,
     false,
     NULL},
    {{"mlp", "numbers", "--hidden 128,64", {784, 0, 0}, 10, 109386, 0.1},
     NULL,
     zoo_mlp,
     true,
     NULL},
    {{"mobilenetv2", "imagenet", "", LARGE, 3504872, 300.8},
     IMAGENET,
     zoo_mobilenetv2,
     false,
     NULL},
    {{"mobilenetv2", "cifar", "", SMALL, 2296922, 91.2},
     CIFAR,
     zoo_mobilenetv2_cifar,
     false,
     NULL},
    {{"parity", "numbers", "--hidden 32, tanh", {8, 0, 0}, 2, 354, 0},
     NULL,
     zoo_parity,
     true,
     NULL},
    {{"resnet18", "imagenet", "", LARGE, 11689512, 1814.1},
     IMAGENET,
     zoo_resnet18,
     false,
     NULL},
    {{"resnet18", "cifar", "", SMALL, 11173962, 555.4},
     CIFAR,
     zoo_resnet18_cifar,
     false,
     NULL},
    {{"resnet50", "imagenet", "", LARGE, 25557032, 4089.2},
     IMAGENET,
     zoo_resnet50,
     false,
     NULL},
    {{"resnet50", "cifar", "", SMALL, 23520842, 1297.8},
     CIFAR,
     zoo_resnet50_cifar,
     false,
     NULL},
    {{"vgg11", "imagenet", "", LARGE, 132863336, 7609.1},
     IMAGENET,
     zoo_vgg11,
     false,
     NULL},
    {{"vgg11", "cifar", "", SMALL, 9225610, 152.8},
     CIFAR,
     zoo_vgg11_cifar,
     false,
     NULL},
    {{"vgg11_bn", "imagenet", "batch norm", LARGE, 132868840, 7609.1},
     IMAGENET,
     zoo_vgg11_bn,
     false,
     NULL},
    {{"vgg11_bn", "cifar", "batch norm", SMALL, 9231114, 152.8},
     CIFAR,
     zoo_vgg11_bn_cifar,
     false,
     NULL},
    {{"vgg16", "imagenet", "", LARGE, 138357544, 15470.3},
     IMAGENET,
     zoo_vgg16,
     false,
     NULL},
    {{"vgg16", "cifar", "", SMALL, 14719818, 313.2},
     CIFAR,
     zoo_vgg16_cifar,
     false,
     NULL},
    {{"vgg16_bn", "imagenet", "batch norm", LARGE, 138365992, 15470.3},
     IMAGENET,
     zoo_vgg16_bn,
     false,
     NULL},
    {{"vgg16_bn", "cifar", "batch norm", SMALL, 14728266, 313.2},
     CIFAR,
     zoo_vgg16_bn_cifar,
     false,
     NULL},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static const int mlp_hidden[] = {128, 64};
static const int parity_hidden[] = {32};

bool zoo_list(size_t i, struct zoo_entry *entry)
{
    if (i >= N_ROWS) {
        return false;
    }
    *entry = rows[i].e;
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t k = strlen(end);

    return n >= k && strcmp(text + n - k, end) == 0;
}

int64_t zoo_parameters(const struct graph *graph)
{
    int64_t n = 0;

    for (size_t i = 0; i < graph->n_values; i++) {
        const struct value *v = &graph->values[i];

        /* No running statistics, bounds or ratios. */
        if (v->data.blob != NULL && v->dtype == DTYPE_F32 &&
            v->data.shape.rank > 0 && !ends_with(v->name, ".mean") &&
            !ends_with(v->name, ".var")) {
            n += tensor_count(&v->data);
        }
    }
    return n;
}

/* ---- which -------------------------------------------------------------- */

/* The names of all architectures, or of the forms of one, in `text`. */
static void list_names(const char *name, char *text, size_t room)
{
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < N_ROWS && n < room; i++) {
        bool again = i > 0 && strcmp(rows[i].e.name, rows[i - 1].e.name) == 0;

        if (name == NULL ? !again : strcmp(rows[i].e.name, name) == 0) {
            n += (size_t)snprintf(
                text + n, room - n, "%s%s", n == 0 ? "" : ", ",
                name == NULL ? rows[i].e.name : rows[i].e.form);
        }
    }
}

static const char *find_near(const char *name, const char *word)
{
    struct suggest suggest;

    suggest_init(&suggest, word);
    for (size_t i = 0; i < N_ROWS; i++) {
        if (name == NULL) {
            suggest_try(&suggest, rows[i].e.name);
        } else if (strcmp(rows[i].e.name, name) == 0) {
            suggest_try(&suggest, rows[i].e.form);
        }
    }
    return suggest_best(&suggest);
}

/* `name`: NULL, or the architecture of which `word` is no form. */
static int none(const char *name, const char *word, struct err *err)
{
    const char *near = find_near(name, word);
    char names[400];
    char hint[80] = "";

    list_names(name, names, sizeof(names));
    if (near != NULL) {
        (void)snprintf(hint, sizeof(hint), ". Did you mean \"%s\"?", near);
    }
    if (name != NULL) {
        return err_set(err, EDGE_ENOENT, "%s has no form \"%.64s\"%s (of %s)",
                       name, word, hint, names);
    }
    return err_set(err, EDGE_ENOENT,
                   "there is no architecture \"%.64s\"%s (of %s)", word, hint,
                   names);
}

static const struct row *find(const char *name, const char *form,
                              struct err *err)
{
    bool is_known = false;

    for (size_t i = 0; i < N_ROWS; i++) {
        bool is_it = strcmp(rows[i].e.name, name) == 0;

        is_known = is_known || is_it;
        if (is_it && (form == NULL || strcmp(rows[i].e.form, form) == 0)) {
            return &rows[i];
        }
    }
    (void)(is_known ? none(name, form, err) : none(NULL, name, err));
    return NULL;
}

/* ---- options ------------------------------------------------------------ */

static bool is_picture(const int64_t *in)
{
    return in[0] >= 1 && in[0] <= CHANNELS_MAX && in[1] >= 1 &&
           in[1] <= LIMIT_IMAGE_SIDE && in[2] >= 1 && in[2] <= LIMIT_IMAGE_SIDE;
}

static int check_input(const struct row *row, const int64_t *in,
                       struct err *err)
{
    bool is_list = in[1] == 0 && in[2] == 0;

    if (in[0] == 0 && is_list) {
        return 0;
    }
    if (row->is_dense && is_list && in[0] >= 1 && in[0] <= NUMBERS_MAX) {
        return 0;
    }
    if (!is_picture(in)) {
        return err_set(err, EDGE_EINVAL,
                       "input: channels (1 to %d) x height x width (1 to %d), "
                       "as 3x224x224%s",
                       CHANNELS_MAX, LIMIT_IMAGE_SIDE,
                       row->is_dense ? ", or one length, as 784" : "");
    }
    return 0;
}

static int check_shape_options(const struct row *row,
                               const struct zoo_options *options,
                               struct err *err)
{
    bool has_width = fabs(options->width) > 0;

    if (has_width && row->is_dense) {
        return err_set(err, EDGE_EINVAL,
                       "%s has no width, but hidden layers: --hidden 16,16",
                       row->e.name);
    }
    if (has_width && !(options->width > 0 && options->width <= WIDTH_MAX)) {
        return err_set(err, EDGE_EINVAL, "width: above 0, up to %g, as 0.5",
                       WIDTH_MAX);
    }
    if (options->n_hidden > 0 && !row->is_dense) {
        return err_set(err, EDGE_EINVAL,
                       "%s has no hidden layers to choose; mlp and parity do",
                       row->e.name);
    }
    for (size_t i = 0; i < options->n_hidden; i++) {
        if (options->n_hidden > ZOO_HIDDEN_MAX || options->hidden[i] < 1 ||
            options->hidden[i] > HIDDEN_MAX) {
            return err_set(err, EDGE_EINVAL,
                           "hidden: up to %d layers of 1 to %d, as 128,64",
                           ZOO_HIDDEN_MAX, HIDDEN_MAX);
        }
    }
    return 0;
}

static int check_views(const struct row *row, const struct zoo_options *options,
                       struct err *err)
{
    bool has_any = options->devices != 0 || options->filters != 0 ||
                   options->aggregators != NULL || options->has_edge;

    if (row->make_views == NULL) {
        return has_any ? err_set(err, EDGE_EINVAL,
                                 "%s has no devices, filters, aggregators or "
                                 "edge to choose; ddnn does",
                                 row->e.name)
                       : 0;
    }
    if (options->devices < 0 || options->devices > ZOO_VIEWS_MAX) {
        return err_set(err, EDGE_EINVAL, "devices: 1 to %d", ZOO_VIEWS_MAX);
    }
    if (options->filters < 0 || options->filters > CHANNELS_MAX) {
        return err_set(err, EDGE_EINVAL, "device-filters: 1 to %d",
                       CHANNELS_MAX);
    }
    return options->filters != 0 && row->make_views == zoo_ddnn_res
               ? err_set(err, EDGE_EINVAL,
                         "form res has no filters of its devices to choose, "
                         "but a width: --width 0.5")
               : 0;
}

static int read_aggregators(struct zoo *z, const char *text)
{
    static const char *const words[] = {"mp", "ap", "cc"};
    bool is_known[2] = {false, false};

    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 2; k++) {
            if (strlen(text) == 5 && text[2] == '-' &&
                strncmp(text + 3 * k, words[i], 2) == 0) {
                is_known[k] = true;
                z->aggregators[k] = (enum zoo_aggregator)i;
            }
        }
    }
    return is_known[0] && is_known[1]
               ? 0
               : err_set(z->err, EDGE_EINVAL,
                         "aggregators: \"%.32s\" are not two of mp (max), ap "
                         "(mean) and cc (concat), of scores and of features, "
                         "as mp-cc",
                         text);
}

static int set_views(struct zoo *z, const struct row *row,
                     const struct zoo_options *options)
{
    if (row->make_views == NULL) {
        return 0;
    }
    z->n_views = options->devices > 0 ? options->devices : 6;
    z->filters = options->filters > 0 ? options->filters : 4;
    z->has_edge = options->has_edge;
    return read_aggregators(
        z, options->aggregators != NULL ? options->aggregators : "mp-cc");
}

static int check(const struct row *row, const struct zoo_options *options,
                 struct err *err)
{
    if (options->classes < 0 || options->classes > CLASSES_MAX) {
        return err_set(err, EDGE_EINVAL, "classes: 1 to %d", CLASSES_MAX);
    }
    int rc = check_input(row, options->input, err);

    rc = rc == 0 ? check_views(row, options, err) : rc;
    return rc == 0 ? check_shape_options(row, options, err) : rc;
}

static void set_hidden(struct zoo *z, const struct row *row,
                       const struct zoo_options *options)
{
    bool is_parity = row->make == zoo_parity;

    if (options->n_hidden > 0) {
        z->hidden = options->hidden;
        z->n_hidden = options->n_hidden;
    } else if (row->is_dense) {
        z->hidden = is_parity ? parity_hidden : mlp_hidden;
        z->n_hidden = is_parity ? 1 : 2;
    }
}

/* ---- making ------------------------------------------------------------- */

static int add_mapping(struct zoo *z, const struct row *row,
                       const int64_t *input)
{
    char text[160];

    if (row->pictures == NULL || input[0] != row->e.input[0]) {
        return 0;
    }
    (void)snprintf(text, sizeof(text), "{size: %" PRId64 "x%" PRId64 ", %s}",
                   input[2], input[1], row->pictures);
    return graph_add_meta(z->graph, "edged.input", text);
}

static int make_views(struct zoo *z, const struct row *row,
                      const int64_t *input)
{
    zoo_add_views(z, (struct zoo_map){-1, input[0], input[1], input[2]});
    if (z->rc == 0) {
        z->rc = add_mapping(z, row, input);
    }
    row->make_views(z);
    return z->rc;
}

static struct zoo_map add_input(struct zoo *z, const struct row *row,
                                const int64_t *input)
{
    const int64_t dims[4] = {-1, input[0], input[1], input[2]};
    bool is_list = input[1] == 0;
    struct zoo_map x = {.c = input[0],
                        .h = is_list ? 1 : input[1],
                        .w = is_list ? 1 : input[2]};
    struct value *v;

    x.value = graph_add_value(z->graph, "input");
    if (x.value < 0) {
        z->rc = x.value;
        return x;
    }
    v = &z->graph->values[x.value];
    v->dtype = DTYPE_F32;
    v->has_shape = true;
    v->shape = shape_of(is_list ? 2 : 4, dims);
    z->rc = graph_add_input(z->graph, x.value);
    if (z->rc >= 0) {
        z->rc = graph_add_meta(z->graph, "dim_param/input/0", "N");
    }
    if (z->rc == 0) {
        z->rc = add_mapping(z, row, input);
    }
    return x;
}

static int make(struct zoo *z, const struct row *row, const int64_t *input)
{
    if (row->make_views != NULL) {
        (void)make_views(z, row, input);
    } else {
        zoo_output(z, row->make(z, add_input(z, row, input)));
    }
    if (z->rc == EDGE_ENOMEM) {
        return err_set(z->err, z->rc, "%s: out of memory", row->e.name);
    }
    return z->rc < 0 ? err_wrap(z->err, z->rc, "%s", row->e.name) : 0;
}

int zoo_make(const char *name, const struct zoo_options *options,
             struct graph **graph, struct err *err)
{
    const struct row *row = find(name, options->form, err);
    struct zoo z = {.seed = options->seed,
                    .init = options->init,
                    .width = options->width > 0 ? options->width : 1,
                    .err = err};
    int rc = row != NULL ? check(row, options, err) : EDGE_ENOENT;

    if (rc < 0) {
        return rc;
    }
    z.classes = options->classes > 0 ? options->classes : row->e.classes;
    set_hidden(&z, row, options);
    rc = set_views(&z, row, options);
    if (rc < 0) {
        return rc;
    }
    z.graph = graph_new(name);
    if (z.graph == NULL) {
        return err_set(err, EDGE_ENOMEM, "%s: out of memory", name);
    }
    rc = make(&z, row, options->input[0] > 0 ? options->input : row->e.input);
    if (rc < 0) {
        graph_free(z.graph);
        return rc;
    }
    *graph = z.graph;
    return 0;
}
