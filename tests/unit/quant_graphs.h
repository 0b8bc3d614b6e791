/* Small graphs for tests of quantization, and what is done with them. */
#ifndef DSC_QUANT_GRAPHS_H
#define DSC_QUANT_GRAPHS_H

#include "dsc/exec.h"
#include "dsc/io.h"
#include "dsc/op.h"
#include "dsc/pass.h"
#include "dsc/quant.h"
#include "dsc/rng.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every call here must succeed but where a test says otherwise. */
#define OK(call)                                                                       \
    do {                                                                               \
        struct dsc_err err = {0};                                                      \
        ck_assert_msg((call) == DSC_OK, "%s: %s (%s)", #call, err.message, err.where); \
    } while (0)

/* ---- building ---- */

static inline int input(struct dsc_graph *g, const char *name, enum dsc_dtype dtype, int rank,
                        const int64_t *dim)
{
    struct dsc_type t = {.dtype = dtype, .rank = rank};
    int id;

    for (int i = 0; i < rank; i++) /* a scalar has no dim */
        t.dim[i] = dim[i];
    OK(dsc_graph_value(g, name, &t, &id, &err));
    OK(dsc_graph_input(g, id, &err));
    return id;
}

static inline void fill_normal(struct dsc_tensor *t, const char *name)
{
    struct dsc_rng r;

    dsc_rng_init(&r, dsc_rng_mix_text(dsc_rng_key(3), name));
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        ((float *)t->data)[i] = dsc_rng_normal(&r);
}

static inline int weight(struct dsc_graph *g, const char *name, int rank, const int64_t *dim)
{
    struct dsc_tensor t;
    int id;

    OK(dsc_tensor_new(&t, DSC_F32, rank, dim, &err));
    fill_normal(&t, name);
    OK(dsc_graph_init(g, name, &t, &id, &err));
    dsc_tensor_clear(&t);
    return id;
}

static inline int call(struct dsc_graph *g, const char *op, const char *name, int n_in,
                       const int *in)
{
    int out;

    OK(dsc_graph_call(g, "", op, name, n_in, in, &out, NULL, &err));
    return out;
}

static inline int gemm(struct dsc_graph *g, const char *name, int n_in, const int *in,
                       bool is_trans)
{
    struct dsc_node *n;
    int out;

    OK(dsc_graph_call(g, "", "Gemm", name, n_in, in, &out, &n, &err));
    if (is_trans)
        OK(dsc_node_set_int(g, n, "transB", 1, &err));
    return out;
}

/* The last node's output is the graph's, under the name "y". */
static inline void finish_building(struct dsc_graph *g)
{
    struct dsc_node *last = g->nodes[g->n_nodes - 1];
    int y;

    OK(dsc_graph_value(g, "y", NULL, &y, &err));
    last->out[0] = y;
    OK(dsc_graph_output(g, y, &err));
    OK(dsc_graph_sort(g, true, &err));
    OK(dsc_graph_verify(g, &err));
}

/* MatMul + Add, Relu, a Gemm with [N,K] weights. */
static inline struct dsc_graph *two_layers(void)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int64_t rows;
    int x;

    OK(dsc_graph_symbol(g, "rows", &rows, &err));
    x = input(g, "x", DSC_F32, 2, (int64_t[]){rows, 6});
    x = call(g, "MatMul", "one", 2, (int[]){x, weight(g, "w1", 2, (int64_t[]){6, 4})});
    x = call(g, "Add", "add", 2, (int[]){weight(g, "b1", 1, (int64_t[]){4}), x});
    x = call(g, "Relu", "relu", 1, &x);
    gemm(g, "two", 3,
         (int[]){x, weight(g, "w2", 2, (int64_t[]){3, 4}), weight(g, "b2", 1, (int64_t[]){3})},
         true);
    finish_building(g);
    return g;
}

