/*
 * Operations of one pass. Shapes that data decide (a Reshape by computed sizes) are known only when
 * the graph runs, so it is run, and each node is counted by the shapes that it had.
 */
#include "flops.h"

#include "dsc/census.h"
#include "dsc/checked.h"
#include "dsc/exec.h"
#include "shapes.h"

#include <inttypes.h>
#include <string.h>

struct count {
    struct dsc_arena *arena;
    int64_t total;
};

static enum dsc_status count_node(void *ctx, const struct dsc_node *n,
                                  const struct dsc_tensor *const *in, struct dsc_tensor *const *out,
                                  struct dsc_err *err)
{
    struct count *c = ctx;
    const struct dsc_arena_mark mark = dsc_arena_mark(c->arena);
    struct dsc_type *in_type, *out_type;
    int64_t one;

    DSC_NEW(in_type, c->arena, n->n_in, err);
    DSC_NEW(out_type, c->arena, n->n_out, err);
    for (int i = 0; i < n->n_in; i++) {
        dsc_type_unknown(&in_type[i]);
        if (dsc_tensor_is_present(in[i]))
            dsc_type_of_tensor(&in_type[i], in[i]);
    }
    for (int i = 0; i < n->n_out; i++) {
        dsc_type_unknown(&out_type[i]);
        if (dsc_tensor_is_present(out[i]))
            dsc_type_of_tensor(&out_type[i], out[i]);
    }
    one = dsc_node_flops(&(struct dsc_infer){.node = n,
                                             .n_in = n->n_in,
                                             .n_out = n->n_out,
                                             .in = in_type,
                                             .value = in,
                                             .out = out_type});
    dsc_arena_reset(c->arena, mark);
    if (one > 0 && !dsc_add_i64(c->total, one, &c->total))
        return dsc_fail(err, DSC_E_OVERFLOW, "more operations than 63 bits can count");
    return DSC_OK;
}

static enum dsc_status make_feed(const struct dsc_value *v, const struct dsc_type *type, int fill,
                                 struct dsc_tensor *t, struct dsc_err *err)
{
    if (type->rank < 0 || !dsc_type_is_known(type)) {
        dsc_fail(err, DSC_E_USAGE, "the shape of input '%s' is not known", v->name);
        return dsc_err_hint(err, "give --shapes %s:1x128", v->name);
    }
    DSC_TRY(dsc_tensor_new(t, type->dtype, type->rank, type->dim, err));
    for (int64_t i = 0; fill && i < dsc_tensor_n_elems(t); i++)
        dsc_tensor_set_i64(t, i, fill);
    return DSC_OK;
}

static enum dsc_status run_once(struct dsc_session *s, const struct dsc_graph *g,
                                const struct dsc_type *types, int fill, struct count *count,
                                struct dsc_err *err)
{
    const struct dsc_run run = {.after_node = count_node, .ctx = count};
    struct dsc_tensor *feeds, *outs;
    enum dsc_status st = DSC_OK;

    DSC_NEW(feeds, count->arena, g->n_inputs, err);
    DSC_NEW(outs, count->arena, g->n_outputs, err);
    count->total = 0;
    for (int i = 0; i < g->n_inputs && st == DSC_OK; i++)
        if (!dsc_tensor_is_present(&g->values[g->inputs[i]].init))
            st = make_feed(&g->values[g->inputs[i]], &types[i], fill, &feeds[i], err);
    if (st == DSC_OK)
        st = dsc_session_run(s, &run, feeds, outs, err);
    for (int i = 0; i < g->n_inputs; i++)
        dsc_tensor_clear(&feeds[i]);
    for (int i = 0; i < g->n_outputs; i++)
        dsc_tensor_clear(&outs[i]);
    return st;
}

enum dsc_status dsc_cmd_flops(struct dsc_cmd *cmd, const struct dsc_graph *g, int64_t *flops,
                              struct dsc_err *err)
{
    struct count count = {.arena = cmd->arena};
    struct dsc_device *dev = NULL;
    struct dsc_session *session = NULL;
    struct dsc_err first = {0};
    struct dsc_type *types;
    enum dsc_status st;

    DSC_TRY(dsc_cmd_input_types(cmd, g, &types, err));
    DSC_TRY_OUT(st, dsc_device_open(&dev, "cpu", dsc_cmd_n_threads(cmd), err));
    DSC_TRY_OUT(st, dsc_session_open(&session, g, dev, err));
    /* Ones are valid token ids and masks; a table of one row takes zeros alone. */
    st = run_once(session, g, types, 1, &count, &first);
    if (st == DSC_E_USAGE)
        *err = first;
    else if (st != DSC_OK)
        st = run_once(session, g, types, 0, &count, err);
    *flops = count.total;
out:
    dsc_session_close(session);
    dsc_device_close(dev);
    return st;
}
