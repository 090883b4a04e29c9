/*
 * A model that is deployed, as its coordinator describes it: what a client
 * must know to prepare inputs and to read outputs.
 */
#ifndef EDGE_CTL_DEPLOYED_H
#define EDGE_CTL_DEPLOYED_H

#include "coordinator/ctl/ctl.h"
#include "coordinator/ctl/labels.h"
#include "coordinator/ctl/named.h"
#include "coordinator/ctl/pictures.h"

struct deployed {
    struct msg msg; /* names below are its */
    const char *name;
    struct named_port *inputs; /* of static shapes */
    size_t n_inputs;
    struct named_port *outputs; /* the most they can be */
    size_t n_outputs;
    struct labels labels;
    char refusal[PICTURE_REFUSAL]; /* backs picture_form.refusal */
};

/* Asks for deployment `name` ("": the only one). */
int deployed_ask(struct client *client, const char *name,
                 struct deployed *deployed, struct err *err);
void deployed_deinit(struct deployed *deployed); /* fine on a zeroed one */

/* What the model's file, or cluster.yaml, says of pictures. */
int deployed_input(const struct deployed *deployed, struct cluster_input *input,
                   struct err *err);
/* How a picture becomes the model's only input; see picture_form.refusal. */
int deployed_picture_form(struct deployed *deployed, struct picture_form *form,
                          struct err *err);

#endif
