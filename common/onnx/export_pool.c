/* MaxPool and AveragePool whose ceil_mode ONNX's versions read differently. */
#include "onnx/export_impl.h"

/* ceil_mode adds a window where the last stride is not a whole one. If that
 * window starts in the end pad it covers nothing: ONNX before 1.16, its shape
 * inference and older runtimes count it, PyTorch, later ones and edged do
 * not. Where there is such a dimension the same windows are written without
 * ceil_mode, with end pads that reach as far as the last one does. */

static int64_t last_end(const struct window *w, int i)
{
    return (w->out[i] - 1) * w->stride[i] +
           (w->kernel[i] - 1) * w->dilation[i] + 1 - w->pad_begin[i];
}

/* Whole strides leave a rest, and yet there is no window for it. */
static bool is_dropped(const struct window *w, int i, int64_t in)
{
    int64_t rest = in + w->pad_end[i] - last_end(w, i);

    return rest > 0 && rest < w->stride[i];
}

static bool is_extended(const struct window *w, int i, int64_t in)
{
    return last_end(w, i) > in + w->pad_end[i];
}

bool export_needs_plain_pool(const struct maker *m, const struct op *op,
                             struct window *w)
{
    const struct value *x = &m->graph->values[op->in[0]];
    bool counts_pads = op_int(op, "count_include_pad", 0) != 0;
    bool drops = false;

    if (op_int(op, "ceil_mode", 0) == 0 || !x->has_shape ||
        window_of(m->graph, op, w, NULL) < 0) {
        return false;
    }
    for (int i = 0; i < w->n; i++) {
        int64_t in = x->shape.dims[2 + i];

        if (w->out[i] < 1 || (counts_pads && is_extended(w, i, in))) {
            return false; /* a longer pad would count for more */
        }
        drops = drops || is_dropped(w, i, in);
    }
    return drops;
}

int export_plain_pads(struct maker *m, const struct op *op,
                      const struct window *w, int64_t **pads)
{
    const struct value *x = &m->graph->values[op->in[0]];

    *pads = export_alloc(m, (size_t)w->n * 2, sizeof(**pads));
    for (int i = 0; *pads != NULL && i < w->n; i++) {
        int64_t in = x->shape.dims[2 + i];

        (*pads)[i] = w->pad_begin[i];
        (*pads)[w->n + i] =
            is_extended(w, i, in) ? last_end(w, i) - in : w->pad_end[i];
    }
    return *pads != NULL ? 0 : EDGE_ENOMEM;
}
