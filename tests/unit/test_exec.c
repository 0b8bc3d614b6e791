/*
 * The core end to end on six operators: Gemm, Add, Reshape, Softmax, Dropout, NonZero. The same
 * bytes on cpu and shadow, for 1, 2, 3 threads, with and without gradient checkpointing; gradients
 * against finite differences in f64.
 */
#include "dsc/exec.h"
#include "dsc/io.h"
#include "dsc/rng.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { B = 6, K = 40, N = 24, N_PARAMS = 4 };

struct net {
    struct dsc_graph *g;
    int params[N_PARAMS];
};

static void fill_normal(struct dsc_tensor *t, uint64_t seed, double scale)
{
    struct dsc_rng r;
    const int64_t n = dsc_tensor_n_elems(t);

    dsc_rng_init(&r, dsc_rng_key(seed));
    for (int64_t i = 0; i < n; i++)
        dsc_tensor_set_f64(t, i, scale * (double)dsc_rng_normal(&r));
}

static int param(struct net *net, int idx, enum dsc_dtype dtype, int rank, const int64_t *dim)
{
    struct dsc_tensor t;
    char name[16];
    int id;

    snprintf(name, sizeof name, "w%d", idx);
    ck_assert_int_eq(dsc_tensor_new(&t, dtype, rank, dim, NULL), DSC_OK);
    fill_normal(&t, 100 + (uint64_t)idx, 0.3);
    ck_assert_int_eq(dsc_graph_init(net->g, name, &t, &id, NULL), DSC_OK);
    dsc_tensor_clear(&t);
    net->params[idx] = id;
    return id;
}

static int constant(struct dsc_graph *g, const char *name, enum dsc_dtype dtype, int64_t n,
                    const double *v)
{
    struct dsc_tensor t;
    int id;

    ck_assert_int_eq(dsc_tensor_new(&t, dtype, n < 0 ? 0 : 1, &n, NULL), DSC_OK);
    for (int64_t i = 0; i < (n < 0 ? 1 : n); i++)
        dsc_tensor_set_f64(&t, i, v[i]);
    ck_assert_int_eq(dsc_graph_init(g, name, &t, &id, NULL), DSC_OK);
    dsc_tensor_clear(&t);
    return id;
}

/* x [B, K] -> Gemm -> Reshape [B, 4, N/4] -> Softmax -> Dropout -> + w -> Reshape -> Gemm -> y;
 * and NonZero of the dropped-out tensor as a second output. */
static struct net build(enum dsc_dtype dtype)
{
    struct net net = {.g = dsc_graph_new(NULL)};
    struct dsc_graph *g = net.g;
    struct dsc_type type = {.dtype = dtype, .rank = 2, .dim = {0, K}};
    int x, h, y, nz;
    struct dsc_node *node;

