/* Candidates of static quantization, tried on held-out rows. */
#include "choose.h"

#include "dsc/eval.h"
#include "dsc/pass.h"
#include "observe.h"
#include "table.h"

#include <math.h>
#include <string.h>

/*
 * Every HELD_OUT-th row is held out. What is tried is made from at most TRIED_ROWS of the others:
 * the winner is made anew from all rows.
 */
enum { HELD_OUT = 5, TRIED_ROWS = 128, LEAST_ROWS = 20, SMOOTHS = 3, BIASES = 2, EVENS = 2 };

/* Unasked from here on: what fewer than 100 held-out rows say is chance. */
enum { AUTO_ROWS = 100 * HELD_OUT };

/* The simpler ones first: they win where the others are no better. */
static const char *const smooths[SMOOTHS] = {"0.95", "auto", "0"};
static const char *const biases[BIASES] = {"off", "on"};
static const char *const evens[EVENS] = {"off", "on"};

struct candidate {
    const char *even, *smooth, *bias; /* of --equalize, --smooth, --bias-correction */
    double score;                     /* squared error of the outputs, relative to them */
    int64_t n_flips;
};

/* Outputs of the held-out rows, in the order in which they come. */
struct outputs {
    int value; /* of the graph that runs */
    float *v;
    size_t n, n_max;
    size_t *end; /* [n_rows] where a row's values end */
    size_t n_rows, n_rows_max;
    bool has_classes; /* rows of two logits or more */
};

struct chooser {
    struct dsc_staticrun *r;
    struct dsc_dataset tried, held;
    struct dsc_cmd quiet; /* r's, without report, log and results */
    struct outputs want;
    struct candidate c[EVENS * SMOOTHS * BIASES];
    int n;
    bool tries_even; /* --equalize was not given, and there are pairs */
};

/* ---- rows ---- */

static enum dsc_status split_rows(struct chooser *c, struct dsc_err *err)
{
    const struct dsc_dataset *all = c->r->calib;
    struct dsc_arena *arena = c->r->cmd->arena;
    size_t *rest, *held, n_rest = 0, n_held = 0;

    DSC_NEW(rest, arena, all->n, err);
    DSC_NEW(held, arena, all->n, err);
    for (size_t i = 0; i < all->n; i++)
        if (i % HELD_OUT == HELD_OUT / 2)
            held[n_held++] = i;
        else
            rest[n_rest++] = i;
    DSC_TRY(dsc_dataset_take(all, rest, n_rest, &c->tried, arena, err));
    DSC_TRY(dsc_dataset_spread(&c->tried, TRIED_ROWS, arena, err));
    return dsc_dataset_take(all, held, n_held, &c->held, arena, err);
}

/* ---- outputs ---- */

static enum dsc_status keep(struct outputs *o, const float *x, int64_t n, struct dsc_err *err)
{
    if (o->n + (size_t)n > o->n_max) {
        const size_t n_max = 2 * (o->n + (size_t)n);
        void *p = dsc_heap_grow(o->v, n_max, sizeof *o->v, err);

        if (!p)
            return DSC_E_MEMORY;
        o->v = p;
        o->n_max = n_max;
    }
    memcpy(o->v + o->n, x, (size_t)n * sizeof *x);
    o->n += (size_t)n;
    return DSC_OK;
}

static enum dsc_status end_row(struct outputs *o, struct dsc_err *err)
{
    if (o->n_rows == o->n_rows_max) {
        const size_t n_max = 2 * o->n_rows + 64;
        void *p = dsc_heap_grow(o->end, n_max, sizeof *o->end, err);

        if (!p)
            return DSC_E_MEMORY;
        o->end = p;
        o->n_rows_max = n_max;
    }
    o->end[o->n_rows++] = o->n;
    return DSC_OK;
}

