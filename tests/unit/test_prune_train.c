/* Training around zeros: what is masked is 0 to the last bit, and what is not goes on learning. */
#include "dsc/prune.h"
#include "dsc/train.h"
#include "quant_graphs.h"

enum { N_ROWS = 8, N_MASKED = 7 };

static enum dsc_status fill(void *ctx, const int64_t *idx, int64_t n, struct dsc_tensor *feeds,
                            struct dsc_err *err)
{
    const int64_t wide[] = {6, 3};

    for (int i = 0; i < 2; i++) {
        struct dsc_rng r;

        DSC_TRY(dsc_tensor_new(&feeds[i], DSC_F32, 2, (int64_t[]){n, wide[i]}, err));
        dsc_rng_init(&r, dsc_rng_key((uint64_t)(idx[0] + i)));
        for (int64_t k = 0; k < n * wide[i]; k++)
            ((float *)feeds[i].data)[k] = dsc_rng_normal(&r);
    }
    return DSC_OK;
}

struct rig {
    struct dsc_graph *g;
    struct dsc_device *dev;
    struct dsc_trainer *t;
    struct dsc_arena arena;
    int loss;
};

/* factor: on what the second layer's products make of hidden unit `unit`. */
static void open_scaled(struct rig *r, const char *optim, double ema, bool keeps_zeros, int unit,
                        float factor)
{
    struct dsc_train_config c = dsc_train_defaults();
    struct dsc_param *params;
    int n;

    r->g = two_layers();
    for (int i = 0; i < 3; i++)
        ((float *)init_of(r->g, "w2")->data)[i * 4 + unit] *= factor;
    if (keeps_zeros)
        for (int i = 0; i < N_MASKED; i++)
            ((float *)init_of(r->g, "w1")->data)[3 * i] = 0;
    dsc_arena_init(&r->arena);
    OK(dsc_loss_attach(r->g, 0, dsc_loss_find("mse"), "target", &r->loss, &err));
    OK(dsc_graph_sort(r->g, false, &err));
    OK(dsc_graph_verify(r->g, &err));
    OK(dsc_params_find(r->g, NULL, NULL, &r->arena, &params, &n, &err));
    for (int i = 0; i < n; i++)
        params[i].keeps_zeros =
            keeps_zeros && strcmp(r->g->values[params[i].value].name, "w1") == 0;
    c.optim = dsc_optim_find(optim);
    c.lr = 0.05;
    c.ema = ema;
    c.batch = 4;
    c.n_steps = 20;
    c.sched = dsc_sched_find("constant");
    OK(dsc_device_open(&r->dev, "cpu", 1, &err));
    OK(dsc_trainer_open(&r->t, r->g, r->loss, &c, n, params, r->dev, &err));
}

static void open_rig(struct rig *r, const char *optim, double ema, bool keeps_zeros)
{
    open_scaled(r, optim, ema, keeps_zeros, 0, 1);
}

static void close_rig(struct rig *r)
{
    dsc_trainer_close(r->t);
    dsc_device_close(r->dev);
    dsc_arena_clear(&r->arena);
    dsc_graph_free(r->g);
}

static void steps(struct rig *r, int n)
{
    const struct dsc_train_data data = {.n_examples = N_ROWS, .fill = fill};
    struct dsc_train_report report;

    for (int i = 0; i < n; i++)
        OK(dsc_trainer_step(r->t, &data, &report, &err));
}

static void state(struct rig *r, const char *name, struct dsc_tensor *t)
{
    char own[64];

    for (int i = 0; i < dsc_trainer_n_state(r->t); i++) {
        OK(dsc_trainer_get_state(r->t, i, own, sizeof own, t, &err));
        if (strcmp(own, name) == 0)
            return;
        dsc_tensor_clear(t);
    }
    ck_abort_msg("no state %s", name);
}

