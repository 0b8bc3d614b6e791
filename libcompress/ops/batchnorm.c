/* BatchNormalization by the statistics of the batch: rows of one channel each, normalised. */
#include "ops/batchnorm.h"

#include "ops/elementwise.h"

/* Between [N, C, ..] and [C, N, ..]. */
static enum dsc_status turn(struct dsc_exec *x, const struct dsc_tensor *v,
                            const struct dsc_tensor *turned, bool back, bool adds,
                            struct dsc_err *err)
{
    const struct dsc_tensor *from = back ? turned : v, *to = back ? v : turned;
    const struct dsc_axis_view a = dsc_axis_view(v, 1);
    const int64_t dim[3] = {a.outer, a.n, a.inner};
    const struct dsc_walk plain = {.stride = {a.n * a.inner, a.inner, 1}};
    const struct dsc_walk other = {.stride = {a.inner, a.outer * a.inner, 1}};
    const struct dsc_walk *yw = back ? &plain : &other, *xw = back ? &other : &plain;

    return adds ? dsc_add_copy(x->dev, 3, dim, to, yw, from, xw, err)
                : dsc_copy(x->dev, 3, dim, to, yw, from, xw, err);
}

static struct dsc_norm_spec spec_of(const struct dsc_node *n, const struct dsc_tensor *v)
{
    return (struct dsc_norm_spec){.n_rows = v->dim[1],
                                  .n = dsc_tensor_n_elems(v) / v->dim[1],
                                  .n_channels = v->dim[1],
                                  .epsilon = (double)dsc_node_float(n, "epsilon", 1e-5f)};
}

/* y = momentum * running + (1 - momentum) * now */
static enum dsc_status move(struct dsc_exec *x, const struct dsc_node *n,
                            const struct dsc_tensor *y, const struct dsc_tensor *running,
                            const struct dsc_tensor *now, struct dsc_err *err)
{
    const double momentum = (double)dsc_node_float(n, "momentum", 0.9f);

    DSC_TRY(dsc_map(x->dev, DSC_MAP_affine, (struct dsc_map_param){momentum, 0}, y, running, err));
    return dsc_axpy(x->dev, 1 - momentum, y, now, err);
}

/* var = 1 / inv^2 - epsilon */
static enum dsc_status variance(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_tensor *inv, struct dsc_tensor **var,
                                struct dsc_err *err)
{
    const struct dsc_map_param p = {1, -(double)dsc_node_float(n, "epsilon", 1e-5f)};
    struct dsc_tensor *root, *square;

    DSC_TRY(dsc_exec_temp(x, inv->dtype, 1, inv->dim, &root, err));
    DSC_TRY(dsc_exec_temp(x, inv->dtype, 1, inv->dim, &square, err));
    DSC_TRY(dsc_exec_temp(x, inv->dtype, 1, inv->dim, var, err));
    DSC_TRY(dsc_map(x->dev, DSC_MAP_reciprocal, (struct dsc_map_param){0}, root, inv, err));
    DSC_TRY(dsc_binary(x->dev, DSC_BINARY_mul, square, root, root, err));
    return dsc_map(x->dev, DSC_MAP_affine, p, *var, square, err);
}

enum dsc_status dsc_batchnorm_forward(struct dsc_exec *x, const struct dsc_node *n,
                                      const struct dsc_tensor *const *in, struct dsc_tensor **out,
                                      struct dsc_err *err)
{
    const struct dsc_norm_spec s = spec_of(n, in[0]);
    struct dsc_tensor *turned, *y, *mean, *inv, *var;

    DSC_TRY(dsc_exec_temp(x, in[0]->dtype, in[0]->rank, in[0]->dim, &turned, err));
    DSC_TRY(dsc_exec_temp(x, in[0]->dtype, in[0]->rank, in[0]->dim, &y, err));
    DSC_TRY(dsc_exec_temp(x, in[0]->dtype, 1, &s.n_rows, &mean, err));
    DSC_TRY(dsc_exec_temp(x, in[0]->dtype, 1, &s.n_rows, &inv, err));
    DSC_TRY(turn(x, in[0], turned, false, false, err));
    DSC_TRY(dsc_norm(x->dev, &s, y, mean, inv, turned, in[IN_SCALE], in[IN_BIAS], err));
    DSC_TRY(turn(x, out[0], y, true, false, err));
    if (n->n_out > 1 && out[1])
        DSC_TRY(move(x, n, out[1], in[IN_MEAN], mean, err));
    if (n->n_out <= 2 || !out[2])
        return DSC_OK;
    DSC_TRY(variance(x, n, inv, &var, err));
    return move(x, n, out[2], in[IN_VAR], var, err);
}

enum dsc_status dsc_batchnorm_backward(struct dsc_exec *x, const struct dsc_node *n,
                                       const struct dsc_tensor *const *in,
                                       const struct dsc_tensor *dy, struct dsc_tensor **din,
                                       struct dsc_err *err)
{
    const struct dsc_norm_spec s = spec_of(n, in[0]);
    struct dsc_tensor *turned, *dturned, *dv = NULL;
    struct dsc_norm_grads g = {.dgain = din[IN_SCALE], .dbias = din[IN_BIAS]};

    DSC_TRY(dsc_exec_temp(x, in[0]->dtype, in[0]->rank, in[0]->dim, &turned, err));
    DSC_TRY(dsc_exec_temp(x, in[0]->dtype, in[0]->rank, in[0]->dim, &dturned, err));
    DSC_TRY(turn(x, in[0], turned, false, false, err));
    DSC_TRY(turn(x, dy, dturned, false, false, err));
    if (din[0])
        DSC_TRY(dsc_zeros_temp(x, in[0]->dtype, in[0]->rank, in[0]->dim, &dv, err));
    g.dx = dv;
    g.dy = dturned;
    DSC_TRY(dsc_norm_bwd(x->dev, &s, &g, turned, in[IN_SCALE], err));
    return din[0] ? turn(x, din[0], dv, true, true, err) : DSC_OK;
}
