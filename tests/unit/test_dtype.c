/* Graphs in another float type: what is converted, what stays, where Casts stand. */
#include "dsc/op.h"
#include "dsc/pass.h"

#include <check.h>
#include <string.h>

static int constant(struct dsc_graph *g, const char *name, int rank, int64_t n, double v)
{
    struct dsc_tensor t;
    int id;

    ck_assert_int_eq(dsc_tensor_new(&t, DSC_F32, rank, &n, NULL), DSC_OK);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++)
        dsc_tensor_set_f64(&t, i, v);
    ck_assert_int_eq(dsc_graph_init(g, name, &t, &id, NULL), DSC_OK);
    dsc_tensor_clear(&t);
    return id;
}

static int call(struct dsc_graph *g, const char *op, const char *name, int a, int b)
{
    int y;

    ck_assert_int_eq(dsc_graph_call(g, "", op, name, b < 0 ? 1 : 2, (int[]){a, b}, &y, NULL, NULL),
                     DSC_OK);
    return y;
}

/* y = cumsum(x * w + mask + eps), and x * w itself as a second output */
static struct dsc_graph *build(void)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    const struct dsc_type type = {.dtype = DSC_F32, .rank = 1, .dim = {4}};
    struct dsc_tensor axis;
    int x, y, scaled, axis_id;

    ck_assert_int_eq(dsc_graph_value(g, "x", &type, &x, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_input(g, x, NULL), DSC_OK);
    scaled = call(g, "Mul", "scaled", x, constant(g, "w", 1, 4, 0.3));
    y = call(g, "Add", "masked", scaled, constant(g, "mask", 1, 4, -3.4e38));
    y = call(g, "Add", "kept", y, constant(g, "eps", 0, 0, 1e-12));
    ck_assert_int_eq(dsc_tensor_new(&axis, DSC_I64, 0, NULL, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_init(g, "axis", &axis, &axis_id, NULL), DSC_OK);
    dsc_tensor_clear(&axis);
    y = call(g, "CumSum", "sums", y, axis_id);
    ck_assert_int_eq(dsc_graph_output(g, y, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_output(g, scaled, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_verify(g, NULL), DSC_OK);
    return g;
}

static int count(const struct dsc_graph *g, const char *op)
{
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        n += strcmp(g->nodes[i]->op->onnx, op) == 0;
    return n;
}

static const struct dsc_value *value(const struct dsc_graph *g, const char *name)
{
    const int id = dsc_graph_find_value(g, name);

    ck_assert_msg(id >= 0, "no value '%s'", name);
    return &g->values[id];
}

static void to(struct dsc_graph *g, enum dsc_dtype dtype, int n_converted, int n_moved)
{
    struct dsc_dtype_report r;
    struct dsc_err err = {0};

    ck_assert_msg(dsc_pass_to_dtype(g, dtype, &r, &err) == DSC_OK, "%s (%s)", err.message,
                  err.where);
    ck_assert_int_eq(r.n_converted, n_converted);
    ck_assert_int_eq(r.n_moved, n_moved);
    ck_assert_int_eq(value(g, "x")->type.dtype, DSC_F32);
    for (int i = 0; i < g->n_outputs; i++)
        ck_assert_int_eq(g->values[g->outputs[i]].type.dtype, DSC_F32);
    ck_assert_str_eq(g->values[g->outputs[0]].name, "sums_out");
    ck_assert_str_eq(g->values[g->outputs[1]].name, "scaled_out");
}

START_TEST(half_keeps_f32_inputs_and_outputs_and_constants_in_range)
{
    struct dsc_graph *g = build();

    to(g, DSC_F16, 3, 2);
    ck_assert_int_eq(value(g, "w")->init.dtype, DSC_F16);
    ck_assert_double_eq(dsc_tensor_get_f64(&value(g, "mask")->init, 3), -65504);
    ck_assert_double_eq(dsc_tensor_get_f64(&value(g, "eps")->init, 0), 0x1p-24);
    ck_assert_int_eq(value(g, "masked_out")->type.dtype, DSC_F16);
    ck_assert_int_eq(count(g, "Cast"), 5); /* x, into and out of CumSum, two outputs */
    dsc_graph_free(g);
}
END_TEST

START_TEST(half_and_back_has_no_casts)
{
    struct dsc_graph *g = build();

    to(g, DSC_F16, 3, 2);
    to(g, DSC_F32, 3, 0);
    ck_assert_int_eq(value(g, "w")->init.dtype, DSC_F32);
    ck_assert_double_eq(dsc_tensor_get_f64(&value(g, "w")->init, 0), 0.300048828125);
    ck_assert_int_eq(count(g, "Cast"), 2); /* they make the outputs under their names */
    to(g, DSC_F32, 0, 0);
    ck_assert_int_eq(count(g, "Cast"), 2);
    dsc_graph_free(g);
}
END_TEST

START_TEST(bfloat_is_how_weights_are_stored)
{
    struct dsc_graph *g = build();

    to(g, DSC_BF16, 2, 0); /* not the number of the formula */
    ck_assert_int_eq(value(g, "w.bf16")->init.dtype, DSC_BF16);
    ck_assert_int_eq(value(g, "eps")->init.dtype, DSC_F32);
    ck_assert_int_eq(value(g, "masked_out")->type.dtype, DSC_F32);
    ck_assert_int_eq(count(g, "Cast"), 2);
    dsc_graph_free(g);
}
END_TEST

START_TEST(a_weight_that_half_cannot_hold_is_refused_where_it_is_only_stored)
{
    struct dsc_graph *g = build();
    struct dsc_err err = {0};

    ck_assert_int_eq(dsc_pass_round_weights(g, DSC_F16, &err), DSC_E_RANGE);
    ck_assert_ptr_nonnull(strstr(err.message, "'mask'"));
    dsc_graph_free(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dtype");
    TCase *t = tcase_create("dtype");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, half_keeps_f32_inputs_and_outputs_and_constants_in_range);
    tcase_add_test(t, half_and_back_has_no_casts);
    tcase_add_test(t, bfloat_is_how_weights_are_stored);
    tcase_add_test(t, a_weight_that_half_cannot_hold_is_refused_where_it_is_only_stored);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
