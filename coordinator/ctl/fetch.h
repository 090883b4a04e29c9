/*
 * What a deployment is made of, from its coordinator: the placement, files of
 * the store, and the shards made into a chain that runs here.
 */
#ifndef EDGE_CTL_FETCH_H
#define EDGE_CTL_FETCH_H

#include "chain/chain.h"
#include "coordinator/ctl/client.h"

/* For msg_free_alone(). The reply with the names stays in `msg`, for
 * msg_deinit(). */
int fetch_placement(struct client *client, const char *deployment,
                    struct msg *msg, Edged__Placement **spec, struct err *err);
/* A file by its digest, which it is checked against. */
int fetch_file(struct client *client, const struct digest *digest,
               struct blob **blob, struct err *err);
/* All shards, planned here. links[i], for mem_free(), is what chain_seen(i) is
 * about. */
int fetch_chain(struct client *client, const Edged__Placement *spec,
                struct chain **chain, struct chain_link **links,
                size_t *n_links, struct err *err);

#endif
