/* Attributes of an op: looked up by name, replaced as a whole. */
#include "graph/attr.h"

#include "base/mem.h"

#include <string.h>

void attr_deinit(struct attr *attr)
{
    mem_free(attr->name);
    mem_free(attr->s);
    mem_free(attr->ints);
    mem_free(attr->floats);
    tensor_deinit(&attr->tensor);
    *attr = (struct attr){0};
}

void op_deinit(struct op *op)
{
    for (size_t i = 0; i < op->n_attrs; i++) {
        attr_deinit(&op->attrs[i]);
    }
    mem_free(op->attrs);
    mem_free(op->name);
    mem_free(op->in);
    mem_free(op->out);
    *op = (struct op){0};
}

int attr_copy(const struct attr *from, struct attr *attr)
{
    struct attr copy = {.kind = from->kind, .i = from->i, .f = from->f};
    bool ok;

    copy.n = from->n;
    copy.name = mem_strdup(from->name);
    ok = copy.name != NULL;
    if (ok && from->s != NULL) {
        copy.s = mem_strdup(from->s);
        ok = copy.s != NULL;
    }
    if (ok && from->ints != NULL) {
        copy.ints = mem_dup(from->ints, from->n * sizeof(*from->ints));
        ok = copy.ints != NULL;
    }
    if (ok && from->floats != NULL) {
        copy.floats = mem_dup(from->floats, from->n * sizeof(*from->floats));
        ok = copy.floats != NULL;
    }
    if (!ok) {
        attr_deinit(&copy);
        return EDGE_ENOMEM;
    }
    if (from->tensor.blob != NULL) {
        copy.tensor = tensor_ref(&from->tensor);
    }
    *attr = copy;
    return 0;
}

int attr_copy_all(const struct op *from, struct op *op)
{
    if (from->n_attrs == 0) {
        return 0;
    }
    op->attrs = mem_array(struct attr, from->n_attrs);
    if (op->attrs == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < from->n_attrs; i++) {
        int rc = attr_copy(&from->attrs[i], &op->attrs[i]);

        if (rc < 0) {
            return rc;
        }
        op->n_attrs++;
    }
    return 0;
}

const struct attr *op_attr(const struct op *op, const char *name)
{
    for (size_t i = 0; i < op->n_attrs; i++) {
        if (strcmp(op->attrs[i].name, name) == 0) {
            return &op->attrs[i];
        }
    }
    return NULL;
}

static const struct attr *find(const struct op *op, const char *name,
                               enum attr_kind kind)
{
    const struct attr *attr = op_attr(op, name);

    return attr != NULL && attr->kind == kind ? attr : NULL;
}

int64_t op_int(const struct op *op, const char *name, int64_t fallback)
{
    const struct attr *attr = find(op, name, ATTR_INT);

    return attr != NULL ? attr->i : fallback;
}

float op_float(const struct op *op, const char *name, float fallback)
{
    const struct attr *attr = find(op, name, ATTR_FLOAT);

    return attr != NULL ? attr->f : fallback;
}

const char *op_string(const struct op *op, const char *name,
                      const char *fallback)
{
    const struct attr *attr = find(op, name, ATTR_STRING);

    return attr != NULL ? attr->s : fallback;
}

size_t op_ints(const struct op *op, const char *name, int64_t *out, size_t max)
{
    const struct attr *attr = find(op, name, ATTR_INTS);

    if (attr == NULL) {
        return 0;
    }
    for (size_t i = 0; i < attr->n && i < max; i++) {
        out[i] = attr->ints[i];
    }
    return attr->n;
}

/* Puts `made` in place of the attribute of that name or after the others,
 * and gives it that name; on failure its contents are released. */
static int put(struct op *op, const char *name, struct attr *made)
{
    struct attr *old = (struct attr *)op_attr(op, name);
    struct attr *attrs;

    made->name = mem_strdup(name);
    if (made->name == NULL) {
        goto fail;
    }
    if (old != NULL) {
        attr_deinit(old);
        *old = *made;
        return 0;
    }
    attrs = mem_resize(op->attrs, op->n_attrs + 1, sizeof(*attrs));
    if (attrs == NULL) {
        goto fail;
    }
    op->attrs = attrs;
    op->attrs[op->n_attrs++] = *made;
    return 0;
fail:
    made->tensor.blob = NULL; /* stays the caller's */
    attr_deinit(made);
    return EDGE_ENOMEM;
}

int op_set_int(struct op *op, const char *name, int64_t value)
{
    struct attr attr = {.kind = ATTR_INT, .i = value};

    return put(op, name, &attr);
}

int op_set_float(struct op *op, const char *name, float value)
{
    struct attr attr = {.kind = ATTR_FLOAT, .f = value};

    return put(op, name, &attr);
}

int op_set_string(struct op *op, const char *name, const char *value)
{
    struct attr attr = {.kind = ATTR_STRING, .s = mem_strdup(value)};

    return attr.s != NULL ? put(op, name, &attr) : EDGE_ENOMEM;
}

int op_set_ints(struct op *op, const char *name, const int64_t *v, size_t n)
{
    struct attr attr = {.kind = ATTR_INTS, .n = n};

    attr.ints = mem_dup(v, n * sizeof(*v));
    return attr.ints != NULL ? put(op, name, &attr) : EDGE_ENOMEM;
}

int op_set_floats(struct op *op, const char *name, const float *v, size_t n)
{
    struct attr attr = {.kind = ATTR_FLOATS, .n = n};

    attr.floats = mem_dup(v, n * sizeof(*v));
    return attr.floats != NULL ? put(op, name, &attr) : EDGE_ENOMEM;
}

int op_set_tensor(struct op *op, const char *name, struct tensor *value)
{
    struct attr attr = {.kind = ATTR_TENSOR, .tensor = *value};
    int rc = put(op, name, &attr);

    if (rc == 0) {
        *value = (struct tensor){0};
    }
    return rc;
}

void op_clear(struct op *op, const char *name)
{
    for (size_t i = 0; i < op->n_attrs; i++) {
        if (strcmp(op->attrs[i].name, name) == 0) {
            attr_deinit(&op->attrs[i]);
            op->n_attrs--;
            memmove(&op->attrs[i], &op->attrs[i + 1],
                    (op->n_attrs - i) * sizeof(op->attrs[0]));
            return;
        }
    }
}
