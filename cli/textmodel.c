/* Models that read text: opening, batches, predictions. */
#include "textmodel.h"

#include "dsc/checked.h"
#include "dsc/io.h"
#include "dsc/pass.h"
#include "formats_props.h"
#include "inputs.h"
#include "models.h"
#include "output.h"
#include "progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MAX_LENGTH = 512 };

/* What exporters call these inputs. */
static const struct {
    const char *role;
    const char *names[4];
} role_rows[DSC_N_ROLES] = {
    [DSC_ROLE_IDS] = {"ids", {"input_ids", "ids", "input", "tokens"}},
    [DSC_ROLE_MASK] = {"mask", {"attention_mask", "mask", "input_mask", NULL}},
    [DSC_ROLE_TYPES] = {"types", {"token_type_ids", "segment_ids", "type_ids", NULL}},
};

static int find_input(const struct dsc_graph *g, const char *name)
{
    for (int i = 0; i < g->n_inputs; i++)
        if (strcmp(g->values[g->inputs[i]].name, name) == 0)
            return i;
    return -1;
}

static int find_role(const struct dsc_graph *g, enum dsc_role role)
{
    for (int k = 0; k < 4 && role_rows[role].names[k]; k++) {
        const int i = find_input(g, role_rows[role].names[k]);

        if (i >= 0)
            return i;
    }
    return -1;
}

static enum dsc_status fail_names(const struct dsc_graph *g, bool is_input, const char *what,
                                  struct dsc_err *err)
{
    const int n = is_input ? g->n_inputs : g->n_outputs;
    char list[256] = "";
    size_t at = 0;

    for (int i = 0; i < n && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "",
                               g->values[is_input ? g->inputs[i] : g->outputs[i]].name);
    dsc_fail(err, DSC_E_SCHEMA, "%s; the graph has %s", what, list);
    dsc_err_hint(err, is_input ? "say it with --inputs ids=NAME,mask=NAME,types=NAME"
                               : "say it with --logits NAME");
    return DSC_E_SCHEMA;
}

/* --inputs ids=a,mask=b: what was said replaces what was guessed. */
static enum dsc_status read_roles(struct dsc_textmodel *m, struct dsc_cmd *cmd, struct dsc_err *err)
{
    const struct dsc_graph *g = m->model.graph;
    int n_items;
    const char *const *items = dsc_opt_items(cmd, DSC_OPT_input_roles, &n_items);

    for (int r = 0; r < DSC_N_ROLES; r++)
        m->input[r] = find_role(g, (enum dsc_role)r);
    for (int i = 0; i < n_items; i++) {
        char key[32];
        const char *value;
        int role = -1;

        if (dsc_opt_pair(items[i], key, sizeof key, &value))
            for (int r = 0; r < DSC_N_ROLES; r++)
                role = strcmp(role_rows[r].role, key) == 0 ? r : role;
        if (role < 0)
            return dsc_fail(err, DSC_E_USAGE, "--inputs takes ids=, mask=, types=, not '%s'",
                            items[i]);
        m->input[role] = find_input(g, value);
        if (m->input[role] < 0)
            return fail_names(g, true, "there is no such input", err);
    }
    return m->input[DSC_ROLE_IDS] < 0 ? fail_names(g, true, "no input takes token ids", err)
                                      : DSC_OK;
}

/* Every input must have a role: feeding one with zeros in silence would be a wrong answer. */
static enum dsc_status check_inputs(const struct dsc_textmodel *m, struct dsc_err *err)
{
    const struct dsc_graph *g = m->model.graph;

    for (int i = 0; i < g->n_inputs; i++) {
        const struct dsc_value *v = &g->values[g->inputs[i]];
        bool has_role = dsc_tensor_is_present(&v->init);

        for (int r = 0; r < DSC_N_ROLES; r++)
            has_role |= m->input[r] == i;
        if (!has_role)
            return fail_names(g, true, "an input has no known role", err);
        if (!dsc_tensor_is_present(&v->init) && v->type.dtype != DSC_I64 &&
            v->type.dtype != DSC_I32)
            return dsc_fail(err, DSC_E_TYPE, "input '%s' is %s, not i64 or i32", v->name,
                            dsc_dtype_text(v->type.dtype));
    }
    return DSC_OK;
}

