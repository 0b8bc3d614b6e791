/* Frames: the tensors of one run. */
#include "exec/frame.h"

enum dsc_status dsc_frame_init(struct dsc_frame *f, struct dsc_session *s, struct dsc_err *err)
{
    const size_t n = (size_t)s->graph->n_values + 1;

    *f = (struct dsc_frame){.s = s, .n_values = s->graph->n_values};
    f->t = dsc_heap_alloc(n, sizeof f->t[0], err);
    f->n_left = f->t ? dsc_heap_alloc(n, sizeof f->n_left[0], err) : NULL;
    if (!f->n_left) {
        dsc_frame_clear(f);
        return DSC_E_MEMORY;
    }
    for (int i = 0; i < f->n_values; i++)
        f->n_left[i] = s->graph->values[i].n_uses;
    return DSC_OK;
}

void dsc_frame_clear(struct dsc_frame *f)
{
    for (int i = 0; f->t && i < f->n_values; i++)
        dsc_tensor_clear(&f->t[i]);
    dsc_heap_free(f->t);
    dsc_heap_free(f->n_left);
    f->t = NULL;
    f->n_left = NULL;
}

void dsc_frame_release(struct dsc_frame *f, int value)
{
    if (value != DSC_NO_VALUE && --f->n_left[value] == 0)
        dsc_tensor_clear(&f->t[value]);
}

enum dsc_status dsc_frame_get(struct dsc_frame *f, int value, const struct dsc_tensor **t,
                              struct dsc_err *err)
{
    *t = NULL;
    if (value == DSC_NO_VALUE)
        return DSC_OK;
    if (dsc_tensor_is_present(&f->t[value])) {
        *t = &f->t[value];
        return DSC_OK;
    }
    *t = dsc_session_weight(f->s, value, err);
    if (!*t)
        return dsc_fail(err, DSC_E_INTERNAL, "value '%s' is not there",
                        f->s->graph->values[value].name);
    return DSC_OK;
}

/* One feed against its declared type; symbols are bound by their first use. */
static enum dsc_status check_feed(const struct dsc_graph *g, const struct dsc_value *v,
                                  const struct dsc_tensor *t, int64_t *bound, struct dsc_err *err)
{
    char text[128];

    if (v->type.dtype != DSC_DTYPE_NONE && v->type.dtype != t->dtype)
        return dsc_fail(err, DSC_E_TYPE, "input '%s' takes %s, got %s", v->name,
                        dsc_dtype_text(v->type.dtype), dsc_dtype_text(t->dtype));
    if (v->type.rank < 0)
        return DSC_OK;
    if (v->type.rank != t->rank)
        return dsc_fail(err, DSC_E_SHAPE, "input '%s' has %d axes, got %s", v->name, v->type.rank,
                        dsc_tensor_text(t, text, sizeof text));
    for (int i = 0; i < t->rank; i++) {
        int64_t want = v->type.dim[i];

        if (dsc_dim_is_symbol(want)) {
            int64_t *b = &bound[dsc_dim_symbol_idx(want)];

            *b = *b < 0 ? t->dim[i] : *b;
            want = *b;
        }
        if (want >= 0 && want != t->dim[i])
            return dsc_fail(err, DSC_E_SHAPE, "input '%s': axis %d is %lld, expected %lld%s%s",
                            v->name, i, (long long)t->dim[i], (long long)want,
                            dsc_dim_is_symbol(v->type.dim[i]) ? " as elsewhere for " : "",
                            dsc_dim_is_symbol(v->type.dim[i])
                                ? g->symbols[dsc_dim_symbol_idx(v->type.dim[i])]
                                : "");
    }
    return DSC_OK;
}

enum dsc_status dsc_frame_feed(struct dsc_frame *f, const struct dsc_tensor *feeds,
                               struct dsc_err *err)
{
    const struct dsc_graph *g = f->s->graph;
    int64_t *bound = dsc_heap_alloc((size_t)g->n_symbols + 1, sizeof *bound, err);
    enum dsc_status st = DSC_OK;

    if (!bound)
        return DSC_E_MEMORY;
    for (int i = 0; i < g->n_symbols; i++)
        bound[i] = -1;
    for (int i = 0; i < g->n_inputs && st == DSC_OK; i++) {
        const struct dsc_value *v = &g->values[g->inputs[i]];

        if (!dsc_tensor_is_present(&feeds[i])) {
            if (!dsc_tensor_is_present(&v->init))
                st = dsc_fail(err, DSC_E_SCHEMA, "input '%s' is not given", v->name);
            continue;
        }
        st = check_feed(g, v, &feeds[i], bound, err);
        if (st == DSC_OK && f->n_left[g->inputs[i]] > 0)
            dsc_tensor_ref(&f->t[g->inputs[i]], &feeds[i]);
    }
    dsc_heap_free(bound);
    return st;
}

enum dsc_status dsc_frame_outputs(struct dsc_frame *f, struct dsc_tensor *outputs,
                                  struct dsc_err *err)
{
    const struct dsc_graph *g = f->s->graph;

    for (int i = 0; i < g->n_outputs; i++)
        outputs[i] = (struct dsc_tensor){0};
    for (int i = 0; i < g->n_outputs; i++) {
        const struct dsc_tensor *t;
        const enum dsc_status st = dsc_frame_get(f, g->outputs[i], &t, err);

        if (st != DSC_OK) {
            for (int k = 0; k < i; k++)
                dsc_tensor_clear(&outputs[k]);
            return st;
        }
        dsc_tensor_ref(&outputs[i], t);
    }
    return DSC_OK;
}
