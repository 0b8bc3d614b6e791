/*
 * The teacher beside the student: its values inside, for the terms of distillation. It runs on the
 * rows of each batch, by its own tokenizer; what it says is brought to the student's padding.
 */
#include "dsc/pass.h"
#include "dsc/prune.h"
#include "teacher.h"

#include <inttypes.h>
#include <string.h>

/**
 * plain     the teacher's graph that values were found in; run: it with outputs for them, rewritten
 * is_alike  [n_rows] a row is cut alike by both tokenizers; NULL: all are
 */
struct dsc_teacher_taps {
    struct dsc_dterms terms;
    struct dsc_encoder student, teacher;
    struct dsc_graph *plain;
    struct dsc_textmodel run;
    struct dsc_session *session;
    bool *is_alike;
};

enum dsc_status dsc_teacher_read_terms(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                       struct dsc_err *err)
{
    int n;
    const char *const *items = dsc_opt_items(cmd, DSC_OPT_terms, &n);
    struct dsc_teacher_taps *taps;

    if (n == 0)
        return DSC_OK;
    DSC_NEW(taps, cmd->arena, 1, err);
    DSC_NEW(taps->terms.specs, cmd->arena, n, err);
    for (; taps->terms.n < n; taps->terms.n++)
        if (dsc_dterm_parse(items[taps->terms.n], cmd->arena, &taps->terms.specs[taps->terms.n],
                            err) != DSC_OK)
            return dsc_err_where(err, "--term %s", items[taps->terms.n]);
    taps->terms.seed = (uint64_t)dsc_opt_int(cmd, DSC_OPT_seed);
    t->taps = taps;
    t->distill.terms = &taps->terms;
    return DSC_OK;
}

static void close_run(struct dsc_teacher_taps *taps)
{
    dsc_session_close(taps->session);
    dsc_graph_free(taps->run.model.graph);
    dsc_graph_free(taps->plain);
    taps->session = NULL;
    taps->run.model.graph = NULL;
    taps->plain = NULL;
}

void dsc_teacher_close_taps(struct dsc_teacher *t)
{
    if (!t->taps)
        return;
    close_run(t->taps);
    dsc_heap_free(t->taps->is_alike);
    t->taps->is_alike = NULL;
}

/* ---- what is compared ---- */

static enum dsc_status find_teacher(struct dsc_teacher_taps *taps,
                                    const struct dsc_teacher_model *one, struct dsc_arena *arena,
                                    struct dsc_err *err)
{
    taps->plain = dsc_graph_copy(one->m.model.graph, err);
    if (!taps->plain)
        return err->status;
    DSC_TRY(dsc_textmodel_bare_logits(&one->m, taps->plain, err));
    DSC_TRY(dsc_pass_strip_dropout(taps->plain, err));
    DSC_TRY(dsc_prune_learn_sizes(taps->plain, err));
    return dsc_encoder_find(taps->plain, one->m.output, arena, &taps->teacher, err);
}

static enum dsc_status open_run(struct dsc_teacher_taps *taps, const struct dsc_teacher_model *one,
                                struct dsc_device *dev, struct dsc_err *err)
{
    taps->run = one->m;
    taps->run.model.graph = dsc_graph_copy(taps->plain, err);
    if (!taps->run.model.graph)
        return err->status;
    DSC_TRY(dsc_dterms_tap(&taps->terms, taps->run.model.graph, err));
    DSC_TRY(dsc_textmodel_to_inference(&taps->run, dev, err));
    return dsc_session_open(&taps->session, taps->run.model.graph, dev, err);
}

static void tell_layers(const struct dsc_dterms *t, const struct dsc_log *log)
{
    for (int i = 0; i < t->n; i++) {
        const struct dsc_dterm_spec *s = &t->specs[i];

        if (s->term->map == DSC_LAYERS_NONE)
            dsc_log_printf(log, DSC_LOG_INFO, "term %s: features", s->term->name);
        for (int k = 0; s->term->map != DSC_LAYERS_NONE && k < s->n_pairs; k++)
            dsc_log_printf(log, DSC_LOG_INFO, "term %s: layer %d learns from the teacher's %d",
                           s->term->name, s->pairs[k][0], s->pairs[k][1]);
    }
}

