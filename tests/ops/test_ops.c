/*
 * Properties of every operator, on the sample nodes of samples.def: inference says the real shapes
 * and survives unknown ones; backward equals central differences in f64; the shadow device and any
 * number of threads give the bytes of the cpu.
 */
#include "dsc/exec.h"
#include "dsc/io.h"
#include "sample.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PROBES = 24 }; /* elements of one input whose derivative is checked */

static char where_text[512];

static const char *where(const struct sample *s)
{
    snprintf(where_text, sizeof where_text, "%s {%s} (%s)", s->op, s->attrs, s->inputs);
    return where_text;
}

#define MUST(s, call)                                                                        \
    do {                                                                                     \
        struct dsc_err err = {0};                                                            \
        ck_assert_msg((call) == DSC_OK, "%s: %s %s", where(s), dsc_status_class(err.status), \
                      err.message);                                                          \
    } while (0)

START_TEST(every_operator_has_a_sample)
{
    for (const struct dsc_op *const *op = dsc_op_all(); *op; op++) {
        bool has_sample = !(*op)->forward && !(*op)->is_view; /* rewritten on reading */

        for (int i = 0; i < n_samples && !has_sample; i++)
            has_sample = sample_op(&samples[i]) == *op;
        ck_assert_msg(has_sample, "samples.def has no row for %s", (*op)->onnx);
    }
}
END_TEST

/* The sizes of all outputs must be known before the run if no input is read on the host then. */
static bool is_static(const struct sample_graph *sg)
{
    for (int i = 0; i < sg->n_feeds; i++)
        if (sg->node->op->host_in >> sg->node_in[i] & 1)
            return false;
    return true;
}

START_TEST(inference_says_the_real_types)
{
    const struct sample *s = &samples[_i];
    struct sample_graph sg;
    struct dsc_tensor out[SAMPLE_MAX_OUT];
    struct dsc_device *dev;
    struct dsc_session *session;

    sample_build(&sg, s, DSC_F32);
    MUST(s, dsc_graph_verify(sg.g, &err));
    MUST(s, dsc_device_open(&dev, "cpu", 1, &err));
    MUST(s, dsc_session_open(&session, sg.g, dev, &err));
    MUST(s, dsc_session_run(session, &(struct dsc_run){0}, sg.feed, out, &err));
    for (int k = 0; k < s->n_out; k++) {
        const struct dsc_type *type = &sg.g->values[sg.g->outputs[k]].type;

        if (is_static(&sg))
            ck_assert_msg(dsc_type_is_known(type), "%s: output %d not inferred", where(s), k);
        ck_assert_msg(type->dtype == out[k].dtype, "%s: type of output %d", where(s), k);
        ck_assert_msg(type->rank < 0 || type->rank == out[k].rank, "%s: rank", where(s));
        for (int i = 0; i < type->rank; i++)
            ck_assert_msg(type->dim[i] < 0 || type->dim[i] == out[k].dim[i],
                          "%s: output %d axis %d", where(s), k, i);
        dsc_tensor_clear(&out[k]);
    }
    dsc_session_close(session);
    ck_assert_uint_eq(dev->live_bytes, 0);
    dsc_device_close(dev);
    sample_clear(&sg);
}
END_TEST

/* stage 0: nothing known; 1: types; 2: ranks too, sizes not. */
START_TEST(inference_survives_unknown_inputs)
{
    const struct sample *s = &samples[_i];
    struct sample_graph sg;
    struct dsc_type in[SAMPLE_MAX_IN], out[SAMPLE_MAX_OUT];
    const struct dsc_tensor *value[SAMPLE_MAX_IN] = {0};

    sample_build(&sg, s, DSC_F32);
    for (int stage = 0; stage < 3; stage++) {
        struct dsc_infer q = {.node = sg.node,
                              .n_in = sg.node->n_in,
                              .n_out = sg.node->n_out,
                              .in = in,
                              .value = value,
                              .out = out};

        for (int i = 0; i < sg.node->n_in; i++) {
            dsc_type_unknown(&in[i]);
            if (stage == 0 || sg.node->in[i] == DSC_NO_VALUE)
                continue;
            in[i].dtype = sg.g->values[sg.node->in[i]].type.dtype;
            if (stage == 2)
                in[i].rank = sg.g->values[sg.node->in[i]].type.rank;
            for (int k = 0; k < in[i].rank; k++)
                in[i].dim[k] = DSC_DIM_UNKNOWN;
        }
        for (int k = 0; k < sg.node->n_out; k++)
            dsc_type_unknown(&out[k]);
        MUST(s, sg.node->op->infer(&q, &err));
    }
    sample_clear(&sg);
}
END_TEST