    ck_assert_int_eq(dsc_graph_symbol(g, "batch", &type.dim[0], NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_value(g, "x", &type, &x, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_input(g, x, NULL), DSC_OK);
    const int w0 = param(&net, 0, dtype, 2, (int64_t[]){N, K});
    const int w1 = param(&net, 1, dtype, 1, (int64_t[]){N});
    const int w2 = param(&net, 2, dtype, 2, (int64_t[]){4, N / 4});
    const int w3 = param(&net, 3, dtype, 2, (int64_t[]){N, 3});
    const int split = constant(g, "split", DSC_I64, 3, (double[]){0, 4, -1});
    const int merge = constant(g, "merge", DSC_I64, 2, (double[]){0, -1});
    const int ratio = constant(g, "ratio", DSC_F32, -1, (double[]){0.25});

    ck_assert_int_eq(dsc_graph_call(g, "", "Gemm", "fc", 3, (int[]){x, w0, w1}, &h, &node, NULL),
                     DSC_OK);
    ck_assert_int_eq(dsc_node_set_int(g, node, "transB", 1, NULL), DSC_OK);
    dsc_graph_call(g, "", "Reshape", "split_heads", 2, (int[]){h, split}, &h, &node, NULL);
    dsc_graph_call(g, "", "Softmax", "probs", 1, (int[]){h}, &h, &node, NULL);
    dsc_graph_call(g, "", "Dropout", "drop", 2, (int[]){h, ratio}, &h, &node, NULL);
    dsc_graph_call(g, "", "NonZero", "kept", 1, (int[]){h}, &nz, &node, NULL);
    dsc_graph_call(g, "", "Add", "shift", 2, (int[]){h, w2}, &h, &node, NULL);
    dsc_graph_call(g, "", "Reshape", "merge_heads", 2, (int[]){h, merge}, &h, &node, NULL);
    dsc_graph_call(g, "", "Gemm", "out", 2, (int[]){h, w3}, &y, &node, NULL);
    ck_assert_int_eq(dsc_node_set_float(g, node, "alpha", 0.5f, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_output(g, y, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_output(g, nz, NULL), DSC_OK);
    ck_assert_int_eq(dsc_graph_verify(g, NULL), DSC_OK);
    return net;
}

static void add_to_hash(struct dsc_sha256 *h, const struct dsc_tensor *t)
{
    struct dsc_tensor host;
    char text[64];

    ck_assert_int_eq(dsc_to_host(&host, t, NULL), DSC_OK);
    dsc_tensor_text(&host, text, sizeof text);
    dsc_sha256_add(h, text, strlen(text));
    dsc_sha256_add(h, host.data, dsc_tensor_n_bytes(&host));
    dsc_tensor_clear(&host);
}

/* Hash of outputs and gradients of one training step. */
static void train_step(const char *device, int n_threads, int n_segments, bool is_training,
                       char hex[65])
{
    struct net net = build(DSC_F32);
    struct dsc_device *dev;
    struct dsc_session *s;
    struct dsc_tape *tape;
    struct dsc_err err = {0};
    struct dsc_tensor x, out[2], grads[N_PARAMS] = {0};
    const struct dsc_run run = {.is_training = is_training, .seed = 7, .step = 3, .n_examples = B};
    struct dsc_sha256 h;

    ck_assert_int_eq(dsc_device_open(&dev, device, n_threads, &err), DSC_OK);
    ck_assert_int_eq(dsc_session_open(&s, net.g, dev, &err), DSC_OK);
    ck_assert_int_eq(dsc_tape_open(&tape, s, N_PARAMS, net.params, n_segments, &err), DSC_OK);
    ck_assert_int_eq(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){B, K}, &err), DSC_OK);
    fill_normal(&x, 1, 1);
    ck_assert_msg(dsc_tape_run(tape, &run, &x, out, &err) == DSC_OK, "%s", err.message);
    ck_assert_msg(dsc_tape_backward(tape, 0, NULL, grads, &err) == DSC_OK, "%s", err.message);
    dsc_sha256_init(&h);
    for (int i = 0; i < 2; i++)
        add_to_hash(&h, &out[i]);
    for (int i = 0; i < N_PARAMS; i++)
        add_to_hash(&h, &grads[i]);
    dsc_sha256_hex(&h, hex);
    for (int i = 0; i < 2; i++)
        dsc_tensor_clear(&out[i]);
    for (int i = 0; i < N_PARAMS; i++)
        dsc_tensor_clear(&grads[i]);
    dsc_tensor_clear(&x);
    dsc_tape_close(tape);
    dsc_session_close(s);
    ck_assert_uint_eq(dev->live_bytes, 0); /* nothing is kept */
    dsc_device_close(dev);
    dsc_graph_free(net.g);
}

START_TEST(devices_threads_and_recomputation_give_the_same_bytes)
{
    char want[65], got[65];

    train_step("cpu", 1, 1, true, want);
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        for (int n_segments = 1; n_segments <= 4; n_segments++) {
            train_step("cpu", n_threads, n_segments, true, got);
            ck_assert_str_eq(got, want);
            train_step("shadow", n_threads, n_segments, true, got);
            ck_assert_str_eq(got, want);
        }
    }
}
END_TEST

START_TEST(dropout_drops_in_training_only)
{
    char a[65], b[65];

    train_step("cpu", 1, 1, true, a);
    train_step("cpu", 1, 1, false, b);
    ck_assert_str_ne(a, b);
}
END_TEST

static double loss_at(struct dsc_session *s, const struct dsc_tensor *x, const struct dsc_run *run)
{
    struct dsc_tensor out[2];
    double sum = 0;
    struct dsc_err err = {0};

    ck_assert_msg(dsc_session_run(s, run, x, out, &err) == DSC_OK, "%s", err.message);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&out[0]); i++)
        sum += dsc_tensor_get_f64(&out[0], i) * (double)(i % 5 - 1);
    dsc_tensor_clear(&out[0]);
    dsc_tensor_clear(&out[1]);
    return sum;
}

