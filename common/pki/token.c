#include "pki/token.h"

#include "base/bytes.h"
#include "pki/pki_inner.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "edged1/"
#define BASE64 43 /* characters for 32 bytes, without padding */

static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ---- base64url of 32 bytes ----------------------------------------------- */

static void put64(const uint8_t bytes[32], char out[BASE64 + 1])
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < 32; i++) {
        bits = bits << 8 | bytes[i];
        n_bits += 8;
        while (n_bits >= 6) {
            n_bits -= 6;
            out[n++] = letters[bits >> n_bits & 63];
        }
    }
    out[n++] = letters[bits << (6 - n_bits) & 63];
    out[n] = '\0';
}

/* False unless put64() could have written it. */
static bool get64(const char *text, size_t size, uint8_t bytes[32])
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;

    if (size != BASE64) {
        return false;
    }
    for (size_t i = 0; i < BASE64; i++) {
        const char *at = text[i] != '\0' ? strchr(letters, text[i]) : NULL;

        if (at == NULL) {
            return false;
        }
        bits = bits << 6 | (uint32_t)(at - letters);
        n_bits += 6;
        if (n_bits >= 8 && n < 32) {
            n_bits -= 8;
            bytes[n++] = (uint8_t)(bits >> n_bits);
        }
    }
    return (bits & ((1u << n_bits) - 1)) == 0;
}

/* ---- secrets ------------------------------------------------------------- */

int token_make_secret(uint8_t secret[32], struct err *err)
{
    return RAND_bytes(secret, 32) == 1
               ? 0
               : pki_fail(err, EDGE_EIO, "no random bytes for a token");
}

void token_hash(const uint8_t secret[32], struct digest *hash)
{
    digest_of(secret, 32, hash);
}

