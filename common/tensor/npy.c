#include "tensor/tensor.h"

#include "base/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "\x93NUMPY"
#define MAGIC_SIZE 6
#define PREFIX_V1 10 /* magic, version, 2 bytes of header length */
#define PREFIX_V2 12 /* the same with 4 bytes of length */
#define HEADER_ALIGN 64
#define HEADER_MAX 10000 /* NumPy's own bound */

struct descr_row {
    const char *descr; /* without the byte order */
    enum dtype dtype;
};

static const struct descr_row descrs[] = {
    {"f4", DTYPE_F32}, {"f2", DTYPE_F16}, {"f8", DTYPE_F64}, {"i1", DTYPE_I8},
    {"u1", DTYPE_U8},  {"i2", DTYPE_I16}, {"u2", DTYPE_U16}, {"i4", DTYPE_I32},
    {"u4", DTYPE_U32}, {"i8", DTYPE_I64}, {"u8", DTYPE_U64}, {"b1", DTYPE_BOOL},
};

#define N_DESCRS (sizeof(descrs) / sizeof(descrs[0]))

/* The header, a Python dictionary, as it is read from left to right. */
struct cursor {
    const char *p;
    const char *end;
};

static void skip_space(struct cursor *c)
{
    while (c->p < c->end && strchr(" \t\r\n", *c->p) != NULL && *c->p != '\0') {
        c->p++;
    }
}

/* True, and past it, if `token` comes next after any space. */
static bool take(struct cursor *c, const char *token)
{
    size_t n = strlen(token);

    skip_space(c);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, token, n) != 0) {
        return false;
    }
    c->p += n;
    return true;
}

static int read_descr(struct cursor *c, enum dtype *dtype, struct err *err)
{
    char text[8] = "";
    size_t n = 0;

    if (!take(c, "'")) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "its 'descr' is not one element type");
    }
    while (c->p < c->end && *c->p != '\'' && n + 1 < sizeof(text)) {
        text[n++] = *c->p++;
    }
    text[n] = '\0';
    if (!take(c, "'")) {
        return err_set(err, EDGE_EUNSUPPORTED, "its type '%s...' is not known",
                       text);
    }
    for (size_t i = 0; i < N_DESCRS; i++) {
        bool is_byte = descrs[i].descr[1] == '1';

        if (n == 3 && strcmp(text + 1, descrs[i].descr) == 0 &&
            strchr(is_byte ? "|<>=" : "<=", text[0]) != NULL) {
            *dtype = descrs[i].dtype;
            return 0;
        }
    }
    return err_set(err, EDGE_EUNSUPPORTED, "its type '%s' is not supported%s",
                   text, text[0] == '>' ? " (big-endian)" : "");
}

static int read_dim(struct cursor *c, int64_t *dim)
{
    const char *first = c->p;

    *dim = 0;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9') {
        if (__builtin_mul_overflow(*dim, 10, dim) ||
            __builtin_add_overflow(*dim, *c->p - '0', dim)) {
            return EDGE_ETOOBIG;
        }
        c->p++;
    }
    return c->p == first ? EDGE_ECORRUPT : 0;
}

static int read_shape(struct cursor *c, struct shape *shape, struct err *err)
{
    bool is_open = take(c, "(");

    shape->rank = 0;
    while (is_open && !take(c, ")")) {
        if (shape->rank == LIMIT_RANK) {
            return err_set(err, EDGE_ETOOBIG, "it has more than %d dimensions",
                           LIMIT_RANK);
        }
        skip_space(c);
        if (read_dim(c, &shape->dims[shape->rank]) < 0) {
            return err_set(err, EDGE_ECORRUPT, "its 'shape' is malformed");
        }
        shape->rank++;
        (void)take(c, "L"); /* written by Python 2 */
        if (!take(c, ",")) {
            is_open = take(c, ")");
            return is_open ? 0
                           : err_set(err, EDGE_ECORRUPT,
                                     "its 'shape' is malformed");
        }
    }
    return is_open ? 0
                   : err_set(err, EDGE_ECORRUPT, "its 'shape' is malformed");
}

static int read_order(struct cursor *c, struct err *err)
{
    if (take(c, "False")) {
        return 0;
    }
    return take(c, "True") ? err_set(err, EDGE_EUNSUPPORTED,
                                     "it is in Fortran order; save it with "
                                     "numpy.ascontiguousarray()")
                           : err_set(err, EDGE_ECORRUPT,
                                     "its 'fortran_order' is malformed");
}

/* {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), } */
static int read_header(struct cursor *c, enum dtype *dtype, struct shape *shape,
                       struct err *err)
{
    unsigned seen = 0;
    int rc = 0;

