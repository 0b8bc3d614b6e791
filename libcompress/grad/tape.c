/*
 * The tape: reverse-mode differentiation of one session.
 *
 * Static part: which values want a gradient (they depend on a wanted value through differentiable
 * operators and reach an output). Recorded part: for each node with such an output, the tensors
 * that its record's `saves` names. With segments, nothing is saved in the forward pass but the
 * values that cross a cut; backward runs each segment again, from its kept inputs.
 */
#include "device/prim.h"
#include "dsc/exec.h"
#include "exec/frame.h"

#include <stdio.h>
#include <string.h>

struct saved_node {
    bool is_recorded;
    struct dsc_device *dev;
    struct dsc_tensor *in, *out; /* only those that are saved are present */
    struct dsc_type *in_type, *out_type;
};

struct dsc_tape {
    struct dsc_session *s;
    const struct dsc_graph *g;
    int n_wanted, n_segments;
    int *wanted;
    int *cuts;                /* [n_segments + 1] node numbers */
    bool *wants;              /* [n_values] */
    bool *is_wanted;          /* [n_values] */
    struct saved_node *saved; /* [n_nodes] */
    struct dsc_tensor *grads; /* [n_values], during backward */
    struct dsc_arena arena;   /* of one recording */
    struct dsc_frame frame;   /* of the recorded forward pass, when there are segments */
    const struct dsc_run *run;
    bool has_recording;
};

static bool flows_back(const struct dsc_node *n, int i)
{
    const uint32_t bit = i < 16 ? 1u << i : 0;

    return !((n->op->no_grad | n->op->host_in) & bit);
}

static bool is_maybe_float(const struct dsc_value *v)
{
    return v->type.dtype == DSC_DTYPE_NONE || dsc_dtype_is_float(v->type.dtype);
}

/* Reverse reachability: is_needed[node] when some graph output depends on it. */
static void mark_needed(const struct dsc_graph *g, bool *is_needed)
{
    for (int i = g->n_nodes - 1; i >= 0; i--)
        for (int k = 0; k < g->nodes[i]->n_out; k++)
            if (g->nodes[i]->out[k] != DSC_NO_VALUE && g->values[g->nodes[i]->out[k]].is_output)
                is_needed[i] = true;
    for (int i = g->n_nodes - 1; i >= 0; i--) {
        if (!is_needed[i])
            continue;
        for (int k = 0; k < g->nodes[i]->n_in; k++) {
            const int v = g->nodes[i]->in[k];

            if (v != DSC_NO_VALUE && g->values[v].producer >= 0)
                is_needed[g->values[v].producer] = true;
        }
    }
}

/* Forward reachability over differentiable operators; those without a backward are collected. */
static enum dsc_status mark_wants(struct dsc_tape *t, const bool *is_needed, struct dsc_err *err)
{
    char names[512] = "";
    size_t n_text = 0;

    for (int i = 0; i < t->g->n_nodes; i++) {
        const struct dsc_node *n = t->g->nodes[i];
        bool has_wanting_in = false;

        for (int k = 0; k < n->n_in && is_needed[i]; k++)
            has_wanting_in |= n->in[k] != DSC_NO_VALUE && flows_back(n, k) && t->wants[n->in[k]];
        if (!has_wanting_in || n->out[0] == DSC_NO_VALUE ||
            !is_maybe_float(&t->g->values[n->out[0]]))
            continue;
        if (!n->op->backward && !n->op->is_view) {
            if (t->g->values[n->out[0]].type.dtype != DSC_DTYPE_NONE && n_text < sizeof names)
                n_text += (size_t)snprintf(names + n_text, sizeof names - n_text, "%s%s (%s)",
                                           n_text ? ", " : "", n->name, n->op->onnx);
            continue;
        }
        for (int k = 0; k < n->n_out; k++)
            if (n->out[k] != DSC_NO_VALUE)
                t->wants[n->out[k]] = is_maybe_float(&t->g->values[n->out[k]]);
    }
    if (n_text == 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_UNSUPPORTED, "no gradient through %s", names);
    dsc_err_hint(err, "freeze the weights before these nodes, or train without them");
    return DSC_E_UNSUPPORTED;
}