static enum dsc_status read_output(struct dsc_textmodel *m, struct dsc_cmd *cmd,
                                   struct dsc_err *err)
{
    const struct dsc_graph *g = m->model.graph;
    const char *name = dsc_opt_text(cmd, DSC_OPT_logits);

    if (!name && g->n_outputs == 1) {
        m->output = 0;
        return DSC_OK;
    }
    m->output = -1;
    for (int i = 0; i < g->n_outputs; i++)
        if (strcmp(g->values[g->outputs[i]].name, name ? name : "logits") == 0)
            m->output = i;
    if (m->output < 0 && !name) /* a base encoder: the token vectors */
        for (int i = 0; i < g->n_outputs; i++)
            if (strcmp(g->values[g->outputs[i]].name, "last_hidden_state") == 0)
                m->output = i;
    return m->output < 0 ? fail_names(g, false, "the output with the logits is not known", err)
                         : DSC_OK;
}

static void record_tokenizer(const struct dsc_textmodel *m, struct dsc_cmd *cmd)
{
    struct dsc_sha256 h;
    char hex[65];
    size_t n_bytes;
    const char *json = dsc_tok_json(m->tok, &n_bytes);

    dsc_sha256_init(&h);
    dsc_sha256_add(&h, json, n_bytes);
    dsc_sha256_hex(&h, hex);
    dsc_provenance_input(cmd, "tokenizer", hex);
}

static enum dsc_status open_tokenizer(struct dsc_textmodel *m, struct dsc_cmd *cmd,
                                      struct dsc_err *err)
{
    const char *file = dsc_opt_text(cmd, DSC_OPT_tokenizer);
    const char *json = dsc_graph_prop(m->model.graph, DSC_PROP_TOKENIZER);

    if (file) {
        DSC_TRY(dsc_tok_open_file(&m->tok, file, err));
        record_tokenizer(m, cmd);
        return DSC_OK;
    }
    if (json)
        return dsc_tok_open_json(&m->tok, json, strlen(json), NULL, 0, err);
    dsc_fail(err, DSC_E_SCHEMA, "the model carries no tokenizer");
    dsc_err_hint(err, "give one with --tokenizer tokenizer.json or vocab.txt");
    return DSC_E_SCHEMA;
}

static int32_t length_of(struct dsc_textmodel *m, struct dsc_cmd *cmd)
{
    const char *stored = dsc_graph_prop(m->model.graph, DSC_PROP_MAX_LENGTH);
    const long v = stored ? strtol(stored, NULL, 10) : 0;

    if (dsc_opt_is_set(cmd, DSC_OPT_max_length))
        return (int32_t)dsc_opt_int(cmd, DSC_OPT_max_length);
    if (v > 0 && v <= 1000000)
        return (int32_t)v;
    return DEFAULT_MAX_LENGTH;
}

enum dsc_status dsc_textmodel_open(struct dsc_textmodel *m, struct dsc_cmd *cmd, const char *path,
                                   struct dsc_err *err)
{
    enum dsc_status st;

    m->path = path;
    DSC_TRY(dsc_cmd_model(cmd, path, &m->model, err));
    DSC_TRY_OUT(st, open_tokenizer(m, cmd, err));
    m->max_length = length_of(m, cmd);
    m->pad_to = dsc_opt_int(cmd, DSC_OPT_pad_to);
    DSC_TRY_OUT(st, read_roles(m, cmd, err));
    DSC_TRY_OUT(st, check_inputs(m, err));
    DSC_TRY_OUT(st, read_output(m, cmd, err));
    m->positive = dsc_graph_prop(m->model.graph, DSC_PROP_POSITIVE);
    if (dsc_opt_is_set(cmd, DSC_OPT_positive))
        m->positive = dsc_opt_text(cmd, DSC_OPT_positive);
    DSC_TRY_OUT(st, dsc_props_labels(m->model.graph, cmd->arena, &m->labels, &m->n_labels, err));
    return DSC_OK;
out:
    dsc_err_file(err, path);
    dsc_textmodel_close(m);
    return st;
}

