/*
 * How pictures become a deployed model's input: as cluster.yaml says, or as
 * the model's own metadata does (docs/decisions/0006).
 */
#ifndef EDGE_COORDINATOR_MODEL_INPUT_H
#define EDGE_COORDINATOR_MODEL_INPUT_H

#include "coordinator/parts.h"

/* The mapping in the model's metadata, checked, in *text (in place of what
 * mem_ allocated or of the empty default); untouched if there is none, or if
 * cluster.yaml has model.input. EDGE_ECONFIG with the mapping's error. */
int model_input_take(const struct graph *model, const struct plan_job *job,
                     char **text, struct err *err);

/* Such a mapping once more, of the model that is called so. */
int model_input_parse(const char *text, const char *model,
                      struct cluster_input *input, struct err *err);

/* What counts for a deployment that is in force. */
int model_input_of(const struct deployment *d, struct cluster_input *input,
                   struct err *err);

#endif
