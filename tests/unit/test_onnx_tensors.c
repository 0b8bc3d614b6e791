/* ONNX files: tensors' elements, dense and sparse. */
#include "onnx_files.h"

#include <sys/stat.h>

START_TEST(packed_and_single_numbers_mean_the_same)
{
    const float v[4] = {1, -2, 3, 4};
    struct dsc_bytes w = {0}, graph = {0}, m;
    struct dsc_graph *g;
    struct dsc_err err = {0};
    const struct dsc_tensor *t;

    pb_int(&w, 1, 4);
    pb_int(&w, 2, 1);
    pb_text(&w, 8, "w");
    pb_data(&w, 4, v, 2 * sizeof v[0]); /* packed */
    for (int i = 2; i < 4; i++) {
        pb_varint(&w, 4 << 3 | 5); /* one by one */
        dsc_bytes_add(&w, &v[i], sizeof v[i]);
    }
    add_weight_graph(&graph, &w);
    m = model_of(&graph);
    ck_assert_msg(read_bytes(&m, &g, &err) == DSC_OK, "%s", err.message);
    t = &g->values[dsc_graph_find_value(g, "w")].init;
    ck_assert_mem_eq(t->data, v, sizeof v);
    dsc_graph_free(g);
}
END_TEST

START_TEST(small_types_in_int32_data_are_checked)
{
    const struct {
        int onnx_type;
        int64_t v;
        bool is_good;
    } rows[] = {{3, -128, true},      {3, -129, false},
                {2, 255, true},       {2, -1, false},
                {9, 1, true},         {9, 2, false},
                {10, 65535, true},    {10, 65536, false},
                {6, INT32_MIN, true}, {6, INT64_C(1) << 31, false}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dsc_bytes t = {0};
        struct dsc_tensor read;
        struct dsc_err err = {0};
        enum dsc_status st;

        pb_int(&t, 2, rows[i].onnx_type);
        pb_int(&t, 5, rows[i].v);
        put_file("t.pb", t.data, t.n_bytes);
        dsc_bytes_clear(&t);
        st = dsc_tensor_pb_read(&read, NULL, NULL, in_dir("t.pb"), &err);
        ck_assert_msg(st == (rows[i].is_good ? DSC_OK : DSC_E_RANGE), "row %zu: %s", i,
                      err.message);
        if (st == DSC_OK && rows[i].onnx_type != 10)
            ck_assert_int_eq(dsc_tensor_get_i64(&read, 0), rows[i].v);
        dsc_tensor_clear(&read);
    }
}
END_TEST

START_TEST(a_tensor_file_reads_back_the_same)
{
    for (int d = DSC_DTYPE_NONE + 1; d < DSC_DTYPE_COUNT; d++) {
        const int64_t dim[2] = {3, 5};
        struct dsc_tensor t, back;
        struct dsc_arena a;
        char *name;

        dsc_arena_init(&a);
        ck_assert_int_eq(dsc_tensor_new(&t, (enum dsc_dtype)d, 2, dim, NULL), DSC_OK);
        for (int64_t i = 0; i < 15; i++)
            dsc_tensor_set_f64(&t, i, (double)(i % 2));
        ck_assert_int_eq(dsc_tensor_pb_write(&t, "abc", in_dir("t.pb"), true, NULL), DSC_OK);
        ck_assert_int_eq(dsc_tensor_pb_read(&back, &name, &a, in_dir("t.pb"), NULL), DSC_OK);
        ck_assert_str_eq(name, "abc");
        ck_assert_int_eq(back.dtype, t.dtype);
        ck_assert(dsc_tensor_same_shape(&back, &t));
        ck_assert_mem_eq(back.data, t.data, dsc_tensor_n_bytes(&t));
        dsc_tensor_clear(&t);
        dsc_tensor_clear(&back);
        dsc_arena_clear(&a);
    }
}
END_TEST

START_TEST(data_that_do_not_fit_the_shape_are_refused)
{
    const int64_t dims[] = {5, 3, -4, INT64_MAX, INT64_C(1) << 31};
    const enum dsc_status want[] = {DSC_E_TRUNC, DSC_E_INCONSISTENT, DSC_E_RANGE, DSC_E_OVERFLOW,
                                    DSC_E_TRUNC};

    for (size_t i = 0; i < 5; i++) {
        struct dsc_bytes w = {0}, graph = {0};

        pb_int(&w, 1, dims[i]);
        pb_int(&w, 2, 1);
        pb_text(&w, 8, "w");
        pb_data(&w, 9, "0123456789abcdef", 16);
        add_weight_graph(&graph, &w);
        ck_assert_int_eq(refusal(&graph), want[i]);
    }
}
END_TEST

/* ---- sparse initializers ---- */

struct sparse_case {
    const char *what;
    enum dsc_status want;
    int64_t dims[2], n_values, index_dims[2], indices[4], index_type; /* sizes of 0 are not there */
};