/* Every third of the first 3 * N_MASKED elements is 0, all others are not. */
static void is_masked(struct rig *r, const char *name)
{
    struct dsc_tensor t;

    state(r, name, &t);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++) {
        const bool is_gone = i % 3 == 0 && i < 3 * N_MASKED;

        ck_assert_msg((((const float *)t.data)[i] == 0) == is_gone, "%s[%d] = %g", name, (int)i,
                      (double)((const float *)t.data)[i]);
    }
    dsc_tensor_clear(&t);
}

START_TEST(a_mask_in_the_middle_of_a_run_holds)
{
    static const char *const optims[] = {"adamw", "sgd"};
    const char *optim = optims[_i];
    struct dsc_tensor w;
    struct rig r;

    open_rig(&r, optim, 0.9, false);
    steps(&r, 4);
    state(&r, "w1", &w);
    for (int i = 0; i < N_MASKED; i++)
        ((float *)w.data)[3 * i] = 0;
    OK(dsc_trainer_mask(r.t, "w1", &w, &err));
    is_masked(&r, "w1");
    steps(&r, 6);
    is_masked(&r, "w1");
    is_masked(&r, "ema/w1");
    is_masked(&r, _i == 0 ? "m/w1" : "m/w1");
    ck_assert_int_eq(dsc_trainer_mask(r.t, "w9", &w, NULL), DSC_E_INCONSISTENT);
    ck_assert_int_eq(dsc_trainer_mask(r.t, "w2", &w, NULL), DSC_E_INCONSISTENT);
    dsc_tensor_clear(&w);
    close_rig(&r);
}
END_TEST

START_TEST(zeros_that_are_there_stay)
{
    struct rig r;

    open_rig(&r, "adamw", 0, true);
    steps(&r, 10);
    is_masked(&r, "w1");
    close_rig(&r);
}
END_TEST

static enum dsc_status gradient(void *ctx, int value, struct dsc_tensor *t, struct dsc_err *err)
{
    struct rig *r = ctx;

    return dsc_trainer_gradient(r->t, r->g->values[value].name, t, err);
}

static double loss_of(int unit, float factor)
{
    const struct dsc_train_data data = {.n_examples = N_ROWS, .fill = fill};
    struct dsc_train_report report;
    struct rig r;

    open_scaled(&r, "adamw", 0, false, unit, factor);
    OK(dsc_trainer_look(r.t, &data, &report, &err));
    close_rig(&r);
    return report.loss;
}

/* The score of one batch is the squared derivative of the loss by a factor on the unit. */
START_TEST(taylor_is_the_derivative_by_a_factor)
{
    const struct dsc_train_data data = {.n_examples = N_ROWS, .fill = fill};
    const double h = 0.01;
    struct dsc_axis_groups groups;
    struct dsc_train_report report;
    struct dsc_tensor before, after;
    double sum[4] = {0}, again[4] = {0};
    struct rig r;

    open_rig(&r, "adamw", 0, false);
    OK(dsc_prune_find_axes(r.g, DSC_AXIS_FFN, NULL, NULL, &r.arena, &groups, &err));
    ck_assert_int_eq(groups.items[0].n_units, 4);
    state(&r, "w1", &before);
    OK(dsc_trainer_look(r.t, &data, &report, &err));
    OK(dsc_prune_add_taylor(r.g, &groups.items[0], gradient, &r, sum, &err));
    for (int u = 0; u < 4; u++) {
        const double want = (loss_of(u, (float)(1 + h)) - loss_of(u, (float)(1 - h))) / (2 * h);

        ck_assert_double_eq_tol(sqrt(sum[u]), fabs(want), 1e-3 * fabs(want) + 1e-4);
    }
    state(&r, "w1", &after);
    ck_assert_mem_eq(before.data, after.data, dsc_tensor_n_bytes(&before));
    OK(dsc_trainer_look(r.t, &data, &report, &err)); /* the next rows */
    OK(dsc_prune_add_taylor(r.g, &groups.items[0], gradient, &r, again, &err));
    ck_assert(sum[0] != again[0]);
    ck_assert_int_eq(dsc_trainer_gradient(r.t, "w9", &after, NULL), DSC_E_INCONSISTENT);
    dsc_tensor_clear(&before);
    dsc_tensor_clear(&after);
    close_rig(&r);
}
END_TEST

