/*
 * Training against PyTorch: gradients of exported models, 20 steps of AdamW and SGD, and LSQ.
 * The golden files and what they hold: tests/golden/torch/README.md.
 */
#include "dsc/exec.h"
#include "dsc/train.h"
#include "formats_model.h"
#include "formats_npz.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PARAMS = 128, N_STEPS = 20, BATCH = 4 };

static void read_npz(struct dsc_bundle *b, const char *model, const char *part)
{
    struct dsc_err err = {0};
    char path[512];

    snprintf(path, sizeof path, "%s/torch/%s%s.npz", getenv("GOLDEN"), model, part);
    dsc_bundle_init(b);
    ck_assert_msg(dsc_npz_read(b, path, 0, &err) == DSC_OK, "%s: %s", path, err.message);
}

static void assert_close(const char *what, const struct dsc_tensor *got,
                         const struct dsc_tensor *want, double rtol, double atol)
{
    struct dsc_tensor host;

    ck_assert_int_eq(dsc_to_host(&host, got, NULL), DSC_OK);
    ck_assert_msg(dsc_tensor_n_elems(&host) == dsc_tensor_n_elems(want), "%s: sizes differ", what);
    for (int64_t i = 0; i < dsc_tensor_n_elems(want); i++) {
        const double g = dsc_tensor_get_f64(&host, i), w = dsc_tensor_get_f64(want, i);

        ck_assert_msg(fabs(g - w) <= atol + rtol * fabs(w), "%s[%lld]: %.9g, PyTorch %.9g", what,
                      (long long)i, g, w);
    }
    dsc_tensor_clear(&host);
}

/* A model with its loss, on a device. */
struct rig {
    struct dsc_model m;
    struct dsc_graph *g; /* with the loss */
    struct dsc_device *dev;
    struct dsc_session *s;
    int loss_output;
};

static void open_rig(struct rig *r, const char *file, const char *device)
{
    struct dsc_err err = {0};
    char path[512];

    *r = (struct rig){0};
    snprintf(path, sizeof path, "%s/torch/%s.onnx", getenv("GOLDEN"), file);
    ck_assert_msg(dsc_model_open_graph(&r->m, path, NULL, &err) == DSC_OK, "%s: %s", path,
                  err.message);
    r->g = r->m.graph;
    ck_assert_int_eq(
        dsc_loss_attach(r->g, 0, dsc_loss_find("cross-entropy"), "label", &r->loss_output, &err),
        DSC_OK);
    ck_assert_msg(dsc_graph_verify(r->g, &err) == DSC_OK, "%s", err.message);
    ck_assert_int_eq(dsc_device_open(&r->dev, device, 2, &err), DSC_OK);
    ck_assert_int_eq(dsc_session_open(&r->s, r->g, r->dev, &err), DSC_OK);
}

static void close_rig(struct rig *r)
{
    dsc_session_close(r->s);
    dsc_device_close(r->dev);
    dsc_model_close(&r->m);
}

static void feed_by_name(const struct dsc_graph *g, const struct dsc_bundle *in,
                         struct dsc_tensor *feeds)
{
    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_tensor *t = dsc_bundle_find(in, g->values[g->inputs[i]].name);

        ck_assert_msg(t != NULL, "no array '%s'", g->values[g->inputs[i]].name);
        feeds[i] = *t; /* borrowed */
    }
}

