/*
 * One node as a graph: for tests of single operators. A case runs on the cpu with 1 and 3 threads
 * and on the shadow device, where a host dereference of device memory is a fault.
 */
#ifndef DSC_ONE_NODE_H
#define DSC_ONE_NODE_H

#include "dsc/exec.h"
#include "dsc/rng.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_IO = 6 };

/* One node: inputs and expected outputs as "dtype, rank, dims, values". */
struct arg {
    enum dsc_dtype dtype; /* NONE ends the list; rank -1: left out */
    int rank;
    int64_t dim[DSC_MAX_RANK];
    const double *v;
};

struct attr {
    const char *name;
    enum dsc_attr_kind kind;
    int n;
    int64_t ints[8];
    float f;
    const char *s;
};

struct call {
    const char *op;
    struct arg in[MAX_IO], out[MAX_IO];
    struct attr attrs[4];
};

#define V(...) ((const double[]){__VA_ARGS__})
#define IS(name_, n_, ...)                                                     \
    {                                                                          \
        .name = name_, .kind = DSC_ATTR_INTS, .n = n_, .ints = { __VA_ARGS__ } \
    }
#define F(name_, f_)                                   \
    {                                                  \
        .name = name_, .kind = DSC_ATTR_FLOAT, .f = f_ \
    }
#define S(name_, s_)                                    \
    {                                                   \
        .name = name_, .kind = DSC_ATTR_STRING, .s = s_ \
    }
#define I(name_, i_)                                        \
    {                                                       \
        .name = name_, .kind = DSC_ATTR_INT, .ints = { i_ } \
    }

static void tensor_of(struct dsc_tensor *t, const struct arg *a)
{
    ck_assert_int_eq(dsc_tensor_new(t, a->dtype, a->rank, a->dim, NULL), DSC_OK);
    for (int64_t i = 0; i < dsc_tensor_n_elems(t); i++)
        dsc_tensor_set_f64(t, i, a->v[i]);
}

static void set_attr(struct dsc_graph *g, struct dsc_node *n, const struct attr *a)
{
    if (a->kind == DSC_ATTR_INT)
        dsc_node_set_int(g, n, a->name, a->ints[0], NULL);
    else if (a->kind == DSC_ATTR_INTS)
        dsc_node_set_ints(g, n, a->name, a->ints, a->n, NULL);
    else if (a->kind == DSC_ATTR_FLOAT)
        dsc_node_set_float(g, n, a->name, a->f, NULL);
    else
        dsc_node_set_string(g, n, a->name, a->s, NULL);
}

struct built {
    struct dsc_graph *g;
    int n_in, n_out;
    struct dsc_tensor feeds[MAX_IO];
};

/* All present inputs are graph inputs. `opset` > 0: the node is upgraded from that opset first. */
static enum dsc_status build(const struct call *c, int64_t opset, struct built *b,
                             struct dsc_err *err)
{
    int in[MAX_IO], out[MAX_IO], n_in = 0, n_out = 0;
    const struct dsc_op *op = dsc_op_find("", c->op);
    struct dsc_node *n;

    *b = (struct built){.g = dsc_graph_new(NULL)};
    ck_assert_msg(op != NULL, "%s", c->op);
    for (; n_in < MAX_IO && c->in[n_in].dtype; n_in++) {
        const struct arg *a = &c->in[n_in];
        struct dsc_type type;

        in[n_in] = DSC_NO_VALUE;
        if (a->rank < 0)
            continue;
        tensor_of(&b->feeds[b->n_in], a);
        dsc_type_of_tensor(&type, &b->feeds[b->n_in++]);
        dsc_graph_value(b->g, NULL, &type, &in[n_in], NULL);
        dsc_graph_input(b->g, in[n_in], NULL);
    }
    for (; n_out < MAX_IO && c->out[n_out].dtype; n_out++)
        dsc_graph_value(b->g, NULL, NULL, &out[n_out], NULL);
    b->n_out = n_out ? n_out : 1;
    if (n_out == 0)
        dsc_graph_value(b->g, NULL, NULL, &out[0], NULL);
    dsc_graph_node(b->g, op, "node", n_in, in, b->n_out, out, &n, NULL);
    for (int i = 0; i < 4 && c->attrs[i].name; i++)
        set_attr(b->g, n, &c->attrs[i]);
    for (int i = 0; i < b->n_out; i++)
        dsc_graph_output(b->g, out[i], NULL);
    if (opset && op->upgrade)
        DSC_TRY(op->upgrade(b->g, n, opset, err));
    return dsc_graph_verify(b->g, err);
}

