/*
 * Dropout: inverted, drops only in training. ONNX Dropout-22: inputs data, ratio, training_mode.
 * The mask is drawn from (seed, node, step, example, element) and drawn again in backward, so
 * nothing is saved (DESIGN decision 10). The node's training_mode is the file's wish for a plain
 * run; a training run of ours drops whether or not the file says so, an inference run only if it
 * does.
 */
#include "device/prim.h"
#include "ops/upgrade.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    int64_t mode;

    DSC_TRY(dsc_infer_like_input(q, err));
    if (q->n_out > 1)
        q->out[1].dtype = DSC_BOOL;
    if (q->n_in > 2 && q->value[2])
        DSC_TRY(dsc_scalar_check(q->value[2], "training_mode", &mode, err));
    if (q->n_in > 1 && q->value[1]) {
        DSC_TRY(dsc_scalar_check(q->value[1], "ratio", &mode, err));
        const double ratio = dsc_tensor_get_f64(q->value[1], 0);

        if (!(ratio >= 0 && ratio < 1))
            return dsc_fail(err, DSC_E_RANGE, "dropout ratio %g is not in [0, 1)", ratio);
    }
    return DSC_OK;
}

struct draw {
    double ratio;
    struct dsc_rng_key key;
    int64_t n_per_example;
};

static struct draw draw_of(const struct dsc_exec *x, const struct dsc_node *n,
                           const struct dsc_tensor *ratio, const struct dsc_tensor *mode,
                           const struct dsc_tensor *t)
{
    const int64_t n_elems = dsc_tensor_n_elems(t);
    const bool is_wanted = x->is_training || (mode && dsc_tensor_get_i64(mode, 0));
    struct draw d = {.ratio = 0};

    if (is_wanted)
        d.ratio = ratio ? dsc_tensor_get_f64(ratio, 0) : 0.5;
    d.key = dsc_rng_mix(dsc_rng_mix_text(dsc_rng_key(x->seed), n->name), x->step);
    d.n_per_example = x->n_examples > 0 && n_elems % x->n_examples == 0 && n_elems > 0
                          ? n_elems / x->n_examples
                          : n_elems;
    return d;
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    const struct draw d =
        draw_of(x, n, n->n_in > 1 ? in[1] : NULL, n->n_in > 2 ? in[2] : NULL, in[0]);

    return dsc_dropout(x->dev, d.ratio, d.key, d.n_per_example, x->example_ids, out[0],
                       n->n_out > 1 ? out[1] : NULL, in[0], err);
}

static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    const struct draw d = draw_of(x, n, saved->in[1], saved->in[2], dout[0]);

    return dsc_dropout_bwd(x->dev, d.ratio, d.key, d.n_per_example, x->example_ids, din[0], dout[0],
                           err);
}

/* ratio was an attribute before opset 12, and the mask a number before 10. */
static enum dsc_status upgrade(struct dsc_graph *g, struct dsc_node *n, int64_t opset,
                               struct dsc_err *err)
{
    const enum dsc_dtype declared = g->values[n->in[0]].type.dtype;
    const enum dsc_dtype dtype = dsc_dtype_is_float(declared) ? declared : DSC_F32;
    struct dsc_node *cast;
    int mask;

    if (opset >= 12)
        return DSC_OK;
    DSC_TRY(dsc_upgrade_float(g, n, "ratio", DSC_F32, 1, err));
    if (opset >= 10 || n->n_out < 2 || n->out[1] == DSC_NO_VALUE)
        return DSC_OK;
    DSC_TRY(dsc_graph_value(g, NULL, NULL, &mask, err));
    DSC_TRY(dsc_graph_node(g, dsc_op_find("", "Cast"), NULL, 1, &mask, 1, &n->out[1], &cast, err));
    DSC_TRY(dsc_node_set_int(g, cast, "to", dsc_dtype_onnx(dtype), err));
    n->out[1] = mask;
    return DSC_OK;
}

const struct dsc_op dsc_op_dropout = {
    .onnx = "Dropout",
    .n_in = 1,
    .n_in_optional = 2,
    .n_out = 1,
    .n_out_optional = 1,
    .since = 12,
    .host_in = DSC_IN(1) | DSC_IN(2),
    .saves = DSC_IN(1) | DSC_IN(2),
    .no_grad = DSC_IN(1),
    .is_rowwise = true,
    .is_random = true,
    .quant = DSC_QUANT_PASS,
    .prune = DSC_PRUNE_SAME_AXES,
    .upgrade = upgrade,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
