/* Recurrent operators: what a node says, and the types of its outputs. */
#include "ops/recurrent.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* By name, as the operators' text lists them, with the parameters that they read and what these
 * are when the node gives none (NEEDED: it must). */
static const struct activation_row {
    const char *name;
    enum dsc_map_fn fn;
    bool has_alpha, has_beta, is_needed;
    double alpha, beta;
} activations[] = {
    {"Affine", DSC_MAP_affine, true, true, true, 0, 0},
    {"Elu", DSC_MAP_elu, true, false, false, 1, 0},
    {"HardSigmoid", DSC_MAP_hardsigmoid, true, true, false, (double)0.2f, (double)0.5f},
    {"LeakyRelu", DSC_MAP_leakyrelu, true, false, false, (double)0.01f, 0},
    {"Relu", DSC_MAP_relu, false, false, false, 0, 0},
    {"ScaledTanh", DSC_MAP_scaledtanh, true, true, true, 0, 0},
    {"Sigmoid", DSC_MAP_sigmoid, false, false, false, 0, 0},
    {"Softplus", DSC_MAP_softplus, false, false, false, 0, 0},
    {"Softsign", DSC_MAP_softsign, false, false, false, 0, 0},
    {"Tanh", DSC_MAP_tanh, false, false, false, 0, 0},
    {"ThresholdedRelu", DSC_MAP_thresholdedrelu, true, false, false, 1, 0},
};

static enum dsc_status find_activation(const char *name, const struct activation_row **row,
                                       struct dsc_err *err)
{
    for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++)
        if (strcasecmp(activations[i].name, name) == 0) {
            *row = &activations[i];
            return DSC_OK;
        }
    return dsc_fail(err, DSC_E_UNSUPPORTED, "activation '%s'", name);
}

/* The next number of activation_alpha or activation_beta: functions that have one take it in order.
 */
static enum dsc_status next_param(const struct dsc_attr *list, int *at, bool is_needed,
                                  const char *name, double *v, struct dsc_err *err)
{
    if (list && list->kind == DSC_ATTR_FLOATS && *at < list->n)
        *v = (double)list->floats[(*at)++];
    else if (is_needed)
        return dsc_fail(err, DSC_E_INCONSISTENT, "activation %s without its alpha or beta", name);
    return DSC_OK;
}

static enum dsc_status read_activations(struct dsc_recurrence *r, const struct dsc_node *n,
                                        struct dsc_err *err)
{
    const struct dsc_attr *names = dsc_node_attr(n, "activations");
    const struct dsc_attr *alphas = dsc_node_attr(n, "activation_alpha");
    const struct dsc_attr *betas = dsc_node_attr(n, "activation_beta");
    const int n_acts = r->cell->n_acts;
    int alpha = 0, beta = 0;

    if (names && names->kind == DSC_ATTR_STRINGS && names->n != r->n_dirs * n_acts)
        return dsc_fail(err, DSC_E_INCONSISTENT, "%d activations, %s of %d directions has %d",
                        names->n, n->op->onnx, r->n_dirs, r->n_dirs * n_acts);
    for (int i = 0; i < r->n_dirs * n_acts; i++) {
        const bool is_given = names && names->kind == DSC_ATTR_STRINGS;
        struct dsc_activation *a = &r->act[i / n_acts][i % n_acts];
        const struct activation_row *row = NULL;

        DSC_TRY(
            find_activation(is_given ? names->strings[i] : r->cell->acts[i % n_acts], &row, err));
        *a = (struct dsc_activation){row->fn, {row->alpha, row->beta}};
        if (row->has_alpha)
            DSC_TRY(next_param(alphas, &alpha, row->is_needed, row->name, &a->param.alpha, err));
        if (row->has_beta)
            DSC_TRY(next_param(betas, &beta, row->is_needed, row->name, &a->param.beta, err));
        if (row->fn == DSC_MAP_scaledtanh && a->param.alpha == 0)
            return dsc_fail(err, DSC_E_RANGE, "ScaledTanh with alpha 0");
    }
    return DSC_OK;
}