/* One row of [rows, ..]; of [rows, tokens, ..] the tokens that are no padding. */
static enum dsc_status keep_row(struct outputs *o, const struct dsc_tensor *t, int64_t row,
                                const struct dsc_tensor *mask, struct dsc_err *err)
{
    const bool is_by_token =
        mask && t->rank > 2 && t->dim[0] == mask->dim[0] && t->dim[1] == mask->dim[1];
    const int64_t n_parts = is_by_token ? t->dim[1] : 1;
    const int64_t n_lines = t->dim[0] * n_parts;
    const int64_t width = n_lines > 0 ? dsc_tensor_n_elems(t) / n_lines : 0;

    for (int64_t i = row * n_parts; i < (row + 1) * n_parts; i++)
        if (!is_by_token || dsc_tensor_get_i64(mask, i) != 0)
            DSC_TRY(keep(o, (const float *)t->data + i * width, width, err));
    return end_row(o, err);
}

static enum dsc_status keep_tensor(struct outputs *o, const struct dsc_tensor *t,
                                   const struct dsc_tensor *mask, struct dsc_err *err)
{
    struct dsc_tensor host;
    enum dsc_status st;

    if (t->dtype != DSC_F32 || t->rank < 1)
        return DSC_OK;
    DSC_TRY(dsc_to_host(&host, t, err));
    st = DSC_OK;
    o->has_classes = t->rank == 2 && t->dim[1] > 1;
    for (int64_t i = 0; st == DSC_OK && i < t->dim[0]; i++)
        st = keep_row(o, &host, i, mask, err);
    dsc_tensor_clear(&host);
    return st;
}

static enum dsc_status see(void *ctx, const struct dsc_node *n, const struct dsc_tensor *const *in,
                           struct dsc_tensor *const *out, const struct dsc_tensor *mask,
                           struct dsc_err *err)
{
    struct outputs *o = ctx;

    for (int k = 0; k < n->n_out; k++)
        if (n->out[k] == o->value && out[k])
            DSC_TRY(keep_tensor(o, out[k], mask, err));
    return DSC_OK;
}

static void close_outputs(struct outputs *o)
{
    dsc_heap_free(o->v);
    dsc_heap_free(o->end);
}

/* Of a graph of m's, as it is run in the end: on integers where it is quantized. */
static enum dsc_status run_held(struct chooser *c, const struct dsc_graph *g, bool is_quantized,
                                struct outputs *o, struct dsc_err *err)
{
    struct dsc_textmodel copy = *c->r->m;
    enum dsc_status st = DSC_OK;

    copy.model.graph = dsc_graph_copy(g, err);
    if (!copy.model.graph)
        return DSC_E_MEMORY;
    if (is_quantized)
        st = dsc_quant_finish(copy.model.graph, &c->r->q->target, err);
    if (st == DSC_OK)
        st = dsc_textmodel_to_inference(&copy, c->r->dev, err);
    if (st == DSC_OK) {
        o->value = copy.model.graph->outputs[copy.output];
        st = dsc_observe_nodes(&c->quiet, &copy, copy.model.graph, &c->held, (int64_t)c->held.n,
                               c->r->batch, c->r->dev, "try", see, o, err);
    }
    dsc_graph_free(copy.model.graph);
    return st;
}

/* What a row of logits has in common changes no probability. */
static double common_part(const struct chooser *c, const float *x, size_t n)
{
    double sum = 0;

    for (size_t k = 0; c->want.has_classes && c->r->m->ending == DSC_ENDS_IN_LOGITS && k < n; k++)
        sum += (double)x[k] / (double)n;
    return sum;
}

/* Signal and noise of one row of n values. */
static void compare_row(const struct chooser *c, const float *want, const float *got, size_t n,
                        double *signal, double *noise, bool *is_flip)
{
    const double of_want = common_part(c, want, n), of_got = common_part(c, got, n);
    size_t a = 0, b = 0;

    for (size_t k = 0; k < n; k++) {
        *signal += pow((double)want[k] - of_want, 2);
        *noise += pow((double)got[k] - of_got - ((double)want[k] - of_want), 2);
        a = want[k] > want[a] ? k : a;
        b = got[k] > got[b] ? k : b;
    }
    *is_flip = a != b;
}

static enum dsc_status compare(const struct chooser *c, const struct outputs *got,
                               struct candidate *x, struct dsc_err *err)
{
    const struct outputs *want = &c->want;
    double signal = 0, noise = 0;

