/*
 * A PlanExplain as a user wants it: for people, as JSON, as a cluster.yaml
 * with every choice written down, as a Graphviz graph. To stdout.
 */
#ifndef EDGE_CTL_EXPLAIN_H
#define EDGE_CTL_EXPLAIN_H

#include "config/cluster.h"
#include "coordinator/ctl/ctl.h"

#include "base/blob.h"

/* *explain is for msg_free_alone(). EDGE_EPROTO: `payload` holds none. */
int explain_read(const struct blob *payload, Edged__PlanExplain **explain,
                 struct err *err);

void explain_print(const struct ctl *ctl, const Edged__PlanExplain *explain);
/* With what the report has. */
void explain_json(const Edged__PlanReport *report,
                  const Edged__PlanExplain *explain);
void explain_dot(const Edged__PlanReport *report,
                 const Edged__PlanExplain *explain);
/* Changes `cluster`, which is written with the stages of the plan. */
int explain_yaml(struct cluster *cluster, const Edged__PlanReport *report,
                 const Edged__PlanExplain *explain, struct err *err);

#endif