START_TEST(gradients_equal_finite_differences)
{
    struct net net = build(DSC_F64);
    const struct dsc_run run = {.is_training = true, .seed = 7, .step = 3, .n_examples = B};
    struct dsc_tensor x, seed, out[2], grads[N_PARAMS] = {0};
    struct dsc_device *dev;
    struct dsc_session *s;
    struct dsc_tape *tape;
    struct dsc_err err = {0};

    ck_assert_int_eq(dsc_device_open(&dev, "cpu", 1, &err), DSC_OK);
    ck_assert_int_eq(dsc_session_open(&s, net.g, dev, &err), DSC_OK);
    ck_assert_int_eq(dsc_tape_open(&tape, s, N_PARAMS, net.params, 1, &err), DSC_OK);
    ck_assert_int_eq(dsc_tensor_new(&x, DSC_F64, 2, (int64_t[]){B, K}, &err), DSC_OK);
    fill_normal(&x, 1, 1);
    ck_assert_int_eq(dsc_tape_run(tape, &run, &x, out, &err), DSC_OK);
    ck_assert_int_eq(dsc_tensor_new(&seed, DSC_F64, 2, out[0].dim, &err), DSC_OK);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&seed); i++)
        dsc_tensor_set_f64(&seed, i, (double)(i % 5 - 1));
    ck_assert_int_eq(dsc_tape_backward(tape, 0, &seed, grads, &err), DSC_OK);
    for (int p = 0; p < N_PARAMS; p++) {
        struct dsc_tensor w = net.g->values[net.params[p]].init;

        for (int64_t i = 0; i < dsc_tensor_n_elems(&w); i += 7) {
            const double v = dsc_tensor_get_f64(&w, i), eps = 1e-6;
            double up, down;

            dsc_tensor_set_f64(&w, i, v + eps);
            up = loss_at(s, &x, &run);
            dsc_tensor_set_f64(&w, i, v - eps);
            down = loss_at(s, &x, &run);
            dsc_tensor_set_f64(&w, i, v);
            ck_assert_double_eq_tol(dsc_tensor_get_f64(&grads[p], i), (up - down) / (2 * eps),
                                    1e-7);
        }
    }
    for (int p = 0; p < N_PARAMS; p++)
        dsc_tensor_clear(&grads[p]);
    dsc_tensor_clear(&out[0]);
    dsc_tensor_clear(&out[1]);
    dsc_tensor_clear(&seed);
    dsc_tensor_clear(&x);
    dsc_tape_close(tape);
    dsc_session_close(s);
    dsc_device_close(dev);
    dsc_graph_free(net.g);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(DSC_HAS_ASAN) /* ASan handles SIGSEGV itself */
START_TEST(the_host_cannot_touch_shadow_memory)
{
    struct dsc_device *dev;
    struct dsc_tensor t;

    ck_assert_int_eq(dsc_device_open(&dev, "shadow", 1, NULL), DSC_OK);
    ck_assert_int_eq(dsc_device_zeros(dev, &t, DSC_F32, 1, (int64_t[]){4}, NULL), DSC_OK);
    ((volatile float *)t.data)[0] = 1; /* SIGSEGV */
}
END_TEST
#endif

