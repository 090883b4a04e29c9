/*
 * What a TLS context is made of; for the files tls_*.c and their tests alone.
 */
#ifndef EDGE_NET_TLS_INNER_H
#define EDGE_NET_TLS_INNER_H

#include "net/tls.h"

#include <openssl/ssl.h>
#include <time.h>

#define TLS_WHY 256          /* room for a sentence */
#define TLS_RECORD KIB(16)   /* the most plain bytes of one record */
#define TLS_IN KIB(32)       /* one read of the socket */
#define TLS_OUT_RECORDS 4    /* encrypted before the socket is asked */
#define TLS_RECORD_EXTRA 512 /* more than any record adds */
#define TLS_OUT (TLS_OUT_RECORDS * (TLS_RECORD + TLS_RECORD_EXTRA))
#define TLS_CHAIN_BYTES 8192 /* of certificates from the other end */

struct tls {
    SSL_CTX *ctx;
    BIO_METHOD *bio; /* between an SSL and its stream (tls_stream.c) */
    struct tls_identity self;
    uint8_t ca[TLS_DIGEST]; /* SHA-256 of the CA certificate */
    time_t not_before;      /* of the own certificate */
    time_t not_after;
    bool joiner;
    uint8_t (*denied)[TLS_DIGEST]; /* sorted */
    size_t n_denied;
    /* One for all streams: empty between callbacks. */
    size_t out_n;
    uint8_t in[TLS_IN];
    uint8_t out[TLS_OUT];
    uint8_t gather[TLS_RECORD]; /* small parts that go into one record */
};

/* The other end of one handshake. */
struct tls_peer {
    struct tls *tls;
    struct tls_identity id;
    int rc; /* negative: refused, and `why` says why */
    char why[TLS_WHY];
};

/* ---- tls_verify.c -------------------------------------------------------- */

/* For SSL_CTX_set_cert_verify_callback(); the SSL's app data is a tls_peer. */
int tls_verify(X509_STORE_CTX *chain, void *tls);
/* The role and name of a certificate. false: none, or more than one. */
bool tls_read_identity(X509 *cert, struct tls_identity *id);
bool tls_cert_digest(X509 *cert, uint8_t digest[TLS_DIGEST]);
time_t tls_time(const ASN1_TIME *time);

/* ---- tls_stream.c -------------------------------------------------------- */

/* What an SSL reads from and writes to. NULL: no memory. */
BIO_METHOD *tls_stream_bio(void);

/* ---- tls_words.c --------------------------------------------------------- */

/* Why the chain was not accepted, into peer->why. Returns peer->rc. */
int tls_say_refused(struct tls_peer *peer, X509_STORE_CTX *chain);
/* Why a handshake, a read or a write failed, from OpenSSL's queue of errors.
 * *told: the other end said it, in an alert. */
int tls_say_failed(const struct tls *tls, char why[TLS_WHY], bool *told);

#endif
