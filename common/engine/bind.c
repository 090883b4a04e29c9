#include "engine/bind.h"

#include "engine/bind_rows.h"

static const struct bind *const tables[] = {
    bind_binary_rows,    bind_cast_rows,   bind_conv_rows,    bind_gemm_rows,
    bind_norm_rows,      bind_pool_rows,   bind_compare_rows, bind_index_rows,
    bind_move_rows,      bind_reduce_rows, bind_resize_rows,  bind_unary_rows,
    bind_view_rows,      bind_quant_rows,  bind_qlinear_rows, bind_train_rows,
    bind_conv_grad_rows, bind_lossy_rows,
};

const struct bind *bind_find(enum op_kind kind)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct bind *row = tables[i]; row->prepare != NULL; row++) {
            if (row->kind == kind) {
                return row;
            }
        }
    }
    return NULL;
}
