/* Forward and backward of element-wise operators: unary, binary, variadic. */
#include "ops/elementwise.h"

static struct dsc_map_param param_of(const struct dsc_node *n)
{
    return (struct dsc_map_param){.alpha = dsc_node_float(n, "alpha", n->op->alpha),
                                  .beta = dsc_node_float(n, "beta", n->op->beta)};
}

enum dsc_status dsc_unary_forward(struct dsc_exec *x, const struct dsc_node *n,
                                  const struct dsc_tensor *const *in, struct dsc_tensor **out,
                                  struct dsc_err *err)
{
    return dsc_map(x->dev, (enum dsc_map_fn)n->op->fn, param_of(n), out[0], in[0], err);
}

enum dsc_status dsc_unary_backward(struct dsc_exec *x, const struct dsc_node *n,
                                   const struct dsc_saved *saved,
                                   const struct dsc_tensor *const *dout, struct dsc_tensor **din,
                                   struct dsc_err *err)
{
    return dsc_map_bwd(x->dev, (enum dsc_map_fn)n->op->fn, param_of(n), din[0], dout[0],
                       saved->in[0], saved->out[0], err);
}

enum dsc_status dsc_binary_forward(struct dsc_exec *x, const struct dsc_node *n,
                                   const struct dsc_tensor *const *in, struct dsc_tensor **out,
                                   struct dsc_err *err)
{
    return dsc_binary(x->dev, (enum dsc_binary_fn)n->op->fn, out[0], in[0], in[1], err);
}

enum dsc_status dsc_binary_backward(struct dsc_exec *x, const struct dsc_node *n,
                                    const struct dsc_saved *saved,
                                    const struct dsc_tensor *const *dout, struct dsc_tensor **din,
                                    struct dsc_err *err)
{
    for (int side = 0; side < 2; side++)
        if (din[side])
            DSC_TRY(dsc_binary_bwd(x->dev, (enum dsc_binary_fn)n->op->fn, side, din[side], dout[0],
                                   saved->in[0], saved->in[1], err));
    return DSC_OK;
}

enum dsc_status dsc_scalar_temp(struct dsc_exec *x, enum dsc_dtype dtype, double v,
                                struct dsc_tensor **t, struct dsc_err *err)
{
    int64_t bits = 0;
    struct dsc_tensor host = {.dtype = dtype, .data = &bits};

    dsc_tensor_set_f64(&host, 0, v);
    DSC_TRY(dsc_exec_temp(x, dtype, 0, NULL, t, err));
    return dsc_fill(x->dev, *t, &bits, err);
}

enum dsc_status dsc_zeros_temp(struct dsc_exec *x, enum dsc_dtype dtype, int rank,
                               const int64_t *dim, struct dsc_tensor **t, struct dsc_err *err)
{
    const int64_t zero = 0;

    DSC_TRY(dsc_exec_temp(x, dtype, rank, dim, t, err));
    return dsc_fill(x->dev, *t, &zero, err);
}

/* part[k] = f(x0, .., xk) for k in [1, last]; part[0] is x0. `last_out` takes part[last]. */
static enum dsc_status fold(struct dsc_exec *x, const struct dsc_node *n,
                            const struct dsc_tensor *const *in, int last,
                            struct dsc_tensor *last_out, const struct dsc_tensor **part,
                            struct dsc_err *err)
{
    const struct dsc_tensor *acc = in[0];

    if (part)
        part[0] = in[0];
    for (int k = 1; k <= last; k++) {
        struct dsc_tensor *y = k == last ? last_out : NULL;
        struct dsc_type a, b;

        dsc_type_of_tensor(&a, acc);
        dsc_type_of_tensor(&b, in[k]);
        DSC_TRY(dsc_type_broadcast(&a, &a, &b, err));
        if (!y)
            DSC_TRY(dsc_exec_temp(x, a.dtype, a.rank, a.dim, &y, err));
        DSC_TRY(dsc_binary(x->dev, (enum dsc_binary_fn)n->op->fn, y, acc, in[k], err));
        acc = y;
        if (part)
            part[k] = y;
    }
    return DSC_OK;
}