    if (got->n != want->n || got->n_rows != want->n_rows)
        return dsc_fail(err, DSC_E_INTERNAL, "the quantized model has other outputs");
    for (size_t i = 0; i < want->n_rows; i++) {
        const size_t at = i > 0 ? want->end[i - 1] : 0;
        bool is_flip;

        compare_row(c, want->v + at, got->v + at, want->end[i] - at, &signal, &noise, &is_flip);
        x->n_flips += is_flip;
    }
    if (!isfinite(noise))
        return dsc_fail(err, DSC_E_NONFINITE, "the quantized model gives NaN or infinity");
    x->score = signal > 0 ? noise / signal : noise;
    return DSC_OK;
}

/* ---- candidates ---- */

static enum dsc_status measure(struct chooser *c, const struct dsc_graph *g, struct candidate *x,
                               struct dsc_err *err)
{
    struct outputs got = {0};
    enum dsc_status st = run_held(c, g, true, &got, err);

    if (st == DSC_OK)
        st = compare(c, &got, x, err);
    close_outputs(&got);
    return st;
}

/* Candidates x [n] of one graph and smoothing, which differ by the correction of biases, "off"
 * first. */
static enum dsc_status try_biases(struct chooser *c, struct dsc_staticrun *r, struct candidate *x,
                                  int n, struct dsc_err *err)
{
    DSC_TRY(dsc_quantrun_plan(r->q, err));
    DSC_TRY(dsc_staticrun_observe(r, err));
    DSC_TRY(dsc_staticrun_insert(r, err));
    for (int i = 0; i < n; i++) {
        r->corrects_biases = strcmp(x[i].bias, "on") == 0;
        DSC_TRY(dsc_staticrun_correct(r, err));
        DSC_TRY(measure(c, r->m->model.graph, &x[i], err));
    }
    return DSC_OK;
}

/* --observer, or what goes with the smoothing. */
static enum dsc_status use_observer(struct dsc_quantrun *q, const struct dsc_smooth *smooth,
                                    struct dsc_err *err)
{
    const char *name = dsc_opt_text(q->cmd, DSC_OPT_observer);

    return dsc_observer_parse(name ? name : dsc_choose_observer(smooth), &q->observer, &q->param,
                              err);
}

/* On a copy of the graph; the candidates' plans and ranges are their own. */
static enum dsc_status try_smooth(struct chooser *c, struct candidate *x, int n,
                                  struct dsc_err *err)
{
    struct dsc_textmodel m = *c->r->m;
    struct dsc_quantrun q = *c->r->q;
    struct dsc_staticrun r = {.cmd = &c->quiet,
                              .m = &m,
                              .q = &q,
                              .dev = c->r->dev,
                              .calib = &c->tried,
                              .batch = c->r->batch,
                              .corrects_biases = strcmp(x[n - 1].bias, "on") == 0,
                              .equalizes = strcmp(x->even, "on") == 0,
                              .rounding = c->r->rounding,
                              .n_steps = c->r->n_steps,
                              .is_trial = true,
                              .may_round = true};
    enum dsc_status st;

    q.cmd = &c->quiet;
    q.m = &m;
    q.ranges = NULL;
    DSC_TRY(dsc_smooth_parse(x->smooth, &r.smooth, err));
    DSC_TRY(use_observer(&q, &r.smooth, err));
    m.model.graph = dsc_graph_copy(c->r->m->model.graph, err);
    if (!m.model.graph)
        return DSC_E_MEMORY;
    q.ranges = dsc_ranges_new(err);
    st = q.ranges ? try_biases(c, &r, x, n, err) : DSC_E_MEMORY;
    dsc_staticrun_close(&r);
    dsc_ranges_free(q.ranges);
    dsc_graph_free(m.model.graph);
    return st;
}

/* --bias-correction and --equalize as they are where nothing is tried. */
static const char *bias_of(struct dsc_cmd *cmd)
{
    return dsc_opt_is_set(cmd, DSC_OPT_bias_correction) ? dsc_opt_text(cmd, DSC_OPT_bias_correction)
                                                        : biases[0];
}

