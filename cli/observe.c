/* Calibration of a text model. */
#include "observe.h"

#include "dsc/pass.h"
#include "progress.h"

#include <string.h>

enum dsc_status dsc_observe_watch(struct dsc_ranges *r, const struct dsc_graph *g,
                                  const struct dsc_quant_plan *plan, struct dsc_err *err)
{
    for (int i = 0; i < plan->n_sites; i++)
        if (plan->sites[i].kind == DSC_SITE_ACTIVATION)
            DSC_TRY(dsc_ranges_watch(r, g->values[plan->sites[i].value].name, err));
    return DSC_OK;
}

/* Rows of data through a graph. */
struct runner {
    struct dsc_cmd *cmd;
    const struct dsc_textmodel *m;
    const struct dsc_dataset *d;
    struct dsc_session *s;
    int64_t batch;
    dsc_see_fn *see;
    void *ctx;
    struct dsc_watcher *of_inputs; /* NULL: nobody wants what the data bring */
    const struct dsc_tensor *mask; /* of the batch, [rows, tokens]; NULL: nothing is padding */
};

static bool is_token(const struct dsc_tensor *mask, int64_t row, int64_t token)
{
    return dsc_tensor_get_i64(mask, row * mask->dim[1] + token) != 0;
}

/* Into `kept`, as large as t, and counted; -1: the tensor is not by token. */
static int64_t keep_tokens(const struct dsc_tensor *mask, const struct dsc_tensor *t, float *kept)
{
    const int64_t rows = mask->dim[0], tokens = mask->dim[1];
    const bool is_flat = t->rank >= 1 && t->dim[0] == rows * tokens;
    const bool is_by_row = t->rank >= 2 && t->dim[0] == rows && t->dim[1] == tokens;
    const bool is_by_head = t->rank == 4 && t->dim[0] == rows && t->dim[2] == tokens;
    const int64_t heads = is_by_head && !is_by_row && !is_flat ? t->dim[1] : 1;
    const int64_t n_lines = rows * heads * tokens;
    const int64_t width = n_lines ? dsc_tensor_n_elems(t) / n_lines : 0;
    int64_t n = 0;

    if (!is_flat && !is_by_row && !is_by_head)
        return -1;
    for (int64_t i = 0; i < n_lines; i++) {
        if (!is_token(mask, i / (heads * tokens), i % tokens))
            continue;
        memcpy(kept + n, (const float *)t->data + i * width, (size_t)width * sizeof(float));
        n += width;
    }
    return n;
}

enum dsc_status dsc_observe_values(struct dsc_kept *k, const struct dsc_tensor *mask,
                                   const struct dsc_tensor *t, const float **x, int64_t *n,
                                   struct dsc_err *err)
{
    const size_t n_elems = (size_t)dsc_tensor_n_elems(t);

    *x = t->data;
    *n = (int64_t)n_elems;
    if (!mask || n_elems == 0)
        return DSC_OK;
    if (n_elems > k->n_max) {
        void *p = dsc_heap_grow(k->data, n_elems, sizeof *k->data, err);

        if (!p)
            return DSC_E_MEMORY;
        k->data = p;
        k->n_max = n_elems;
    }
    *n = keep_tokens(mask, t, k->data);
    if (*n >= 0)
        *x = k->data;
    else
        *n = (int64_t)n_elems;
    return DSC_OK;
}

static struct dsc_layer_input *input_of(const struct dsc_watcher *w, int value)
{
    for (int i = 0; i < w->n_inputs; i++)
        if (w->inputs[i].value == value)
            return &w->inputs[i];
    return NULL;
}

static enum dsc_status watch_value(struct dsc_watcher *w, int value, const struct dsc_tensor *t,
                                   const struct dsc_tensor *mask, struct dsc_err *err)
{
    const char *name = w->g->values[value].name;
    struct dsc_hist *h = w->r ? dsc_ranges_hist(w->r, name) : NULL;
    struct dsc_layer_input *in = input_of(w, value);
    struct dsc_tensor host;
    const float *x;
    int64_t n_x;
    enum dsc_status st;

    if (!h && !in)
        return DSC_OK;
    if (t->dtype != DSC_F32)
        return dsc_fail(err, DSC_E_TYPE, "'%s' is %s, ranges are of f32", name,
                        dsc_dtype_text(t->dtype));
    DSC_TRY(dsc_to_host(&host, t, err));
    st = dsc_observe_values(&w->kept, mask, &host, &x, &n_x, err);
    if (st == DSC_OK && h)
        dsc_hist_add(h, x, n_x, w->dev->pool);
    if (st == DSC_OK && in)
        st = dsc_layer_input_add(w->dev, in, x, n_x / in->k, err);
    dsc_tensor_clear(&host);
    return st;
}

