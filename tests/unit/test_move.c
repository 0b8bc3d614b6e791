/* Operators that move elements without an index tensor; expectations are NumPy's. */
#include "one_node.h"

#include <stdlib.h>

static const double count[64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

START_TEST(transpose_permutes_or_reverses)
{
    const double v[] = {0, 3, 1, 4, 2, 5};
    const double w[] = {0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11};

    PASSES("Transpose", {{DSC_F32, 2, {2, 3}, count}}, {{DSC_F32, 2, {3, 2}, v}});
    PASSES("Transpose", {{DSC_I4, 2, {2, 3}, count}}, {{DSC_I4, 2, {3, 2}, v}});
    PASSES("Transpose", {{DSC_U8, 3, {2, 3, 2}, count}}, {{DSC_U8, 3, {3, 2, 2}, w}},
           {IS("perm", 3, 1, 0, 2)});
    FAILS(DSC_E_RANGE, "no permutation", "Transpose", {{DSC_F32, 2, {2, 3}, count}}, {{0}},
          {IS("perm", 2, 1, 1)});
    DIFFERENTIATES(0, "Transpose", {{DSC_F64, 3, {2, 3, 2}, count}}, {{0}},
                   {IS("perm", 3, 2, 0, 1)});
}
END_TEST

START_TEST(squeeze_and_unsqueeze_change_the_shape_alone)
{
    PASSES("Squeeze", {{DSC_F16, 3, {1, 3, 1}, count}}, {{DSC_F16, 1, {3}, count}});
    PASSES("Squeeze", {{DSC_F32, 3, {1, 3, 1}, count}, {DSC_I64, 1, {1}, V(-1)}},
           {{DSC_F32, 2, {1, 3}, count}});
    PASSES("Unsqueeze", {{DSC_F32, 1, {3}, count}, {DSC_I64, 1, {2}, V(2, 0)}},
           {{DSC_F32, 3, {1, 3, 1}, count}});
    PASSES_FROM(11, "Unsqueeze", {{DSC_F32, 1, {3}, count}}, {{DSC_F32, 2, {3, 1}, count}},
                {IS("axes", 1, 1)});
    PASSES_FROM(11, "Squeeze", {{DSC_F32, 2, {1, 3}, count}}, {{DSC_F32, 1, {3}, count}},
                {IS("axes", 1, 0)});
    FAILS(DSC_E_SHAPE, "not 1", "Squeeze", {{DSC_F32, 2, {1, 3}, count}, {DSC_I64, 1, {1}, V(1)}});
    FAILS(DSC_E_DUP, "twice", "Unsqueeze", {{DSC_F32, 1, {3}, count}, {DSC_I64, 1, {2}, V(0, 0)}});
    FAILS(DSC_E_LIMIT, "at most", "Unsqueeze",
          {{DSC_F32, 1, {3}, count}, {DSC_I64, 1, {8}, count}});
    PASSES("Flatten", {{DSC_I8, 3, {2, 2, 3}, count}}, {{DSC_I8, 2, {4, 3}, count}},
           {I("axis", -1)});
    DIFFERENTIATES(0, "Squeeze", {{DSC_F64, 2, {1, 3}, count}});
}
END_TEST

START_TEST(slice_clamps_and_steps_both_ways)
{
    PASSES("Slice",
           {{DSC_F32, 2, {3, 4}, count}, {DSC_I64, 1, {2}, V(0, 1)}, {DSC_I64, 1, {2}, V(2, 1000)}},
           {{DSC_F32, 2, {2, 3}, V(1, 2, 3, 5, 6, 7)}});
    PASSES("Slice",
           {{DSC_I32, 1, {5}, count},
            {DSC_I32, 1, {1}, V(-1)},
            {DSC_I32, 1, {1}, V(-100)},
            {DSC_I32, 1, {1}, V(0)},
            {DSC_I32, 1, {1}, V(-2)}},
           {{DSC_I32, 1, {3}, V(4, 2, 0)}});
    PASSES("Slice", {{DSC_F32, 1, {5}, count}, {DSC_I64, 1, {1}, V(4)}, {DSC_I64, 1, {1}, V(2)}},
           {{DSC_F32, 1, {0}, count}});
    PASSES("Slice",
           {{DSC_F32, 1, {3}, count},
            {DSC_I64, 1, {1}, V(1)},
            {DSC_I64, 1, {1}, V(9e18)},
            {DSC_I64, 1, {1}, V(0)},
            {DSC_I64, 1, {1}, V(9e18)}},
           {{DSC_F32, 1, {1}, V(1)}});
    PASSES_FROM(9, "Slice", {{DSC_F32, 1, {5}, count}}, {{DSC_F32, 1, {2}, V(1, 2)}},
                {IS("starts", 1, 1), IS("ends", 1, 3)});
    PASSES("Slice",
           {{DSC_F32, 1, {5}, count},
            {DSC_I64, 1, {1}, V(100)},
            {DSC_I64, 1, {1}, V(-9e18)},
            {DSC_I64, 1, {1}, V(0)},
            {DSC_I64, 1, {1}, V(-3)}},
           {{DSC_F32, 1, {2}, V(4, 1)}});
    FAILS(DSC_E_RANGE, "step 0", "Slice",
          {{DSC_F32, 1, {5}, count},
           {DSC_I64, 1, {1}, V(4)},
           {DSC_I64, 1, {1}, V(2)},
           {DSC_I64, 1, {1}, V(0)},
           {DSC_I64, 1, {1}, V(0)}});
    FAILS(DSC_E_RANGE, "axis 3", "Slice",
          {{DSC_F32, 1, {5}, count},
           {DSC_I64, 1, {1}, V(4)},
           {DSC_I64, 1, {1}, V(2)},
           {DSC_I64, 1, {1}, V(3)}});
    DIFFERENTIATES(0, "Slice",
                   {{DSC_F64, 2, {2, 5}, count},
                    {DSC_I64, 1, {1}, V(4)},
                    {DSC_I64, 1, {1}, V(-6)},
                    {DSC_I64, 1, {1}, V(1)},
                    {DSC_I64, 1, {1}, V(-2)}});
}
END_TEST

START_TEST(concat_and_split_are_inverse)
{
    const double v[] = {0, 1, 10, 2, 3, 11};

    PASSES("Concat", {{DSC_F32, 2, {2, 2}, count}, {DSC_F32, 2, {2, 1}, V(10, 11)}},
           {{DSC_F32, 2, {2, 3}, v}}, {I("axis", -1)});
    PASSES("Concat", {{DSC_BOOL, 1, {2}, V(0, 1)}, {DSC_BOOL, 1, {0}, v}},
           {{DSC_BOOL, 1, {2}, V(0, 1)}}, {I("axis", 0)});
    PASSES("Split", {{DSC_F32, 2, {2, 3}, v}, {DSC_I64, 1, {2}, V(2, 1)}},
           {{DSC_F32, 2, {2, 2}, count}, {DSC_F32, 2, {2, 1}, V(10, 11)}}, {I("axis", 1)});
    PASSES("Split", {{DSC_F32, 1, {7}, count}},
           {{DSC_F32, 1, {3}, count}, {DSC_F32, 1, {3}, count + 3}, {DSC_F32, 1, {1}, count + 6}},
           {I("num_outputs", 3)});
    PASSES_FROM(11, "Split", {{DSC_F32, 1, {3}, count}},
                {{DSC_F32, 1, {1}, count}, {DSC_F32, 1, {2}, count + 1}}, {IS("split", 2, 1, 2)});
    FAILS(DSC_E_SHAPE, "axis 0", "Concat",
          {{DSC_F32, 2, {2, 2}, count}, {DSC_F32, 2, {1, 2}, count}}, {{0}}, {I("axis", 1)});
    FAILS(DSC_E_SHAPE, "pieces of 4", "Split",
          {{DSC_F32, 1, {3}, count}, {DSC_I64, 1, {2}, V(2, 2)}},
          {{DSC_F32, 1, {2}, count}, {DSC_F32, 1, {2}, count}});
    for (int i = 0; i < 2; i++)
        DIFFERENTIATES(i, "Concat", {{DSC_F64, 2, {2, 2}, count}, {DSC_F64, 2, {2, 3}, count}},
                       {{0}}, {I("axis", 1)});
    DIFFERENTIATES(0, "Split", {{DSC_F64, 1, {3}, count}},
                   {{DSC_F64, 1, {2}, count}, {DSC_F64, 1, {1}, count + 2}});
}
END_TEST

START_TEST(expand_and_where_broadcast)
{
    const double v[] = {0, 0, 1, 1, 2, 2};

    PASSES("Expand", {{DSC_BF16, 2, {3, 1}, count}, {DSC_I64, 1, {2}, V(1, 2)}},
           {{DSC_BF16, 2, {3, 2}, v}});
    PASSES("Where",
           {{DSC_BOOL, 2, {2, 1}, V(1, 0)}, {DSC_F32, 0, {0}, V(-5)}, {DSC_F32, 1, {3}, count}},
           {{DSC_F32, 2, {2, 3}, V(-5, -5, -5, 0, 1, 2)}});
    PASSES("Where",
           {{DSC_BOOL, 2, {1, 3}, V(1, 0, 1)},
            {DSC_I64, 2, {2, 3}, count},
            {DSC_I64, 2, {2, 1}, V(-1, -2)}},
           {{DSC_I64, 2, {2, 3}, V(0, -1, 2, 3, -2, 5)}});
    FAILS(DSC_E_RANGE, "size -1", "Expand",
          {{DSC_F32, 2, {3, 1}, count}, {DSC_I64, 1, {2}, V(1, -1)}});
    FAILS(DSC_E_OVERFLOW, "", "Expand",
          {{DSC_F32, 1, {1}, count}, {DSC_I64, 1, {3}, V(1e15, 1e15, 1e15)}});
    FAILS(DSC_E_OVERFLOW, "", "Expand",
          {{DSC_F32, 2, {3, 1}, count}, {DSC_I64, 1, {4}, V(0, 9e18, 3, 1)}});
    FAILS(DSC_E_TYPE, "not bool", "Where",
          {{DSC_U8, 1, {1}, V(1)}, {DSC_F32, 0, {0}, V(-5)}, {DSC_F32, 0, {0}, count}});
    DIFFERENTIATES(0, "Expand", {{DSC_F64, 2, {3, 1}, count}, {DSC_I64, 1, {3}, V(2, 1, 2)}});
    for (int i = 1; i < 3; i++)
        DIFFERENTIATES(i, "Where",
                       {{DSC_BOOL, 2, {1, 3}, V(1, 0, 1)},
                        {DSC_F64, 2, {2, 3}, count},
                        {DSC_F64, 2, {2, 1}, V(-1, -2)}});
}
END_TEST

START_TEST(shapes_are_read_without_their_data)
{
    PASSES("Shape", {{DSC_F32, 3, {2, 3, 4}, count}}, {{DSC_I64, 1, {3}, V(2, 3, 4)}});
    PASSES("Shape", {{DSC_F32, 3, {2, 3, 4}, count}}, {{DSC_I64, 1, {1}, V(3)}},
           {I("start", -2), I("end", -1)});
    PASSES("Size", {{DSC_F32, 3, {2, 3, 4}, count}}, {{DSC_I64, 0, {0}, V(24)}});
    PASSES("ConstantOfShape", {{DSC_I64, 1, {2}, V(2, 1)}}, {{DSC_F32, 2, {2, 1}, V(0, 0)}});
    PASSES("Constant", {{0}}, {{DSC_I64, 1, {2}, V(5, 6)}}, {IS("value_ints", 2, 5, 6)});
    FAILS(DSC_E_RANGE, "size -2", "ConstantOfShape", {{DSC_I64, 1, {2}, V(2, -2)}});
}
END_TEST

START_TEST(cast_follows_numpy)
{
    PASSES("Cast", {{DSC_F32, 1, {4}, V(1.5, -1.5, 0, 2.5)}}, {{DSC_I64, 1, {4}, V(1, -1, 0, 2)}},
           {I("to", 7)});
    PASSES("Cast", {{DSC_F32, 1, {3}, V(-9, 7.6, 2.5)}}, {{DSC_I4, 1, {3}, V(-8, 7, 2)}},
           {I("to", 22)});
    PASSES("Cast", {{DSC_F64, 1, {3}, V(0, 0.1, -3)}}, {{DSC_BOOL, 1, {3}, V(0, 1, 1)}},
           {I("to", 9)});
    PASSES("Cast", {{DSC_I64, 1, {2}, V(257, -1)}}, {{DSC_U8, 1, {2}, V(1, 255)}}, {I("to", 2)});
    PASSES("Cast", {{DSC_F32, 1, {2}, V(65520, 1.0009765625)}},
           {{DSC_F16, 1, {2}, V(INFINITY, 1.0009765625)}}, {I("to", 10)});
    PASSES("CastLike", {{DSC_I32, 1, {2}, V(1, -2)}, {DSC_F32, 0, {0}, V(0)}},
           {{DSC_F32, 1, {2}, V(1, -2)}});
    FAILS(DSC_E_UNSUPPORTED, "type 17", "Cast", {{DSC_F32, 1, {1}, V(1)}}, {{0}}, {I("to", 17)});
    DIFFERENTIATES(0, "Cast", {{DSC_F64, 1, {3}, count}}, {{0}}, {I("to", 11)});
}
END_TEST

START_TEST(pad_has_four_modes)
{
    PASSES("Pad", {{DSC_F32, 1, {3}, count}, {DSC_I64, 1, {2}, V(1, -1)}, {DSC_F32, 0, {0}, V(9)}},
           {{DSC_F32, 1, {3}, V(9, 0, 1)}});
    PASSES("Pad",
           {{DSC_BOOL, 2, {1, 1}, V(1)},
            {DSC_I64, 1, {2}, V(1, 1)},
            {DSC_BOOL, -1, {0}, NULL},
            {DSC_I64, 1, {1}, V(-1)}},
           {{DSC_BOOL, 2, {1, 3}, V(0, 1, 0)}});
    PASSES("Pad", {{DSC_I32, 1, {3}, count}, {DSC_I64, 1, {2}, V(3, 5)}},
           {{DSC_I32, 1, {11}, V(1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1)}}, {S("mode", "reflect")});
    PASSES("Pad", {{DSC_I32, 1, {3}, count}, {DSC_I64, 1, {2}, V(4, -1)}},
           {{DSC_I32, 1, {6}, V(2, 0, 1, 2, 0, 1)}}, {S("mode", "wrap")});
    PASSES("Pad", {{DSC_F64, 2, {2, 2}, count}, {DSC_I64, 1, {4}, V(1, 0, 0, 1)}},
           {{DSC_F64, 2, {3, 3}, V(0, 1, 1, 0, 1, 1, 2, 3, 3)}}, {S("mode", "edge")});
    PASSES_FROM(2, "Pad", {{DSC_F32, 1, {2}, count}}, {{DSC_F32, 1, {3}, V(5, 0, 1)}},
                {IS("pads", 2, 1, 0), F("value", 5)});
    FAILS(DSC_E_SHAPE, "pads", "Pad", {{DSC_F32, 1, {3}, count}, {DSC_I64, 1, {2}, V(-2, -2)}});
    FAILS(DSC_E_OVERFLOW, "pads", "Pad",
          {{DSC_F32, 1, {3}, count}, {DSC_I64, 1, {2}, V(9e18, 9e18)}});
    FAILS(DSC_E_SHAPE, "0 elements", "Pad", {{DSC_F32, 1, {0}, count}, {DSC_I64, 1, {2}, V(1, 0)}},
          {{0}}, {S("mode", "edge")});
    FAILS(DSC_E_UNSUPPORTED, "'mirror'", "Pad",
          {{DSC_F32, 1, {3}, count}, {DSC_I64, 1, {2}, V(1, 0)}}, {{0}}, {S("mode", "mirror")});
}
END_TEST

START_TEST(tile_and_range_know_their_sizes)
{
    PASSES("Tile", {{DSC_U16, 2, {1, 2}, count}, {DSC_I64, 1, {2}, V(2, 2)}},
           {{DSC_U16, 2, {2, 4}, V(0, 1, 0, 1, 0, 1, 0, 1)}});
    PASSES("Tile", {{DSC_F32, 1, {2}, count}, {DSC_I64, 1, {1}, V(0)}}, {{DSC_F32, 1, {0}, count}});
    PASSES("Range", {{DSC_I32, 0, {0}, V(10)}, {DSC_I32, 0, {0}, V(6)}, {DSC_I32, 0, {0}, V(-3)}},
           {{DSC_I32, 1, {2}, V(10, 7)}});
    PASSES("Range", {{DSC_F32, 0, {0}, V(1)}, {DSC_F32, 0, {0}, V(5)}, {DSC_F32, 0, {0}, V(2)}},
           {{DSC_F32, 1, {2}, V(1, 3)}});
    FAILS(DSC_E_OVERFLOW, "axis 0 repeated", "Tile",
          {{DSC_F32, 1, {4}, count}, {DSC_I64, 1, {1}, V(9e18)}});
    FAILS(DSC_E_RANGE, "delta is 0", "Range",
          {{DSC_I64, 0, {0}, V(1)}, {DSC_I64, 0, {0}, V(5)}, {DSC_I64, 0, {0}, V(0)}});
    FAILS(DSC_E_OVERFLOW, "a range of", "Range",
          {{DSC_I64, 0, {0}, V(-9e18)}, {DSC_I64, 0, {0}, V(9e18)}, {DSC_I64, 0, {0}, V(1)}});
    FAILS(DSC_E_RANGE, "no range", "Range",
          {{DSC_F32, 0, {0}, V(0)}, {DSC_F32, 0, {0}, V(1)}, {DSC_F32, 0, {0}, V(NAN)}});
}
END_TEST

START_TEST(dropout_of_old_opsets_is_read)
{
    PASSES_FROM(10, "Dropout", {{DSC_F32, 1, {2}, count}},
                {{DSC_F32, 1, {2}, count}, {DSC_BOOL, 1, {2}, V(1, 1)}}, {F("ratio", 0.25f)});
    PASSES_FROM(7, "Dropout", {{DSC_F32, 1, {2}, count}},
                {{DSC_F32, 1, {2}, count}, {DSC_F32, 1, {2}, V(1, 1)}}, {F("ratio", 0.25f)});
    FAILS(DSC_E_SHAPE, "ratio", "Dropout", {{DSC_F32, 1, {2}, count}, {DSC_F32, 1, {0}, count}});
    FAILS(DSC_E_OVERFLOW, "", "Reshape",
          {{DSC_F32, 1, {2}, count}, {DSC_I64, 1, {3}, V(4e9, 4e9, 4e9)}});
}
END_TEST

/* Transpose by `perm` of a tensor that spans tiles, element by element. */
static void transposes(enum dsc_dtype dtype, int rank, const int64_t *dim, const int64_t *perm)
{
    int64_t n = 1, y_dim[DSC_MAX_RANK];
    struct call c = {
        .op = "Transpose", .in = {{dtype, rank, {0}, NULL}}, .out = {{dtype, rank, {0}, NULL}}};
    double *x, *y;

    for (int i = 0; i < rank; i++) {
        n *= c.in[0].dim[i] = dim[i];
        c.out[0].dim[i] = y_dim[i] = dim[perm[i]];
    }
    x = calloc((size_t)n, sizeof *x);
    y = calloc((size_t)n, sizeof *y);
    for (int64_t i = 0; i < n; i++)
        x[i] = (double)(i * 7 % 127);
    for (int64_t i = 0; i < n; i++) {
        int64_t at[DSC_MAX_RANK] = {0}, rest = i, from = 0;

        for (int k = rank - 1; k >= 0; k--) {
            at[perm[k]] = rest % y_dim[k];
            rest /= y_dim[k];
        }
        for (int k = 0; k < rank; k++)
            from = from * dim[k] + at[k];
        y[i] = x[from];
    }
    c.in[0].v = x;
    c.out[0].v = y;
    c.attrs[0] = (struct attr){.name = "perm", .kind = DSC_ATTR_INTS, .n = rank};
    for (int i = 0; i < rank; i++)
        c.attrs[0].ints[i] = perm[i];
    passes_from(&c, 0);
    free(x);
    free(y);
}

START_TEST(transpose_is_right_across_tiles_and_blocks)
{
    static const enum dsc_dtype types[] = {DSC_I8, DSC_F16, DSC_F32, DSC_I64};

    for (int i = 0; i < 4; i++) {
        transposes(types[i], 2, (int64_t[]){133, 151}, (int64_t[]){1, 0});
        transposes(types[i], 4, (int64_t[]){2, 35, 3, 41}, (int64_t[]){0, 2, 3, 1});
        transposes(types[i], 4, (int64_t[]){2, 35, 3, 41}, (int64_t[]){0, 2, 1, 3});
        transposes(types[i], 4, (int64_t[]){5, 7, 9, 11}, (int64_t[]){3, 1, 0, 2});
        transposes(types[i], 3, (int64_t[]){2, 70000, 2}, (int64_t[]){0, 2, 1});
    }
}
END_TEST

START_TEST(cast_is_right_for_every_pair_of_types)
{
    const double v[] = {0, 1, 3, 7, 2}, truth[] = {0, 1, 1, 1, 1};

    for (int from = 1; from < DSC_DTYPE_COUNT; from++) {
        for (int to = 1; to < DSC_DTYPE_COUNT; to++) {
            struct call c = {.op = "Cast",
                             .in = {{(enum dsc_dtype)from, 1, {5}, v}},
                             .out = {{(enum dsc_dtype)to, 1, {5}, v}},
                             .attrs = {I("to", dsc_dtype_onnx((enum dsc_dtype)to))}};

            if (from == DSC_BOOL || to == DSC_BOOL)
                c.out[0].v = truth;
            passes_from(&c, 0);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("move");
    TCase *t = tcase_create("move");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, transpose_permutes_or_reverses);
    tcase_add_test(t, squeeze_and_unsqueeze_change_the_shape_alone);
    tcase_add_test(t, slice_clamps_and_steps_both_ways);
    tcase_add_test(t, concat_and_split_are_inverse);
    tcase_add_test(t, expand_and_where_broadcast);
    tcase_add_test(t, shapes_are_read_without_their_data);
    tcase_add_test(t, cast_follows_numpy);
    tcase_add_test(t, transpose_is_right_across_tiles_and_blocks);
    tcase_add_test(t, cast_is_right_for_every_pair_of_types);
    tcase_add_test(t, pad_has_four_modes);
    tcase_add_test(t, tile_and_range_know_their_sizes);
    tcase_add_test(t, dropout_of_old_opsets_is_read);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
