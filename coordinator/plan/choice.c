#include "coordinator/plan/choice.h"

#include "base/mem.h"

const char *choice_shape_name(enum choice_shape shape)
{
    static const char *const names[CHOICE_SHAPES] = {
        [CHOICE_ALONE] = "one board alone",
        [CHOICE_COPIES] = "replicas of the whole model",
        [CHOICE_PIPELINE] = "pipeline",
        [CHOICE_PIPELINE_REPLICAS] = "pipeline with replicas",
        [CHOICE_SPLIT] = "split",
        [CHOICE_TILE] = "tiles",
        [CHOICE_WRITTEN] = "stages as written",
    };

    return names[shape];
}

size_t choice_pieces(const struct choice_stage *stage)
{
    return stage->kind == PIECES_WHOLE
               ? 1
               : (size_t)stage->rows * (size_t)stage->columns;
}

enum choice_shape choice_shape_of(const struct choice *choice)
{
    bool has_split = false;
    bool has_tile = false;
    bool has_replicas = false;

    for (size_t i = 0; i < choice->n_stages; i++) {
        const struct choice_stage *stage = &choice->stages[i];

        has_split = has_split || stage->kind == PIECES_SPLIT;
        has_tile = has_tile || stage->kind == PIECES_TILE;
        has_replicas = has_replicas || stage->n_devices > choice_pieces(stage);
    }
    if (has_tile) {
        return CHOICE_TILE;
    }
    if (has_split) {
        return CHOICE_SPLIT;
    }
    if (choice->n_stages > 1) {
        return has_replicas ? CHOICE_PIPELINE_REPLICAS : CHOICE_PIPELINE;
    }
    return has_replicas ? CHOICE_COPIES : CHOICE_ALONE;
}

static int copy_arrays(const struct choice *from, struct choice *to)
{
    size_t n = from->n_devices;

    to->stages = mem_dup(from->stages, from->n_stages * sizeof(*to->stages));
    to->memory = mem_dup(from->memory, n * sizeof(*to->memory));
    to->busy_s = mem_dup(from->busy_s, n * sizeof(*to->busy_s));
    to->sent = mem_dup(from->sent, n * sizeof(*to->sent));
    if (to->stages == NULL || to->memory == NULL || to->busy_s == NULL ||
        to->sent == NULL) {
        to->n_stages = 0; /* their devices are not ours */
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < to->n_stages; i++) {
        to->stages[i].devices = NULL;
    }
    return 0;
}

int choice_copy(const struct choice *from, struct choice *to)
{
    int rc;

    *to = *from;
    rc = copy_arrays(from, to);
    for (size_t i = 0; i < to->n_stages && rc == 0; i++) {
        const struct choice_stage *stage = &from->stages[i];

        to->stages[i].devices =
            mem_dup(stage->devices, stage->n_devices * sizeof(*stage->devices));
        rc = to->stages[i].devices == NULL ? EDGE_ENOMEM : 0;
    }
    if (rc < 0) {
        choice_deinit(to);
    }
    return rc;
}

void choice_deinit(struct choice *choice)
{
    for (size_t i = 0; i < choice->n_stages; i++) {
        mem_free(choice->stages[i].devices);
    }
    mem_free(choice->stages);
    mem_free(choice->memory);
    mem_free(choice->busy_s);
    mem_free(choice->sent);
    *choice = (struct choice){0};
}

void choices_deinit(struct choices *choices)
{
    choice_deinit(&choices->best);
    for (int i = 0; i < CHOICE_SHAPES; i++) {
        choice_deinit(&choices->others[i].choice);
    }
    mem_free(choices->left_out);
    *choices = (struct choices){0};
}
