/* What a model says of rows of data. */
#include "dsc/checked.h"
#include "progress.h"
#include "textmodel.h"

#include <inttypes.h>
#include <string.h>

struct predictor {
    const struct dsc_textmodel *m;
    struct dsc_session *s;
    const struct dsc_dataset *d;
    float *logits;
    int64_t n_cols;
};

/* One output for two classes is the logit of the second: the first has the logit 0. */
static bool is_of_two(const struct predictor *p, int64_t n_out)
{
    return n_out == 1 && p->m->ending == DSC_ENDS_IN_LOGITS &&
           (p->d->target == DSC_TARGET_CLASS || p->m->n_labels == 2);
}

static enum dsc_status take_room(struct predictor *p, int64_t n_cols, struct dsc_err *err)
{
    size_t n_elems;

    p->n_cols = n_cols;
    if (!dsc_mul_size(p->d->n, (size_t)n_cols, &n_elems))
        return dsc_fail(err, DSC_E_OVERFLOW, "too many predictions");
    p->logits = dsc_heap_alloc(n_elems, sizeof *p->logits, err);
    return p->logits ? DSC_OK : DSC_E_MEMORY;
}

static enum dsc_status keep_logits(struct predictor *p, const int64_t *idx, int64_t n,
                                   const struct dsc_tensor *out, struct dsc_err *err)
{
    const int64_t n_out = out->rank == 1 ? 1 : out->rank == 2 ? out->dim[1] : 0;
    const int64_t skipped = is_of_two(p, n_out);
    struct dsc_tensor host = {0};
    char text[128];
    enum dsc_status st;

    if (out->dtype != DSC_F32 || n_out < 1 || out->dim[0] != n ||
        (p->logits && n_out + skipped != p->n_cols)) {
        dsc_fail(err, DSC_E_SHAPE, "the output is %s, not f32[rows, classes]",
                 dsc_tensor_text(out, text, sizeof text));
        dsc_err_hint(err, out->rank > 2
                              ? "a model without a head is trained first: dscompress train"
                              : "--logits NAME picks another output");
        return DSC_E_SHAPE;
    }
    if (!p->logits)
        DSC_TRY(take_room(p, n_out + skipped, err));
    st = dsc_to_host(&host, out, err);
    for (int64_t i = 0; st == DSC_OK && i < n; i++) {
        float *row = p->logits + idx[i] * p->n_cols;

        row[0] = 0;
        memcpy(row + skipped, (const float *)host.data + i * n_out, (size_t)n_out * sizeof *row);
    }
    dsc_tensor_clear(&host);
    return st;
}

static enum dsc_status predict_batch(struct predictor *p, const int64_t *idx, int64_t n,
                                     struct dsc_err *err)
{
    const struct dsc_graph *g = dsc_session_graph(p->s);
    const struct dsc_run run = {.n_examples = n};
    struct dsc_tensor *feeds =
        dsc_heap_alloc((size_t)(g->n_inputs + g->n_outputs), sizeof *feeds, err);
    struct dsc_tensor *out = feeds ? feeds + g->n_inputs : NULL;
    enum dsc_status st;

    if (!feeds)
        return DSC_E_MEMORY;
    DSC_TRY_OUT(st, dsc_textmodel_fill(p->m, p->d, idx, n, feeds, err));
    DSC_TRY_OUT(st, dsc_session_run(p->s, &run, feeds, out, err));
    st = keep_logits(p, idx, n, &out[p->m->output], err);
out:
    for (int i = 0; i < g->n_inputs + g->n_outputs; i++)
        dsc_tensor_clear(&feeds[i]);
    dsc_heap_free(feeds);
    return st;
}

static enum dsc_status predict_window(struct predictor *p, struct dsc_cmd *cmd, int64_t first,
                                      int64_t n, int64_t batch, struct dsc_err *err)
{
    int64_t idx[DSC_TEXT_WINDOW];

    DSC_TRY(dsc_textmodel_order(p->m, p->d, first, n, idx, err));
    for (int64_t at = 0; at < n; at += batch) {
        const int64_t part = n - at < batch ? n - at : batch;

        DSC_TRY(dsc_cmd_stopped(cmd, err));
        DSC_TRY(predict_batch(p, idx + at, part, err));
        if (cmd->progress)
            dsc_progress_update(cmd->progress, first + at + part, NULL, 0);
    }
    return DSC_OK;
}

enum dsc_status dsc_textmodel_predict(const struct dsc_textmodel *m, struct dsc_cmd *cmd,
                                      struct dsc_session *s, const struct dsc_dataset *d,
                                      int64_t batch, float **logits, int64_t *n_cols,
                                      struct dsc_err *err)
{
    struct predictor p = {.m = m, .s = s, .d = d};
    enum dsc_status st = DSC_OK;

    batch = dsc_textmodel_batch(m, batch);
    for (int64_t at = 0; at < (int64_t)d->n && st == DSC_OK; at += DSC_TEXT_WINDOW) {
        const int64_t left = (int64_t)d->n - at;

        st = predict_window(&p, cmd, at, left < DSC_TEXT_WINDOW ? left : DSC_TEXT_WINDOW, batch,
                            err);
    }
    if (st != DSC_OK) {
        dsc_heap_free(p.logits);
        return dsc_textmodel_hint_length(m, err);
    }
    *logits = p.logits;
    *n_cols = p.n_cols;
    return DSC_OK;
}

