/*
 * `edgectl profile -o yaml`: what was measured as a file of profiles
 * (config/profiles.h), for `edgectl simulate --profiles`. Layers have names
 * there, so the model is read here, too.
 */
#ifndef EDGE_CTL_PROFILE_YAML_H
#define EDGE_CTL_PROFILE_YAML_H

#include "coordinator/ctl/profile_print.h"

/* `model` is the file that was measured; rows have their ops' times.
 * EDGE_EINVAL: they are of another model, or no board was measured. */
int profile_yaml_print(const struct profile_rows *rows, struct blob *model,
                       struct err *err);

#endif
