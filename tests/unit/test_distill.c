/* The loss of distillation against its formula in double: classes, one logit, values. */
#include "dsc/distill.h"
#include "dsc/exec.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { B = 3 };

static const double alpha = 0.7, temperature = 3;
static const double student[B][3] = {{1.5, -0.25, 0.5}, {-2, 4, 0.125}, {0.75, 0.5, -3}};
static const double teacher[B][3] = {{2.5, -1, 0}, {-1, 3, 1.5}, {0.25, 2, -0.5}};
static const int label[B] = {0, 1, 1};

static void softmax(int n, const double *x, double t, double *p)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += p[i] = exp(x[i] / t);
    for (int i = 0; i < n; i++)
        p[i] /= sum;
}

static double kl(int n, const double *teach, const double *learn)
{
    double p[3], q[3], sum = 0;

    softmax(n, teach, temperature, p);
    softmax(n, learn, temperature, q);
    for (int i = 0; i < n; i++)
        sum += p[i] * log(p[i] / q[i]);
    return temperature * temperature * sum;
}

static double cross_entropy(int n, const double *x, int y)
{
    double p[3];

    softmax(n, x, 1, p);
    return -log(p[y]);
}

/* What the graph says of student outputs [B, n_out], with the teacher's [B, n_teacher]; with
 * `labelled` [B] only of these rows labels count, and alpha and T are on their way. */
static double run(const char *hard, int n_out, int n_teacher, const int *labelled)
{
    struct dsc_distill d = {.alpha = {labelled ? 2 : 1, {alpha, 0}},
                            .temperature = {labelled ? 2 : 1, {temperature, 1}},
                            .is_masked = labelled};
    const int n_in = labelled ? 6 : 3;
    const struct dsc_type type = {.dtype = DSC_F64, .rank = 2, .dim = {B, n_out}};
    const struct dsc_loss *loss = dsc_loss_find(hard);
    const bool is_class = strcmp(hard, "cross-entropy") == 0, is_value = strcmp(hard, "mse") == 0;
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_tensor feeds[6], out[4];
    struct dsc_err err = {0};
    struct dsc_device *dev;
    struct dsc_session *s;
    struct dsc_node *node;
    int x, y, loss_output;
    double value;

    ck_assert_int_eq(dsc_graph_value(g, "x", &type, &x, &err), DSC_OK);
    ck_assert_int_eq(dsc_graph_input(g, x, &err), DSC_OK);
    ck_assert_int_eq(dsc_graph_call(g, "", "Identity", "id", 1, &x, &y, &node, &err), DSC_OK);
    ck_assert_int_eq(dsc_graph_output(g, y, &err), DSC_OK);
    ck_assert_int_eq(dsc_graph_verify(g, &err), DSC_OK);
    ck_assert_int_eq(dsc_distill_attach(g, 0, loss, "target", &d, &loss_output, &err), DSC_OK);
    ck_assert_int_eq(g->n_inputs, is_value && labelled ? 5 : n_in);
    for (int i = 1; i < g->n_inputs; i++) /* the double twin of what is trained in f32 */
        if (g->values[g->inputs[i]].type.dtype == DSC_F32)
            g->values[g->inputs[i]].type.dtype = DSC_F64;
    ck_assert_msg(dsc_graph_verify(g, &err) == DSC_OK, "%s", err.message);
    ck_assert_int_eq(loss_output, 1);
    ck_assert_int_eq(dsc_tensor_new(&feeds[0], DSC_F64, 2, (int64_t[]){B, n_out}, &err), DSC_OK);
    ck_assert_int_eq(dsc_tensor_new(&feeds[1], is_class ? DSC_I64 : DSC_F64, is_class ? 1 : 2,
                                    (int64_t[]){B, 1}, &err),
                     DSC_OK);
    ck_assert_int_eq(dsc_tensor_new(&feeds[2], DSC_F64, 2, (int64_t[]){B, n_teacher}, &err),
                     DSC_OK);
    for (int i = 0; i < B; i++) {
        for (int k = 0; k < n_out; k++)
            dsc_tensor_set_f64(&feeds[0], i * n_out + k, student[i][k]);
        for (int k = 0; k < n_teacher; k++)
            dsc_tensor_set_f64(&feeds[2], i * n_teacher + k, teacher[i][k]);
        dsc_tensor_set_f64(&feeds[1], i, label[i]);
    }
    if (labelled) {
        ck_assert_int_eq(dsc_tensor_new(&feeds[d.labelled], DSC_F64, 2, (int64_t[]){B, 1}, &err),
                         DSC_OK);
        for (int i = 0; i < B; i++)
            dsc_tensor_set_f64(&feeds[d.labelled], i, labelled[i]);
    }
    for (int i = 0; i < d.n_ramps; i++) {
        ck_assert_int_eq(dsc_tensor_new(&feeds[d.ramps[i].input], DSC_F64, 0, NULL, &err), DSC_OK);
        dsc_tensor_set_f64(&feeds[d.ramps[i].input], 0, dsc_ramp_at(d.ramps[i].ramp, 0, 10));
    }
    ck_assert_int_eq(dsc_device_open(&dev, "cpu", 1, &err), DSC_OK);
    ck_assert_int_eq(dsc_session_open(&s, g, dev, &err), DSC_OK);
    ck_assert_msg(dsc_session_run(s, &(struct dsc_run){.n_examples = B}, feeds, out, &err) ==
                      DSC_OK,
                  "%s", err.message);
    value = dsc_tensor_get_f64(&out[1], 0);
    for (int i = 0; i < g->n_inputs; i++)
        dsc_tensor_clear(&feeds[i]);
    ck_assert_int_eq(g->n_outputs, 4); /* the parts, too */
    ck_assert_int_eq(d.n_parts, 2);
    ck_assert_double_eq_tol(value,
                            alpha * dsc_tensor_get_f64(&out[d.parts[0].output], 0) +
                                (1 - alpha) * dsc_tensor_get_f64(&out[d.parts[1].output], 0),
                            1e-12);
    for (int i = 0; i < 4; i++)
        dsc_tensor_clear(&out[i]);
    dsc_session_close(s);
    dsc_device_close(dev);
    dsc_graph_free(g);
    return value;
}