/* A second trainer whose weight is 0 where the first one hides it, and that masks nothing. */
static void open_zeroed(struct rig *r, struct dsc_tensor *w)
{
    open_rig(r, "adamw", 0, false);
    state(r, "w1", w);
    for (int i = 0; i < N_MASKED; i++)
        ((float *)w->data)[3 * i] = 0;
    OK(dsc_trainer_set_state(r->t, "w1", w, &err));
}

/* -(dL / d(W M)) W, of hidden elements too; what is hidden comes back with its value. */
START_TEST(movement_is_summed_over_hidden_weights_too)
{
    const struct dsc_train_data data = {.n_examples = N_ROWS, .fill = fill};
    struct dsc_train_report hidden, zeroed;
    struct dsc_tensor whole, zeros, g, score, after;
    double was[24];
    struct rig a, b;

    open_rig(&a, "adamw", 0, false);
    open_zeroed(&b, &zeros);
    state(&a, "w1", &whole); /* it may be the trainer's own memory */
    for (int i = 0; i < 24; i++)
        was[i] = dsc_tensor_get_f64(&whole, i);
    ck_assert_int_eq(dsc_trainer_hide(a.t, "w1", &zeros, NULL), DSC_E_INCONSISTENT);
    OK(dsc_trainer_follow(a.t, "w1", &err));
    OK(dsc_trainer_hide(a.t, "w1", &zeros, &err));
    OK(dsc_trainer_step(a.t, &data, &hidden, &err));
    OK(dsc_trainer_look(b.t, &data, &zeroed, &err));
    ck_assert_double_eq_tol(hidden.loss, zeroed.loss, 1e-6);
    OK(dsc_trainer_gradient(b.t, "w1", &g, &err));
    OK(dsc_trainer_movement(a.t, "w1", &score, &err));
    state(&a, "w1", &after);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&g); i++) {
        const double want = -dsc_tensor_get_f64(&g, i) * was[i];
        const bool is_hidden = i % 3 == 0 && i < 3 * N_MASKED;

        ck_assert_double_eq_tol(dsc_tensor_get_f64(&score, i), want, 1e-6);
        if (is_hidden) /* decay alone: 0.05 * 0.01 of it */
            ck_assert_double_eq_tol(dsc_tensor_get_f64(&after, i), was[i] * (1 - 0.05 * 0.01),
                                    1e-6);
    }
    OK(dsc_trainer_mask(a.t, "w1", &zeros, &err));
    steps(&a, 2);
    is_masked(&a, "w1");
    dsc_tensor_clear(&whole);
    dsc_tensor_clear(&zeros);
    dsc_tensor_clear(&g);
    dsc_tensor_clear(&score);
    dsc_tensor_clear(&after);
    close_rig(&a);
    close_rig(&b);
}
END_TEST

/* Zhu and Gupta 2017, equation 1, from no sparsity on. */
START_TEST(the_ramp_is_cubic)
{
    ck_assert_double_eq(dsc_prune_ramp(0.8, 0, 10), 0);
    ck_assert_double_eq_tol(dsc_prune_ramp(0.8, 1, 10), 0.8 + (0 - 0.8) * pow(1 - 0.1, 3), 1e-15);
    ck_assert_double_eq_tol(dsc_prune_ramp(0.8, 5, 10), 0.7, 1e-15);
    ck_assert_double_eq(dsc_prune_ramp(0.8, 10, 10), 0.8);
    ck_assert_double_eq(dsc_prune_ramp(0.8, 99, 10), 0.8);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("prune_train");
    TCase *t = tcase_create("prune_train");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_loop_test(t, a_mask_in_the_middle_of_a_run_holds, 0, 2);
    tcase_add_test(t, zeros_that_are_there_stay);
    tcase_add_test(t, taylor_is_the_derivative_by_a_factor);
    tcase_add_test(t, movement_is_summed_over_hidden_weights_too);
    tcase_add_test(t, the_ramp_is_cubic);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
