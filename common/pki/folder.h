/*
 * The folder FOLDER/tls of a daemon or coordinator: ca.pem, cert.pem, key.pem
 * and, with the coordinator, ca-key.pem; files 0600 in a folder 0700.
 *
 * A new membership comes whole: it is written beside the old one, fsynced and
 * put in its place; a power cut leaves the one or the other. Calls block on
 * the disk: on a loop they run as io_work.
 */
#ifndef EDGE_PKI_FOLDER_H
#define EDGE_PKI_FOLDER_H

#include "pki/pki.h"

struct pki_set {
    char *ca_pem;
    char *cert_pem;
    char *key_pem;
    char *ca_key_pem; /* NULL: not here */
};
/* Frees the texts, keys erased. */
void pki_set_deinit(struct pki_set *set);

/* EDGE_ENOENT: nobody has joined or begun a cluster here. EDGE_ECORRUPT: what
 * is there does not belong together. */
int pki_load(const char *folder, struct pki_set *set, struct err *err);
/* `flags` as of a store (STORE_NO_SYNC). Makes `folder` if need be. */
int pki_save(const char *folder, int flags, const struct pki_set *set,
             struct err *err);
/* Another certificate for the same key. */
int pki_save_cert(const char *folder, int flags, const char *cert_pem,
                  struct err *err);
/* FOLDER/tls/denied: the digests, in hexadecimal, one a line. */
int pki_save_denied(const char *folder, int flags, const struct digest *spki,
                    size_t n, struct err *err);

#endif