/* Values that live across the boundary before node `cut`. */
static int n_crossing(const struct dsc_graph *g, int cut)
{
    int n = 0;

    for (int i = cut; i < g->n_nodes; i++) {
        for (int k = 0; k < g->nodes[i]->n_in; k++) {
            const int v = g->nodes[i]->in[k];

            n += v != DSC_NO_VALUE && g->values[v].producer >= 0 && g->values[v].producer < cut;
        }
    }
    return n;
}

/* Near each even division, the boundary that the fewest values cross. */
static void choose_cuts(struct dsc_tape *t)
{
    const int n = t->g->n_nodes, reach = n / (3 * t->n_segments);

    t->cuts[0] = 0;
    t->cuts[t->n_segments] = n;
    for (int s = 1; s < t->n_segments; s++) {
        const int even = (int)((int64_t)n * s / t->n_segments);
        int best = even, best_n = n_crossing(t->g, even);

        for (int c = even - reach; c <= even + reach; c++) {
            const int crossing = c > t->cuts[s - 1] && c < n ? n_crossing(t->g, c) : best_n;

            if (crossing < best_n) {
                best = c;
                best_n = crossing;
            }
        }
        t->cuts[s] = best > t->cuts[s - 1] ? best : t->cuts[s - 1];
    }
}

static enum dsc_status init_tape(struct dsc_tape *t, int n_wanted, const int *wanted,
                                 struct dsc_err *err)
{
    const size_t n_values = (size_t)t->g->n_values + 1, n_nodes = (size_t)t->g->n_nodes + 1;
    bool *is_needed;
    enum dsc_status st;

    if (!(t->wanted = dsc_heap_alloc((size_t)n_wanted + 1, sizeof *t->wanted, err)) ||
        !(t->cuts = dsc_heap_alloc((size_t)t->n_segments + 1, sizeof *t->cuts, err)) ||
        !(t->wants = dsc_heap_alloc(n_values, sizeof *t->wants, err)) ||
        !(t->is_wanted = dsc_heap_alloc(n_values, sizeof *t->is_wanted, err)) ||
        !(t->saved = dsc_heap_alloc(n_nodes, sizeof *t->saved, err)) ||
        !(t->grads = dsc_heap_alloc(n_values, sizeof *t->grads, err)) ||
        !(is_needed = dsc_heap_alloc(n_nodes, sizeof *is_needed, err)))
        return DSC_E_MEMORY;
    t->n_wanted = n_wanted;
    for (int i = 0; i < n_wanted; i++) {
        t->wanted[i] = wanted[i];
        t->wants[wanted[i]] = t->is_wanted[wanted[i]] = true;
    }
    mark_needed(t->g, is_needed);
    st = mark_wants(t, is_needed, err);
    choose_cuts(t);
    dsc_heap_free(is_needed);
    return st;
}

enum dsc_status dsc_tape_open(struct dsc_tape **tape, struct dsc_session *s, int n_wanted,
                              const int *wanted, int n_segments, struct dsc_err *err)
{
    struct dsc_tape *t = dsc_heap_alloc(1, sizeof *t, err);
    enum dsc_status st;

    *tape = NULL;
    if (!t)
        return DSC_E_MEMORY;
    t->s = s;
    t->g = s->graph;
    t->n_segments = n_segments < 1 ? 1 : n_segments;
    if (t->n_segments > t->g->n_nodes)
        t->n_segments = t->g->n_nodes ? t->g->n_nodes : 1;
    dsc_arena_init(&t->arena);
    st = init_tape(t, n_wanted, wanted, err);
    if (st == DSC_OK)
        *tape = t;
    else
        dsc_tape_close(t);
    return st;
}

static void drop_saved(struct dsc_tape *t, int node)
{
    struct saved_node *s = &t->saved[node];

    for (int i = 0; s->is_recorded && i < t->g->nodes[node]->n_in; i++)
        dsc_tensor_clear(&s->in[i]);
    for (int i = 0; s->is_recorded && i < t->g->nodes[node]->n_out; i++)
        dsc_tensor_clear(&s->out[i]);
    *s = (struct saved_node){0};
}

static void drop_recording(struct dsc_tape *t)
{
    for (int i = 0; t->saved && i < t->g->n_nodes; i++)
        drop_saved(t, i);
    for (int i = 0; t->grads && i < t->g->n_values; i++)
        dsc_tensor_clear(&t->grads[i]);
    dsc_frame_clear(&t->frame);
    dsc_arena_clear(&t->arena);
    t->has_recording = false;
}

