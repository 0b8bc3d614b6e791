/* Planning and reporting quantization. */
#include "quantrun.h"

#include "calibcheck.h"
#include "dsc/pass.h"
#include "formats_props.h"
#include "table.h"
#include "weightrun.h"
#include "weights.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORST_SHOWN = 8, GROUP_MAX = 65536 };

static enum dsc_status read_symmetric(struct dsc_quantrun *r, struct dsc_err *err)
{
    int n;
    const char *const *items = dsc_opt_items(r->cmd, DSC_OPT_symmetric, &n);

    for (int i = 0; i < n; i++) {
        if (strcmp(items[i], "activations") == 0)
            r->target.is_act_symmetric = true;
        else if (strcmp(items[i], "weights") == 0) /* but for weight-only these always are */
            r->is_symmetric_weights = true;
        else
            return dsc_fail(err, DSC_E_USAGE, "--symmetric takes weights, activations; not '%s'",
                            items[i]);
    }
    return DSC_OK;
}

static enum dsc_status read_granularity(struct dsc_quantrun *r, struct dsc_err *err)
{
    const char *text = dsc_opt_text(r->cmd, DSC_OPT_granularity);
    char *end;

    r->is_per_tensor = strcmp(text, "tensor") == 0;
    if (r->target.is_weight_only && strncmp(text, "group:", 6) == 0) {
        errno = 0;
        r->group = strtoll(text + 6, &end, 10);
        if (errno == 0 && end != text + 6 && *end == '\0' && r->group >= 2 && r->group <= GROUP_MAX)
            return DSC_OK;
        return dsc_fail(err, DSC_E_USAGE, "--granularity %s: a group is of 2 to %d weights", text,
                        GROUP_MAX);
    }
    if (strcmp(text, "channel") == 0 || (r->is_per_tensor && !r->target.is_weight_only))
        return DSC_OK;
    return dsc_fail(err, DSC_E_USAGE, "--granularity is %s, not '%s'",
                    r->target.is_weight_only ? "channel or group:N with weight-only"
                                             : "tensor or channel",
                    text);
}

/* Widths beside those of weight-only, and the targets that run such files. */
static const struct {
    const char *name;
    enum dsc_dtype weight;
    int weight_bits; /* fewer than the type's; 0: as it has */
    int act_bits;
    const char *targets; /* "": all */
} schemes[] = {
    {"w8a8", DSC_I8, 0, 8, ""},
    {"w4a8", DSC_I4, 0, 8, "generic ort openvino"},
    {"w8a16", DSC_I8, 0, 16, "generic ort openvino"},
    {"w3a8", DSC_I8, 3, 8, "generic ort openvino"},
    {"w2a8", DSC_I8, 2, 8, "generic ort openvino"},
    {"w1a8", DSC_I8, 1, 8, "generic ort openvino"},
};

enum dsc_status dsc_quantrun_check_scheme(const struct dsc_quantrun *r, const char *scheme,
                                          struct dsc_err *err)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strcmp(schemes[i].name, scheme) != 0 || !schemes[i].targets[0] ||
            strstr(schemes[i].targets, r->target.name))
            continue;
        dsc_fail(err, DSC_E_UNSUPPORTED, "--target %s has no kernels for %s", r->target.name,
                 scheme);
        return dsc_err_hint(err, "it is for --target %s", schemes[i].targets);
    }
    return DSC_OK;
}

static enum dsc_status read_scheme(struct dsc_quantrun *r, struct dsc_err *err)
{
    const char *name = dsc_opt_text(r->cmd, DSC_OPT_scheme);
    struct dsc_quant_target *t = &r->target;

    for (size_t i = 0; name && i < sizeof schemes / sizeof schemes[0]; i++) {
        if (strcmp(schemes[i].name, name) != 0)
            continue;
        t->weight_dtype = schemes[i].weight;
        r->weight_bits = schemes[i].weight_bits;
        if (schemes[i].act_bits == 16)
            t->act_dtype = t->act_dtype == DSC_U8 ? DSC_U16 : DSC_I16;
    }
    return name ? dsc_quantrun_check_scheme(r, name, err) : DSC_OK;
}