/* A table looked up twice, a layer by token, a product of two activations, a layer by row. */
static inline struct dsc_graph *encoder(void)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    const int64_t swap[] = {0, 2, 1};
    struct dsc_node *n;
    int64_t rows, tokens, dim[2];
    int a, b, table, axis;
    struct dsc_tensor t;

    OK(dsc_graph_symbol(g, "rows", &rows, &err));
    OK(dsc_graph_symbol(g, "tokens", &tokens, &err));
    dim[0] = rows;
    dim[1] = tokens;
    table = weight(g, "table", 2, (int64_t[]){9, 6});
    a = call(g, "Gather", "words", 2, (int[]){table, input(g, "ids", DSC_I64, 2, dim)});
    b = call(g, "Gather", "types", 2, (int[]){table, input(g, "kinds", DSC_I64, 2, dim)});
    a = call(g, "Add", "sum", 2, (int[]){a, b});
    b = call(g, "MatMul", "key", 2, (int[]){a, weight(g, "wk", 2, (int64_t[]){6, 6})});
    b = call(g, "Add", "key_add", 2, (int[]){b, weight(g, "bk", 1, (int64_t[]){6})});
    OK(dsc_graph_call(g, "", "Transpose", "swap", 1, (int[]){b}, &b, &n, &err));
    OK(dsc_node_set_ints(g, n, "perm", swap, 3, &err));
    b = call(g, "MatMul", "scores", 2, (int[]){a, b});
    a = call(g, "MatMul", "mixed", 2, (int[]){b, a});
    OK(dsc_tensor_new(&t, DSC_I64, 1, (int64_t[]){1}, &err));
    dsc_tensor_set_i64(&t, 0, 1);
    OK(dsc_graph_init(g, "axis", &t, &axis, &err));
    dsc_tensor_clear(&t);
    OK(dsc_graph_call(g, "", "ReduceMean", "pool", 2, (int[]){a, axis}, &a, &n, &err));
    OK(dsc_node_set_int(g, n, "keepdims", 0, &err));
    gemm(g, "head", 3,
         (int[]){a, weight(g, "wh", 2, (int64_t[]){3, 6}), weight(g, "bh", 1, (int64_t[]){3})},
         true);
    finish_building(g);
    return g;
}

/* ---- looking ---- */

/* Malloced, with a 0 behind. */
static inline char *text_of(const struct dsc_graph *g)
{
    struct dsc_bytes b = {0};

    dsc_graph_print(g, &b);
    dsc_bytes_add(&b, "", 1);
    ck_assert(!b.is_failed);
    return (char *)b.data;
}

static inline void text_is(const struct dsc_graph *g, const char *want)
{
    char *text = text_of(g);

    ck_assert_str_eq(text, want);
    dsc_heap_free(text);
}

static inline int count(const struct dsc_graph *g, const char *op)
{
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        n += strcmp(g->nodes[i]->op->onnx, op) == 0;
    return n;
}

static inline struct dsc_tensor *init_of(struct dsc_graph *g, const char *name)
{
    const int id = dsc_graph_find_value(g, name);

    ck_assert_msg(id >= 0 && dsc_tensor_is_present(&g->values[id].init), "no constant '%s'", name);
    return &g->values[id].init;
}

/* Every constant of a is in b, bit for bit. */
static inline void same_constants(struct dsc_graph *a, struct dsc_graph *b)
{
    for (int i = 0; i < a->n_values; i++) {
        const struct dsc_tensor *t = &a->values[i].init, *u;

        if (!dsc_tensor_is_present(t))
            continue;
        u = init_of(b, a->values[i].name);
        ck_assert_msg(t->dtype == u->dtype && dsc_tensor_same_shape(t, u) &&
                          memcmp(t->data, u->data, dsc_tensor_n_bytes(t)) == 0,
                      "'%s' differs", a->values[i].name);
    }
}

/* ---- quantizing ---- */

struct choice {
    double low, high; /* of every activation */
    bool is_attention, is_per_tensor, is_dynamic;
    const char *left_out;         /* a node, or NULL */
    const char *act_quantizer;    /* NULL: lsq */
    const char *weight_quantizer; /* of tables, too; NULL: lsq */
    int weight_bits;              /* of tables, too; 0: 8 */
};

static inline bool range(void *ctx, const char *value, double *low, double *high)
{
    const struct choice *c = ctx;

    *low = c->low;
    *high = c->high;
    return true;
}

