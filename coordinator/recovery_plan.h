/* Between recovery*.c only: a deployment as plan/again.h sees it. */
#ifndef EDGE_COORDINATOR_RECOVERY_PLAN_H
#define EDGE_COORDINATOR_RECOVERY_PLAN_H

#include "coordinator/parts.h"
#include "coordinator/plan/again.h"

struct recovery_plan {
    const struct deployment *d;
    struct again again;
    struct again_device *devices;
    struct again_stage *stages;
    struct member **members; /* of the devices */
    uint8_t *now;
    uint8_t *role;
    bool *may;
    int rc; /* of placing */
};

/* Works it out, without side effects. Negative: out of memory. */
int recovery_plan_make(struct recovery_plan *plan, struct deployment *d,
                       bool is_urgent);
void recovery_plan_free(struct recovery_plan *plan);
/* True if it comes closer to what is wanted than what is there. */
bool recovery_plan_is_better(const struct recovery_plan *plan);
/* The placement in force, with other places; its epoch is still to come. */
int recovery_plan_spec(const struct recovery_plan *plan,
                       Edged__Placement **spec);
/* The first stage that nobody holds, which is well; n_places: none. */
size_t recovery_find_broken(const struct placement *p);
/* Does anybody that may still come up by itself belong to that stage? */
bool recovery_is_gone(const struct placement *p, size_t stage);
/* Why the stage is not there, and what to do. */
void recovery_plan_explain(const struct recovery_plan *plan, size_t stage,
                           char *out, size_t size);

#endif
