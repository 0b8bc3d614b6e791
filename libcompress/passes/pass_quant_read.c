/*
 * The way back from the standard spelling: Q/DQ pairs and dequantized constants become
 * FakeQuantize, whose weights are the dequantized float masters. Biases become plain float.
 */
#include "dsc/quant.h"
#include "passes/codebook.h"
#include "passes/quant_spelling.h"

#include <stdio.h>
#include <string.h>

enum dsc_status dsc_dequantize_constant(const struct dsc_tensor *code, const struct dsc_tensor *s,
                                        const struct dsc_tensor *z, int64_t axis,
                                        struct dsc_tensor *out, struct dsc_err *err)
{
    const int64_t n = dsc_tensor_n_elems(code), n_scales = dsc_tensor_n_elems(s);
    int64_t inner = 1;

    if (axis < 0)
        axis += code->rank;
    for (int64_t k = axis + 1; k < code->rank; k++)
        inner *= code->dim[k];
    if (n_scales > 1 && (axis < 0 || axis >= code->rank || code->dim[axis] != n_scales))
        return dsc_fail(err, DSC_E_SHAPE, "%lld scales do not fit the axis", (long long)n_scales);
    DSC_TRY(dsc_tensor_new(out, DSC_F32, code->rank, code->dim, err));
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = n_scales == 1 ? 0 : i / inner % n_scales;
        const int64_t zero = z ? dsc_tensor_get_i64(z, dsc_tensor_n_elems(z) == 1 ? 0 : k) : 0;

        ((float *)out->data)[i] =
            (float)((double)(dsc_tensor_get_i64(code, i) - zero) * dsc_tensor_get_f64(s, k));
    }
    return DSC_OK;
}

struct dq {
    struct dsc_node *node;
    const struct dsc_tensor *scale, *zero; /* zero: NULL when left out */
    int64_t axis;
};

static bool read_dq(const struct dsc_graph *g, struct dsc_node *n, struct dq *d)
{
    if (!dsc_node_is(n, "", "DequantizeLinear") || dsc_node_int(n, "block_size", 0) != 0)
        return false;
    d->node = n;
    d->scale = dsc_constant(g, n->in[1]);
    d->zero = dsc_node_has_in(n, 2) ? dsc_constant(g, n->in[2]) : NULL;
    d->axis = dsc_node_int(n, "axis", 1);
    return d->scale && d->scale->dtype == DSC_F32 && (!dsc_node_has_in(n, 2) || d->zero);
}

/* The zero point as a value number: the node's own, or a new constant 0 of the code's type. */
static enum dsc_status zero_of(struct dsc_graph *g, const struct dq *d, enum dsc_dtype code,
                               int *id, struct dsc_err *err)
{
    struct dsc_tensor z;
    char name[300];
    enum dsc_status st;

    if (d->zero) {
        *id = d->node->in[2];
        return DSC_OK;
    }
    DSC_TRY(dsc_tensor_new(&z, code, d->scale->rank, d->scale->dim, err));
    snprintf(name, sizeof name, "%s/zero_point", d->node->name);
    st = dsc_add_init(g, name, &z, id, err);
    dsc_tensor_clear(&z);
    return st;
}

/* FakeQuantize has one zero point. */
static enum dsc_status check_zero(const struct dq *d, struct dsc_err *err)
{
    const int64_t n = d->zero ? dsc_tensor_n_elems(d->zero) : 0;

    for (int64_t i = 1; i < n; i++)
        if (dsc_tensor_get_i64(d->zero, i) != dsc_tensor_get_i64(d->zero, 0))
            return dsc_fail(err, DSC_E_UNSUPPORTED, "'%s' has several zero points", d->node->name);
    return DSC_OK;
}

/* No code is the lowest: weights that we wrote. */
static bool is_narrow(const struct dsc_tensor *code)
{
    const bool is_signed = dsc_dtype_kind(code->dtype) == DSC_KIND_SIGNED;
    const int64_t lowest = is_signed ? -((int64_t)1 << (dsc_dtype_bits(code->dtype) - 1)) : 0;
    const int64_t n = dsc_tensor_n_elems(code);

    for (int64_t i = 0; i < n; i++)
        if (dsc_tensor_get_i64(code, i) == lowest)
            return false;
    return is_signed;
}

/* `text` without an end that finish put there; whether it was there. */
static bool cut_suffix(const char *text, const char *suffix, char *out, size_t n_out)
{
    const size_t n = strlen(text), n_suffix = strlen(suffix);
    const bool has_suffix = n > n_suffix && strcmp(text + n - n_suffix, suffix) == 0;

    snprintf(out, n_out, "%.*s", (int)(has_suffix ? n - n_suffix : n), text);
    return has_suffix;
}

