/*
 * Sums of products over named axes. Terms are multiplied one after the other from the left; each
 * step is one batched matrix product: labels that both have and that are needed later are the
 * batch, those that end here are summed over, the others are rows and columns.
 */
#include "ops/contract.h"

#include <string.h>

/* Labels in an order, as a bit set and as a list. */
struct labels {
    int n;
    int at[CONTRACT_MAX_LABELS];
};

static uint64_t set_of(const struct dsc_term *t)
{
    uint64_t set = 0;

    for (int i = 0; i < t->n; i++)
        set |= UINT64_C(1) << t->label[i];
    return set;
}

static void add_set(struct labels *l, uint64_t set)
{
    for (int k = 0; k < CONTRACT_MAX_LABELS; k++)
        if (set >> k & 1)
            l->at[l->n++] = k;
}

static int64_t stride_of(const struct dsc_term *t, int label)
{
    for (int i = 0; i < t->n; i++)
        if (t->label[i] == label)
            return t->stride[i];
    return 0;
}

static int64_t n_of(uint64_t set, const int64_t *size)
{
    int64_t n = 1;

    for (int k = 0; k < CONTRACT_MAX_LABELS; k++)
        n *= set >> k & 1 ? size[k] : 1;
    return n;
}

/* Dense strides of a list of labels. */
static void dense(struct dsc_term *y, const struct labels *l, const int64_t *size)
{
    int64_t step = 1;

    y->n = l->n;
    for (int i = l->n - 1; i >= 0; i--) {
        y->label[i] = l->at[i];
        y->stride[i] = step;
        step *= size[l->at[i]];
    }
}

/* y += t, over t's and y's labels: sums over what y lacks, repeats along what t lacks. */
static enum dsc_status add_term(struct dsc_exec *x, const int64_t *size, const struct dsc_term *y,
                                const struct dsc_term *t, struct dsc_err *err)
{
    struct labels l = {0};
    struct dsc_walk yw = {0}, tw = {0};
    int64_t dim[DSC_MAX_RANK];

    add_set(&l, set_of(y) | set_of(t));
    if (l.n > DSC_MAX_RANK)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "more than %d axes in one step", DSC_MAX_RANK);
    for (int i = 0; i < l.n; i++) {
        dim[i] = size[l.at[i]];
        yw.stride[i] = stride_of(y, l.at[i]);
        tw.stride[i] = stride_of(t, l.at[i]);
    }
    return dsc_add_copy(x->dev, l.n, dim, y->t, &yw, t->t, &tw, err);
}

/* t as a dense tensor of the listed labels, summed over the rest: itself where it is that. */
static enum dsc_status arrange(struct dsc_exec *x, const int64_t *size, const struct labels *l,
                               const struct dsc_term *t, struct dsc_term *to, struct dsc_err *err)
{
    const int64_t zero = 0;
    struct dsc_tensor *made;
    int64_t dim[DSC_MAX_RANK];
    bool is_same = l->n == t->n;

    if (l->n > DSC_MAX_RANK)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "more than %d axes in one step", DSC_MAX_RANK);
    dense(to, l, size);
    for (int i = 0; i < l->n; i++) {
        dim[i] = size[l->at[i]];
        is_same = is_same && t->label[i] == to->label[i] && t->stride[i] == to->stride[i];
    }
    to->t = t->t;
    if (is_same)
        return DSC_OK;
    DSC_TRY(dsc_exec_temp(x, t->t->dtype, l->n, dim, &made, err));
    DSC_TRY(dsc_fill(x->dev, made, &zero, err));
    to->t = made;
    return add_term(x, size, to, t, err);
}

/* c = a b, keeping the labels of `needed`. */
static enum dsc_status multiply(struct dsc_exec *x, const int64_t *size, uint64_t needed,
                                const struct dsc_term *a, const struct dsc_term *b,
                                struct dsc_term *c, struct dsc_err *err)
{
    const uint64_t in_a = set_of(a), in_b = set_of(b), both = in_a & in_b;
    const uint64_t batch = both & needed, inner = both & ~needed;
    const uint64_t rows = in_a & ~in_b & needed, cols = in_b & ~in_a & needed;
    struct labels la = {0}, lb = {0}, lc = {0};
    struct dsc_term da, db;
    struct dsc_tensor *made;
    int64_t dim[DSC_MAX_RANK];

    add_set(&la, batch);
    add_set(&la, rows);
    add_set(&la, inner);
    add_set(&lb, batch);
    add_set(&lb, inner);
    add_set(&lb, cols);
    add_set(&lc, batch);
    add_set(&lc, rows);
    add_set(&lc, cols);
    DSC_TRY(arrange(x, size, &la, a, &da, err));
    DSC_TRY(arrange(x, size, &lb, b, &db, err));
    if (lc.n > DSC_MAX_RANK)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "more than %d axes in one step", DSC_MAX_RANK);
    dense(c, &lc, size);
    for (int i = 0; i < lc.n; i++)
        dim[i] = size[lc.at[i]];
    DSC_TRY(dsc_exec_temp(x, a->t->dtype, lc.n, dim, &made, err));
    c->t = made;
    const struct dsc_gemm_spec s = {.m = n_of(rows, size),
                                    .n = n_of(cols, size),
                                    .k = n_of(inner, size),
                                    .alpha = 1,
                                    .n_batch = n_of(batch, size)};
    return dsc_gemm(x->dev, &s, made, da.t, db.t, err);
}

enum dsc_status dsc_contract(struct dsc_exec *x, const int64_t *size, const struct dsc_term *y,
                             int n_terms, const struct dsc_term *terms, struct dsc_err *err)
{
    struct dsc_term acc = terms[0];

    for (int i = 1; i < n_terms; i++) {
        uint64_t needed = set_of(y);
        struct dsc_term next;

        for (int k = i + 1; k < n_terms; k++)
            needed |= set_of(&terms[k]);
        DSC_TRY(multiply(x, size, needed, &acc, &terms[i], &next, err));
        acc = next;
    }
    return add_term(x, size, y, &acc, err);
}
