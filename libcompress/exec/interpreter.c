/*
 * The interpreter: nodes in order, outputs sized by inference, values released at last use.
 *
 * Placement: a node whose inputs are all host integers (shapes, axes, ids arithmetic) runs on the
 * host, as do operators marked is_host; everything else runs on the session's device. Inputs named
 * by host_in are brought to the host, the others to the node's device.
 */
#include "exec/frame.h"

#include <inttypes.h>
#include <string.h>

void dsc_exec_init(struct dsc_exec *x, struct dsc_device *dev, const struct dsc_run *run)
{
    *x = (struct dsc_exec){.dev = dev,
                           .is_training = run->is_training,
                           .seed = run->seed,
                           .step = run->step,
                           .example_ids = run->example_ids,
                           .n_examples = run->n_examples};
}

void dsc_exec_release(struct dsc_exec *x)
{
    for (int i = 0; i < x->n_temps; i++) {
        dsc_tensor_clear(x->temps[i]);
        dsc_heap_free(x->temps[i]);
    }
    x->n_temps = 0;
}

void dsc_exec_clear(struct dsc_exec *x)
{
    dsc_exec_release(x);
    dsc_heap_free(x->temps);
    x->temps = NULL;
    x->cap_temps = 0;
}

enum dsc_status dsc_exec_temp(struct dsc_exec *x, enum dsc_dtype dtype, int rank,
                              const int64_t *dim, struct dsc_tensor **t, struct dsc_err *err)
{
    struct dsc_tensor *own;
    enum dsc_status st;

    if (x->n_temps == x->cap_temps) {
        void *p = dsc_heap_grow(x->temps, (size_t)x->cap_temps + 8, sizeof x->temps[0], err);

        if (!p)
            return DSC_E_MEMORY;
        x->temps = p;
        x->cap_temps += 8;
    }
    own = dsc_heap_alloc(1, sizeof *own, err);
    if (!own)
        return DSC_E_MEMORY;
    st = dsc_device_tensor(x->dev, own, dtype, rank, dim, err);
    if (st != DSC_OK) {
        dsc_heap_free(own);
        return st;
    }
    x->temps[x->n_temps++] = own;
    *t = own;
    return DSC_OK;
}

/* Everything that one node needs while it runs; reused for all nodes of a run. */
struct step {
    struct dsc_arena scratch;
    struct dsc_exec x;
    struct dsc_frame *f;
    const struct dsc_run *run;
    const struct dsc_node *n;
    const struct dsc_tensor **in;   /* as forward gets them */
    struct dsc_tensor *moved;       /* [n_in] copies made for this node */
    const struct dsc_tensor **host; /* [n_in] host values, for inference */
    struct dsc_tensor **out;
    struct dsc_type *in_type, *out_type;
};

static bool runs_on_host(const struct step *p)
{
    bool has_input = false;

    if (p->n->op->is_host)
        return true;
    for (int i = 0; i < p->n->n_in; i++) {
        if (!p->in[i] || (i < 16 && p->n->op->shape_in >> i & 1))
            continue;
        has_input = true;
        if (dsc_dtype_is_float(p->in[i]->dtype) && !(p->n->op->host_in >> i & 1))
            return false;
        if (!dsc_tensor_is_host(p->in[i]))
            return false;
    }
    return has_input && p->f->s->host != p->f->s->dev;
}

static enum dsc_status place_inputs(struct step *p, struct dsc_err *err)
{
    const uint32_t host_in = p->n->op->host_in, shape_in = p->n->op->shape_in;

    p->x.dev = runs_on_host(p) ? p->f->s->host : p->f->s->dev;
    for (int i = 0; i < p->n->n_in; i++) {
        const bool is_host_in = i < 16 && host_in >> i & 1;

        if (!p->in[i])
            continue;
        if (is_host_in)
            DSC_TRY(dsc_to_host(&p->moved[i], p->in[i], err));
        else if (i < 16 && shape_in >> i & 1)
            dsc_tensor_ref(&p->moved[i], p->in[i]);
        else
            DSC_TRY(dsc_to_device(p->x.dev, &p->moved[i], p->in[i], err));
        p->in[i] = &p->moved[i];
        dsc_type_of_tensor(&p->in_type[i], p->in[i]);
        if (is_host_in)
            p->host[i] = p->in[i];
    }
    return DSC_OK;
}

static enum dsc_status prepare(struct step *p, struct dsc_err *err)
{
    const struct dsc_node *n = p->n;