START_TEST(a_wrong_feed_is_refused_with_its_name)
{
    struct net net = build(DSC_F32);
    struct dsc_device *dev;
    struct dsc_session *s;
    struct dsc_tensor x, out[2];
    struct dsc_err err = {0};

    ck_assert_int_eq(dsc_device_open(&dev, "cpu", 1, &err), DSC_OK);
    ck_assert_int_eq(dsc_session_open(&s, net.g, dev, &err), DSC_OK);
    ck_assert_int_eq(dsc_tensor_new(&x, DSC_F32, 2, (int64_t[]){B, K + 1}, &err), DSC_OK);
    ck_assert_int_eq(dsc_session_run(s, &(struct dsc_run){0}, &x, out, &err), DSC_E_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "'x'"));
    dsc_tensor_clear(&x);
    dsc_session_close(s);
    dsc_device_close(dev);
    dsc_graph_free(net.g);
}
END_TEST

START_TEST(a_cycle_is_inconsistent)
{
    struct dsc_graph *g = dsc_graph_new(NULL);
    const struct dsc_op *add = dsc_op_find("", "Add");
    struct dsc_err err = {0};
    int a, b;

    dsc_graph_value(g, "a", NULL, &a, NULL);
    dsc_graph_value(g, "b", NULL, &b, NULL);
    dsc_graph_node(g, add, "n1", 2, (int[]){a, a}, 1, &b, NULL, NULL);
    dsc_graph_node(g, add, "n2", 2, (int[]){b, b}, 1, &a, NULL, NULL);
    dsc_graph_output(g, b, NULL);
    ck_assert_int_eq(dsc_graph_sort(g, true, &err), DSC_E_INCONSISTENT);
    dsc_graph_free(g);
}
END_TEST

/* What a node reads is computed right before it, not sooner; what is in order stays. */
START_TEST(a_late_node_moves_before_its_reader)
{
    static const char *const want[] = {"first", "late1", "late2", "reader", "last"};
    struct dsc_graph *g = dsc_graph_new(NULL);
    const struct dsc_op *add = dsc_op_find("", "Add");
    int x, a, b, c, d, e;

    dsc_graph_value(g, "x", NULL, &x, NULL);
    dsc_graph_input(g, x, NULL);
    dsc_graph_value(g, "b", NULL, &b, NULL);
    dsc_graph_value(g, "e", NULL, &e, NULL);
    dsc_graph_call(g, NULL, "Relu", "first", 1, &x, &a, NULL, NULL);
    dsc_graph_call(g, NULL, "Add", "reader", 2, (int[]){a, b}, &c, NULL, NULL);
    dsc_graph_call(g, NULL, "Relu", "last", 1, &c, &d, NULL, NULL);
    dsc_graph_node(g, add, "late2", 2, (int[]){x, e}, 1, &b, NULL, NULL);
    dsc_graph_node(g, add, "late1", 2, (int[]){x, x}, 1, &e, NULL, NULL);
    dsc_graph_output(g, d, NULL);
    ck_assert_int_eq(dsc_graph_sort(g, true, NULL), DSC_OK);
    ck_assert_int_eq(g->n_nodes, 5);
    for (int i = 0; i < 5; i++)
        ck_assert_str_eq(g->nodes[i]->name, want[i]);
    dsc_graph_free(g);
}
END_TEST

START_TEST(a_copy_of_a_graph_prints_the_same)
{
    struct net net = build(DSC_F32);
    struct dsc_graph *copy = dsc_graph_copy(net.g, NULL);
    struct dsc_bytes a = {0}, b = {0};

    dsc_graph_print(net.g, &a);
    dsc_graph_print(copy, &b);
    ck_assert_uint_eq(a.n_bytes, b.n_bytes);
    ck_assert_mem_eq(a.data, b.data, a.n_bytes);
    dsc_bytes_clear(&a);
    dsc_bytes_clear(&b);
    dsc_graph_free(copy);
    dsc_graph_free(net.g);
}
END_TEST

static size_t n_taken, n_taken_most;
static void *(*true_alloc)(struct dsc_device *, size_t, struct dsc_err *);
static void (*true_free)(struct dsc_device *, void *, size_t);

