/*
 * model.sha256: a cluster.yaml may say which model it is meant for. Every verb
 * that takes the model from it asks here before anything is sent.
 */
#ifndef EDGE_CTL_MODEL_SUM_H
#define EDGE_CTL_MODEL_SUM_H

#include "base/blob.h"
#include "config/cluster.h"

struct model_sum {
    const struct cluster *cluster;
    const char *path;         /* of the cluster.yaml */
    const struct blob *yaml;  /* NULL: it is read again, if need be */
    const char *model_path;   /* as resolved */
    const struct blob *model; /* what would be sent; NULL: it is read */
    const char *outcome;      /* "nothing was changed" */
};

/* 0 where the file says nothing. EDGE_ECONFIG if it is another model: the line
 * of the key is on stderr then, and `err` is empty. */
int model_sum_check(const struct model_sum *sum, struct err *err);

#endif