static const char *even_of(struct dsc_cmd *cmd)
{
    return dsc_opt_is_set(cmd, DSC_OPT_equalize) ? dsc_opt_text(cmd, DSC_OPT_equalize) : evens[0];
}

/* Unasked, biases are not tried where the weights are rounded by data: what their correction
 * changes then cannot be told from chance (docs/results/quality.md). */
static void list(struct chooser *c, enum dsc_choice when)
{
    struct dsc_cmd *cmd = c->r->cmd;
    const bool has_smooth = dsc_opt_is_set(cmd, DSC_OPT_smooth);
    const bool has_bias = dsc_opt_is_set(cmd, DSC_OPT_bias_correction) ||
                          (when == DSC_CHOOSE_AUTO && c->r->rounding != DSC_ROUND_NEAREST);

    for (int e = 0; e < (c->tries_even ? EVENS : 1); e++)
        for (int s = 0; s < (has_smooth ? 1 : SMOOTHS); s++)
            for (int b = 0; b < (has_bias ? 1 : BIASES); b++)
                c->c[c->n++] = (struct candidate){
                    .even = c->tries_even ? evens[e] : even_of(cmd),
                    .smooth = has_smooth ? dsc_opt_text(cmd, DSC_OPT_smooth) : smooths[s],
                    .bias = has_bias ? bias_of(cmd) : biases[b]};
}

static enum dsc_status try_all(struct chooser *c, struct dsc_err *err)
{
    for (int i = 0, n; i < c->n; i += n) {
        for (n = 1; i + n < c->n && strcmp(c->c[i + n].smooth, c->c[i].smooth) == 0 &&
                    strcmp(c->c[i + n].even, c->c[i].even) == 0;)
            n++;
        DSC_TRY(try_smooth(c, &c->c[i], n, err));
    }
    return DSC_OK;
}

static double score_db(double score)
{
    return score > 0 ? fmin(-10 * log10(score), 200) : 200;
}

static enum dsc_status report(struct chooser *c, const struct candidate *best, struct dsc_err *err)
{
    struct dsc_cmd *cmd = c->r->cmd;
    struct dsc_json *j = &cmd->json;
    struct dsc_table t;

    dsc_table_init(&t, cmd->arena,
                   c->tries_even
                       ? "--equalize,--smooth,--bias-correction,>SQNR dB of outputs,>labels flip,"
                       : "--smooth,--bias-correction,>SQNR dB of outputs,>labels flip,");
    dsc_json_int(j, "held_out_rows", (int64_t)c->held.n);
    dsc_json_array(j, "candidates");
    for (const struct candidate *x = c->c; x < c->c + c->n; x++) {
        char *name =
            dsc_arena_printf(cmd->arena, err, "%s%s%s--smooth %s --bias-correction %s",
                             c->tries_even ? "--equalize " : "", c->tries_even ? x->even : "",
                             c->tries_even ? " " : "", x->smooth, x->bias);

        if (!name)
            return DSC_E_MEMORY;
        dsc_json_object(j, NULL);
        dsc_json_text(j, "name", name);
        dsc_json_float(j, "score", x->score);
        if (c->want.has_classes)
            dsc_json_int(j, "flips", x->n_flips);
        dsc_json_bool(j, "chosen", x == best);
        dsc_json_end(j);
        if (c->tries_even)
            dsc_table_cell(&t, "%s", x->even);
        dsc_table_cell(&t, "%s", x->smooth);
        dsc_table_cell(&t, "%s", x->bias);
        dsc_table_cell(&t, "%.2f", score_db(x->score));
        if (c->want.has_classes)
            dsc_table_cell(&t, "%lld of %zu", (long long)x->n_flips, c->held.n);
        else
            dsc_table_cell(&t, "-");
        dsc_table_cell(&t, "%s", x == best ? "chosen" : "");
    }
    dsc_json_end(j);
    DSC_TRY(dsc_table_print(&t, cmd->out, err));
    fprintf(cmd->out, "tried on %zu rows that were held out\n", c->held.n);
    return DSC_OK;
}

