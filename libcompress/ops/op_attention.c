/*
 * dsc.Attention: softmax(scale q k^T + biases) v for every head, without the matrix of all scores.
 *
 * Inputs: q [B,Lq,H,d], k [B,Lk,H,d], v [B,Lk,H,dv], f32, and up to two biases that broadcast to
 * [B,H,Lq,Lk], added in their order. Attribute scale. Output [B,Lq,H,dv].
 * Made by dsc_pass_fuse_attention for running here; never written.
 */
#include "device/prim.h"
#include "dsc/checked.h"
#include "dsc/op.h"

#include <inttypes.h>

enum { IN_BIAS = 3 };

static bool is_other(int64_t a, int64_t b)
{
    return a >= 0 && b >= 0 && a != b;
}

static enum dsc_status check_bias(const struct dsc_type *bias, const int64_t scores[4],
                                  struct dsc_err *err)
{
    if (bias->rank > 4)
        return dsc_fail(err, DSC_E_SHAPE, "a bias of rank %d", bias->rank);
    for (int i = 0; i < bias->rank; i++)
        if (bias->dim[i] != 1 && is_other(bias->dim[i], scores[4 - bias->rank + i]))
            return dsc_fail(err, DSC_E_SHAPE, "a bias of %" PRId64 " along an axis of %" PRId64,
                            bias->dim[i], scores[4 - bias->rank + i]);
    return DSC_OK;
}

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    const struct dsc_type *a = &q->in[0], *k = &q->in[1], *v = &q->in[2];

    DSC_TRY(dsc_same_dtype(q, DSC_ALL_IN, err));
    q->out[0].dtype = a->dtype;
    if (a->rank < 0 || k->rank < 0 || v->rank < 0)
        return DSC_OK;
    if (a->rank != 4 || k->rank != 4 || v->rank != 4)
        return dsc_fail(err, DSC_E_SHAPE, "q, k, v of ranks %d, %d, %d", a->rank, k->rank, v->rank);
    if (is_other(a->dim[0], k->dim[0]) || is_other(a->dim[0], v->dim[0]) ||
        is_other(a->dim[2], k->dim[2]) || is_other(a->dim[2], v->dim[2]) ||
        is_other(a->dim[3], k->dim[3]) || is_other(k->dim[1], v->dim[1]))
        return dsc_fail(err, DSC_E_SHAPE, "q, k, v do not fit");
    for (int i = IN_BIAS; i < q->n_in; i++)
        if (dsc_node_has_in(q->node, i))
            DSC_TRY(check_bias(&q->in[i], (int64_t[]){a->dim[0], a->dim[2], a->dim[1], k->dim[1]},
                               err));
    q->out[0] = *a;
    q->out[0].dim[3] = v->dim[3];
    return DSC_OK;
}

/* Scratch for all tasks; sizes of inputs that exist, but their product may be too large. */
static enum dsc_status make_scratch(struct dsc_exec *x, const struct dsc_attention_spec *s,
                                    struct dsc_tensor **scratch, struct dsc_err *err)
{
    const int64_t n_items = s->n_batch * s->n_heads * ((s->n_q + 127) / 128);
    const int64_t n_tasks = n_items < DSC_ATTENTION_TASKS ? n_items : DSC_ATTENTION_TASKS;
    const int64_t side = s->d > s->d_v ? s->d : s->d_v;
    int64_t n;

    if (s->n_k > INT32_MAX || side > INT32_MAX - 32)
        return dsc_fail(err, DSC_E_LIMIT, "a matrix side over 2^31 - 1");
    n = dsc_attention_task_elems(s);
    if (n > INT64_MAX / 4 / DSC_ATTENTION_TASKS)
        return dsc_fail(err, DSC_E_LIMIT, "scratch of attention");
    n *= n_tasks;
    return dsc_exec_temp(x, DSC_F32, 1, &n, scratch, err);
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    struct dsc_tensor *scratch;
    struct dsc_attention_spec s = {
        .n_batch = in[0]->dim[0],
        .n_heads = in[0]->dim[2],
        .n_q = in[0]->dim[1],
        .n_k = in[1]->dim[1],
        .d = in[0]->dim[3],
        .d_v = in[2]->dim[3],
        .scale = dsc_node_float(n, "scale", 1),
    };

    for (int i = IN_BIAS; i < n->n_in; i++) {
        if (!dsc_node_has_in(n, i))
            continue;
        s.bias[s.n_biases] = in[i];
        s.bias_walk[s.n_biases++] = dsc_walk_broadcast(in[i], 4);
    }
    if (dsc_tensor_n_elems(out[0]) == 0)
        return DSC_OK;
    DSC_TRY(make_scratch(x, &s, &scratch, err));
    return dsc_attention(x->dev, &s, out[0], in[0], in[1], in[2], scratch, err);
}

static int64_t flops(const struct dsc_infer *q)
{
    const int64_t *a = q->in[0].dim;

    if (!dsc_type_is_known(&q->in[0]) || !dsc_type_is_known(&q->in[1]) ||
        !dsc_type_is_known(&q->in[2]))
        return -1;
    return a[0] * a[1] * a[2] * q->in[1].dim[1] * (2 * a[3] + 2 * q->in[2].dim[3] + 6);
}

const struct dsc_op dsc_op_attention = {
    .onnx = "Attention",
    .domain = "dsc",
    .n_in = 3,
    .n_in_optional = 2,
    .n_out = 1,
    .infer = infer,
    .forward = forward,
    .flops = flops,
};