/* The quantizer of codes that were words. */
static enum dsc_status set_levels(struct dsc_graph *g, struct dsc_node *fq, int n_levels,
                                  struct dsc_err *err)
{
    if (n_levels <= 3)
        return dsc_node_set_string(g, fq, "quantizer", n_levels == 3 ? "ternary" : "binary", err);
    DSC_TRY(dsc_node_set_int(g, fq, "bits", n_levels == 4 ? 2 : n_levels == 7 ? 3 : 4, err));
    return n_levels == 4 ? DSC_OK : dsc_node_set_int(g, fq, "narrow", 1, err);
}

/* n_levels: of codes that were words, else 0. */
static enum dsc_status make_fake(struct dsc_graph *g, const struct dq *d, int x, bool is_narrow,
                                 int n_levels, int zero, int *out, struct dsc_err *err)
{
    const bool is_sign = n_levels == 2 || n_levels == 3;
    char name[300];
    struct dsc_node *n;

    DSC_TRY(check_zero(d, err));
    if (!cut_suffix(d->node->name, "/dequantize", name, sizeof name))
        snprintf(name, sizeof name, "%s/fake_quantize", g->values[x].name);
    DSC_TRY(dsc_add_node(g, "dsc", "FakeQuantize", name, 3,
                         (int[]){x, is_sign ? DSC_NO_VALUE : d->node->in[1], zero}, out, &n, err));
    if (n_levels > 0)
        DSC_TRY(set_levels(g, n, n_levels, err));
    else if (is_narrow)
        DSC_TRY(dsc_node_set_int(g, n, "narrow", 1, err));
    return d->scale->rank == 1 ? dsc_node_set_int(g, n, "axis", d->axis, err) : DSC_OK;
}

static enum dsc_status add_master(struct dsc_graph *g, const struct dq *d, int code, int *master,
                                  struct dsc_err *err)
{
    struct dsc_tensor w;
    char name[300];
    enum dsc_status st;

    DSC_TRY(dsc_dequantize_constant(&g->values[code].init, d->scale, d->zero, d->axis, &w, err));
    cut_suffix(g->values[code].name, "_quantized", name, sizeof name); /* finish added it */
    st = dsc_add_init(g, name, &w, master, err);
    dsc_tensor_clear(&w);
    return st;
}

/* What a code was read as: one tensor of a file stays one, whatever the number of its readers. */
struct seen {
    const struct dsc_node *dq; /* the first; NULL: none yet */
    int master, fake;
    int n_levels; /* of codes that were words, else 0 */
};

static bool is_seen(const struct seen *s, const struct dsc_node *dq)
{
    return s->dq && s->dq->in[1] == dq->in[1] &&
           dsc_node_has_in(s->dq, 2) == dsc_node_has_in(dq, 2) &&
           (!dsc_node_has_in(dq, 2) || s->dq->in[2] == dq->in[2]) &&
           dsc_node_int(s->dq, "axis", 1) == dsc_node_int(dq, "axis", 1);
}

static enum dsc_status read_constant(struct dsc_graph *g, const struct dq *d, struct seen *seen,
                                     struct dsc_err *err)
{
    const struct dsc_tensor code = g->values[d->node->in[0]].init;
    struct seen *s = &seen[d->node->in[0]];
    int zero;

    if (!is_seen(s, d->node)) {
        DSC_TRY(add_master(g, d, d->node->in[0], &s->master, err));
        s->dq = d->node;
        s->fake = s->master;
        if (code.dtype != DSC_I32) {
            DSC_TRY(zero_of(g, d, code.dtype, &zero, err));
            DSC_TRY(make_fake(g, d, s->master, is_narrow(&code), s->n_levels, zero, &s->fake, err));
        }
    }
    dsc_graph_replace_uses(g, d->node->out[0], s->fake);
    dsc_graph_remove_node(d->node);
    return DSC_OK;
}

/* DequantizeLinear by column behind a lookup of rows of a constant matrix. */
static bool is_table(const struct dsc_graph *g, const struct dq *d, const struct dsc_node *from)
{
    const struct dsc_tensor *code;
    const int rank = g->values[d->node->in[0]].type.rank;

    if (!from || !from->op || from->op->quant != DSC_QUANT_TABLE ||
        g->values[from->out[0]].n_uses != 1 || dsc_node_int(from, "axis", 0) != 0)
        return false;
    code = dsc_constant(g, from->in[0]);
    return code && code->rank == 2 && code->dtype != DSC_I32 &&
           (dsc_tensor_n_elems(d->scale) == 1 || d->axis == -1 || d->axis == rank - 1);
}

