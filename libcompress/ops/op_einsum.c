/*
 * Einsum: sums of products by an equation, "bij,bjk->bik". ONNX Einsum-12: letters, "...", repeated
 * letters (diagonals), and without an arrow the letters that stand once, in order.
 */
#include "ops/equation.h"

static enum dsc_status infer(struct dsc_infer *q, struct dsc_err *err)
{
    struct dsc_equation eq;

    DSC_TRY(dsc_same_dtype(q, DSC_ALL_IN, err));
    q->out[0].dtype = q->in[0].dtype;
    for (int t = 0; t < q->n_in; t++)
        if (q->in[t].rank < 0)
            return DSC_OK;
    DSC_TRY(dsc_equation_parse(q->node, q->in, &eq, err));
    q->out[0].rank = eq.out.n;
    for (int i = 0; i < eq.out.n; i++) {
        q->out[0].dim[i] = eq.size[eq.out.label[i]];
        for (int k = 0; k < i; k++)
            if (eq.out.label[k] == eq.out.label[i])
                return dsc_fail(err, DSC_E_SCHEMA, "a label stands twice behind the arrow");
    }
    return DSC_OK;
}

/* A part as a term: repeated labels walk the diagonal; an axis of 1 that others stretch is gone. */
static void term_of(const struct dsc_equation *q, const struct dsc_part *p, const int64_t *dim,
                    struct dsc_term *t)
{
    int64_t step = 1;

    t->n = 0;
    for (int i = p->n - 1; i >= 0; i--) {
        int k = 0;

        while (k < t->n && t->label[k] != p->label[i])
            k++;
        if (dim[i] == q->size[p->label[i]]) {
            if (k == t->n) {
                t->label[t->n] = p->label[i];
                t->stride[t->n++] = 0;
            }
            t->stride[k] += step;
        }
        step *= dim[i];
    }
}

static enum dsc_status forward(struct dsc_exec *x, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor **out,
                               struct dsc_err *err)
{
    struct dsc_type type[CONTRACT_MAX_TERMS];
    struct dsc_term term[CONTRACT_MAX_TERMS], y = {.t = out[0]};
    const int64_t zero = 0;
    struct dsc_equation q;

    for (int t = 0; t < n->n_in && t < CONTRACT_MAX_TERMS; t++)
        dsc_type_of_tensor(&type[t], in[t]);
    DSC_TRY(dsc_equation_parse(n, type, &q, err));
    for (int t = 0; t < n->n_in; t++) {
        term[t].t = in[t];
        term_of(&q, &q.term[t], type[t].dim, &term[t]);
    }
    term_of(&q, &q.out, out[0]->dim, &y);
    DSC_TRY(dsc_fill(x->dev, out[0], &zero, err));
    return dsc_contract(x, q.size, &y, n->n_in, term, err);
}

/* The gradient of one term is the sum of products of dy and all other terms, over its labels. */
static enum dsc_status backward(struct dsc_exec *x, const struct dsc_node *n,
                                const struct dsc_saved *saved, const struct dsc_tensor *const *dout,
                                struct dsc_tensor **din, struct dsc_err *err)
{
    struct dsc_equation q;

    DSC_TRY(dsc_equation_parse(n, saved->in_type, &q, err));
    for (int t = 0; t < n->n_in; t++) {
        struct dsc_term term[CONTRACT_MAX_TERMS], dx = {.t = din[t]};
        int n_terms = 1;

        if (!din[t])
            continue;
        term[0].t = dout[0];
        term_of(&q, &q.out, dout[0]->dim, &term[0]);
        for (int k = 0; k < n->n_in; k++) {
            if (k == t)
                continue;
            term[n_terms].t = saved->in[k];
            term_of(&q, &q.term[k], saved->in_type[k].dim, &term[n_terms++]);
        }
        term_of(&q, &q.term[t], saved->in_type[t].dim, &dx);
        DSC_TRY(dsc_contract(x, q.size, &dx, n_terms, term, err));
    }
    return DSC_OK;
}

const struct dsc_op dsc_op_einsum = {
    .onnx = "Einsum",
    .n_in = 1,
    .n_out = 1,
    .is_variadic_in = true,
    .since = 12,
    .saves = DSC_ALL_IN,
    .param_in = DSC_ALL_IN,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
