/* Prints a plan: table or JSON. */
#ifndef EDGE_CTL_REPORT_H
#define EDGE_CTL_REPORT_H

#include "coordinator/ctl/ctl.h"

#include <jansson.h>

/* For json_decref(). */
json_t *report_json(const Edged__PlanReport *report);
void report_print(const struct ctl *ctl, const Edged__PlanReport *report);

#endif
