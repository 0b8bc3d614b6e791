/* Axes through Reshape, Squeeze, Unsqueeze and Flatten: they split, merge, or stay. */
#include "dsc/checked.h"
#include "dsc/op.h"
#include "passes/prune_tie.h"

#include <stdio.h>

/* ---- the shape input ---- */

/* Where the entry `at` of a shape stands: in a constant, or in a constant part of a Concat. */
struct entry {
    struct dsc_node *concat;           /* NULL: the shape itself is the constant */
    int part;                          /* input of the Concat */
    int64_t at;                        /* place in the constant */
    const struct dsc_tensor *constant; /* NULL: computed */
};

static int64_t length_of(const struct dsc_graph *g, int value)
{
    const struct dsc_type *t = &g->values[value].type;

    return t->rank == 1 ? t->dim[0] : -1;
}

static struct entry find_entry(const struct dsc_graph *g, int shape, int64_t at)
{
    struct entry e = {.at = at, .constant = dsc_constant(g, shape)};

    if (e.constant)
        return e;
    e.concat = dsc_producer(g, shape);
    if (!dsc_node_is(e.concat, "", "Concat"))
        return e;
    for (e.part = 0; e.part < e.concat->n_in; e.part++) {
        const int64_t n = length_of(g, e.concat->in[e.part]);

        if (n < 0)
            return e;
        if (e.at < n) {
            e.constant = dsc_constant(g, e.concat->in[e.part]);
            return e;
        }
        e.at -= n;
    }
    return e;
}

int64_t dsc_reshape_size(const struct dsc_graph *g, const struct dsc_node *n, int axis)
{
    const struct entry e = find_entry(g, n->in[1], axis);
    const struct dsc_type *in = &g->values[n->in[0]].type;
    int64_t size;

    if (!e.constant || e.at >= dsc_tensor_n_elems(e.constant))
        return 0;
    size = dsc_tensor_get_i64(e.constant, e.at);
    if (size == 0 && in->rank > axis && in->dim[axis] > 0)
        return in->dim[axis];
    return size > 0 ? size : size == -1 ? DSC_DIM_UNKNOWN : 0;
}

