#include "dataset/unzip.h"

#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define BUFFER 65536

enum kind { KIND_PLAIN, KIND_GZIP, KIND_XZ };

struct unzip {
    char *path;
    int fd;
    enum kind kind;
    bool is_dry;  /* the file has no more bytes */
    bool is_over; /* what it unpacks to has no more either */
    bool has_codec;
    z_stream gzip;
    lzma_stream xz;
    size_t at; /* of `in`, the bytes not yet used */
    size_t n;
    uint8_t in[BUFFER];
};

/* The libraries' memory is counted like ours, so tests can deny it. */
static voidpf gzip_take(voidpf arg, uInt n, uInt size)
{
    (void)arg;
    return mem_resize(NULL, n, size);
}

static void gzip_give(voidpf arg, voidpf p)
{
    (void)arg;
    mem_free(p);
}

static void *xz_take(void *arg, size_t n, size_t size)
{
    (void)arg;
    return mem_resize(NULL, n, size);
}

static void xz_give(void *arg, void *p)
{
    (void)arg;
    mem_free(p);
}

static const lzma_allocator xz_memory = {xz_take, xz_give, NULL};

static int fail_memory(const struct unzip *u, struct err *err)
{
    return err_set(err, EDGE_ENOMEM, "no memory to read \"%s\"", u->path);
}

static int fail_damaged(const struct unzip *u, const char *why, struct err *err)
{
    return err_set(err, EDGE_ECORRUPT,
                   "\"%s\" is a damaged %s file: %s. Copy it again, and try "
                   "%s on it",
                   u->path, u->kind == KIND_XZ ? "xz" : "gzip", why,
                   u->kind == KIND_XZ ? "xz -t" : "gzip -t");
}

/* Fills the buffer, behind what is left in it. */
static int refill(struct unzip *u, struct err *err)
{
    if (u->at > 0) {
        memmove(u->in, u->in + u->at, u->n - u->at);
        u->n -= u->at;
        u->at = 0;
    }
    while (!u->is_dry && u->n < BUFFER) {
        ssize_t n = read(u->fd, u->in + u->n, BUFFER - u->n);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return err_set(err, err_from_errno(errno), "cannot read %s: %s",
                           u->path, strerror(errno));
        }
        u->is_dry = n == 0;
        u->n += (size_t)n;
    }
    return 0;
}

static enum kind kind_of(const uint8_t *in, size_t n)
{
    if (n >= 2 && memcmp(in, "\x1f\x8b", 2) == 0) {
        return KIND_GZIP;
    }
    if (n >= 6 && memcmp(in, "\xfd\x37zXZ\0", 6) == 0) {
        return KIND_XZ;
    }
    return KIND_PLAIN;
}

static int codec_open(struct unzip *u, struct err *err)
{
    bool ok = true;

    u->kind = kind_of(u->in, u->n);
    if (u->kind == KIND_GZIP) {
        u->gzip.zalloc = gzip_take;
        u->gzip.zfree = gzip_give;
        ok = inflateInit2(&u->gzip, 16 + MAX_WBITS) == Z_OK;
    } else if (u->kind == KIND_XZ) {
        u->xz = (lzma_stream)LZMA_STREAM_INIT;
        u->xz.allocator = &xz_memory;
        ok = lzma_stream_decoder(&u->xz, LIMIT_XZ_MEMORY, LZMA_CONCATENATED) ==
             LZMA_OK;
        u->has_codec = true; /* a failed one is ended too */
    }
    u->has_codec = u->has_codec || (ok && u->kind == KIND_GZIP);
    return ok ? 0 : fail_memory(u, err);
}

int unzip_open(const char *path, struct unzip **unzip, struct err *err)
{
    struct unzip *u = mem_new(struct unzip);
    int rc = 0;

    if (u == NULL || (u->path = mem_strdup(path)) == NULL) {
        mem_free(u);
        return err_set(err, EDGE_ENOMEM, "no memory to read \"%s\"", path);
    }
    u->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (u->fd < 0) {
        rc = err_set(err, err_from_errno(errno), "cannot open %s: %s", path,
                     strerror(errno));
        goto out;
    }
    rc = refill(u, err);
    if (rc == 0) {
        rc = codec_open(u, err);
    }
out:
    if (rc < 0) {
        unzip_free(u);
        return rc;
    }
    *unzip = u;
    return 0;
}

