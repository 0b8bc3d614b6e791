/* Rows through a graph, stopping at layers. */
#include "steps.h"

#include "calibcheck.h"

#include <string.h>

/* Rows that run together. Feeds are kept: a layer may read them. */
struct dsc_step_batch {
    struct dsc_partial *p;
    struct dsc_tensor *feeds; /* [n_inputs] */
    int64_t n_rows;
};

static enum dsc_status open_batch(struct dsc_steps *s, struct dsc_step_batch *b, const int64_t *idx,
                                  int64_t n, struct dsc_err *err)
{
    b->feeds = dsc_heap_alloc((size_t)(s->g->n_inputs + s->g->n_outputs), sizeof *b->feeds, err);
    if (!b->feeds)
        return DSC_E_MEMORY;
    b->n_rows = n;
    DSC_TRY(dsc_textmodel_fill(s->m, s->d, idx, n, b->feeds, err));
    return dsc_partial_open(&b->p, s->session, b->feeds, err);
}

static enum dsc_status open_batches(struct dsc_steps *s, struct dsc_err *err)
{
    const int64_t n = (int64_t)s->d->n, size = dsc_textmodel_batch(s->m, s->batch);
    int64_t idx[DSC_TEXT_WINDOW];

    s->batches =
        dsc_heap_alloc((size_t)(n / size + n / DSC_TEXT_WINDOW + 2), sizeof *s->batches, err);
    if (!s->batches)
        return DSC_E_MEMORY;
    for (int64_t first = 0; first < n; first += DSC_TEXT_WINDOW) {
        const int64_t window = n - first < DSC_TEXT_WINDOW ? n - first : DSC_TEXT_WINDOW;

        DSC_TRY(dsc_textmodel_order(s->m, s->d, first, window, idx, err));
        for (int64_t at = 0; at < window; at += size)
            DSC_TRY(open_batch(s, &s->batches[s->n_batches++], idx + at,
                               window - at < size ? window - at : size, err));
    }
    return DSC_OK;
}

enum dsc_status dsc_steps_open(struct dsc_steps *s, struct dsc_err *err)
{
    s->g = dsc_graph_copy(s->m->model.graph, err);
    if (!s->g)
        return DSC_E_MEMORY;
    s->w = (struct dsc_watcher){.r = s->ranges, .dev = s->dev, .g = s->g};
    DSC_TRY(dsc_session_open(&s->session, s->g, s->dev, err));
    return open_batches(s, err);
}

/* ---- one step ---- */

static const struct dsc_tensor *mask_of(const struct dsc_steps *s, const struct dsc_step_batch *b)
{
    const int mask = s->m->input[DSC_ROLE_IDS] < 0 ? -1 : s->m->input[DSC_ROLE_MASK];

    return mask >= 0 && b->feeds[mask].rank == 2 ? &b->feeds[mask] : NULL;
}

struct watched_batch {
    struct dsc_watcher *w;
    const struct dsc_tensor *mask;
};

static enum dsc_status after_node(void *ctx, const struct dsc_node *n,
                                  const struct dsc_tensor *const *in, struct dsc_tensor *const *out,
                                  struct dsc_err *err)
{
    const struct watched_batch *b = ctx;

    return dsc_watch_node(b->w, n, in, out, b->mask, err);
}

/* Behind the node that computes it; 0: the data bring it. */
int dsc_steps_place(const struct dsc_steps *s, int value)
{
    for (int i = 0; i < s->g->n_nodes; i++)
        for (int k = 0; k < s->g->nodes[i]->n_out; k++)
            if (s->g->nodes[i]->out[k] == value)
                return i + 1;
    return 0;
}

void dsc_steps_sort(const struct dsc_steps *s, struct dsc_layer_input *inputs, int n)
{
    for (int i = 1; i < n; i++) {
        const struct dsc_layer_input one = inputs[i];
        const int place = dsc_steps_place(s, one.value);
        int at = i;

        for (; at > 0 && dsc_steps_place(s, inputs[at - 1].value) > place; at--)
            inputs[at] = inputs[at - 1];
        inputs[at] = one;
    }
}

