#include "tests/lib/grad_trial.h"

/* ---- products ----------------------------------------------------------- */

void grad_gemm(struct grad_check *c)
{
    int64_t m = between(c, 1, 7);
    int64_t k = between(c, 1, 20);
    int64_t n = between(c, 1, 18);
    int64_t ta = between(c, 0, 1);
    int64_t tb = between(c, 0, 1);
    int a = grad_leaf(c, GRAD_ANY, -1, DIMS(ta ? k : m, ta ? m : k));
    int b = grad_leaf(c, GRAD_ANY, -1, DIMS(tb ? n : k, tb ? k : n));
    int y;

    if (between(c, 0, 1)) {
        int bias = between(c, 0, 1) ? grad_leaf(c, GRAD_ANY, -1, DIMS(n))
                                    : grad_leaf(c, GRAD_ANY, -1, DIMS(m, 1));

        y = model_op(c->graph, OP_GEMM, "y", IN(a, b, bias));
        model_set_float(c->graph, "beta", 0.5F);
    } else {
        y = model_op(c->graph, OP_GEMM, "y", IN(a, b));
    }
    model_set_int(c->graph, "transA", ta);
    model_set_int(c->graph, "transB", tb);
    model_set_float(c->graph, "alpha", between(c, 0, 1) ? 1.0F : 1.5F);
    done(c, y);
}

void grad_matmul(struct grad_check *c)
{
    int64_t m = between(c, 1, 5);
    int64_t k = between(c, 1, 9);
    int64_t n = between(c, 1, 9);
    int64_t p = between(c, 1, 3);
    int a;
    int b;

    switch (between(c, 0, 5)) {
    case 0:
        a = grad_leaf(c, GRAD_ANY, -1, DIMS(m, k));
        b = grad_leaf(c, GRAD_ANY, -1, DIMS(k, n));
        break;
    case 1:
        a = grad_leaf(c, GRAD_ANY, -1, DIMS(p, m, k));
        b = grad_leaf(c, GRAD_ANY, -1, DIMS(k, n));
        break;
    case 2:
        a = grad_leaf(c, GRAD_ANY, -1, DIMS(2, 1, m, k));
        b = grad_leaf(c, GRAD_ANY, -1, DIMS(p, k, n));
        break;
    case 3:
        a = grad_leaf(c, GRAD_ANY, -1, DIMS(k));
        b = grad_leaf(c, GRAD_ANY, -1, DIMS(p, k, n));
        break;
    case 4:
        a = grad_leaf(c, GRAD_ANY, -1, DIMS(p, m, k));
        b = grad_leaf(c, GRAD_ANY, -1, DIMS(k));
        break;
    default:
        a = grad_leaf(c, GRAD_ANY, -1, DIMS(m, k));
        b = grad_leaf(c, GRAD_ANY, -1, DIMS(p, k, n));
        break;
    }
    done(c, model_op(c->graph, OP_MATMUL, "y", IN(a, b)));
}
