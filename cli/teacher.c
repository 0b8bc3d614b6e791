/* The teacher of distillation. */
#include "teacher.h"

#include "output.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

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

static enum dsc_status open_file(struct dsc_teacher *t, struct dsc_cmd *cmd, const char *path,
                                 struct dsc_textmodel *m, struct dsc_err *err)
{
    DSC_TRY(dsc_textmodel_open(&t->m, cmd, path, err));
    DSC_TRY(dsc_textmodel_share_labels(m, &t->m, err));
    return keep_labels(m, &t->m, cmd->arena, err);
}

enum dsc_status dsc_teacher_open(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                 struct dsc_textmodel *m, bool has_self, struct dsc_err *err)
{
    const char *path;

    if (!dsc_opt_is_set(cmd, DSC_OPT_teacher))
        return DSC_OK;
    path = dsc_opt_text(cmd, DSC_OPT_teacher);
    t->is_there = true;
    t->distill = (struct dsc_distill){"dscompress.teacher", dsc_opt_float(cmd, DSC_OPT_alpha),
                                      dsc_opt_float(cmd, DSC_OPT_temperature)};
    t->is_self = has_self && strcmp(path, "self") == 0;
    DSC_TRY(dsc_provenance_file(cmd, "teacher", t->is_self ? m->path : path, err));
    if (!t->is_self)
        return open_file(t, cmd, path, m, err) == DSC_OK ? DSC_OK : dsc_err_file(err, path);
    t->m = *m;
    t->m.model.graph = dsc_graph_copy(m->model.graph, err);
    return t->m.model.graph ? DSC_OK : err->status;
}

static enum dsc_status check_outputs(const struct dsc_teacher *t, const struct dsc_dataset *d,
                                     int64_t n_out, struct dsc_err *err)
{
    const int64_t want = n_out == 1 && d->target != DSC_TARGET_VALUE ? 2 : n_out;

    if (t->n_cols != want)
        return dsc_fail(err, DSC_E_INCONSISTENT,
                        "the teacher has %" PRId64 " outputs, the student %" PRId64, t->n_cols,
                        want);
    for (int64_t i = 0; i < (int64_t)d->n * t->n_cols; i++)
        if (!isfinite(t->outputs[i]))
            return dsc_fail(err, DSC_E_NONFINITE, "the teacher gives %g for row %" PRId64,
                            (double)t->outputs[i], i / t->n_cols);
    return DSC_OK;
}

static void close_model(struct dsc_teacher *t)
{
    if (t->is_self)
        dsc_graph_free(t->m.model.graph);
    else
        dsc_textmodel_close(&t->m);
    t->m = (struct dsc_textmodel){0};
}

enum dsc_status dsc_teacher_ask(struct dsc_teacher *t, struct dsc_cmd *cmd,
                                const struct dsc_dataset *d, int64_t n_out, int64_t batch,
                                struct dsc_device *dev, struct dsc_err *err)
{
    struct dsc_graph *g = t->m.model.graph;
    enum dsc_status st = DSC_OK;

    if (!t->is_there || t->outputs)
        return DSC_OK;
    if (d->target != DSC_TARGET_VALUE) {
        st = dsc_textmodel_bare_logits(&t->m, g, err);
        t->m.ending = DSC_ENDS_IN_LOGITS; /* of g, from now on */
    }
    if (st == DSC_OK)
        st = dsc_textmodel_logits(&t->m, g, cmd, "teacher", dev, d, batch, &t->outputs, &t->n_cols,
                                  err);
    if (st == DSC_OK)
        st = check_outputs(t, d, n_out, err);
    close_model(t);
    return st == DSC_OK ? st : dsc_err_file(err, dsc_opt_text(cmd, DSC_OPT_teacher));
}

void dsc_teacher_close(struct dsc_teacher *t)
{
    if (t->is_there)
        close_model(t);
    dsc_heap_free(t->outputs);
    t->outputs = NULL;
}
