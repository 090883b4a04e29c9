/*
 * How fast each parameter of a training learns: not at all (training.freeze),
 * or as training.rates says.
 */
#include "coordinator/train/job.h"

#include "base/mem.h"
#include "train/params.h"

#include <fnmatch.h>

struct param_rate {
    double rate;
    double decay;
};

static int add_rate(Edged__Recipe *recipe, const char *name,
                    struct param_rate of)
{
    Edged__ParamRate *row = mem_new(Edged__ParamRate);

    if (row == NULL) {
        return EDGE_ENOMEM;
    }
    edged__param_rate__init(row);
    row->name = mem_strdup(name);
    row->rate = (float)of.rate;
    row->decay = (float)of.decay;
    recipe->rates[recipe->n_rates++] = row;
    return row->name != NULL ? 0 : EDGE_ENOMEM;
}

/* ---- what is frozen ------------------------------------------------------ */

static bool learns(const struct graph *graph, const struct op *op)
{
    for (int k = 0; k < op->n_in; k++) {
        if (op->in[k] >= 0 && params_is_trainable(graph, op->in[k])) {
            return true;
        }
    }
    return false;
}

bool recipe_names(const struct cluster_freeze *list, const char *name)
{
    for (size_t i = 0; i < list->n_layers; i++) {
        if (fnmatch(list->layers[i], name, 0) == 0) {
            return true;
        }
    }
    return false;
}

/* By value: it belongs to a layer that stays, one of a part of those that
 * learn, from the first on, or one that is named. */
static void find_frozen(const struct graph *model,
                        const struct cluster_freeze *freeze, bool *frozen)
{
    size_t n = 0;
    size_t at = 0;

    for (size_t i = 0; i < model->n_ops; i++) {
        n += learns(model, &model->ops[i]);
    }
    n = (size_t)((double)n * freeze->part + 1e-9);
    for (size_t i = 0; i < model->n_ops; i++) {
        const struct op *op = &model->ops[i];
        bool stays = recipe_names(freeze, op->name) || at < n;

        at += learns(model, op);
        for (int k = 0; k < op->n_in && stays; k++) {
            if (op->in[k] >= 0) {
                frozen[op->in[k]] = true;
            }
        }
    }
}

/* ---- rates of their own -------------------------------------------------- */

static struct param_rate rate_of(const struct cluster_training *t,
                                 const char *name)
{
    struct param_rate of = {1, 1};

    for (size_t i = 0; i < t->n_rates; i++) {
        if (recipe_names(&t->rates[i].parameters, name)) {
            of = (struct param_rate){t->rates[i].lr, t->rates[i].decay};
        }
    }
    return of;
}

/* ---- names that are none's ----------------------------------------------- */

/* The model's next layer that learns, or its next parameter, from *at on, which
 * moves behind it; NULL: that was all. */
typedef const char *next_name(const struct graph *model, size_t *at);

static const char *next_layer(const struct graph *model, size_t *at)
{
    while (*at < model->n_ops) {
        const struct op *op = &model->ops[(*at)++];

        if (learns(model, op)) {
            return op->name;
        }
    }
    return NULL;
}

static const char *next_parameter(const struct graph *model, size_t *at)
{
    while (*at < model->n_values) {
        size_t i = (*at)++;

        if (params_is_trainable(model, (int)i)) {
            return model->values[i].name;
        }
    }
    return NULL;
}

static bool is_there(const struct graph *model, const char *pattern,
                     next_name *next)
{
    const char *name;
    size_t at = 0;

    while ((name = next(model, &at)) != NULL) {
        if (fnmatch(pattern, name, 0) == 0) {
            return true;
        }
    }
    return false;
}

static int check_list(const struct graph *model,
                      const struct cluster_freeze *list, const char *key,
                      next_name *next, struct err *err)
{
    for (size_t i = 0; i < list->n_layers; i++) {
        size_t at = 0;
        const char *one = next(model, &at);
        const char *other = next(model, &at);

        if (!is_there(model, list->layers[i], next)) {
            return err_set(err, EDGE_ECONFIG,
                           "training.%s: nothing that learns is named \"%s\"; "
                           "the model has %s, %s, ...",
                           key, list->layers[i], one != NULL ? one : "none",
                           other != NULL ? other : "no other");
        }
    }
    return 0;
}

int recipe_rates_check(const struct recipe_ask *ask, struct err *err)
{
    const struct cluster_training *t = &ask->cluster->training;
    int rc = check_list(ask->model, &t->freeze, "freeze", next_layer, err);

    for (size_t i = 0; i < t->n_rates && rc == 0; i++) {
        rc = check_list(ask->model, &t->rates[i].parameters, "rates",
                        next_parameter, err);
    }
    return rc;
}

/* ---- all of it ----------------------------------------------------------- */

int recipe_rates(const struct recipe_ask *ask, const struct graph *shard,
                 Edged__Recipe *recipe, struct err *err)
{
    const struct cluster_training *t = &ask->cluster->training;
    const struct graph *model = ask->model;
    bool *frozen = mem_array(bool, model->n_values);
    int rc = 0;

    recipe->rates = mem_array(Edged__ParamRate *, shard->n_values);
    if (frozen == NULL || recipe->rates == NULL) {
        rc = EDGE_ENOMEM;
    } else {
        find_frozen(model, &t->freeze, frozen);
    }
    for (size_t i = 0; i < model->n_values && rc == 0; i++) {
        const char *name = model->values[i].name;
        struct param_rate of = {0, 0};

        if (!params_is_trainable(model, (int)i) ||
            graph_find_value(shard, name) < 0) {
            continue;
        }
        if (!frozen[i]) {
            of = rate_of(t, name);
        }
        if (of.rate < 1 || of.rate > 1 || of.decay < 1 || of.decay > 1) {
            rc = add_rate(recipe, name, of);
        }
    }
    mem_free(frozen);
    return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}
