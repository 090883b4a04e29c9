/*
 * A join token: one printable line that is good for one certificate request.
 *
 *   edged1/SECRET/FINGERPRINT/CLUSTER/HOST:PORT[,HOST:PORT...]/CHECK
 *
 * SECRET and FINGERPRINT are 32 bytes in base64url; CHECK is the CRC32C of
 * all before it, so that a line that lost its end is told from a wrong one. A
 * coordinator keeps the SHA-256 of a secret only.
 */
#ifndef EDGE_PKI_TOKEN_H
#define EDGE_PKI_TOKEN_H

#include "pki/pki.h"

#define TOKEN_HOSTS 4
#define TOKEN_HOST 128
#define TOKEN_LINE 1024 /* bytes of the longest, with its end */

struct token_host {
    char host[TOKEN_HOST];
    int port;
};

struct token {
    uint8_t secret[32];
    struct digest fingerprint; /* of the cluster's authority */
    char cluster[LIMIT_NAME + 1];
    struct token_host hosts[TOKEN_HOSTS];
    size_t n_hosts;
};

/* A secret of 256 bits. */
int token_make_secret(uint8_t secret[32], struct err *err);
/* The hash that a coordinator keeps. */
void token_hash(const uint8_t secret[32], struct digest *hash);
/* In time that does not depend on where they differ. */
bool token_hash_equal(const struct digest *a, const struct digest *b);

/* EDGE_EINVAL for a host that cannot stand in a token. */
int token_write(const struct token *token, char line[TOKEN_LINE],
                struct err *err);
/* Blanks and an end of line around it do not matter. */
int token_read(const char *line, struct token *token, struct err *err);
/* It begins as a token does. */
bool token_is_like(const char *text);
/* Erases the secret. */
void token_forget(struct token *token);

#endif