bool token_hash_equal(const struct digest *a, const struct digest *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

void token_forget(struct token *token)
{
    OPENSSL_cleanse(token, sizeof(*token));
}

/* ---- writing ------------------------------------------------------------- */

/* Names and addresses: nothing that is a mark of the line. */
static bool host_ok(const char *host)
{
    size_t n = strlen(host);

    if (n == 0 || n >= TOKEN_HOST) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (host[i] <= ' ' || host[i] > '~' ||
            strchr("/,[]", host[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static bool write_host(const struct token_host *host, bool is_first, char *line,
                       size_t *at)
{
    bool is_v6 = strchr(host->host, ':') != NULL;
    int n;

    if (!host_ok(host->host) || host->port < 1 || host->port > 65535) {
        return false;
    }
    n = snprintf(line + *at, TOKEN_LINE - *at, "%s%s%s%s:%d",
                 is_first ? "" : ",", is_v6 ? "[" : "", host->host,
                 is_v6 ? "]" : "", host->port);
    *at += (size_t)n;
    return *at < TOKEN_LINE;
}

int token_write(const struct token *token, char line[TOKEN_LINE],
                struct err *err)
{
    char secret[BASE64 + 1];
    char fingerprint[BASE64 + 1];
    size_t at;
    int n;

    if (token->n_hosts == 0 || token->n_hosts > TOKEN_HOSTS ||
        !pki_name_ok(token->cluster)) {
        return err_set(err, EDGE_EINVAL, "a token needs 1 to %d addresses",
                       TOKEN_HOSTS);
    }
    put64(token->secret, secret);
    put64(token->fingerprint.bytes, fingerprint);
    at = (size_t)snprintf(line, TOKEN_LINE, MAGIC "%s/%s/%s/", secret,
                          fingerprint, token->cluster);
    OPENSSL_cleanse(secret, sizeof(secret));
    for (size_t i = 0; i < token->n_hosts; i++) {
        if (!write_host(&token->hosts[i], i == 0, line, &at)) {
            return err_set(err, EDGE_EINVAL,
                           "\"%s\" port %d is no address for a token",
                           token->hosts[i].host, token->hosts[i].port);
        }
    }
    n = snprintf(line + at, TOKEN_LINE - at, "/%08x",
                 bytes_crc32c(0, line, at));
    return (size_t)n < TOKEN_LINE - at
               ? 0
               : err_set(err, EDGE_EINVAL,
                         "the token's addresses are too long");
}

/* ---- reading ------------------------------------------------------------- */

/* The part up to `mark`; false if there is none. */
static bool part(const char **at, const char *end, char mark, const char **from,
                 size_t *size)
{
    const char *to = memchr(*at, mark, (size_t)(end - *at));

    if (to == NULL) {
        return false;
    }
    *from = *at;
    *size = (size_t)(to - *at);
    *at = to + 1;
    return true;
}

static bool read_host(const char *text, size_t size, struct token_host *out)
{
    const char *colon = NULL;
    const char *host = text;
    size_t n;
    int port = 0;

    for (size_t i = 0; i < size; i++) {
        colon = text[i] == ':' ? text + i : colon;
    }
    if (colon == NULL || colon == text || colon + 1 == text + size ||
        text + size - colon > 6) {
        return false;
    }
    for (const char *c = colon + 1; c < text + size; c++) {
        if (*c < '0' || *c > '9') {
            return false;
        }
        port = port * 10 + (*c - '0');
    }
    n = (size_t)(colon - text);
    if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
        host++;
        n -= 2;
    }
    if (n >= TOKEN_HOST || port < 1 || port > 65535) {
        return false;
    }
    memcpy(out->host, host, n);
    out->host[n] = '\0';
    out->port = port;
    return strlen(out->host) == n && host_ok(out->host);
}

static bool read_hosts(const char *at, const char *end, struct token *token)
{
    while (at < end && token->n_hosts < TOKEN_HOSTS) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *to = comma != NULL ? comma : end;

        if (!read_host(at, (size_t)(to - at), &token->hosts[token->n_hosts])) {
            return false;
        }
        token->n_hosts++;
        at = comma != NULL ? comma + 1 : end;
        if (comma != NULL && at == end) {
            return false; /* a comma behind the last */
        }
    }
    return at == end && token->n_hosts > 0;
}

static bool read_fields(const char *at, const char *end, struct token *token)
{
    const char *from;
    size_t size;

    if (!part(&at, end, '/', &from, &size) ||
        !get64(from, size, token->secret) ||
        !part(&at, end, '/', &from, &size) ||
        !get64(from, size, token->fingerprint.bytes) ||
        !part(&at, end, '/', &from, &size) || size > LIMIT_NAME) {
        return false;
    }
    memcpy(token->cluster, from, size);
    token->cluster[size] = '\0';
    return pki_name_ok(token->cluster) && read_hosts(at, end, token);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool token_is_like(const char *text)
{
    return strncmp(text, MAGIC, strlen(MAGIC)) == 0;
}

int token_read(const char *line, struct token *token, struct err *err)
{
    size_t magic = strlen(MAGIC);
    const char *end;
    size_t n;
    char crc[9];

    while (is_blank(*line)) {
        line++;
    }
    n = strnlen(line, TOKEN_LINE);
    while (n > 0 && is_blank(line[n - 1])) {
        n--;
    }
    memset(token, 0, sizeof(*token));
    if (n >= TOKEN_LINE || n < magic + 9 || strncmp(line, MAGIC, magic) != 0) {
        return err_set(
            err, EDGE_EINVAL,
            "that is not a token: it does not begin with \"" MAGIC
            "\". Make one on the coordinator:  edgectl token create");
    }
    end = line + n - 9;
    (void)snprintf(crc, sizeof(crc), "%08x",
                   bytes_crc32c(0, line, (size_t)(end - line)));
    if (*end != '/' || memcmp(end + 1, crc, 8) != 0 ||
        !read_fields(line + magic, end, token)) {
        token_forget(token);
        return err_set(err, EDGE_EINVAL,
                       "the token is not whole; give all of the line that "
                       "edgectl token create has printed");
    }
    return 0;
}
