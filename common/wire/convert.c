#include "wire/convert.h"

#include "base/mem.h"

#include <string.h>

void convert_meta_out(enum dtype dtype, const struct shape *shape,
                      Edged__TensorMeta *meta, int64_t dims[LIMIT_RANK])
{
    edged__tensor_meta__init(meta);
    meta->dtype = (uint32_t)dtype;
    meta->n_dims = (size_t)shape->rank;
    meta->dims = dims;
    for (int i = 0; i < shape->rank; i++) {
        dims[i] = shape->dims[i];
    }
}

/* dtype and shape, each number within its range; *bytes is their size. */
static int check_meta(const Edged__TensorMeta *meta, struct tensor *t,
                      size_t *bytes, struct err *err)
{
    struct shape shape = {0};

    if (meta->dtype <= DTYPE_NONE || meta->dtype >= DTYPE_COUNT) {
        return err_set(err, EDGE_EPROTO, "a tensor of type %u, not known here",
                       meta->dtype);
    }
    if (meta->n_dims > LIMIT_RANK) {
        return err_set(err, EDGE_EPROTO,
                       "a tensor of %zu dimensions; at most %d are allowed",
                       meta->n_dims, LIMIT_RANK);
    }
    shape.rank = (int)meta->n_dims;
    for (size_t i = 0; i < meta->n_dims; i++) {
        if (meta->dims[i] < 0) {
            return err_set(err, EDGE_EPROTO, "a tensor of dimension %lld",
                           (long long)meta->dims[i]);
        }
        shape.dims[i] = meta->dims[i];
    }
    if (!shape_bytes(&shape, (enum dtype)meta->dtype, bytes)) {
        return err_set(err, EDGE_EPROTO, "a tensor larger than any may be");
    }
    t->dtype = (enum dtype)meta->dtype;
    t->shape = shape;
    return 0;
}

int convert_meta_in(const Edged__TensorMeta *meta, struct blob *payload,
                    struct tensor *t, struct err *err)
{
    struct tensor out = {0};
    size_t bytes = 0;
    int rc;

    if (meta == NULL) {
        return err_set(err, EDGE_EPROTO, "a message without its tensor's type");
    }
    rc = check_meta(meta, &out, &bytes, err);
    if (rc < 0) {
        return rc;
    }
    if (payload != NULL && meta->codec != 0) {
        return err_set(err, EDGE_EPROTO, "a tensor in codec %u, not known here",
                       meta->codec);
    }
    if (payload != NULL && payload->size != bytes) {
        char text[SHAPE_TEXT];

        return err_set(err, EDGE_EPROTO,
                       "%zu bytes came for a tensor %s of %s, which has %zu",
                       payload->size, shape_text(&out.shape, text),
                       dtype_name(out.dtype), bytes);
    }
    if (payload != NULL) {
        rc = tensor_from_blob(&out, out.dtype, &out.shape, payload, 0);
        if (rc < 0) {
            return err_set(err, rc, "a tensor's payload: %s", err_text(rc));
        }
    }
    *t = out;
    return 0;
}

int convert_digest_in(const ProtobufCBinaryData *bytes, struct digest *digest,
                      struct err *err)
{
    if (bytes->len != sizeof(digest->bytes) || bytes->data == NULL) {
        return err_set(err, EDGE_EPROTO, "a digest of %zu bytes instead of %zu",
                       bytes->len, sizeof(digest->bytes));
    }
    memcpy(digest->bytes, bytes->data, sizeof(digest->bytes));
    return 0;
}

ProtobufCBinaryData convert_digest_out(const struct digest *digest)
{
    /* protobuf-c has no const for what it packs and does not change. */
    return (ProtobufCBinaryData){sizeof(digest->bytes),
                                 (uint8_t *)(uintptr_t)digest->bytes};
}

int convert_set_text(char **field, const char *text)
{
    char *copy = mem_strdup(text);

    if (copy == NULL) {
        return EDGE_ENOMEM;
    }
    if (*field != protobuf_c_empty_string) {
        mem_free(*field);
    }
    *field = copy;
    return 0;
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9');
}

Edged__BlobRef *convert_ref_new(const struct digest *digest, uint64_t size)
{
    Edged__BlobRef *ref = mem_new(Edged__BlobRef);

    if (ref == NULL) {
        return NULL;
    }
    edged__blob_ref__init(ref);
    ref->size = size;
    ref->digest.data = mem_dup(digest->bytes, sizeof(digest->bytes));
    if (ref->digest.data == NULL) {
        mem_free(ref);
        return NULL;
    }
    ref->digest.len = sizeof(digest->bytes);
    return ref;
}

bool convert_name_ok(const char *name)
{
    size_t n;

    if (name == NULL || !is_letter_or_digit(name[0])) {
        return false;
    }
    for (n = 1; name[n] != '\0'; n++) {
        if (n == LIMIT_NAME ||
            (!is_letter_or_digit(name[n]) && strchr("._-", name[n]) == NULL)) {
            return false;
        }
    }
    return true;
}
