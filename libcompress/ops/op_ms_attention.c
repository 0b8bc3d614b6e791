/*
 * com.microsoft Attention: projection to queries, keys and values, scaled dot products over heads.
 * Inputs input [B,S,H], weights, bias, mask_index, past, attention_bias. Read as plain nodes; the
 * forms with past keys are refused. Vaswani et al. 2017, arXiv:1706.03762.
 */
#include "ops/compose.h"

#include <math.h>

/* Sizes of queries, keys and values along the last axis of the projection. */
static void hidden_sizes(struct dsc_compose *c, int64_t size[3])
{
    const struct dsc_type *w = &c->g->values[c->n->in[1]].type;
    const int64_t *given, n_heads = dsc_node_int(c->n, "num_heads", 0);
    const int n_given = dsc_node_ints(c->n, "qkv_hidden_sizes", &given);

    for (int i = 0; i < 3; i++)
        size[i] = n_given == 3 ? given[i] : w->rank == 2 && w->dim[1] > 0 ? w->dim[1] / 3 : 0;
    for (int i = 0; i < 3; i++)
        if (n_heads < 1 || size[i] < n_heads || size[i] % n_heads != 0)
            dsc_compose_fail(c, "sizes that num_heads does not divide");
}

/* [B,S,N*D] to [B,N,S,D], or to [B,N,D,S] for keys. */
static int heads(struct dsc_compose *c, int x, bool is_key)
{
    const int64_t shape[4] = {0, 0, dsc_node_int(c->n, "num_heads", 1), -1};
    const int split = dsc_compose(c, "Reshape", x, dsc_compose_list(c, shape, 4));
    const int y = dsc_compose(c, "Transpose", split, DSC_NO_VALUE);

    dsc_compose_ints(c, "perm", is_key ? (int64_t[]){0, 2, 3, 1} : (int64_t[]){0, 2, 1, 3}, 4);
    return y;
}

static int unsqueeze(struct dsc_compose *c, int x, const int64_t *axes, int n_axes)
{
    return dsc_compose(c, "Unsqueeze", x, dsc_compose_list(c, axes, n_axes));
}

/* 0, 1, .. S - 1 */
static int token_numbers(struct dsc_compose *c)
{
    const int shape = dsc_compose(c, "Shape", c->n->in[0], DSC_NO_VALUE);
    const int n = dsc_compose(c, "Gather", shape, dsc_compose_scalar(c, DSC_I64, 1));

    return dsc_compose_of(
        c, "Range", 3,
        (int[]){dsc_compose_scalar(c, DSC_I64, 0), n, dsc_compose_scalar(c, DSC_I64, 1)});
}

/* scores + (allowed ? 0 : filter) */
static int mask_out(struct dsc_compose *c, int scores, int allowed, enum dsc_dtype dtype)
{
    const double filter = (double)dsc_node_float(c->n, "mask_filter_value", -10000.0f);
    const int zero = dsc_compose_scalar(c, dtype, 0);
    const int low = dsc_compose_scalar(c, dtype, filter);

    return dsc_compose(c, "Add", scores,
                       dsc_compose_of(c, "Where", 3, (int[]){allowed, zero, low}));
}

/* What mask_index allows, to be broadcast to [B,N,S,T]: lengths [B], or 0/1 of rank 2 or 3. */
static int allowed_by(struct dsc_compose *c, int mask)
{
    const struct dsc_type *x = &c->g->values[c->n->in[0]].type;
    const struct dsc_type type = c->g->values[mask].type;
    int allowed;

    if (type.rank == 1) {
        if (x->rank == 3 && x->dim[0] >= 0 && type.dim[0] >= 0 && x->dim[0] != type.dim[0])
            dsc_compose_fail(c, "a mask_index of begin and end positions");
        allowed = dsc_compose(c, "Cast", mask, DSC_NO_VALUE);
        dsc_compose_int(c, "to", dsc_dtype_onnx(DSC_I64));
        allowed =
            dsc_compose(c, "Less", token_numbers(c), unsqueeze(c, allowed, (int64_t[]){1}, 1));
        return unsqueeze(c, allowed, (int64_t[]){1, 2}, 2);
    }
    if (type.rank != 2 && type.rank != 3)
        dsc_compose_fail(c, "a mask_index of that rank");
    allowed = dsc_compose(c, "Cast", mask, DSC_NO_VALUE);
    dsc_compose_int(c, "to", dsc_dtype_onnx(DSC_BOOL));
    return unsqueeze(c, allowed, (int64_t[]){1, 2}, type.rank == 2 ? 2 : 1);
}

