/*
 * Between cmd_simulate.c and simulate_print.c: what was simulated, and how it
 * is shown.
 */
#ifndef EDGE_CTL_SIMULATE_H
#define EDGE_CTL_SIMULATE_H

#include "coordinator/ctl/cluster_files.h"
#include "config/profiles.h"
#include "coordinator/ctl/ctl.h"
#include "coordinator/plan/paper.h"

struct simulation {
    struct cluster_files files;
    const char *profiles; /* of the file of profiles, or NULL */
    struct simulate_options options;
    struct profiles *file;
    struct graph *graph;
    struct profile profile;
    struct cost_model model;
    struct choices choices;
    struct paper paper;
    size_t left_out;              /* devices of the cluster.yaml */
    struct simulate_result alone; /* one request at a time */
    struct simulate_result result;
    double plan_s; /* that it took here */
    double run_s;
};

void simulate_print(const struct ctl *ctl, const struct simulation *s);

#endif
