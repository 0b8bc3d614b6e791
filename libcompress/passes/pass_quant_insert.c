/* FakeQuantize on the sites of a plan. */
#include "dsc/quant.h"
#include "passes/quant_spelling.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void dsc_quant_params(enum dsc_dtype code, bool is_symmetric, double low, double high,
                      double *scale, int64_t *zero)
{
    const int bits = dsc_dtype_bits(code);
    const bool is_signed = dsc_dtype_kind(code) == DSC_KIND_SIGNED;
    const double top = ldexp(1, is_signed ? bits - 1 : bits) - 1;
    const double bottom = is_signed ? (is_symmetric ? -top : -top - 1) : 0;

    low = fmin(low, 0); /* 0 must have a code: padding and Relu */
    high = fmax(high, 0);
    if (is_symmetric)
        high = fmax(high, -low), low = -high;
    *scale = (high - low) / (is_symmetric && !is_signed ? top : top - bottom);
    *scale = *scale > 0 && isfinite(*scale) ? (double)dsc_usable_scale((float)*scale) : 1;
    *zero = is_symmetric ? (is_signed ? 0 : (int64_t)ldexp(1, bits - 1))
                         : (int64_t)fmin(fmax(rint(bottom - low / *scale), bottom), top);
}

void dsc_quant_full_scales(const struct dsc_tensor *w, int axis, double limit, double *scales,
                           int64_t n_scales)
{
    int64_t inner = 1, n = dsc_tensor_n_elems(w);

    for (int i = axis + 1; axis >= 0 && i < w->rank; i++)
        inner *= w->dim[i];
    for (int64_t k = 0; k < n_scales; k++)
        scales[k] = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = n_scales == 1 ? 0 : i / inner % n_scales;

        scales[k] = fmax(scales[k], fabs((double)((const float *)w->data)[i]));
    }
    for (int64_t k = 0; k < n_scales; k++)
        scales[k] = scales[k] > 0 ? (double)(float)(scales[k] / limit) : 1;
}

struct inserter {
    struct dsc_graph *g;
    const struct dsc_quant_plan *plan;
    const struct dsc_quant_source *source;
};

static enum dsc_status add_params(struct inserter *p, const char *value, enum dsc_dtype code,
                                  const double *scales, int64_t n_scales, bool is_scalar,
                                  int64_t zero, int *scale_id, int *zero_id, struct dsc_err *err)
{
    char name[300];
    struct dsc_tensor s, z;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&s, DSC_F32, is_scalar ? 0 : 1, &n_scales, err));
    st = dsc_tensor_new(&z, code, is_scalar ? 0 : 1, &n_scales, err);
    for (int64_t i = 0; st == DSC_OK && i < n_scales; i++) {
        dsc_tensor_set_f64(&s, i, scales[i]);
        dsc_tensor_set_i64(&z, i, zero);
    }
    snprintf(name, sizeof name, "%s_scale", value);
    if (st == DSC_OK)
        st = dsc_add_init(p->g, name, &s, scale_id, err);
    snprintf(name, sizeof name, "%s_zero_point", value);
    if (st == DSC_OK)
        st = dsc_add_init(p->g, name, &z, zero_id, err);
    dsc_tensor_clear(&s);
    dsc_tensor_clear(&z);
    return st;
}

/* How codes are made and what learns. Draws are one for a weight, else by example. */
static enum dsc_status set_quantizer(struct dsc_graph *g, struct dsc_node *fq,
                                     const struct dsc_quant_site *s, struct dsc_err *err)
{
    if (s->quantizer)
        DSC_TRY(dsc_node_set_string(g, fq, "quantizer", s->quantizer->name, err));
    if (s->is_stochastic)
        DSC_TRY(dsc_node_set_string(g, fq, "stochastic",
                                    s->kind == DSC_SITE_WEIGHT ? "tensor" : "example", err));
    if (s->bits)
        DSC_TRY(dsc_node_set_int(g, fq, "bits", s->bits, err));
    if (s->kind == DSC_SITE_ACTIVATION || s->bits == 2) /* of 4 codes none is left out */
        return DSC_OK;
    return dsc_node_set_int(g, fq, "narrow", 1, err);
}

static bool is_sign(const struct dsc_quant_site *s)
{
    return s->quantizer && s->quantizer->is_sign;
}

/* The value of code 0, where it learns. */
static enum dsc_status add_offset(struct dsc_graph *g, const struct dsc_quant_site *s, double value,
                                  int *id, struct dsc_err *err)
{
    struct dsc_tensor t;
    char name[300];
    enum dsc_status st;

    *id = DSC_NO_VALUE;
    if (!s->quantizer || !s->quantizer->has_offset)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 0, NULL, err));
    dsc_tensor_set_f64(&t, 0, value);
    snprintf(name, sizeof name, "%s_offset", g->values[s->value].name);
    st = dsc_add_init(g, name, &t, id, err);
    dsc_tensor_clear(&t);
    return st;
}

