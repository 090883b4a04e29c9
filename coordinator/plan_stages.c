/* The plan of a job (plan/choose.h), on what is known of its boards. */
#include "coordinator/plan_job.h"

#include "base/mem.h"
#include "coordinator/plan/choose.h"
#include "coordinator/plan/cut.h"

int plan_points(struct working *w, struct err *err)
{
    int *order = NULL;
    size_t n_ops = 0;
    int rc = cut_order(w->graph, &order, &n_ops, err);

    mem_free(order);
    if (rc < 0) {
        return rc;
    }
    rc = plan_profile(w->job, n_ops, &w->profile);
    if (rc == 0) {
        rc = cost_model_init(&w->model, w->graph, &w->profile,
                             choose_queue(w->job->cluster));
    }
    return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

int plan_stages(struct working *w, struct err *err)
{
    struct choose_how how = {.compare = w->job->explain,
                             .gain = w->job->gain,
                             .leaving = &w->leaving};
    struct choice now = {0};
    struct err why; /* what cannot be reckoned with does not stay */
    int rc = 0;

    if (w->has_tiers) {
        return plan_tiers_choose(w, err);
    }
    if (plan_drift_may_stay(w)) {
        rc = plan_drift_now(w, &now, &why);
        how.stays = rc == 0 ? &now : NULL;
    }
    rc = rc == EDGE_ENOMEM ? err_set(err, rc, "out of memory")
                           : choose_plan(&w->job->choices, &w->model,
                                         w->job->cluster, &how, err);
    choice_deinit(&now);
    return rc;
}
