#include "onnx/skeleton.h"

#include "base/limits.h"
#include "base/mem.h"

#include "onnx.pb-c.h"

#include <string.h>

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct frame { /* a message that is being walked */
    const ProtobufCMessageDescriptor *desc;
    size_t end;       /* of the message in the input */
    size_t length_at; /* where its length stands in the output */
    size_t length_size;
    size_t out_start;
};

struct walk {
    const uint8_t *data;
    size_t size;
    size_t pos;
    uint8_t *out; /* NULL while only the size is wanted */
    size_t out_pos;
    size_t out_size;
    bool is_changed; /* a mapped file may change under the walk */
    struct frame frames[LIMIT_ONNX_DEPTH];
    int depth;
    int n_graphs;
    struct skeleton *skeleton;
    struct err *err;
};

struct field { /* one field as it stands in the input */
    const ProtobufCFieldDescriptor *desc; /* NULL: unknown */
    uint32_t number;
    uint32_t wire;
    size_t start;     /* of its tag */
    size_t length_at; /* of its length, for WIRE_BYTES */
    size_t value;     /* of its value */
    size_t end;
};

static struct frame *top(struct walk *w)
{
    return &w->frames[w->depth - 1];
}

static int damaged(struct walk *w, const struct field *f, const char *what)
{
    return err_set(w->err, EDGE_ECORRUPT,
                   "not an ONNX file, or a damaged one: %s at byte %zu: %s",
                   f->desc != NULL ? f->desc->name : top(w)->desc->short_name,
                   f->start, what);
}

