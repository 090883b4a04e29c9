/* The coordinator's status, however many messages it takes. */
#ifndef EDGE_CTL_STATUS_H
#define EDGE_CTL_STATUS_H

#include "coordinator/ctl/client.h"
#include "coordinator/ctl/ctl.h"

/* On success msg->env->status_reply holds all nodes; for msg_deinit(). */
int status_ask(struct client *client, int timeout_ms, struct msg *msg,
               struct err *err);

/* status_plan.c: predicted against measured. */
void status_print_plan(const struct ctl *ctl, const Edged__DeploymentStatus *d);

#endif