static void check_gradients(const char *model, const char *exporter, const char *device,
                            int n_segments)
{
    struct dsc_bundle in, out, loss, grad;
    struct dsc_tensor feeds[8] = {0}, outputs[8] = {0}, grads[MAX_PARAMS] = {0};
    const struct dsc_run run = {0};
    int wanted[MAX_PARAMS];
    struct dsc_tape *tape;
    struct dsc_err err = {0};
    struct rig r;
    char name[64];

    snprintf(name, sizeof name, "%s_%s", model, exporter);
    open_rig(&r, name, device);
    read_npz(&in, model, ".in");
    read_npz(&out, model, ".out");
    read_npz(&loss, model, ".loss");
    read_npz(&grad, name, ".grad");
    ck_assert_int_le(grad.n, MAX_PARAMS);
    for (int i = 0; i < grad.n; i++) {
        wanted[i] = dsc_graph_find_value(r.g, grad.items[i].name);
        ck_assert_msg(wanted[i] >= 0, "no weight '%s'", grad.items[i].name);
    }
    ck_assert_msg(dsc_tape_open(&tape, r.s, grad.n, wanted, n_segments, &err) == DSC_OK, "%s",
                  err.message);
    feed_by_name(r.g, &in, feeds);
    ck_assert_msg(dsc_tape_run(tape, &run, feeds, outputs, &err) == DSC_OK, "%s (%s)", err.message,
                  err.where);
    assert_close("logits", &outputs[0], dsc_bundle_find(&out, "logits"), 1e-5, 2e-6);
    assert_close("loss", &outputs[r.loss_output], dsc_bundle_find(&loss, "loss"), 1e-5, 1e-6);
    ck_assert_msg(dsc_tape_backward(tape, r.loss_output, NULL, grads, &err) == DSC_OK, "%s (%s)",
                  err.message, err.where);
    for (int i = 0; i < grad.n; i++)
        assert_close(grad.items[i].name, &grads[i], &grad.items[i].tensor, 1e-4, 1e-6);
    for (int i = 0; i < grad.n; i++)
        dsc_tensor_clear(&grads[i]);
    for (int i = 0; i < r.g->n_outputs; i++)
        dsc_tensor_clear(&outputs[i]);
    dsc_tape_close(tape);
    dsc_bundle_clear(&in);
    dsc_bundle_clear(&out);
    dsc_bundle_clear(&loss);
    dsc_bundle_clear(&grad);
    close_rig(&r);
}

static const char *const models[] = {"tiny_bert", "mlp", "mixed", "recurrent", "batchnorm", "conv"};
static const char *const exporters[] = {"ts", "dynamo"};

START_TEST(gradients_of_exported_models_equal_pytorch)
{
    check_gradients(models[_i / 2], exporters[_i % 2], "cpu", 1);
}
END_TEST

START_TEST(recomputed_gradients_equal_pytorch)
{
    check_gradients(models[_i / 2], exporters[_i % 2], "cpu", 3);
}
END_TEST

START_TEST(gradients_on_the_shadow_device_equal_pytorch)
{
    check_gradients(models[_i / 2], exporters[_i % 2], "shadow", 2);
}
END_TEST

/* One batch of train_batches.npz a step, whatever order the trainer asks for within it. */
struct batches {
    const struct dsc_graph *g;
    const struct dsc_bundle *b;
    int64_t step;
    const int32_t *length; /* NULL: not known */
    int32_t last;          /* what a step has come to */
};

static enum dsc_status fill(void *ctx, const int64_t *idx, int64_t n, struct dsc_tensor *feeds,
                            struct dsc_err *err)
{
    struct batches *b = ctx;

    for (int64_t k = 0; b->length && k < n; k++) {
        ck_assert_int_ge(b->length[idx[k]], b->last);
        b->last = b->length[idx[k]];
    }
    for (int i = 0; i < b->g->n_inputs; i++) {
        const struct dsc_tensor *t = dsc_bundle_find(b->b, b->g->values[b->g->inputs[i]].name);
        int64_t dim[2] = {n, t->rank == 3 ? t->dim[2] : 1};
        const int64_t width = dim[1];

        DSC_TRY(dsc_tensor_new(&feeds[i], DSC_I64, t->rank - 1, dim, err));
        for (int64_t k = 0; k < n; k++)
            memcpy((int64_t *)feeds[i].data + k * width,
                   (const int64_t *)t->data + (b->step * BATCH + idx[k]) * width,
                   (size_t)width * sizeof(int64_t));
    }
    return DSC_OK;
}

static void compare_params(struct dsc_trainer *t, const struct dsc_bundle *want)
{
    int n_compared = 0;

    for (int i = 0; i < dsc_trainer_n_state(t); i++) {
        const struct dsc_tensor *w;
        struct dsc_tensor got;
        char name[256];

        ck_assert_int_eq(dsc_trainer_get_state(t, i, name, sizeof name, &got, NULL), DSC_OK);
        w = dsc_bundle_find(want, name);
        if (w && !strstr(name, "key.bias")) { /* exactly 0 gradient: noise (README) */
            assert_close(name, &got, w, 1e-4, 2e-5);
            n_compared++;
        }
        dsc_tensor_clear(&got);
    }
    ck_assert_int_eq(n_compared, want->n - 2); /* two layers' key biases */
}

/* Averages in f64 of the trainer's weights; NULL: none are kept. */
struct averages {
    double ema;
    double *mean;
    int64_t n;
};