void dsc_textmodel_close(struct dsc_textmodel *m)
{
    dsc_tok_close(m->tok);
    m->tok = NULL;
    dsc_model_close(&m->model);
}

enum dsc_status dsc_textmodel_to_inference(struct dsc_textmodel *m, struct dsc_err *err)
{
    if (dsc_pass_inference(m->model.graph, &m->n_int, err) == DSC_OK)
        return DSC_OK;
    return dsc_err_file(err, m->path);
}

enum dsc_status dsc_textmodel_store(struct dsc_textmodel *m, struct dsc_err *err)
{
    struct dsc_graph *g = m->model.graph;
    char text[32];
    size_t n_bytes;

    DSC_TRY(dsc_graph_set_prop(g, DSC_PROP_TOKENIZER, dsc_tok_json(m->tok, &n_bytes), err));
    snprintf(text, sizeof text, "%d", (int)m->max_length);
    DSC_TRY(dsc_graph_set_prop(g, DSC_PROP_MAX_LENGTH, text, err));
    if (m->positive)
        DSC_TRY(dsc_graph_set_prop(g, DSC_PROP_POSITIVE, m->positive, err));
    return m->n_labels ? dsc_props_set_labels(g, m->labels, m->n_labels, err) : DSC_OK;
}

enum dsc_status dsc_textmodel_data(struct dsc_textmodel *m, struct dsc_cmd *cmd, const char *path,
                                   enum dsc_part part, bool needs_label, struct dsc_dataset *d,
                                   struct dsc_err *err)
{
    struct dsc_data_spec spec;

    DSC_TRY(dsc_cmd_data_spec(cmd, &spec, err));
    if (spec.split.train + spec.split.dev + spec.split.test > 0 && part != DSC_PART_ALL)
        spec.part = part;
    spec.labels = m->n_labels ? m->labels : NULL;
    spec.n_labels = m->n_labels;
    spec.needs_label = needs_label;
    return dsc_data_read(d, path, &spec, cmd->arena, err);
}

/* ---- batches ---- */

static enum dsc_status encode_row(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                  int64_t row, struct dsc_tok_enc *enc, struct dsc_err *err)
{
    const struct dsc_tok_in in = {
        .text = d->text[row].data,
        .n_text_bytes = d->text[row].n_bytes,
        .pair = d->text_b ? d->text_b[row].data : NULL,
        .n_pair_bytes = d->text_b ? d->text_b[row].n_bytes : 0,
        .max_length = m->max_length,
    };

    if (dsc_tok_encode(m->tok, &in, enc, err) == DSC_OK)
        return DSC_OK;
    return d->row
               ? dsc_err_where(err, "row %" PRId64, d->row[row]) /* a sentence of ours has none */
               : dsc_err_where(err, "text '%.*s'", (int)in.n_text_bytes, in.text);
}

static void put(struct dsc_tensor *t, int64_t at, int64_t v)
{
    if (t->dtype == DSC_I64)
        ((int64_t *)t->data)[at] = v;
    else
        ((int32_t *)t->data)[at] = (int32_t)v;
}

static void put_row(const struct dsc_textmodel *m, struct dsc_tensor *feeds, int64_t line,
                    int64_t width, const struct dsc_tok_enc *enc)
{
    for (int r = 0; r < DSC_N_ROLES; r++) {
        const int64_t *src = r == DSC_ROLE_IDS    ? enc->ids
                             : r == DSC_ROLE_MASK ? enc->mask
                                                  : enc->type_ids;

        for (int64_t i = 0; m->input[r] >= 0 && i < width; i++)
            put(&feeds[m->input[r]], line * width + i, src[i]);
    }
}