/* Uses of a value that its FakeQuantize takes over: the quantized inputs of planned nodes. A table
 * may be a product's weight, too. */
static bool takes_over(const struct inserter *p, const struct dsc_node *n, int k,
                       const struct dsc_quant_site *s)
{
    const bool is_table = s->kind == DSC_SITE_TABLE;

    if (s->is_output)
        return n->in[k] == s->value;
    if (n->op->quant == DSC_QUANT_RECURRENT)
        return s->kind == DSC_SITE_WEIGHT && n->in[k] == s->value && (k == 1 || k == 2) &&
               dsc_is_planned(p->plan, n);
    return n->in[k] == s->value && k <= (is_table ? 0 : 1) &&
           (is_table ? n->op->quant == DSC_QUANT_TABLE
                     : n->op->quant == DSC_QUANT_WEIGHT || n->op->quant == DSC_QUANT_CONV) &&
           dsc_is_planned(p->plan, n);
}

/* The Reshape of `value` to rows that a planned Gemm reads, or NULL. */
static struct dsc_node *rows_before(const struct inserter *p, const struct dsc_node *n, int value)
{
    struct dsc_node *rows = dsc_node_is(n, "", "Gemm") ? dsc_rows_of(p->g, n->in[0]) : NULL;

    return rows && rows->in[0] == value && dsc_is_planned(p->plan, n) ? rows : NULL;
}

/* Planned products read `out` through a Reshape of its own: others may read the float rows. */
static enum dsc_status take_over_rows(struct inserter *p, int value, int out, int n_nodes,
                                      struct dsc_err *err)
{
    struct dsc_graph *g = p->g;

    for (int i = 0; i < n_nodes; i++) {
        const struct dsc_node *from = rows_before(p, g->nodes[i], value);
        char name[300];
        int rows;

        if (!from)
            continue;
        snprintf(name, sizeof name, "%s/quantized", from->name);
        DSC_TRY(
            dsc_add_node(g, "", "Reshape", name, 2, (int[]){out, from->in[1]}, &rows, NULL, err));
        for (int j = i; j < n_nodes; j++)
            if (rows_before(p, g->nodes[j], value) == from)
                g->nodes[j]->in[0] = rows;
    }
    return DSC_OK;
}

/* A table is quantized behind its lookups: the same values, on the rows that are used alone. */
static enum dsc_status insert_behind_lookups(struct inserter *p, const struct dsc_quant_site *s,
                                             int scale, int zero, struct dsc_err *err)
{
    struct dsc_graph *g = p->g;
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *n = g->nodes[i], *fq;
        char name[300];
        int rows;

        if (!takes_over(p, n, 0, s))
            continue;
        snprintf(name, sizeof name, "%s/rows", n->name);
        DSC_TRY(dsc_add_value(g, name, &rows, err));
        snprintf(name, sizeof name, "%s/fake_quantize", n->name);
        DSC_TRY(dsc_graph_node(g, dsc_op_find("dsc", "FakeQuantize"), name, 3,
                               (int[]){rows, scale, zero}, 1, n->out, &fq, err));
        n->out[0] = rows;
        DSC_TRY(set_quantizer(g, fq, s, err));
        /* columns, whatever the ids' shape; signs have a scale for each row */
        DSC_TRY(dsc_node_set_int(g, fq, is_sign(s) ? "rows" : "axis", is_sign(s) ? 1 : -1, err));
    }
    return DSC_OK;
}

static enum dsc_status insert_node(struct inserter *p, const struct dsc_quant_site *s, int scale,
                                   int zero, int offset, struct dsc_err *err)
{
    const int in[4] = {s->value, scale, zero, offset};
    struct dsc_graph *g = p->g;
    const int n_nodes = g->n_nodes;
    struct dsc_node *fq;
    char name[300];
    int out;

    snprintf(name, sizeof name, "%s/fake_quantize", g->values[s->value].name);
    DSC_TRY(dsc_add_node(g, "dsc", "FakeQuantize", name, offset == DSC_NO_VALUE ? 3 : 4, in, &out,
                         &fq, err));
    DSC_TRY(set_quantizer(g, fq, s, err));
    if (s->axis >= 0)
        DSC_TRY(dsc_node_set_int(g, fq, "axis", s->axis, err));
    for (int i = 0; i < n_nodes; i++)
        for (int k = 0; k < g->nodes[i]->n_in; k++)
            if (takes_over(p, g->nodes[i], k, s))
                g->nodes[i]->in[k] = out;
    return s->kind == DSC_SITE_ACTIVATION ? take_over_rows(p, s->value, out, n_nodes, err) : DSC_OK;
}

