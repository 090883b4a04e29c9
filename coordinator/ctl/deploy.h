/*
 * What deploy, plan and validate share: the files of a user, on their way to
 * the coordinator.
 */
#ifndef EDGE_CTL_DEPLOY_H
#define EDGE_CTL_DEPLOY_H

#include "coordinator/ctl/cluster_files.h"
#include "coordinator/ctl/ctl.h"
#include "coordinator/ctl/progress.h"

#include "base/blob.h"

struct deploy { /* what goes to the coordinator */
    struct cluster_files files;
    struct blob *labels;
    struct blob *calibration; /* NULL: none */
    char *labels_path;
    long plan;    /* the number it must have; 0: any */
    bool explain; /* the reply shall have a PlanExplain for its payload */
    struct progress progress;
};

/* Sends the files and waits: a DeployReply of success is in *msg then, for
 * msg_deinit(). On failure `err` is empty if all of it is on stderr. */
int deploy_run(const struct ctl *ctl, struct deploy *d, bool dry_run,
               struct msg *msg, struct err *err);
void deploy_release(struct deploy *d);
/* The exit code, after it was said why. */
int deploy_fail(const struct err *err, int rc);
bool deploy_one_file(const struct ctl *ctl, int argc, int first);

#endif
