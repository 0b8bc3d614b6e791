/* Counting parameters, zeros and operations. */
#include "dsc/census.h"

#include "dsc/checked.h"

#include <math.h>
#include <string.h>

/* How a float type's bits tell zero, infinity and NaN. */
struct float_bits {
    uint64_t magnitude, infinity;
};

static struct float_bits float_bits_of(enum dsc_dtype d)
{
    switch (d) {
    case DSC_F64:
        return (struct float_bits){UINT64_MAX >> 1, UINT64_C(0x7FF) << 52};
    case DSC_F32:
        return (struct float_bits){0x7FFFFFFF, 0x7F800000};
    case DSC_F16:
        return (struct float_bits){0x7FFF, 0x7C00};
    case DSC_BF16:
        return (struct float_bits){0x7FFF, 0x7F80};
    default:
        return (struct float_bits){UINT64_MAX, UINT64_MAX};
    }
}

static uint64_t bits_at(const struct dsc_tensor *t, int n_bits, int64_t i)
{
    switch (n_bits) {
    case 64:
        return ((const uint64_t *)t->data)[i];
    case 32:
        return ((const uint32_t *)t->data)[i];
    case 16:
        return ((const uint16_t *)t->data)[i];
    case 8:
        return ((const uint8_t *)t->data)[i];
    default:
        return ((const uint8_t *)t->data)[i / 2] >> (i % 2 ? 4 : 0) & 15;
    }
}

/* Neumaier's sum: the mean of millions of weights keeps its digits. */
static void add(double *sum, double *rest, double v)
{
    const double t = *sum + v;

    *rest += fabs(*sum) >= fabs(v) ? *sum - t + v : v - t + *sum;
    *sum = t;
}

struct sums {
    double sum, rest;
    int64_t n;
};

static void count_range(const struct dsc_tensor *t, int64_t n, struct sums *s,
                        struct dsc_tensor_census *c)
{
    for (int64_t i = 0; i < n; i++) {
        const double v = dsc_tensor_get_f64(t, i);

        if (!isfinite(v))
            continue;
        c->min = s->n == 0 || v < c->min ? v : c->min;
        c->max = s->n == 0 || v > c->max ? v : c->max;
        add(&s->sum, &s->rest, v);
        s->n++;
    }
}

static void count_bits(const struct dsc_tensor *t, int64_t n, struct dsc_tensor_census *c)
{
    const bool is_float = dsc_dtype_is_float(t->dtype);
    const struct float_bits f = float_bits_of(t->dtype);
    const int n_bits = dsc_dtype_bits(t->dtype);

    for (int64_t i = 0; i < n; i++) {
        const uint64_t v = bits_at(t, n_bits, i) & f.magnitude;

        c->n_nonzero += v != 0;
        c->n_inf += is_float && v == f.infinity;
        c->n_nan += is_float && v > f.infinity;
    }
}

/* The same of f32, in a form that becomes vector instructions: most weights are. */
static void count_bits_f32(const uint32_t *x, int64_t n, struct dsc_tensor_census *c)
{
    uint32_t n_nonzero = 0, n_inf = 0, n_nan = 0;

    for (int64_t i = 0; i < n; i++) {
        const int32_t v = (int32_t)(x[i] & 0x7FFFFFFF);

        n_nonzero += v != 0;
        n_inf += v == 0x7F800000;
        n_nan += v > 0x7F800000;
    }
    c->n_nonzero += n_nonzero;
    c->n_inf += n_inf;
    c->n_nan += n_nan;
}

/* By blocks that are copied, since a mapped tensor may lie at any byte. */
void dsc_tensor_census(const struct dsc_tensor *t, bool has_range, struct dsc_tensor_census *c)
{
    enum { BLOCK = 2048 };
    _Alignas(8) unsigned char buf[8 * BLOCK];
    struct dsc_tensor block = {.dtype = t->dtype, .rank = 1, .data = buf};
    struct sums s = {0};

    *c = (struct dsc_tensor_census){.n_elems = dsc_tensor_n_elems(t)};
    for (int64_t i = 0; i < c->n_elems; i += BLOCK) {
        const int64_t n = c->n_elems - i < BLOCK ? c->n_elems - i : BLOCK;

        memcpy(buf, (const unsigned char *)t->data + dsc_dtype_bytes(t->dtype, i),
               dsc_dtype_bytes(t->dtype, n));
        block.dim[0] = n;
        if (t->dtype == DSC_F32)
            count_bits_f32((const void *)buf, n, c);
        else
            count_bits(&block, n, c);
        if (has_range)
            count_range(&block, n, &s, c);
    }
    c->mean = s.n ? (s.sum + s.rest) / (double)s.n : 0;
}

static bool is_scale_input(const struct dsc_op *op, int i)
{
    return i > 0 &&
           (strcmp(op->onnx, "QuantizeLinear") == 0 || strcmp(op->onnx, "DequantizeLinear") == 0);
}

void dsc_graph_mark_params(const struct dsc_graph *g, bool *is_param)
{
    memset(is_param, 0, (size_t)g->n_values * sizeof *is_param);
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];

        for (int k = 0; k < n->n_in; k++) {
            const struct dsc_value *v = n->in[k] == DSC_NO_VALUE ? NULL : &g->values[n->in[k]];
            const bool is_host = k < 16 && (n->op->host_in & DSC_IN(k));

            if (!v || !dsc_tensor_is_present(&v->init) || is_host || is_scale_input(n->op, k))
                continue;
            if (v->init.dtype != DSC_I64 && v->init.dtype != DSC_U64 && v->init.dtype != DSC_BOOL)
                is_param[n->in[k]] = true;
        }
    }
}

enum dsc_status dsc_graph_param_census(const struct dsc_graph *g, struct dsc_param_census *c,
                                       struct dsc_err *err)
{
    bool *is_param = dsc_heap_alloc((size_t)g->n_values + 1, sizeof *is_param, err);

    *c = (struct dsc_param_census){0};
    if (!is_param)
        return DSC_E_MEMORY;
    dsc_graph_mark_params(g, is_param);
    for (int i = 0; i < g->n_values; i++) {
        const struct dsc_tensor *t = &g->values[i].init;
        struct dsc_tensor_census one;

        if (!dsc_tensor_is_present(t) || g->values[i].n_uses == 0)
            continue;
        c->n_bytes += dsc_tensor_n_bytes(t);
        if (!is_param[i])
            continue;
        dsc_tensor_census(t, false, &one);
        c->n_params += one.n_elems;
        c->n_nonzero += one.n_nonzero;
    }
    dsc_heap_free(is_param);
    return DSC_OK;
}

int64_t dsc_node_flops(const struct dsc_infer *q)
{
    const struct dsc_type *t = &q->out[0];
    int64_t n = 1;

    if (q->node->op->flops)
        return q->node->op->flops(q);
    if (q->node->op->is_view || q->node->op->is_host)
        return 0;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] < 0 || !dsc_mul_i64(n, t->dim[i], &n))
            return -1;
    return t->rank < 0 ? -1 : n;
}
