/* The table of isa.h out of the bodies' functions, for isa_*.c alone. */
#include "kernels/isa.h"

#include "kernels/simd.h"

#include "kernels/body_gemm.h"

#include "kernels/body_columns.h"
#include "kernels/body_lanes.h"
#include "kernels/body_norm.h"
#include "kernels/body_planes.h"
#include "kernels/body_post.h"
#include "kernels/body_qcolumns.h"
#include "kernels/body_qgemm.h"
#include "kernels/body_quant.h"
#include "kernels/body_taps.h"
#include "kernels/body_widen.h"
#include "kernels/body_xnor.h"

#include "kernels/body_binary.h"
#include "kernels/body_unary.h"

#if defined(SIMD_AVX2) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define ISA_FUSED true
#else
#define ISA_FUSED false
#endif

#define ISA_TABLE(text)                                                     \
    {                                                                       \
        .name = (text), .width = SIMD_WIDTH, .fused = ISA_FUSED,            \
        .gemm_left = gemm_left_block, .gemm_right = gemm_right_block,       \
        .gemm_deal = gemm_deal, .gemm_widen = gemm_widen,                   \
        .columns_fill = columns_fill, .columns_lines = columns_lines,       \
        .taps_run = taps_run, .qgemm_left = qgemm_left,                     \
        .qcolumns_fill = qcolumns_fill, .qturned_fill = qturned_fill,       \
        .quant = QUANT_LOOPS, .norm = NORM_LOOPS, .planes = PLANES_LOOPS,   \
        .lanes = LANES_LOOPS, .between_back = between_back,                 \
        .post_scale = post_scale, .post_finish = post_finish,               \
        .xnor_dots = xnor_dots, .unary = unary_runs, .binary = binary_rows, \
    }