/* Take the weights in: as they are (step 0), or after step `step`. */
static void follow(struct averages *a, struct dsc_trainer *t, int n_params, int64_t step)
{
    const double d = fmin(a->ema, (1 + (double)step) / (10 + (double)step));

    a->n = 0;
    for (int i = 0; i < n_params; i++) {
        struct dsc_tensor w;
        char name[256];

        ck_assert_int_eq(dsc_trainer_get_state(t, i, name, sizeof name, &w, NULL), DSC_OK);
        if (step == 0)
            a->mean = realloc(a->mean, (size_t)(a->n + dsc_tensor_n_elems(&w)) * sizeof *a->mean);
        for (int64_t k = 0; k < dsc_tensor_n_elems(&w); k++, a->n++)
            a->mean[a->n] = step == 0 ? dsc_tensor_get_f64(&w, k)
                                      : d * a->mean[a->n] + (1 - d) * dsc_tensor_get_f64(&w, k);
        dsc_tensor_clear(&w);
    }
}

/* What is written are the averages, and a trainer that is given them back has them. */
static void compare_averages(const struct averages *a, struct dsc_trainer *t,
                             const struct dsc_graph *trained, int n_params)
{
    const int n_state = dsc_trainer_n_state(t);
    struct dsc_graph *g = dsc_graph_copy(trained, NULL);
    struct dsc_err err = {0};
    int64_t at = 0;

    ck_assert_ptr_nonnull(g);

    ck_assert_int_eq(n_state, 4 * n_params);
    ck_assert_int_eq(dsc_trainer_write_weights(t, g, &err), DSC_OK);
    for (int i = 0; i < n_params; i++) {
        const struct dsc_tensor *written;
        struct dsc_tensor mean;
        char name[256];

        ck_assert_int_eq(dsc_trainer_get_state(t, 3 * n_params + i, name, sizeof name, &mean, NULL),
                         DSC_OK);
        ck_assert_int_eq(strncmp(name, "ema/", 4), 0);
        written = &g->values[dsc_graph_find_value(g, name + 4)].init;
        for (int64_t k = 0; k < dsc_tensor_n_elems(&mean); k++, at++) {
            ck_assert_double_eq_tol(dsc_tensor_get_f64(&mean, k), a->mean[at],
                                    1e-7 + 1e-6 * fabs(a->mean[at]));
            ck_assert(dsc_tensor_get_f64(&mean, k) == dsc_tensor_get_f64(written, k));
        }
        ((float *)mean.data)[0] = 7;
        ck_assert_int_eq(dsc_trainer_set_state(t, name, &mean, &err), DSC_OK);
        dsc_tensor_clear(&mean);
        ck_assert_int_eq(dsc_trainer_get_state(t, 3 * n_params + i, name, sizeof name, &mean, NULL),
                         DSC_OK);
        ck_assert(dsc_tensor_get_f64(&mean, 0) == 7);
        dsc_tensor_clear(&mean);
    }
    ck_assert_int_eq(at, a->n);
    dsc_graph_free(g);
}

