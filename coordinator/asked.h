/* What a client's cluster.yaml asks for. */
#ifndef EDGE_COORDINATOR_ASKED_H
#define EDGE_COORDINATOR_ASKED_H

#include "coordinator/parts.h"

/* Reads it from the store. EDGE_ECONFIG: what is wrong is in *text, which is
 * for mem_free(), with line and caret. */
int asked_read(struct coordinator *c, const struct digest *yaml,
               const char *name, struct cluster **cluster, char **text,
               struct err *err);
/* Its devices but those that are drained, dialed if they were not yet; the
 * list is for mem_free(). */
int asked_devices(struct coordinator *c, const struct cluster *cluster,
                  struct member ***members, size_t *n_members, struct err *err);

#endif
