/* The teachers of distillation. */
#include "teacher.h"

#include "formats_model.h"
#include "output.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The student's labels outlive the teacher that it has them from. */
static enum dsc_status keep_labels(struct dsc_textmodel *m, const struct dsc_textmodel *teacher,
                                   struct dsc_arena *arena, struct dsc_err *err)
{
    const char **labels;

    if (m->positive && !(m->positive = dsc_arena_strdup(arena, m->positive, err)))
        return DSC_E_MEMORY;
    if (m->labels != teacher->labels)
        return DSC_OK;
    DSC_NEW(labels, arena, m->n_labels + 1, err);
    for (size_t i = 0; i < m->n_labels; i++)
        if (!(labels[i] = dsc_arena_strdup(arena, m->labels[i], err)))
            return DSC_E_MEMORY;
    m->labels = labels;
    return DSC_OK;
}

static enum dsc_status open_file(struct dsc_teacher_model *one, struct dsc_cmd *cmd,
                                 struct dsc_textmodel *m, struct dsc_err *err)
{
    enum dsc_status st;

    DSC_TRY(dsc_textmodel_open(&one->m, cmd, one->path, err));
    st = dsc_textmodel_share_labels(m, &one->m, err);
    if (st == DSC_OK)
        st = keep_labels(m, &one->m, cmd->arena, err);
    if (st != DSC_OK)
        dsc_textmodel_close(&one->m);
    return st;
}

static enum dsc_status open_model(struct dsc_teacher_model *one, int i, struct dsc_cmd *cmd,
                                  struct dsc_textmodel *m, struct dsc_err *err)
{
    static const char *const names[DSC_TEACHERS_MAX] = {
        "teacher",  "teacher2", "teacher3", "teacher4",
        "teacher5", "teacher6", "teacher7", "teacher8"}; /* in the provenance */

    DSC_TRY(dsc_provenance_file(cmd, names[i], one->is_self ? m->path : one->path, err));
    if (!one->is_self)
        return open_file(one, cmd, m, err) == DSC_OK ? DSC_OK : dsc_err_file(err, one->path);
    one->m = *m;
    one->m.model.graph = dsc_graph_copy(m->model.graph, err);
    return one->m.model.graph ? DSC_OK : err->status;
}

/* --teacher-weights, by their sum; without them all weigh the same. */
static enum dsc_status read_weights(struct dsc_teacher *t, struct dsc_cmd *cmd, struct dsc_err *err)
{
    const bool is_set = dsc_opt_is_set(cmd, DSC_OPT_teacher_weights);
    int n = 0;
    const char *const *items = is_set ? dsc_opt_items(cmd, DSC_OPT_teacher_weights, &n) : NULL;
    double sum = 0;

    if (is_set && n != t->n)
        return dsc_fail(err, DSC_E_USAGE, "%d --teacher-weights for %d teachers", n, t->n);
    for (int i = 0; i < t->n; i++) {
        char *end = NULL;
        const double w = is_set ? strtod(items[i], &end) : 1;

        if (is_set && (end == items[i] || *end || !(w > 0) || !isfinite(w)))
            return dsc_fail(err, DSC_E_USAGE, "--teacher-weights takes positive numbers, not '%s'",
                            items[i]);
        t->models[i].weight = w;
        sum += w;
    }
    for (int i = 0; i < t->n; i++)
        t->models[i].weight /= sum;
    return DSC_OK;
}

enum dsc_status dsc_teacher_open(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                 struct dsc_textmodel *m, bool has_self, struct dsc_err *err)
{
    const char *const *paths;
    int n;

    if (!dsc_opt_is_set(cmd, DSC_OPT_teacher))
        return DSC_OK;
    paths = dsc_opt_items(cmd, DSC_OPT_teacher, &n);
    t->is_there = true;
    t->distill = (struct dsc_distill){.alpha = dsc_opt_ramp(cmd, DSC_OPT_alpha),
                                      .temperature = dsc_opt_ramp(cmd, DSC_OPT_temperature)};
    t->cache = dsc_opt_text(cmd, DSC_OPT_teacher_cache);
    if (t->cache) {
        t->may_replace = dsc_opt_flag(cmd, DSC_OPT_force);
        t->is_dry = dsc_opt_flag(cmd, DSC_OPT_dry_run);
        DSC_TRY(dsc_output_place(t->cache, true, err)); /* one that is there is read */
    }
    if (n > DSC_TEACHERS_MAX)
        return dsc_fail(err, DSC_E_USAGE, "%d teachers, at most %d", n, DSC_TEACHERS_MAX);
    for (; t->n < n; t->n++) {
        t->models[t->n].path = paths[t->n];
        t->models[t->n].is_self = has_self && strcmp(paths[t->n], "self") == 0;
        DSC_TRY(open_model(&t->models[t->n], t->n, cmd, m, err));
    }
    DSC_TRY(read_weights(t, cmd, err));
    return dsc_teacher_read_terms(t, cmd, err);
}

