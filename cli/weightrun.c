/* Weight-only quantization of a text model. */
#include "weightrun.h"

#include "dsc/linalg.h"
#include "progress.h"
#include "steps.h"
#include "weights.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* GPTQ's damping of the paper. */
#define GPTQ_DAMPING 0.01

/* AdaRound's learning rate and regularizer: the least error of those that were measured
 * (docs/results/weightonly.md). With less of the regularizer the end decides what is not learned.
 */
#define ADAROUND_RATE 0.1
#define ADAROUND_LAMBDA 30.0

/* A group that divides is looked for from the first to the last of these; else the channel. */
enum { GROUP_DEFAULT = 32, GROUP_LEAST = 16 };
#define GROUP_DEFAULT_TEXT "group:32"

enum { EMBEDDINGS_W8, EMBEDDINGS_W4, EMBEDDINGS_FLOAT };

struct dsc_weight_made {
    enum dsc_site_kind kind; /* a table may be a product's weight, too: each has its codes */
    int value;
    struct dsc_weight_layout layout;
    struct dsc_weight_codes codes;
    double sqnr_db;
    bool is_done;
    char unit[32];
};

static const struct dsc_graph *graph_of(const struct dsc_weightrun *r)
{
    return r->m->model.graph;
}

static int64_t inner_size(const struct dsc_weightrun *r, const struct dsc_quant_site *s)
{
    const int64_t *dim = graph_of(r)->values[s->value].type.dim;

    return s->kind == DSC_SITE_WEIGHT && s->axis == 1 ? dim[0] : dim[1];
}

static bool is_of(const struct dsc_weight_made *m, const struct dsc_quant_site *s)
{
    return m->kind == s->kind && m->value == s->value;
}

/* The first, where there are several widths. */
static struct dsc_weight_made *made_of(const struct dsc_weightrun *r,
                                       const struct dsc_quant_site *s)
{
    for (int i = 0; i < r->n_made; i++)
        if (is_of(&r->made[i], s))
            return &r->made[i];
    return NULL;
}

static int64_t group_of(const struct dsc_weightrun *r, int bits, int64_t n)
{
    if (r->q->group > 0)
        return r->q->group;
    if (bits == 8 || !r->q->target.is_weight_only || dsc_opt_is_set(r->cmd, DSC_OPT_granularity))
        return 0;
    for (int64_t g = GROUP_DEFAULT; g >= GROUP_LEAST; g--)
        if (n % g == 0)
            return g;
    return 0;
}

static void set_layout(const struct dsc_weightrun *r, const struct dsc_quant_site *s, int bits,
                       struct dsc_weight_made *m)
{
    const bool is_table = s->kind == DSC_SITE_TABLE;
    const int64_t n = inner_size(r, s);

    *m = (struct dsc_weight_made){.kind = s->kind, .value = s->value, .layout = {.bits = bits}};
    m->layout.is_symmetric =
        bits == 8 || !r->q->target.is_weight_only || r->q->is_symmetric_weights;
    if (!is_table || bits == 4)
        m->layout.group = group_of(r, bits, n);
    if (is_table && m->layout.group > 0 && n % m->layout.group != 0)
        m->layout.group = 0; /* a table's columns need not be what the layers' are */
    if (m->layout.group > 0)
        snprintf(m->unit, sizeof m->unit, "group:%" PRId64, m->layout.group);
    else
        snprintf(m->unit, sizeof m->unit, "%s", is_table ? "row" : "channel");
}

static enum dsc_status check_groups(const struct dsc_weightrun *r, struct dsc_err *err)
{
    char text[600] = "";
    size_t at = 0;
    int n_bad = 0;