const char *dsc_choose_untried_smooth(struct dsc_cmd *cmd)
{
    return dsc_opt_is_set(cmd, DSC_OPT_smooth) ? dsc_opt_text(cmd, DSC_OPT_smooth) : smooths[0];
}

/* Smoothed channels leave no outlier that a narrower range could win by
 * (docs/results/observers.md). */
const char *dsc_choose_observer(const struct dsc_smooth *smooth)
{
    return smooth->is_auto || smooth->alpha > 0 ? "minmax" : "mse";
}

static enum dsc_status try_and_choose(struct chooser *c, struct candidate *choice,
                                      struct dsc_err *err)
{
    const struct candidate *best = c->c;

    DSC_TRY(split_rows(c, err));
    DSC_TRY(run_held(c, c->r->m->model.graph, false, &c->want, err));
    if (c->want.n_rows == 0) {
        dsc_log_printf(&c->r->cmd->log, DSC_LOG_INFO,
                       "the outputs are not f32[rows, ..]: nothing is tried");
        return DSC_OK;
    }
    DSC_TRY(try_all(c, err));
    for (const struct candidate *x = c->c + 1; x < c->c + c->n; x++)
        best = x->score < best->score ? x : best;
    *choice = *best;
    return report(c, best, err);
}

static enum dsc_status may_try(const struct chooser *c, enum dsc_choice when, bool *may,
                               struct dsc_err *err)
{
    const size_t n = c->r->calib->n;

    *may = when == DSC_CHOOSE_ALWAYS || (when == DSC_CHOOSE_AUTO && c->n > 1 && n >= AUTO_ROWS);
    if (when == DSC_CHOOSE_ALWAYS && c->n < 2)
        return dsc_fail(
            err, DSC_E_USAGE,
            "--choose: nothing is left to try: --smooth and --bias-correction are given, "
            "and --equalize is, too, or has no pairs of layers");
    if (when == DSC_CHOOSE_ALWAYS && n < LEAST_ROWS)
        return dsc_fail(err, DSC_E_USAGE,
                        "--choose: %zu rows are too few to hold a part of them out", n);
    return DSC_OK;
}

static enum dsc_status choose(struct chooser *c, enum dsc_choice when, struct dsc_err *err)
{
    struct dsc_staticrun *r = c->r;
    struct candidate choice = {even_of(r->cmd), dsc_choose_untried_smooth(r->cmd), biases[0], 0, 0};
    bool may;

    c->tries_even =
        !dsc_opt_is_set(r->cmd, DSC_OPT_equalize) && dsc_pass_equalizable(r->m->model.graph) > 0;
    list(c, when);
    DSC_TRY(may_try(c, when, &may, err));
    if (may)
        DSC_TRY(try_and_choose(c, &choice, err));
    DSC_TRY(dsc_opt_resolve(r->cmd, DSC_OPT_equalize, choice.even, err));
    DSC_TRY(dsc_opt_resolve(r->cmd, DSC_OPT_smooth, choice.smooth, err));
    DSC_TRY(dsc_opt_resolve(r->cmd, DSC_OPT_bias_correction, choice.bias, err));
    r->equalizes = dsc_opt_enum(r->cmd, DSC_OPT_equalize) == 1;
    r->corrects_biases = dsc_opt_enum(r->cmd, DSC_OPT_bias_correction) == 1;
    DSC_TRY(dsc_smooth_parse(choice.smooth, &r->smooth, err));
    DSC_TRY(dsc_opt_resolve(r->cmd, DSC_OPT_observer, dsc_choose_observer(&r->smooth), err));
    return use_observer(r->q, &r->smooth, err);
}

enum dsc_status dsc_choose(struct dsc_staticrun *r, enum dsc_choice when, struct dsc_err *err)
{
    struct chooser c = {.r = r, .quiet = *r->cmd};
    enum dsc_status st;

    c.quiet.json = (struct dsc_json){0};
    c.quiet.log = (struct dsc_log){0};
    dsc_json_object(&c.quiet.json, NULL);
    st = choose(&c, when, err);
    dsc_json_clear(&c.quiet.json);
    close_outputs(&c.want);
    return st;
}
