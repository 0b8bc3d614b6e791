/* Shapes of the pools; the global ones whole. */
#include "ops/pooling.h"

#include "ops/reduction.h"

static enum dsc_status check_rank(const struct dsc_infer *q, struct dsc_err *err)
{
    if (q->in[0].rank >= 0 && q->in[0].rank < 3)
        return dsc_fail(err, DSC_E_SHAPE, "an image of rank %d, less than 3", q->in[0].rank);
    return DSC_OK;
}

enum dsc_status dsc_pooling_infer(struct dsc_infer *q, struct dsc_err *err)
{
    struct dsc_type *y = &q->out[0];
    struct dsc_pool_spec s;

    DSC_TRY(check_rank(q, err));
    y->dtype = q->in[0].dtype;
    if (q->in[0].rank >= 0) {
        DSC_TRY(dsc_pooling_spec(&s, q->node, q->in[0].rank, q->in[0].dim, err));
        *y = q->in[0];
        for (int i = 0; i < s.win.rank; i++)
            y->dim[i + 2] = s.win.out[i];
    }
    if (q->n_out > 1) {
        q->out[1] = *y;
        q->out[1].dtype = DSC_I64;
    }
    return DSC_OK;
}

enum dsc_status dsc_pooling_spec(struct dsc_pool_spec *s, const struct dsc_node *n, int rank,
                                 const int64_t *x_dim, struct dsc_err *err)
{
    int64_t kernel[DSC_MAX_RANK];

    const int64_t p = dsc_node_int(n, "p", 2);

    if (n->op->fn == DSC_POOL_LP && p < 1)
        return dsc_fail(err, DSC_E_RANGE, "p is %lld, less than 1", (long long)p);
    DSC_TRY(dsc_window_kernel(n, rank - 2, kernel, err));
    *s = (struct dsc_pool_spec){.fn = (enum dsc_pool_fn)n->op->fn,
                                .n_channels = x_dim[0] * x_dim[1],
                                .p = (double)p,
                                .counts_padding = dsc_node_int(n, "count_include_pad", 0) != 0,
                                .is_column_major = dsc_node_int(n, "storage_order", 0) != 0};
    return dsc_window_read(&s->win, n, rank - 2, kernel, x_dim + 2, err);
}

int64_t dsc_pooling_flops(const struct dsc_infer *q)
{
    int64_t n = 1;
    const int64_t *kernel;
    const int rank = dsc_node_ints(q->node, "kernel_shape", &kernel);

    if (!dsc_type_is_known(&q->out[0]))
        return -1;
    for (int i = 0; i < q->out[0].rank; i++)
        n *= q->out[0].dim[i];
    for (int i = 0; i < rank; i++)
        n *= kernel[i];
    return n;
}

/* ---- global ---- */

enum dsc_status dsc_global_pool_infer(struct dsc_infer *q, struct dsc_err *err)
{
    DSC_TRY(check_rank(q, err));
    q->out[0] = q->in[0];
    for (int i = 2; i < q->out[0].rank; i++)
        q->out[0].dim[i] = 1;
    return DSC_OK;
}

static uint32_t spatial_axes(int rank)
{
    return (1u << rank) - 1 - 3;
}

enum dsc_status dsc_global_pool_forward(DSC_FORWARD_PARAMS)
{
    return dsc_reduce(x->dev, (enum dsc_reduce_fn)n->op->fn, spatial_axes(in[0]->rank), out[0],
                      in[0], err);
}

enum dsc_status dsc_global_pool_backward(DSC_BACKWARD_PARAMS)
{
    return dsc_reduce_bwd(x->dev, (enum dsc_reduce_fn)n->op->fn,
                          spatial_axes(saved->in_type[0].rank), din[0], dout[0], saved->in[0],
                          saved->out[0], err);
}