enum dsc_status dsc_teacher_tap(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                const struct dsc_textmodel *m, struct dsc_graph *student,
                                int64_t n_rows, struct dsc_device *dev, struct dsc_err *err)
{
    struct dsc_teacher_taps *taps = t->taps;

    if (!taps)
        return DSC_OK;
    close_run(taps);
    DSC_TRY(dsc_prune_learn_sizes(student, err));
    DSC_TRY(dsc_encoder_find(student, m->output, cmd->arena, &taps->student, err));
    if (find_teacher(taps, &t->models[0], cmd->arena, err) != DSC_OK)
        return dsc_err_file(err, t->models[0].path);
    taps->terms.student = &taps->student;
    taps->terms.teacher = &taps->teacher;
    taps->terms.teacher_graph = taps->plain;
    taps->terms.n_rows = n_rows;
    DSC_TRY(dsc_dterms_plan(&taps->terms, cmd->arena, err));
    tell_layers(&taps->terms, &cmd->log);
    return open_run(taps, &t->models[0], dev, err);
}

static bool compares_tokens(const struct dsc_dterms *t)
{
    for (int i = 0; i < t->n; i++)
        if (t->specs[i].term->has_tokens && !t->specs[i].term->is_of_first_token)
            return true;
    return false;
}

static bool same_tokenizer(const struct dsc_textmodel *a, const struct dsc_textmodel *b)
{
    size_t n[2];
    const char *x = dsc_tok_json(a->tok, &n[0]), *y = dsc_tok_json(b->tok, &n[1]);

    return a->max_length == b->max_length && n[0] == n[1] && memcmp(x, y, n[0]) == 0;
}

enum dsc_status dsc_teacher_align(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                  const struct dsc_textmodel *m, const struct dsc_dataset *d,
                                  struct dsc_err *err)
{
    struct dsc_teacher_taps *taps = t->taps;
    size_t n = 0;

    if (!taps || taps->is_alike || !compares_tokens(&taps->terms) || d->arrays ||
        same_tokenizer(m, &taps->run))
        return DSC_OK;
    taps->is_alike = dsc_heap_alloc(d->n, sizeof *taps->is_alike, err);
    if (!taps->is_alike)
        return DSC_E_MEMORY;
    for (size_t i = 0; i < d->n; i++) {
        DSC_TRY(dsc_cmd_stopped(cmd, err));
        DSC_TRY(dsc_textmodel_cut_alike(m, &taps->run, d, (int64_t)i, &taps->is_alike[i], err));
        n += taps->is_alike[i];
    }
    if (n == 0) {
        dsc_fail(err, DSC_E_INCONSISTENT,
                 "teacher and student cut no row into the same tokens: terms on tokens have none");
        return dsc_err_hint(err, "pkd, rkd and crd compare whole rows");
    }
    dsc_log_printf(
        &cmd->log, DSC_LOG_INFO,
        "terms on tokens see %zu of %zu rows, which both models cut into the same tokens", n, d->n);
    return DSC_OK;
}

/* ---- a batch ---- */

/* The student's padding: of axis `axis` the first n elements, zeros where there are fewer. */
static enum dsc_status fit_axis(struct dsc_tensor *t, int axis, int64_t n, struct dsc_err *err)
{
    int64_t dim[DSC_MAX_RANK], outer = 1;
    struct dsc_tensor to;
    size_t inner = dsc_dtype_bytes(t->dtype, 1);
    const int64_t kept = t->dim[axis] < n ? t->dim[axis] : n;

    if (t->dim[axis] == n)
        return DSC_OK;
    memcpy(dim, t->dim, sizeof dim);
    for (int k = 0; k < axis; k++)
        outer *= dim[k];
    for (int k = axis + 1; k < t->rank; k++)
        inner *= (size_t)dim[k];
    dim[axis] = n;
    DSC_TRY(dsc_tensor_new(&to, t->dtype, t->rank, dim, err));
    for (int64_t i = 0; i < outer; i++)
        memcpy((char *)to.data + (size_t)(i * n) * inner,
               (const char *)t->data + (size_t)(i * t->dim[axis]) * inner, (size_t)kept * inner);
    dsc_tensor_clear(t);
    *t = to;
    return DSC_OK;
}

/* What a tap says, on the host, as the student's graph takes it. */
static enum dsc_status fit(const struct dsc_tensor *from, enum dsc_tap tap, int64_t n,
                           int64_t width, struct dsc_tensor *to, struct dsc_err *err)
{
    DSC_TRY(dsc_to_host(to, from, err));
    if (tap == DSC_TAP_FEATURES)
        return DSC_OK;
    if (tap == DSC_TAP_HIDDEN && to->rank == 2) {
        to->dim[2] = to->dim[1];
        to->dim[1] = to->dim[0] / n;
        to->dim[0] = n;
        to->rank = 3;
    }
    DSC_TRY(fit_axis(to, to->rank - 2, width, err));
    return tap == DSC_TAP_PROBS ? fit_axis(to, 3, width, err) : DSC_OK;
}