    for (int i = 0; i < r->q->plan.n_sites; i++) {
        const struct dsc_quant_site *s = &r->q->plan.sites[i];
        const struct dsc_weight_made *m = made_of(r, s);

        if (!m || m->layout.group == 0 || inner_size(r, s) % m->layout.group == 0 || n_bad++ >= 4)
            continue;
        at +=
            (size_t)snprintf(text + at, sizeof text - at, "%s%.100s (%" PRId64 ")", at ? ", " : "",
                             graph_of(r)->values[s->value].name, inner_size(r, s));
    }
    if (n_bad == 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_USAGE, "group:%" PRId64 " does not divide the inner size of %d weights: %s",
             r->q->group, n_bad, text);
    dsc_err_hint(err, "take another group, or leave them out by --exclude");
    return DSC_E_USAGE;
}

static enum dsc_status read_options(struct dsc_weightrun *r, struct dsc_err *err)
{
    struct dsc_cmd *cmd = r->cmd;

    r->bits = strcmp(dsc_opt_text(cmd, DSC_OPT_scheme), "w4") == 0 ? 4 : 8;
    DSC_TRY(dsc_opt_resolve(cmd, DSC_OPT_rounding, r->calib ? "gptq" : "nearest", err));
    if (r->bits == 4)
        DSC_TRY(dsc_opt_resolve(cmd, DSC_OPT_granularity, GROUP_DEFAULT_TEXT, err));
    r->rounding = dsc_opt_enum(cmd, DSC_OPT_rounding);
    if (r->rounding != DSC_ROUND_NEAREST && !r->calib)
        return dsc_fail(err, DSC_E_USAGE, "--rounding %s needs --calib DATA",
                        dsc_opt_text(cmd, DSC_OPT_rounding));
    if (r->rounding == DSC_ROUND_ADAROUND)
        r->n_steps = dsc_opt_int(cmd, DSC_OPT_rounding_steps);
    return DSC_OK;
}

enum dsc_status dsc_weightrun_open(struct dsc_weightrun *r, struct dsc_err *err)
{
    const int tables = dsc_opt_enum(r->cmd, DSC_OPT_embeddings);
    const struct dsc_quant_plan *plan = &r->q->plan;

    DSC_TRY(read_options(r, err));
    if (tables > EMBEDDINGS_FLOAT)
        return dsc_fail(err, DSC_E_USAGE, "--embeddings %s is of --method qat",
                        dsc_opt_text(r->cmd, DSC_OPT_embeddings));
    if (!r->dev->is_host)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "weight-only is computed on the cpu, not on %s",
                        r->dev->name);
    DSC_NEW(r->made, r->cmd->arena, plan->n_sites + 1, err);
    for (int i = 0; i < plan->n_sites; i++) {
        const struct dsc_quant_site *s = &plan->sites[i];

        if (s->kind == DSC_SITE_ACTIVATION ||
            (s->kind == DSC_SITE_TABLE && tables == EMBEDDINGS_FLOAT))
            continue;
        set_layout(r, s,
                   s->kind == DSC_SITE_WEIGHT ? r->bits
                   : tables == EMBEDDINGS_W4  ? 4
                                              : 8,
                   &r->made[r->n_made++]);
    }
    return check_groups(r, err);
}

/* ---- one weight ---- */

/* The errors of the codes [n_rows,n_cols], and the sum of their squares. */
static float *code_errors(const struct dsc_weight_codes *q, const float *w, double *noise,
                          struct dsc_err *err)
{
    const int64_t n = q->n_rows * q->n_cols;
    float *e = dsc_heap_alloc((size_t)n + 1, sizeof *e, err);

    *noise = 0;
    for (int64_t i = 0; e && i < n; i++) {
        e[i] = w[i] - (float)dsc_weight_value(q, i / q->n_cols, i % q->n_cols, q->code[i]);
        *noise += (double)e[i] * (double)e[i];
    }
    return e;
}

static double square_sum(const float *w, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)w[i] * (double)w[i];
    return sum;
}

/* 10 log10 of what the output is to what its error is; without a Gram matrix, of the weights.
 * noise: the error if it is known, or -1. */