int dsc_steps_together(const struct dsc_steps *s, const struct dsc_layer_input *inputs, int n)
{
    uint64_t n_bytes = 0;

    for (int i = 0; i < n; i++) {
        n_bytes += (uint64_t)inputs[i].k * (uint64_t)inputs[i].k * sizeof(float);
        if (i > 0 && n_bytes > DSC_STEP_BYTES &&
            dsc_steps_place(s, inputs[i].value) != dsc_steps_place(s, inputs[i - 1].value))
            return i;
    }
    return n;
}

/* Weights that no node from s->next on reads. */
static void drop_weights(struct dsc_steps *s, int first)
{
    for (int i = first; i < s->next; i++)
        for (int k = 0; k < s->g->nodes[i]->n_in; k++) {
            const int v = s->g->nodes[i]->in[k];
            bool is_needed = v == DSC_NO_VALUE || !dsc_tensor_is_present(&s->g->values[v].init);

            for (int j = s->next; j < s->g->n_nodes && !is_needed; j++)
                for (int q = 0; q < s->g->nodes[j]->n_in && !is_needed; q++)
                    is_needed = s->g->nodes[j]->in[q] == v;
            if (is_needed)
                continue;
            dsc_session_drop_weight(s->session, v);
            dsc_tensor_clear(&s->g->values[v].init);
        }
}

/* All batches up to the node `last`. */
static enum dsc_status run_to(struct dsc_steps *s, int last, struct dsc_err *err)
{
    const int first = s->next;

    for (int64_t i = 0; i < s->n_batches; i++) {
        struct dsc_step_batch *b = &s->batches[i];
        struct watched_batch watched = {&s->w, mask_of(s, b)};
        const struct dsc_run run = {
            .n_examples = b->n_rows, .after_node = after_node, .ctx = &watched};

        DSC_TRY(dsc_cmd_stopped(s->cmd, err));
        if (!s->has_fed)
            DSC_TRY(dsc_watch_feeds(&s->w, s->m, b->feeds, watched.mask, err));
        DSC_TRY(dsc_partial_run(b->p, &run, last, err));
    }
    s->next = last;
    s->has_fed = true;
    drop_weights(s, first);
    return DSC_OK;
}

enum dsc_status dsc_steps_to(struct dsc_steps *s, struct dsc_layer_input *inputs, int n,
                             struct dsc_err *err)
{
    int last = s->next;

    for (int i = 0; i < n; i++) {
        const int place = dsc_steps_place(s, inputs[i].value);

        if (s->has_fed && place <= s->next)
            return dsc_fail(err, DSC_E_INTERNAL, "'%s' has been passed",
                            s->g->values[inputs[i].value].name);
        last = place > last ? place : last;
    }
    s->w.inputs = inputs;
    s->w.n_inputs = n;
    return run_to(s, last, err);
}

enum dsc_status dsc_steps_finish(struct dsc_steps *s, struct dsc_err *err)
{
    s->w.n_inputs = 0;
    DSC_TRY(run_to(s, s->g->n_nodes, err));
    if (!s->ranges)
        return DSC_OK;
    DSC_TRY(dsc_ranges_check(s->ranges, err));
    dsc_calibcheck_ranges(s->cmd, s->ranges, (int64_t)s->d->n, s->w.tokens);
    return DSC_OK;
}

void dsc_steps_close(struct dsc_steps *s)
{
    for (int64_t i = 0; i < s->n_batches; i++) {
        dsc_partial_close(s->batches[i].p);
        for (int k = 0; k < s->g->n_inputs; k++)
            if (s->batches[i].feeds)
                dsc_tensor_clear(&s->batches[i].feeds[k]);
        dsc_heap_free(s->batches[i].feeds);
    }
    dsc_heap_free(s->batches);
    dsc_session_close(s->session);
    dsc_graph_free(s->g);
    dsc_heap_free(s->w.kept.data);
    *s = (struct dsc_steps){0};
}