/* micro 0: a batch is one pass; else passes by length. */
static void check_training(const char *optim, double lr, double decay, struct averages *averages,
                           int64_t micro)
{
    struct dsc_train_config c = dsc_train_defaults();
    struct dsc_bundle batches, want, params;
    struct dsc_param *list;
    struct dsc_trainer *t;
    struct dsc_arena arena;
    struct dsc_err err = {0};
    struct rig r;
    char name[64];
    int n_params;

    open_rig(&r, "tiny_bert_ts", "cpu");
    read_npz(&batches, "train_batches", "");
    snprintf(name, sizeof name, "train_%s", optim);
    read_npz(&want, name, "");
    read_npz(&params, name, ".params");
    dsc_arena_init(&arena);
    ck_assert_int_eq(dsc_params_find(r.g, NULL, NULL, &arena, &list, &n_params, &err), DSC_OK);
    ck_assert_int_eq(n_params, params.n);
    c.optim = dsc_optim_find(optim);
    c.ema = averages ? averages->ema : 0;
    c.lr = lr;
    c.weight_decay = decay;
    c.batch = BATCH;
    c.micro = micro;
    c.n_steps = N_STEPS;
    c.n_warmup = 4;
    ck_assert_msg(dsc_trainer_open(&t, r.g, r.loss_output, &c, n_params, list, r.dev, &err) ==
                      DSC_OK,
                  "%s", err.message);
    int32_t length[BATCH];
    struct batches b = {.g = r.g, .b = &batches, .length = micro ? length : NULL};
    const struct dsc_train_data data = {
        .n_examples = BATCH, .fill = fill, .ctx = &b, .length = b.length};

    for (int i = 0; i < BATCH; i++)
        length[i] = (7 * i + 3) % 5;
    if (averages)
        follow(averages, t, n_params, 0);
    for (b.step = 0; b.step < N_STEPS; b.step++) {
        struct dsc_train_report report;

        b.last = 0;
        ck_assert_msg(dsc_trainer_step(t, &data, &report, &err) == DSC_OK, "%s", err.message);
        ck_assert_double_eq_tol(report.loss,
                                dsc_tensor_get_f64(dsc_bundle_find(&want, "loss"), b.step), 1e-5);
        ck_assert_double_eq_tol(report.lr, dsc_tensor_get_f64(dsc_bundle_find(&want, "lr"), b.step),
                                1e-12);
        ck_assert_double_eq_tol(report.grad_norm,
                                dsc_tensor_get_f64(dsc_bundle_find(&want, "grad_norm"), b.step),
                                1e-4);
        if (averages)
            follow(averages, t, n_params, b.step + 1);
    }
    if (averages)
        compare_averages(averages, t, r.g, n_params);
    compare_params(t, &params);
    dsc_trainer_close(t);
    dsc_arena_clear(&arena);
    dsc_bundle_clear(&batches);
    dsc_bundle_clear(&want);
    dsc_bundle_clear(&params);
    close_rig(&r);
}

START_TEST(averages_of_weights_are_those_of_the_formula)
{
    struct averages a = {.ema = _i ? 0.5 : 0.999};

    check_training("adamw", 5e-3, 0.01, &a, 0);
    free(a.mean);
}
END_TEST

START_TEST(twenty_steps_of_adamw_equal_pytorch)
{
    check_training("adamw", 5e-3, 0.01, NULL, 0);
}
END_TEST

START_TEST(steps_of_short_passes_by_length_equal_pytorch)
{
    check_training("adamw", 5e-3, 0.01, NULL, 3);
}
END_TEST

START_TEST(twenty_steps_of_sgd_equal_pytorch)
{
    check_training("sgd", 5e-2, 0, NULL, 0);
}
END_TEST

/* A small graph made here, on a device with a tape for its first inputs. */
struct bench {
    struct dsc_graph *g;
    struct dsc_device *dev;
    struct dsc_session *s;
    struct dsc_tape *tape;
};

