/* What each pruning rule of the operator table ties together. */
#include "dsc/op.h"
#include "passes/prune_tie.h"

#include <string.h>

typedef bool rule_fn(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p);

static int value_of(const struct dsc_node *n, bool is_out, int k)
{
    return is_out ? n->out[k] : k < n->n_in ? n->in[k] : DSC_NO_VALUE;
}

static bool refuse_at(struct dsc_tie *t, const struct dsc_node *n, const char *what)
{
    return dsc_tie_refuse(t, "%s '%.80s' %s", n->op->onnx, n->name, what);
}

/* The rank, or -1 after a refusal. */
static int rank_of(struct dsc_tie *t, const struct dsc_node *n, int value)
{
    const int rank = t->g->values[value].type.rank;

    if (rank < 0)
        refuse_at(t, n, "has a shape that is not known");
    return rank;
}

static bool tie(struct dsc_tie *t, const struct dsc_node *n, bool is_out, int k, int axis,
                const struct dsc_tied_axis *at)
{
    return dsc_tie_add(t, value_of(n, is_out, k), axis, at->n, at->unit);
}

/* An axis from the end of a value that broadcasts: 1 there stays 1. */
static bool tie_broadcast(struct dsc_tie *t, const struct dsc_node *n, bool is_out, int k,
                          int from_end, const struct dsc_tied_axis *at)
{
    const int value = value_of(n, is_out, k);
    int rank;
    int64_t dim;

    if (value == DSC_NO_VALUE)
        return true;
    rank = rank_of(t, n, value);
    if (rank < 0)
        return false;
    if (from_end >= rank)
        return true;
    dim = t->g->values[value].type.dim[rank - 1 - from_end];
    if (dim == 1)
        return true;
    if (dim < 0 && !is_out)
        return refuse_at(t, n, "reads a value of a size that is not known");
    return tie(t, n, is_out, k, rank - 1 - from_end, at);
}

static bool same_axes(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const int rank = rank_of(t, n, p->at->value);
    bool is_ok = rank >= 0;

    for (int k = 0; is_ok && k < n->n_out; k++)
        is_ok = tie_broadcast(t, n, true, k, rank - 1 - p->at->axis, p->at);
    for (int k = 0; is_ok && k < n->n_in; k++)
        is_ok = tie_broadcast(t, n, false, k, rank - 1 - p->at->axis, p->at);
    return is_ok;
}

/* ---- products: axes by their letters, [.., M, K] x [.., K, N] ---- */

enum letter { LETTER_BATCH, LETTER_M, LETTER_N, LETTER_K };

struct factor {
    int value, rank;
    int m, n, k; /* axes, -1: it has none */
};

static bool tie_summed(struct dsc_tie *t, const struct dsc_node *n, const struct factor *f,
                       int side, const struct dsc_tied_axis *at)
{
    struct dsc_tied_axis *one;

    if (!tie(t, n, false, side, f->k, at))
        return false;
    one = dsc_tie_find(t, f->value, f->k);
    one->is_summed = true;
    return !(one->is_made && dsc_constant(t->g, f->value)) ||
           refuse_at(t, n, "reads a weight in a second role");
}

static bool tie_made(struct dsc_tie *t, const struct dsc_node *n, const struct factor *f, int side,
                     int axis, const struct dsc_tied_axis *at)
{
    struct dsc_tied_axis *one;

    if (!tie(t, n, false, side, axis, at))
        return false;
    one = dsc_tie_find(t, f->value, axis);
    one->is_made = true;
    return !(one->is_summed && dsc_constant(t->g, f->value)) ||
           refuse_at(t, n, "reads a weight in a second role");
}

/* Letter of an axis of a factor or of the product (y has m and n). */
static enum letter letter_of(const struct factor *f, int axis)
{
    return axis == f->k   ? LETTER_K
           : axis == f->m ? LETTER_M
           : axis == f->n ? LETTER_N
                          : LETTER_BATCH;
}

static bool tie_product(struct dsc_tie *t, const struct dsc_node *n, const struct factor f[3],
                        const struct dsc_tie_port *p)
{
    const struct factor *own = p->is_out ? &f[2] : &f[p->k];
    const struct dsc_tied_axis *at = p->at;
    const enum letter letter = letter_of(own, at->axis);
    const int from_end = own->rank - 1 - at->axis;

    if (!dsc_constant(t->g, f[0].value) && !dsc_constant(t->g, f[1].value))
        t->has_attention = true;
    switch (letter) {
    case LETTER_K:
        return tie_summed(t, n, &f[0], 0, at) && tie_summed(t, n, &f[1], 1, at);
    case LETTER_M:
        return tie_made(t, n, &f[0], 0, f[0].m, at) && tie(t, n, true, 0, f[2].m, at);
    case LETTER_N:
        return tie_made(t, n, &f[1], 1, f[1].n, at) && tie(t, n, true, 0, f[2].n, at);
    case LETTER_BATCH:
        return tie_broadcast(t, n, false, 0, from_end, at) &&
               tie_broadcast(t, n, false, 1, from_end, at) &&
               tie_broadcast(t, n, true, 0, from_end, at);
    }
    return false;
}