static int masked_scores(struct dsc_compose *c, int scores, enum dsc_dtype dtype)
{
    const int mask = dsc_compose_in(c, 3), bias = dsc_compose_in(c, 5);

    if (mask != DSC_NO_VALUE)
        scores = mask_out(c, scores, allowed_by(c, mask), dtype);
    if (dsc_node_int(c->n, "unidirectional", 0)) {
        const int at = token_numbers(c);

        scores =
            mask_out(c, scores,
                     dsc_compose(c, "LessOrEqual", at, unsqueeze(c, at, (int64_t[]){1}, 1)), dtype);
    }
    return bias == DSC_NO_VALUE ? scores : dsc_compose(c, "Add", scores, bias);
}

static int slice_last(struct dsc_compose *c, int x, int64_t first, int64_t n)
{
    return dsc_compose_of(c, "Slice", 4,
                          (int[]){x, dsc_compose_list(c, &first, 1),
                                  dsc_compose_list(c, (int64_t[]){first + n}, 1),
                                  dsc_compose_list(c, (int64_t[]){-1}, 1)});
}

static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    struct dsc_compose c = {.g = g, .n = n, .err = err};
    const enum dsc_dtype dtype = g->values[n->in[1]].type.dtype;
    int64_t size[3];
    int x, q, k, v, scores;

    if (dsc_compose_in(&c, 4) != DSC_NO_VALUE || (n->n_out > 1 && n->out[1] != DSC_NO_VALUE))
        dsc_compose_fail(&c, "past or present keys");
    if (dsc_node_int(n, "do_rotary", 0))
        dsc_compose_fail(&c, "rotary positions");
    if (!dsc_dtype_is_float(dtype))
        dsc_compose_fail(&c, "weights of unknown type");
    hidden_sizes(&c, size);
    if (c.st != DSC_OK)
        return c.st;
    x = dsc_compose(&c, "MatMul", n->in[0], n->in[1]);
    if (dsc_compose_in(&c, 2) != DSC_NO_VALUE)
        x = dsc_compose(&c, "Add", x, n->in[2]);
    q = heads(&c, slice_last(&c, x, 0, size[0]), false);
    k = heads(&c, slice_last(&c, x, size[0], size[1]), true);
    v = heads(&c, slice_last(&c, x, size[0] + size[1], size[2]), false);
    scores = dsc_compose(&c, "MatMul", q, k);
    const double head = (double)(size[0] / dsc_node_int(n, "num_heads", 1));
    const float scale = dsc_node_float(n, "scale", 0);

    scores =
        dsc_compose(&c, "Mul", scores,
                    dsc_compose_scalar(&c, dtype, scale != 0 ? (double)scale : 1 / sqrt(head)));
    scores = dsc_compose(&c, "Softmax", masked_scores(&c, scores, dtype), DSC_NO_VALUE);
    dsc_compose_int(&c, "axis", -1);
    x = dsc_compose(&c, "Transpose", dsc_compose(&c, "MatMul", scores, v), DSC_NO_VALUE);
    dsc_compose_ints(&c, "perm", (int64_t[]){0, 2, 1, 3}, 4);
    dsc_compose(&c, "Reshape", x, dsc_compose_list(&c, (int64_t[]){0, 0, -1}, 3));
    dsc_compose_out(&c, 0);
    return dsc_compose_end(&c);
}

const struct dsc_op dsc_op_ms_attention = {
    .onnx = "Attention",
    .domain = "com.microsoft",
    .n_in = 2,
    .n_in_optional = 5,
    .n_out = 1,
    .n_out_optional = 1,
    .since = 1,
    .upgrade = upgrade,
    .infer = dsc_infer_rewritten,
};