enum dsc_status dsc_quantrun_open(struct dsc_quantrun *r, struct dsc_err *err)
{
    const char *observer = dsc_opt_text(r->cmd, DSC_OPT_observer);
    const bool is_weight_only = r->target.is_weight_only;
    int n;
    const char *const *items;

    r->target = *dsc_quant_target_find(dsc_opt_text(r->cmd, DSC_OPT_quantize_target));
    r->target.is_weight_only = is_weight_only;
    DSC_TRY(read_scheme(r, err));
    DSC_TRY(read_symmetric(r, err));
    DSC_TRY(read_granularity(r, err));
    items = dsc_opt_items(r->cmd, DSC_OPT_include, &n);
    DSC_TRY(dsc_patterns_open(&r->include, "--include", items, n, r->cmd->arena, err));
    items = dsc_opt_items(r->cmd, DSC_OPT_exclude, &n);
    DSC_TRY(dsc_patterns_open(&r->exclude, "--exclude", items, n, r->cmd->arena, err));
    r->ranges = dsc_ranges_new(err);
    if (!r->ranges)
        return DSC_E_MEMORY;
    r->weight_limit = dsc_opt_flag(r->cmd, DSC_OPT_reduce_range) ? 63 : 127;
    return observer ? dsc_observer_parse(observer, &r->observer, &r->param, err) : DSC_OK;
}

static enum dsc_quant_choice choose(void *ctx, const char *node, const char *weight)
{
    struct dsc_quantrun *r = ctx;
    const bool in_node = dsc_patterns_match(&r->include, node);
    const bool in_weight = dsc_patterns_match(&r->include, weight);
    const bool out_node = dsc_patterns_match(&r->exclude, node);
    const bool out_weight = dsc_patterns_match(&r->exclude, weight);

    if (out_node || out_weight ||
        (r->format_of && r->format_of(r->format_ctx, node) == DSC_LAYER_FLOAT))
        return DSC_QUANT_LEFT_OUT;
    if (in_node || in_weight)
        return DSC_QUANT_ASKED_FOR;
    return r->include.n == 0 ? DSC_QUANT_CHOSEN : DSC_QUANT_LEFT_OUT;
}

int dsc_quantrun_format_bits(enum dsc_layer_format format)
{
    static const int bits_of[DSC_N_LAYER_FORMATS] = {
        [DSC_LAYER_FLOAT] = 0, [DSC_LAYER_W8A8] = 8, [DSC_LAYER_W4A8] = 4, [DSC_LAYER_W3A8] = 3};

    return bits_of[format];
}

/* Of layers that read a weight, by their formats the widest. */
int dsc_quantrun_weight_bits(const struct dsc_quantrun *r, const struct dsc_quant_site *weight,
                             dsc_format_of_fn *format_of, void *ctx)
{
    int bits = 0;

    if (!format_of)
        return dsc_site_bits(weight);
    for (int i = 0; i < r->plan.n_fates; i++) {
        const struct dsc_node *n = r->plan.fates[i].node;
        const int of_layer = dsc_quantrun_format_bits(format_of(ctx, n->name));

        for (int k = 0; k < n->n_in && r->plan.fates[i].is_quantized; k++)
            if (n->in[k] == weight->value && of_layer > bits)
                bits = of_layer;
    }
    return bits;
}

/* Products have a type for 4 bits; fewer, and those of tables, are words (docs/adr/0007). */
static void narrow(struct dsc_quant_site *s, int bits)
{
    const bool has_type = s->kind == DSC_SITE_WEIGHT && bits == 4;

    if (s->is_conv)
        return;
    s->dtype = has_type ? DSC_I4 : DSC_I8;
    s->bits = has_type || bits == 8 ? 0 : bits;
}