static bool matmul(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    struct factor f[3];

    for (int i = 0; i < 3; i++) {
        f[i] = (struct factor){.value = i < 2 ? n->in[i] : n->out[0], .m = -1, .n = -1, .k = -1};
        f[i].rank = rank_of(t, n, f[i].value);
        if (f[i].rank < 0)
            return false;
        if (f[i].rank < 2)
            return refuse_at(t, n, "is a product of a vector");
    }
    f[0].m = f[0].rank - 2;
    f[0].k = f[0].rank - 1;
    f[1].k = f[1].rank - 2;
    f[1].n = f[1].rank - 1;
    f[2].m = f[2].rank - 2;
    f[2].n = f[2].rank - 1;
    return tie_product(t, n, f, p);
}

static bool gemm(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const int ta = dsc_node_int(n, "transA", 0) != 0, tb = dsc_node_int(n, "transB", 0) != 0;
    const struct factor f[3] = {
        {.value = n->in[0], .rank = 2, .m = ta, .k = 1 - ta, .n = -1},
        {.value = n->in[1], .rank = 2, .k = tb, .n = 1 - tb, .m = -1},
        {.value = n->out[0], .rank = 2, .m = 0, .n = 1, .k = -1},
    };
    struct dsc_tie_port y = *p;
    enum letter letter;
    int rank;

    if (!p->is_out && p->k == 2) { /* the bias broadcasts to the product */
        rank = rank_of(t, n, p->at->value);
        return rank >= 0 && tie(t, n, true, 0, 1 - (rank - 1 - p->at->axis), p->at);
    }
    letter = letter_of(p->is_out ? &f[2] : &f[p->k], p->at->axis);
    if (!tie_product(t, n, f, &y))
        return false;
    return letter == LETTER_K || tie_broadcast(t, n, false, 2, letter == LETTER_N ? 0 : 1, p->at);
}

/* ---- what moves axes ---- */

static bool transpose(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const int rank = rank_of(t, n, p->at->value);
    const int64_t *perm;
    const bool has_perm = dsc_node_ints(n, "perm", &perm) == rank;

    for (int to = 0; to < rank; to++) {
        const int from = has_perm ? (int)perm[to] : rank - 1 - to;

        if (p->is_out && to == p->at->axis)
            return tie(t, n, false, 0, from, p->at);
        if (!p->is_out && from == p->at->axis)
            return tie(t, n, true, 0, to, p->at);
    }
    return false;
}

/* Softmax and others that compute along one axis; the other axes stay. */
static bool along(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const int rank = rank_of(t, n, p->at->value);
    const int64_t axis = dsc_node_int(n, "axis", -1);

    if (rank < 0)
        return false;
    if ((axis < 0 ? axis + rank : axis) == p->at->axis)
        return refuse_at(t, n, "computes along the axis");
    return tie(t, n, false, 0, p->at->axis, p->at) && tie(t, n, true, 0, p->at->axis, p->at);
}

/* LayerNormalization along the last axis: gain and bias have it, too. */
static bool norm(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const int rank = rank_of(t, n, n->in[0]);
    const int64_t axis = dsc_node_int(n, "axis", -1);
    const bool is_parameter = !p->is_out && p->k > 0;

    if (rank < 0)
        return false;
    if (!is_parameter && p->at->axis < rank - 1 && (axis == -1 || axis == rank - 1))
        return tie(t, n, false, 0, p->at->axis, p->at) && tie(t, n, true, 0, p->at->axis, p->at);
    if (!t->may_norm || !dsc_node_is(n, "", "LayerNormalization") ||
        (axis != -1 && axis != rank - 1) || (p->is_out && p->k > 0))
        return refuse_at(t, n, "normalises the axis");
    return tie(t, n, false, 0, rank - 1, p->at) && tie(t, n, true, 0, rank - 1, p->at) &&
           tie(t, n, false, 1, 0, p->at) &&
           (!dsc_node_has_in(n, 2) || tie(t, n, false, 2, 0, p->at));
}

