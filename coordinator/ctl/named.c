#include "coordinator/ctl/named.h"

#include "base/mem.h"
#include "base/suggest.h"
#include "onnx/import.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* ---- in ----------------------------------------------------------------- */

int named_add(struct named_list *list, const char *argument, struct err *err)
{
    char *copy = mem_strdup(argument);
    char *equals = copy != NULL ? strchr(copy, '=') : NULL;
    struct named item = {.name = "", .path = copy, .copy = copy};

    if (copy == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (equals != NULL) {
        *equals = '\0';
        item.name = copy;
        item.path = equals + 1;
    }
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].name, item.name) == 0) {
            (void)err_set(err, EDGE_EEXIST, "input \"%s\" is given twice",
                          item.name);
            mem_free(copy);
            return EDGE_EEXIST;
        }
    }
    if (list->n == LIMIT_PORTS) {
        mem_free(copy);
        return err_set(err, EDGE_ETOOBIG, "a model has at most %d inputs",
                       LIMIT_PORTS);
    }
    list->items[list->n++] = item;
    return 0;
}

static bool ends_in(const char *path, const char *ending)
{
    size_t n = strlen(path);
    size_t m = strlen(ending);

    return n >= m && strcasecmp(path + n - m, ending) == 0;
}

static int read_one(struct named *item, struct err *err)
{
    struct blob *file = NULL;
    int rc;

    if (item->tensor.blob != NULL) {
        return 0; /* read before */
    }
    rc = blob_read(item->path, LIMIT_MODEL_FILE, &file, err);
    if (rc < 0) {
        return rc;
    }
    rc = ends_in(item->path, ".pb")
             ? import_tensor(file, &item->tensor, NULL, err)
             : npy_decode(file, &item->tensor, err);
    blob_unref(file);
    return rc < 0 ? err_wrap(err, rc, "%s", item->path) : 0;
}

int named_read(struct named_list *list, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < list->n; i++) {
        rc = read_one(&list->items[i], err);
    }
    return rc;
}

void named_deinit(struct named_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        tensor_deinit(&list->items[i].tensor);
        mem_free(list->items[i].copy);
    }
    *list = (struct named_list){.n = 0};
}

const struct tensor *named_find(const struct named_list *list, const char *name,
                                bool is_only)
{
    for (size_t i = 0; i < list->n; i++) {
        const char *given = list->items[i].name;

        if (strcmp(given, name) == 0 || (is_only && given[0] == '\0')) {
            return &list->items[i].tensor;
        }
    }
    return NULL;
}

/* ---- which is which ----------------------------------------------------- */

static int check_names(const struct named_list *list,
                       const struct named_port *ports, size_t n,
                       struct err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        const char *name = list->items[i].name;
        struct suggest suggest;
        size_t k = 0;

        suggest_init(&suggest, name);
        while (k < n && strcmp(ports[k].name, name) != 0) {
            suggest_try(&suggest, ports[k++].name);
        }
        if (k < n || (name[0] == '\0' && n == 1)) {
            continue;
        }
        if (name[0] == '\0') {
            return err_set(err, EDGE_EINVAL,
                           "the model has %zu inputs; say which one \"%s\" is: "
                           "--input NAME=FILE",
                           n, list->items[i].path);
        }
        return err_set(err, EDGE_EINVAL, "the model has no input \"%s\"%s%s%s",
                       name, suggest_best(&suggest) ? "; did you mean \"" : "",
                       suggest_best(&suggest) ? suggest_best(&suggest) : "",
                       suggest_best(&suggest) ? "\"?" : "");
    }
    return 0;
}

static bool fits(const struct tensor *t, const struct named_port *port)
{
    if (t->dtype != port->dtype || t->shape.rank != port->shape.rank) {
        return false;
    }
    for (int i = 0; i < t->shape.rank; i++) {
        if (port->shape.dims[i] >= 0 &&
            port->shape.dims[i] != t->shape.dims[i]) {
            return false;
        }
    }
    return true;
}

int named_match(const struct named_list *list, const struct named_port *ports,
                size_t n, struct tensor *tensors, struct err *err)
{
    int rc = check_names(list, ports, n, err);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct tensor *t = named_find(list, ports[i].name, n == 1);
        char got[SHAPE_TEXT];
        char want[SHAPE_TEXT];

        (void)shape_text(&ports[i].shape, want);
        if (t == NULL) {
            rc = err_set(err, EDGE_EINVAL,
                         "input \"%s\" (%s %s) is missing. Give it with "
                         "--input %s=FILE.npy",
                         ports[i].name, dtype_name(ports[i].dtype), want,
                         ports[i].name);
        } else if (!fits(t, &ports[i])) {
            rc = err_set(err, EDGE_EINVAL,
                         "input \"%s\" is %s %s, the model wants %s %s",
                         ports[i].name, dtype_name(t->dtype),
                         shape_text(&t->shape, got), dtype_name(ports[i].dtype),
                         want);
        } else {
            tensors[i] = *t;
        }
    }
    return rc;
}

/* ---- out ---------------------------------------------------------------- */

int named_make_folder(const char *path, struct err *err)
{
    char *copy = mem_strdup(path);
    char *at = copy;
    int number = copy != NULL ? 0 : ENOMEM;

    while (number == 0 && at != NULL) {
        at = strchr(at + 1, '/');
        if (at != NULL) {
            *at = '\0';
        }
        if (mkdir(copy, 0777) < 0 && errno != EEXIST) {
            number = errno;
        }
        if (at != NULL) {
            *at = '/';
        }
    }
    mem_free(copy);
    return number == 0 ? 0
                       : err_set(err, err_from_errno(number),
                                 "cannot make the folder %s: %s", path,
                                 strerror(number));
}

char *named_file(const char *name, const char *ending)
{
    char *file = mem_printf("%s%s", name, ending);

    for (char *c = file; c != NULL && *c != '\0'; c++) {
        *c = *c == '/' ? '_' : *c;
    }
    return file;
}

/* "a/b" and "a_b" would be one file. */
static bool are_one(const char *a, const char *b)
{
    while (*a != '\0' && (*a == *b || ((*a == '/' || *a == '_') &&
                                       (*b == '/' || *b == '_')))) {
        a++;
        b++;
    }
    return *a == '\0' && *b == '\0';
}

static int check_files(const struct named_port *ports, size_t n,
                       struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (are_one(ports[i].name, ports[k].name)) {
                return err_set(err, EDGE_EEXIST,
                               "outputs \"%s\" and \"%s\" would be one file",
                               ports[k].name, ports[i].name);
            }
        }
    }
    return 0;
}

int named_write(const char *folder, const struct named_port *ports,
                const struct tensor *tensors, size_t n, struct err *err)
{
    int rc = check_files(ports, n, err);

    if (rc == 0) {
        rc = named_make_folder(folder, err);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *file = named_file(ports[i].name, ".npy");
        char *path = file != NULL ? mem_printf("%s/%s", folder, file) : NULL;

        rc = path != NULL ? npy_write(path, &tensors[i], err)
                          : err_set(err, EDGE_ENOMEM, "out of memory");
        mem_free(file);
        mem_free(path);
    }
    return rc;
}
