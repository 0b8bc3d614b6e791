/* Shapes and sizes of Conv and ConvTranspose. */
#include "ops/conv.h"

#include "dsc/checked.h"
#include "ops/axis.h"

#include <inttypes.h>

static enum dsc_status check_ranks(const struct dsc_infer *q, int *rank, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[DSC_CONV_X], *w = &q->in[DSC_CONV_W];

    *rank = x->rank >= 0 ? x->rank : w->rank;
    if (*rank >= 0 && *rank < 3)
        return dsc_fail(err, DSC_E_SHAPE, "an image of rank %d, less than 3", *rank);
    if (x->rank >= 0 && w->rank >= 0 && x->rank != w->rank)
        return dsc_fail(err, DSC_E_SHAPE, "an image of rank %d, a kernel of rank %d", x->rank,
                        w->rank);
    return DSC_OK;
}

/* Both sizes known, and not the same. */
static bool differ(int64_t a, int64_t b)
{
    return a >= 0 && b >= 0 && a != b;
}

/* Channels of x, w and the bias; *n_out: of the result, or unknown. */
static enum dsc_status check_channels(const struct dsc_infer *q, bool is_transposed, int64_t *n_out,
                                      struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[DSC_CONV_X], *w = &q->in[DSC_CONV_W];
    const int64_t n_groups = dsc_node_int(q->node, "group", 1);
    const int64_t first = w->rank > 1 ? w->dim[0] : -1, second = w->rank > 1 ? w->dim[1] : -1;
    const int64_t n_in = x->rank > 1 ? x->dim[1] : -1;
    int64_t joined = -1; /* the second axis of all groups */

    if (n_groups < 1 || n_groups > DSC_WINDOW_MAX)
        return dsc_fail(err, DSC_E_RANGE, "%" PRId64 " groups", n_groups);
    if (second >= 0 && !dsc_mul_i64(second, n_groups, &joined))
        return dsc_fail(err, DSC_E_OVERFLOW, "%" PRId64 " channels in each of %" PRId64 " groups",
                        second, n_groups);
    if (first >= 0 && first % n_groups)
        return dsc_fail(err, DSC_E_SHAPE, "%" PRId64 " filters in %" PRId64 " groups", first,
                        n_groups);
    if (differ(n_in, is_transposed ? first : joined))
        return dsc_fail(err, DSC_E_SHAPE, "%" PRId64 " channels, the kernel is for %" PRId64, n_in,
                        is_transposed ? first : joined);
    *n_out = is_transposed ? joined : first;
    if (q->n_in > DSC_CONV_BIAS && q->in[DSC_CONV_BIAS].dtype) {
        const struct dsc_type *b = &q->in[DSC_CONV_BIAS];

        if (b->rank >= 0 && (b->rank != 1 || differ(b->dim[0], *n_out)))
            return dsc_fail(err, DSC_E_SHAPE, "the bias is not one value per filter");
    }
    return DSC_OK;
}

static enum dsc_status kernel_of(const struct dsc_infer *q, int rank, int64_t *kernel,
                                 struct dsc_err *err)
{
    const struct dsc_type *w = &q->in[DSC_CONV_W];
    int64_t said[DSC_MAX_RANK];
    const int64_t *list;
    const bool is_said = dsc_node_ints(q->node, "kernel_shape", &list) >= 0;

    if (is_said)
        DSC_TRY(dsc_window_kernel(q->node, rank, said, err));
    for (int i = 0; i < rank; i++) {
        kernel[i] = w->rank >= 0 ? w->dim[i + 2] : DSC_DIM_UNKNOWN;
        if (is_said && differ(kernel[i], said[i]))
            return dsc_fail(err, DSC_E_SHAPE, "kernel_shape is %" PRId64 " where it is %" PRId64,
                            said[i], kernel[i]);
        if (is_said && kernel[i] < 0)
            kernel[i] = said[i];
    }
    return DSC_OK;
}