/* The sites of g, a graph with m's nodes. */
static enum dsc_status make_plan(struct dsc_quantrun *r, const struct dsc_graph *g,
                                 struct dsc_arena *arena, struct dsc_err *err)
{
    DSC_TRY(dsc_quant_make_plan(g, &r->target, choose, r, arena, &r->plan, err));
    for (int i = 0; i < r->plan.n_sites; i++) {
        struct dsc_quant_site *s = &r->plan.sites[i];
        const int of_scheme = s->kind == DSC_SITE_TABLE ? r->table_bits : r->weight_bits;

        if (r->is_per_tensor)
            s->axis = -1;
        if (s->kind == DSC_SITE_ACTIVATION)
            continue;
        if (r->format_of)
            narrow(s, dsc_quantrun_weight_bits(r, s, r->format_of, r->format_ctx));
        else if (of_scheme)
            narrow(s, of_scheme);
    }
    return DSC_OK;
}

enum dsc_status dsc_quantrun_plan(struct dsc_quantrun *r, struct dsc_err *err)
{
    struct dsc_graph *g = r->m->model.graph;

    /* runtimes take weights of few bits in the products as they are, and MatMul best */
    DSC_TRY(r->target.is_weight_only ? dsc_quant_fold_transposes(g, err)
                                     : dsc_quant_prepare(g, err));
    DSC_TRY(dsc_pass_fold_batchnorm(g, NULL, err));
    DSC_TRY(make_plan(r, g, r->cmd->arena, err));
    DSC_TRY(dsc_patterns_check(&r->include, err));
    DSC_NEW(r->sqnr_db, r->cmd->arena, r->plan.n_sites, err);
    return dsc_patterns_check(&r->exclude, err);
}

/* What learns, of the words of --act-quantizer. */
static enum dsc_status choose_quantizer(struct dsc_quantrun *r, struct dsc_err *err)
{
    static const char *const names[] = {"lsq", "lsq+", "pact"};
    const char *name = names[dsc_opt_enum(r->cmd, DSC_OPT_act_quantizer)];
    const struct dsc_quantizer *how = dsc_quantizer_find(name);

    if (how->has_offset && r->target.is_act_symmetric)
        return dsc_fail(
            err, DSC_E_USAGE,
            "--act-quantizer %s learns zero points; --target %s or --symmetric has none", name,
            r->target.name);
    for (int i = 0; i < r->plan.n_sites; i++)
        if (r->plan.sites[i].kind == DSC_SITE_ACTIVATION && strcmp(name, "lsq") != 0)
            r->plan.sites[i].quantizer = how;
    return DSC_OK;
}

/* 2 bits are signs and 0 unless steps are asked for, 1 bit is signs; tables go along. */
static const struct dsc_quantizer *quantizer_of_bits(int bits, bool is_lsq)
{
    if (bits == 1)
        return dsc_quantizer_find("binary");
    return bits == 2 && !is_lsq ? dsc_quantizer_find("ternary") : NULL;
}

static void set_bits(struct dsc_quant_site *s, int bits, bool is_lsq)
{
    if (s->is_conv)
        return;
    s->quantizer = quantizer_of_bits(bits, is_lsq);
    s->bits = s->quantizer ? 0 : bits;
}

/* A pruned weight keeps its zeros, which signs alone do not have. */
static enum dsc_status check_zeros(const struct dsc_quantrun *r, struct dsc_err *err)
{
    const struct dsc_graph *g = r->m->model.graph;
    const char *const *names;
    size_t n;

    DSC_TRY(dsc_props_sparse(g, r->cmd->arena, &names, &n, err));
    for (int i = 0; i < r->plan.n_sites; i++) {
        const struct dsc_quant_site *s = &r->plan.sites[i];
        const bool has_zero =
            !s->quantizer || !s->quantizer->is_sign || s->quantizer->threshold > 0;

        for (size_t k = 0; k < n && !has_zero; k++)
            if (strcmp(names[k], g->values[s->value].name) == 0)
                return dsc_fail(err, DSC_E_USAGE, "'%s' is pruned: binary weights have no zeros",
                                names[k]);
    }
    return DSC_OK;
}

/* --embeddings; 0: 8 */
static enum dsc_status read_tables(const struct dsc_quantrun *r, int *bits, struct dsc_err *err)
{
    static const int table_bits[] = {0, 4, -1, 3, 2, 1};