/* Feeds that have a gradient. */
static int wanted_of(const struct sample_graph *sg, int *wanted, int *feed_idx)
{
    const struct dsc_op *op = sg->node->op;
    int n = 0;

    for (int i = 0; i < sg->n_feeds && (op->backward || op->is_view); i++) {
        const uint32_t bit = sg->node_in[i] < 16 ? 1u << sg->node_in[i] : 0;

        if (!dsc_dtype_is_float(sg->feed[i].dtype) || (bit & (op->host_in | op->no_grad)))
            continue;
        feed_idx[n] = i;
        wanted[n++] = sg->g->inputs[i];
    }
    return n;
}

static double weight_at(int64_t i)
{
    return (double)(i * 7 % 11) / 4 - 1;
}

static double loss_of(const struct sample *s, struct dsc_session *session,
                      const struct sample_graph *sg, int output)
{
    struct dsc_tensor out[SAMPLE_MAX_OUT];
    double sum = 0;

    MUST(s, dsc_session_run(session, &(struct dsc_run){0}, sg->feed, out, &err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(&out[output]); i++)
        sum += dsc_tensor_get_f64(&out[output], i) * weight_at(i);
    for (int k = 0; k < s->n_out; k++)
        dsc_tensor_clear(&out[k]);
    return sum;
}

static void compare(const struct sample *s, struct dsc_session *session, struct sample_graph *sg,
                    int feed, int output, const struct dsc_tensor *grad)
{
    struct dsc_tensor *x = &sg->feed[feed];
    const int64_t n = dsc_tensor_n_elems(x), step = n / MAX_PROBES + 1;

    ck_assert_msg(dsc_tensor_same_shape(x, grad), "%s: shape of a gradient", where(s));
    for (int64_t i = 0; i < n; i += step) {
        const double v = dsc_tensor_get_f64(x, i), eps = 1e-5;
        const double noise = 1e-10 * (double)n; /* of a sum of so many terms */
        double slope;

        dsc_tensor_set_f64(x, i, v + eps);
        slope = loss_of(s, session, sg, output);
        dsc_tensor_set_f64(x, i, v - eps);
        slope = (slope - loss_of(s, session, sg, output)) / (2 * eps);
        dsc_tensor_set_f64(x, i, v);
        ck_assert_msg(fabs(slope - dsc_tensor_get_f64(grad, i)) <= 1e-6 * (1 + fabs(slope)) + noise,
                      "%s: output %d, input %d[%lld]: backward says %g, differences %g", where(s),
                      output, sg->node_in[feed], (long long)i, dsc_tensor_get_f64(grad, i), slope);
    }
}

static void check_output(const struct sample *s, struct dsc_session *session,
                         struct sample_graph *sg, int output)
{
    int wanted[SAMPLE_MAX_IN], feed_idx[SAMPLE_MAX_IN];
    const int n_wanted = wanted_of(sg, wanted, feed_idx);
    struct dsc_tensor out[SAMPLE_MAX_OUT], grads[SAMPLE_MAX_IN] = {0}, seed;
    struct dsc_tape *tape;
    const struct dsc_run run = {0};

    if (n_wanted == 0)
        return;
    MUST(s, dsc_tape_open(&tape, session, n_wanted, wanted, 1, &err));
    MUST(s, dsc_tape_run(tape, &run, sg->feed, out, &err));
    if (dsc_dtype_is_float(out[output].dtype)) {
        MUST(s, dsc_tensor_new(&seed, out[output].dtype, out[output].rank, out[output].dim, &err));
        for (int64_t i = 0; i < dsc_tensor_n_elems(&seed); i++)
            dsc_tensor_set_f64(&seed, i, weight_at(i));
        MUST(s, dsc_tape_backward(tape, output, &seed, grads, &err));
        for (int w = 0; w < n_wanted; w++) {
            compare(s, session, sg, feed_idx[w], output, &grads[w]);
            dsc_tensor_clear(&grads[w]);
        }
        dsc_tensor_clear(&seed);
    }
    for (int k = 0; k < s->n_out; k++)
        dsc_tensor_clear(&out[k]);
    dsc_tape_close(tape);
}

START_TEST(backward_equals_finite_differences)
{
    const struct sample *s = &samples[_i];
    struct sample_graph sg;
    struct dsc_device *dev;
    struct dsc_session *session;

    sample_build(&sg, s, DSC_F64);
    MUST(s, dsc_graph_verify(sg.g, &err));
    MUST(s, dsc_device_open(&dev, "cpu", 1, &err));
    MUST(s, dsc_session_open(&session, sg.g, dev, &err));
    for (int k = 0; k < s->n_out && !s->has_defined_grad; k++)
        check_output(s, session, &sg, k);
    dsc_session_close(session);
    dsc_device_close(dev);
    sample_clear(&sg);
}
END_TEST

static void compare_types(const struct sample *s, int output, const struct dsc_tensor *f32,
                          const struct dsc_tensor *f64)
{
    for (int64_t e = 0; e < dsc_tensor_n_elems(f32); e++) {
        const double got = dsc_tensor_get_f64(f32, e), want = dsc_tensor_get_f64(f64, e);

        ck_assert_msg(fabs(got - want) <= 1e-4 * (1 + fabs(want)), "%s: output %d[%lld]: %g, %g",
                      where(s), output, (long long)e, got, want);
    }
}

/* Windows have kernels of F32 alone. */
START_TEST(windows_in_f32_equal_f64)
{
    const struct sample *s = &samples[_i];
    struct dsc_tensor out[2][SAMPLE_MAX_OUT];
    struct sample_graph sg[2];
    struct dsc_session *session[2];
    struct dsc_device *dev;

    if (strchr(s->op, ':')) /* of one type */
        return;
    if (!strstr(s->op, "Conv") && !strstr(s->op, "Pool"))
        return;
    MUST(s, dsc_device_open(&dev, "cpu", 1, &err));
    for (int k = 0; k < 2; k++) {
        sample_build(&sg[k], s, k ? DSC_F64 : DSC_F32);
        MUST(s, dsc_graph_verify(sg[k].g, &err));
        MUST(s, dsc_session_open(&session[k], sg[k].g, dev, &err));
        MUST(s, dsc_session_run(session[k], &(struct dsc_run){0}, sg[k].feed, out[k], &err));
    }
    for (int i = 0; i < s->n_out; i++) {
        compare_types(s, i, &out[0][i], &out[1][i]);
        dsc_tensor_clear(&out[0][i]);
        dsc_tensor_clear(&out[1][i]);
    }
    for (int k = 0; k < 2; k++) {
        dsc_session_close(session[k]);
        sample_clear(&sg[k]);
    }
    dsc_device_close(dev);
}
END_TEST

static void add_to_hash(const struct sample *s, struct dsc_sha256 *h, struct dsc_tensor *t)
{
    struct dsc_tensor host;

    MUST(s, dsc_to_host(&host, t, &err));
    dsc_sha256_add(h, host.data, dsc_tensor_n_bytes(&host));
    dsc_tensor_clear(&host);
    dsc_tensor_clear(t);
}

/* Outputs and the gradients of output 0. */
static void hash_of(const struct sample *s, const char *device, int n_threads, char hex[65])
{
    struct sample_graph sg;
    struct dsc_device *dev;
    struct dsc_session *session;
    struct dsc_tape *tape;
    struct dsc_tensor out[SAMPLE_MAX_OUT], grads[SAMPLE_MAX_IN] = {0};
    int wanted[SAMPLE_MAX_IN], feed_idx[SAMPLE_MAX_IN], n_wanted;
    const struct dsc_run run = {.is_training = true, .seed = 1, .step = 1};
    struct dsc_sha256 h;

    sample_build(&sg, s, DSC_F32);
    MUST(s, dsc_graph_verify(sg.g, &err));
    MUST(s, dsc_device_open(&dev, device, n_threads, &err));
    MUST(s, dsc_session_open(&session, sg.g, dev, &err));
    n_wanted = wanted_of(&sg, wanted, feed_idx);
    if (!dsc_dtype_is_float(sg.g->values[sg.g->outputs[0]].type.dtype))
        n_wanted = 0;
    MUST(s, dsc_tape_open(&tape, session, n_wanted, wanted, 1, &err));
    MUST(s, dsc_tape_run(tape, &run, sg.feed, out, &err));
    dsc_sha256_init(&h);
    for (int k = 0; k < s->n_out; k++)
        add_to_hash(s, &h, &out[k]);
    if (n_wanted)
        MUST(s, dsc_tape_backward(tape, 0, NULL, grads, &err));
    for (int w = 0; w < n_wanted; w++)
        add_to_hash(s, &h, &grads[w]);
    dsc_sha256_hex(&h, hex);
    dsc_tape_close(tape);
    dsc_session_close(session);
    ck_assert_uint_eq(dev->live_bytes, 0);
    dsc_device_close(dev);
    sample_clear(&sg);
}

START_TEST(devices_and_threads_give_the_same_bytes)
{
    const struct sample *s = &samples[_i];
    char want[65], got[65];

    hash_of(s, "cpu", 1, want);
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        hash_of(s, "cpu", n_threads, got);
        ck_assert_msg(strcmp(got, want) == 0, "%s: %d threads", where(s), n_threads);
        hash_of(s, "shadow", n_threads, got);
        ck_assert_msg(strcmp(got, want) == 0, "%s: shadow, %d threads", where(s), n_threads);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ops");
    TCase *t = tcase_create("ops");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, every_operator_has_a_sample);
    tcase_add_loop_test(t, inference_says_the_real_types, 0, n_samples);
    tcase_add_loop_test(t, inference_survives_unknown_inputs, 0, n_samples);
    tcase_add_loop_test(t, backward_equals_finite_differences, 0, n_samples);
    tcase_add_loop_test(t, windows_in_f32_equal_f64, 0, n_samples);
    tcase_add_loop_test(t, devices_and_threads_give_the_same_bytes, 0, n_samples);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
