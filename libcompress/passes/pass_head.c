/* A classification head on an encoder: pooling, dropout, linear. */
#include "dsc/pass.h"
#include "dsc/rng.h"
#include "passes/rewrite.h"

#include <math.h>
#include <string.h>

struct head {
    struct dsc_graph *g;
    int hidden, mask; /* [B, T, D] and [B, T] */
    int64_t n_hidden;
};

static enum dsc_status call(struct head *h, const char *op, const char *name, int n_in,
                            const int *in, int *out, struct dsc_node **node, struct dsc_err *err)
{
    return dsc_add_node(h->g, "", op, name, n_in, in, out, node, err);
}

static enum dsc_status scalar(struct head *h, const char *name, double v, int *id,
                              struct dsc_err *err)
{
    struct dsc_tensor t;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 0, NULL, err));
    dsc_tensor_set_f64(&t, 0, v);
    st = dsc_add_init(h->g, name, &t, id, err);
    dsc_tensor_clear(&t);
    return st;
}

/* The mask as floats [B, T, 1]. */
static enum dsc_status float_mask(struct head *h, int *out, struct dsc_err *err)
{
    struct dsc_node *n;
    int mask, axis;

    DSC_TRY(call(h, "Cast", "head/mask", 1, &h->mask, &mask, &n, err));
    DSC_TRY(dsc_node_set_int(h->g, n, "to", dsc_dtype_onnx(DSC_F32), err));
    DSC_TRY(dsc_add_i64s(h->g, "head/mask_axis", 1, (int64_t[]){-1}, &axis, err));
    return call(h, "Unsqueeze", "head/mask_column", 2, (int[]){mask, axis}, out, NULL, err);
}

/* sum(hidden * mask) / max(sum(mask), 1): the mean over real tokens. */
static enum dsc_status pool_mean(struct head *h, int *out, struct dsc_err *err)
{
    int mask, axis, kept, sums, counts, one;
    struct dsc_node *n;

    DSC_TRY(float_mask(h, &mask, err));
    DSC_TRY(dsc_add_i64s(h->g, "head/token_axis", 1, (int64_t[]){1}, &axis, err));
    DSC_TRY(scalar(h, "head/one", 1, &one, err));
    DSC_TRY(call(h, "Mul", "head/kept", 2, (int[]){h->hidden, mask}, &kept, NULL, err));
    DSC_TRY(call(h, "ReduceSum", "head/sum", 2, (int[]){kept, axis}, &sums, &n, err));
    DSC_TRY(dsc_node_set_int(h->g, n, "keepdims", 0, err));
    DSC_TRY(call(h, "ReduceSum", "head/count", 2, (int[]){mask, axis}, &counts, &n, err));
    DSC_TRY(dsc_node_set_int(h->g, n, "keepdims", 0, err));
    DSC_TRY(call(h, "Max", "head/count_or_one", 2, (int[]){counts, one}, &counts, NULL, err));
    return call(h, "Div", "head/mean", 2, (int[]){sums, counts}, out, NULL, err);
}

static enum dsc_status pool_cls(struct head *h, int *out, struct dsc_err *err)
{
    struct dsc_node *n;
    struct dsc_tensor zero;
    int id;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&zero, DSC_I64, 0, NULL, err));
    st = dsc_add_init(h->g, "head/first", &zero, &id, err);
    dsc_tensor_clear(&zero);
    DSC_TRY(st);
    DSC_TRY(call(h, "Gather", "head/cls", 2, (int[]){h->hidden, id}, out, &n, err));
    return dsc_node_set_int(h->g, n, "axis", 1, err);
}

/* Padding is pushed below every real value. */
static enum dsc_status pool_max(struct head *h, int *out, struct dsc_err *err)
{
    int mask, one, big, inverse, shift, shifted, axis;
    struct dsc_node *n;

