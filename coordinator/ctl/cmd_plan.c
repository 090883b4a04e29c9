/* edgectl plan: what a deploy would do, and why. */
#include "coordinator/ctl/deploy.h"

#include "coordinator/ctl/explain.h"
#include "coordinator/ctl/report.h"

#include "base/limits.h"

#include <stdio.h>

struct plan_options {
    bool is_detailed;
    bool explain;
    bool dot;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct plan_options *options = state->input;

    (void)arg;
    switch (key) {
    case 'd': options->is_detailed = true; return 0;
    case 'e': options->explain = true; return 0;
    case 'D': options->dot = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static void print_table(const struct ctl *ctl, const struct deploy *d,
                        const Edged__PlanReport *report,
                        const Edged__PlanExplain *explain)
{
    report_print(ctl, report);
    if (d->explain) {
        explain_print(ctl, explain);
    }
    (void)printf("To apply exactly this plan:  edgectl deploy --plan %llu %s\n",
                 (unsigned long long)report->number, d->files.path);
}

static int print(const struct ctl *ctl, const struct plan_options *options,
                 struct deploy *d, const struct msg *msg, struct err *err)
{
    const Edged__PlanReport *report = msg->env->deploy_reply->plan;
    Edged__PlanExplain *explain = NULL;
    int rc = d->explain ? explain_read(msg->payload, &explain, err) : 0;

    if (rc < 0) {
        return rc;
    }
    if (options->dot) {
        explain_dot(report, explain);
    } else if (ctl->format == CTL_YAML) {
        rc = explain_yaml(d->files.cluster, report, explain, err);
    } else if (ctl->format == CTL_JSON) {
        explain_json(report, explain);
    } else {
        print_table(ctl, d, report, explain);
    }
    msg_free_alone(explain);
    return rc;
}

int cmd_plan(struct ctl *ctl, int argc, char **argv)
{
    struct plan_options options = {0};
    struct deploy d = {.files.outcome = "nothing was changed"};
    struct msg msg;
    struct err err = {""};
    bool changed;
    int first;
    int rc;

    ctl_parse(ctl, parse, &options, argc, argv, &first);
    ctl_limit(ctl);
    if (!deploy_one_file(ctl, argc, first)) {
        return CTL_USAGE;
    }
    d.files.path = argv[first];
    d.explain = options.explain || options.dot || ctl->format == CTL_YAML ||
                ctl->format == CTL_JSON;
    progress_init(&d.progress, ctl);
    rc = deploy_run(ctl, &d, true, &msg, &err);
    if (rc < 0) {
        deploy_release(&d);
        return deploy_fail(&err, rc);
    }
    changed = msg.env->deploy_reply->plan->changed;
    rc = print(ctl, &options, &d, &msg, &err);
    deploy_release(&d);
    msg_deinit(&msg);
    if (rc < 0) {
        return ctl_fail(&err, rc);
    }
    return options.is_detailed && changed ? CTL_CHANGES : CTL_OK;
}
