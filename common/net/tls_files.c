/*
 * A node's or coordinator's certificate as it lies in the state folder:
 *
 *   tls/ca.pem    the cluster's CA
 *   tls/cert.pem  this end's certificate
 *   tls/key.pem   its key, for the owner alone
 *   tls/denied    revoked: SHA-256 of SubjectPublicKeyInfo, one a line
 */
#include "net/tls.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_BYTES KIB(16)
#define DENIED_BYTES (LIMIT_DENIED * (2 * TLS_DIGEST + 2))

struct material_text {
    char *ca;
    char *cert;
    char *key;
};

/* ---- one file ------------------------------------------------------------ */

static int check_file(int fd, const char *path, bool is_secret, size_t limit,
                      size_t *size, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        return err_set(err, EDGE_EINVAL, "%s is not a file", path);
    }
    if (is_secret && (st.st_mode & 077) != 0) {
        return err_set(err, EDGE_EREFUSED,
                       "others may read the private key %s: chmod 600 %s, and "
                       "make a new one if anybody did",
                       path, path);
    }
    if (st.st_size < 0 || (size_t)st.st_size > limit) {
        return err_set(err, EDGE_ETOOBIG, "%s is larger than %zu bytes", path,
                       limit);
    }
    *size = (size_t)st.st_size;
    return 0;
}

static int read_bytes(int fd, const char *path, char *to, size_t size,
                      struct err *err)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(fd, to + done, size - done);

        if (n < 0) {
            return err_set(err, EDGE_EIO, "read %s: %s", path, strerror(errno));
        }
        if (n == 0) {
            break; /* it became shorter */
        }
        done += (size_t)n;
    }
    to[done] = '\0';
    return 0;
}

static int read_open(int fd, const char *path, bool is_secret, size_t limit,
                     char **out, struct err *err)
{
    char *text = NULL;
    size_t size = 0;
    int rc = check_file(fd, path, is_secret, limit, &size, err);

    if (rc < 0) {
        return rc;
    }
    text = mem_zalloc(1, size + 1);
    if (text == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to read %s", path);
    }
    rc = read_bytes(fd, path, text, size, err);
    if (rc < 0) {
        mem_free(text);
        return rc;
    }
    *out = text;
    return 0;
}

static int read_text(const char *folder, const char *name, bool is_secret,
                     size_t limit, char **out, struct err *err)
{
    char *path = mem_printf("%s/tls/%s", folder, name);
    int rc;
    int fd;

    if (path == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory to read %s", name);
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        rc = errno == ENOENT || errno == ENOTDIR ? EDGE_ENOENT : EDGE_EIO;
        rc = err_set(err, rc, "%s: %s", path, strerror(errno));
    } else {
        rc = read_open(fd, path, is_secret, limit, out, err);
        (void)close(fd);
    }
    mem_free(path);
    return rc;
}

/* ---- all of them --------------------------------------------------------- */

/* A key is not left behind in memory that others get. */
static void text_free(struct material_text *text)
{
    if (text->key != NULL) {
        explicit_bzero(text->key, strlen(text->key));
    }
    mem_free(text->ca);
    mem_free(text->cert);
    mem_free(text->key);
}

static int read_material(const char *folder, struct material_text *text,
                         struct err *err)
{
    int rc = read_text(folder, "ca.pem", false, PEM_BYTES, &text->ca, err);

    if (rc == 0) {
        rc = read_text(folder, "cert.pem", false, PEM_BYTES, &text->cert, err);
    }
    if (rc == 0) {
        rc = read_text(folder, "key.pem", true, PEM_BYTES, &text->key, err);
    }
    return rc;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One line: 64 lower case digits. */
static bool parse_digest(const char *line, size_t size,
                         uint8_t digest[TLS_DIGEST])
{
    if (size != 2 * TLS_DIGEST) {
        return false;
    }
    for (size_t i = 0; i < TLS_DIGEST; i++) {
        int high = digit(line[2 * i]);
        int low = digit(line[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        digest[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static int parse_denied(const char *text, uint8_t (*list)[TLS_DIGEST],
                        size_t *n, struct err *err)
{
    while (*text != '\0') {
        size_t size = strcspn(text, "\n");

        if (size > 0 &&
            (*n == LIMIT_DENIED || !parse_digest(text, size, list[(*n)++]))) {
            return err_set(err, EDGE_EINVAL,
                           "tls/denied: a line is not a digest of 64 digits, "
                           "or there are more than %d",
                           LIMIT_DENIED);
        }
        text += size + (text[size] == '\n');
    }
    return 0;
}

/* A list that cannot be read is an error: to go on without it would let those
 * in again who are shut out. */
static int read_denied(struct tls *tls, const char *folder, struct err *err)
{
    uint8_t(*list)[TLS_DIGEST] = NULL;
    char *text = NULL;
    size_t n = 0;
    int rc = read_text(folder, "denied", false, DENIED_BYTES, &text, err);

    if (rc == EDGE_ENOENT) {
        return tls_deny(tls, NULL, 0);
    }
    if (rc == 0) {
        list = mem_zalloc(LIMIT_DENIED, TLS_DIGEST);
        rc = list != NULL ? parse_denied(text, list, &n, err)
                          : err_set(err, EDGE_ENOMEM, "no memory for a list");
    }
    if (rc == 0) {
        rc = tls_deny(tls, (const uint8_t(*)[TLS_DIGEST])list, n);
    }
    mem_free(list);
    mem_free(text);
    return rc;
}

int tls_reopen(struct tls *tls, const char *folder, struct err *err)
{
    struct material_text text = {0};
    int rc = read_material(folder, &text, err);

    if (rc == 0) {
        rc = tls_renew(
            tls, &(struct tls_material){text.ca, text.cert, text.key}, err);
    }
    if (rc == 0) {
        rc = read_denied(tls, folder, err);
    }
    text_free(&text);
    return rc < 0 ? err_wrap(err, rc, "certificates in %s/tls", folder) : 0;
}

int tls_open(const char *folder, struct tls **out, struct err *err)
{
    struct material_text text = {0};
    struct tls *tls = NULL;
    int rc = read_material(folder, &text, err);

    if (rc == 0) {
        rc = tls_new(&(struct tls_material){text.ca, text.cert, text.key}, &tls,
                     err);
    }
    if (rc == 0) {
        rc = read_denied(tls, folder, err);
    }
    text_free(&text);
    if (rc < 0) {
        tls_free(tls);
        return err_wrap(err, rc, "certificates in %s/tls", folder);
    }
    *out = tls;
    return 0;
}
