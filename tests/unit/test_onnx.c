/* ONNX files: reading, writing, and files that lie. */
#include "dsc/op.h"
#include "formats_model.h"
#include "pb_bytes.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static void make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/test-onnx-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_dir(const char *name)
{
    static char path[2][256];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static void put_file(const char *name, const void *data, size_t n_bytes)
{
    FILE *f;

    unlink(in_dir(name)); /* truncating a file makes some file systems wait for the disk */
    f = fopen(in_dir(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, n_bytes, f), n_bytes);
    fclose(f);
}

/* ---- models by hand ---- */

/* ValueInfoProto of an f32 tensor [dim_param, n]. */
static void add_value(struct dsc_bytes *graph, unsigned field, const char *name, int64_t n)
{
    struct dsc_bytes dim = {0}, shape = {0}, tensor = {0}, type = {0}, value = {0};

    pb_text(&dim, 2, "batch");
    pb_message(&shape, 1, &dim);
    pb_int(&dim, 1, n);
    pb_message(&shape, 1, &dim);
    pb_int(&tensor, 1, 1);
    pb_message(&tensor, 2, &shape);
    pb_message(&type, 1, &tensor);
    pb_text(&value, 1, name);
    pb_message(&value, 2, &type);
    pb_message(graph, field, &value);
}

static void add_node(struct dsc_bytes *graph, unsigned field, const char *domain, const char *op,
                     const char *in0, const char *in1, const char *out)
{
    struct dsc_bytes node = {0};

    pb_text(&node, 1, in0);
    if (in1)
        pb_text(&node, 1, in1);
    pb_text(&node, 2, out);
    pb_text(&node, 4, op);
    if (domain)
        pb_text(&node, 7, domain);
    pb_message(graph, field, &node);
}

static void add_opset(struct dsc_bytes *b, unsigned field, const char *domain, int64_t version)
{
    struct dsc_bytes o = {0};

    pb_text(&o, 1, domain);
    pb_int(&o, 2, version);
    pb_message(b, field, &o);
}

/* A model around a graph's bytes, which are cleared. */
static struct dsc_bytes model_of(struct dsc_bytes *graph)
{
    struct dsc_bytes m = {0};

    pb_int(&m, 1, 8);
    pb_message(&m, 7, graph);
    add_opset(&m, 8, "", 17);
    return m;
}

static enum dsc_status read_bytes(struct dsc_bytes *m, struct dsc_graph **g, struct dsc_err *err)
{
    put_file("m.onnx", m->data, m->n_bytes);
    dsc_bytes_clear(m);
    return dsc_onnx_read(g, in_dir("m.onnx"), NULL, NULL, err);
}

/* The status of reading a model that must not be read. */
static enum dsc_status refusal(struct dsc_bytes *graph)
{
    struct dsc_bytes m = model_of(graph);
    struct dsc_err err = {0};
    struct dsc_graph *g;
    const enum dsc_status st = read_bytes(&m, &g, &err);

    ck_assert_int_ne(st, DSC_OK);
    ck_assert_int_eq(st, err.status);
    ck_assert_ptr_null(g);
    ck_assert_str_ne(err.message, "");
    return st;
}

/* x [batch, 4] + w -> y, with w's TensorProto given. */
static void add_weight_graph(struct dsc_bytes *graph, struct dsc_bytes *weight)
{
    pb_message(graph, 5, weight);
    add_value(graph, 11, "x", 4);
    add_value(graph, 12, "y", 4);
    add_node(graph, 1, NULL, "Add", "x", "w", "y");
}

/* ---- graphs of our own ---- */

static int add_init(struct dsc_graph *g, const char *name, enum dsc_dtype dtype, int rank,
                    const int64_t *dim)
{
    struct dsc_tensor t;
    int id;

    ck_assert_int_eq(dsc_tensor_new(&t, dtype, rank, dim, NULL), DSC_OK);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++)
        dsc_tensor_set_f64(&t, i, (double)(i % 13) - 5);
    ck_assert_int_eq(dsc_graph_init(g, name, &t, &id, NULL), DSC_OK);
    dsc_tensor_clear(&t);
    return id;
}