void dsc_tape_close(struct dsc_tape *t)
{
    if (!t)
        return;
    drop_recording(t);
    dsc_heap_free(t->wanted);
    dsc_heap_free(t->cuts);
    dsc_heap_free(t->wants);
    dsc_heap_free(t->is_wanted);
    dsc_heap_free(t->saved);
    dsc_heap_free(t->grads);
    dsc_heap_free(t);
}

static bool node_wants(const struct dsc_tape *t, const struct dsc_node *n)
{
    for (int k = 0; k < n->n_out; k++)
        if (n->out[k] != DSC_NO_VALUE && t->wants[n->out[k]])
            return true;
    return false;
}

static enum dsc_status save(void *ctx, int node_idx, const struct dsc_node_io *io,
                            struct dsc_err *err)
{
    struct dsc_tape *t = ctx;
    struct saved_node *s = &t->saved[node_idx];
    const struct dsc_node *n = io->node;
    const uint32_t saves = n->op->saves;

    if (!node_wants(t, n))
        return DSC_OK;
    DSC_NEW(s->in, &t->arena, n->n_in, err);
    DSC_NEW(s->out, &t->arena, n->n_out, err);
    DSC_NEW(s->in_type, &t->arena, n->n_in, err);
    DSC_NEW(s->out_type, &t->arena, n->n_out, err);
    s->is_recorded = true;
    for (int i = 0; i < n->n_in; i++) {
        dsc_type_unknown(&s->in_type[i]);
        if (!io->in[i])
            continue;
        dsc_type_of_tensor(&s->in_type[i], io->in[i]);
        if (i >= DSC_MAX_SAVED ? (saves & DSC_ALL_IN) == DSC_ALL_IN : saves >> i & 1)
            dsc_tensor_ref(&s->in[i], io->in[i]);
    }
    for (int i = 0; i < n->n_out; i++) {
        dsc_type_unknown(&s->out_type[i]);
        if (!io->out[i])
            continue;
        dsc_type_of_tensor(&s->out_type[i], io->out[i]);
        if (i < DSC_MAX_SAVED && saves >> (16 + i) & 1)
            dsc_tensor_ref(&s->out[i], io->out[i]);
    }
    return DSC_OK;
}

/* With segments, values that cross a cut (and inputs) get one consumer more: backward. */
static void keep_crossing(struct dsc_tape *t)
{
    for (int i = 0; i < t->g->n_inputs; i++)
        t->frame.n_left[t->g->inputs[i]]++;
    for (int s = 1; s < t->n_segments; s++) {
        for (int i = t->cuts[s]; i < t->g->n_nodes; i++) {
            const struct dsc_node *n = t->g->nodes[i];

            for (int k = 0; k < n->n_in; k++) {
                const int v = n->in[k];

                if (v != DSC_NO_VALUE && t->g->values[v].producer >= 0 &&
                    t->g->values[v].producer < t->cuts[s])
                    t->frame.n_left[v] += 1 << 16; /* never reaches 0 in the forward pass */
            }
        }
    }
}

enum dsc_status dsc_tape_run(struct dsc_tape *t, const struct dsc_run *run,
                             const struct dsc_tensor *feeds, struct dsc_tensor *outputs,
                             struct dsc_err *err)
{
    enum dsc_status st;

    drop_recording(t);
    DSC_TRY(dsc_frame_init(&t->frame, t->s, err));
    t->run = run;
    if (t->n_segments > 1)
        keep_crossing(t);
    DSC_TRY_OUT(st, dsc_frame_feed(&t->frame, feeds, err));
    DSC_TRY_OUT(st, dsc_frame_run(&t->frame, run, 0, t->g->n_nodes, t->n_segments > 1 ? NULL : save,
                                  t, err));
    DSC_TRY_OUT(st, dsc_frame_outputs(&t->frame, outputs, err));
    t->has_recording = true;
    if (t->n_segments == 1)
        dsc_frame_clear(&t->frame);
    return DSC_OK;
out:
    drop_recording(t);
    return st;
}

/* Gradient of a value, made of zeros when it is the first. */
static enum dsc_status grad_of(struct dsc_tape *t, struct dsc_device *dev, int value,
                               const struct dsc_type *type, struct dsc_tensor **grad,
                               struct dsc_err *err)
{
    struct dsc_tensor *g = &t->grads[value];