static enum dsc_status read_attributes(struct dsc_recurrence *r, const struct dsc_cell *cell,
                                       const struct dsc_node *n, struct dsc_err *err)
{
    const char *direction = dsc_node_string(n, "direction", "forward");
    const int64_t layout = dsc_node_int(n, "layout", 0);

    *r = (struct dsc_recurrence){
        .cell = cell,
        .n_dirs = 1,
        .is_reverse = strcmp(direction, "reverse") == 0,
        .is_batch_first = layout == 1,
        .clip = (double)dsc_node_float(n, "clip", 0),
        .resets_product = dsc_node_int(n, "linear_before_reset", 0) != 0,
        .couples_gates = dsc_node_int(n, "input_forget", 0) != 0,
    };
    if (strcmp(direction, "bidirectional") == 0)
        r->n_dirs = 2;
    else if (!r->is_reverse && strcmp(direction, "forward") != 0)
        return dsc_fail(err, DSC_E_INCONSISTENT, "direction '%s'", direction);
    if (layout != 0 && layout != 1)
        return dsc_fail(err, DSC_E_RANGE, "layout %" PRId64 ", which is 0 or 1", layout);
    if (!(r->clip >= 0))
        return dsc_fail(err, DSC_E_RANGE, "clip %g below 0", r->clip);
    return read_activations(r, n, err);
}

static int64_t known_or(int64_t a, int64_t b)
{
    return a >= 0 ? a : b;
}

static enum dsc_status check(const struct dsc_infer *q, int i, const char *what, int rank,
                             const int64_t *dim, struct dsc_err *err)
{
    const struct dsc_type *t = &q->in[i];

    if (!dsc_node_has_in(q->node, i) || t->rank < 0)
        return DSC_OK;
    if (t->rank != rank)
        return dsc_fail(err, DSC_E_SHAPE, "%s has rank %d, not %d", what, t->rank, rank);
    for (int k = 0; k < rank; k++)
        if (t->dim[k] >= 0 && dim[k] >= 0 && t->dim[k] != dim[k])
            return dsc_fail(err, DSC_E_SHAPE, "%s has %" PRId64 " along axis %d, not %" PRId64,
                            what, t->dim[k], k, dim[k]);
    return DSC_OK;
}

/* Size of an axis of an input, or unknown. */
static int64_t size_of(const struct dsc_infer *q, int i, int rank, int axis)
{
    return dsc_node_has_in(q->node, i) && q->in[i].rank == rank ? q->in[i].dim[axis]
                                                                : DSC_DIM_UNKNOWN;
}

static enum dsc_status check_inputs(const struct dsc_recurrence *r, const struct dsc_infer *q,
                                    int64_t n_hidden, struct dsc_err *err)
{
    const int64_t d = r->n_dirs, h = n_hidden,
                  n_batch = size_of(q, 0, 3, r->is_batch_first ? 0 : 1);
    const int64_t gates = h < 0 ? -1 : r->cell->n_gates * h, any[3] = {-1, -1, -1};
    const int64_t state[3] = {r->is_batch_first ? n_batch : d, r->is_batch_first ? d : n_batch, h};

    DSC_TRY(check(q, DSC_RNN_X, "X", 3, any, err));
    DSC_TRY(check(q, DSC_RNN_W, "W", 3, (int64_t[]){d, gates, size_of(q, 0, 3, 2)}, err));
    DSC_TRY(check(q, DSC_RNN_R, "R", 3, (int64_t[]){d, gates, h}, err));
    DSC_TRY(check(q, DSC_RNN_BIAS, "B", 2, (int64_t[]){d, h < 0 ? -1 : 2 * gates}, err));
    DSC_TRY(check(q, DSC_RNN_LENS, "sequence_lens", 1, &n_batch, err));
    DSC_TRY(check(q, DSC_RNN_H0, "initial_h", 3, state, err));
    if (!r->cell->has_state)
        return DSC_OK;
    DSC_TRY(check(q, DSC_RNN_C0, "initial_c", 3, state, err));
    return check(q, DSC_RNN_PEEPHOLES, "P", 2, (int64_t[]){d, h < 0 ? -1 : 3 * h}, err);
}

static enum dsc_status check_lengths(const struct dsc_infer *q, int64_t n_steps,
                                     struct dsc_err *err)
{
    const struct dsc_tensor *lens = q->n_in > DSC_RNN_LENS ? q->value[DSC_RNN_LENS] : NULL;