static struct dsc_graph *two_layers(int64_t n_hidden)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    struct dsc_type type = {.dtype = DSC_F32, .rank = 2};
    struct dsc_node *n;
    int x, h, y, in[3];

    ck_assert_int_eq(dsc_graph_symbol(g, "batch", &type.dim[0], NULL), DSC_OK);
    type.dim[1] = 4;
    ck_assert_int_eq(dsc_graph_value(g, "x", &type, &x, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_input(g, x, NULL), DSC_OK);
    in[0] = x;
    in[1] = add_init(g, "w", DSC_F32, 2, (int64_t[]){4, n_hidden});
    in[2] = add_init(g, "b", DSC_F32, 1, &n_hidden);
    ck_assert_int_eq(dsc_graph_call(g, NULL, "Gemm", "dense", 3, in, &h, &n, NULL), DSC_OK);
    ck_assert_int_eq(dsc_node_set_float(g, n, "alpha", 0.5f, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_call(g, NULL, "Softmax", "", 1, &h, &y, &n, NULL), DSC_OK);
    ck_assert_int_eq(dsc_node_set_int(g, n, "axis", -1, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_output(g, y, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_set_opset(g, "", 17, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_set_prop(g, "dscompress.labels", "[\"a\",\"\xC3\xA9\"]", NULL),
                     DSC_OK);
    ck_assert_int_eq(dsc_graph_verify(g, NULL), DSC_OK);
    return g;
}

static void assert_same(const struct dsc_graph *a, const struct dsc_graph *b)
{
    struct dsc_err err = {0};

    ck_assert_msg(dsc_graph_same(a, b, &err) == DSC_OK, "%s", err.message);
}

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

/* ---- element data ---- */

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

/* ---- files that lie ---- */

START_TEST(no_cut_of_a_file_crashes)
{
    struct dsc_graph *g = two_layers(3), *back;
    struct dsc_file f;

    ck_assert_int_eq(dsc_onnx_write(g, in_dir("a.onnx"), NULL, NULL, NULL), DSC_OK);
    ck_assert_int_eq(dsc_file_open(&f, in_dir("a.onnx"), 0, NULL), DSC_OK);
    for (size_t n = 0; n < f.n_bytes; n++) {
        struct dsc_err err = {0};
        enum dsc_status st;

        put_file("cut.onnx", f.data, n);
        st = dsc_onnx_read(&back, in_dir("cut.onnx"), NULL, NULL, &err);
        ck_assert_int_eq(st, err.status);
        ck_assert((st == DSC_OK) == (back != NULL));
        dsc_graph_free(back);
    }
    dsc_file_close(&f);
    dsc_graph_free(g);
}
END_TEST

START_TEST(no_changed_byte_crashes)
{
    static const unsigned char masks[] = {0x01, 0x08, 0x80, 0xFF};
    struct dsc_graph *g = two_layers(3), *back;
    unsigned char copy[4096];
    struct dsc_file f;

    ck_assert_int_eq(dsc_onnx_write(g, in_dir("a.onnx"), NULL, NULL, NULL), DSC_OK);
    ck_assert_int_eq(dsc_file_open(&f, in_dir("a.onnx"), 0, NULL), DSC_OK);
    ck_assert_uint_le(f.n_bytes, sizeof copy);
    for (size_t i = 0; i < f.n_bytes * sizeof masks; i++) {
        struct dsc_err err = {0};

        memcpy(copy, f.data, f.n_bytes);
        copy[i / sizeof masks] ^= masks[i % sizeof masks];
        put_file("bad.onnx", copy, f.n_bytes);
        if (dsc_onnx_read(&back, in_dir("bad.onnx"), NULL, NULL, &err) == DSC_OK)
            dsc_graph_free(back);
        else
            ck_assert_str_ne(err.message, "");
    }
    dsc_file_close(&f);
    dsc_graph_free(g);
}
END_TEST

START_TEST(lengths_beyond_the_file_are_refused)
{
    const uint64_t lengths[] = {1000, UINT64_C(1) << 31, UINT64_C(1) << 63, UINT64_MAX};

    for (size_t i = 0; i < 4; i++) {
        struct dsc_bytes m = {0};
        struct dsc_graph *g;
        struct dsc_err err = {0};

        pb_int(&m, 1, 8);
        pb_varint(&m, 7 << 3 | 2);
        pb_varint(&m, lengths[i]);
        pb_text(&m, 2, "x");
        ck_assert_int_eq(read_bytes(&m, &g, &err), DSC_E_TRUNC);
    }
}
END_TEST

START_TEST(a_cycle_is_refused)
{
    struct dsc_bytes graph = {0};

    add_value(&graph, 11, "x", 4);
    add_value(&graph, 12, "b", 4);
    add_node(&graph, 1, NULL, "Add", "x", "b", "a");
    add_node(&graph, 1, NULL, "Add", "x", "a", "b");
    ck_assert_int_eq(refusal(&graph), DSC_E_INCONSISTENT);
}
END_TEST

START_TEST(names_that_stand_twice_are_refused)
{
    struct dsc_bytes graph = {0}, w = {0};

    for (int i = 0; i < 2; i++) {
        pb_int(&w, 2, 1);
        pb_text(&w, 8, "w");
        pb_data(&w, 9, "0123", 4);
        pb_message(&graph, 5, &w);
    }
    ck_assert_int_eq(refusal(&graph), DSC_E_DUP);
    add_value(&graph, 11, "x", 4);
    add_value(&graph, 11, "x", 4);
    ck_assert_int_eq(refusal(&graph), DSC_E_DUP);
    add_value(&graph, 11, "x", 4);
    add_value(&graph, 12, "y", 4);
    add_node(&graph, 1, NULL, "Add", "x", "x", "y");
    add_node(&graph, 1, NULL, "Add", "x", "x", "y");
    ck_assert_int_eq(refusal(&graph), DSC_E_INCONSISTENT);
}
END_TEST

START_TEST(all_missing_operators_are_named_at_once)
{
    struct dsc_bytes graph = {0}, m;
    struct dsc_graph *g;
    struct dsc_err err = {0};

    add_value(&graph, 11, "x", 4);
    add_value(&graph, 12, "y", 4);
    add_node(&graph, 1, NULL, "NoSuchOp", "x", NULL, "a");
    add_node(&graph, 1, NULL, "NoSuchOp", "x", NULL, "b");
    add_node(&graph, 1, "org.example", "Other", "x", NULL, "y");
    m = model_of(&graph);
    ck_assert_int_eq(read_bytes(&m, &g, &err), DSC_E_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.message, "NoSuchOp x2"));
    ck_assert_ptr_nonnull(strstr(err.message, "org.example.Other x1"));
}
END_TEST

START_TEST(an_input_without_a_type_is_refused)
{
    struct dsc_bytes graph = {0}, value = {0};

    pb_text(&value, 1, "x");
    pb_message(&graph, 11, &value);
    add_value(&graph, 12, "y", 4);
    add_node(&graph, 1, NULL, "Add", "x", "x", "y");
    ck_assert_int_eq(refusal(&graph), DSC_E_TYPE);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_refused)
{
    struct dsc_bytes graph = {0};

    add_value(&graph, 11, "x\xC3", 4);
    ck_assert_int_eq(refusal(&graph), DSC_E_ENCODING);
}
END_TEST

/* ---- external data ---- */

static void add_external(struct dsc_bytes *graph, const char *location, const char *offset)
{
    struct dsc_bytes w = {0}, entry = {0};

    pb_int(&w, 1, 4);
    pb_int(&w, 2, 1);
    pb_text(&w, 8, "w");
    pb_text(&entry, 1, "location");
    pb_text(&entry, 2, location);
    pb_message(&w, 13, &entry);
    pb_text(&entry, 1, "offset");
    pb_text(&entry, 2, offset);
    pb_message(&w, 13, &entry);
    pb_int(&w, 14, 1);
    add_weight_graph(graph, &w);
}

START_TEST(external_data_stay_in_the_models_folder)
{
    const char *const bad[] = {"/etc/passwd", "../w.bin", "sub/../../w.bin", "", "link",
                               "linked/w",    "hard",     "sub//w"};
    struct dsc_bytes graph = {0}, m;
    struct dsc_graph *g;
    struct dsc_err err = {0};

    put_file("w.bin", "0123456789abcdef", 16);
    ck_assert_int_eq(mkdir(in_dir("sub"), 0700), 0);
    put_file("sub/w", "0123456789abcdef", 16);
    ck_assert_int_eq(symlink("w.bin", in_dir("link")), 0);
    ck_assert_int_eq(symlink("sub", in_dir("linked")), 0);
    put_file("h", "0123456789abcdef", 16);
    ck_assert_int_eq(link(in_dir("h"), in_dir("hard")), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        add_external(&graph, bad[i], "0");
        ck_assert_msg(refusal(&graph) == DSC_E_PATH, "%s", bad[i]);
    }
    add_external(&graph, "sub/w", "0");
    m = model_of(&graph);
    ck_assert_msg(read_bytes(&m, &g, &err) == DSC_OK, "%s", err.message);
    ck_assert_mem_eq(g->values[dsc_graph_find_value(g, "w")].init.data, "0123456789abcdef", 16);
    dsc_graph_free(g);
}
END_TEST

START_TEST(external_offsets_stay_in_their_file)
{
    const char *const bad[] = {"1",  "16", "18446744073709551615", "99999999999999999999",
                               "-1", "x"};

    put_file("w.bin", "0123456789abcdef", 16);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct dsc_bytes graph = {0};

        add_external(&graph, "w.bin", bad[i]);
        ck_assert_msg(refusal(&graph) == (i < 3 ? DSC_E_TRUNC : DSC_E_RANGE), "%s", bad[i]);
    }
}
END_TEST

/* ---- functions ---- */

/* f(a, b) = a + (a + b), as domain "f", calling itself when is_recursive. */
static void add_function(struct dsc_bytes *m, bool is_recursive)
{
    struct dsc_bytes f = {0};

    pb_text(&f, 1, "twice");
    pb_text(&f, 4, "a");
    pb_text(&f, 4, "b");
    pb_text(&f, 5, "r");
    add_node(&f, 7, is_recursive ? "f" : NULL, is_recursive ? "twice" : "Add", "a", "b", "t");
    add_node(&f, 7, NULL, "Add", "a", "t", "r");
    add_opset(&f, 9, "", 17);
    pb_text(&f, 10, "f");
    pb_message(m, 25, &f);
}

static struct dsc_bytes model_with_function(bool is_recursive)
{
    struct dsc_bytes graph = {0}, m;

    add_value(&graph, 11, "x", 4);
    add_value(&graph, 12, "y", 4);
    add_node(&graph, 1, "f", "twice", "x", "x", "t");
    add_node(&graph, 1, "f", "twice", "t", "x", "twice/t"); /* a name that inlining would take */
    add_node(&graph, 1, NULL, "Add", "t", "twice/t", "y");
    m = model_of(&graph);
    add_opset(&m, 8, "f", 1);
    add_function(&m, is_recursive);
    return m;
}

START_TEST(functions_are_inlined_under_free_names)
{
    struct dsc_bytes m = model_with_function(false);
    struct dsc_graph *g;
    struct dsc_err err = {0};

    ck_assert_msg(read_bytes(&m, &g, &err) == DSC_OK, "%s", err.message);
    ck_assert_int_eq(g->n_nodes, 5);
    for (int i = 0; i < g->n_nodes; i++)
        ck_assert_str_eq(g->nodes[i]->op->onnx, "Add");
    ck_assert_int_eq(g->values[dsc_graph_find_value(g, "twice/t")].n_uses, 1);
    dsc_graph_free(g);
}
END_TEST

START_TEST(recursive_functions_are_refused)
{
    struct dsc_bytes m = model_with_function(true);
    struct dsc_graph *g;
    struct dsc_err err = {0};

    ck_assert_int_eq(read_bytes(&m, &g, &err), DSC_E_LIMIT);
}
END_TEST

START_TEST(constants_become_initializers)
{
    struct dsc_bytes graph = {0}, node = {0}, attr = {0}, m;
    struct dsc_graph *g;
    struct dsc_err err = {0};
    int c;

    pb_text(&attr, 1, "value_floats");
    pb_data(&attr, 7, (const float[]){1, 2, 3, 4}, 16);
    pb_int(&attr, 20, 6);
    pb_text(&node, 2, "c");
    pb_text(&node, 4, "Constant");
    pb_message(&node, 5, &attr);
    pb_message(&graph, 1, &node);
    add_value(&graph, 11, "x", 4);
    add_value(&graph, 12, "y", 4);
    add_node(&graph, 1, NULL, "Add", "x", "c", "y");
    m = model_of(&graph);
    ck_assert_msg(read_bytes(&m, &g, &err) == DSC_OK, "%s", err.message);
    c = dsc_graph_find_value(g, "c");
    ck_assert_int_eq(g->n_nodes, 1);
    ck_assert_int_eq(g->values[c].init.rank, 1);
    ck_assert_float_eq(((const float *)g->values[c].init.data)[3], 4);
    dsc_graph_free(g);
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
    Suite *s = suite_create("onnx");
    TCase *t = tcase_create("onnx");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_checked_fixture(t, make_dir, remove_dir);
    tcase_add_test(t, a_written_graph_reads_back_the_same);
    tcase_add_test(t, element_types_raise_the_opset);
    tcase_add_test(t, writing_twice_gives_the_same_bytes);
    tcase_add_loop_test(t, large_weights_are_used_where_they_are_mapped, 0, 3);
    tcase_add_test(t, an_output_that_exists_is_kept_without_force);
    tcase_add_test(t, a_file_that_fails_its_check_leaves_nothing);
    tcase_add_test(t, large_data_go_beside_the_model_and_old_ones_away);
    tcase_add_test(t, packed_and_single_numbers_mean_the_same);
    tcase_add_test(t, small_types_in_int32_data_are_checked);
    tcase_add_test(t, a_tensor_file_reads_back_the_same);
    tcase_add_test(t, data_that_do_not_fit_the_shape_are_refused);
    tcase_add_loop_test(t, a_sparse_initializer_is_read_dense_or_refused, 0,
                        (int)(sizeof sparse_cases / sizeof sparse_cases[0]));
    tcase_add_test(t, tensors_of_zeros_are_written_sparse);
    tcase_add_test(t, no_cut_of_a_file_crashes);
    tcase_add_test(t, no_changed_byte_crashes);
    tcase_add_test(t, lengths_beyond_the_file_are_refused);
    tcase_add_test(t, a_cycle_is_refused);
    tcase_add_test(t, names_that_stand_twice_are_refused);
    tcase_add_test(t, all_missing_operators_are_named_at_once);
    tcase_add_test(t, an_input_without_a_type_is_refused);
    tcase_add_test(t, text_that_is_not_utf8_is_refused);
    tcase_add_test(t, external_data_stay_in_the_models_folder);
    tcase_add_test(t, external_offsets_stay_in_their_file);
    tcase_add_test(t, functions_are_inlined_under_free_names);
    tcase_add_test(t, recursive_functions_are_refused);
    tcase_add_test(t, constants_become_initializers);
    tcase_add_test(t, a_failed_allocation_leaks_nothing);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
