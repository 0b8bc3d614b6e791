/* ONNX files in a folder of the test's own: models by hand, byte by byte, and graphs. */
#ifndef DSC_TESTS_ONNX_FILES_H
#define DSC_TESTS_ONNX_FILES_H

#include "formats_model.h"
#include "pb_bytes.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];

static inline void make_dir(void)
{
    snprintf(dir, sizeof dir, "/tmp/test-onnx-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static inline void remove_dir(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static inline const char *in_dir(const char *name)
{
    static char path[2][256];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static inline void put_file(const char *name, const void *data, size_t n_bytes)
{
    FILE *f;

    unlink(in_dir(name)); /* truncating a file makes some file systems wait for the disk */
    f = fopen(in_dir(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, n_bytes, f), n_bytes);
    fclose(f);
}

/* ValueInfoProto of an f32 tensor [dim_param, n]. */
static inline void add_value(struct dsc_bytes *graph, unsigned field, const char *name, int64_t n)
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

static inline void add_node(struct dsc_bytes *graph, unsigned field, const char *domain,
                            const char *op, const char *in0, const char *in1, const char *out)
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

static inline void add_opset(struct dsc_bytes *b, unsigned field, const char *domain,
                             int64_t version)
{
    struct dsc_bytes o = {0};

    pb_text(&o, 1, domain);
    pb_int(&o, 2, version);
    pb_message(b, field, &o);
}

/* A model around a graph's bytes, which are cleared. */
static inline struct dsc_bytes model_of(struct dsc_bytes *graph)
{
    struct dsc_bytes m = {0};

    pb_int(&m, 1, 8);
    pb_message(&m, 7, graph);
    add_opset(&m, 8, "", 17);
    return m;
}

static inline enum dsc_status read_bytes(struct dsc_bytes *m, struct dsc_graph **g,
                                         struct dsc_err *err)
{
    put_file("m.onnx", m->data, m->n_bytes);
    dsc_bytes_clear(m);
    return dsc_onnx_read(g, in_dir("m.onnx"), NULL, NULL, err);
}

/* The status of reading a model that must not be read. */
static inline enum dsc_status refusal(struct dsc_bytes *graph)
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
static inline void add_weight_graph(struct dsc_bytes *graph, struct dsc_bytes *weight)
{
    pb_message(graph, 5, weight);
    add_value(graph, 11, "x", 4);
    add_value(graph, 12, "y", 4);
    add_node(graph, 1, NULL, "Add", "x", "w", "y");
}

static inline int add_init(struct dsc_graph *g, const char *name, enum dsc_dtype dtype, int rank,
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

static inline struct dsc_graph *two_layers(int64_t n_hidden)
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

static inline void assert_same(const struct dsc_graph *a, const struct dsc_graph *b)
{
    struct dsc_err err = {0};

    ck_assert_msg(dsc_graph_same(a, b, &err) == DSC_OK, "%s", err.message);
}

/* The suite with its folder; main adds the tests and returns onnx_run. */
static inline TCase *onnx_case(void)
{
    TCase *t = tcase_create("onnx");

    tcase_add_checked_fixture(t, make_dir, remove_dir);
    return t;
}

static inline int onnx_run(TCase *t)
{
    Suite *s = suite_create("onnx");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
