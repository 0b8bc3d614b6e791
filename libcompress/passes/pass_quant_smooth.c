/*
 * SmoothQuant (Xiao et al. 2022, arXiv:2211.10438): the range of an activation is moved into the
 * weights, channel by channel, before either is quantized.
 */
#include "dsc/quant.h"
#include "passes/quant_spelling.h"

#include <math.h>
#include <stdio.h>

#define LEAST 1e-5 /* of a maximum: a channel that is never used keeps a finite scale */

static bool is_transposed(const struct dsc_node *n)
{
    return dsc_node_is(n, "", "Gemm") && dsc_node_int(n, "transB", 0) != 0;
}

/* A quantized product of x and a constant weight. */
static bool reads(const struct dsc_graph *g, const struct dsc_quant_plan *plan,
                  const struct dsc_node *n, int x)
{
    return n->op && n->op->quant == DSC_QUANT_WEIGHT && dsc_activation_of(g, n) == x &&
           dsc_constant(g, n->in[1]) && dsc_is_planned(plan, n);
}

/* Element [k, j] of a weight [K,N], or [N,K] when it is transposed. */
static int64_t at(const struct dsc_tensor *w, bool is_trans, int64_t k, int64_t j)
{
    return is_trans ? j * w->dim[1] + k : k * w->dim[1] + j;
}

static void add_weight_max(const struct dsc_tensor *w, bool is_trans, double *most)
{
    const int64_t n_k = w->dim[is_trans], n_j = w->dim[!is_trans];
    const float *v = w->data;

    for (int64_t k = 0; k < n_k; k++)
        for (int64_t j = 0; j < n_j; j++)
            most[k] = fmax(most[k], fabs((double)v[at(w, is_trans, k, j)]));
}

double dsc_smooth_scale(double x_max, double w_max, double alpha)
{
    return pow(fmax(x_max, LEAST), alpha) / pow(fmax(w_max, LEAST), 1 - alpha);
}

/* s of each channel; false where a weight is read by somebody else as well. */
static bool find_scales(const struct dsc_graph *g, const struct dsc_quant_plan *plan,
                        const struct dsc_quant_site *site, double alpha, double *s)
{
    for (int64_t k = 0; k < site->n_channels; k++)
        s[k] = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];

        if (!reads(g, plan, n, site->value))
            continue;
        if (g->values[n->in[1]].n_uses != 1)
            return false;
        add_weight_max(dsc_constant(g, n->in[1]), is_transposed(n), s);
    }
    for (int64_t k = 0; k < site->n_channels; k++)
        s[k] = dsc_smooth_scale((double)site->channel_max[k], s[k], alpha);
    return true;
}

static enum dsc_status scale_weight(struct dsc_graph *g, struct dsc_node *n, const double *s,
                                    struct dsc_err *err)
{
    const struct dsc_tensor *w = dsc_constant(g, n->in[1]);
    const bool is_trans = is_transposed(n);
    struct dsc_tensor t;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 2, w->dim, err));
    for (int64_t k = 0; k < w->dim[is_trans]; k++)
        for (int64_t j = 0; j < w->dim[!is_trans]; j++) {
            const int64_t i = at(w, is_trans, k, j);

            ((float *)t.data)[i] = (float)((double)((const float *)w->data)[i] * s[k]);
        }
    st = dsc_graph_set_init(g, n->in[1], &t, err);
    dsc_tensor_clear(&t);
    return st;
}

/* x / s; x is a value whose last axis is the channels. */
static enum dsc_status add_mul(struct dsc_graph *g, const struct dsc_quant_site *site, int x,
                               const double *s, int *smooth, struct dsc_err *err)
{
    struct dsc_tensor t;
    char name[300];
    int inverse;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&t, DSC_F32, 1, &site->n_channels, err));
    for (int64_t k = 0; k < site->n_channels; k++)
        ((float *)t.data)[k] = (float)(1 / s[k]);
    snprintf(name, sizeof name, "%s_smooth_scale", g->values[site->value].name);
    st = dsc_add_init(g, name, &t, &inverse, err);
    dsc_tensor_clear(&t);
    DSC_TRY(st);
    snprintf(name, sizeof name, "%s_smooth", g->values[site->value].name);
    return dsc_add_node(g, "", "Mul", name, 2, (int[]){x, inverse}, smooth, NULL, err);
}

/* Channels of heads, [.., heads, size], are one axis only behind the Reshape to rows. */
static bool is_last_axis(const struct dsc_graph *g, const struct dsc_quant_site *site)
{
    const struct dsc_type *t = &g->values[site->value].type;

    return t->rank > 0 && t->dim[t->rank - 1] == site->n_channels;
}

/* What the product reads instead: the smoothed activation, or its rows; made once. */
static enum dsc_status add_smooth(struct dsc_graph *g, const struct dsc_quant_site *site,
                                  const struct dsc_node *product, const double *s, int *smooth,
                                  int *flat, struct dsc_err *err)
{
    const struct dsc_node *rows = dsc_rows_of(g, product->in[0]);
    char name[300];

    if (*smooth < 0)
        DSC_TRY(
            add_mul(g, site, is_last_axis(g, site) ? site->value : product->in[0], s, smooth, err));
    if (product->in[0] == site->value || !is_last_axis(g, site) || *flat >= 0)
        return DSC_OK;
    snprintf(name, sizeof name, "%s/rows", g->values[*smooth].name);
    return dsc_add_node(g, "", "Reshape", name, 2, (int[]){*smooth, rows->in[1]}, flat, NULL, err);
}

static enum dsc_status smooth_site(struct dsc_graph *g, const struct dsc_quant_plan *plan,
                                   const struct dsc_quant_site *site, const double *s,
                                   struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;
    int smooth = -1, flat = -1;

    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *n = g->nodes[i];

        if (!reads(g, plan, n, site->value))
            continue;
        DSC_TRY(scale_weight(g, n, s, err));
        DSC_TRY(add_smooth(g, site, n, s, &smooth, &flat, err));
        dsc_set_in(n, 0, n->in[0] == site->value || flat < 0 ? smooth : flat);
    }
    return DSC_OK;
}

bool dsc_quant_reads(const struct dsc_graph *g, const struct dsc_quant_plan *plan, int weight,
                     int x)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (reads(g, plan, g->nodes[i], x) && g->nodes[i]->in[1] == weight)
            return true;
    return false;
}

/* A weight that others read as well cannot be scaled for one of its readers. */
static bool is_shared(const struct dsc_graph *g, const struct dsc_quant_plan *plan, int x)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (reads(g, plan, g->nodes[i], x) && g->values[g->nodes[i]->in[1]].n_uses != 1)
            return true;
    return false;
}

enum dsc_status dsc_quant_scale_channels(struct dsc_graph *g, const struct dsc_quant_plan *plan,
                                         const struct dsc_quant_site *site, const double *s,
                                         bool *is_done, struct dsc_err *err)
{
    *is_done = !is_shared(g, plan, site->value);
    if (!*is_done)
        return DSC_OK;
    return smooth_site(g, plan, site, s, err);
}

enum dsc_status dsc_quant_smooth(struct dsc_graph *g, const struct dsc_quant_plan *plan,
                                 const struct dsc_quant_site *site, double alpha, double *s,
                                 bool *is_done, struct dsc_err *err)
{
    *is_done = find_scales(g, plan, site, alpha, s);
    return *is_done ? smooth_site(g, plan, site, s, err) : DSC_OK;
}