/* Gather(codes) -> DQ becomes Gather(master) -> FakeQuantize. */
static enum dsc_status read_table(struct dsc_graph *g, const struct dq *d, struct dsc_node *lookup,
                                  struct seen *seen, struct dsc_err *err)
{
    const struct dsc_tensor code = g->values[lookup->in[0]].init;
    const struct dq by_column = {d->node, d->scale, d->zero, 1}; /* of the table itself */
    char name[300];
    struct seen *s = &seen[lookup->in[0]];
    int zero, rows, out;

    if (!is_seen(s, d->node))
        DSC_TRY(add_master(g, &by_column, lookup->in[0], &s->master, err));
    s->dq = d->node;
    DSC_TRY(zero_of(g, d, code.dtype, &zero, err));
    snprintf(name, sizeof name, "%s/rows", lookup->name);
    DSC_TRY(dsc_add_value(g, name, &rows, err));
    lookup->in[0] = s->master;
    lookup->out[0] = rows;
    DSC_TRY(make_fake(g, d, rows, is_narrow(&code), s->n_levels, zero, &out, err));
    dsc_graph_replace_uses(g, d->node->out[0], out);
    dsc_graph_remove_node(d->node);
    return DSC_OK;
}

static bool is_same(const struct dsc_tensor *a, const struct dsc_tensor *b)
{
    return a->dtype == b->dtype && dsc_tensor_same_shape(a, b) &&
           memcmp(a->data, b->data, dsc_tensor_n_bytes(a)) == 0;
}

/* QuantizeLinear with the scale and zero point of this DequantizeLinear, be they copies. */
static bool is_pair(const struct dsc_graph *g, const struct dq *d, const struct dsc_node *q)
{
    const struct dsc_tensor *scale = dsc_constant(g, q->in[1]), *zero;

    if (!scale || !is_same(scale, d->scale) || dsc_node_int(q, "axis", 1) != d->axis ||
        dsc_node_int(q, "block_size", 0) != 0 || dsc_node_has_in(q, 2) != (d->zero != NULL))
        return false;
    zero = d->zero ? dsc_constant(g, q->in[2]) : NULL;
    return !d->zero || (zero && is_same(zero, d->zero));
}

static enum dsc_status read_pair(struct dsc_graph *g, const struct dq *d, struct dsc_node *q,
                                 struct dsc_err *err)
{
    int zero, out;

    DSC_TRY(zero_of(g, d, DSC_U8, &zero, err));
    DSC_TRY(make_fake(g, d, q->in[0], false, 0, zero, &out, err));
    dsc_graph_replace_uses(g, d->node->out[0], out);
    dsc_graph_remove_node(d->node);
    return DSC_OK;
}

/* ---- signs of rows: Mul(Cast(Gather(codes, ids)), Gather(scales, ids)) ---- */

static struct dsc_node *maker(const struct dsc_graph *g, const struct dsc_node *n, int k,
                              const char *op)
{
    struct dsc_node *m = n->n_in > k ? dsc_producer(g, n->in[k]) : NULL;

    return dsc_node_is(m, "", op) ? m : NULL;
}