static enum dsc_status run_teacher(const struct dsc_teacher_taps *taps, const struct dsc_dataset *d,
                                   const int64_t *idx, int64_t n, int64_t width,
                                   struct dsc_tensor *feeds, struct dsc_err *err)
{
    const struct dsc_graph *g = taps->run.model.graph;
    const struct dsc_run run = {.n_examples = n};
    struct dsc_tensor *in = dsc_heap_alloc((size_t)(g->n_inputs + g->n_outputs), sizeof *in, err);
    struct dsc_tensor *out = in ? in + g->n_inputs : NULL;
    enum dsc_status st;

    if (!in)
        return DSC_E_MEMORY;
    DSC_TRY_OUT(st, dsc_textmodel_fill(&taps->run, d, idx, n, in, err));
    DSC_TRY_OUT(st, dsc_session_run(taps->session, &run, in, out, err));
    for (int i = 0; i < taps->terms.n_feeds; i++) {
        const struct dsc_dterm_feed *f = &taps->terms.feeds[i];

        DSC_TRY_OUT(st, fit(&out[f->output], f->tap, n, width, &feeds[f->input], err));
    }
out:
    for (int i = 0; i < g->n_inputs + g->n_outputs; i++)
        dsc_tensor_clear(&in[i]);
    dsc_heap_free(in);
    return st == DSC_OK ? DSC_OK : dsc_err_file(err, taps->run.path);
}

/* 1 / n for the n tokens of a row that both cut alike. */
static enum dsc_status fill_tokens(const struct dsc_teacher_taps *taps,
                                   const struct dsc_textmodel *m, const int64_t *idx, int64_t n,
                                   int64_t width, struct dsc_tensor *feeds, struct dsc_err *err)
{
    const int role = m->input[DSC_ROLE_MASK];
    const struct dsc_tensor *mask = role >= 0 ? &feeds[role] : NULL;
    struct dsc_tensor *t = &feeds[taps->terms.tokens];

    DSC_TRY(dsc_tensor_new(t, DSC_F32, 2, (int64_t[]){n, width}, err));
    for (int64_t i = 0; i < n; i++) {
        int64_t n_tokens = 0;

        if (taps->is_alike && !taps->is_alike[idx[i]])
            continue;
        for (int64_t k = i * width; k < (i + 1) * width; k++)
            n_tokens += !mask || dsc_tensor_get_i64(mask, k) != 0;
        for (int64_t k = i * width; k < (i + 1) * width; k++)
            if (!mask || dsc_tensor_get_i64(mask, k) != 0)
                dsc_tensor_set_f64(t, k, 1.0 / (double)n_tokens);
    }
    return DSC_OK;
}

static enum dsc_status fill_others(const struct dsc_teacher_taps *taps, int64_t n,
                                   struct dsc_tensor *feeds, struct dsc_err *err)
{
    struct dsc_tensor *t = &feeds[taps->terms.others];

    DSC_TRY(dsc_tensor_new(t, DSC_F32, 2, (int64_t[]){n, n}, err));
    for (int64_t i = 0; i < n * n; i++)
        dsc_tensor_set_f64(t, i, i / n != i % n);
    return DSC_OK;
}

enum dsc_status dsc_teacher_fill(const struct dsc_teacher *t, const struct dsc_textmodel *m,
                                 const struct dsc_dataset *d, const int64_t *idx, int64_t n,
                                 struct dsc_tensor *feeds, struct dsc_err *err)
{
    const struct dsc_teacher_taps *taps = t->taps;
    const int role = m->input[DSC_ROLE_IDS];
    int64_t width = 0;

    if (!taps)
        return DSC_OK;
    if (taps->terms.tokens >= 0) {
        if (role < 0 || feeds[role].rank != 2) {
            dsc_fail(err, DSC_E_UNSUPPORTED, "terms on tokens need an input of token ids");
            return dsc_err_hint(err, "say it with --inputs ids=NAME,mask=NAME; rkd and crd compare "
                                     "whole rows");
        }
        width = feeds[role].dim[1];
        DSC_TRY(fill_tokens(taps, m, idx, n, width, feeds, err));
    }
    if (taps->terms.others >= 0)
        DSC_TRY(fill_others(taps, n, feeds, err));
    return run_teacher(taps, d, idx, n, width, feeds, err);
}
