/*
 * The certificates of a local cluster, made where its daemons will look for
 * them: the coordinator's folder holds the authority, as `edgectl init` would
 * leave it, each daemon's a certificate of its own, as if it had joined. What
 * is there and good is kept. Calls block.
 */
#ifndef EDGE_CTL_LOCAL_TLS_H
#define EDGE_CTL_LOCAL_TLS_H

#include "pki/folder.h"

/* *authority is for pki_set_deinit(). */
int local_tls_authority(const char *folder, const char *cluster,
                        struct pki_set *authority, struct err *err);
int local_tls_member(const struct pki_set *authority, const char *folder,
                     const char *name, struct err *err);

#endif
