/*
 * model.sha256: a cluster.yaml may say which model it is meant for. Every verb
 * that takes the model from it asks here before anything is sent.
 */
#ifndef EDGE_CTL_MODEL_SUM_H
#define EDGE_CTL_MODEL_SUM_H

#include "coordinator/ctl/cluster_files.h"

/* 0 where the file says nothing; a model that was not read yet is read for it.
 * EDGE_ECONFIG if it is another one: the line of the key is on stderr then, and
 * `err` is empty. */
int model_sum_check(const struct cluster_files *files, struct err *err);

#endif