    if (q->n_in > DSC_RNN_LENS && q->in[DSC_RNN_LENS].dtype != DSC_DTYPE_NONE &&
        q->in[DSC_RNN_LENS].dtype != DSC_I32)
        return dsc_fail(err, DSC_E_TYPE, "sequence_lens is %s, not i32",
                        dsc_dtype_text(q->in[DSC_RNN_LENS].dtype));
    for (int64_t i = 0; lens && i < dsc_tensor_n_elems(lens); i++) {
        const int64_t n = dsc_tensor_get_i64(lens, i);

        if (n < 0 || (n_steps >= 0 && n > n_steps))
            return dsc_fail(err, DSC_E_RANGE,
                            "sequence_lens[%" PRId64 "] is %" PRId64 " of %" PRId64 " steps", i, n,
                            n_steps);
    }
    return DSC_OK;
}

enum dsc_status dsc_rnn_infer(const struct dsc_cell *cell, struct dsc_infer *q, struct dsc_err *err)
{
    struct dsc_recurrence r;
    int64_t n_batch, n_steps, n_hidden;

    DSC_TRY(dsc_same_dtype(q, DSC_ALL_IN & ~DSC_IN(DSC_RNN_LENS), err));
    DSC_TRY(read_attributes(&r, cell, q->node, err));
    n_hidden = known_or(dsc_node_int(q->node, "hidden_size", -1), size_of(q, DSC_RNN_R, 3, 2));
    if (n_hidden == 0 || n_hidden > INT32_MAX / 8)
        return dsc_fail(err, DSC_E_RANGE, "hidden_size %" PRId64, n_hidden);
    n_batch = size_of(q, DSC_RNN_X, 3, r.is_batch_first ? 0 : 1);
    n_steps = size_of(q, DSC_RNN_X, 3, r.is_batch_first ? 1 : 0);
    DSC_TRY(check_inputs(&r, q, n_hidden, err));
    DSC_TRY(check_lengths(q, n_steps, err));
    for (int i = 0; i < q->n_out; i++) {
        struct dsc_type *t = &q->out[i];
        int64_t *dim = t->dim;

        t->dtype = q->in[DSC_RNN_X].dtype;
        t->rank = i == 0 ? 4 : 3;
        if (i == 0)
            *dim++ = r.is_batch_first ? n_batch : n_steps;
        dim[0] = i == 0 && r.is_batch_first ? n_steps : r.is_batch_first ? n_batch : r.n_dirs;
        dim[1] = r.is_batch_first ? r.n_dirs : n_batch;
        dim[2] = n_hidden;
    }
    return DSC_OK;
}

enum dsc_status dsc_rnn_read(struct dsc_recurrence *r, const struct dsc_cell *cell,
                             const struct dsc_node *n, const struct dsc_type *in,
                             struct dsc_err *err)
{
    const int64_t *dim = in[DSC_RNN_X].dim;

    DSC_TRY(read_attributes(r, cell, n, err));
    r->dtype = in[DSC_RNN_X].dtype;
    r->n_steps = dim[r->is_batch_first ? 1 : 0];
    r->n_batch = dim[r->is_batch_first ? 0 : 1];
    r->n_in = dim[2];
    r->n_hidden = in[DSC_RNN_R].dim[2];
    return DSC_OK;
}

int64_t dsc_rnn_flops(const struct dsc_infer *q)
{
    const struct dsc_type *x = &q->in[DSC_RNN_X], *w = &q->in[DSC_RNN_W];

    if (!dsc_type_is_known(x) || !dsc_type_is_known(w) || !dsc_type_is_known(&q->in[DSC_RNN_R]))
        return -1;
    /* two products, and some 8 steps for each gate's element */
    return x->dim[0] * x->dim[1] * w->dim[0] * w->dim[1] *
           (2 * x->dim[2] + 2 * q->in[DSC_RNN_R].dim[2] + 8);
}

int64_t dsc_rnn_min_opset(const struct dsc_graph *g, const struct dsc_node *n)
{
    if (g->values[n->in[DSC_RNN_X]].type.dtype == DSC_BF16)
        return 22;
    return dsc_node_int(n, "layout", 0) ? 14 : 7;
}