    if (!take(c, "{")) {
        return err_set(err, EDGE_ECORRUPT, "its header is malformed");
    }
    while (!take(c, "}")) {
        unsigned key;

        if (take(c, "'descr'") && take(c, ":")) {
            key = 1;
            rc = read_descr(c, dtype, err);
        } else if (take(c, "'fortran_order'") && take(c, ":")) {
            key = 2;
            rc = read_order(c, err);
        } else if (take(c, "'shape'") && take(c, ":")) {
            key = 4;
            rc = read_shape(c, shape, err);
        } else {
            return err_set(err, EDGE_ECORRUPT, "its header is malformed");
        }
        if (rc < 0) {
            return rc;
        }
        seen |= key;
        (void)take(c, ",");
    }
    return seen == 7 ? 0
                     : err_set(err, EDGE_ECORRUPT, "its header is incomplete");
}

/* Finds the header's text; *data is where the elements begin. */
static int find_header(const struct blob *file, struct cursor *c, size_t *data,
                       struct err *err)
{
    size_t prefix = PREFIX_V1;
    size_t length = 0;
    int major;

    if (file->size < PREFIX_V2 || memcmp(file->data, MAGIC, MAGIC_SIZE) != 0) {
        return err_set(err, EDGE_ECORRUPT, "it is no .npy file");
    }
    major = file->data[MAGIC_SIZE];
    if (major == 1) {
        length = (size_t)file->data[8] | (size_t)file->data[9] << 8;
    } else if (major == 2 || major == 3) {
        prefix = PREFIX_V2;
        length = bytes_get32(file->data + 8);
    } else {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "its format version %d is not known", major);
    }
    if (length > HEADER_MAX || length > file->size - prefix) {
        return err_set(err, EDGE_ECORRUPT, "its header is cut off or too long");
    }
    c->p = (const char *)file->data + prefix;
    c->end = c->p + length;
    *data = prefix + length;
    return 0;
}

static int check_bools(const uint8_t *data, size_t size, struct err *err)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] > 1) {
            return err_set(err, EDGE_ECORRUPT,
                           "its element %zu is neither true nor false", i);
        }
    }
    return 0;
}

int npy_decode(const struct blob *file, struct tensor *t, struct err *err)
{
    enum dtype dtype = DTYPE_NONE;
    struct shape shape;
    struct cursor c;
    size_t offset = 0;
    size_t bytes;
    int rc;

    rc = find_header(file, &c, &offset, err);
    if (rc == 0) {
        rc = read_header(&c, &dtype, &shape, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (!shape_bytes(&shape, dtype, &bytes)) {
        return err_set(err, EDGE_ETOOBIG, "its shape is too large");
    }
    if (bytes != file->size - offset) {
        return err_set(err, EDGE_ECORRUPT,
                       "its shape needs %zu bytes but %zu are there", bytes,
                       file->size - offset);
    }
    if (dtype == DTYPE_BOOL) {
        rc = check_bools(file->data + offset, bytes, err);
        if (rc < 0) {
            return rc;
        }
    }
    rc = tensor_copy(t, dtype, &shape, file->data + offset);
    return rc < 0 ? err_set(err, rc, "%s", err_text(rc)) : 0;
}

/* The text of the header, padded so that the elements are aligned. */
static size_t format_header(const struct tensor *t, char *out, size_t size)
{
    const char *descr = "?";
    size_t n;

    for (size_t i = 0; i < N_DESCRS; i++) {
        if (descrs[i].dtype == t->dtype) {
            descr = descrs[i].descr;
        }
    }
    n = (size_t)snprintf(out, size,
                         "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                         dtype_size(t->dtype) == 1 ? '|' : '<', descr);
    for (int i = 0; i < t->shape.rank; i++) {
        n += (size_t)snprintf(out + n, size - n, i > 0 ? " %lld," : "%lld,",
                              (long long)t->shape.dims[i]);
    }
    if (t->shape.rank > 1) {
        n--; /* only a single dimension keeps its comma */
    }
    n += (size_t)snprintf(out + n, size - n, "), }");
    while ((PREFIX_V1 + n + 1) % HEADER_ALIGN != 0) {
        out[n++] = ' ';
    }
    out[n++] = '\n';
    return n;
}

/* Half an array is worse than none; a device or pipe is left alone. */
static void discard(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        (void)unlink(path);
    }
}

int npy_write(const char *path, const struct tensor *t, struct err *err)
{
    char header[512];
    size_t n = format_header(t, header, sizeof(header));
    const uint8_t prefix[PREFIX_V1] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)n, (uint8_t)(n >> 8)};
    size_t bytes = tensor_bytes(t);
    FILE *file = fopen(path, "wb");
    bool ok;

    if (file == NULL) {
        return err_set(err, err_from_errno(errno), "cannot write %s: %s", path,
                       strerror(errno));
    }
    ok = fwrite(prefix, sizeof(prefix), 1, file) == 1 &&
         fwrite(header, n, 1, file) == 1 &&
         (bytes == 0 || fwrite(t->data, bytes, 1, file) == 1);
    if (fclose(file) != 0 || !ok) {
        int rc = err_from_errno(errno);

        (void)err_set(err, rc, "cannot write %s: %s", path, strerror(errno));
        discard(path);
        return rc;
    }
    return 0;
}
