/* Shapes of scales: per tensor, per axis, per block. */
#include "ops/quantizelinear.h"

#include <inttypes.h>

static bool is_one(const struct dsc_type *t)
{
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] != 1)
            return false;
    return t->rank == 0 || t->rank == 1;
}

static enum dsc_status check_blocks(const struct dsc_node *n, const struct dsc_type *x, int axis,
                                    const struct dsc_type *scale, struct dsc_err *err)
{
    const int64_t block = dsc_node_int(n, "block_size", 0);

    if (scale->rank != x->rank)
        return dsc_fail(err, DSC_E_SHAPE, "a scale of rank %d for blocks of a tensor of rank %d",
                        scale->rank, x->rank);
    for (int i = 0; i < x->rank; i++) {
        int64_t want = x->dim[i];

        if (want < 0 || scale->dim[i] < 0)
            continue;
        if (i == axis)
            want = want / block + (want % block != 0);
        if (scale->dim[i] != want)
            return dsc_fail(err, DSC_E_SHAPE,
                            "axis %d of the scale is %" PRId64 ", blocks of %" PRId64
                            " need %" PRId64,
                            i, scale->dim[i], block, want);
    }
    return DSC_OK;
}

enum dsc_status dsc_scale_check(const struct dsc_node *n, const struct dsc_type *x,
                                const struct dsc_type *scale, const struct dsc_type *zero,
                                struct dsc_err *err)
{
    const int64_t block = dsc_node_int(n, "block_size", 0);
    int axis = 0;

    if (block < 0)
        return dsc_fail(err, DSC_E_RANGE, "block_size %" PRId64, block);
    /* a scale [] with a zero point [1] means the same, and ONNX's own cases have it */
    if (zero && zero->rank >= 0 && scale->rank >= 0 && !(is_one(scale) && is_one(zero))) {
        if (zero->rank != scale->rank)
            return dsc_fail(err, DSC_E_SHAPE, "scale and zero point have ranks %d and %d",
                            scale->rank, zero->rank);
        for (int i = 0; i < zero->rank; i++)
            if (zero->dim[i] >= 0 && scale->dim[i] >= 0 && zero->dim[i] != scale->dim[i])
                return dsc_fail(err, DSC_E_SHAPE, "scale and zero point differ at axis %d", i);
    }
    if (scale->rank < 0 || x->rank < 0 || (block == 0 && is_one(scale)))
        return DSC_OK;
    DSC_TRY(dsc_axis_check(dsc_node_int(n, "axis", 1), x->rank, &axis, err));
    if (block > 0)
        return check_blocks(n, x, axis, scale, err);
    if (scale->rank != 1)
        return dsc_fail(err, DSC_E_SHAPE, "a scale of rank %d without block_size", scale->rank);
    if (x->dim[axis] >= 0 && scale->dim[0] >= 0 && scale->dim[0] != x->dim[axis])
        return dsc_fail(err, DSC_E_SHAPE, "%" PRId64 " scales for axis %d of size %" PRId64,
                        scale->dim[0], axis, x->dim[axis]);
    return DSC_OK;
}

struct dsc_scale_map dsc_scale_map(const struct dsc_node *n, const struct dsc_tensor *x,
                                   const struct dsc_tensor *scale)
{
    const int64_t block = dsc_node_int(n, "block_size", 0);
    const int64_t axis = dsc_node_int(n, "axis", 1);
    struct dsc_scale_map m = {.outer = 1, .n = 1, .inner = dsc_tensor_n_elems(x), .block = 1};
    struct dsc_axis_view v;

    if (dsc_tensor_n_elems(scale) == 1)
        return m;
    v = dsc_axis_view(x, (int)(axis < 0 ? axis + x->rank : axis));
    m = (struct dsc_scale_map){.outer = v.outer, .n = v.n, .inner = v.inner, .block = 1, .sn = 1};
    if (block > 0 && v.inner == 1 && v.n % block == 0) { /* runs of one scale */
        m.inner = block;
        m.n = m.so = v.n / block;
    } else if (block > 0) {
        m.block = block;
        m.si = 1;
        m.sn = v.inner;
        m.so = (v.n / block + (v.n % block != 0)) * v.inner;
    }
    return m;
}

int64_t dsc_quantize_min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    const int code = n->op->fn ? n->in[0] : n->out[0]; /* fn: 1 where the codes come in */
    const int bits = code == DSC_NO_VALUE ? 8 : dsc_dtype_bits(g->values[code].type.dtype);
    const struct dsc_type *scale = &g->values[n->in[1]].type;

    if (dsc_node_int(n, "block_size", 0) || dsc_node_int(n, "output_dtype", 0) || bits == 4 ||
        bits == 16)
        return 21;
    return scale->rank == 1 ? 13 : n->op->since;
}