enum dsc_status dsc_conv_infer(struct dsc_infer *q, bool is_transposed, struct dsc_err *err)
{
    const struct dsc_type *x = &q->in[DSC_CONV_X];
    struct dsc_type *y = &q->out[0];
    int64_t kernel[DSC_MAX_RANK], size[DSC_MAX_RANK], n_out = DSC_DIM_UNKNOWN;
    struct dsc_window w;
    int rank;

    DSC_TRY(dsc_same_dtype(q, DSC_ALL_IN, err));
    y->dtype = x->dtype;
    DSC_TRY(check_ranks(q, &rank, err));
    DSC_TRY(check_channels(q, is_transposed, &n_out, err));
    if (rank < 0)
        return DSC_OK;
    DSC_TRY(kernel_of(q, rank - 2, kernel, err));
    for (int i = 0; i < rank - 2; i++)
        size[i] = x->rank >= 0 ? x->dim[i + 2] : DSC_DIM_UNKNOWN;
    DSC_TRY(is_transposed ? dsc_window_read_transposed(&w, q->node, rank - 2, kernel, size, err)
                          : dsc_window_read(&w, q->node, rank - 2, kernel, size, err));
    y->rank = rank;
    y->dim[0] = x->rank >= 0 ? x->dim[0] : DSC_DIM_UNKNOWN;
    y->dim[1] = n_out;
    for (int i = 0; i < rank - 2; i++)
        y->dim[i + 2] = is_transposed ? w.in[i] : w.out[i];
    return DSC_OK;
}

int64_t dsc_conv_flops(const struct dsc_infer *q, bool is_transposed)
{
    const struct dsc_type *narrow = is_transposed ? &q->in[DSC_CONV_X] : &q->out[0];
    const struct dsc_type *w = &q->in[DSC_CONV_W];
    int64_t n = 2;

    if (!dsc_type_is_known(narrow) || !dsc_type_is_known(w))
        return -1;
    for (int i = 0; i < narrow->rank; i++)
        n *= narrow->dim[i];
    for (int i = 1; i < w->rank; i++)
        n *= w->dim[i];
    return n;
}

enum dsc_status dsc_conv_spec_of(struct dsc_conv_spec *s, const struct dsc_node *n,
                                 const int64_t *x_dim, const int64_t *w_dim, int rank,
                                 bool is_transposed, struct dsc_err *err)
{
    *s = (struct dsc_conv_spec){.n_images = x_dim[0], .n_groups = dsc_node_int(n, "group", 1)};
    s->c = w_dim[1];
    s->m = w_dim[0] / s->n_groups;
    return is_transposed
               ? dsc_window_read_transposed(&s->win, n, rank - 2, w_dim + 2, x_dim + 2, err)
               : dsc_window_read(&s->win, n, rank - 2, w_dim + 2, x_dim + 2, err);
}

enum dsc_status dsc_conv_scratch(struct dsc_exec *x, const struct dsc_conv_spec *s,
                                 enum dsc_dtype dtype, struct dsc_tensor **t, struct dsc_err *err)
{
    int64_t n_at_once, n = (int64_t)DSC_CONV_TASKS * DSC_CONV_TASK_ELEMS;

    if (dtype == DSC_F64)
        return dsc_exec_temp(x, DSC_F64, 1, &n, t, err);
    n += s ? dsc_conv_grid_elems(s, &n_at_once) : 0;
    return dsc_exec_temp(x, DSC_F32, 1, &n, t, err);
}

enum dsc_status dsc_conv_bias_back(struct dsc_exec *x, const struct dsc_tensor *dbias,
                                   const struct dsc_tensor *dy, struct dsc_err *err)
{
    const struct dsc_tensor view = dsc_channel_view(dy, dbias);

    return dsc_binary_bwd(x->dev, DSC_BINARY_add, 1, &view, dy, NULL, NULL, err);
}
