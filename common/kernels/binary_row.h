/* How a row function of two inputs is made; for binary.c and body_binary.h. */
#ifndef EDGE_KERNELS_BINARY_ROW_H
#define EDGE_KERNELS_BINARY_ROW_H

#include "kernels/binary.h"
#include "kernels/types.h"

/* `f` is a macro or function of two elements; `type` that of all three. */
#define BINARY_ROW(name, type, f) BINARY_ROW_OUT(name, type, type, f)

/* The same with another type of output. */
#define BINARY_ROW_OUT(name, type, type_out, f)                         \
    static void name(void *out, const void *a, const void *b, size_t n, \
                     int64_t step_a, int64_t step_b)                    \
    {                                                                   \
        const type *x = a;                                              \
        const type *y = b;                                              \
        type_out *z = out;                                              \
                                                                        \
        if (step_a != 0 && step_b != 0) {                               \
            LOOP_FREE                                                   \
            for (size_t i = 0; i < n; i++) {                            \
                z[i] = (type_out)f(x[i], y[i]);                         \
            }                                                           \
        } else if (step_a != 0) {                                       \
            const type v = y[0];                                        \
            LOOP_FREE                                                   \
            for (size_t i = 0; i < n; i++) {                            \
                z[i] = (type_out)f(x[i], v);                            \
            }                                                           \
        } else {                                                        \
            const type u = x[0];                                        \
            LOOP_FREE                                                   \
            for (size_t i = 0; i < n; i++) {                            \
                z[i] = (type_out)f(u, y[i * (size_t)step_b]);           \
            }                                                           \
        }                                                               \
    }

#define BINARY_ADD_OF(a, b) ((a) + (b))
#define BINARY_SUB_OF(a, b) ((a) - (b))
#define BINARY_MUL_OF(a, b) ((a) * (b))
#define BINARY_DIV_OF(a, b) ((a) / (b))
/* NaN if either is. */
#define BINARY_MIN_OF(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))
#define BINARY_MAX_OF(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define BINARY_PRELU_OF(a, b) ((a) < 0 ? (a) * (b) : (a))

#endif