    *grad = g;
    return dsc_tensor_is_present(g)
               ? DSC_OK
               : dsc_device_zeros(dev, g, type->dtype, type->rank, type->dim, err);
}

/* A view's gradient is the same elements in the input's shape. */
static enum dsc_status view_backward(struct dsc_tape *t, const struct dsc_node *n,
                                     const struct saved_node *s, struct dsc_err *err)
{
    struct dsc_tensor *dy = &t->grads[n->out[0]], *dx = &t->grads[n->in[0]], back;
    const struct dsc_type *type = &s->in_type[0];
    enum dsc_status st;

    DSC_TRY(dsc_tensor_reshape(&back, dy, type->rank, type->dim, err));
    if (!dsc_tensor_is_present(dx) && !t->is_wanted[n->out[0]]) {
        *dx = back; /* dy is released after this node, so its storage may be handed on */
        return DSC_OK;
    }
    st = grad_of(t, t->s->dev, n->in[0], type, &dx, err);
    if (st == DSC_OK)
        st = dsc_axpy(t->s->dev, 1, dx, &back, err);
    dsc_tensor_clear(&back);
    return st;
}

static enum dsc_status node_backward(struct dsc_tape *t, int idx, struct dsc_exec *x,
                                     struct dsc_err *err)
{
    const struct dsc_node *n = t->g->nodes[idx];
    const struct saved_node *s = &t->saved[idx];
    struct dsc_saved saved = {
        .n_in = n->n_in, .n_out = n->n_out, .in_type = s->in_type, .out_type = s->out_type};
    const struct dsc_tensor **dout;
    struct dsc_tensor **din;
    bool has_dout = false;

    DSC_NEW(dout, &t->arena, n->n_out, err);
    DSC_NEW(din, &t->arena, n->n_in + 1, err);
    for (int i = 0; i < n->n_out; i++) {
        if (n->out[i] != DSC_NO_VALUE && dsc_tensor_is_present(&t->grads[n->out[i]]))
            dout[i] = &t->grads[n->out[i]];
        has_dout |= dout[i] != NULL;
        if (i < DSC_MAX_SAVED && dsc_tensor_is_present(&s->out[i]))
            saved.out[i] = &s->out[i];
    }
    if (!has_dout)
        return DSC_OK;
    if (n->op->is_view && !n->op->backward)
        return t->wants[n->in[0]] ? view_backward(t, n, s, err) : DSC_OK;
    for (int i = 0; i < n->n_in; i++) {
        if (n->in[i] != DSC_NO_VALUE && flows_back(n, i) && t->wants[n->in[i]])
            DSC_TRY(grad_of(t, t->s->dev, n->in[i], &s->in_type[i], &din[i], err));
        if (i < DSC_MAX_SAVED && dsc_tensor_is_present(&s->in[i]))
            saved.in[i] = &s->in[i];
    }
    return n->op->backward(x, n, &saved, dout, din, err);
}

static enum dsc_status nodes_backward(struct dsc_tape *t, int first, int last, struct dsc_err *err)
{
    struct dsc_exec x;
    enum dsc_status st = DSC_OK;

    dsc_exec_init(&x, t->s->dev, t->run);
    for (int i = last - 1; i >= first && st == DSC_OK; i--) {
        const struct dsc_node *n = t->g->nodes[i];

        if (!t->saved[i].is_recorded)
            continue;
        st = node_backward(t, i, &x, err);
        if (st != DSC_OK)
            dsc_err_where(err, "backward of node '%s' (%s)", n->name, n->op->onnx);
        dsc_exec_release(&x);
        drop_saved(t, i);
        for (int k = 0; k < n->n_out; k++)
            if (n->out[k] != DSC_NO_VALUE && !t->is_wanted[n->out[k]])
                dsc_tensor_clear(&t->grads[n->out[k]]);
    }
    dsc_exec_clear(&x);
    return st;
}

/* Run one segment again from what was kept, this time saving, and go back through it. */
static enum dsc_status segment_backward(struct dsc_tape *t, int seg, struct dsc_err *err)
{
    const struct dsc_run quiet = {.is_training = t->run->is_training,
                                  .seed = t->run->seed,
                                  .step = t->run->step,
                                  .example_ids = t->run->example_ids,
                                  .n_examples = t->run->n_examples};
    struct dsc_frame f;
    enum dsc_status st;