static bool gather(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const int rank = rank_of(t, n, n->in[0]), rank_idx = rank < 0 ? -1 : rank_of(t, n, n->in[1]);
    const int64_t a = dsc_node_int(n, "axis", 0);
    const int axis = (int)(a < 0 ? a + rank : a);
    int from = p->at->axis;

    if (rank_idx < 0)
        return false;
    if (!p->is_out && p->k == 1)
        return refuse_at(t, n, "looks up by it");
    if (p->is_out && from >= axis && from < axis + rank_idx)
        return refuse_at(t, n, "looks it up");
    if (p->is_out)
        from -= from >= axis ? rank_idx - 1 : 0;
    if (from == axis)
        return refuse_at(t, n, "looks up along the axis");
    return tie(t, n, false, 0, from, p->at) &&
           tie(t, n, true, 0, from < axis ? from : from + rank_idx - 1, p->at);
}

/* Is the axis the one that the node works along? */
static bool is_along(const struct dsc_tie *t, const struct dsc_node *n,
                     const struct dsc_tie_port *p)
{
    const int64_t axis = dsc_node_int(n, "axis", 0);

    return (axis < 0 ? axis + t->g->values[p->at->value].type.rank : axis) == p->at->axis;
}

/* The units of what is joined stand one behind the other; those of other inputs are new. */
static bool join(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const int axis = p->at->axis;
    int64_t n_all = 0, before = 0;
    int *unit;

    for (int k = 0; k < n->n_in; k++) {
        const struct dsc_type *type = &t->g->values[n->in[k]].type;

        if (type->rank <= axis || type->dim[axis] < 0)
            return refuse_at(t, n, "joins a value of a size that is not known");
        before += k < p->k ? type->dim[axis] : 0;
        n_all += type->dim[axis];
    }
    if (p->at->n != (p->is_out ? n_all : t->g->values[n->in[p->k]].type.dim[axis]))
        return refuse_at(t, n, "joins other sizes than it says");
    if (p->is_out) {
        before = 0;
        for (int k = 0; k < n->n_in; k++) {
            const int64_t size = t->g->values[n->in[k]].type.dim[axis];

            if (!dsc_tie_add(t, n->in[k], axis, size, p->at->unit + before))
                return false;
            before += size;
        }
        return true;
    }
    unit = dsc_tie_find(t, n->out[0], axis) ? dsc_tie_find(t, n->out[0], axis)->unit
                                            : dsc_tie_new_units(t, n_all);
    if (!unit)
        return false;
    for (int64_t i = 0; i < p->at->n; i++)
        dsc_tie_join(t, unit[before + i], p->at->unit[i]);
    return dsc_tie_add(t, n->out[0], axis, n_all, unit);
}

static bool concat(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    bool is_ok = rank_of(t, n, p->at->value) >= 0;

    if (is_ok && is_along(t, n, p)) /* the width of all layers is one number */
        return t->may_norm ? refuse_at(t, n, "joins the axis") : join(t, n, p);
    for (int k = 0; is_ok && k < n->n_in; k++)
        is_ok = tie(t, n, false, k, p->at->axis, p->at);
    return is_ok && tie(t, n, true, 0, p->at->axis, p->at);
}

static bool split(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    bool is_ok = rank_of(t, n, p->at->value) >= 0;

    if (is_ok && is_along(t, n, p))
        return refuse_at(t, n, "cuts the axis");
    is_ok = is_ok && tie(t, n, false, 0, p->at->axis, p->at);
    for (int k = 0; is_ok && k < n->n_out; k++)
        is_ok = n->out[k] == DSC_NO_VALUE || tie(t, n, true, k, p->at->axis, p->at);
    return is_ok;
}

/* Axes that nothing is added to stay. */
static bool pad(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const struct dsc_tensor *pads = dsc_constant(t->g, n->in[1]);
    const struct dsc_tensor *axes = dsc_node_has_in(n, 3) ? dsc_constant(t->g, n->in[3]) : NULL;
    const int rank = rank_of(t, n, n->in[0]);
    int64_t n_axes;

    if (rank < 0)
        return false;
    if (!p->is_out && p->k != 0)
        return refuse_at(t, n, "reads it as a size");
    if (!pads || (dsc_node_has_in(n, 3) && !axes))
        return refuse_at(t, n, "adds to axes that are not known");
    n_axes = axes ? dsc_tensor_n_elems(axes) : rank;
    for (int64_t i = 0; i < n_axes && 2 * n_axes == dsc_tensor_n_elems(pads); i++) {
        const int64_t a = axes ? dsc_tensor_get_i64(axes, i) : i;

        if ((a < 0 ? a + rank : a) == p->at->axis &&
            (dsc_tensor_get_i64(pads, i) != 0 || dsc_tensor_get_i64(pads, n_axes + i) != 0))
            return refuse_at(t, n, "adds to the axis");
    }
    return tie(t, n, false, 0, p->at->axis, p->at) && tie(t, n, true, 0, p->at->axis, p->at);
}