static int add_input(struct dsc_graph *g, const struct dsc_tensor *t)
{
    struct dsc_type type;
    int id;

    dsc_type_of_tensor(&type, t);
    ck_assert_int_eq(dsc_graph_value(g, NULL, &type, &id, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_input(g, id, NULL), DSC_OK);
    return id;
}

static void open_bench(struct bench *b, struct dsc_graph *g, const char *device, int n_wanted)
{
    struct dsc_err err = {0};

    *b = (struct bench){.g = g};
    ck_assert_msg(dsc_graph_verify(g, &err) == DSC_OK, "%s", err.message);
    ck_assert_int_eq(dsc_device_open(&b->dev, device, 2, &err), DSC_OK);
    ck_assert_int_eq(dsc_session_open(&b->s, g, b->dev, &err), DSC_OK);
    ck_assert_msg(dsc_tape_open(&b->tape, b->s, n_wanted, g->inputs, 1, &err) == DSC_OK, "%s",
                  err.message);
}

static void close_bench(struct bench *b)
{
    dsc_tape_close(b->tape);
    dsc_session_close(b->s);
    dsc_device_close(b->dev);
    dsc_graph_free(b->g);
}

/* Output 0 and the gradients of the first inputs. */
static void run_bench(struct bench *b, const struct dsc_tensor *feeds,
                      const struct dsc_tensor *seed, struct dsc_tensor *y, struct dsc_tensor *grads)
{
    const struct dsc_run run = {0};
    struct dsc_err err = {0};

    ck_assert_msg(dsc_tape_run(b->tape, &run, feeds, y, &err) == DSC_OK, "%s (%s)", err.message,
                  err.where);
    ck_assert_msg(dsc_tape_backward(b->tape, 0, seed, grads, &err) == DSC_OK, "%s (%s)",
                  err.message, err.where);
}

static const struct dsc_tensor *item(const struct dsc_bundle *b, const char *name, const char *part)
{
    const struct dsc_tensor *t;
    char text[64];

    snprintf(text, sizeof text, "%s.%s", name, part);
    t = dsc_bundle_find(b, text);
    ck_assert_msg(t != NULL, "no array '%s'", text);
    return t;
}

/* The same values in another type and shape. */
static void converted(struct dsc_tensor *dst, const struct dsc_tensor *src, enum dsc_dtype dtype,
                      int rank, const int64_t *dim)
{
    ck_assert_int_eq(dsc_tensor_new(dst, dtype, rank, dim, NULL), DSC_OK);
    for (int64_t i = 0; i < dsc_tensor_n_elems(src); i++)
        dsc_tensor_set_f64(dst, i, dsc_tensor_get_f64(src, i));
}

struct lsq_case {
    const char *name;
    enum dsc_dtype code;
    int64_t axis;
};

static const struct lsq_case lsq_cases[] = {
    {"s8_tensor", DSC_I8, 1}, {"s8_axis0", DSC_I8, 0},  {"s8_axis1", DSC_I8, 1},
    {"s4_axis0", DSC_I4, 0},  {"u8_tensor", DSC_U8, 1}, {"u8_zero", DSC_U8, 1},
    {"s4_ties", DSC_I4, 1},
};

/* x [R,C] and scale [K] are inputs, the zero point is a constant. */
static struct dsc_graph *fake_quantize_graph(const struct lsq_case *c, const struct dsc_tensor *x,
                                             const struct dsc_tensor *scale,
                                             const struct dsc_tensor *range)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_tensor zero;
    struct dsc_node *n;
    int in[3], y;

    in[0] = add_input(g, x);
    in[1] = add_input(g, scale);
    ck_assert_int_eq(dsc_tensor_new(&zero, c->code, 0, NULL, NULL), DSC_OK);
    dsc_tensor_set_i64(&zero, 0, dsc_tensor_get_i64(range, 2));
    ck_assert_int_eq(dsc_graph_init(g, "zero", &zero, &in[2], NULL), DSC_OK);
    dsc_tensor_clear(&zero);
    ck_assert_int_eq(dsc_graph_call(g, "dsc", "FakeQuantize", "fq", 3, in, &y, &n, NULL), DSC_OK);
    ck_assert_int_eq(dsc_node_set_int(g, n, "axis", c->axis, NULL), DSC_OK);
    ck_assert_int_eq(dsc_node_set_int(g, n, "narrow", 1, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_output(g, y, NULL), DSC_OK);
    return g;
}

static void check_lsq(const struct lsq_case *c, enum dsc_dtype dtype, const char *device,
                      double tol)
{
    struct dsc_bundle b;
    struct dsc_tensor feeds[2], seed, y, grads[2] = {0};
    const struct dsc_tensor *x, *scale;
    struct bench bench;
    int64_t n_scales;

    read_npz(&b, "lsq", "");
    x = item(&b, c->name, "x");
    scale = item(&b, c->name, "scale");
    n_scales = dsc_tensor_n_elems(scale);
    converted(&feeds[0], x, dtype, 2, x->dim);
    converted(&feeds[1], scale, dtype, 1, &n_scales);
    converted(&seed, item(&b, c->name, "dy"), dtype, 2, x->dim);
    open_bench(&bench, fake_quantize_graph(c, &feeds[0], &feeds[1], item(&b, c->name, "range")),
               device, 2);
    run_bench(&bench, feeds, &seed, &y, grads);
    assert_close("y", &y, item(&b, c->name, "y"), tol, tol);
    assert_close("dx", &grads[0], item(&b, c->name, "dx"), tol, tol);
    assert_close("dscale", &grads[1], item(&b, c->name, "dscale"), tol, tol);
    dsc_tensor_clear(&y);
    dsc_tensor_clear(&seed);
    for (int i = 0; i < 2; i++) {
        dsc_tensor_clear(&grads[i]);
        dsc_tensor_clear(&feeds[i]);
    }
    close_bench(&bench);
    dsc_bundle_clear(&b);
}

START_TEST(simulated_quantization_and_its_gradients_equal_the_lsq_formulas)
{
    check_lsq(&lsq_cases[_i], DSC_F64, "cpu", 1e-13);
    check_lsq(&lsq_cases[_i], DSC_F64, "shadow", 1e-13);
}
END_TEST

START_TEST(simulated_quantization_in_f32_equals_the_lsq_formulas_within_rounding)
{
    check_lsq(&lsq_cases[_i], DSC_F32, "cpu", 3e-5);
}
END_TEST

/* Quantizers by autograd: what is learned (p0, p1) is scale and offset, or pact's clip. */
struct quantizer_case {
    const char *name, *quantizer;
    enum dsc_dtype code;
    int64_t bits, axis;
    int n_learned;
};

static const struct quantizer_case quantizer_cases[] = {
    {"lsq_plus_u8", "lsq+", DSC_U8, 8, 1, 2},      {"lsq_plus_u4", "lsq+", DSC_U8, 4, 1, 2},
    {"pact_u8", "pact", DSC_U8, 8, 1, 1},          {"pact_u2", "pact", DSC_U8, 2, 1, 1},
    {"ternary_axis0", "ternary", DSC_I8, 8, 0, 0}, {"ternary_axis1", "ternary", DSC_I8, 8, 1, 0},
    {"binary_axis0", "binary", DSC_I8, 8, 0, 0},   {"binary_axis1", "binary", DSC_I8, 8, 1, 0},
};

/* Inputs x and what is learned. */
static struct dsc_graph *quantizer_graph(const struct quantizer_case *c,
                                         const struct dsc_tensor *feeds)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    int in[4] = {DSC_NO_VALUE, DSC_NO_VALUE, DSC_NO_VALUE, DSC_NO_VALUE}, y;
    struct dsc_tensor zero;
    struct dsc_node *n;

    in[0] = add_input(g, &feeds[0]);
    if (c->n_learned > 0)
        in[1] = add_input(g, &feeds[1]);
    if (c->n_learned > 1)
        in[3] = add_input(g, &feeds[2]);
    ck_assert_int_eq(dsc_tensor_new(&zero, c->code, 0, NULL, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_init(g, "zero", &zero, &in[2], NULL), DSC_OK);
    dsc_tensor_clear(&zero);
    ck_assert_int_eq(dsc_graph_call(g, "dsc", "FakeQuantize", "fq", 4, in, &y, &n, NULL), DSC_OK);
    ck_assert_int_eq(dsc_node_set_string(g, n, "quantizer", c->quantizer, NULL), DSC_OK);
    ck_assert_int_eq(dsc_node_set_int(g, n, "bits", c->bits, NULL), DSC_OK);
    ck_assert_int_eq(dsc_node_set_int(g, n, "axis", c->axis, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_output(g, y, NULL), DSC_OK);
    return g;
}

static void scaled(struct dsc_tensor *dst, const struct dsc_tensor *src, enum dsc_dtype dtype,
                   double factor)
{
    ck_assert_int_eq(dsc_tensor_new(dst, dtype, 0, NULL, NULL), DSC_OK);
    dsc_tensor_set_f64(dst, 0, dsc_tensor_get_f64(src, 0) * factor);
}

static void check_quantizer(const struct quantizer_case *c, enum dsc_dtype dtype,
                            const char *device, double tol)
{
    static const char *const learned[] = {"p0", "p1"}, *const slopes[] = {"dp0", "dp1"};
    const double high = (double)(1 << c->bits) - 1, clip = strcmp(c->quantizer, "pact") ? 1 : high;
    struct dsc_bundle b;
    struct dsc_tensor feeds[3] = {0}, seed, y, grads[3] = {0}, want;
    const struct dsc_tensor *x;
    struct bench bench;

    read_npz(&b, "quantizers", "");
    x = item(&b, c->name, "x");
    converted(&feeds[0], x, dtype, 2, x->dim);
    converted(&seed, item(&b, c->name, "dy"), dtype, 2, x->dim);
    for (int i = 0; i < c->n_learned; i++)
        scaled(&feeds[1 + i], item(&b, c->name, learned[i]), dtype, 1 / clip);
    open_bench(&bench, quantizer_graph(c, feeds), device, 1 + c->n_learned);
    run_bench(&bench, feeds, &seed, &y, grads);
    assert_close("y", &y, item(&b, c->name, "y"), tol, tol);
    assert_close("dx", &grads[0], item(&b, c->name, "dx"), tol, tol);
    for (int i = 0; i < c->n_learned; i++) { /* with LSQ's factor */
        scaled(&want, item(&b, c->name, slopes[i]), DSC_F64,
               clip / sqrt((double)dsc_tensor_n_elems(x) * high));
        assert_close(slopes[i], &grads[1 + i], &want, tol, tol);
        dsc_tensor_clear(&want);
    }
    dsc_tensor_clear(&y);
    dsc_tensor_clear(&seed);
    for (int i = 0; i < 3; i++) {
        dsc_tensor_clear(&grads[i]);
        dsc_tensor_clear(&feeds[i]);
    }
    close_bench(&bench);
    dsc_bundle_clear(&b);
}

START_TEST(quantizers_and_their_gradients_equal_the_formulas_of_their_papers)
{
    check_quantizer(&quantizer_cases[_i], DSC_F64, "cpu", 1e-13);
    check_quantizer(&quantizer_cases[_i], DSC_F64, "shadow", 1e-13);
    check_quantizer(&quantizer_cases[_i], DSC_F32, "cpu", 3e-5);
}
END_TEST

/* The target's array: label, target or teacher. */
struct loss_case {
    const char *name, *loss, *target;
};

static const struct loss_case loss_cases[] = {
    {"ce", "cross-entropy", "label"}, {"ce_far", "cross-entropy", "label"},
    {"bce", "bce", "target"},         {"bce_far", "bce", "target"},
    {"mse", "mse", "target"},         {"kl_t1", "kl", "teacher"},
    {"kl_t3", "kl", "teacher"},
};

/* Relative to the largest of what is expected: a difference of logits may cancel. */
static void assert_relative(const char *what, const struct dsc_tensor *got,
                            const struct dsc_tensor *want, double tol)
{
    double top = 0;

    for (int64_t i = 0; i < dsc_tensor_n_elems(want); i++)
        top = fmax(top, fabs(dsc_tensor_get_f64(want, i)));
    assert_close(what, got, want, tol, tol * fmin(top, 1));
}

static void check_loss(const struct loss_case *c, enum dsc_dtype dtype, const char *device,
                       double tol)
{
    const struct dsc_loss *loss = dsc_loss_find(c->loss);
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_loss_args args = {DSC_NO_VALUE, DSC_NO_VALUE};
    struct dsc_tensor feeds[2], y, dx = {0}, temperature;
    const struct dsc_tensor *x, *target;
    struct dsc_err err = {0};
    struct dsc_bundle b;
    struct bench bench;
    int in[2], id;

    read_npz(&b, "losses", "");
    x = item(&b, c->name, "x");
    target = item(&b, c->name, c->target);
    converted(&feeds[0], x, dtype, x->rank, x->dim);
    converted(&feeds[1], target, target->dtype == DSC_I64 ? DSC_I64 : dtype, target->rank,
              target->dim);
    in[0] = add_input(g, &feeds[0]);
    in[1] = add_input(g, &feeds[1]);
    if (strcmp(c->target, "teacher") == 0) {
        converted(&temperature, item(&b, c->name, "temperature"), dtype, 0, NULL);
        ck_assert_int_eq(dsc_graph_init(g, "t", &temperature, &args.temperature, &err), DSC_OK);
        dsc_tensor_clear(&temperature);
    }
    ck_assert_msg(loss->build(g, in[0], in[1], &args, &id, &err) == DSC_OK, "%s", err.message);
    ck_assert_int_eq(dsc_graph_output(g, id, NULL), DSC_OK);
    open_bench(&bench, g, device, 1);
    run_bench(&bench, feeds, NULL, &y, &dx);
    assert_relative("loss", &y, item(&b, c->name, "loss"), tol);
    assert_relative("dx", &dx, item(&b, c->name, "dx"), tol);
    dsc_tensor_clear(&y);
    dsc_tensor_clear(&dx);
    dsc_tensor_clear(&feeds[0]);
    dsc_tensor_clear(&feeds[1]);
    close_bench(&bench);
    dsc_bundle_clear(&b);
}

START_TEST(losses_and_their_gradients_equal_pytorch)
{
    check_loss(&loss_cases[_i], DSC_F64, "cpu", 1e-12);
    check_loss(&loss_cases[_i], DSC_F64, "shadow", 1e-12);
}
END_TEST

START_TEST(losses_in_f32_equal_pytorch_within_rounding)
{
    check_loss(&loss_cases[_i], DSC_F32, "cpu", 2e-6);
}
END_TEST

/* A fresh model: biases 0 and gains 1 are one initializer each, and train apart all the same. */
static void check_fresh(const char *exporter, const char *optim, double lr, double decay)
{
    struct dsc_train_config c = dsc_train_defaults();
    struct dsc_bundle batches, want;
    struct dsc_param *list;
    struct dsc_trainer *t;
    struct dsc_arena arena;
    struct dsc_err err = {0};
    struct rig r;
    char name[64];
    int n_params, n_merged, n_new;

    snprintf(name, sizeof name, "fresh_bert_%s", exporter);
    open_rig(&r, name, "cpu");
    dsc_session_close(r.s); /* the graph changes, and the trainer has a session of its own */
    r.s = NULL;
    read_npz(&batches, "train_batches", "");
    snprintf(name, sizeof name, "fresh_%s", optim);
    read_npz(&want, name, "");
    dsc_arena_init(&arena);
    ck_assert_int_eq(dsc_params_split(r.g, &arena, &n_merged, &n_new, &err), DSC_OK);
    ck_assert_int_eq(n_merged, 2);
    ck_assert_int_eq(n_new, 2 + 7); /* gains of 3 LayerNorms; biases of 3 and of 5 products */
    ck_assert_int_eq(dsc_params_split(r.g, &arena, &n_merged, &n_new, &err), DSC_OK);
    ck_assert_int_eq(n_new, 0);
    ck_assert_int_eq(dsc_graph_verify(r.g, &err), DSC_OK);
    ck_assert_int_eq(dsc_params_find(r.g, NULL, NULL, &arena, &list, &n_params, &err), DSC_OK);
    ck_assert_int_eq(n_params, 23);
    c.optim = dsc_optim_find(optim);
    c.lr = lr;
    c.weight_decay = decay;
    c.batch = BATCH;
    c.n_steps = N_STEPS;
    c.n_warmup = 4;
    ck_assert_int_eq(dsc_trainer_open(&t, r.g, r.loss_output, &c, n_params, list, r.dev, &err),
                     DSC_OK);
    struct batches b = {.g = r.g, .b = &batches};
    const struct dsc_train_data data = {.n_examples = BATCH, .fill = fill, .ctx = &b};

    for (b.step = 0; b.step < N_STEPS; b.step++) {
        struct dsc_train_report report;

        ck_assert_msg(dsc_trainer_step(t, &data, &report, &err) == DSC_OK, "%s", err.message);
        ck_assert_double_eq_tol(report.loss,
                                dsc_tensor_get_f64(dsc_bundle_find(&want, "loss"), b.step), 2e-5);
        ck_assert_double_eq_tol(report.grad_norm,
                                dsc_tensor_get_f64(dsc_bundle_find(&want, "grad_norm"), b.step),
                                1e-4);
    }
    dsc_trainer_close(t);
    dsc_arena_clear(&arena);
    dsc_bundle_clear(&batches);
    dsc_bundle_clear(&want);
    close_rig(&r);
}

START_TEST(merged_weights_of_a_fresh_model_train_apart_as_in_pytorch)
{
    if (_i / 2)
        check_fresh(exporters[_i % 2], "sgd", 5e-2, 0);
    else
        check_fresh(exporters[_i % 2], "adamw", 5e-3, 0.01);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train-golden");
    TCase *t = tcase_create("train-golden");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, gradients_of_exported_models_equal_pytorch, 0, 12);
    tcase_add_loop_test(t, recomputed_gradients_equal_pytorch, 0, 12);
    tcase_add_loop_test(t, gradients_on_the_shadow_device_equal_pytorch, 0, 12);
    tcase_add_loop_test(t, averages_of_weights_are_those_of_the_formula, 0, 2);
    tcase_add_test(t, twenty_steps_of_adamw_equal_pytorch);
    tcase_add_test(t, steps_of_short_passes_by_length_equal_pytorch);
    tcase_add_test(t, twenty_steps_of_sgd_equal_pytorch);
    tcase_add_loop_test(t, merged_weights_of_a_fresh_model_train_apart_as_in_pytorch, 0, 4);
    tcase_add_loop_test(t, simulated_quantization_and_its_gradients_equal_the_lsq_formulas, 0, 7);
    tcase_add_loop_test(t, simulated_quantization_in_f32_equals_the_lsq_formulas_within_rounding, 0,
                        7);
    tcase_add_loop_test(t, quantizers_and_their_gradients_equal_the_formulas_of_their_papers, 0, 8);
    tcase_add_loop_test(t, losses_and_their_gradients_equal_pytorch, 0, 7);
    tcase_add_loop_test(t, losses_in_f32_equal_pytorch_within_rounding, 0, 7);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
