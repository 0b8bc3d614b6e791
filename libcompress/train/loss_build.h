/* Node building that the losses share. All return value numbers through the last int pointer. */
#ifndef DSC_LOSS_BUILD_H
#define DSC_LOSS_BUILD_H

#include "dsc/train.h"

static inline enum dsc_status dsc_loss_call(struct dsc_graph *g, const char *op, int n_in,
                                            const int *in, int *out, struct dsc_err *err)
{
    return dsc_graph_call(g, "", op, NULL, n_in, in, out, NULL, err);
}

static inline enum dsc_status dsc_loss_const(struct dsc_graph *g, enum dsc_dtype dtype, int rank,
                                             double v, int *out, struct dsc_err *err)
{
    struct dsc_tensor t;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&t, dtype, rank, (int64_t[]){1}, err));
    dsc_tensor_set_f64(&t, 0, v);
    st = dsc_graph_init(g, NULL, &t, out, err);
    dsc_tensor_clear(&t);
    return st;
}

/** A scalar of the float type of value `like` (f32 where that is not known yet). */
static inline enum dsc_status dsc_loss_const_like(struct dsc_graph *g, int like, double v, int *out,
                                                  struct dsc_err *err)
{
    const enum dsc_dtype dtype = g->values[like].type.dtype;

    return dsc_loss_const(g, dtype == DSC_DTYPE_NONE ? DSC_F32 : dtype, 0, v, out, err);
}

/** A list of one integer: axes. */
static inline enum dsc_status dsc_loss_const_i64(struct dsc_graph *g, int64_t v, int *out,
                                                 struct dsc_err *err)
{
    return dsc_loss_const(g, DSC_I64, 1, (double)v, out, err);
}

/** x, its rows weighted where there are weights. */
static inline enum dsc_status dsc_loss_weigh(struct dsc_graph *g, int x,
                                             const struct dsc_loss_args *args, int *out,
                                             struct dsc_err *err)
{
    *out = x;
    return args->row_weights == DSC_NO_VALUE
               ? DSC_OK
               : dsc_loss_call(g, "Mul", 2, (int[]){x, args->row_weights}, out, err);
}

/** An input, named so, for what the loss of the output is measured against. */
enum dsc_status dsc_loss_target(struct dsc_graph *g, int output, const struct dsc_loss *loss,
                                const char *name, int *target, struct dsc_err *err);

/** Mean of all elements, a scalar. */
static inline enum dsc_status dsc_loss_mean(struct dsc_graph *g, int x, int *out,
                                            struct dsc_err *err)
{
    struct dsc_node *n;

    DSC_TRY(dsc_graph_call(g, "", "ReduceMean", NULL, 1, &x, out, &n, err));
    return dsc_node_set_int(g, n, "keepdims", 0, err);
}

/** Elements of x along the last axis, by index. */
static inline enum dsc_status dsc_loss_pick(struct dsc_graph *g, int x, int idx, int *out,
                                            struct dsc_err *err)
{
    struct dsc_node *n;

    DSC_TRY(dsc_graph_call(g, "", "GatherElements", NULL, 2, (int[]){x, idx}, out, &n, err));
    return dsc_node_set_int(g, n, "axis", -1, err);
}

#endif