    *bits = table_bits[dsc_opt_enum(r->cmd, DSC_OPT_embeddings)];
    if (*bits < 0)
        return dsc_fail(err, DSC_E_USAGE,
                        "--embeddings float is of weight-only; --exclude leaves "
                        "layers float");
    if (r->is_per_tensor && *bits > 0)
        return dsc_fail(err, DSC_E_USAGE, "--embeddings %s goes without --granularity tensor",
                        dsc_opt_text(r->cmd, DSC_OPT_embeddings));
    return DSC_OK;
}

enum dsc_status dsc_quantrun_tables(struct dsc_quantrun *r, struct dsc_err *err)
{
    DSC_TRY(read_tables(r, &r->table_bits, err));
    if (r->table_bits > 0 && r->table_bits < 3)
        return dsc_fail(err, DSC_E_USAGE, "--embeddings %s is of --method qat",
                        dsc_opt_text(r->cmd, DSC_OPT_embeddings));
    return r->table_bits > 0 ? dsc_quantrun_check_scheme(r, "w3a8", err) : DSC_OK;
}

static enum dsc_status choose_weights(struct dsc_quantrun *r, struct dsc_err *err)
{
    const char *best = r->weight_bits == 1 ? "binary" : r->weight_bits == 2 ? "ternary" : "lsq";
    const char *name;
    bool is_lsq;
    int bits;

    DSC_TRY(read_tables(r, &bits, err));
    DSC_TRY(dsc_opt_resolve(r->cmd, DSC_OPT_weight_quantizer, best, err));
    name = dsc_opt_text(r->cmd, DSC_OPT_weight_quantizer);
    is_lsq = strcmp(name, "lsq") == 0;
    if (strcmp(name, best) != 0 && !(is_lsq && r->weight_bits == 2))
        return dsc_fail(err, DSC_E_USAGE, "--scheme %s has --weight-quantizer %s, not %s",
                        dsc_opt_text(r->cmd, DSC_OPT_scheme), best, name);
    for (int i = 0; i < r->plan.n_sites; i++) {
        struct dsc_quant_site *s = &r->plan.sites[i];

        if (s->kind != DSC_SITE_ACTIVATION)
            set_bits(s, s->kind == DSC_SITE_TABLE ? bits : r->weight_bits, is_lsq);
    }
    return check_zeros(r, err);
}

enum dsc_status dsc_quantrun_learn(struct dsc_quantrun *r, struct dsc_err *err)
{
    const bool is_stochastic = dsc_opt_flag(r->cmd, DSC_OPT_stochastic_rounding);

    DSC_TRY(choose_weights(r, err));
    for (int i = 0; i < r->plan.n_sites; i++)
        r->plan.sites[i].is_stochastic = is_stochastic;
    return choose_quantizer(r, err);
}

struct dsc_quant_site *dsc_quantrun_input_of(const struct dsc_quantrun *r, int weight)
{
    const struct dsc_quant_plan *plan = &r->plan;
    struct dsc_quant_site *last = NULL;

    for (struct dsc_quant_site *a = plan->sites; a < plan->sites + plan->n_sites; a++)
        if (a->kind == DSC_SITE_ACTIVATION && a->n_channels > 0 &&
            dsc_quant_reads(r->m->model.graph, plan, weight, a->value))
            last = a;
    return last;
}

bool dsc_quantrun_range(struct dsc_quantrun *r, const char *value, double *low, double *high)
{
    const struct dsc_hist *h = dsc_ranges_hist(r->ranges, value);

    if (!h || h->n == 0)
        return false;
    r->observer->range(h, r->param, 1 << dsc_dtype_bits(r->target.act_dtype), low, high);
    return true;
}

static bool range_of(void *ctx, const char *value, double *low, double *high)
{
    return dsc_quantrun_range(ctx, value, low, high);
}

static bool is_site_named(const struct dsc_quantrun *r, int site, const char *name)
{
    return strcmp(r->m->model.graph->values[r->plan.sites[site].value].name, name) == 0;
}

static bool is_site(const struct dsc_quantrun *r, const char *name)
{
    for (int i = 0; i < r->plan.n_sites; i++)
        if (is_site_named(r, i, name))
            return true;
    return false;
}