enum dsc_status dsc_watch_node(void *ctx, const struct dsc_node *n,
                               const struct dsc_tensor *const *in, struct dsc_tensor *const *out,
                               const struct dsc_tensor *mask, struct dsc_err *err)
{
    for (int k = 0; k < n->n_out; k++)
        if (out[k])
            DSC_TRY(watch_value(ctx, n->out[k], out[k], mask, err));
    return DSC_OK;
}

static void count_tokens(struct dsc_watcher *w, const struct dsc_textmodel *m,
                         const struct dsc_tensor *ids, const struct dsc_tensor *mask)
{
    const int32_t unk = m->tok ? dsc_tok_info(m->tok).unk_id : -1;

    for (int64_t i = 0; unk >= 0 && i < dsc_tensor_n_elems(ids); i++) {
        if (mask && dsc_tensor_get_i64(mask, i) == 0)
            continue;
        w->tokens.n++;
        w->tokens.n_unknown += dsc_tensor_get_i64(ids, i) == unk;
    }
}

enum dsc_status dsc_watch_feeds(struct dsc_watcher *w, const struct dsc_textmodel *m,
                                const struct dsc_tensor *feeds, const struct dsc_tensor *mask,
                                struct dsc_err *err)
{
    if (m->input[DSC_ROLE_IDS] >= 0)
        count_tokens(w, m, &feeds[m->input[DSC_ROLE_IDS]], mask);
    for (int i = 0; i < w->g->n_inputs; i++)
        if (dsc_tensor_is_present(&feeds[i]))
            DSC_TRY(watch_value(w, w->g->inputs[i], &feeds[i], mask, err));
    return DSC_OK;
}

static enum dsc_status after_node(void *ctx, const struct dsc_node *n,
                                  const struct dsc_tensor *const *in, struct dsc_tensor *const *out,
                                  struct dsc_err *err)
{
    const struct runner *r = ctx;

    return r->see(r->ctx, n, in, out, r->mask, err);
}

static enum dsc_status one_batch(struct runner *r, const int64_t *idx, int64_t n,
                                 struct dsc_err *err)
{
    const struct dsc_run run = {.n_examples = n, .after_node = after_node, .ctx = r};
    const struct dsc_graph *g = dsc_session_graph(r->s);
    const int mask = r->m->input[DSC_ROLE_IDS] < 0 ? -1 : r->m->input[DSC_ROLE_MASK];
    struct dsc_tensor *t = dsc_heap_alloc((size_t)(g->n_inputs + g->n_outputs), sizeof *t, err);
    enum dsc_status st = t ? DSC_OK : DSC_E_MEMORY;

    if (st == DSC_OK)
        st = dsc_textmodel_fill(r->m, r->d, idx, n, t, err);
    r->mask = st == DSC_OK && mask >= 0 && t[mask].rank == 2 ? &t[mask] : NULL;
    if (st == DSC_OK && r->of_inputs)
        st = dsc_watch_feeds(r->of_inputs, r->m, t, r->mask, err);
    if (st == DSC_OK)
        st = dsc_session_run(r->s, &run, t, t + g->n_inputs, err);
    for (int i = 0; t && i < g->n_inputs + g->n_outputs; i++)
        dsc_tensor_clear(&t[i]);
    dsc_heap_free(t);
    return st;
}

static enum dsc_status one_window(struct runner *r, int64_t first, int64_t n, struct dsc_err *err)
{
    int64_t idx[DSC_TEXT_WINDOW];

    DSC_TRY(dsc_textmodel_order(r->m, r->d, first, n, idx, err));
    for (int64_t at = 0; at < n; at += r->batch) {
        const int64_t part = n - at < r->batch ? n - at : r->batch;

        DSC_TRY(dsc_cmd_stopped(r->cmd, err));
        DSC_TRY(one_batch(r, idx + at, part, err));
        dsc_progress_update(r->cmd->progress, first + at + part, NULL, 0);
    }
    return DSC_OK;
}

/* The first n rows of r's data through g. */
static enum dsc_status run_rows(struct runner *r, const struct dsc_graph *g, int64_t n,
                                int64_t batch, struct dsc_device *dev, const char *what,
                                struct dsc_err *err)
{
    struct dsc_progress progress;
    enum dsc_status st = DSC_OK;

    r->batch = dsc_textmodel_batch(r->m, batch);
    DSC_TRY(dsc_session_open(&r->s, g, dev, err));
    dsc_progress_begin(r->cmd, &progress, what, "examples", 0, n);
    for (int64_t at = 0; at < n && st == DSC_OK; at += DSC_TEXT_WINDOW)
        st = one_window(r, at, n - at < DSC_TEXT_WINDOW ? n - at : DSC_TEXT_WINDOW, err);
    dsc_progress_end(r->cmd);
    dsc_session_close(r->s);
    return st;
}