static enum dsc_status measure(struct dsc_weightrun *r, struct dsc_weight_made *m, const float *w,
                               const float *h, double noise, struct dsc_err *err)
{
    const struct dsc_weight_codes *q = &m->codes;
    double signal = 0;
    float *e = NULL;
    enum dsc_status st = DSC_OK;

    if (h)
        DSC_TRY(dsc_linalg_gram_energy(r->dev, w, q->n_rows, h, q->n_cols, &signal, err));
    else
        signal = square_sum(w, q->n_rows * q->n_cols);
    if (noise < 0) {
        e = code_errors(q, w, &noise, err);
        if (!e)
            return DSC_E_MEMORY;
        if (h)
            st = dsc_linalg_gram_energy(r->dev, e, q->n_rows, h, q->n_cols, &noise, err);
        dsc_heap_free(e);
    }
    m->sqnr_db = noise > 0 && signal > 0 ? fmin(10 * log10(signal / noise), 200) : 200;
    return st;
}

static enum dsc_status check_weight(const float *w, int64_t n, struct dsc_err *err)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(w[i]))
            return dsc_fail(err, DSC_E_NONFINITE, "the weight holds NaN or infinity");
    return DSC_OK;
}

/* What the squared errors of each column weigh: the mean of x^2. */
static enum dsc_status weigh_columns(const struct dsc_layer_input *gram, float *importance,
                                     struct dsc_err *err)
{
    for (int64_t k = 0; k < gram->k; k++) {
        importance[k] = gram->h[k * gram->k + k] / (float)gram->n_tokens;
        if (!isfinite(importance[k]))
            return dsc_fail(err, DSC_E_NONFINITE, "its input holds NaN or infinity");
    }
    return DSC_OK;
}

/* error: of the layer's output; -1 where GPTQ could not tell. */
static enum dsc_status round_by_gram(struct dsc_weightrun *r, struct dsc_weight_made *m,
                                     const float *w, const struct dsc_layer_input *gram,
                                     double *error, struct dsc_err *err)
{
    const char *name = graph_of(r)->values[m->value].name;
    struct dsc_gptq_report report;
    struct dsc_err why = {0};

    if (dsc_gptq(r->dev, &m->codes, w, gram->h, GPTQ_DAMPING, &report, &why) == DSC_OK) {
        if (report.damping > GPTQ_DAMPING)
            dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "'%s': damping raised to %g", name,
                           report.damping);
        *error = report.error;
        return DSC_OK;
    }
    if (why.status != DSC_E_INCONSISTENT || r->q->target.is_weight_only)
        return dsc_fail(err, why.status, "%s", why.message);
    dsc_log_printf(&r->cmd->log, DSC_LOG_WARNING, "'%s' is rounded to the nearest: %s", name,
                   why.message);
    dsc_weight_round(r->dev, &m->codes, w);
    return DSC_OK;
}

static enum dsc_status stopped(void *ctx, struct dsc_err *err)
{
    return dsc_cmd_stopped(ctx, err);
}

static enum dsc_status round_adaptively(struct dsc_weightrun *r, struct dsc_weight_made *m,
                                        const float *w, const struct dsc_layer_input *gram,
                                        double *error, struct dsc_err *err)
{
    const struct dsc_adaround how = {.n_steps = r->n_steps,
                                     .rate = ADAROUND_RATE,
                                     .lambda = ADAROUND_LAMBDA,
                                     .beta_first = 20,
                                     .beta_last = 2,
                                     .warm = 0.2,
                                     .stopped = stopped,
                                     .ctx = r->cmd};
    struct dsc_adaround_report report;

    DSC_TRY(dsc_adaround(r->dev, &m->codes, w, gram->h, &how, &report, err));
    *error = report.error;
    if (report.nearest > 0)
        dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "'%s': %.1f %% of the error of nearest codes",
                       graph_of(r)->values[m->value].name, 100 * report.error / report.nearest);
    return DSC_OK;
}