/* The longest row's width, brought to a bucket: a model then sees few different shapes. */
static size_t padded_width(const struct dsc_textmodel *m, size_t longest)
{
    const size_t step = (size_t)m->pad_to, top = (size_t)m->max_length;
    const size_t width = (longest + step - 1) / step * step;

    return width <= top ? width : longest < top ? top : longest;
}

/* Encodings of one batch, kept until the longest is known. */
static enum dsc_status encode_rows(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                   const int64_t *idx, int64_t n, struct dsc_tok_enc *enc,
                                   size_t *longest, struct dsc_err *err)
{
    *longest = 1;
    for (int64_t i = 0; i < n; i++) {
        DSC_TRY(encode_row(m, d, idx[i], &enc[i], err));
        *longest = enc[i].n > *longest ? enc[i].n : *longest;
    }
    *longest = padded_width(m, *longest);
    return DSC_OK;
}

enum dsc_status dsc_textmodel_fill(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                   const int64_t *idx, int64_t n, struct dsc_tensor *feeds,
                                   struct dsc_err *err)
{
    const struct dsc_graph *g = m->model.graph;
    struct dsc_tok_enc *enc = dsc_heap_alloc((size_t)n, sizeof *enc, err);
    size_t longest;
    enum dsc_status st;

    if (!enc)
        return DSC_E_MEMORY;
    DSC_TRY_OUT(st, encode_rows(m, d, idx, n, enc, &longest, err));
    for (int r = 0; r < DSC_N_ROLES; r++)
        if (m->input[r] >= 0)
            DSC_TRY_OUT(st, dsc_tensor_new(&feeds[m->input[r]],
                                           g->values[g->inputs[m->input[r]]].type.dtype, 2,
                                           (int64_t[]){n, (int64_t)longest}, err));
    for (int64_t i = 0; i < n; i++) {
        DSC_TRY_OUT(st, dsc_tok_pad(m->tok, &enc[i], longest, err));
        put_row(m, feeds, i, (int64_t)longest, &enc[i]);
    }
out:
    for (int64_t i = 0; i < n; i++)
        dsc_tok_enc_clear(&enc[i]);
    dsc_heap_free(enc);
    return st;
}

/* ---- predictions ---- */

struct by_length {
    int64_t row;
    size_t n_ids;
};