    DSC_TRY(dsc_frame_init(&f, t->s, err));
    for (int i = 0; i < t->g->n_values; i++) {
        const int producer = t->g->values[i].producer;

        if (producer < t->cuts[seg] && dsc_tensor_is_present(&t->frame.t[i]))
            dsc_tensor_ref(&f.t[i], &t->frame.t[i]);
    }
    st = dsc_frame_run(&f, &quiet, t->cuts[seg], t->cuts[seg + 1], save, t, err);
    dsc_frame_clear(&f);
    if (st == DSC_OK)
        st = nodes_backward(t, t->cuts[seg], t->cuts[seg + 1], err);
    for (int i = 0; i < t->g->n_values; i++) /* kept for later segments only */
        if (t->g->values[i].producer >= t->cuts[seg])
            dsc_tensor_clear(&t->frame.t[i]);
    return st;
}

static enum dsc_status seed_output(struct dsc_tape *t, int output, const struct dsc_tensor *seed,
                                   const struct dsc_type *type, struct dsc_err *err)
{
    struct dsc_tensor *g = &t->grads[t->g->outputs[output]];
    const float one = 1;
    const double one64 = 1;

    if (seed)
        return dsc_to_device(t->s->dev, g, seed, err);
    if (type->dtype != DSC_F32 && type->dtype != DSC_F64)
        return dsc_fail(err, DSC_E_TYPE, "output %d is %s; gradients start from f32 or f64", output,
                        dsc_dtype_text(type->dtype));
    DSC_TRY(dsc_device_tensor(t->s->dev, g, type->dtype, type->rank, type->dim, err));
    return dsc_fill(t->s->dev, g, type->dtype == DSC_F32 ? (const void *)&one : &one64, err);
}

static enum dsc_status give_grads(struct dsc_tape *t, struct dsc_tensor *grads, struct dsc_err *err)
{
    for (int i = 0; i < t->n_wanted; i++) {
        struct dsc_tensor *g = &t->grads[t->wanted[i]];
        const struct dsc_tensor *w;

        if (dsc_tensor_is_present(&grads[i])) /* was added to in place */
            continue;
        if (!dsc_tensor_is_present(g)) {
            w = dsc_session_weight(t->s, t->wanted[i], err);
            if (!w)
                return dsc_fail(err, DSC_E_INTERNAL, "no gradient for '%s'",
                                t->g->values[t->wanted[i]].name);
            DSC_TRY(dsc_device_zeros(t->s->dev, g, w->dtype, w->rank, w->dim, err));
        }
        dsc_tensor_ref(&grads[i], g);
    }
    return DSC_OK;
}

enum dsc_status dsc_tape_backward(struct dsc_tape *t, int output, const struct dsc_tensor *seed,
                                  struct dsc_tensor *grads, struct dsc_err *err)
{
    const int value = t->g->outputs[output];
    const int producer = t->g->values[value].producer;
    struct dsc_type type = t->g->values[value].type;
    enum dsc_status st = DSC_OK;

    if (!t->has_recording)
        return dsc_fail(err, DSC_E_INTERNAL, "backward without a recorded run");
    if (producer >= 0 && t->saved[producer].is_recorded)
        for (int k = 0; k < t->g->nodes[producer]->n_out; k++)
            if (t->g->nodes[producer]->out[k] == value)
                type = t->saved[producer].out_type[k];
    if (t->n_segments > 1 && dsc_tensor_is_present(&t->frame.t[value]))
        dsc_type_of_tensor(&type, &t->frame.t[value]);
    for (int i = 0; i < t->n_wanted; i++)
        if (dsc_tensor_is_present(&grads[i]))
            dsc_tensor_ref(&t->grads[t->wanted[i]], &grads[i]);
    if (t->wants[value])
        DSC_TRY_OUT(st, seed_output(t, output, seed, &type, err));
    if (t->n_segments == 1)
        DSC_TRY_OUT(st, nodes_backward(t, 0, t->g->n_nodes, err));
    for (int s = t->n_segments - 1; s >= 0 && t->n_segments > 1; s--)
        DSC_TRY_OUT(st, segment_backward(t, s, err));
    st = give_grads(t, grads, err);
out:
    drop_recording(t);
    return st;
}