    DSC_NEW(p->in, &p->scratch, n->n_in, err);
    DSC_NEW(p->moved, &p->scratch, n->n_in, err);
    DSC_NEW(p->host, &p->scratch, n->n_in, err);
    DSC_NEW(p->in_type, &p->scratch, n->n_in, err);
    DSC_NEW(p->out, &p->scratch, n->n_out, err);
    DSC_NEW(p->out_type, &p->scratch, n->n_out, err);
    for (int i = 0; i < n->n_in; i++) {
        dsc_type_unknown(&p->in_type[i]);
        DSC_TRY(dsc_frame_get(p->f, n->in[i], &p->in[i], err));
    }
    return place_inputs(p, err);
}

static enum dsc_status infer_outputs(struct step *p, struct dsc_err *err)
{
    struct dsc_infer q = {.node = p->n,
                          .n_in = p->n->n_in,
                          .n_out = p->n->n_out,
                          .in = p->in_type,
                          .value = p->host,
                          .out = p->out_type};

    for (int i = 0; i < p->n->n_out; i++)
        dsc_type_unknown(&p->out_type[i]);
    DSC_TRY(p->n->op->infer(&q, err));
    for (int i = 0; i < p->n->n_out; i++)
        if (p->n->out[i] != DSC_NO_VALUE && !dsc_type_is_known(&p->out_type[i]))
            return dsc_fail(err, DSC_E_INTERNAL, "the size of output %d is not known at run time",
                            i);
    return DSC_OK;
}

static enum dsc_status alloc_outputs(struct step *p, struct dsc_err *err)
{
    const struct dsc_node *n = p->n;

    for (int i = 0; i < n->n_out; i++) {
        struct dsc_tensor *t = n->out[i] == DSC_NO_VALUE ? NULL : &p->f->t[n->out[i]];
        const struct dsc_type *type = &p->out_type[i];

        p->out[i] = t;
        if (!t)
            continue;
        if (n->op->is_view && i == 0)
            DSC_TRY(dsc_tensor_reshape(t, p->in[0], type->rank, type->dim, err));
        else
            DSC_TRY(dsc_device_tensor(p->x.dev, t, type->dtype, type->rank, type->dim, err));
    }
    return DSC_OK;
}

static enum dsc_status run_node(struct step *p, struct dsc_err *err)
{
    DSC_TRY(prepare(p, err));
    DSC_TRY(infer_outputs(p, err));
    DSC_TRY(alloc_outputs(p, err));
    if (p->n->op->forward)
        DSC_TRY(p->n->op->forward(&p->x, p->n, p->in, p->out, err));
    else if (!p->n->op->is_view)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "%s has no forward", p->n->op->onnx);
    if (p->run->after_node)
        DSC_TRY(p->run->after_node(p->run->ctx, p->n, p->in, p->out, err));
    return DSC_OK;
}

static void finish_node(struct step *p)
{
    dsc_exec_release(&p->x);
    for (int i = 0; p->moved && i < p->n->n_in; i++)
        dsc_tensor_clear(&p->moved[i]);
    for (int i = 0; i < p->n->n_in; i++)
        dsc_frame_release(p->f, p->n->in[i]);
    for (int i = 0; i < p->n->n_out; i++) /* an output that nobody reads */
        if (p->n->out[i] != DSC_NO_VALUE && p->f->n_left[p->n->out[i]] == 0)
            dsc_tensor_clear(&p->f->t[p->n->out[i]]);
    p->in = NULL;
    p->moved = NULL;
}

enum dsc_status dsc_frame_run(struct dsc_frame *f, const struct dsc_run *run, int first, int last,
                              enum dsc_status (*save)(void *ctx, int node_idx,
                                                      const struct dsc_node_io *io,
                                                      struct dsc_err *err),
                              void *ctx, struct dsc_err *err)
{
    struct step p = {.f = f, .run = run};
    enum dsc_status st = DSC_OK;

    dsc_arena_init(&p.scratch);
    dsc_exec_init(&p.x, f->s->dev, run);
    for (int i = first; i < last && st == DSC_OK; i++) {
        const struct dsc_arena_mark mark = dsc_arena_mark(&p.scratch);

        p.n = f->s->graph->nodes[i];
        st = run_node(&p, err);
        if (st == DSC_OK && save)
            st = save(ctx, i, &(struct dsc_node_io){p.n, p.in, p.out}, err);
        if (st != DSC_OK)
            dsc_err_where(err, "node '%s' (%s)", p.n->name, p.n->op->onnx);
        finish_node(&p);
        dsc_arena_reset(&p.scratch, mark);
    }
    dsc_exec_clear(&p.x);
    dsc_arena_clear(&p.scratch);
    return st;
}