enum dsc_status dsc_observe_nodes(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                                  const struct dsc_graph *g, const struct dsc_dataset *d, int64_t n,
                                  int64_t batch, struct dsc_device *dev, const char *what,
                                  dsc_see_fn *see, void *ctx, struct dsc_err *err)
{
    struct runner r = {.cmd = cmd, .m = m, .d = d, .see = see, .ctx = ctx};

    return run_rows(&r, g, n, batch, dev, what, err);
}

/* Rows through m's graph, under the eyes of w. */
/* A copy of m's graph computes, its weights packed as eval's are: values keep their numbers. */
static enum dsc_status observe(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                               const struct dsc_dataset *d, int64_t n, int64_t batch,
                               struct dsc_device *dev, const char *what, struct dsc_watcher *w,
                               struct dsc_err *err)
{
    struct runner r = {.cmd = cmd, .m = m, .d = d, .see = dsc_watch_node, .ctx = w, .of_inputs = w};
    struct dsc_graph *g = dsc_graph_copy(m->model.graph, err);
    enum dsc_status st = g ? DSC_OK : DSC_E_MEMORY;

    if (st == DSC_OK && dsc_device_has_fused(dev))
        st = dsc_pass_pack_product(g, err);
    w->g = g;
    if (st == DSC_OK)
        st = run_rows(&r, g, n, batch, dev, what, err);
    dsc_heap_free(w->kept.data);
    w->g = m->model.graph;
    dsc_graph_free(g);
    return st;
}

enum dsc_status dsc_observe_run(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                                const struct dsc_dataset *d, int64_t n, int64_t batch,
                                struct dsc_device *dev, struct dsc_ranges *r, struct dsc_err *err)
{
    struct dsc_watcher w = {.r = r, .dev = dev};

    DSC_TRY(observe(cmd, m, d, n, batch, dev, "calibrate", &w, err));
    DSC_TRY(dsc_ranges_check(r, err));
    dsc_calibcheck_ranges(cmd, r, n, w.tokens);
    return DSC_OK;
}

enum dsc_status dsc_observe_inputs(struct dsc_cmd *cmd, const struct dsc_textmodel *m,
                                   const struct dsc_dataset *d, int64_t n_rows, int64_t batch,
                                   struct dsc_device *dev, struct dsc_layer_input *inputs, int n,
                                   struct dsc_err *err)
{
    struct dsc_watcher w = {.inputs = inputs, .n_inputs = n, .dev = dev};

    return observe(cmd, m, d, n_rows, batch, dev, "observe", &w, err);
}

static enum dsc_status check_model(const struct dsc_bundle *b, char model[65], struct dsc_err *err)
{
    const char *of_file = dsc_bundle_meta(b, "model");

    if (!of_file)
        return DSC_OK;
    if (strlen(of_file) != 64)
        return dsc_fail(err, DSC_E_SCHEMA, "'model' of its metadata is no sha256");
    if (!model[0])
        memcpy(model, of_file, 65);
    if (strcmp(model, of_file) == 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_INCONSISTENT,
             "the ranges are of another model (sha256 %.12s.., not %.12s..)", of_file, model);
    return dsc_err_hint(err, "calibrate observes the ranges of a model");
}

enum dsc_status dsc_ranges_read(struct dsc_ranges *r, const char *path, char model[65],
                                struct dsc_err *err)
{
    struct dsc_bundle b = {0};
    enum dsc_status st = dsc_safetensors_read(&b, path, NULL, err);

    if (st == DSC_OK)
        st = check_model(&b, model, err);
    if (st == DSC_OK)
        st = dsc_ranges_from_bundle(r, &b, err);
    dsc_bundle_clear(&b);
    if (st != DSC_OK)
        dsc_err_file(err, path);
    return st;
}

enum dsc_status dsc_ranges_write(const struct dsc_ranges *r, const char *path, const char model[65],
                                 bool may_replace, struct dsc_err *err)
{
    struct dsc_bundle b;
    enum dsc_status st;

    dsc_bundle_init(&b);
    st = dsc_ranges_to_bundle(r, &b, err);
    if (st == DSC_OK)
        st = dsc_bundle_set_meta(&b, "schema", "dscompress.ranges/1", err);
    if (st == DSC_OK && model[0])
        st = dsc_bundle_set_meta(&b, "model", model, err);
    if (st == DSC_OK)
        st = dsc_safetensors_write(&b, path, may_replace, err);
    dsc_bundle_clear(&b);
    return st;
}