enum dsc_status dsc_reshape_set_size(struct dsc_graph *g, struct dsc_node *n, int axis,
                                     int64_t size, struct dsc_err *err)
{
    struct entry e = find_entry(g, n->in[1], axis);
    struct dsc_tensor t;
    struct dsc_node *own;
    char name[256];
    int id;
    enum dsc_status st;

    if (!e.constant)
        return dsc_fail(err, DSC_E_INTERNAL, "the shape of '%s' is computed", n->name);
    if (dsc_tensor_get_i64(e.constant, e.at) == -1)
        return DSC_OK;
    DSC_TRY(dsc_tensor_new(&t, DSC_I64, e.constant->rank, e.constant->dim, err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(&t); i++)
        dsc_tensor_set_i64(&t, i, i == e.at ? size : dsc_tensor_get_i64(e.constant, i));
    snprintf(name, sizeof name, "%.200s_shape", n->name);
    st = dsc_add_init(g, name, &t, &id, err);
    dsc_tensor_clear(&t);
    DSC_TRY(st);
    if (!e.concat) {
        n->in[1] = id;
        return DSC_OK;
    }
    DSC_TRY(dsc_graph_clone_node(g, e.concat, &own, err));
    own->in[e.part] = id;
    g->values[own->out[0]].type = g->values[n->in[1]].type;
    g->values[own->out[0]].producer = g->n_nodes - 1; /* for the next axis of this node */
    n->in[1] = own->out[0];
    return DSC_OK;
}

enum dsc_status dsc_prune_learn_sizes(struct dsc_graph *g, struct dsc_err *err)
{
    dsc_prune_drop_zero_states(g);
    DSC_TRY(dsc_graph_sort(g, true, err));
    for (int i = 0; i < g->n_nodes; i++) {
        const struct dsc_node *n = g->nodes[i];
        struct dsc_type *t = &g->values[n->out[0]].type;

        for (int axis = 0; dsc_node_is(n, "", "Reshape") && axis < t->rank; axis++) {
            const int64_t size = dsc_reshape_size(g, n, axis);

            if (t->dim[axis] == DSC_DIM_UNKNOWN && size > 0)
                t->dim[axis] = size;
        }
    }
    return dsc_graph_verify(g, err);
}

/* ---- which axes of one side are which of the other ---- */

/* Axes [in_low, in_high] hold the elements of [out_low, out_high]. */
struct segment {
    int low[2], high[2]; /* 0 the input's, 1 the output's */
};

struct sides {
    int value[2], rank[2];
    int64_t dim[2][DSC_MAX_RANK];
};

static bool read_sides(struct dsc_tie *t, const struct dsc_node *n, struct sides *s)
{
    s->value[0] = n->in[0];
    s->value[1] = n->out[0];
    for (int k = 0; k < 2; k++) {
        const struct dsc_type *type = &t->g->values[s->value[k]].type;

        s->rank[k] = type->rank;
        if (type->rank < 0)
            return dsc_tie_refuse(t, "%s '%.80s' has a shape that is not known", n->op->onnx,
                                  n->name);
        for (int i = 0; i < type->rank; i++) {
            s->dim[k][i] = type->dim[i];
            if (k == 1 && type->dim[i] < 0 && dsc_node_is(n, "", "Reshape")) {
                const int64_t size = dsc_reshape_size(t->g, n, i);

                s->dim[k][i] = size > 0 ? size : type->dim[i];
            }
        }
    }
    return true;
}

/* The next segment to the left of q; false: sizes that are not known, or the end. */
static bool next_segment(const struct sides *s, struct segment *q)
{
    int64_t size[2];

    for (int k = 0; k < 2; k++) {
        q->high[k] = q->low[k] - 1;
        q->low[k] = q->high[k];
        if (q->high[k] < 0)
            return false;
        size[k] = s->dim[k][q->high[k]];
    }
    if (size[0] == size[1] && size[0] != DSC_DIM_UNKNOWN)
        return true; /* a symbol, too */
    while (size[0] != size[1]) {
        const int k = size[0] < size[1] ? 0 : 1;

        if (size[0] <= 0 || size[1] <= 0 || q->low[k] == 0 || s->dim[k][q->low[k] - 1] <= 0 ||
            !dsc_mul_i64(size[k], s->dim[k][--q->low[k]], &size[k]))
            return false;
    }
    return size[0] > 0;
}

/* Product of the sizes of axes [first, last]. */
static int64_t extent(const int64_t *dim, int first, int last)
{
    int64_t n = 1;

    for (int i = first; i <= last; i++)
        n *= dim[i];
    return n;
}

/* The units of a segment's elements depend on the place along this axis alone. */
static bool decides(const struct dsc_tie *t, const int *flat, int64_t n, int64_t size,
                    int64_t inner, int *unit)
{
    for (int64_t c = 0; c < size; c++)
        unit[c] = -1;
    for (int64_t f = 0; f < n; f++) {
        const int u = dsc_tie_unit(t, flat[f]);
        int *first = &unit[f / inner % size];

        if (*first >= 0 && *first != u)
            return false;
        *first = u;
    }
    return true;
}

static void join_along(struct dsc_tie *t, const int *flat, int64_t n, int64_t size, int64_t inner,
                       int *unit)
{
    for (int64_t c = 0; c < size; c++)
        unit[c] = -1;
    for (int64_t f = 0; f < n; f++) {
        int *first = &unit[f / inner % size];

        if (*first < 0)
            *first = flat[f];
        else
            dsc_tie_join(t, *first, flat[f]);
    }
}

/* The axis of the other side that carries the units: one that decides them already; else the
 * outermost, along which those that meet there are joined (all of a head). */
static bool carry(struct dsc_tie *t, const struct sides *s, const struct segment *q, int k,
                  const int *flat, int64_t n, int *axis, int64_t *size, int **unit)
{
    int outermost = -1;

    *unit = dsc_arena_alloc(t->arena, (size_t)n, sizeof **unit, t->err);
    if (!*unit)
        return dsc_tie_refuse(t, "no memory");
    for (*axis = q->low[k]; *axis <= q->high[k]; ++*axis) {
        *size = s->dim[k][*axis];
        if (*size == 1)
            continue;
        outermost = outermost < 0 ? *axis : outermost;
        if (decides(t, flat, n, *size, extent(s->dim[k], *axis + 1, q->high[k]), *unit))
            return true;
    }
    for (*axis = q->low[k]; *axis <= q->high[k]; ++*axis)
        if (dsc_tie_find(t, s->value[k], *axis))
            outermost = *axis;
    *axis = outermost;
    *size = s->dim[k][*axis];
    join_along(t, flat, n, *size, extent(s->dim[k], *axis + 1, q->high[k]), *unit);
    return true;
}

static bool can_resize(struct dsc_tie *t, const struct dsc_node *n, int axis)
{
    return !dsc_node_is(n, "", "Reshape") || dsc_reshape_size(t->g, n, axis) != 0 ||
           dsc_tie_refuse(t, "Reshape '%.80s' computes the size of the axis", n->name);
}

bool dsc_tie_reshape(struct dsc_tie *t, const struct dsc_node *n, const struct dsc_tie_port *p)
{
    const int own = p->is_out, other = !own;
    struct segment q;
    struct sides s;
    int64_t n_elems, inner, size = 0;
    int *flat, *unit, axis = 0;

    if (!p->is_out && p->k != 0)
        return dsc_tie_refuse(t, "%s '%.80s' reads it as a shape", n->op->onnx, n->name);
    if (!read_sides(t, n, &s))
        return false;
    q = (struct segment){.low = {s.rank[0], s.rank[1]}};
    do {
        if (!next_segment(&s, &q))
            return dsc_tie_refuse(t, "%s '%.80s' has sizes that are not known", n->op->onnx,
                                  n->name);
    } while (p->at->axis < q.low[own]);
    n_elems = extent(s.dim[own], q.low[own], q.high[own]);
    inner = extent(s.dim[own], p->at->axis + 1, q.high[own]);
    if (n_elems <= 0) /* one axis of a symbol's size on either side */
        return dsc_tie_add(t, s.value[other], q.low[other], p->at->n, p->at->unit);
    flat = dsc_arena_alloc(t->arena, (size_t)n_elems, sizeof *flat, t->err);
    if (!flat)
        return dsc_tie_refuse(t, "no memory");
    for (int64_t f = 0; f < n_elems; f++)
        flat[f] = p->at->unit[f / inner % p->at->n];
    return carry(t, &s, &q, other, flat, n_elems, &axis, &size, &unit) &&
           dsc_tie_add(t, s.value[other], axis, size, unit) &&
           can_resize(t, n, own ? p->at->axis : axis);
}