static const struct sparse_case sparse_cases[] = {
    {"linear", DSC_OK, {4, 0}, 2, {2, 0}, {1, 3}, 7},
    {"by axes", DSC_OK, {1, 4}, 2, {2, 2}, {0, 1, 0, 3}, 7},
    {"not sorted", DSC_E_INCONSISTENT, {4, 0}, 2, {2, 0}, {3, 1}, 7},
    {"twice", DSC_E_DUP, {4, 0}, 2, {2, 0}, {3, 3}, 7},
    {"behind the end", DSC_E_RANGE, {4, 0}, 2, {2, 0}, {1, 4}, 7},
    {"before the start", DSC_E_RANGE, {4, 0}, 2, {2, 0}, {-1, 3}, 7},
    {"an axis too far", DSC_E_RANGE, {2, 4}, 2, {2, 2}, {0, 1, 0, 4}, 7},
    {"more indices", DSC_E_SHAPE, {4, 0}, 2, {3, 0}, {0, 1, 3}, 7},
    {"other axes", DSC_E_SHAPE, {4, 0}, 2, {2, 2}, {0, 1, 0, 3}, 7},
    {"no dims for axes", DSC_E_SHAPE, {0, 0}, 2, {2, 2}, {0, 1, 0, 3}, 7},
    {"indices of doubles", DSC_E_SHAPE, {4, 0}, 2, {2, 0}, {1, 3}, 11},
    {"a negative size", DSC_E_RANGE, {-4, 0}, 2, {2, 0}, {1, 3}, 7},
    {"more than memory has", DSC_E_OVERFLOW, {INT64_MAX, 4}, 2, {2, 0}, {1, 3}, 7},
    {"a bomb", DSC_E_LIMIT, {1 << 20, 1 << 10}, 2, {2, 0}, {1, 3}, 7},
};

static void add_sparse_graph(struct dsc_bytes *graph, const struct sparse_case *c)
{
    static const float v[] = {1.5F, -2};
    struct dsc_bytes values = {0}, indices = {0}, sparse = {0};
    size_t n = 1;

    pb_int(&values, 1, c->n_values);
    pb_int(&values, 2, 1);
    pb_text(&values, 8, "w");
    pb_data(&values, 9, v, sizeof v);
    for (int i = 0; i < 2 && c->index_dims[i]; i++) {
        pb_int(&indices, 1, c->index_dims[i]);
        n *= (size_t)c->index_dims[i];
    }
    pb_int(&indices, 2, c->index_type);
    pb_data(&indices, 9, c->indices, n * sizeof c->indices[0]);
    pb_message(&sparse, 1, &values);
    pb_message(&sparse, 2, &indices);
    for (int i = 0; i < 2 && c->dims[i]; i++)
        pb_int(&sparse, 3, c->dims[i]);
    pb_message(graph, 15, &sparse);
    add_value(graph, 11, "x", 4);
    add_value(graph, 12, "y", 4);
    add_node(graph, 1, NULL, "Add", "x", "w", "y");
}

START_TEST(a_sparse_initializer_is_read_dense_or_refused)
{
    static const float want[] = {0, 1.5F, 0, -2};
    const struct sparse_case *c = &sparse_cases[_i];
    struct dsc_bytes graph = {0}, m;
    struct dsc_graph *g = NULL;
    struct dsc_err err = {0};
    const struct dsc_tensor *w;

    add_sparse_graph(&graph, c);
    m = model_of(&graph);
    ck_assert_msg(read_bytes(&m, &g, &err) == c->want, "%s: %s", c->what, err.message);
    if (c->want != DSC_OK)
        return;
    w = &g->values[dsc_graph_find_value(g, "w")].init;
    ck_assert_int_eq(w->dim[w->rank - 1], 4);
    ck_assert_mem_eq(w->data, want, sizeof want);
    dsc_graph_free(g);
}
END_TEST

/* One tensor of 5 % nonzeros, a zero with a sign among them, and a dense one. */
START_TEST(tensors_of_zeros_are_written_sparse)
{
    const struct dsc_write_opts opts = {.may_replace = true, .sparse_initializers = true};
    struct dsc_write_report report = {0};
    struct dsc_graph *g = two_layers(100), *back = NULL;
    struct dsc_err err = {0};
    struct stat dense, sparse;
    float *w;

    w = g->values[dsc_graph_find_value(g, "w")].init.data; /* [4, 100] */
    for (int i = 0; i < 400; i++)
        w[i] = i % 20 == 3 ? (float)i : 0;
    w[5] = -0.0F;
    ck_assert_int_eq(dsc_onnx_write(g, in_dir("dense.onnx"), NULL, NULL, NULL), DSC_OK);
    ck_assert_msg(dsc_onnx_write(g, in_dir("sparse.onnx"), &opts, &report, &err) == DSC_OK, "%s",
                  err.message);
    ck_assert_int_eq(report.n_sparse, 1);
    ck_assert_int_eq(stat(in_dir("dense.onnx"), &dense), 0);
    ck_assert_int_eq(stat(in_dir("sparse.onnx"), &sparse), 0);
    ck_assert(sparse.st_size < dense.st_size);
    ck_assert_int_eq((int64_t)report.size_bytes, (int64_t)sparse.st_size);
    ck_assert_int_eq(dsc_onnx_read(&back, in_dir("sparse.onnx"), NULL, NULL, NULL), DSC_OK);
    g->producer_name = back->producer_name;
    assert_same(g, back);
    dsc_graph_free(g);
    dsc_graph_free(back);
}
END_TEST

int main(void)
{
    TCase *t = onnx_case();

    tcase_add_test(t, packed_and_single_numbers_mean_the_same);
    tcase_add_test(t, small_types_in_int32_data_are_checked);
    tcase_add_test(t, a_tensor_file_reads_back_the_same);
    tcase_add_test(t, data_that_do_not_fit_the_shape_are_refused);
    tcase_add_loop_test(t, a_sparse_initializer_is_read_dense_or_refused, 0,
                        (int)(sizeof sparse_cases / sizeof sparse_cases[0]));
    tcase_add_test(t, tensors_of_zeros_are_written_sparse);
    return onnx_run(t);
}
