/* What the files of pki/ share. */
#ifndef EDGE_PKI_PKI_INNER_H
#define EDGE_PKI_PKI_INNER_H

#include "pki/pki.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

/* "WHAT: what OpenSSL says", and its queue of errors emptied. */
int pki_fail(struct err *err, int rc, const char *what);
int pki_key_from(const char *pem, EVP_PKEY **key, struct err *err);
int pki_cert_from(const char *pem, X509 **cert, struct err *err);
int pki_csr_from(const uint8_t *csr, size_t size, X509_REQ **req,
                 struct err *err);
/* What was written to a BIO in memory, as text; frees the BIO. NULL: out of
 * memory. */
char *pki_text_of(BIO *bio);
bool pki_spki(X509_PUBKEY *key, struct digest *spki);
bool pki_set_name(X509_NAME *name, const char *common);

#endif