static enum dsc_status copy_whole(struct dsc_exec *x, const struct dsc_tensor *y,
                                  const struct dsc_tensor *from, struct dsc_err *err)
{
    const int64_t n = dsc_tensor_n_elems(from);
    const struct dsc_walk w = {.stride = {1}};

    return dsc_copy(x->dev, 1, &n, y, &w, from, &w, err);
}

enum dsc_status dsc_variadic_forward(struct dsc_exec *x, const struct dsc_node *n,
                                     const struct dsc_tensor *const *in, struct dsc_tensor **out,
                                     struct dsc_err *err)
{
    if (n->n_in == 1)
        return copy_whole(x, out[0], in[0], err);
    return fold(x, n, in, n->n_in - 1, out[0], NULL, err);
}

enum dsc_status dsc_variadic_backward(struct dsc_exec *x, const struct dsc_node *n,
                                      const struct dsc_saved *saved,
                                      const struct dsc_tensor *const *dout, struct dsc_tensor **din,
                                      struct dsc_err *err)
{
    const enum dsc_binary_fn fn = (enum dsc_binary_fn)n->op->fn;
    const struct dsc_tensor *part[DSC_MAX_SAVED], *g = dout[0];

    if (n->n_in > DSC_MAX_SAVED)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "gradient of %s with more than %d inputs",
                        n->op->onnx, DSC_MAX_SAVED);
    if (n->n_in == 1)
        return dsc_axpy(x->dev, 1, din[0], g, err);
    DSC_TRY(fold(x, n, saved->in, n->n_in - 2, NULL, part, err));
    for (int k = n->n_in - 1; k >= 1; k--) {
        struct dsc_tensor *before = din[0];

        if (din[k])
            DSC_TRY(dsc_binary_bwd(x->dev, fn, 1, din[k], g, part[k - 1], saved->in[k], err));
        if (k > 1)
            DSC_TRY(dsc_zeros_temp(x, g->dtype, part[k - 1]->rank, part[k - 1]->dim, &before, err));
        if (before)
            DSC_TRY(dsc_binary_bwd(x->dev, fn, 0, before, g, part[k - 1], saved->in[k], err));
        g = before;
    }
    return DSC_OK;
}

enum dsc_status dsc_sum_backward(struct dsc_exec *x, const struct dsc_node *n,
                                 const struct dsc_saved *saved,
                                 const struct dsc_tensor *const *dout, struct dsc_tensor **din,
                                 struct dsc_err *err)
{
    for (int k = 0; k < n->n_in; k++)
        if (din[k])
            DSC_TRY(dsc_binary_bwd(x->dev, DSC_BINARY_add, 0, din[k], dout[0], NULL, NULL, err));
    return DSC_OK;
}

enum dsc_status dsc_mean_forward(struct dsc_exec *x, const struct dsc_node *n,
                                 const struct dsc_tensor *const *in, struct dsc_tensor **out,
                                 struct dsc_err *err)
{
    struct dsc_tensor *sum, *count;

    if (n->n_in == 1)
        return copy_whole(x, out[0], in[0], err);
    DSC_TRY(dsc_exec_temp(x, out[0]->dtype, out[0]->rank, out[0]->dim, &sum, err));
    DSC_TRY(fold(x, n, in, n->n_in - 1, sum, NULL, err));
    DSC_TRY(dsc_scalar_temp(x, sum->dtype, n->n_in, &count, err));
    return dsc_binary(x->dev, DSC_BINARY_div, out[0], sum, count, err);
}

enum dsc_status dsc_mean_backward(struct dsc_exec *x, const struct dsc_node *n,
                                  const struct dsc_saved *saved,
                                  const struct dsc_tensor *const *dout, struct dsc_tensor **din,
                                  struct dsc_err *err)
{
    const struct dsc_tensor *dy = dout[0];
    struct dsc_tensor *part, *count;

    DSC_TRY(dsc_scalar_temp(x, dy->dtype, n->n_in, &count, err));
    DSC_TRY(dsc_exec_temp(x, dy->dtype, dy->rank, dy->dim, &part, err));
    DSC_TRY(dsc_binary(x->dev, DSC_BINARY_div, part, dy, count, err));
    return dsc_sum_backward(x, n, saved, &(const struct dsc_tensor *){part}, din, err);
}
