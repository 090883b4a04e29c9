#include "coordinator/model_input.h"

#include "base/mem.h"
#include "graph/graph.h"

#include <string.h>

#define KEY "edged.input"

int model_input_parse(const char *text, const char *model,
                      struct cluster_input *input, struct err *err)
{
    struct config_errors *errors = mem_new(struct config_errors);
    int rc;

    if (errors == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = cluster_read_input(text, strlen(text), KEY, input, errors);
    if (rc == EDGE_ECONFIG) {
        const struct config_error *first = &errors->items[0];

        (void)err_set(err, rc,
                      "%s: its metadata " KEY ", line %u, column %u: %s. Give "
                      "model.input in cluster.yaml, or correct the model",
                      model, first->at.line, first->at.column, first->text);
    } else if (rc < 0) {
        (void)err_set(err, rc, "%s", err_text(rc));
    }
    mem_free(errors);
    return rc;
}

int model_input_take(const struct graph *model, const struct plan_job *job,
                     char **text, struct err *err)
{
    const char *found = graph_meta(model, KEY);
    struct cluster_input input;
    int rc;

    if (found == NULL || found[0] == '\0' ||
        job->cluster->model.input.is_given) {
        return 0;
    }
    rc = model_input_parse(found, job->model_name, &input, err);
    if (rc < 0) {
        return rc;
    }
    *text = mem_strdup(found);
    return *text == NULL ? err_set(err, EDGE_ENOMEM, "out of memory") : 0;
}

int model_input_of(const struct deployment *d, struct cluster_input *input,
                   struct err *err)
{
    const char *text = d->current->spec->input;

    if (text[0] == '\0') {
        *input = d->cluster->model.input;
        return 0;
    }
    return model_input_parse(text, d->model_name, input, err);
}