    DSC_TRY(float_mask(h, &mask, err));
    DSC_TRY(scalar(h, "head/one", 1, &one, err));
    DSC_TRY(scalar(h, "head/low", -1e9, &big, err));
    DSC_TRY(call(h, "Sub", "head/padding", 2, (int[]){one, mask}, &inverse, NULL, err));
    DSC_TRY(call(h, "Mul", "head/shift", 2, (int[]){inverse, big}, &shift, NULL, err));
    DSC_TRY(call(h, "Add", "head/shifted", 2, (int[]){h->hidden, shift}, &shifted, NULL, err));
    DSC_TRY(dsc_add_i64s(h->g, "head/token_axis", 1, (int64_t[]){1}, &axis, err));
    DSC_TRY(call(h, "ReduceMax", "head/max", 2, (int[]){shifted, axis}, out, &n, err));
    return dsc_node_set_int(h->g, n, "keepdims", 0, err);
}

static enum dsc_status add_linear(struct head *h, int x, int n_labels, double dropout,
                                  uint64_t seed, int *out, struct dsc_err *err)
{
    struct dsc_tensor w, b = {0};
    struct dsc_rng r;
    struct dsc_node *n;
    int ratio, weight, bias;
    enum dsc_status st;

    if (dropout > 0) {
        DSC_TRY(scalar(h, "head/dropout_ratio", dropout, &ratio, err));
        DSC_TRY(call(h, "Dropout", "head/dropout", 2, (int[]){x, ratio}, &x, NULL, err));
    }
    DSC_TRY(dsc_tensor_new(&w, DSC_F32, 2, (int64_t[]){n_labels, h->n_hidden}, err));
    dsc_rng_init(&r, dsc_rng_mix_text(dsc_rng_key(seed), "classifier.weight"));
    for (int64_t i = 0; i < n_labels * h->n_hidden; i++)
        ((float *)w.data)[i] = 0.02f * dsc_rng_normal(&r);
    st = dsc_tensor_new(&b, DSC_F32, 1, (int64_t[]){n_labels}, err);
    if (st == DSC_OK)
        st = dsc_add_init(h->g, "classifier.weight", &w, &weight, err);
    if (st == DSC_OK)
        st = dsc_add_init(h->g, "classifier.bias", &b, &bias, err);
    dsc_tensor_clear(&w);
    dsc_tensor_clear(&b);
    DSC_TRY(st);
    DSC_TRY(dsc_graph_value(h->g, "logits", NULL, out, err));
    DSC_TRY(dsc_graph_node(h->g, dsc_op_find("", "Gemm"), "classifier", 3, (int[]){x, weight, bias},
                           1, out, &n, err));
    return dsc_node_set_int(h->g, n, "transB", 1, err);
}

static enum dsc_status find_encoder(struct dsc_graph *g, struct head *h, struct dsc_err *err)
{
    const struct dsc_type *t;

    *h = (struct head){.g = g, .mask = dsc_graph_find_value(g, "attention_mask")};
    if (g->n_outputs < 1 || (t = &g->values[g->outputs[0]].type)->rank != 3 || t->dim[2] < 1)
        return dsc_fail(err, DSC_E_SCHEMA,
                        "a new head needs an output [batch, tokens, width] of known width");
    h->hidden = g->outputs[0];
    h->n_hidden = t->dim[2];
    if (h->mask < 0 || !g->values[h->mask].is_input)
        return dsc_fail(err, DSC_E_SCHEMA, "a new head needs an input named attention_mask");
    return DSC_OK;
}

enum dsc_status dsc_head_build(struct dsc_graph *g, const char *pooling, int n_labels,
                               double dropout, uint64_t seed, struct dsc_err *err)
{
    static const struct {
        const char *name;
        enum dsc_status (*build)(struct head *h, int *out, struct dsc_err *err);
    } rows[] = {{"mean", pool_mean}, {"cls", pool_cls}, {"max", pool_max}};
    struct head h;
    int pooled = -1, logits;

    DSC_TRY(find_encoder(g, &h, err));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, pooling) == 0)
            DSC_TRY(rows[i].build(&h, &pooled, err));
    if (pooled < 0)
        return dsc_fail(err, DSC_E_USAGE, "there is no pooling '%s': mean, cls, max", pooling);
    DSC_TRY(add_linear(&h, pooled, n_labels, dropout, seed, &logits, err));
    for (int i = 0; i < g->n_outputs; i++)
        g->values[g->outputs[i]].is_output = false;
    g->n_outputs = 0;
    DSC_TRY(dsc_graph_output(g, logits, err));
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
