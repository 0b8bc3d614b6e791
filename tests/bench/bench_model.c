/*
 * Training steps and forward passes of an encoder on tokens drawn at random, timed.
 *
 *   bench_model train|infer|ops MODEL [batch [length [repeats [threads]]]]
 *
 * Prints one line of JSON: medians of wall and CPU seconds, the peak memory. `ops` runs forward
 * and prints the CPU time of each operator, so that one sees where to work.
 */
#include "dsc/exec.h"
#include "dsc/pass.h"
#include "dsc/rng.h"
#include "dsc/train.h"
#include "formats_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MAX_REPEATS = 512, MAX_KINDS = 128, FIRST_ID = 1000, N_IDS = 20000 };

/* A processor, and a virtual one more so, needs that long to give all that it has to two threads.
 */
static const double WARM_UP_S = 0.3;

struct kind {
    const char *op;
    double cpu_s;
    int n;
};

struct job {
    struct dsc_model m;
    struct dsc_device *dev;
    int64_t batch, length;
    int n_repeats, n_kinds;
    double last;
    struct kind kinds[MAX_KINDS];
    double wall_s[MAX_REPEATS], cpu_s[MAX_REPEATS];
};

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* Inputs by their place in the name: ids are drawn, a mask is ones, everything else zeros. */
static enum dsc_status fill(void *ctx, const int64_t *idx, int64_t n, struct dsc_tensor *feeds,
                            struct dsc_err *err)
{
    struct job *j = ctx;
    const struct dsc_graph *g = j->m.graph;
    struct dsc_rng rng;

    dsc_rng_init(&rng, dsc_rng_key(1));
    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_value *v = &g->values[g->inputs[i]];

        DSC_TRY(
            dsc_tensor_new(&feeds[i], v->type.dtype, v->type.rank, (int64_t[]){n, j->length}, err));
        for (int64_t k = 0; k < dsc_tensor_n_elems(&feeds[i]); k++) {
            if (strstr(v->name, "input_ids"))
                dsc_tensor_set_i64(&feeds[i], k, FIRST_ID + (int64_t)dsc_rng_below(&rng, N_IDS));
            else
                dsc_tensor_set_i64(&feeds[i], k, strstr(v->name, "mask") ? 1 : k % 2 * 0);
        }
    }
    return DSC_OK;
}

static void report(struct job *j, const char *what)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    printf("{\"what\":\"%s\",\"batch\":%" PRId64 ",\"length\":%" PRId64
           ",\"cpu_s\":%.5f,\"wall_s\":%.5f,\"peak_rss_bytes\":%lld}\n",
           what, j->batch, j->length, median(j->cpu_s, j->n_repeats),
           median(j->wall_s, j->n_repeats), (long long)use.ru_maxrss * 1024);
}

