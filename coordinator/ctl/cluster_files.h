/*
 * A cluster.yaml of a user's and the model that it names, on their way to the
 * coordinator: what deploy, plan, validate, profile, simulate and train begin
 * with. What is wrong with the YAML file is on stderr, by line, and `err` is
 * empty then.
 */
#ifndef EDGE_CTL_CLUSTER_FILES_H
#define EDGE_CTL_CLUSTER_FILES_H

#include "config/cluster.h"

#include "base/blob.h"

struct cluster_files {
    const char *path;    /* of the YAML file; borrowed */
    const char *outcome; /* of what is wrong with it: "nothing was changed" */
    /* made here, for cluster_files_release() */
    struct cluster *cluster;
    struct blob *yaml;
    struct blob *model; /* as model_file_read() has it; NULL: not read */
    char *model_path;   /* as resolved */
};

/* `cluster` and `yaml`. */
int cluster_files_yaml(struct cluster_files *files, struct err *err);
/* `model_path`, after cluster_files_yaml(). */
int cluster_files_resolve(struct cluster_files *files, struct err *err);
/* That, and `model`, which is the one that model.sha256 means; `labels` as
 * model_file_read() has them. EDGE_ECONFIG names the YAML file. */
int cluster_files_model(struct cluster_files *files, struct blob **labels,
                        struct err *err);
/* The model's file without its folders. */
const char *cluster_files_model_name(const struct cluster_files *files);
void cluster_files_release(struct cluster_files *files);

#endif