static enum dsc_status check_outputs(const struct dsc_dataset *d, int64_t n_out,
                                     const float *outputs, int64_t n_cols, struct dsc_err *err)
{
    const int64_t want = n_out == 1 && d->target != DSC_TARGET_VALUE ? 2 : n_out;

    if (n_cols != want)
        return dsc_fail(err, DSC_E_INCONSISTENT,
                        "the teacher has %" PRId64 " outputs, the student %" PRId64, n_cols, want);
    for (int64_t i = 0; i < (int64_t)d->n * n_cols; i++)
        if (!isfinite(outputs[i]))
            return dsc_fail(err, DSC_E_NONFINITE, "the teacher gives %g for row %" PRId64,
                            (double)outputs[i], i / n_cols);
    return DSC_OK;
}

/* The first one stays where terms look into it. */
static void close_models(struct dsc_teacher *t, bool closes_all)
{
    for (int i = t->taps && !closes_all; i < t->n; i++) {
        if (t->models[i].is_self)
            dsc_graph_free(t->models[i].m.model.graph);
        else
            dsc_textmodel_close(&t->models[i].m);
        t->models[i].m = (struct dsc_textmodel){0};
    }
}

/* ---- the cache ---- */

#define CACHE_SCHEMA "dscompress.teacher/1"

/* What the outputs depend on: the teacher and a tokenizer that was given are inputs of the run. */
static void fingerprint(const struct dsc_cmd *cmd, const struct dsc_dataset *d, char hex[65])
{
    static const enum dsc_opt_id ids[] = {
        DSC_OPT_columns, DSC_OPT_split,  DSC_OPT_encoding_errors, DSC_OPT_task,
        DSC_OPT_pad_to,  DSC_OPT_logits, DSC_OPT_max_length,      DSC_OPT_input_roles,
        DSC_OPT_batch,   DSC_OPT_micro,  DSC_OPT_teacher_weights};
    struct dsc_sha256 h;

    dsc_sha256_init(&h);
    dsc_provenance_add(&h, cmd, ids, sizeof ids / sizeof ids[0]);
    dsc_sha256_add(&h, d->report.sha256, sizeof d->report.sha256);
    dsc_sha256_hex(&h, hex);
}

static enum dsc_status take_outputs(struct dsc_teacher *t, const struct dsc_bundle *b,
                                    const char *want, const struct dsc_dataset *d,
                                    struct dsc_err *err)
{
    const char *schema = dsc_bundle_meta(b, "schema"), *has = dsc_bundle_meta(b, "fingerprint");
    const struct dsc_tensor *o = dsc_bundle_find(b, "outputs");

    if (!schema || strcmp(schema, CACHE_SCHEMA) != 0)
        return dsc_fail(err, DSC_E_SCHEMA, "it is no cache of a teacher");
    if (!has || strcmp(has, want) != 0) {
        dsc_fail(err, DSC_E_INCONSISTENT,
                 "the cache is of another teacher, other data or other options");
        return dsc_err_hint(err, "give another file, or -f to ask the teacher anew");
    }
    if (!o || o->dtype != DSC_F32 || o->rank != 2 || o->dim[0] != (int64_t)d->n || o->dim[1] < 1)
        return dsc_fail(err, DSC_E_SHAPE, "the cache holds no outputs for %zu rows", d->n);
    t->n_cols = o->dim[1];
    t->outputs = dsc_heap_alloc(d->n, (size_t)t->n_cols * sizeof *t->outputs, err);
    if (!t->outputs)
        return DSC_E_MEMORY;
    memcpy(t->outputs, o->data, dsc_tensor_n_bytes(o));
    return DSC_OK;
}

/* Of another run: refused, or with -f left to be replaced (outputs stay NULL). What is no cache is
 * never replaced. */