static enum dsc_status choose_codes(struct dsc_weightrun *r, struct dsc_weight_made *m,
                                    const float *w, const struct dsc_layer_input *gram,
                                    float *importance, struct dsc_err *err)
{
    double error = -1;

    DSC_TRY(check_weight(w, m->codes.n_rows * m->codes.n_cols, err));
    if (gram)
        DSC_TRY(weigh_columns(gram, importance, err));
    dsc_weight_scales(r->dev, &m->codes, w, gram ? importance : NULL);
    if (gram && r->rounding == DSC_ROUND_ADAROUND)
        DSC_TRY(round_adaptively(r, m, w, gram, &error, err));
    else if (gram && r->rounding == DSC_ROUND_GPTQ)
        DSC_TRY(round_by_gram(r, m, w, gram, &error, err));
    else
        dsc_weight_round(r->dev, &m->codes, w);
    return r->is_trial ? DSC_OK : measure(r, m, w, gram ? gram->h : NULL, error, err);
}

/* In the graph stands what the codes stand for. */
static enum dsc_status put_codes(const struct dsc_weight_made *m, const struct dsc_quant_site *s,
                                 struct dsc_graph *g, struct dsc_err *err)
{
    struct dsc_tensor rounded = {0};
    enum dsc_status st = dsc_weight_restore(g, s, &m->codes, &rounded, err);

    if (st == DSC_OK)
        st = dsc_graph_set_init(g, s->value, &rounded, err);
    dsc_tensor_clear(&rounded);
    return st;
}

/* Codes of one site in one width. */
static enum dsc_status make_codes(struct dsc_weightrun *r, const struct dsc_quant_site *s,
                                  struct dsc_weight_made *m, const struct dsc_layer_input *gram,
                                  struct dsc_err *err)
{
    struct dsc_tensor rows = {0};
    float *importance = NULL;
    enum dsc_status st;

    DSC_TRY(dsc_cmd_stopped(r->cmd, err));
    DSC_TRY(dsc_weight_rows(graph_of(r), s, &rows, err));
    DSC_TRY_OUT(st, dsc_weight_codes_new(&m->codes, &m->layout, rows.dim[0], rows.dim[1], err));
    importance = dsc_heap_alloc((size_t)rows.dim[1] + 1, sizeof *importance, err);
    if (!importance)
        DSC_TRY_OUT(st, DSC_E_MEMORY);
    st = choose_codes(r, m, rows.data, gram, importance, err);
    if (st != DSC_OK) {
        dsc_err_where(err, "layer '%s'", graph_of(r)->values[s->value].name);
        if (gram)
            dsc_err_hint(err, "leave it out by --exclude, or give --calib rows that it works on");
        goto out;
    }
    m->is_done = true;
    if (r->n_widths == 0 && !r->q->target.is_weight_only) { /* scales say it all then */
        st = put_codes(m, s, r->m->model.graph, err);
        dsc_heap_free(m->codes.code);
        m->codes.code = NULL;
    }
out:
    dsc_heap_free(importance);
    dsc_tensor_clear(&rows);
    return st;
}

static enum dsc_status make_site(struct dsc_weightrun *r, const struct dsc_quant_site *s,
                                 const struct dsc_layer_input *gram, struct dsc_err *err)
{
    for (struct dsc_weight_made *m = r->made; m < r->made + r->n_made; m++)
        if (is_of(m, s) && !m->is_done)
            DSC_TRY(make_codes(r, s, m, gram, err));
    return DSC_OK;
}

/* ---- layers that are observed ---- */

static struct dsc_layer_input *gram_at(struct dsc_layer_input *grams, int n, int value)
{
    for (int i = 0; i < n; i++)
        if (grams[i].value == value)
            return &grams[i];
    return NULL;
}

/* The inputs of layers without codes, each once, in the order in which steps pass them. */
static enum dsc_status list_inputs(const struct dsc_weightrun *r, const struct dsc_steps *steps,
                                   struct dsc_layer_input **inputs, int *n, struct dsc_err *err)
{
    const struct dsc_quant_plan *plan = &r->q->plan;

    *n = 0;
    DSC_NEW(*inputs, r->cmd->arena, plan->n_sites + 1, err);
    for (int i = 0; i < plan->n_sites; i++) {
        const struct dsc_quant_site *s = &plan->sites[i], *x;

        if (s->kind != DSC_SITE_WEIGHT || !made_of(r, s))
            continue;
        x = dsc_quantrun_input_of(r->q, s->value);
        if (x && !gram_at(*inputs, *n, x->value))
            (*inputs)[(*n)++] = (struct dsc_layer_input){.value = x->value, .k = x->n_channels};
    }
    dsc_steps_sort(steps, *inputs, *n);
    return DSC_OK;
}

