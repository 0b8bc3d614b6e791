/* ONNX files that lie; external data, functions and constants. */
#include "dsc/op.h"
#include "onnx_files.h"

#include <sys/stat.h>

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

int main(void)
{
    TCase *t = onnx_case();

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
    return onnx_run(t);
}