static int compare_length(const void *a, const void *b)
{
    const struct by_length *x = a, *y = b;

    if (x->n_ids != y->n_ids)
        return x->n_ids < y->n_ids ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

enum dsc_status dsc_textmodel_order(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                    int64_t first, int64_t n, int64_t *idx, struct dsc_err *err)
{
    struct by_length *order = dsc_heap_alloc((size_t)n, sizeof *order, err);
    struct dsc_tok_enc enc = {0};
    enum dsc_status st = order ? DSC_OK : DSC_E_MEMORY;

    for (int64_t i = 0; i < n && st == DSC_OK; i++) {
        st = encode_row(m, d, first + i, &enc, err);
        order[i] = (struct by_length){first + i, enc.n};
    }
    if (st == DSC_OK)
        qsort(order, (size_t)n, sizeof *order, compare_length);
    for (int64_t i = 0; i < n && st == DSC_OK; i++)
        idx[i] = order[i].row;
    dsc_tok_enc_clear(&enc);
    dsc_heap_free(order);
    return st;
}

struct predictor {
    const struct dsc_textmodel *m;
    struct dsc_session *s;
    const struct dsc_dataset *d;
    float *logits;
    int64_t n_cols;
};

static enum dsc_status keep_logits(struct predictor *p, const int64_t *idx, int64_t n,
                                   const struct dsc_tensor *out, struct dsc_err *err)
{
    struct dsc_tensor host = {0};
    char text[128];
    enum dsc_status st = DSC_OK;

    if (out->dtype != DSC_F32 || out->rank != 2 || out->dim[0] != n ||
        (p->logits && out->dim[1] != p->n_cols)) {
        dsc_fail(err, DSC_E_SHAPE, "the output is %s, not f32[rows, classes]",
                 dsc_tensor_text(out, text, sizeof text));
        dsc_err_hint(err, "a model without a head is trained first: dscompress train");
        return DSC_E_SHAPE;
    }
    if (!p->logits) {
        size_t n_elems;

        p->n_cols = out->dim[1];
        if (!dsc_mul_size(p->d->n, (size_t)p->n_cols, &n_elems))
            return dsc_fail(err, DSC_E_OVERFLOW, "too many predictions");
        p->logits = dsc_heap_alloc(n_elems, sizeof *p->logits, err);
        if (!p->logits)
            return DSC_E_MEMORY;
    }
    st = dsc_to_host(&host, out, err);
    for (int64_t i = 0; st == DSC_OK && i < n; i++)
        memcpy(p->logits + idx[i] * p->n_cols, (const float *)host.data + i * p->n_cols,
               (size_t)p->n_cols * sizeof(float));
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

    for (int64_t at = 0; at < (int64_t)d->n && st == DSC_OK; at += DSC_TEXT_WINDOW) {
        const int64_t left = (int64_t)d->n - at;

        st = predict_window(&p, cmd, at, left < DSC_TEXT_WINDOW ? left : DSC_TEXT_WINDOW, batch,
                            err);
    }
    if (st != DSC_OK) {
        dsc_heap_free(p.logits);
        return st;
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

enum dsc_status dsc_textmodel_judge(const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                    const float *logits, int64_t n_cols, struct dsc_arena *arena,
                                    struct dsc_predictions *p, struct dsc_err *err)
{
    int32_t *y_pred;
    double *prob;

    *p = (struct dsc_predictions){.n = d->n, .positive = -1};
    if (d->target == DSC_TARGET_VALUE)
        return judge_values(d, logits, n_cols, arena, p, err);
    if (m->n_labels && (int64_t)m->n_labels != n_cols)
        return dsc_fail(err, DSC_E_INCONSISTENT, "the model has %" PRId64 " logits and %zu labels",
                        n_cols, m->n_labels);
    p->n_classes = (int32_t)n_cols;
    DSC_TRY(dsc_positive_class(m->labels, m->n_labels, m->positive, &p->positive, err));
    DSC_NEW(y_pred, arena, d->n, err);
    DSC_NEW(prob, arena, d->n * (size_t)n_cols, err);
    for (size_t i = 0; i < d->n; i++)
        if (dsc_predict_row(logits + (int64_t)i * n_cols, p->n_classes, &y_pred[i],
                            prob + (int64_t)i * n_cols, err) != DSC_OK)
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
    st = dsc_textmodel_to_inference(&copy, err);
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

enum dsc_status dsc_textmodel_share_labels(struct dsc_textmodel *a, struct dsc_textmodel *b,
                                           struct dsc_err *err)
{
    bool is_same = a->n_labels == b->n_labels;

    for (size_t i = 0; is_same && i < a->n_labels; i++)
        is_same = strcmp(a->labels[i], b->labels[i]) == 0;
    if (!is_same && a->n_labels && b->n_labels) {
        dsc_fail(err, DSC_E_INCONSISTENT, "candidate and baseline have other labels");
        return dsc_err_file(err, a->path);
    }
    if (a->n_labels == 0) {
        a->labels = b->labels;
        a->n_labels = b->n_labels;
    } else if (b->n_labels == 0) {
        b->labels = a->labels;
        b->n_labels = a->n_labels;
    }
    a->positive = a->positive ? a->positive : b->positive;
    b->positive = b->positive ? b->positive : a->positive;
    return DSC_OK;
}