void unzip_free(struct unzip *u)
{
    if (u == NULL) {
        return;
    }
    if (u->has_codec && u->kind == KIND_GZIP) {
        (void)inflateEnd(&u->gzip);
    } else if (u->has_codec) {
        lzma_end(&u->xz);
    }
    if (u->fd >= 0) {
        (void)close(u->fd);
    }
    mem_free(u->path);
    mem_free(u);
}

const char *unzip_path(const struct unzip *u)
{
    return u->path;
}

static size_t plain_read(struct unzip *u, uint8_t *data, size_t size)
{
    size_t n = u->n - u->at < size ? u->n - u->at : size;

    memcpy(data, u->in + u->at, n);
    u->at += n;
    u->is_over = u->is_dry && u->at == u->n;
    return n;
}

/* After the end of one member there may be another (RFC 1952, 2.2). */
static int gzip_next(struct unzip *u, struct err *err)
{
    u->is_over = u->is_dry && u->at == u->n;
    if (u->is_over) {
        return 0;
    }
    if (inflateReset(&u->gzip) != Z_OK) {
        return fail_memory(u, err);
    }
    return 0;
}

static int gzip_read(struct unzip *u, uint8_t *data, size_t size, size_t *got,
                     struct err *err)
{
    int code;

    u->gzip.next_in = u->in + u->at;
    u->gzip.avail_in = (uInt)(u->n - u->at);
    u->gzip.next_out = data;
    u->gzip.avail_out = size < BUFFER ? (uInt)size : BUFFER;
    code = inflate(&u->gzip, Z_NO_FLUSH);
    *got = (size_t)(u->gzip.next_out - data);
    u->at = u->n - u->gzip.avail_in;
    if (code == Z_STREAM_END) {
        int rc = u->at == u->n ? refill(u, err) : 0;

        return rc < 0 ? rc : gzip_next(u, err);
    }
    if (code == Z_MEM_ERROR) {
        return fail_memory(u, err);
    }
    if (code == Z_DATA_ERROR || code == Z_NEED_DICT) {
        return fail_damaged(
            u, u->gzip.msg != NULL ? u->gzip.msg : "its bytes make no sense",
            err);
    }
    if (*got == 0 && u->is_dry && u->at == u->n) {
        return fail_damaged(u, "it ends early", err);
    }
    return 0;
}

static int fail_xz(const struct unzip *u, lzma_ret code, struct err *err)
{
    switch (code) {
    case LZMA_MEM_ERROR: return fail_memory(u, err);
    case LZMA_MEMLIMIT_ERROR:
        return err_set(err, EDGE_ETOOBIG,
                       "\"%s\" needs more than %zu MiB to unpack. Pack it "
                       "again with xz -6",
                       u->path, LIMIT_XZ_MEMORY >> 20);
    case LZMA_BUF_ERROR: return fail_damaged(u, "it ends early", err);
    case LZMA_OPTIONS_ERROR:
        return fail_damaged(u, "it was packed in a way not known here", err);
    default: return fail_damaged(u, "its bytes do not match its sums", err);
    }
}

static int xz_read(struct unzip *u, uint8_t *data, size_t size, size_t *got,
                   struct err *err)
{
    lzma_ret code;

    u->xz.next_in = u->in + u->at;
    u->xz.avail_in = u->n - u->at;
    u->xz.next_out = data;
    u->xz.avail_out = size;
    code = lzma_code(&u->xz, u->is_dry ? LZMA_FINISH : LZMA_RUN);
    *got = size - u->xz.avail_out;
    u->at = u->n - u->xz.avail_in;
    u->is_over = code == LZMA_STREAM_END;
    /* A call without progress is no failure while bytes are still to come. */
    if (code == LZMA_OK || u->is_over ||
        (code == LZMA_BUF_ERROR && !u->is_dry)) {
        return 0;
    }
    return fail_xz(u, code, err);
}

int unzip_read(struct unzip *u, void *data, size_t size, size_t *got,
               struct err *err)
{
    uint8_t *to = data;

    *got = 0;
    while (*got < size && !u->is_over) {
        size_t n = 0;
        int rc = u->at == u->n ? refill(u, err) : 0;

        if (rc == 0 && u->kind == KIND_PLAIN) {
            n = plain_read(u, to + *got, size - *got);
        } else if (rc == 0 && u->kind == KIND_GZIP) {
            rc = gzip_read(u, to + *got, size - *got, &n, err);
        } else if (rc == 0) {
            rc = xz_read(u, to + *got, size - *got, &n, err);
        }
        if (rc < 0) {
            return rc;
        }
        *got += n;
    }
    return 0;
}