static enum dsc_status read_signs(struct dsc_graph *g, struct dsc_node *mul, struct seen *seen,
                                  bool *is_read, struct dsc_err *err)
{
    struct dsc_node *cast = maker(g, mul, 0, "Cast"), *scales = maker(g, mul, 1, "Gather");
    struct dsc_node *lookup = cast ? maker(g, cast, 0, "Gather") : NULL, *fq;
    const struct dsc_tensor *code = lookup ? dsc_constant(g, lookup->in[0]) : NULL;
    const struct dq by_row = {mul, scales ? dsc_constant(g, scales->in[0]) : NULL, NULL, 0};
    struct seen *s = code ? &seen[lookup->in[0]] : NULL;
    struct dsc_tensor z;
    char name[300];
    int zero, rows, out;
    enum dsc_status st;

    *is_read = s && (s->n_levels == 2 || s->n_levels == 3) && by_row.scale &&
               by_row.scale->dtype == DSC_F32 && scales->in[1] == lookup->in[1] &&
               dsc_tensor_n_elems(by_row.scale) == code->dim[0] &&
               g->values[cast->out[0]].n_uses == 1 && g->values[lookup->out[0]].n_uses == 1;
    if (!*is_read)
        return DSC_OK;
    if (!s->dq)
        DSC_TRY(add_master(g, &by_row, lookup->in[0], &s->master, err));
    s->dq = mul;
    snprintf(name, sizeof name, "%.280s/zero_point", mul->name);
    DSC_TRY(dsc_tensor_new(&z, DSC_I8, 0, NULL, err));
    st = dsc_add_init(g, name, &z, &zero, err);
    dsc_tensor_clear(&z);
    DSC_TRY(st);
    snprintf(name, sizeof name, "%.280s/rows", lookup->name);
    DSC_TRY(dsc_add_value(g, name, &rows, err));
    cut_suffix(mul->name, "/dequantize", name, sizeof name);
    DSC_TRY(dsc_add_node(g, "dsc", "FakeQuantize", name, 3, (int[]){rows, DSC_NO_VALUE, zero}, &out,
                         &fq, err));
    DSC_TRY(set_levels(g, fq, s->n_levels, err));
    DSC_TRY(dsc_node_set_int(g, fq, "rows", 1, err));
    lookup->in[0] = s->master;
    lookup->out[0] = rows;
    dsc_graph_replace_uses(g, mul->out[0], out);
    dsc_graph_remove_node(cast);
    dsc_graph_remove_node(mul);
    return DSC_OK;
}

static enum dsc_status check_static(const struct dsc_graph *g, struct dsc_err *err)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (dsc_node_is(g->nodes[i], "", "DynamicQuantizeLinear") ||
            dsc_node_is(g->nodes[i], "com.microsoft", "DynamicQuantizeLSTM"))
            return dsc_fail(err, DSC_E_UNSUPPORTED,
                            "'%s': ranges are computed at run time, there is no scale to train",
                            g->nodes[i]->name);
    return DSC_OK;
}

static enum dsc_status read_one(struct dsc_graph *g, const struct dq *d, struct seen *seen,
                                bool *is_read, struct dsc_err *err)
{
    struct dsc_node *from = dsc_producer(g, d->node->in[0]);

    *is_read = true;
    if (dsc_constant(g, d->node->in[0]))
        return read_constant(g, d, seen, err);
    if (is_table(g, d, from))
        return read_table(g, d, from, seen, err);
    if (dsc_node_is(from, "", "QuantizeLinear") && is_pair(g, d, from))
        return read_pair(g, d, from, err);
    *is_read = false;
    return DSC_OK;
}

static enum dsc_status read_all(struct dsc_graph *g, struct seen *seen, int *n_found,
                                bool *has_int_bias, struct dsc_err *err)
{
    const int n_nodes = g->n_nodes;

    for (int i = 0; i < n_nodes; i++) {
        const struct dsc_tensor *code;
        struct dq d;
        bool is_read;

        if (dsc_node_is(g->nodes[i], "", "Mul")) {
            DSC_TRY(read_signs(g, g->nodes[i], seen, &is_read, err));
            *n_found += is_read;
            continue;
        }
        if (!g->nodes[i]->op || !read_dq(g, g->nodes[i], &d))
            continue;
        code = dsc_constant(g, d.node->in[0]);
        *has_int_bias |= code && code->dtype == DSC_I32;
        DSC_TRY(read_one(g, &d, seen, &is_read, err));
        *n_found += is_read;
    }
    return DSC_OK;
}

enum dsc_status dsc_quant_read(struct dsc_graph *g, int *n_found, bool *has_int_bias,
                               struct dsc_err *err)
{
    bool is_bias = false;
    struct dsc_unpacked *unpacked;
    struct seen *seen = NULL;
    int n_unpacked = 0;
    enum dsc_status st;

    *n_found = 0;
    DSC_TRY(check_static(g, err));
    unpacked = dsc_heap_alloc((size_t)g->n_nodes + 1, sizeof *unpacked, err);
    if (!unpacked)
        return DSC_E_MEMORY;
    st = dsc_quant_unpack(g, true, unpacked, &n_unpacked, err);
    if (st == DSC_OK && !(seen = dsc_heap_alloc((size_t)g->n_values + 1, sizeof *seen, err)))
        st = DSC_E_MEMORY;
    for (int i = 0; st == DSC_OK && i < n_unpacked; i++)
        seen[unpacked[i].value].n_levels = unpacked[i].n_levels;
    if (st == DSC_OK)
        st = read_all(g, seen, n_found, &is_bias, err);
    dsc_heap_free(seen);
    dsc_heap_free(unpacked);
    DSC_TRY(st);
    if (has_int_bias)
        *has_int_bias = is_bias;
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}