static inline enum dsc_quant_choice choose(void *ctx, const char *node, const char *weight_name)
{
    const struct choice *c = ctx;

    if (c->left_out && strcmp(node, c->left_out) == 0)
        return DSC_QUANT_LEFT_OUT;
    return c->is_attention ? DSC_QUANT_ASKED_FOR : DSC_QUANT_CHOSEN;
}

static inline enum dsc_status insert(struct dsc_graph *g, const struct dsc_quant_target *target,
                                     struct choice *c, struct dsc_err *err)
{
    const struct dsc_quant_source source = {.range = range, .ctx = c};
    struct dsc_quant_target t = *target;
    struct dsc_quant_plan plan;
    struct dsc_arena arena;
    enum dsc_status st;

    t.is_dynamic = c->is_dynamic;
    dsc_arena_init(&arena);
    st = dsc_quant_make_plan(g, &t, choose, c, &arena, &plan, err);
    for (int i = 0; st == DSC_OK && c->is_per_tensor && i < plan.n_sites; i++)
        plan.sites[i].axis = -1;
    for (int i = 0; st == DSC_OK && i < plan.n_sites; i++) {
        const bool is_weight = plan.sites[i].kind != DSC_SITE_ACTIVATION;
        const char *how = is_weight ? c->weight_quantizer : c->act_quantizer;

        plan.sites[i].quantizer = how ? dsc_quantizer_find(how) : NULL;
        plan.sites[i].bits = is_weight ? c->weight_bits : 0;
    }
    if (st == DSC_OK)
        st = dsc_quant_insert(g, &plan, &source, err);
    dsc_arena_clear(&arena);
    return st;
}

static inline const struct dsc_quant_target *target(const char *name)
{
    const struct dsc_quant_target *t = dsc_quant_target_find(name);

    ck_assert_ptr_nonnull(t);
    return t;
}

/* ---- running ---- */

/* y: the first output. */
static inline void run_at(const struct dsc_graph *g, enum dsc_cpu_level level, int n_threads,
                          const struct dsc_tensor *feeds, struct dsc_tensor *y)
{
    struct dsc_tensor out[4] = {0};
    struct dsc_device *dev;
    struct dsc_session *s;

    OK(dsc_device_open(&dev, "cpu", n_threads, &err));
    dsc_device_set_cpu_level(dev, level);
    ck_assert(g->n_outputs > 0 && g->n_outputs <= (int)(sizeof out / sizeof out[0]));
    OK(dsc_session_open(&s, g, dev, &err));
    OK(dsc_session_run(s, &(struct dsc_run){0}, feeds, out, &err));
    OK(dsc_tensor_new(y, out[0].dtype, out[0].rank, out[0].dim, &err));
    memcpy(y->data, out[0].data, dsc_tensor_n_bytes(&out[0]));
    for (int i = 0; i < g->n_outputs; i++)
        dsc_tensor_clear(&out[i]);
    dsc_session_close(s);
    dsc_device_close(dev);
}

static inline void run(const struct dsc_graph *g, const struct dsc_tensor *feeds,
                       struct dsc_tensor *y)
{
    run_at(g, dsc_cpu_level_best(), 2, feeds, y);
}

static inline double largest(const struct dsc_tensor *t)
{
    double top = 0;

    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        top = fmax(top, fabs(dsc_tensor_get_f64(t, i)));
    return top;
}

/* tol: of the largest value; slack: absolute. */
static inline void near(const char *what, const struct dsc_tensor *got,
                        const struct dsc_tensor *want, double tol, double slack)
{
    const double most = tol * largest(want) + slack;

    ck_assert_msg(dsc_tensor_same_shape(got, want), "%s: other shapes", what);
    for (int64_t i = 0; i < dsc_tensor_n_elems(want); i++) {
        const double g = dsc_tensor_get_f64(got, i), w = dsc_tensor_get_f64(want, i);

        ck_assert_msg(fabs(g - w) <= most, "%s[%d]: %.9g, not %.9g", what, (int)i, g, w);
    }
}

/* A copy of g behind a pass: freed by the caller. */
static inline struct dsc_graph *copy(const struct dsc_graph *g)
{
    struct dsc_graph *c = dsc_graph_copy(g, NULL);

    ck_assert_ptr_nonnull(c);
    return c;
}

#endif
