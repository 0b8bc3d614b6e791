/* ONNX files: what is written reads back, and nothing is half written. */
#include "dsc/op.h"
#include "onnx_files.h"

#include <sys/stat.h>

START_TEST(a_written_graph_reads_back_the_same)
{
    struct dsc_graph *g = two_layers(3), *back;
    struct dsc_write_report report = {0};
    struct dsc_err err = {0};
    uint64_t n_bytes;

    dsc_graph_free(dsc_graph_copy(g, NULL));
    ck_assert_msg(dsc_onnx_write(g, in_dir("a.onnx"), NULL, &report, &err) == DSC_OK, "%s",
                  err.message);
    ck_assert_int_eq(dsc_onnx_read(&back, in_dir("a.onnx"), NULL, &n_bytes, &err), DSC_OK);
    ck_assert_uint_eq(n_bytes, report.size_bytes);
    ck_assert_int_eq(report.opset_after, 17);
    ck_assert_str_eq(dsc_graph_prop(back, "dscompress.labels"), "[\"a\",\"\xC3\xA9\"]");
    ck_assert_str_eq(back->producer_name, "dscompress");
    g->producer_name = back->producer_name;
    assert_same(g, back);
    dsc_graph_free(g);
    dsc_graph_free(back);
}
END_TEST