static enum dsc_status insert_activation(struct inserter *p, const struct dsc_quant_site *s,
                                         struct dsc_err *err)
{
    const struct dsc_quant_target *t = p->plan->target;
    const char *name = p->g->values[s->value].name;
    double low, high, scale;
    int64_t zero;
    int scale_id, zero_id, offset_id;

    if (!p->source->range || !p->source->range(p->source->ctx, name, &low, &high))
        return dsc_fail(err, DSC_E_INCONSISTENT, "no range was observed for '%s'", name);
    if (!isfinite(low) || !isfinite(high))
        return dsc_fail(err, DSC_E_NONFINITE, "the range of '%s' is [%g, %g]", name, low, high);
    dsc_quant_params(s->dtype, t->is_act_symmetric, low, high, &scale, &zero);
    DSC_TRY(add_params(p, name, s->dtype, &scale, 1, true, zero, &scale_id, &zero_id, err));
    DSC_TRY(add_offset(p->g, s, -(double)zero * scale, &offset_id, err));
    return insert_node(p, s, scale_id, zero_id, offset_id, err);
}

/* Codes would hide NaN and infinity. */
static enum dsc_status check_weight(const struct dsc_tensor *w, const char *name,
                                    struct dsc_err *err)
{
    const int64_t n = dsc_tensor_n_elems(w);

    for (int64_t i = 0; i < n; i++)
        if (!isfinite(((const float *)w->data)[i]))
            return dsc_fail(err, DSC_E_NONFINITE, "weight '%s' holds %g (element %lld)", name,
                            (double)((const float *)w->data)[i], (long long)i);
    return DSC_OK;
}

static enum dsc_status put_weight(struct inserter *p, const struct dsc_quant_site *s, int scale,
                                  int zero, struct dsc_err *err)
{
    return s->kind == DSC_SITE_TABLE ? insert_behind_lookups(p, s, scale, zero, err)
                                     : insert_node(p, s, scale, zero, DSC_NO_VALUE, err);
}

/* Ternary and binary weights have their scales from the weights themselves. */
static enum dsc_status insert_signs(struct inserter *p, const struct dsc_quant_site *s,
                                    struct dsc_err *err)
{
    const struct dsc_value *v = &p->g->values[s->value];
    const bool is_one = s->kind == DSC_SITE_TABLE || s->axis < 0;
    struct dsc_tensor z;
    char name[300];
    enum dsc_status st;
    int zero;

    DSC_TRY(
        dsc_tensor_new(&z, s->dtype, is_one ? 0 : 1, is_one ? NULL : &v->init.dim[s->axis], err));
    snprintf(name, sizeof name, "%s_zero_point", v->name);
    st = dsc_add_init(p->g, name, &z, &zero, err);
    dsc_tensor_clear(&z);
    return st == DSC_OK ? put_weight(p, s, DSC_NO_VALUE, zero, err) : st;
}

static enum dsc_status insert_weight(struct inserter *p, const struct dsc_quant_site *s,
                                     struct dsc_err *err)
{
    const struct dsc_tensor *w = &p->g->values[s->value].init;
    const char *name = p->g->values[s->value].name;
    const int64_t n = s->axis < 0 ? 1 : w->dim[s->axis];
    const double limit = ldexp(1, dsc_site_bits(s) - 1) - 1;
    double *scales;
    int scale_id, zero_id;
    enum dsc_status st = DSC_OK;

    DSC_TRY(check_weight(w, name, err));
    if (is_sign(s))
        return insert_signs(p, s, err);
    scales = dsc_heap_alloc((size_t)n + 1, sizeof *scales, err);
    if (!scales)
        return DSC_E_MEMORY;
    if (p->source->weight_scales)
        st = p->source->weight_scales(p->source->ctx, name, s, w, limit, scales, n, err);
    else
        dsc_quant_full_scales(w, s->axis, limit, scales, n);
    if (st == DSC_OK)
        st = add_params(p, name, s->dtype, scales, n, s->axis < 0, 0, &scale_id, &zero_id, err);
    if (st == DSC_OK)
        st = put_weight(p, s, scale_id, zero_id, err);
    dsc_heap_free(scales);
    return st;
}

enum dsc_status dsc_quant_insert(struct dsc_graph *g, const struct dsc_quant_plan *plan,
                                 const struct dsc_quant_source *source, struct dsc_err *err)
{
    struct inserter p = {.g = g, .plan = plan, .source = source};

    for (int i = 0; i < plan->n_sites; i++) {
        const struct dsc_quant_site *s = &plan->sites[i];

        DSC_TRY(s->kind == DSC_SITE_ACTIVATION ? insert_activation(&p, s, err)
                                               : insert_weight(&p, s, err));
    }
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