/* AWQ's scales of one input: into the graph and, as x is divided, into its matrix. */
static enum dsc_status scale_input(struct dsc_weightrun *r, struct dsc_layer_input *gram,
                                   const struct dsc_quant_site *x, double *alpha,
                                   struct dsc_err *err)
{
    const struct dsc_quant_plan *plan = &r->q->plan;
    const float **w;
    int64_t *n_rows;
    struct dsc_tensor *rows;
    float *s;
    double *factor;
    const struct dsc_weight_layout *layout = NULL;
    bool is_done = false;
    int n = 0;
    enum dsc_status st = DSC_OK;

    DSC_NEW(w, r->cmd->arena, plan->n_sites, err);
    DSC_NEW(n_rows, r->cmd->arena, plan->n_sites, err);
    DSC_NEW(rows, r->cmd->arena, plan->n_sites, err);
    DSC_NEW(s, r->cmd->arena, gram->k, err);
    DSC_NEW(factor, r->cmd->arena, gram->k, err);
    for (int i = 0; i < plan->n_sites; i++) {
        const struct dsc_quant_site *site = &plan->sites[i];

        if (site->kind != DSC_SITE_WEIGHT || !made_of(r, site) ||
            !dsc_quant_reads(graph_of(r), plan, site->value, x->value))
            continue;
        layout = &made_of(r, site)->layout;
        DSC_TRY_OUT(st, dsc_weight_rows(graph_of(r), site, &rows[n], err));
        w[n] = rows[n].data;
        n_rows[n] = rows[n].dim[0];
        n++;
    }
    if (n > 0)
        DSC_TRY_OUT(st, dsc_awq(r->dev, n, w, n_rows, gram->k, gram->h, layout, s, alpha, err));
    for (int64_t k = 0; k < gram->k; k++)
        factor[k] = (double)s[k];
    if (*alpha > 0)
        DSC_TRY_OUT(st,
                    dsc_quant_scale_channels(r->m->model.graph, plan, x, factor, &is_done, err));
    if (!is_done)
        *alpha = 0;
    for (int64_t i = 0; is_done && i < gram->k; i++)
        for (int64_t k = i; k < gram->k; k++)
            gram->h[i * gram->k + k] /= s[i] * s[k];
out:
    for (int i = 0; i < n; i++)
        dsc_tensor_clear(&rows[i]);
    return st;
}

/* The matrices of the weights: kept by weight, since AWQ puts a Mul in front of them. */
static enum dsc_status scale_inputs(struct dsc_weightrun *r, struct dsc_layer_input *grams, int n,
                                    struct dsc_err *err)
{
    double sum = 0;

    for (int g = 0; g < n; g++) {
        const struct dsc_quant_plan *plan = &r->q->plan;
        double alpha = 0;

        for (int i = 0; i < plan->n_sites; i++) {
            if (plan->sites[i].kind != DSC_SITE_ACTIVATION ||
                plan->sites[i].value != grams[g].value)
                continue;
            DSC_TRY(dsc_cmd_stopped(r->cmd, err));
            DSC_TRY(scale_input(r, &grams[g], &plan->sites[i], &alpha, err));
        }
        sum += alpha;
    }
    dsc_log_printf(&r->cmd->log, DSC_LOG_INFO, "awq: alpha %.2f on average of %d inputs", sum / n,
                   n);
    return DSC_OK;
}

static enum dsc_status check_observed(const struct dsc_weightrun *r,
                                      const struct dsc_layer_input *grams, int n,
                                      struct dsc_err *err)
{
    for (int g = 0; g < n; g++)
        if (grams[g].n_tokens == 0)
            return dsc_fail(err, DSC_E_EMPTY, "'%s' was not computed for any calibration row",
                            graph_of(r)->values[grams[g].value].name);
    return DSC_OK;
}

