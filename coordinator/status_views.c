/* Of a model of several views: who sent how much; of one with exits, where
 * answers left. */
#include "coordinator/parts.h"

#include "base/mem.h"

#include <string.h>

void counts_forget_views(struct counts *counts)
{
    memset(counts->by_exit, 0, sizeof(counts->by_exit));
    memset(counts->view_samples, 0, sizeof(counts->view_samples));
    memset(counts->view_bytes, 0, sizeof(counts->view_bytes));
    memset(counts->view_heads, 0, sizeof(counts->view_heads));
    counts->incomplete = 0;
}

static void add_view(Edged__DeploymentStatus *row, const struct deployment *d,
                     const Edged__Place *place)
{
    size_t k = place->view - 1;
    Edged__ViewStatus *view;

    if (k >= LIMIT_PORTS || k >= d->current->spec->n_inputs) {
        return;
    }
    view = mem_new(Edged__ViewStatus);
    if (view == NULL) {
        return;
    }
    edged__view_status__init(view);
    row->views[row->n_views++] = view;
    view->name = mem_strdup(d->current->spec->inputs[k]->name);
    view->node = mem_strdup(place->nodes[0]);
    view->samples = d->counts.view_samples[k];
    view->values = d->counts.view_bytes[k];
    view->heads = d->counts.view_heads[k];
}

static void add_exit(Edged__DeploymentStatus *row, const char *name,
                     uint64_t answers)
{
    Edged__ExitStatus *exit = mem_new(Edged__ExitStatus);

    if (exit != NULL) {
        edged__exit_status__init(exit);
        row->exits[row->n_exits++] = exit;
        exit->name = mem_strdup(name);
        exit->answers = answers;
    }
}

static const Edged__Exit *find_exit(const Edged__Placement *spec,
                                    uint32_t number)
{
    for (size_t i = 0; i < spec->n_shards; i++) {
        if (spec->shards[i]->exit != NULL &&
            spec->shards[i]->exit->number == number) {
            return spec->shards[i]->exit;
        }
    }
    return NULL;
}

/* The last answer is called after its tier, or as the output that it is. */
static void add_exits(Edged__DeploymentStatus *row, const struct deployment *d)
{
    const Edged__Placement *spec = d->current->spec;

    for (uint32_t number = 1; number < LIMIT_PORTS; number++) {
        const Edged__Exit *exit = find_exit(spec, number);

        if (exit != NULL) {
            add_exit(row, exit->name, d->counts.by_exit[number]);
        }
    }
    if (row->n_views > 0) {
        add_exit(row, spec->places[spec->n_places - 1]->name,
                 d->counts.by_exit[0]);
    } else if (row->n_exits > 0) {
        add_exit(row, spec->outputs[0]->name, d->counts.by_exit[0]);
    }
}

void status_fill_views(Edged__DeploymentStatus *row, const struct deployment *d)
{
    const Edged__Placement *spec = d->current->spec;

    row->views = mem_array(Edged__ViewStatus *, spec->n_places);
    row->exits = mem_array(Edged__ExitStatus *, spec->n_shards + 1);
    if (row->views == NULL || row->exits == NULL) {
        return;
    }
    for (size_t i = 0; i < spec->n_places; i++) {
        if (spec->places[i]->view > 0) {
            add_view(row, d, spec->places[i]);
        }
    }
    add_exits(row, d);
    row->incomplete = row->n_views > 0 ? d->counts.incomplete : 0;
}