/* low, high: of the codes */
static double weight_sqnr_db(const struct dsc_tensor *w, int axis, const double *scales,
                             int64_t n_scales, double low, double high)
{
    const int64_t n = dsc_tensor_n_elems(w);
    const float *v = w->data;
    int64_t inner = 1;
    double signal = 0, noise = 0;

    for (int i = axis + 1; axis >= 0 && i < w->rank; i++)
        inner *= w->dim[i];
    for (int64_t i = 0; i < n; i++) {
        const double s = scales[n_scales == 1 ? 0 : i / inner % n_scales], x = (double)v[i];
        const double e = x - fmin(fmax(rint(x / s), low), high) * s;

        signal += x * x;
        noise += e * e;
    }
    return noise > 0 ? 10 * log10(signal / noise) : 200;
}

/* Of least squared error: codes of few bits waste most of them on the largest magnitude. */
static enum dsc_status search_scales(const struct dsc_quantrun *r, const struct dsc_quant_site *s,
                                     double *scales, struct dsc_err *err)
{
    const struct dsc_weight_layout layout = {.bits = dsc_site_bits(s), .is_symmetric = true};
    const bool is_table = s->kind == DSC_SITE_TABLE; /* whose scales are of columns */
    const struct dsc_quant_site by_column = {
        .kind = DSC_SITE_WEIGHT, .value = s->value, .out_axis = s->out_axis};
    struct dsc_weight_codes q = {0};
    struct dsc_tensor rows;
    enum dsc_status st;

    DSC_TRY(dsc_weight_rows(r->m->model.graph, is_table ? &by_column : s, &rows, err));
    st = dsc_weight_codes_new(&q, &layout, rows.dim[0], rows.dim[1], err);
    if (st == DSC_OK)
        dsc_weight_scales(r->dev, &q, rows.data, NULL);
    for (int64_t i = 0; st == DSC_OK && i < q.n_rows; i++)
        scales[i] = (double)q.scale[i];
    dsc_weight_codes_clear(&q);
    dsc_tensor_clear(&rows);
    return st;
}

/* Of the largest magnitude for 8 bits. */
static enum dsc_status choose_scales(const struct dsc_quantrun *r, const struct dsc_quant_site *s,
                                     const struct dsc_tensor *w, double limit, double *scales,
                                     int64_t n_scales, struct dsc_err *err)
{
    if (limit < 127 && s->axis >= 0)
        return search_scales(r, s, scales, err);
    dsc_quant_full_scales(w, s->axis, fmin(limit, r->weight_limit), scales, n_scales);
    return DSC_OK;
}

/* The scales of a weight, and what they cost. */
static enum dsc_status weight_scales(void *ctx, const char *name, const struct dsc_quant_site *s,
                                     const struct dsc_tensor *w, double limit, double *scales,
                                     int64_t n_scales, struct dsc_err *err)
{
    struct dsc_quantrun *r = ctx;
    double sqnr_db;

    if (!r->rounded || s->kind != DSC_SITE_WEIGHT ||
        !dsc_weightrun_scales(r->rounded, s, scales, n_scales, &sqnr_db)) {
        DSC_TRY(choose_scales(r, s, w, limit, scales, n_scales, err));
        sqnr_db = weight_sqnr_db(w, s->axis, scales, n_scales, s->bits == 2 ? -2 : -limit, limit);
    }
    for (int i = 0; i < r->plan.n_sites; i++) /* s may be of a variant's plan */
        if (r->plan.sites[i].kind == s->kind && is_site_named(r, i, name))
            r->sqnr_db[i] = sqnr_db;
    return DSC_OK;
}

/* What signs cost, before training; a table's are by row. */
static enum dsc_status measure_signs(struct dsc_quantrun *r, int site, struct dsc_err *err)
{
    const struct dsc_quant_site *s = &r->plan.sites[site];
    const struct dsc_tensor *w = &r->m->model.graph->values[s->value].init;
    const int axis = s->kind == DSC_SITE_TABLE ? 0 : s->axis;
    const int64_t n_scales = axis < 0 ? 1 : w->dim[axis], inner = axis == 0 ? w->dim[1] : 1;
    float *scales = dsc_heap_alloc((size_t)n_scales + 1, sizeof *scales, err);
    struct dsc_tensor code;
    double signal = 0, noise = 0;

