/* Sessions: a graph bound to a device, with the device's weights. */
#include "exec/frame.h"

enum dsc_status dsc_session_open(struct dsc_session **session, const struct dsc_graph *g,
                                 struct dsc_device *dev, struct dsc_err *err)
{
    struct dsc_session *s = dsc_heap_alloc(1, sizeof *s, err);
    enum dsc_status st = DSC_OK;

    *session = NULL;
    if (!s)
        return DSC_E_MEMORY;
    s->graph = g;
    s->dev = s->host = dev;
    s->weights = dsc_heap_alloc((size_t)g->n_values + 1, sizeof s->weights[0], err);
    if (!s->weights)
        st = DSC_E_MEMORY;
    if (st == DSC_OK && !dev->is_host) {
        s->host = NULL;
        st = dsc_device_open(&s->host, "cpu", 1, err);
        s->owns_host = st == DSC_OK;
    }
    if (st != DSC_OK) {
        dsc_session_close(s);
        return st;
    }
    *session = s;
    return DSC_OK;
}

void dsc_session_close(struct dsc_session *s)
{
    if (!s)
        return;
    for (int i = 0; s->weights && i < s->graph->n_values; i++)
        dsc_tensor_clear(&s->weights[i]);
    dsc_heap_free(s->weights);
    if (s->owns_host)
        dsc_device_close(s->host);
    dsc_heap_free(s);
}

const struct dsc_graph *dsc_session_graph(const struct dsc_session *s)
{
    return s->graph;
}

enum dsc_status dsc_session_set_weight(struct dsc_session *s, int value, const struct dsc_tensor *t,
                                       struct dsc_err *err)
{
    struct dsc_tensor old = s->weights[value];
    struct dsc_tensor new_weight;

    DSC_TRY(dsc_to_device(s->dev, &new_weight, t, err));
    s->weights[value] = new_weight;
    dsc_tensor_clear(&old);
    return DSC_OK;
}

void dsc_session_drop_weight(struct dsc_session *s, int value)
{
    dsc_tensor_clear(&s->weights[value]);
}

/* Integer initializers (shapes, axes, indices) stay on the host; who needs them uploads them. */
const struct dsc_tensor *dsc_session_weight(struct dsc_session *s, int value, struct dsc_err *err)
{
    const struct dsc_tensor *init = &s->graph->values[value].init;

    if (dsc_tensor_is_present(&s->weights[value]))
        return &s->weights[value];
    if (!dsc_tensor_is_present(init))
        return NULL;
    if (!dsc_dtype_is_float(init->dtype) && dsc_tensor_n_elems(init) < 4096)
        return init;
    if (dsc_to_device(s->dev, &s->weights[value], init, err) != DSC_OK)
        return NULL;
    return &s->weights[value];
}

enum dsc_status dsc_session_run(struct dsc_session *s, const struct dsc_run *run,
                                const struct dsc_tensor *feeds, struct dsc_tensor *outputs,
                                struct dsc_err *err)
{
    struct dsc_frame f;
    enum dsc_status st;

    DSC_TRY(dsc_frame_init(&f, s, err));
    st = dsc_frame_feed(&f, feeds, err);
    if (st == DSC_OK)
        st = dsc_frame_run(&f, run, 0, s->graph->n_nodes, NULL, NULL, err);
    if (st == DSC_OK)
        st = dsc_frame_outputs(&f, outputs, err);
    dsc_frame_clear(&f);
    return st;
}

struct dsc_partial {
    struct dsc_frame f;
    int next;
};

enum dsc_status dsc_partial_open(struct dsc_partial **partial, struct dsc_session *s,
                                 const struct dsc_tensor *feeds, struct dsc_err *err)
{
    struct dsc_partial *p = dsc_heap_alloc(1, sizeof *p, err);
    enum dsc_status st;

    *partial = p;
    if (!p)
        return DSC_E_MEMORY;
    st = dsc_frame_init(&p->f, s, err);
    if (st == DSC_OK)
        st = dsc_frame_feed(&p->f, feeds, err);
    if (st != DSC_OK) {
        dsc_partial_close(p);
        *partial = NULL;
    }
    return st;
}

void dsc_partial_close(struct dsc_partial *p)
{
    if (!p)
        return;
    dsc_frame_clear(&p->f);
    dsc_heap_free(p);
}

enum dsc_status dsc_partial_run(struct dsc_partial *p, const struct dsc_run *run, int last,
                                struct dsc_err *err)
{
    const int first = p->next;

    if (last <= first)
        return DSC_OK;
    p->next = last;
    return dsc_frame_run(&p->f, run, first, last, NULL, NULL, err);
}