/* A varint of at most `bytes_max` bytes, inside the current message. */
static bool take_varint(struct walk *w, size_t bytes_max, uint64_t *value)
{
    size_t end = top(w)->end;

    *value = 0;
    for (size_t i = 0; i < bytes_max && w->pos < end; i++) {
        uint8_t byte = w->data[w->pos++];

        *value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_utf8_tail(const uint8_t *p, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

/* Well-formed UTF-8 (Unicode 15, table 3-7) without NUL, which would end a
 * C string early. */
static bool is_text(const uint8_t *p, size_t size)
{
    const uint8_t *end = p + size;

    while (p < end) {
        size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
        uint8_t second = n > 1 && end - p > 1 ? p[1] : 0x80;

        if (*p == 0 || (*p >= 0x80 && *p < 0xc2) || *p > 0xf4 ||
            (size_t)(end - p) < n || !is_utf8_tail(p, n) ||
            (*p == 0xe0 && second < 0xa0) || (*p == 0xed && second > 0x9f) ||
            (*p == 0xf0 && second < 0x90) || (*p == 0xf4 && second > 0x8f)) {
            return false;
        }
        p += n;
    }
    return true;
}

static bool wire_fits(const ProtobufCFieldDescriptor *desc, uint32_t wire)
{
    uint32_t plain;

    switch (desc->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return wire == WIRE_BYTES;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32: plain = WIRE_32; break;
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64: plain = WIRE_64; break;
    default: plain = WIRE_VARINT; break;
    }
    return wire == plain || (wire == WIRE_BYTES && /* packed */
                             desc->label == PROTOBUF_C_LABEL_REPEATED);
}

/* Reads a field's length and moves behind it; the value may not pass the end
 * of its message. */
static int take_length(struct walk *w, struct field *f)
{
    uint64_t length;

    f->length_at = w->pos;
    if (!take_varint(w, 5, &length)) {
        return damaged(w, f, "its length is malformed");
    }
    f->value = w->pos;
    if (length > w->size - w->pos) {
        return damaged(w, f, "it runs past the end: the file is cut short");
    }
    if (length > top(w)->end - w->pos) {
        return damaged(w, f, "it is longer than what it is in");
    }
    f->end = w->pos + (size_t)length;
    return 0;
}

static int take_value(struct walk *w, struct field *f)
{
    size_t fixed = f->wire == WIRE_64 ? 8 : 4;
    uint64_t ignored;

    f->value = w->pos;
    switch (f->wire) {
    case WIRE_VARINT:
        if (!take_varint(w, 10, &ignored)) {
            return damaged(w, f, "malformed number");
        }
        f->end = w->pos;
        return 0;
    case WIRE_64:
    case WIRE_32:
        if (fixed > top(w)->end - w->pos) {
            return damaged(w, f, "it is cut short");
        }
        f->end = w->pos + fixed;
        return 0;
    case WIRE_BYTES: return take_length(w, f);
    default: return damaged(w, f, "unknown wire type");
    }
}

static int take_field(struct walk *w, struct field *f)
{
    uint64_t tag;

    *f = (struct field){.start = w->pos};
    if (!take_varint(w, 5, &tag) || tag >> 3 == 0 || tag > UINT32_MAX) {
        return damaged(w, f, "malformed field tag");
    }
    f->number = (uint32_t)tag >> 3;
    f->wire = (uint32_t)tag & 7;
    f->desc = protobuf_c_message_descriptor_get_field(top(w)->desc, f->number);
    if (f->desc != NULL && !wire_fits(f->desc, f->wire)) {
        return damaged(w, f, "wrong wire type");
    }
    return take_value(w, f);
}

static void keep(struct walk *w, size_t from, size_t to)
{
    if (w->out != NULL && to - from > w->out_size - w->out_pos) {
        w->is_changed = true;
        return;
    }
    if (w->out != NULL) {
        memcpy(w->out + w->out_pos, w->data + from, to - from);
    }
    w->out_pos += to - from;
}

static bool is_unread(const ProtobufCFieldDescriptor *desc)
{
    static const char *const unread[] = {
        "doc_string", "training_info", "value_info", "quantization_annotation"};

    for (size_t i = 0; i < sizeof(unread) / sizeof(unread[0]); i++) {
        if (desc == NULL || strcmp(desc->name, unread[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* True in a tensor whose raw data stays in the file: an initializer of the
 * outermost graph, or the root itself. */
static bool is_mapped_tensor(struct walk *w)
{
    return top(w)->desc == &onnx__tensor_proto__descriptor &&
           (w->depth == 1 ||
            (w->depth == 3 &&
             w->frames[1].desc == &onnx__graph_proto__descriptor));
}

static int note_tensor(struct walk *w)
{
    struct skeleton *s = w->skeleton;
    int rc;

    if (w->out != NULL || !is_mapped_tensor(w)) {
        return 0;
    }
    rc = mem_grow(&s->raws, &s->raws_room, s->n_raws, sizeof(*s->raws));
    if (rc < 0) {
        return rc;
    }
    s->raws[s->n_raws++] = (struct skeleton_raw){.set = false};
    return 0;
}

static void note_raw(struct walk *w, const struct field *f)
{
    if (w->out == NULL) {
        w->skeleton->raws[w->skeleton->n_raws - 1] = (struct skeleton_raw){
            .set = true, .offset = f->value, .size = f->end - f->value};
    }
}

static int enter(struct walk *w, const struct field *f)
{
    const ProtobufCMessageDescriptor *desc = f->desc->descriptor;
    struct frame *frame;

    if (w->depth == LIMIT_ONNX_DEPTH) {
        return err_set(w->err, EDGE_ETOOBIG,
                       "nested deeper than %d messages at byte %zu",
                       LIMIT_ONNX_DEPTH, f->start);
    }
    if (w->depth == 1 && desc == &onnx__graph_proto__descriptor &&
        ++w->n_graphs > 1) {
        return damaged(w, f, "a model has one graph only");
    }
    keep(w, f->start, f->length_at);
    frame = &w->frames[w->depth++];
    frame->desc = desc;
    frame->end = f->end;
    frame->length_at = w->out_pos;
    frame->length_size = f->value - f->length_at;
    keep(w, f->length_at, f->value);
    frame->out_start = w->out_pos;
    w->pos = f->value;
    return note_tensor(w);
}

/* The skeleton of a message is shorter than the message, so its length fits
 * where the old one stood; a varint may be padded. */
static void leave(struct walk *w)
{
    const struct frame *frame = top(w);
    size_t length = w->out_pos - frame->out_start;

    for (size_t i = 0; w->out != NULL && i < frame->length_size; i++) {
        uint8_t more = i + 1 < frame->length_size ? 0x80 : 0;

        w->out[frame->length_at + i] = (uint8_t)((length & 0x7f) | more);
        length >>= 7;
    }
    w->depth--;
}

static int walk_field(struct walk *w)
{
    struct field f;
    int rc = take_field(w, &f);

    if (rc < 0) {
        return rc;
    }
    w->pos = f.end;
    if (is_unread(f.desc)) {
        return 0;
    }
    if (f.desc->type == PROTOBUF_C_TYPE_MESSAGE) {
        return enter(w, &f);
    }
    if (f.desc->type == PROTOBUF_C_TYPE_STRING &&
        !is_text(w->data + f.value, f.end - f.value)) {
        return damaged(w, &f, "not UTF-8 text");
    }
    if (f.desc->type == PROTOBUF_C_TYPE_BYTES && is_mapped_tensor(w) &&
        strcmp(f.desc->name, "raw_data") == 0) {
        note_raw(w, &f);
        return 0;
    }
    keep(w, f.start, f.end);
    return 0;
}

static int walk_all(struct walk *w, const ProtobufCMessageDescriptor *root)
{
    int rc;

    w->frames[0] = (struct frame){.desc = root, .end = w->size};
    w->depth = 1;
    rc = note_tensor(w);
    while (rc == 0 && w->depth > 0) {
        if (w->pos == top(w)->end) {
            leave(w);
        } else {
            rc = walk_field(w);
        }
        if (w->is_changed) {
            return err_set(w->err, EDGE_ECORRUPT,
                           "it changes while it is read");
        }
    }
    return rc;
}

int skeleton_make(const uint8_t *data, size_t size,
                  const ProtobufCMessageDescriptor *root,
                  struct skeleton *skeleton, struct err *err)
{
    struct walk sizing = {
        .data = data, .size = size, .skeleton = skeleton, .err = err};
    struct walk copying = sizing;
    int rc;

    *skeleton = (struct skeleton){.bytes = NULL};
    rc = walk_all(&sizing, root);
    if (rc < 0) {
        goto out;
    }
    skeleton->size = sizing.out_pos;
    skeleton->bytes = mem_resize(NULL, skeleton->size, 1);
    if (skeleton->bytes == NULL) {
        rc = EDGE_ENOMEM;
        goto out;
    }
    copying.out = skeleton->bytes;
    copying.out_size = skeleton->size;
    rc = walk_all(&copying, root);
    if (rc == 0 && copying.out_pos != skeleton->size) {
        rc = err_set(err, EDGE_ECORRUPT, "it changes while it is read");
    }
out:
    if (rc < 0) {
        skeleton_deinit(skeleton);
    }
    return rc;
}

void skeleton_deinit(struct skeleton *skeleton)
{
    mem_free(skeleton->bytes);
    mem_free(skeleton->raws);
    *skeleton = (struct skeleton){.bytes = NULL};
}

static void *budget_alloc(void *data, size_t size)
{
    struct skeleton_message *m = data;
    void *p;

    if (size > m->left) {
        m->is_over = true;
        return NULL;
    }
    p = mem_resize(NULL, size, 1);
    if (p == NULL) {
        m->is_starved = true;
        return NULL;
    }
    m->left -= size; /* never given back: the bound is on the sum */
    return p;
}

static void budget_free(void *data, void *p)
{
    (void)data;
    mem_free(p);
}

int skeleton_unpack(const struct skeleton *skeleton,
                    const ProtobufCMessageDescriptor *root,
                    struct skeleton_message *out, struct err *err)
{
    *out = (struct skeleton_message){
        .allocator = {budget_alloc, budget_free, out},
        .left = skeleton->size * SKELETON_BUDGET_FACTOR + SKELETON_BUDGET_BASE};
    out->message = protobuf_c_message_unpack(root, &out->allocator,
                                             skeleton->size, skeleton->bytes);
    if (out->message != NULL) {
        return 0;
    }
    if (out->is_starved) {
        return EDGE_ENOMEM;
    }
    if (out->is_over) {
        return err_set(err, EDGE_ETOOBIG,
                       "it unpacks to more than %zu bytes, far more than a "
                       "model of its size needs",
                       skeleton->size * SKELETON_BUDGET_FACTOR +
                           SKELETON_BUDGET_BASE);
    }
    return err_set(err, EDGE_ECORRUPT,
                   "not an ONNX file, or a damaged one: it cannot be unpacked");
}

void skeleton_release(struct skeleton_message *out)
{
    if (out->message != NULL) {
        protobuf_c_message_free_unpacked(out->message, &out->allocator);
    }
    out->message = NULL;
}