static enum dsc_status read_cache(struct dsc_teacher *t, struct dsc_cmd *cmd, const char *want,
                                  const struct dsc_dataset *d, struct dsc_err *err)
{
    struct dsc_err why = {0};
    struct dsc_bundle b;
    enum dsc_status st;

    if (!t->cache || access(t->cache, F_OK) != 0)
        return DSC_OK;
    st = dsc_safetensors_read(&b, t->cache, NULL, &why);
    if (st == DSC_OK) {
        st = take_outputs(t, &b, want, d, &why);
        dsc_bundle_clear(&b);
    }
    if (st == DSC_OK)
        dsc_log_printf(&cmd->log, DSC_LOG_INFO, "%s: what the teacher says of %zu rows", t->cache,
                       d->n);
    if (st == DSC_OK || (t->may_replace && st == DSC_E_INCONSISTENT))
        return DSC_OK;
    *err = why;
    return dsc_err_file(err, t->cache);
}

static enum dsc_status write_cache(const struct dsc_teacher *t, const char *own,
                                   const struct dsc_dataset *d, struct dsc_err *err)
{
    struct dsc_bundle b = {0};
    struct dsc_tensor o;
    enum dsc_status st;

    if (!t->cache || t->is_dry)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&o, DSC_F32, 2, (int64_t[]){(int64_t)d->n, t->n_cols}, err));
    memcpy(o.data, t->outputs, dsc_tensor_n_bytes(&o));
    DSC_TRY_OUT(st, dsc_bundle_add(&b, "outputs", &o, err));
    DSC_TRY_OUT(st, dsc_bundle_set_meta(&b, "schema", CACHE_SCHEMA, err));
    DSC_TRY_OUT(st, dsc_bundle_set_meta(&b, "fingerprint", own, err));
    st = dsc_safetensors_write(&b, t->cache, true, err);
out:
    dsc_bundle_clear(&b);
    dsc_tensor_clear(&o);
    return st;
}

static enum dsc_status ask_one(struct dsc_teacher_model *one, struct dsc_cmd *cmd,
                               const struct dsc_dataset *d, int64_t n_out, int64_t batch,
                               struct dsc_device *dev, float **outputs, int64_t *n_cols,
                               struct dsc_err *err)
{
    struct dsc_graph *g = one->m.model.graph;

    if (d->target != DSC_TARGET_VALUE) {
        DSC_TRY(dsc_textmodel_bare_logits(&one->m, g, err));
        one->m.ending = DSC_ENDS_IN_LOGITS; /* of g, from now on */
    }
    DSC_TRY(dsc_textmodel_logits(&one->m, g, cmd, "teacher", dev, d, batch, outputs, n_cols, err));
    return check_outputs(d, n_out, *outputs, *n_cols, err);
}

/* The weighted mean of all that they say. */
static enum dsc_status compute(struct dsc_teacher *t, struct dsc_cmd *cmd,
                               const struct dsc_dataset *d, int64_t n_out, int64_t batch,
                               struct dsc_device *dev, struct dsc_err *err)
{
    for (int i = 0; i < t->n; i++) {
        struct dsc_teacher_model *one = &t->models[i];
        float *outputs = NULL;
        enum dsc_status st = ask_one(one, cmd, d, n_out, batch, dev, &outputs, &t->n_cols, err);

        if (st == DSC_OK && !t->outputs) {
            t->outputs = dsc_heap_alloc(d->n, (size_t)t->n_cols * sizeof *t->outputs, err);
            st = t->outputs ? DSC_OK : DSC_E_MEMORY;
        }
        for (size_t k = 0; st == DSC_OK && k < d->n * (size_t)t->n_cols; k++)
            t->outputs[k] += (float)one->weight * outputs[k];
        dsc_heap_free(outputs);
        if (st != DSC_OK)
            return dsc_err_file(err, one->path);
    }
    return DSC_OK;
}

enum dsc_status dsc_teacher_ask(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                const struct dsc_dataset *d, int64_t n_out, int64_t batch,
                                struct dsc_device *dev, struct dsc_err *err)
{
    char own[65];
    bool is_known;
    enum dsc_status st;

    if (!t->is_there || t->outputs)
        return DSC_OK;
    fingerprint(cmd, d, own);
    DSC_TRY(read_cache(t, cmd, own, d, err));
    is_known = t->outputs != NULL;
    st = is_known ? check_outputs(d, n_out, t->outputs, t->n_cols, err)
                  : compute(t, cmd, d, n_out, batch, dev, err);
    close_models(t, false);
    if (st != DSC_OK)
        return is_known ? dsc_err_file(err, t->cache) : st;
    return is_known ? DSC_OK : write_cache(t, own, d, err);
}

void dsc_teacher_close(struct dsc_teacher *t)
{
    dsc_teacher_close_taps(t);
    close_models(t, true);
    dsc_heap_free(t->outputs);
    t->outputs = NULL;
}
