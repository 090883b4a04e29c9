/* A cluster.yaml of the repository's, read as users' files are. */
#ifndef TEST_CLUSTER_FILE_H
#define TEST_CLUSTER_FILE_H

#include "config/cluster.h"

#include "base/err.h"

/* As config_load() of config/load.h. */
int cluster_file(const char *path, struct cluster **cluster,
                 struct config_errors *errors, struct err *err);

#endif