static enum dsc_status round_inputs(struct dsc_weightrun *r, struct dsc_layer_input *grams, int n,
                                    struct dsc_err *err)
{
    const struct dsc_quant_plan *plan = &r->q->plan;
    struct dsc_layer_input **of_site;

    DSC_NEW(of_site, r->cmd->arena, plan->n_sites, err);
    for (int i = 0; i < plan->n_sites; i++) {
        const struct dsc_quant_site *x = plan->sites[i].kind == DSC_SITE_WEIGHT
                                             ? dsc_quantrun_input_of(r->q, plan->sites[i].value)
                                             : NULL;

        of_site[i] = x ? gram_at(grams, n, x->value) : NULL;
    }
    if (r->rounding == DSC_ROUND_AWQ)
        DSC_TRY(scale_inputs(r, grams, n, err));
    for (int i = 0; i < plan->n_sites; i++)
        if (of_site[i])
            DSC_TRY(make_site(r, &plan->sites[i], of_site[i], err));
    if (r->rounding != DSC_ROUND_AWQ)
        return DSC_OK;
    DSC_TRY(dsc_graph_sort(r->m->model.graph, true, err));
    DSC_TRY(dsc_graph_verify(r->m->model.graph, err));
    return dsc_quantrun_plan(r->q, err);
}

/* One group of inputs: what they hold, then the codes of their layers. */
static enum dsc_status round_group(struct dsc_weightrun *r, struct dsc_steps *steps,
                                   struct dsc_layer_input *inputs, int n, struct dsc_err *err)
{
    enum dsc_status st = DSC_OK;

    for (int i = 0; i < n && st == DSC_OK; i++)
        st = dsc_layer_input_open(&inputs[i], inputs[i].k, DSC_INPUT_GRAM, err);
    if (st == DSC_OK)
        st = dsc_steps_to(steps, inputs, n, err);
    if (st == DSC_OK)
        st = check_observed(r, inputs, n, err);
    if (st == DSC_OK)
        st = round_inputs(r, inputs, n, err);
    dsc_model_forget(graph_of(r));
    for (int i = 0; i < n; i++)
        dsc_layer_input_close(&inputs[i]);
    dsc_heap_trim();
    return st;
}

static enum dsc_status round_in_steps(struct dsc_weightrun *r, struct dsc_steps *steps,
                                      struct dsc_err *err)
{
    struct dsc_progress progress;
    struct dsc_layer_input *inputs;
    int n;
    enum dsc_status st = DSC_OK;

    DSC_TRY(dsc_steps_open(steps, err));
    DSC_TRY(list_inputs(r, steps, &inputs, &n, err));
    dsc_progress_begin(r->cmd, &progress, "round", "inputs", 0, n);
    for (int at = 0, part; at < n && st == DSC_OK; at += part) {
        part = dsc_steps_together(steps, inputs + at, n - at);
        st = round_group(r, steps, inputs + at, part, err);
        if (st == DSC_OK)
            dsc_progress_update(r->cmd->progress, at + part, NULL, 0);
    }
    dsc_progress_end(r->cmd);
    if (st == DSC_OK && r->ranges)
        st = dsc_steps_finish(steps, err);
    return st;
}

static enum dsc_status round_observed(struct dsc_weightrun *r, struct dsc_err *err)
{
    struct dsc_steps steps = {.cmd = r->cmd,
                              .m = r->m,
                              .d = r->calib,
                              .batch = r->batch,
                              .dev = r->dev,
                              .ranges = r->ranges};
    const enum dsc_status st = round_in_steps(r, &steps, err);

    dsc_steps_close(&steps);
    return st;
}

/* ---- the whole model ---- */

enum dsc_status dsc_weightrun_report(struct dsc_weightrun *r, struct dsc_err *err)
{
    const struct dsc_quant_plan *plan = &r->q->plan;
    struct dsc_site_text *texts;

