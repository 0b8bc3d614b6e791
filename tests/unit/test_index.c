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

int main(void)
{
    Suite *s = suite_create("index");
    TCase *t = tcase_create("index");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, gather_takes_rows_along_an_axis);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
