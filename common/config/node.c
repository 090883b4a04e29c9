#include "config/node.h"

#include "config/reference.h"

#include "base/blob.h"
#include "base/mem.h"

#include <string.h>

#define FIELD(member) READ_FIELD(struct node_config, member)

static const struct read_word auto_is_0[] = {{"auto", 0, false}, {0}};
static const struct read_word levels[] = {{"trace", LOG_TRACE, false},
                                          {"info", LOG_INFO, false},
                                          {"warn", LOG_WARN, false},
                                          {"error", LOG_ERROR, false},
                                          {0}};

static const struct read_row rows[] = {
    {.key = "name",
     .type = READ_NAME,
     FIELD(name),
     .help = "the node's name; not given: the host's"},
    {.key = "listen",
     .type = READ_HOST,
     FIELD(listen),
     .help = "the address to listen on; not given: every one of the board, "
             "with --insecure 127.0.0.1"},
    {.key = "port",
     .type = READ_INT,
     FIELD(port),
     .min = 0,
     .max = 65535,
     .initial = "7433",
     .help = "the port to listen on; 0: any that is free"},
    {.key = "state",
     .type = READ_PATH,
     FIELD(state),
     .initial = "/var/lib/edged",
     .help = "the folder that models and certificates are kept in"},
    {.key = "memory",
     .type = READ_BYTES,
     FIELD(memory),
     .min = (double)MIB(1),
     .max = (double)((uint64_t)1 << 40),
     .words = auto_is_0,
     .initial = "auto",
     .help = "memory that models may fill; auto: what is free, but for 48 MiB"},
    {.key = "threads",
     .type = READ_INT,
     FIELD(threads),
     .min = 1,
     .max = 256,
     .words = auto_is_0,
     .initial = "auto",
     .help = "threads that share the work of a training; auto: one"},
    {.key = "coretype",
     .type = READ_TEXT,
     FIELD(coretype),
     .max = LIMIT_NAME,
     .takes = "a core type of OpenBLAS, such as NEOVERSEN1, or auto",
     .initial = "auto",
     .help = "which of OpenBLAS's kernels to use"},
    {.key = "log",
     .type = READ_CHOICE,
     FIELD(log),
     .words = levels,
     .initial = "info",
     .help = "what is logged, this and worse"},
    {.key = "trace",
     .type = READ_TEXT,
     FIELD(trace),
     .max = 256,
     .takes = "modules separated by commas, such as net,rollout",
     .help = "modules whose every step is logged"},
};

static const struct read_table table = {
    .name = "", .help = "", .rows = rows, .n = READ_COUNT(rows)};

const struct read_table *node_config_table(void)
{
    return &table;
}

int node_config_read(const char *text, size_t size, const char *label,
                     struct node_config **out, struct config_errors *errors)
{
    struct node_config *config = mem_new(struct node_config);
    int rc;

    if (config == NULL) {
        return EDGE_ENOMEM;
    }
    rc = read_whole(text, size, label, &table, config, &config->pool, errors);
    if (rc < 0) {
        node_config_free(config);
        return rc;
    }
    *out = config;
    return 0;
}

int node_config_load(const char *path, struct node_config **config,
                     struct config_errors *errors, struct err *err)
{
    struct blob *blob = NULL;
    int rc;

    config_errors_init(errors, path, NULL, 0);
    rc = blob_read(path, LIMIT_YAML, &blob, err);
    if (rc < 0) {
        return rc;
    }
    rc = node_config_read((const char *)blob->data, blob->size, path, config,
                          errors);
    config_errors_detach(errors);
    blob_unref(blob);
    if (rc < 0) {
        (void)err_set(err, rc, "cannot read %s: %s", path, err_text(rc));
    }
    return rc;
}

int node_config_default(struct node_config **config)
{
    struct config_errors *errors = mem_new(struct config_errors);
    int rc;

    if (errors == NULL) {
        return EDGE_ENOMEM;
    }
    rc = node_config_read("", 0, "defaults", config, errors);
    mem_free(errors);
    return rc;
}

void node_config_free(struct node_config *config)
{
    if (config != NULL) {
        pool_deinit(&config->pool);
        mem_free(config);
    }
}

void node_config_schema_json(FILE *out)
{
    reference_schema(&table, "edged.yaml of edged", out);
}

void node_config_reference(FILE *out)
{
    reference_page(&table, out);
}