    if (!scales || dsc_quant_signs(w, s->quantizer, axis, &code, scales, err) != DSC_OK) {
        dsc_heap_free(scales);
        return DSC_E_MEMORY;
    }
    for (int64_t i = 0; i < dsc_tensor_n_elems(w); i++) {
        const double x = (double)((const float *)w->data)[i];
        const double e =
            x - (double)((const int8_t *)code.data)[i] * (double)scales[i / inner % n_scales];

        signal += x * x;
        noise += e * e;
    }
    r->sqnr_db[site] = noise > 0 ? 10 * log10(signal / noise) : 200;
    dsc_tensor_clear(&code);
    dsc_heap_free(scales);
    return DSC_OK;
}

/* FakeQuantize in g, m's graph or a copy of it. */
static enum dsc_status insert(struct dsc_quantrun *r, const struct dsc_quant_plan *plan,
                              struct dsc_graph *g, struct dsc_err *err)
{
    const struct dsc_quant_source source = {range_of, weight_scales, r};

    if (r->rounded)
        DSC_TRY(dsc_weightrun_put(r->rounded, plan, g, err));
    return dsc_quant_insert(g, plan, &source, err);
}

enum dsc_status dsc_quantrun_insert(struct dsc_quantrun *r, struct dsc_err *err)
{
    const struct dsc_graph *g = r->m->model.graph;

    if (r->observer)
        dsc_calibcheck_observer(r->cmd, r->ranges, r->observer, r->param);
    for (int i = 0; i < r->plan.n_sites; i++) {
        const char *name = g->values[r->plan.sites[i].value].name;
        double low, high;

        if (r->plan.sites[i].quantizer && r->plan.sites[i].quantizer->is_sign)
            DSC_TRY(measure_signs(r, i, err));
        if (r->plan.sites[i].kind == DSC_SITE_ACTIVATION && range_of(r, name, &low, &high))
            r->sqnr_db[i] =
                dsc_hist_sqnr_db(dsc_ranges_hist(r->ranges, name), fmin(low, 0), fmax(high, 0),
                                 1 << dsc_dtype_bits(r->target.act_dtype));
    }
    return insert(r, &r->plan, r->m->model.graph, err);
}

enum dsc_status dsc_quantrun_variant(struct dsc_quantrun *r, dsc_format_of_fn *format_of, void *ctx,
                                     struct dsc_graph **graph, struct dsc_err *err)
{
    struct dsc_quantrun variant = *r; /* `choose` looks at it; patterns and ranges are r's */
    struct dsc_graph *g = dsc_graph_copy(r->m->model.graph, err);
    struct dsc_arena arena;
    enum dsc_status st;

    if (!g)
        return DSC_E_MEMORY;
    dsc_arena_init(&arena);
    variant.format_of = format_of;
    variant.format_ctx = ctx;
    st = make_plan(&variant, g, &arena, err);
    if (st == DSC_OK)
        st = insert(r, &variant.plan, g, err);
    dsc_arena_clear(&arena);
    if (st == DSC_OK)
        *graph = g;
    else
        dsc_graph_free(g);
    return st;
}

struct by_sqnr {
    int site;
    double db;
};

static int compare_sqnr(const void *a, const void *b)
{
    const struct by_sqnr *x = a, *y = b;

    return x->db != y->db ? (x->db < y->db ? -1 : 1) : x->site - y->site;
}

static const char *kind_text(const struct dsc_quantrun *r, const struct dsc_quant_site *s)
{
    if (r->site_texts)
        return r->site_texts[s - r->plan.sites].dtype;
    if (s->quantizer && s->quantizer->is_sign)
        return s->quantizer->name;
    return s->bits == 4   ? "i4"
           : s->bits == 3 ? "i3"
           : s->bits == 2 ? "i2"
                          : dsc_dtype_text(s->dtype);
}

static const char *granularity_text(const struct dsc_quantrun *r, const struct dsc_quant_site *s)
{
    if (r->site_texts)
        return r->site_texts[s - r->plan.sites].unit;
    if (s->kind == DSC_SITE_TABLE && s->quantizer)
        return "row";
    return s->axis < 0 ? "tensor" : s->kind == DSC_SITE_TABLE ? "column" : "channel";
}

