#include "tests/lib/onnx_make.h"

#include "tests/lib/unit.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void put(struct onnx_bytes *b, const void *data, size_t size)
{
    if (b->size + size > b->room) {
        b->room = 2 * (b->size + size) + 64;
        b->data = mem_resize(b->data, b->room, 1);
        assert_non_null(b->data);
    }
    if (size > 0) {
        memcpy(b->data + b->size, data, size);
    }
    b->size += size;
}

static void put_varint(struct onnx_bytes *b, uint64_t v)
{
    do {
        uint8_t byte = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));

        put(b, &byte, 1);
        v >>= 7;
    } while (v > 0);
}

static void put_tag(struct onnx_bytes *b, int field, int wire)
{
    put_varint(b, (uint64_t)field << 3 | (uint64_t)wire);
}

void onnx_put_int(struct onnx_bytes *b, int field, int64_t v)
{
    put_tag(b, field, 0);
    put_varint(b, (uint64_t)v);
}

static void put_float(struct onnx_bytes *b, int field, float v)
{
    put_tag(b, field, 5);
    put(b, &v, sizeof(v));
}

void onnx_put_bytes(struct onnx_bytes *b, int field, const void *data,
                    size_t size)
{
    put_tag(b, field, 2);
    put_varint(b, size);
    put(b, data, size);
}

void onnx_put_text(struct onnx_bytes *b, int field, const char *text)
{
    onnx_put_bytes(b, field, text, strlen(text));
}

void onnx_put_message(struct onnx_bytes *b, int field,
                      struct onnx_bytes *inside)
{
    onnx_put_bytes(b, field, inside->data, inside->size);
    mem_free(inside->data);
    *inside = (struct onnx_bytes){.data = NULL};
}

/* ---- the model ---------------------------------------------------------- */

void onnx_begin(struct onnx_make *m, int opset)
{
    struct onnx_bytes import = {.data = NULL};

    *m = (struct onnx_make){.model = {.data = NULL}};
    onnx_put_int(&m->model, 1, 8);
    onnx_put_text(&import, 1, "");
    onnx_put_int(&import, 2, opset);
    onnx_put_message(&m->model, 8, &import);
    onnx_put_text(&m->graph, 2, "test");
}

static void end_node(struct onnx_make *m)
{
    if (m->node.size > 0) {
        onnx_put_message(&m->graph, 1, &m->node);
    }
}

struct blob *onnx_end(struct onnx_make *m)
{
    struct blob *blob;

    end_node(m);
    onnx_put_message(&m->model, 7, &m->graph);
    blob = blob_copy(m->model.data, m->model.size);
    assert_non_null(blob);
    mem_free(m->model.data);
    return blob;
}

static void put_info(struct onnx_make *m, int field, const char *name, int type,
                     const struct onnx_dims *dims)
{
    struct onnx_bytes info = {.data = NULL};
    struct onnx_bytes shape = {.data = NULL};
    struct onnx_bytes tensor = {.data = NULL};
    struct onnx_bytes outer = {.data = NULL};

    onnx_put_int(&tensor, 1, type);
    for (int i = 0; dims != NULL && i < dims->rank; i++) {
        struct onnx_bytes dim = {.data = NULL};

        if (dims->d[i] < 0) {
            onnx_put_text(&dim, 2, "N");
        } else {
            onnx_put_int(&dim, 1, dims->d[i]);
        }
        onnx_put_message(&shape, 1, &dim);
    }
    if (dims != NULL) {
        onnx_put_message(&tensor, 2, &shape);
    }
    onnx_put_message(&outer, 1, &tensor);
    onnx_put_text(&info, 1, name);
    onnx_put_message(&info, 2, &outer);
    onnx_put_message(&m->graph, field, &info);
}

void onnx_input(struct onnx_make *m, const char *name, int type,
                struct onnx_dims dims)
{
    put_info(m, 11, name, type, &dims);
}

void onnx_output(struct onnx_make *m, const char *name)
{
    put_info(m, 12, name, ONNX_F32, NULL);
}

static void put_names(struct onnx_bytes *b, int field, const char *names)
{
    while (*names != '\0') {
        size_t n = strcspn(names, " ");

        onnx_put_bytes(b, field, names, n == 1 && *names == '-' ? 0 : n);
        names += n;
        names += strspn(names, " ");
    }
}

void onnx_node(struct onnx_make *m, const char *type, const char *in,
               const char *out)
{
    end_node(m);
    put_names(&m->node, 1, in);
    put_names(&m->node, 2, out);
    onnx_put_text(&m->node, 4, type);
}

void onnx_node_name(struct onnx_make *m, const char *name)
{
    onnx_put_text(&m->node, 3, name);
}

/* ---- attributes and tensors --------------------------------------------- */

static void end_attr(struct onnx_make *m, struct onnx_bytes *attr,
                     const char *name, int type)
{
    onnx_put_text(attr, 1, name);
    onnx_put_int(attr, 20, type);
    onnx_put_message(&m->node, 5, attr);
}

void onnx_int(struct onnx_make *m, const char *name, int64_t v)
{
    struct onnx_bytes attr = {.data = NULL};

    onnx_put_int(&attr, 3, v);
    end_attr(m, &attr, name, 2);
}

void onnx_float(struct onnx_make *m, const char *name, float v)
{
    struct onnx_bytes attr = {.data = NULL};

    put_float(&attr, 2, v);
    end_attr(m, &attr, name, 1);
}

void onnx_string(struct onnx_make *m, const char *name, const char *v)
{
    struct onnx_bytes attr = {.data = NULL};

    onnx_put_text(&attr, 4, v);
    end_attr(m, &attr, name, 3);
}

void onnx_ints(struct onnx_make *m, const char *name, struct onnx_dims v)
{
    struct onnx_bytes attr = {.data = NULL};

    for (int i = 0; i < v.rank; i++) {
        onnx_put_int(&attr, 8, v.d[i]);
    }
    end_attr(m, &attr, name, 7);
}

void onnx_floats(struct onnx_make *m, const char *name, const float *v,
                 size_t n)
{
    struct onnx_bytes attr = {.data = NULL};

    for (size_t i = 0; i < n; i++) {
        put_float(&attr, 7, v[i]);
    }
    end_attr(m, &attr, name, 6);
}

static void put_tensor(struct onnx_bytes *b, int type,
                       const struct onnx_dims *dims, const void *data,
                       size_t size)
{
    for (int i = 0; i < dims->rank; i++) {
        onnx_put_int(b, 1, dims->d[i]);
    }
    onnx_put_int(b, 2, type);
    onnx_put_bytes(b, 9, data, size);
}

void onnx_tensor(struct onnx_make *m, const char *name, int type,
                 struct onnx_dims dims, const void *data, size_t size)
{
    struct onnx_bytes attr = {.data = NULL};
    struct onnx_bytes tensor = {.data = NULL};

    put_tensor(&tensor, type, &dims, data, size);
    onnx_put_message(&attr, 5, &tensor);
    end_attr(m, &attr, name, 4);
}

void onnx_init(struct onnx_make *m, const char *name, int type,
               struct onnx_dims dims, const void *data, size_t size)
{
    struct onnx_bytes tensor = {.data = NULL};

    put_tensor(&tensor, type, &dims, data, size);
    onnx_put_text(&tensor, 8, name);
    onnx_put_message(&m->graph, 5, &tensor);
}

void onnx_init_ints(struct onnx_make *m, const char *name, struct onnx_dims v)
{
    onnx_init(m, name, ONNX_I64, LIST(v.rank), v.d, (size_t)v.rank * 8);
}
