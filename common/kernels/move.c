#include "kernels/move.h"

#include <assert.h>
#include <string.h>

void move_add(struct move *m, int64_t dim, int64_t from, int64_t to)
{
    assert(m->rank < MOVE_RANK);
    m->dims[m->rank] = dim;
    m->from[m->rank] = from;
    m->to[m->rank] = to;
    m->rank++;
}

static void drop(struct move *m, int i)
{
    size_t tail = (size_t)(m->rank - i - 1) * sizeof(m->dims[0]);

    memmove(m->dims + i, m->dims + i + 1, tail);
    memmove(m->from + i, m->from + i + 1, tail);
    memmove(m->to + i, m->to + i + 1, tail);
    m->rank--;
}

/* Puts dimension `i` at place `place`, the ones between move by one. */
static void shift(struct move *m, int i, int place)
{
    int64_t dim = m->dims[i];
    int64_t from = m->from[i];
    int64_t to = m->to[i];

    drop(m, i);
    for (int k = m->rank; k > place; k--) {
        m->dims[k] = m->dims[k - 1];
        m->from[k] = m->from[k - 1];
        m->to[k] = m->to[k - 1];
    }
    m->dims[place] = dim;
    m->from[place] = from;
    m->to[place] = to;
    m->rank++;
}

/* A transpose reads along one dimension and writes along another: those two
 * become the last, so that they are walked in small squares. */
static void find_plane(struct move *m)
{
    int last = m->rank - 1;

    if (m->rank < 2 || m->to[last] != 1 || m->from[last] == 1 ||
        m->from[last] == 0) {
        return;
    }
    for (int i = last - 1; i >= 0; i--) {
        if (m->from[i] == 1) {
            shift(m, i, last - 1);
            return;
        }
    }
}

void move_plan(struct move *m)
{
    for (int i = m->rank - 1; i >= 0; i--) {
        if (m->dims[i] == 1) {
            drop(m, i);
        }
    }
    for (int i = m->rank - 1; i > 0; i--) {
        if (m->from[i - 1] == m->from[i] * m->dims[i] &&
            m->to[i - 1] == m->to[i] * m->dims[i]) {
            m->dims[i] *= m->dims[i - 1];
            drop(m, i - 1);
        }
    }
    if (m->rank == 0) {
        move_add(m, 1, 1, 1);
    }
    find_plane(m);
}

#define ROW(type)                         \
    do {                                  \
        const type *x = in;               \
        type *y = out;                    \
                                          \
        for (int64_t i = 0; i < n; i++) { \
            y[i * to] = x[i * from];      \
        }                                 \
    } while (0)

static void move_row(void *out, const void *in, int64_t n, int64_t from,
                     int64_t to, size_t size)
{
    if (from == 1 && to == 1) {
        memcpy(out, in, (size_t)n * size);
        return;
    }
    if (from == 0 && to == 1) {
        move_fill(out, in, (size_t)n, size);
        return;
    }
    switch (size) {
    case 1: ROW(uint8_t); break;
    case 2: ROW(uint16_t); break;
    case 4: ROW(uint32_t); break;
    default: ROW(uint64_t); break;
    }
}

#define SQUARE 8

/* out[c + r * to] = in[r + c * from], r < rows, c < cols. */
#define PLANE(type)                                                    \
    do {                                                               \
        const type *x = in;                                            \
        type *y = out;                                                 \
                                                                       \
        for (int64_t r = 0; r < rows; r += SQUARE) {                   \
            int64_t r_end = r + SQUARE < rows ? r + SQUARE : rows;     \
                                                                       \
            for (int64_t c = 0; c < cols; c += SQUARE) {               \
                int64_t c_end = c + SQUARE < cols ? c + SQUARE : cols; \
                                                                       \
                for (int64_t i = r; i < r_end; i++) {                  \
                    for (int64_t k = c; k < c_end; k++) {              \
                        y[k + i * to] = x[i + k * from];               \
                    }                                                  \
                }                                                      \
            }                                                          \
        }                                                              \
    } while (0)

static void move_plane(void *out, const void *in, int64_t rows, int64_t cols,
                       int64_t from, int64_t to, size_t size)
{
    switch (size) {
    case 1: PLANE(uint8_t); break;
    case 2: PLANE(uint16_t); break;
    case 4: PLANE(uint32_t); break;
    default: PLANE(uint64_t); break;
    }
}

/* The innermost one or two dimensions, from where the walk has come to. */
static void move_inner(const struct move *m, uint8_t *out, const uint8_t *in,
                       int inner)
{
    int last = m->rank - 1;

    if (inner == 2) {
        move_plane(out, in, m->dims[last - 1], m->dims[last], m->from[last],
                   m->to[last - 1], m->size);
    } else {
        move_row(out, in, m->dims[last], m->from[last], m->to[last], m->size);
    }
}

void move_run(const struct move *m, void *out, const void *in)
{
    int64_t index[MOVE_RANK] = {0};
    int last = m->rank - 1;
    int inner = m->rank >= 2 && m->to[last] == 1 && m->from[last] != 1 &&
                        m->from[last] != 0 && m->from[last - 1] == 1
                    ? 2
                    : 1;
    const uint8_t *x = in;
    uint8_t *y = out;
    int64_t size = (int64_t)m->size;
    int i;

    for (i = 0; i < m->rank; i++) {
        if (m->dims[i] == 0) {
            return;
        }
    }
    do {
        move_inner(m, y, x, inner);
        for (i = m->rank - 1 - inner; i >= 0; i--) {
            x += m->from[i] * size;
            y += m->to[i] * size;
            if (++index[i] < m->dims[i]) {
                break;
            }
            x -= m->from[i] * m->dims[i] * size;
            y -= m->to[i] * m->dims[i] * size;
            index[i] = 0;
        }
    } while (i >= 0);
}

#define FILL(type)                       \
    do {                                 \
        type v;                          \
                                         \
        memcpy(&v, value, sizeof(v));    \
        for (size_t i = 0; i < n; i++) { \
            ((type *)out)[i] = v;        \
        }                                \
    } while (0)

void move_fill(void *out, const void *value, size_t n, size_t size)
{
    switch (size) {
    case 1: FILL(uint8_t); break;
    case 2: FILL(uint16_t); break;
    case 4: FILL(uint32_t); break;
    default: FILL(uint64_t); break;
    }
}