static void begin(struct job *j, int i)
{
    j->wall_s[i] = -seconds(CLOCK_MONOTONIC);
    j->cpu_s[i] = -seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void end(struct job *j, int i)
{
    j->wall_s[i] += seconds(CLOCK_MONOTONIC);
    j->cpu_s[i] += seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static enum dsc_status train(struct job *j, struct dsc_err *err)
{
    struct dsc_train_config config = dsc_train_defaults();
    struct dsc_arena arena;
    struct dsc_param *params;
    struct dsc_trainer *t = NULL;
    struct dsc_train_data data = {.n_examples = j->batch, .fill = fill, .ctx = j};
    struct dsc_train_report done;
    int n_params, loss;
    enum dsc_status st;

    dsc_arena_init(&arena);
    DSC_TRY_OUT(st, dsc_head_build(j->m.graph, "mean", 2, 0.1, 1, err));
    DSC_TRY_OUT(
        st, dsc_loss_attach(j->m.graph, 0, dsc_loss_find("cross-entropy"), "target", &loss, err));
    DSC_TRY_OUT(st, dsc_graph_sort(j->m.graph, true, err));
    DSC_TRY_OUT(st, dsc_graph_verify(j->m.graph, err));
    DSC_TRY_OUT(st, dsc_params_find(j->m.graph, NULL, NULL, &arena, &params, &n_params, err));
    config.batch = j->batch;
    config.n_steps = MAX_REPEATS;
    DSC_TRY_OUT(st, dsc_trainer_open(&t, j->m.graph, loss, &config, n_params, params, j->dev, err));
    DSC_TRY_OUT(st, dsc_trainer_step(t, &data, &done, err));
    for (int i = 0; i < j->n_repeats; i++) {
        begin(j, i);
        DSC_TRY_OUT(st, dsc_trainer_step(t, &data, &done, err));
        end(j, i);
    }
    report(j, "train");
out:
    dsc_trainer_close(t);
    dsc_arena_clear(&arena);
    return st;
}

static enum dsc_status count(void *ctx, const struct dsc_node *n,
                             const struct dsc_tensor *const *in, struct dsc_tensor *const *out,
                             struct dsc_err *err)
{
    struct job *j = ctx;
    const double now = seconds(CLOCK_PROCESS_CPUTIME_ID);
    int k = 0;

    while (k < j->n_kinds && strcmp(j->kinds[k].op, n->op->onnx) != 0)
        k++;
    if (k == j->n_kinds && k < MAX_KINDS)
        j->kinds[j->n_kinds++] = (struct kind){.op = n->op->onnx};
    if (k < MAX_KINDS) {
        j->kinds[k].cpu_s += now - j->last;
        j->kinds[k].n++;
    }
    j->last = seconds(CLOCK_PROCESS_CPUTIME_ID);
    return DSC_OK;
}

static enum dsc_status infer(struct job *j, bool by_op, struct dsc_err *err)
{
    struct dsc_session *s = NULL;
    struct dsc_tensor feeds[8] = {0}, outs[8] = {0};
    struct dsc_run run = {.ctx = j};
    double start;
    enum dsc_status st;

    if (j->m.graph->n_inputs > 8 || j->m.graph->n_outputs > 8)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "more than 8 inputs or outputs");
    DSC_TRY(dsc_pass_inference(j->m.graph, NULL, err));
    DSC_TRY(dsc_session_open(&s, j->m.graph, j->dev, err));
    DSC_TRY_OUT(st, fill(j, NULL, j->batch, feeds, err));
    start = seconds(CLOCK_MONOTONIC);
    for (int i = -1; i < j->n_repeats; i++) {
        run.after_node = by_op && i >= 0 ? count : NULL;
        j->last = seconds(CLOCK_PROCESS_CPUTIME_ID);
        if (i >= 0)
            begin(j, i);
        DSC_TRY_OUT(st, dsc_session_run(s, &run, feeds, outs, err));
        if (i >= 0)
            end(j, i);
        for (int k = 0; k < 8; k++)
            dsc_tensor_clear(&outs[k]);
        if (i < 0 && seconds(CLOCK_MONOTONIC) - start < WARM_UP_S)
            i--;
    }
    report(j, "infer");
    for (int k = 0; k < j->n_kinds; k++)
        printf("%-20s %4d x %9.3f ms\n", j->kinds[k].op, j->kinds[k].n / j->n_repeats,
               1e3 * j->kinds[k].cpu_s / j->n_repeats);
out:
    for (int i = 0; i < 8; i++)
        dsc_tensor_clear(&feeds[i]);
    dsc_session_close(s);
    return st;
}

static int number(int argc, char **argv, int i, int fallback)
{
    return argc > i ? (int)strtol(argv[i], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    static struct job j;
    struct dsc_err err = {0};
    enum dsc_status st = DSC_OK;

    if (argc < 3) {
        puts("bench_model train|infer|ops MODEL [batch [length [repeats [threads]]]]");
        return 0;
    }
    j.batch = number(argc, argv, 3, 32);
    j.length = number(argc, argv, 4, 64);
    j.n_repeats = number(argc, argv, 5, 5);
    if (j.n_repeats < 1 || j.n_repeats >= MAX_REPEATS)
        j.n_repeats = 5;
    st = dsc_device_open(&j.dev, "cpu", number(argc, argv, 6, 1), &err);
    if (st == DSC_OK)
        st = dsc_model_open_graph(&j.m, argv[2], &(struct dsc_read_opts){0}, &err);
    if (st == DSC_OK)
        st = strcmp(argv[1], "train") == 0 ? train(&j, &err)
                                           : infer(&j, strcmp(argv[1], "ops") == 0, &err);
    if (st != DSC_OK)
        fprintf(stderr, "bench_model: %s\n", err.message);
    dsc_model_close(&j.m);
    dsc_device_close(j.dev);
    return st != DSC_OK;
}