static void drop(struct built *b)
{
    for (int i = 0; i < b->n_in; i++)
        dsc_tensor_clear(&b->feeds[i]);
    dsc_graph_free(b->g);
}

static void check_output(const struct call *c, int i, const struct dsc_tensor *t)
{
    const struct arg *want = &c->out[i];
    struct dsc_tensor host;

    ck_assert_int_eq(dsc_to_host(&host, t, NULL), DSC_OK);
    ck_assert_str_eq(dsc_dtype_text(host.dtype), dsc_dtype_text(want->dtype));
    ck_assert_int_eq(host.rank, want->rank);
    for (int k = 0; k < want->rank; k++)
        ck_assert_int_eq(host.dim[k], want->dim[k]);
    for (int64_t k = 0; k < dsc_tensor_n_elems(&host); k++) {
        const double v = dsc_tensor_get_f64(&host, k), w = want->v[k];

        if (v != w && !(isnan(v) && isnan(w)))
            ck_abort_msg("%s: output %d element %d is %g, not %g", c->op, i, (int)k, v, w);
    }
    dsc_tensor_clear(&host);
}

static enum dsc_status run_on(const struct call *c, int64_t opset, const char *device,
                              int n_threads, struct dsc_err *err)
{
    struct built b;
    struct dsc_device *dev;
    struct dsc_session *s = NULL;
    struct dsc_tensor out[MAX_IO];
    enum dsc_status st = build(c, opset, &b, err);

    ck_assert_int_eq(dsc_device_open(&dev, device, n_threads, NULL), DSC_OK);
    if (st == DSC_OK) {
        ck_assert_int_eq(dsc_session_open(&s, b.g, dev, NULL), DSC_OK);
        st = dsc_session_run(s, &(struct dsc_run){0}, b.feeds, out, err);
    }
    for (int i = 0; st == DSC_OK && i < b.n_out; i++) {
        if (c->out[i].dtype)
            check_output(c, i, &out[i]);
        dsc_tensor_clear(&out[i]);
    }
    dsc_session_close(s);
    ck_assert_uint_eq(dev->live_bytes, 0);
    dsc_device_close(dev);
    drop(&b);
    return st;
}

static void passes_from(const struct call *c, int64_t opset)
{
    struct dsc_err err = {0};

    ck_assert_msg(run_on(c, opset, "cpu", 1, &err) == DSC_OK, "%s: %s", c->op, err.message);
    ck_assert_msg(run_on(c, opset, "cpu", 3, &err) == DSC_OK, "%s: %s", c->op, err.message);
    ck_assert_msg(run_on(c, opset, "shadow", 2, &err) == DSC_OK, "%s: %s", c->op, err.message);
}

#define PASSES(...) passes_from(&(const struct call){.op = __VA_ARGS__}, 0)
#define PASSES_FROM(opset, ...) passes_from(&(const struct call){.op = __VA_ARGS__}, opset)

static void fails_with(enum dsc_status want, const char *text, const struct call *c)
{
    struct dsc_err err = {0};

    ck_assert_str_eq(dsc_status_class(run_on(c, 0, "cpu", 1, &err)), dsc_status_class(want));
    ck_assert_msg(strstr(err.message, text) != NULL, "'%s' is not in: %s", text, err.message);
    ck_assert_int_eq(run_on(c, 0, "shadow", 1, NULL), want);
}

