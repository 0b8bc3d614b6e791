/* AdaRound against PyTorch in float64 (golden/torch/gen_adaround.py). */
#include "formats_npz.h"
#include "quant_graphs.h"
#include "weights.h"

enum { N = 6, K = 32, GROUP = 16, TOKENS = 200, STEPS = 300 };

static const char *const cases[] = {"symmetric", "asymmetric"};

static struct dsc_bundle golden;
static struct dsc_device *dev;

static void set_up(void)
{
    char path[512];

    snprintf(path, sizeof path, "%s/torch/adaround.npz", getenv("GOLDEN"));
    OK(dsc_npz_read(&golden, path, 0, &err));
    OK(dsc_device_open(&dev, "cpu", 2, &err));
}

static void tear_down(void)
{
    dsc_bundle_clear(&golden);
    dsc_device_close(dev);
}

static const void *array(const char *name, const char *part)
{
    char text[64];
    const struct dsc_tensor *t;

    snprintf(text, sizeof text, "%s.%s", name, part);
    t = dsc_bundle_find(&golden, text);
    ck_assert_msg(t != NULL, "no array '%s'", text);
    return t->data;
}

/* The golden's scales, and H = x^T x, above the diagonal. */
static void open_layer(const char *name, struct dsc_weight_codes *q, float *h)
{
    const struct dsc_weight_layout layout = {
        .bits = 4, .is_symmetric = strcmp(name, "symmetric") == 0, .group = GROUP};
    const float *x = array(name, "x");

    OK(dsc_weight_codes_new(q, &layout, N, K, &err));
    memcpy(q->scale, array(name, "scale"), N * K / GROUP * sizeof *q->scale);
    if (q->zero)
        memcpy(q->zero, array(name, "zero"), N * K / GROUP);
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++) {
            double sum = 0;

            for (int t = 0; t < TOKENS; t++)
                sum += (double)x[t * K + i] * (double)x[t * K + j];
            h[i * K + j] = i <= j ? (float)sum : NAN;
        }
}

START_TEST(loss_and_gradient_are_those_of_the_formula)
{
    const char *name = cases[_i];
    static const int betas[] = {0, 7};
    struct dsc_weight_codes q;
    float h[K * K], grad[N * K];

    open_layer(name, &q, h);
    for (int b = 0; b < 2; b++) {
        char part[16];
        const double *want, *slope;
        double loss, most = 0;

        snprintf(part, sizeof part, "loss%d", betas[b]);
        want = array(name, part);
        snprintf(part, sizeof part, "grad%d", betas[b]);
        slope = array(name, part);
        OK(dsc_adaround_loss(dev, &q, array(name, "w"), h, array(name, "v"), betas[b], b ? 0.05 : 0,
                             &loss, grad, &err));
        ck_assert_double_eq_tol(loss / *want, 1, 1e-5);
        for (int i = 0; i < N * K; i++)
            most = fmax(most, fabs(slope[i]));
        for (int i = 0; i < N * K; i++)
            ck_assert_msg(fabs((double)grad[i] - slope[i]) <= 1e-5 * most, "%d: %g, not %g", i,
                          (double)grad[i], slope[i]);
    }
    dsc_weight_codes_clear(&q);
}
END_TEST

static const struct dsc_adaround how = {
    .n_steps = STEPS, .rate = 0.01, .lambda = 1, .beta_first = 20, .beta_last = 2, .warm = 0.2};

START_TEST(codes_are_those_that_pytorch_learns)
{
    const char *name = cases[_i];
    const uint8_t *want = array(name, "codes");
    const double *error = array(name, "error"); /* and of the nearest codes */
    struct dsc_adaround_report report;
    struct dsc_weight_codes q;
    float h[K * K];
    int n_equal = 0;

    open_layer(name, &q, h);
    OK(dsc_adaround(dev, &q, array(name, "w"), h, &how, &report, &err));
    for (int i = 0; i < N * K; i++)
        n_equal += q.code[i] == want[i];
    ck_assert_int_ge(n_equal, N * K - 4); /* some stay close to a half */
    ck_assert_double_eq_tol(report.nearest / error[1], 1, 1e-4);
    ck_assert_double_lt(report.error, 1.03 * error[0]);
    ck_assert_double_lt(report.error, 0.65 * error[1]);
    dsc_weight_codes_clear(&q);
}
END_TEST

START_TEST(pruned_weights_stay_0_and_threads_do_not_show)
{
    struct dsc_adaround_report report;
    struct dsc_weight_codes q[2];
    struct dsc_device *one;
    float h[K * K], w[N * K];

    memcpy(w, array("asymmetric", "w"), sizeof w);
    for (int i = 0; i < N * K; i += 3)
        w[i] = 0;
    OK(dsc_device_open(&one, "cpu", 1, &err));
    for (int d = 0; d < 2; d++) {
        open_layer("asymmetric", &q[d], h);
        OK(dsc_adaround(d ? one : dev, &q[d], w, h, &how, &report, &err));
    }
    ck_assert_mem_eq(q[0].code, q[1].code, N * K);
    for (int i = 0; i < N * K; i += 3)
        ck_assert(dsc_weight_value(&q[0], i / K, i % K, q[0].code[i]) == 0);
    for (int d = 0; d < 2; d++)
        dsc_weight_codes_clear(&q[d]);
    dsc_device_close(one);
}
END_TEST

static enum dsc_status at_once(void *ctx, struct dsc_err *e)
{
    return dsc_fail(e, DSC_E_INTERRUPTED, "stopped");
}

START_TEST(what_cannot_be_learned_is_refused)
{
    struct dsc_adaround stopping = how;
    struct dsc_adaround_report report;
    struct dsc_weight_codes q;
    struct dsc_err why = {0};
    float h[K * K];

    open_layer("symmetric", &q, h);
    stopping.stopped = at_once;
    ck_assert_int_eq(dsc_adaround(dev, &q, array("symmetric", "w"), h, &stopping, &report, &why),
                     DSC_E_INTERRUPTED);
    why = (struct dsc_err){0};
    h[3] = INFINITY;
    ck_assert_int_eq(dsc_adaround(dev, &q, array("symmetric", "w"), h, &how, &report, &why),
                     DSC_E_NONFINITE);
    memset(h, 0, sizeof h); /* nothing to learn from */
    OK(dsc_adaround(dev, &q, array("symmetric", "w"), h, &how, &report, &err));
    ck_assert(report.nearest == 0);
    dsc_weight_codes_clear(&q);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("adaround");
    TCase *t = tcase_create("adaround");
    SRunner *r;
    int n_failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, loss_and_gradient_are_those_of_the_formula, 0, 2);
    tcase_add_loop_test(t, codes_are_those_that_pytorch_learns, 0, 2);
    tcase_add_test(t, pruned_weights_stay_0_and_threads_do_not_show);
    tcase_add_test(t, what_cannot_be_learned_is_refused);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