/* A scale or zero point that quantization has put in. */
static bool is_parameter(const struct dsc_graph *g, int value)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];

        if (n->op && strcmp(n->op->onnx, "FakeQuantize") == 0 &&
            (n->in[1] == value || n->in[2] == value || (n->n_in > 3 && n->in[3] == value)))
            return true;
    }
    return false;
}

/* Every float initializer of the model that is not a site, and why. */
static void report_rest(struct dsc_quantrun *r)
{
    const struct dsc_graph *g = r->m->model.graph;
    struct dsc_json *j = &r->cmd->json;

    for (int i = 0; i < r->plan.n_fates; i++) {
        if (r->plan.fates[i].is_quantized)
            continue;
        dsc_json_object(j, NULL);
        dsc_json_text(j, "name", r->plan.fates[i].node->name);
        dsc_json_text(j, "dtype_in", "f32");
        dsc_json_text(j, "dtype_out", "f32");
        dsc_json_text(j, "why", r->plan.fates[i].why);
        dsc_json_end(j);
    }
    for (int i = 0; i < g->n_values; i++) {
        const struct dsc_value *v = &g->values[i];

        if (!dsc_tensor_is_present(&v->init) || v->init.dtype != DSC_F32 ||
            dsc_tensor_n_elems(&v->init) < 2 || is_site(r, v->name) || is_parameter(g, i))
            continue;
        dsc_json_object(j, NULL);
        dsc_json_text(j, "name", v->name);
        dsc_json_text(j, "dtype_in", "f32");
        dsc_json_text(j, "dtype_out", "f32");
        dsc_json_text(j, "why", "read by no operator with an integer kernel on this target");
        dsc_json_end(j);
    }
}

enum dsc_status dsc_quantrun_report(struct dsc_quantrun *r, struct dsc_err *err)
{
    const struct dsc_graph *g = r->m->model.graph;
    struct dsc_json *j = &r->cmd->json;
    struct by_sqnr *order;
    const bool is_measured = !dsc_opt_flag(r->cmd, DSC_OPT_dry_run);
    struct dsc_table t;
    int n_shown = 0;

    DSC_NEW(order, r->cmd->arena, r->plan.n_sites, err);
    for (int i = 0; i < r->plan.n_sites; i++)
        order[i] = (struct by_sqnr){i, r->sqnr_db[i]};
    qsort(order, (size_t)r->plan.n_sites, sizeof *order, compare_sqnr);
    dsc_table_init(&t, r->cmd->arena,
                   is_measured ? "worst tensors,type,scale per,>SQNR dB"
                               : "would be quantized,type,scale per,>SQNR dB");
    dsc_json_array(j, "tensors");
    for (int i = 0; i < r->plan.n_sites; i++) {
        const struct dsc_quant_site *s = &r->plan.sites[order[i].site];

        if (!kind_text(r, s))
            continue;
        dsc_json_object(j, NULL);
        dsc_json_text(j, "name", g->values[s->value].name);
        dsc_json_text(j, "dtype_in", "f32");
        dsc_json_text(j, "dtype_out", kind_text(r, s));
        dsc_json_text(j, "granularity", granularity_text(r, s));
        if (is_measured)
            dsc_json_float(j, "sqnr_db", order[i].db);
        dsc_json_text(j, "why", "");
        dsc_json_end(j);
        if (n_shown++ >= WORST_SHOWN)
            continue;
        dsc_table_cell(&t, "%s", g->values[s->value].name);
        dsc_table_cell(&t, "%s", kind_text(r, s));
        dsc_table_cell(&t, "%s", granularity_text(r, s));
        if (is_measured)
            dsc_table_cell(&t, "%.1f", order[i].db);
        else
            dsc_table_cell(&t, "-");
    }
    report_rest(r);
    dsc_json_end(j);
    return dsc_table_print(&t, r->cmd->out, err);
}

void dsc_quantrun_close(struct dsc_quantrun *r)
{
    dsc_patterns_close(&r->include);
    dsc_patterns_close(&r->exclude);
    dsc_ranges_free(r->ranges);
}