static enum dsc_status judge_values(const struct dsc_dataset *d, const float *logits,
                                    int64_t n_cols, struct dsc_arena *arena,
                                    struct dsc_predictions *p, struct dsc_err *err)
{
    double *value;

    if (n_cols != 1)
        return dsc_fail(err, DSC_E_SHAPE, "%" PRId64 " outputs where a value is to be predicted",
                        n_cols);
    DSC_NEW(value, arena, d->n, err);
    for (size_t i = 0; i < d->n; i++)
        value[i] = (double)logits[i];
    p->target = d->value;
    p->value = value;
    return DSC_OK;
}

/* What a model says of one row in probabilities: of all classes, or of the second of two. */
static enum dsc_status read_probs(const float *out, int64_t n_out, int32_t *y_pred, double *prob,
                                  struct dsc_err *err)
{
    const int64_t first = n_out == 1;
    double sum = 0;

    for (int64_t c = 0; c < n_out; c++) {
        prob[first + c] = (double)out[c];
        if (!(out[c] >= 0 && out[c] <= 1))
            return dsc_fail(err, DSC_E_NONFINITE, "%g is no probability", (double)out[c]);
    }
    if (first)
        prob[0] = 1 - prob[1];
    *y_pred = 0;
    for (int32_t c = 0; c < (int32_t)(first + n_out); c++) {
        sum += prob[c];
        *y_pred = prob[c] > prob[*y_pred] ? c : *y_pred;
    }
    for (int64_t c = 0; c < first + n_out; c++)
        prob[c] /= sum; /* they are f32 */
    return DSC_OK;
}

static enum dsc_status judge_row(const struct dsc_textmodel *m, const float *out, int64_t n_out,
                                 int32_t *y_pred, double *prob, struct dsc_err *err)
{
    if (m->ending == DSC_ENDS_IN_LOGITS)
        return dsc_predict_row(out, (int32_t)n_out, y_pred, prob, err);
    return read_probs(out, n_out, y_pred, prob, err);
}

enum dsc_status dsc_textmodel_judge(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                    const float *logits, int64_t n_cols, struct dsc_arena *arena,
                                    struct dsc_predictions *p, struct dsc_err *err)
{
    const size_t n_labels = m->n_labels ? m->n_labels : d->n_labels;
    const bool is_probability = m->ending == DSC_ENDS_IN_SIGMOID;
    const int64_t n_classes = is_probability && n_cols == 1 ? 2 : n_cols;
    int32_t *y_pred;
    double *prob;

    *p = (struct dsc_predictions){.n = d->n, .positive = -1};
    if (d->target == DSC_TARGET_VALUE)
        return judge_values(d, logits, n_cols, arena, p, err);
    if (is_probability && n_cols > 1)
        return dsc_fail(err, DSC_E_UNSUPPORTED,
                        "the model ends in a Sigmoid for each of %" PRId64
                        " classes: only classes that exclude each other are scored",
                        n_cols);
    if (m->n_labels ? (int64_t)n_labels != n_classes : (int64_t)n_labels > n_classes)
        return dsc_fail(err, DSC_E_INCONSISTENT, "the model has %" PRId64 " logits and %zu labels",
                        n_classes, n_labels);
    p->n_classes = (int32_t)n_classes;
    DSC_TRY(dsc_positive_class(m->n_labels ? m->labels : d->label_names, n_labels, m->positive,
                               &p->positive, err));
    DSC_NEW(y_pred, arena, d->n, err);
    DSC_NEW(prob, arena, d->n * (size_t)n_classes, err);
    for (size_t i = 0; i < d->n; i++)
        if (judge_row(m, logits + (int64_t)i * n_cols, n_cols, &y_pred[i],
                      prob + (int64_t)i * n_classes, err) != DSC_OK)
            return dsc_err_where(err, "row %" PRId64, d->row[i]);
    p->y_true = d->label;
    p->y_pred = y_pred;
    p->prob = prob;
    return DSC_OK;
}

enum dsc_status dsc_textmodel_logits(const struct dsc_textmodel *m, const struct dsc_graph *g,
                                     struct dsc_cmd *cmd, const char *what, struct dsc_device *dev,
                                     const struct dsc_dataset *d, int64_t batch, float **logits,
                                     int64_t *n_cols, struct dsc_err *err)
{
    struct dsc_textmodel copy = *m;
    struct dsc_progress progress;
    struct dsc_session *s;
    enum dsc_status st;

    copy.model.graph = dsc_graph_copy(g, err);
    if (!copy.model.graph)
        return DSC_E_MEMORY;
    st = dsc_textmodel_to_inference(&copy, dev, err);
    if (st == DSC_OK)
        st = dsc_session_open(&s, copy.model.graph, dev, err);
    if (st == DSC_OK) {
        if (what)
            dsc_progress_begin(cmd, &progress, what, "examples", 0, (int64_t)d->n);
        st = dsc_textmodel_predict(&copy, cmd, s, d, batch, logits, n_cols, err);
        if (what)
            dsc_progress_end(cmd);
        dsc_session_close(s);
    }
    dsc_graph_free(copy.model.graph);
    return st;
}
