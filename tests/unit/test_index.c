/* Operators that select elements by index tensors; expectations are NumPy's. */
#include "one_node.h"

static const double count[64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

START_TEST(gather_takes_rows_along_an_axis)
{
    PASSES("Gather", {{DSC_F32, 2, {3, 2}, count}, {DSC_I64, 2, {1, 3}, V(2, -3, 2)}},
           {{DSC_F32, 3, {1, 3, 2}, V(4, 5, 0, 1, 4, 5)}});
    PASSES("Gather", {{DSC_I8, 2, {2, 3}, count}, {DSC_I32, 0, {0}, V(-1)}},
           {{DSC_I8, 1, {2}, V(2, 5)}}, {I("axis", 1)});
    FAILS(DSC_E_RANGE, "index 3 (element 1", "Gather",
          {{DSC_F32, 2, {3, 2}, count}, {DSC_I64, 1, {2}, V(2, 3)}});
    FAILS(DSC_E_RANGE, "index -4", "Gather",
          {{DSC_F32, 2, {3, 2}, count}, {DSC_I64, 1, {1}, V(-4)}});
    FAILS(DSC_E_TYPE, "f32", "Gather", {{DSC_F32, 2, {3, 2}, count}, {DSC_F32, 1, {1}, V(0)}});
    DIFFERENTIATES(0, "Gather", {{DSC_F64, 2, {3, 2}, count}, {DSC_I64, 1, {3}, V(2, 0, 2)}});
    DIFFERENTIATES(0, "Gather", {{DSC_F64, 2, {2, 3}, count}, {DSC_I64, 2, {2, 1}, V(1, 1)}}, {{0}},
                   {I("axis", 1)});
}
END_TEST

START_TEST(elements_and_tuples_select_and_are_checked)
{
    PASSES("GatherElements",
           {{DSC_F32, 2, {2, 2}, V(1, 2, 3, 4)}, {DSC_I64, 2, {2, 2}, V(0, 0, 1, 0)}},
           {{DSC_F32, 2, {2, 2}, V(1, 1, 4, 3)}}, {I("axis", 1)});
    PASSES("GatherElements", {{DSC_BOOL, 2, {3, 1}, V(1, 0, 1)}, {DSC_I32, 2, {2, 1}, V(-1, -2)}},
           {{DSC_BOOL, 2, {2, 1}, V(1, 0)}});
    PASSES("GatherND", {{DSC_I32, 2, {2, 2}, count}, {DSC_I64, 2, {2, 2}, V(0, 0, 1, 1)}},
           {{DSC_I32, 1, {2}, V(0, 3)}});
    PASSES("GatherND", {{DSC_I32, 3, {2, 2, 2}, count}, {DSC_I64, 2, {2, 1}, V(1, 0)}},
           {{DSC_I32, 2, {2, 2}, V(2, 3, 4, 5)}}, {I("batch_dims", 1)});
    FAILS(DSC_E_SHAPE, "3 indices along axis 0 of 2", "GatherElements",
          {{DSC_F32, 2, {2, 2}, count}, {DSC_I64, 2, {3, 2}, count}}, {{0}}, {I("axis", 1)});
    FAILS(DSC_E_RANGE, "index 2 (element 3", "GatherElements",
          {{DSC_F32, 2, {2, 2}, count}, {DSC_I64, 2, {2, 2}, V(0, 0, 1, 2)}});
    FAILS(DSC_E_RANGE, "index 5", "GatherND",
          {{DSC_F32, 2, {2, 2}, count}, {DSC_I64, 2, {1, 2}, V(0, 5)}});
    FAILS(DSC_E_SHAPE, "tuples of 3", "GatherND",
          {{DSC_F32, 2, {2, 2}, count}, {DSC_I64, 2, {1, 3}, V(0, 0, 0)}});
}
END_TEST

START_TEST(scatter_meets_what_is_there)
{
    const double zeros[9] = {0};

    PASSES("ScatterElements",
           {{DSC_F32, 2, {3, 3}, zeros},
            {DSC_I64, 2, {2, 3}, V(1, 0, 2, 0, 2, 1)},
            {DSC_F32, 2, {2, 3}, V(1.0, 1.5, 1.25, 2, 2.5, 2.25)}},
           {{DSC_F32, 2, {3, 3}, V(2, 1.5, 0, 1, 0, 2.25, 0, 2.5, 1.25)}});
    PASSES("ScatterElements",
           {{DSC_F16, 2, {1, 5}, V(1, 2, 3, 4, 5)},
            {DSC_I64, 2, {1, 2}, V(1, -4)},
            {DSC_F16, 2, {1, 2}, V(1.5, 2.25)}},
           {{DSC_F16, 2, {1, 5}, V(1, 5.75, 3, 4, 5)}}, {I("axis", 1), S("reduction", "add")});
    PASSES("ScatterND",
           {{DSC_I64, 1, {4}, count}, {DSC_I64, 2, {2, 1}, V(3, 3)}, {DSC_I64, 1, {2}, V(7, 2)}},
           {{DSC_I64, 1, {4}, V(0, 1, 2, 42)}}, {S("reduction", "mul")});
    PASSES("ScatterND",
           {{DSC_I64, 1, {4}, count}, {DSC_I64, 2, {2, 1}, V(3, 3)}, {DSC_I64, 1, {2}, V(-7, 2)}},
           {{DSC_I64, 1, {4}, V(0, 1, 2, -7)}}, {S("reduction", "min")});
    FAILS(DSC_E_RANGE, "index 4", "ScatterND",
          {{DSC_F32, 1, {4}, count}, {DSC_I64, 2, {1, 1}, V(4)}, {DSC_F32, 1, {1}, count}});
    FAILS(DSC_E_SHAPE, "updates", "ScatterND",
          {{DSC_F32, 1, {4}, count}, {DSC_I64, 2, {1, 1}, V(3)}, {DSC_F32, 1, {2}, count}});
    FAILS(DSC_E_UNSUPPORTED, "'and'", "ScatterND",
          {{DSC_F32, 1, {4}, count}, {DSC_I64, 2, {1, 1}, V(3)}, {DSC_F32, 1, {1}, count}}, {{0}},
          {S("reduction", "and")});
    for (int i = 0; i < 3; i += 2) /* one zero among the factors, then two */
        DIFFERENTIATES(i == 0 ? 0 : 2, "ScatterND",
                       {{DSC_F64, 1, {3}, V(0, 2, 3)},
                        {DSC_I64, 2, {5, 1}, V(0, 0, 1, 1, 2)},
                        {DSC_F64, 1, {5}, V(2, 3, 0, 4, 0)}},
                       {{0}}, {S("reduction", "mul")});
}
END_TEST

START_TEST(extremes_are_stable)
{
    PASSES("ArgMax", {{DSC_F32, 2, {2, 3}, V(2, 2, 1, 3, 10, 10)}}, {{DSC_I64, 2, {2, 1}, V(0, 1)}},
           {I("axis", 1)});
    PASSES("ArgMax", {{DSC_F16, 2, {2, 3}, V(2, 2, 1, 3, 10, 10)}}, {{DSC_I64, 1, {2}, V(1, 2)}},
           {I("axis", 1), I("select_last_index", 1), I("keepdims", 0)});
    PASSES("ArgMin", {{DSC_I8, 2, {2, 3}, V(2, -2, 1, 3, 10, 1)}},
           {{DSC_I64, 2, {1, 3}, V(0, 0, 0)}});
    PASSES("ArgMin", {{DSC_F64, 1, {3}, V(1, NAN, 0)}}, {{DSC_I64, 1, {1}, V(1)}});
    PASSES("TopK", {{DSC_F32, 2, {2, 4}, V(1, 3, 3, 2, 0, 0, 0, 1)}, {DSC_I64, 1, {1}, V(3)}},
           {{DSC_F32, 2, {2, 3}, V(3, 3, 2, 1, 0, 0)}, {DSC_I64, 2, {2, 3}, V(1, 2, 3, 3, 0, 1)}});
    PASSES("TopK", {{DSC_I64, 2, {3, 1}, V(5, 4, 4)}, {DSC_I64, 1, {1}, V(2)}},
           {{DSC_I64, 2, {2, 1}, V(4, 4)}, {DSC_I64, 2, {2, 1}, V(1, 2)}},
           {I("axis", 0), I("largest", 0)});
    PASSES_FROM(9, "TopK", {{DSC_F32, 1, {3}, count}},
                {{DSC_F32, 1, {1}, V(2)}, {DSC_I64, 1, {1}, V(2)}}, {I("k", 1)});
    FAILS(DSC_E_RANGE, "k = 4", "TopK", {{DSC_F32, 1, {3}, count}, {DSC_I64, 1, {1}, V(4)}},
          {{DSC_F32, 1, {1}, V(2)}, {DSC_I64, 1, {1}, V(2)}});
    FAILS(DSC_E_SHAPE, "no elements", "ArgMax", {{DSC_F32, 2, {2, 0}, count}}, {{0}},
          {I("axis", 1)});
}
END_TEST

START_TEST(scans_and_triangles)
{
    PASSES("CumSum", {{DSC_I32, 1, {3}, V(1, 2, 3)}, {DSC_I64, 0, {0}, V(0)}},
           {{DSC_I32, 1, {3}, V(5, 3, 0)}}, {I("exclusive", 1), I("reverse", 1)});
    PASSES("Trilu", {{DSC_I64, 2, {2, 3}, V(1, 2, 3, 4, 5, 6)}},
           {{DSC_I64, 2, {2, 3}, V(1, 2, 3, 0, 5, 6)}});
    PASSES("Trilu", {{DSC_BOOL, 2, {2, 2}, V(1, 1, 1, 1)}, {DSC_I64, 0, {0}, V(-9e18)}},
           {{DSC_BOOL, 2, {2, 2}, V(0, 0, 0, 0)}}, {I("upper", 0)});
    PASSES(
        "OneHot",
        {{DSC_I64, 1, {4}, V(0, -1, 3, -4)}, {DSC_I64, 0, {0}, V(3)}, {DSC_F32, 1, {2}, V(5, 2)}},
        {{DSC_F32, 2, {4, 3}, V(2, 5, 5, 5, 5, 2, 5, 5, 5, 5, 5, 5)}});
    PASSES("IsInf", {{DSC_F32, 1, {3}, V(INFINITY, -INFINITY, NAN)}},
           {{DSC_BOOL, 1, {3}, V(0, 1, 0)}}, {I("detect_positive", 0)});
    PASSES("IsNaN", {{DSC_BF16, 1, {2}, V(NAN, 1)}}, {{DSC_BOOL, 1, {2}, V(1, 0)}});
    PASSES("Not", {{DSC_BOOL, 1, {2}, V(1, 0)}}, {{DSC_BOOL, 1, {2}, V(0, 1)}});
    FAILS(DSC_E_SHAPE, "not one", "CumSum", {{DSC_I32, 1, {3}, count}, {DSC_I64, 1, {2}, count}});
}
END_TEST

START_TEST(means_of_integers_round_towards_zero)
{
    PASSES("ReduceMean", {{DSC_I64, 2, {2, 2}, V(-3, -2, 3, 2)}, {DSC_I64, 1, {1}, V(1)}},
           {{DSC_I64, 2, {2, 1}, V(-2, 2)}});
    PASSES("ReduceMean", {{DSC_I32, 1, {3}, V(5, -1, -6)}, {DSC_I64, 1, {1}, V(0)}},
           {{DSC_I32, 1, {1}, V(0)}});
    PASSES("ReduceMean", {{DSC_U32, 1, {2}, V(4294967295, 4294967294)}, {DSC_I64, 1, {1}, V(0)}},
           {{DSC_U32, 1, {1}, V(4294967294)}});
}
END_TEST

/* Numbers that no double holds, and sums that no integer of 64 bits does. */
static uint64_t mean_of(enum dsc_dtype dtype, uint64_t a, uint64_t b, uint64_t c)
{
    const struct call call = {
        "ReduceMean", {{dtype, 1, {3}, V(0, 0, 0)}, {DSC_I64, 1, {1}, V(0)}}, {{0}}, {{0}}};
    const uint64_t v[3] = {a, b, c};
    struct dsc_tensor out[1];
    struct dsc_session *s;
    struct dsc_device *dev;
    struct built built;
    uint64_t y;

    ck_assert_int_eq(build(&call, 0, &built, NULL), DSC_OK);
    memcpy(built.feeds[0].data, v, sizeof v);
    ck_assert_int_eq(dsc_device_open(&dev, "cpu", 1, NULL), DSC_OK);
    ck_assert_int_eq(dsc_session_open(&s, built.g, dev, NULL), DSC_OK);
    ck_assert_int_eq(dsc_session_run(s, &(struct dsc_run){0}, built.feeds, out, NULL), DSC_OK);
    memcpy(&y, out[0].data, sizeof y);
    dsc_tensor_clear(&out[0]);
    dsc_session_close(s);
    dsc_device_close(dev);
    drop(&built);
    return y;
}

START_TEST(means_of_large_integers_are_exact)
{
    const uint64_t top = UINT64_MAX;
    const uint64_t low = (uint64_t)INT64_MIN;

    ck_assert_uint_eq(mean_of(DSC_U64, top, top, top - 3), top - 1);
    ck_assert_uint_eq(mean_of(DSC_U64, top, 0, 0), top / 3);
    ck_assert_uint_eq(mean_of(DSC_I64, low, low, low + 3), low + 1);
    ck_assert_uint_eq(mean_of(DSC_I64, (uint64_t)INT64_MAX, (uint64_t)INT64_MAX, low),
                      (uint64_t)((INT64_MAX - 1) / 3));
    ck_assert_uint_eq(mean_of(DSC_I64, 1, 2, (uint64_t)-5), 0);
}
END_TEST

START_TEST(an_output_label_that_no_input_has_is_refused)
{
    FAILS(DSC_E_SCHEMA, "'k' of the output", "Einsum", {{DSC_F32, 2, {2, 2}, V(1, 2, 3, 4)}}, {{0}},
          {S("equation", "ij->ik")});
    FAILS(DSC_E_SCHEMA, "'B' of the output", "Einsum", {{DSC_F32, 2, {2, 2}, V(1, 2, 3, 4)}}, {{0}},
          {S("equation", "...i->B...i")});
}
END_TEST

/* Rows of two equal sizes: what is per row and what per element must not be mixed up. */
START_TEST(scales_of_layer_normalization_broadcast)
{
    PASSES("LayerNormalization",
           {{DSC_F64, 2, {2, 2}, V(1, -1, 1, -1)}, {DSC_F64, 2, {2, 1}, V(1, 10)}},
           {{DSC_F64, 2, {2, 2}, V(0.5, -0.5, 5, -5)}}, {F("epsilon", 3)});
    FAILS(DSC_E_SHAPE, "a scale of size 3 along an axis of 2", "LayerNormalization",
          {{DSC_F64, 2, {2, 2}, V(1, -1, 2, -2)}, {DSC_F64, 1, {3}, V(1, 1, 1)}});
    FAILS(DSC_E_SHAPE, "a bias of rank 3", "LayerNormalization",
          {{DSC_F64, 2, {2, 2}, V(1, -1, 2, -2)},
           {DSC_F64, 1, {2}, V(1, 1)},
           {DSC_F64, 3, {1, 1, 2}, V(1, 1)}});
}
END_TEST

int main(void)
{
    Suite *s = suite_create("index");
    TCase *t = tcase_create("index");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, gather_takes_rows_along_an_axis);
    tcase_add_test(t, elements_and_tuples_select_and_are_checked);
    tcase_add_test(t, scatter_meets_what_is_there);
    tcase_add_test(t, extremes_are_stable);
    tcase_add_test(t, means_of_integers_round_towards_zero);
    tcase_add_test(t, means_of_large_integers_are_exact);
    tcase_add_test(t, an_output_label_that_no_input_has_is_refused);
    tcase_add_test(t, scales_of_layer_normalization_broadcast);
    tcase_add_test(t, scans_and_triangles);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