    DSC_NEW(texts, r->cmd->arena, plan->n_sites + 1, err);
    for (int i = 0; i < plan->n_sites; i++) {
        const struct dsc_weight_made *m = made_of(r, &plan->sites[i]);

        if (!m)
            continue;
        texts[i].dtype = m->layout.bits == 8 ? "i8" : m->layout.is_symmetric ? "i4" : "u4";
        texts[i].unit = m->unit;
        r->q->sqnr_db[i] = m->sqnr_db;
    }
    r->q->site_texts = texts;
    dsc_json_text(&r->cmd->json, "rounding", dsc_opt_text(r->cmd, DSC_OPT_rounding));
    return dsc_quantrun_report(r->q, err);
}

enum dsc_status dsc_weightrun_quantize(struct dsc_weightrun *r, struct dsc_err *err)
{
    struct dsc_graph *g = r->m->model.graph;

    if (r->calib)
        DSC_TRY(round_observed(r, err));
    for (int i = 0; i < r->q->plan.n_sites; i++) { /* tables, and layers that nothing was seen of */
        DSC_TRY(make_site(r, &r->q->plan.sites[i], NULL, err));
        dsc_model_forget(g);
    }
    DSC_TRY(dsc_weightrun_report(r, err));
    for (int i = 0; i < r->q->plan.n_sites; i++) {
        const struct dsc_quant_site *s = &r->q->plan.sites[i];
        struct dsc_weight_made *m = made_of(r, s);

        if (!m)
            continue;
        DSC_TRY(dsc_quant_put_weight(g, &r->q->plan, s, &m->codes, err));
        dsc_weight_codes_clear(&m->codes);
    }
    DSC_TRY(dsc_graph_sort(g, true, err));
    return dsc_graph_verify(g, err);
}

enum dsc_status dsc_weightrun_round(struct dsc_weightrun *r, struct dsc_err *err)
{
    const struct dsc_quant_plan *plan = &r->q->plan;

    DSC_NEW(r->made, r->cmd->arena, plan->n_sites * (r->n_widths + 1), err);
    for (int i = 0; i < plan->n_sites; i++) {
        const struct dsc_quant_site *s = &plan->sites[i];

        if (s->kind != DSC_SITE_WEIGHT || !dsc_quantrun_input_of(r->q, s->value))
            continue;
        if (r->n_widths == 0)
            set_layout(r, s, dsc_site_bits(s), &r->made[r->n_made++]);
        for (int k = 0; k < r->n_widths; k++)
            set_layout(r, s, r->widths[k], &r->made[r->n_made++]);
    }
    return round_observed(r, err);
}

/* Of a site in its width. */
static const struct dsc_weight_made *rounded_of(const struct dsc_weightrun *r,
                                                const struct dsc_quant_site *s)
{
    for (const struct dsc_weight_made *m = r->made; m < r->made + r->n_made; m++)
        if (is_of(m, s) && m->is_done && m->layout.bits == dsc_site_bits(s))
            return m;
    return NULL;
}

enum dsc_status dsc_weightrun_put(const struct dsc_weightrun *r, const struct dsc_quant_plan *plan,
                                  struct dsc_graph *g, struct dsc_err *err)
{
    for (int i = 0; i < plan->n_sites && r->n_widths > 0; i++) {
        const struct dsc_weight_made *m = rounded_of(r, &plan->sites[i]);

        if (m)
            DSC_TRY(put_codes(m, &plan->sites[i], g, err));
    }
    return DSC_OK;
}

bool dsc_weightrun_scales(const struct dsc_weightrun *r, const struct dsc_quant_site *s,
                          double *scales, int64_t n, double *sqnr_db)
{
    const struct dsc_weight_made *m = rounded_of(r, s);

    if (!m || m->codes.n_rows * m->codes.n_groups != n)
        return false;
    for (int64_t k = 0; k < n; k++)
        scales[k] = (double)m->codes.scale[k];
    *sqnr_db = m->sqnr_db;
    return true;
}

void dsc_weightrun_close(struct dsc_weightrun *r)
{
    for (int i = 0; i < r->n_made; i++)
        dsc_weight_codes_clear(&r->made[i].codes);
}