#define FAILS(want, text, ...) fails_with(want, text, &(const struct call){.op = __VA_ARGS__})

/*
 * d(sum of weights * outputs) / d(input `which`) by the tape, against central differences. Inputs
 * are f64; the input in question is a weight of the session here, the others are fed.
 */
static double weighted(struct dsc_session *s, struct built *b)
{
    struct dsc_tensor out[MAX_IO], host;
    struct dsc_err err = {0};
    double sum = 0;

    ck_assert_msg(dsc_session_run(s, &(struct dsc_run){0}, b->feeds, out, &err) == DSC_OK, "%s",
                  err.message);
    dsc_to_host(&host, &out[0], NULL);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&host); i++)
        sum += dsc_tensor_get_f64(&host, i) * (double)(i % 7 + 1);
    dsc_tensor_clear(&host);
    for (int i = 0; i < b->n_out; i++)
        dsc_tensor_clear(&out[i]);
    return sum;
}

static void differentiate(const struct call *c, int which, const char *device)
{
    struct built b;
    struct dsc_device *dev;
    struct dsc_session *s;
    struct dsc_tape *tape;
    struct dsc_tensor out[MAX_IO], seed, grad = {0}, host;
    struct dsc_err err = {0};
    const struct dsc_run run = {0};
    int wanted;

    ck_assert_msg(build(c, 0, &b, &err) == DSC_OK, "%s", err.message);
    wanted = b.g->inputs[which];
    ck_assert_int_eq(dsc_device_open(&dev, device, 2, NULL), DSC_OK);
    ck_assert_int_eq(dsc_session_open(&s, b.g, dev, NULL), DSC_OK);
    ck_assert_msg(dsc_tape_open(&tape, s, 1, &wanted, 1, &err) == DSC_OK, "%s", err.message);
    ck_assert_msg(dsc_tape_run(tape, &run, b.feeds, out, &err) == DSC_OK, "%s", err.message);
    dsc_tensor_new(&seed, DSC_F64, out[0].rank, out[0].dim, NULL);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&seed); i++)
        dsc_tensor_set_f64(&seed, i, (double)(i % 7 + 1));
    ck_assert_msg(dsc_tape_backward(tape, 0, &seed, &grad, &err) == DSC_OK, "%s: %s", c->op,
                  err.message);
    dsc_to_host(&host, &grad, NULL);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&host); i++) {
        struct dsc_tensor *x = &b.feeds[which];
        const double v = dsc_tensor_get_f64(x, i), eps = 1e-4;
        double up, down;

        dsc_tensor_set_f64(x, i, v + eps);
        up = weighted(s, &b);
        dsc_tensor_set_f64(x, i, v - eps);
        down = weighted(s, &b);
        dsc_tensor_set_f64(x, i, v);
        ck_assert_msg(fabs((up - down) / (2 * eps) - dsc_tensor_get_f64(&host, i)) < 1e-6,
                      "%s on %s: d/dx[%d] is %g, differences say %g", c->op, device, (int)i,
                      dsc_tensor_get_f64(&host, i), (up - down) / (2 * eps));
    }
    dsc_tensor_clear(&host);
    dsc_tensor_clear(&grad);
    dsc_tensor_clear(&seed);
    for (int i = 0; i < b.n_out; i++)
        dsc_tensor_clear(&out[i]);
    dsc_tape_close(tape);
    dsc_session_close(s);
    ck_assert_uint_eq(dev->live_bytes, 0);
    dsc_device_close(dev);
    drop(&b);
}

static void differentiates(const struct call *c, int which)
{
    differentiate(c, which, "cpu");
    differentiate(c, which, "shadow");
}

#define DIFFERENTIATES(which, ...) differentiates(&(const struct call){.op = __VA_ARGS__}, which)

#endif
