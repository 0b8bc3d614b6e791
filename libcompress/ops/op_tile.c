/* Tile: the tensor repeated along each axis. ONNX Tile-13. */
#include "device/prim.h"
#include "dsc/checked.h"
#include "dsc/op.h"

#include <inttypes.h>

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_tensor *repeats = q->value[1];
    struct dsc_type *out = &q->out[0];

    *out = q->in[0];
    if (out->rank < 0)
        return DSC_OK;
    if (repeats && (repeats->rank != 1 || repeats->dim[0] != out->rank))
        return dsc_fail(err, DSC_E_SHAPE, "%" PRId64 " repeats for %d axes",
                        dsc_tensor_n_elems(repeats), out->rank);
    for (int i = 0; i < out->rank; i++) {
        const int64_t r = repeats ? dsc_tensor_get_i64(repeats, i) : 0;

        if (r < 0)
            return dsc_fail(err, DSC_E_RANGE, "axis %d repeated %" PRId64 " times", i, r);
        if (!repeats || out->dim[i] < 0)
            out->dim[i] = DSC_DIM_UNKNOWN;
        else if (!dsc_mul_i64(out->dim[i], r, &out->dim[i]))
            return dsc_fail(err, DSC_E_OVERFLOW, "axis %d repeated %" PRId64 " times", i, r);
    }
    return DSC_OK;
}

/* [outer, repeats, n * inner] of one axis: the long tensor densely, the short one again and again.
 */
struct step {
    int64_t dim[3];
    struct dsc_walk longer, shorter;
};

static struct step step_of(int rank, const int64_t *short_dim, int axis, int64_t repeats)
{
    struct step s = {.dim = {1, repeats, 1}};

    for (int i = 0; i < rank; i++)
        s.dim[i < axis ? 0 : 2] *= short_dim[i];
    dsc_dense_strides(3, s.dim, s.longer.stride);
    s.shorter.stride[0] = s.dim[2];
    s.shorter.stride[2] = 1;
    return s;
}

/* One axis after another, the last first; the axis that is done last writes the output. */
static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct dsc_tensor *from = in[0];
    int64_t dim[DSC_MAX_RANK];
    int n_left = 0;

    for (int i = 0; i < in[0]->rank; i++) {
        dim[i] = in[0]->dim[i];
        n_left += out[0]->dim[i] != dim[i];
    }
    if (dsc_tensor_n_elems(out[0]) == 0)
        return DSC_OK;
    if (n_left == 0)
        return dsc_cast(x->dev, out[0], in[0], err);
    for (int i = in[0]->rank - 1; i >= 0; i--) {
        const struct step s = step_of(in[0]->rank, dim, i, out[0]->dim[i] / dim[i]);
        struct dsc_tensor *to = out[0];

        if (out[0]->dim[i] == dim[i])
            continue;
        dim[i] = out[0]->dim[i];
        if (--n_left > 0)
            DSC_TRY(dsc_exec_temp(x, in[0]->dtype, in[0]->rank, dim, &to, err));
        DSC_TRY(dsc_copy(x->dev, 3, s.dim, to, &s.longer, from, &s.shorter, err));
        from = to;
    }
    return DSC_OK;
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct dsc_tensor *from = dout[0];
    const double zero = 0;
    int64_t dim[DSC_MAX_RANK];
    int n_left = 0;

    for (int i = 0; i < din[0]->rank; i++) {
        dim[i] = dout[0]->dim[i];
        n_left += din[0]->dim[i] != dim[i];
    }
    if (dsc_tensor_n_elems(dout[0]) == 0)
        return DSC_OK;
    if (n_left == 0)
        return dsc_axpy(x->dev, 1, din[0], dout[0], err);
    for (int i = 0; i < din[0]->rank; i++) {
        const int64_t repeats = dim[i] / din[0]->dim[i];
        struct dsc_tensor *to = din[0];
        struct step s;

        if (repeats == 1)
            continue;
        dim[i] = din[0]->dim[i];
        s = step_of(din[0]->rank, dim, i, repeats);
        if (--n_left > 0) {
            DSC_TRY(dsc_exec_temp(x, din[0]->dtype, din[0]->rank, dim, &to, err));
            DSC_TRY(dsc_fill(x->dev, to, &zero, err));
        }
        DSC_TRY(dsc_add_copy(x->dev, 3, s.dim, to, &s.shorter, from, &s.longer, err));
        from = to;
    }
    return DSC_OK;
}

const struct dsc_op dsc_op_tile = {
    .onnx = "Tile",
    .n_in = 2,
    .n_out = 1,
    .since = 6,
    .host_in = DSC_IN(1),
    .quant = DSC_QUANT_PASS,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