START_TEST(classes_weigh_kl_and_cross_entropy)
{
    double want = 0;

    for (int i = 0; i < B; i++)
        want += (alpha * kl(3, teacher[i], student[i]) +
                 (1 - alpha) * cross_entropy(3, student[i], label[i])) /
                B;
    ck_assert_double_eq_tol(run("cross-entropy", 3, 3, NULL), want, 1e-12);
}
END_TEST

/* The logit of the second class stands for [0, logit]. */
START_TEST(one_logit_is_a_pair_of_classes)
{
    double want = 0;

    for (int i = 0; i < B; i++) {
        const double learn[] = {0, student[i][0]};

        want +=
            (alpha * kl(2, teacher[i], learn) + (1 - alpha) * cross_entropy(2, learn, label[i])) /
            B;
    }
    ck_assert_double_eq_tol(run("bce", 1, 2, NULL), want, 1e-12);
}
END_TEST

START_TEST(values_weigh_two_squared_errors)
{
    double want = 0;

    for (int i = 0; i < B; i++)
        want += (alpha * pow(student[i][0] - teacher[i][0], 2) +
                 (1 - alpha) * pow(student[i][0] - label[i], 2)) /
                B;
    ck_assert_double_eq_tol(run("mse", 1, 1, NULL), want, 1e-12);
}
END_TEST

static const int some[B] = {1, 0, 1};

START_TEST(rows_without_a_label_learn_from_the_teacher_alone)
{
    double classes = 0, one = 0, values = 0;

    for (int i = 0; i < B; i++) {
        const double learn[] = {0, student[i][0]};

        classes += (alpha * kl(3, teacher[i], student[i]) +
                    (1 - alpha) * some[i] * cross_entropy(3, student[i], label[i])) /
                   B;
        one += (alpha * kl(2, teacher[i], learn) +
                (1 - alpha) * some[i] * cross_entropy(2, learn, label[i])) /
               B;
        values += (alpha * pow(student[i][0] - teacher[i][0], 2) +
                   (1 - alpha) * some[i] * pow(student[i][0] - label[i], 2)) /
                  B;
    }
    ck_assert_double_eq_tol(run("cross-entropy", 3, 3, some), classes, 1e-12);
    ck_assert_double_eq_tol(run("bce", 1, 2, some), one, 1e-12);
    ck_assert_double_eq_tol(run("mse", 1, 1, some), values, 1e-12);
}
END_TEST

START_TEST(a_ramp_runs_straight_between_its_points)
{
    struct dsc_ramp r;

    ck_assert(dsc_ramp_parse("8:1", &r));
    ck_assert_double_eq(dsc_ramp_at(&r, 0, 8), 8);
    ck_assert_double_eq_tol(dsc_ramp_at(&r, 3, 8), 5, 1e-14);
    ck_assert_double_eq(dsc_ramp_at(&r, 7, 8), 1);
    ck_assert_double_eq(dsc_ramp_at(&r, 70, 8), 1);
    ck_assert(dsc_ramp_parse("1:1:0", &r));
    ck_assert_double_eq(dsc_ramp_at(&r, 3, 9), 1);
    ck_assert_double_eq_tol(dsc_ramp_at(&r, 6, 9), 0.5, 1e-14);
    ck_assert(dsc_ramp_parse("0.25", &r));
    ck_assert_double_eq(dsc_ramp_at(&r, 3, 9), 0.25);
    ck_assert_double_eq(dsc_ramp_at(&r, 0, 1), 0.25);
    ck_assert(!dsc_ramp_parse("1:", &r));
    ck_assert(!dsc_ramp_parse("1,2", &r));
    ck_assert(!dsc_ramp_parse("", &r));
    ck_assert(!dsc_ramp_parse("inf", &r));
    ck_assert(!dsc_ramp_parse("1:2:3:4:5:6:7:8:9", &r));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("distill");
    TCase *t = tcase_create("loss");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, classes_weigh_kl_and_cross_entropy);
    tcase_add_test(t, one_logit_is_a_pair_of_classes);
    tcase_add_test(t, values_weigh_two_squared_errors);
    tcase_add_test(t, rows_without_a_label_learn_from_the_teacher_alone);
    tcase_add_test(t, a_ramp_runs_straight_between_its_points);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