static void *counting_alloc(struct dsc_device *dev, size_t n_bytes, struct dsc_err *err)
{
    n_taken += n_bytes;
    n_taken_most = n_taken > n_taken_most ? n_taken : n_taken_most;
    return true_alloc(dev, n_bytes, err);
}

static void counting_free(struct dsc_device *dev, void *p, size_t n_bytes)
{
    n_taken -= n_bytes;
    true_free(dev, p, n_bytes);
}

/* As batches of text do: every step another length, the longest last. */
START_TEST(idle_blocks_are_given_back_when_sizes_change)
{
    enum { N_LIVE = 6 };
    struct dsc_device *dev;
    struct dsc_tensor t[N_LIVE];

    ck_assert_int_eq(dsc_device_open(&dev, "cpu", 1, NULL), DSC_OK);
    true_alloc = dev->alloc;
    true_free = dev->free;
    dev->alloc = counting_alloc;
    dev->free = counting_free;
    for (int64_t length = 8; length <= 512; length += length / 8) {
        for (int i = 0; i < N_LIVE; i++)
            ck_assert_int_eq(
                dsc_device_tensor(dev, &t[i], DSC_F32, 2, (int64_t[]){length, 1000}, NULL), DSC_OK);
        for (int i = 0; i < N_LIVE; i++)
            dsc_tensor_clear(&t[i]);
    }
    ck_assert_uint_le(n_taken_most, dev->peak_bytes);
    ck_assert_uint_le(dev->peak_bytes, (size_t)N_LIVE * 512 * 1000 * 4 * 3 / 2);
    dsc_device_close(dev);
    ck_assert_uint_eq(n_taken, 0);
}
END_TEST

START_TEST(a_computed_shape_still_tells_the_rank)
{
    static const struct {
        int64_t n_sizes;
        int rank;
        int64_t last;
    } cases[] = {{4, 4, 7}, {2, 2, 7}, {1, 2, 7}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dsc_graph *g = dsc_graph_new(NULL);
        const struct dsc_type x = {.dtype = DSC_F32, .rank = 2, .dim = {1, 7}};
        const struct dsc_type sizes = {.dtype = DSC_I64, .rank = 1, .dim = {cases[i].n_sizes}};
        struct dsc_node *node;
        int in[2], y;

        ck_assert_int_eq(dsc_graph_value(g, "x", &x, &in[0], NULL), DSC_OK);
        ck_assert_int_eq(dsc_graph_value(g, "sizes", &sizes, &in[1], NULL), DSC_OK);
        for (int k = 0; k < 2; k++)
            ck_assert_int_eq(dsc_graph_input(g, in[k], NULL), DSC_OK);
        dsc_graph_call(g, "", "Expand", "expand", 2, in, &y, &node, NULL);
        ck_assert_int_eq(dsc_graph_output(g, y, NULL), DSC_OK);
        ck_assert_int_eq(dsc_graph_verify(g, NULL), DSC_OK);
        ck_assert_int_eq(g->values[y].type.rank, cases[i].rank);
        ck_assert_int_eq(g->values[y].type.dim[0], DSC_DIM_UNKNOWN);
        ck_assert_int_eq(g->values[y].type.dim[cases[i].rank - 1], cases[i].last);
        dsc_graph_free(g);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("exec");
    TCase *t = tcase_create("exec");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, devices_threads_and_recomputation_give_the_same_bytes);
    tcase_add_test(t, dropout_drops_in_training_only);
    tcase_add_test(t, gradients_equal_finite_differences);
#if !defined(__SANITIZE_ADDRESS__) && !defined(DSC_HAS_ASAN) /* ASan handles SIGSEGV itself */
    tcase_add_test_raise_signal(t, the_host_cannot_touch_shadow_memory, 11);
#endif
    tcase_add_test(t, a_wrong_feed_is_refused_with_its_name);
    tcase_add_test(t, a_cycle_is_inconsistent);
    tcase_add_test(t, a_late_node_moves_before_its_reader);
    tcase_add_test(t, a_copy_of_a_graph_prints_the_same);
    tcase_add_test(t, a_computed_shape_still_tells_the_rank);
    tcase_add_test(t, idle_blocks_are_given_back_when_sizes_change);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