static int64_t opset_of_transpose(enum dsc_dtype dtype)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    const struct dsc_type type = {.dtype = dtype, .rank = 2, .dim = {3, 4}};
    const struct dsc_write_opts force = {.may_replace = true};
    struct dsc_write_report report = {0};
    struct dsc_node *n;
    int x, y;

    ck_assert_int_eq(dsc_graph_value(g, "x", &type, &x, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_input(g, x, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_call(g, NULL, "Transpose", "t", 1, &x, &y, &n, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_output(g, y, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_set_opset(g, "", 11, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_verify(g, NULL), DSC_OK);
    ck_assert_int_eq(dsc_onnx_write(g, in_dir("t.onnx"), &force, &report, NULL), DSC_OK);
    dsc_graph_free(g);
    return report.opset_after;
}

START_TEST(element_types_raise_the_opset)
{
    ck_assert_int_eq(opset_of_transpose(DSC_F32), 11);
    ck_assert_int_eq(opset_of_transpose(DSC_BF16), 13);
    ck_assert_int_eq(opset_of_transpose(DSC_I4), 21);
}
END_TEST

START_TEST(writing_twice_gives_the_same_bytes)
{
    struct dsc_graph *g = two_layers(3);
    struct dsc_file a, b;

    ck_assert_int_eq(dsc_onnx_write(g, in_dir("a.onnx"), NULL, NULL, NULL), DSC_OK);
    ck_assert_int_eq(dsc_onnx_write(g, in_dir("b.onnx"), NULL, NULL, NULL), DSC_OK);
    ck_assert_int_eq(dsc_file_open(&a, in_dir("a.onnx"), 0, NULL), DSC_OK);
    ck_assert_int_eq(dsc_file_open(&b, in_dir("b.onnx"), 0, NULL), DSC_OK);
    ck_assert_uint_eq(a.n_bytes, b.n_bytes);
    ck_assert_mem_eq(a.data, b.data, a.n_bytes);
    dsc_file_close(&a);
    dsc_file_close(&b);
    dsc_graph_free(g);
}
END_TEST

/* x [n,64] + w [64] + big [64,64] + .., with names of all lengths from 1 to 12. */
static struct dsc_graph *large_weights(enum dsc_dtype dtype)
{
    static const int64_t dim[] = {64, 64};
    struct dsc_graph *g = dsc_graph_new(NULL);
    const struct dsc_type type = {.dtype = dtype, .rank = 2, .dim = {64, 64}};
    int sum, w;

    ck_assert_int_eq(dsc_graph_value(g, "x", &type, &sum, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_input(g, sum, NULL), DSC_OK);
    for (int i = 1; i <= 12; i++) {
        struct dsc_tensor t;
        char name[16] = "";

        memset(name, 'a', (size_t)i);
        ck_assert_int_eq(dsc_tensor_new(&t, dtype, 2, dim, NULL), DSC_OK);
        for (int64_t k = 0; k < 64 * 64; k++)
            dsc_tensor_set_i64(&t, k, k % 100 + i);
        ck_assert_int_eq(dsc_graph_init(g, name, &t, &w, NULL), DSC_OK);
        dsc_tensor_clear(&t);
        ck_assert_int_eq(dsc_graph_call(g, NULL, "Add", name, 2, (int[]){sum, w}, &sum, NULL, NULL),
                         DSC_OK);
    }
    ck_assert_int_eq(dsc_graph_output(g, sum, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_set_opset(g, "", 17, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_verify(g, NULL), DSC_OK);
    return g;
}

/* Their bytes stand so in the file that nothing is copied when it is read. */
START_TEST(large_weights_are_used_where_they_are_mapped)
{
    const enum dsc_dtype dtype = (const enum dsc_dtype[]){DSC_F32, DSC_F64, DSC_I8}[_i];
    struct dsc_graph *g = large_weights(dtype), *back;
    const struct dsc_write_opts force = {.may_replace = true};
    struct dsc_write_report report = {0};
    struct dsc_err err = {0};
    const struct dsc_buffer *file = NULL;
    uint64_t size_bytes;

    ck_assert_int_eq(dsc_onnx_size(g, &size_bytes, &err), DSC_OK);
    ck_assert_int_eq(dsc_onnx_write(g, in_dir("a.onnx"), &force, &report, &err), DSC_OK);
    ck_assert_uint_eq(report.size_bytes, size_bytes);
    ck_assert_int_eq(dsc_onnx_read(&back, in_dir("a.onnx"), NULL, NULL, &err), DSC_OK);
    g->producer_name = back->producer_name;
    assert_same(g, back);
    for (int i = 0; i < back->n_values; i++) {
        const struct dsc_tensor *t = &back->values[i].init;

        if (!dsc_tensor_is_present(t))
            continue;
        ck_assert_uint_eq((uintptr_t)t->data % 8, 0);
        ck_assert(!file || t->buf == file);
        file = t->buf;
    }
    dsc_graph_free(g);
    dsc_graph_free(back);
}
END_TEST

START_TEST(an_output_that_exists_is_kept_without_force)
{
    struct dsc_graph *g = two_layers(3);
    const struct dsc_write_opts force = {.may_replace = true};
    struct dsc_err err = {0};

    put_file("a.onnx", "old", 3);
    ck_assert_int_eq(dsc_onnx_write(g, in_dir("a.onnx"), NULL, NULL, &err), DSC_E_EXISTS);
    ck_assert_int_eq(dsc_onnx_write(g, in_dir("a.onnx"), &force, NULL, NULL), DSC_OK);
    dsc_graph_free(g);
}
END_TEST

static enum dsc_status refuse(void *ctx, const struct dsc_graph *reread, struct dsc_err *err)
{
    *(int *)ctx = reread->n_nodes;
    return dsc_fail(err, DSC_E_INTERNAL, "the outputs differ");
}

START_TEST(a_file_that_fails_its_check_leaves_nothing)
{
    struct dsc_graph *g = two_layers(300);
    int n_nodes = 0;
    const struct dsc_write_opts opts = {
        .check = refuse, .check_ctx = &n_nodes, .external_above_bytes = 1};
    struct dsc_err err = {0};

    ck_assert_int_eq(dsc_onnx_write(g, in_dir("a.onnx"), &opts, NULL, &err), DSC_E_INTERNAL);
    ck_assert_int_eq(n_nodes, 2);
    ck_assert_int_eq(rmdir(dir), 0); /* empty */
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    dsc_graph_free(g);
}
END_TEST

START_TEST(large_data_go_beside_the_model_and_old_ones_away)
{
    struct dsc_graph *g = two_layers(300), *g2 = two_layers(400), *back;
    const struct dsc_write_opts opts = {.may_replace = true, .external_above_bytes = 4096};
    struct dsc_write_report first = {0}, second = {0};
    struct dsc_err err = {0};

    ck_assert_int_eq(dsc_onnx_write(g, in_dir("a.onnx"), &opts, &first, &err), DSC_OK);
    ck_assert_int_eq(strncmp(first.external_name, "a.onnx.data-", 12), 0);
    ck_assert_int_eq(access(in_dir(first.external_name), F_OK), 0);
    ck_assert_int_eq(dsc_onnx_read(&back, in_dir("a.onnx"), NULL, NULL, &err), DSC_OK);
    g->producer_name = back->producer_name;
    assert_same(g, back);
    ck_assert_int_eq(dsc_onnx_write(g2, in_dir("a.onnx"), &opts, &second, &err), DSC_OK);
    ck_assert_int_ne(access(in_dir(first.external_name), F_OK), 0);
    ck_assert_int_eq(access(in_dir(second.external_name), F_OK), 0);
    assert_same(g, back); /* the old data stay mapped */
    dsc_graph_free(g);
    dsc_graph_free(g2);
    dsc_graph_free(back);
}
END_TEST

START_TEST(a_failed_allocation_leaks_nothing)
{
    struct dsc_graph *g = two_layers(300), *back;

    ck_assert_int_eq(dsc_onnx_write(g, in_dir("a.onnx"), NULL, NULL, NULL), DSC_OK);
    for (long k = 1; k < 400; k++) {
        struct dsc_err err = {0};
        enum dsc_status st;

        dsc_heap_fail_at(k);
        st = dsc_onnx_read(&back, in_dir("a.onnx"), NULL, NULL, &err);
        dsc_heap_fail_at(0);
        dsc_graph_free(back);
        if (st == DSC_OK)
            break;
        ck_assert_int_eq(st, DSC_E_MEMORY);
    }
    dsc_graph_free(g);
}
END_TEST

int main(void)
{
    TCase *t = onnx_case();

    tcase_add_test(t, a_written_graph_reads_back_the_same);
    tcase_add_test(t, element_types_raise_the_opset);
    tcase_add_test(t, writing_twice_gives_the_same_bytes);
    tcase_add_loop_test(t, large_weights_are_used_where_they_are_mapped, 0, 3);
    tcase_add_test(t, an_output_that_exists_is_kept_without_force);
    tcase_add_test(t, a_file_that_fails_its_check_leaves_nothing);
    tcase_add_test(t, large_data_go_beside_the_model_and_old_ones_away);
    tcase_add_test(t, a_failed_allocation_leaks_nothing);
    return onnx_run(t);
}