static bool reduce(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const struct dsc_tensor *axes = n->n_in > 1 ? dsc_constant(t->g, n->in[1]) : NULL;
    const int rank = rank_of(t, n, n->in[0]);
    const bool keeps = dsc_node_int(n, "keepdims", 1) != 0;
    uint32_t mask = 0;
    int to = 0;

    if (rank < 0)
        return false;
    if (!axes || dsc_axes_mask(axes, rank, &mask, NULL) != DSC_OK)
        return refuse_at(t, n, "reduces axes that are not known");
    for (int from = 0; from < rank; from++) {
        const bool is_reduced = mask >> from & 1;

        if (from == p->at->axis && !p->is_out && is_reduced)
            return (t->may_norm && keeps && dsc_node_is(n, "", "ReduceMean")) || /* of a norm */
                   refuse_at(t, n, "reduces the axis");
        if (!is_reduced && (p->is_out ? to : from) == p->at->axis)
            return tie(t, n, false, 0, from, p->at) && tie(t, n, true, 0, to, p->at);
        to += keeps || !is_reduced;
    }
    return refuse_at(t, n, "makes the axis");
}

/* Axes that are not cut stay; without a list, which they are is not known. */
static bool slice(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const struct dsc_tensor *axes = dsc_node_has_in(n, 3) ? dsc_constant(t->g, n->in[3]) : NULL;
    const int rank = rank_of(t, n, n->in[0]);
    uint32_t mask = 0;

    if (rank < 0)
        return false;
    if (!p->is_out && p->k != 0)
        return refuse_at(t, n, "reads it as a bound");
    if (!axes || dsc_axes_mask(axes, rank, &mask, NULL) != DSC_OK)
        return refuse_at(t, n, "cuts axes that are not known");
    if (mask >> p->at->axis & 1)
        return refuse_at(t, n, "cuts the axis");
    return tie(t, n, false, 0, p->at->axis, p->at) && tie(t, n, true, 0, p->at->axis, p->at);
}

/* Only sizes are read; they may be taken from other axes. */
static bool shape(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const int out = n->out[0];

    if (n->n_attrs > 0 || t->g->values[out].is_output)
        return refuse_at(t, n, "reads its size");
    for (int i = 0; i < t->g->n_nodes; i++) {
        const struct dsc_node *reader = t->g->nodes[i];
        const struct dsc_tensor *idx =
            reader->op->prune == DSC_PRUNE_GATHER && reader->n_in > 1 && reader->in[0] == out
                ? dsc_constant(t->g, reader->in[1])
                : NULL;
        bool is_read = false;

        for (int k = 0; k < reader->n_in; k++)
            is_read |= reader->in[k] == out;
        if (!is_read)
            continue;
        if (!idx)
            return refuse_at(t, n, "reads its size");
        for (int64_t j = 0; j < dsc_tensor_n_elems(idx); j++) {
            const int64_t a = dsc_tensor_get_i64(idx, j);

            if ((a < 0 ? a + t->g->values[p->at->value].type.rank : a) == p->at->axis)
                return refuse_at(t, n, "reads its size");
        }
    }
    return true;
}

static rule_fn *const rules[] = {
    [DSC_PRUNE_SAME_AXES] = same_axes,
    [DSC_PRUNE_MATMUL] = matmul,
    [DSC_PRUNE_GEMM] = gemm,
    [DSC_PRUNE_NORM] = norm,
    [DSC_PRUNE_TRANSPOSE] = transpose,
    [DSC_PRUNE_RESHAPE] = dsc_tie_reshape,
    [DSC_PRUNE_GATHER] = gather,
    [DSC_PRUNE_CONCAT] = concat,
    [DSC_PRUNE_SPLIT] = split,
    [DSC_PRUNE_REDUCE] = reduce,
    [DSC_PRUNE_ALONG] = along,
    [DSC_PRUNE_SHAPE] = shape,
    [DSC_PRUNE_SLICE] = slice,
    [DSC_PRUNE_RECURRENT] = dsc_tie_recurrent,
    [DSC_PRUNE_CONV] = dsc_tie_conv,
    [DSC_PRUNE_CHANNELS] = dsc_tie_channels,
    [DSC_PRUNE_PAD] = pad,
};

bool dsc_tie_through(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    rule_fn *const rule = rules[n->op->prune];

    return rule ? rule(t, n, p) : refuse_at(t, n, "has no rule of pruning");
}
