/* Reshape: the same elements under another shape. ONNX Reshape-21 (0 copies, -1 is the rest). */
#include "dsc/checked.h"
#include "dsc/op.h"

#include <inttypes.h>

/* n *= dim; an unknown factor makes n unknown (-1). */
static enum dsc_status multiply(int64_t *n, int64_t dim, struct dsc_err *err)
{
    if (dim < 0 || *n < 0)
        *n = -1;
    else if (!dsc_mul_i64(*n, dim, n))
        return dsc_fail(err, DSC_E_OVERFLOW, "the number of elements does not fit");
    return DSC_OK;
}

/* Fill in -1 once the rest is known. */
static enum dsc_status solve_rest(const struct dsc_type *in, struct dsc_type *out, int rest,
                                  struct dsc_err *err)
{
    int64_t n = 1, n_known = 1;

    for (int i = 0; i < in->rank; i++)
        DSC_TRY(multiply(&n, in->dim[i], err));
    for (int i = 0; i < out->rank; i++)
        if (i != rest)
            DSC_TRY(multiply(&n_known, out->dim[i], err));
    if (in->rank < 0 || n < 0 || n_known < 0)
        return DSC_OK;
    if (rest < 0 ? n != n_known : n_known == 0 ? n != 0 : n % n_known != 0)
        return dsc_fail(err, DSC_E_SHAPE, "%" PRId64 " elements do not fill the new shape", n);
    if (rest >= 0)
        out->dim[rest] = n_known ? n / n_known : 0;
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *in = &q->in[0];
    const struct dsc_tensor *shape = q->value[1];
    struct dsc_type *out = &q->out[0];
    int rest = -1;

    out->dtype = in->dtype;
    if (!shape) {
        if (q->in[1].rank == 1 && q->in[1].dim[0] >= 0 && q->in[1].dim[0] <= DSC_MAX_RANK) {
            out->rank = (int)q->in[1].dim[0];
            for (int i = 0; i < out->rank; i++)
                out->dim[i] = DSC_DIM_UNKNOWN;
        }
        return DSC_OK;
    }
    if (shape->rank != 1 || shape->dim[0] > DSC_MAX_RANK)
        return dsc_fail(err, DSC_E_SHAPE, "the shape input must be 1-D of at most %d sizes",
                        DSC_MAX_RANK);
    out->rank = (int)shape->dim[0];
    for (int i = 0; i < out->rank; i++) {
        const int64_t d = dsc_tensor_get_i64(shape, i);

        if (d < -1 || (d == -1 && rest >= 0))
            return dsc_fail(err, DSC_E_SHAPE, "size %" PRId64 " at axis %d of the new shape", d, i);
        if (d == 0 && !dsc_node_int(q->node, "allowzero", 0)) {
            if (in->rank >= 0 && i >= in->rank)
                return dsc_fail(err, DSC_E_SHAPE, "size 0 copies axis %d of a rank %d tensor", i,
                                in->rank);
            out->dim[i] = in->rank < 0 ? DSC_DIM_UNKNOWN : in->dim[i];
        } else {
            out->dim[i] = d == -1 ? DSC_DIM_UNKNOWN : d;
            rest = d == -1 ? i : rest;
        }
    }
    return solve_rest(in, out, rest, err);
}

static int64_t min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    return dsc_node_int(n, "allowzero", 0) ? 14 : 5;
}

const struct dsc_op dsc_op_reshape = {
    .onnx = "Reshape",
    .n_in = 2,
    .n_out = 1,
    .since = 5,
    .host_in = DSC_IN(1),
    .is_view = true,
    .quant = DSC_QUANT_PASS,
    .prune = DSC_PRUNE_RESHAPE,
    .infer = infer,
    .min_opset = min_opset,
};
