/* Which tensors may be pruned, by the roles in which nodes read them. */
#include "dsc/census.h"
#include "dsc/op.h"
#include "dsc/prune.h"
#include "passes/rewrite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the pattern ---- */

/* "A<sep>B" of whole positive numbers. */
static bool parse_pair(const char *text, char sep, int64_t *a, int64_t *b)
{
    char *end;

    errno = 0;
    *a = strtoll(text, &end, 10);
    if (end == text || *end != sep || text[0] == '-' || text[0] == '+')
        return false;
    text = end + 1;
    *b = strtoll(text, &end, 10);
    return end != text && *end == '\0' && text[0] != '-' && text[0] != '+' && errno == 0 &&
           *a > 0 && *b > 0;
}

enum dsc_status dsc_mask_pattern_parse(const char *text, struct dsc_mask_pattern *p,
                                       struct dsc_err *err)
{
    *p = (struct dsc_mask_pattern){.kind = DSC_MASK_ELEMENTS};
    if (strcmp(text, "unstructured") == 0)
        return DSC_OK;
    if (strncmp(text, "block:", 6) == 0) {
        p->kind = DSC_MASK_BLOCKS;
        if (parse_pair(text + 6, 'x', &p->n, &p->m))
            return DSC_OK;
        return dsc_fail(err, DSC_E_USAGE, "--pattern %s: a block is written block:4x1", text);
    }
    p->kind = DSC_MASK_GROUPS;
    if (parse_pair(text, ':', &p->n, &p->m)) {
        if (p->n < p->m)
            return DSC_OK;
        return dsc_fail(err, DSC_E_USAGE, "--pattern %s keeps every element", text);
    }
    dsc_fail(err, DSC_E_USAGE, "there is no pattern '%s'", text);
    dsc_err_hint(err, "unstructured, N:M (2:4), block:RxC (block:4x1), ffn, heads, hidden, gates, "
                      "channels, layers, vocab, lowrank");
    return DSC_E_USAGE;
}

/* ---- roles ---- */

enum role_kind { ROLE_NONE, ROLE_PRODUCT, ROLE_TABLE, ROLE_OTHER, ROLE_MIXED };

struct role {
    enum role_kind kind;
    int axis; /* of the initializer; of ROLE_PRODUCT the summed one */
    int n_nodes;
    const char **nodes; /* names, in the finder's scratch */
};

struct finder {
    const struct dsc_graph *g;
    const char **names; /* [n_nodes] */
};

/* The axis of input k that the product sums over; -1: it is no factor of one. */
static int summed_axis(const struct dsc_node *n, int k, int rank)
{
    if (n->op->prune == DSC_PRUNE_GEMM && rank == 2 && k < 2)
        return k == 0 ? dsc_node_int(n, "transA", 0) == 0 : dsc_node_int(n, "transB", 0) != 0;
    if (n->op->prune == DSC_PRUNE_MATMUL && k < 2)
        return k == 0 || rank == 1 ? rank - 1 : rank - 2;
    if (n->op->prune == DSC_PRUNE_CONV && rank > 2 && k == 1)
        return dsc_node_is(n, "", "Conv");
    if (n->op->prune == DSC_PRUNE_RECURRENT && (k == 1 || k == 2)) /* W, R [D, gates, summed] */
        return rank - 1;
    return -1;
}

static void add_role(struct role *r, enum role_kind kind, int axis)
{
    if (r->kind == ROLE_NONE) {
        r->kind = kind;
        r->axis = axis;
    } else if (r->kind != kind || r->axis != axis) {
        r->kind = ROLE_MIXED;
    }
}

static void default_perm(const struct dsc_node *n, int rank, int64_t *perm)
{
    const int64_t *v;

    if (dsc_node_ints(n, "perm", &v) == rank)
        memcpy(perm, v, (size_t)rank * sizeof *perm);
    else
        for (int i = 0; i < rank; i++)
            perm[i] = rank - 1 - i;
}

/* Roles of a value whose axis i is axis map[i] of the initializer. */
static void find_roles(const struct finder *f, int value, int rank, const int *map, struct role *r)
{
    for (int i = 0; i < f->g->n_nodes; i++) {
        const struct dsc_node *n = f->g->nodes[i];

        for (int k = 0; k < n->n_in; k++) {
            const int axis = n->in[k] == value ? summed_axis(n, k, rank) : -1;
            int64_t perm[DSC_MAX_RANK];
            int behind[DSC_MAX_RANK];

            if (n->in[k] != value)
                continue;
            if (r->n_nodes < f->g->n_nodes)
                r->nodes[r->n_nodes++] = n->name;
            if (axis >= 0) {
                add_role(r, ROLE_PRODUCT, map[axis]);
            } else if (n->op->prune == DSC_PRUNE_GATHER && k == 0) {
                add_role(r, ROLE_TABLE, -1);
            } else if (n->op->prune == DSC_PRUNE_TRANSPOSE || dsc_node_is(n, "", "Identity")) {
                default_perm(n, rank, perm);
                for (int a = 0; a < rank; a++)
                    behind[a] = n->op->prune == DSC_PRUNE_TRANSPOSE ? map[perm[a]] : map[a];
                find_roles(f, n->out[0], rank, behind, r);
            } else {
                add_role(r, ROLE_OTHER, -1);
            }
        }
    }
    if (f->g->values[value].is_output)
        add_role(r, ROLE_OTHER, -1);
}

/* ---- fates ---- */

static const char *why_not_shape(const struct dsc_tensor *t, int sum_axis,
                                 const struct dsc_mask_pattern *p)
{
    const bool is_matrix = t->rank == 2 && sum_axis >= 0;

    if (p->kind == DSC_MASK_ELEMENTS)
        return NULL;
    if (sum_axis < 0)
        return "no axis of it is summed over";
    if (t->dim[sum_axis] % p->m != 0)
        return "the axis that is summed over is no multiple of the pattern";
    if (p->kind == DSC_MASK_GROUPS)
        return NULL;
    if (!is_matrix)
        return "blocks are of matrices";
    return t->dim[1 - sum_axis] % p->n != 0 ? "its outputs are no multiple of the pattern" : NULL;
}

static const char *why_not(const struct dsc_tensor *t, const struct role *r,
                           enum dsc_prune_choice choice, const struct dsc_mask_pattern *p)
{
    if (choice <= DSC_PRUNE_LEFT_OUT)
        return "left out by --include or --exclude";
    if (t->dtype != DSC_F32 && t->dtype != DSC_F16 && t->dtype != DSC_BF16)
        return "its type is not f32, f16 or bf16";
    if (r->kind == ROLE_MIXED)
        return "it is read in two roles";
    if (r->kind == ROLE_TABLE && choice != DSC_PRUNE_ASKED_FOR)
        return "a table that is looked up; --include asks for it";
    if (r->kind == ROLE_OTHER && choice != DSC_PRUNE_ASKED_FOR)
        return "a bias or gain, or no factor of a product; --include asks for it";
    return why_not_shape(t, r->kind == ROLE_PRODUCT ? r->axis : -1, p);
}

static enum dsc_status nothing(const struct dsc_graph *g, const struct dsc_prune_weights *w,
                               struct dsc_err *err)
{
    char text[480] = "";
    size_t at = 0;
    int n_said = 0;

    for (int matrices = 1; matrices >= 0; matrices--) /* what one would think of first */
        for (int i = 0; i < w->n && n_said < 3; i++) {
            const struct dsc_value *v = &g->values[w->items[i].value];

            if ((v->init.rank >= 2) != matrices)
                continue;
            at += (size_t)snprintf(text + at, sizeof text - at, "; %.60s: %.70s", v->name,
                                   w->items[i].why);
            n_said++;
        }
    dsc_fail(err, DSC_E_UNSUPPORTED, "no tensor can be pruned so%s", text);
    dsc_err_hint(err, "without -q the reason is shown for each of %d tensors", w->n);
    return DSC_E_UNSUPPORTED;
}

static void judge(struct finder *f, int value, const struct dsc_mask_pattern *p,
                  dsc_prune_choose_fn *choose, void *ctx, struct dsc_prune_weight *w)
{
    const struct dsc_value *v = &f->g->values[value];
    struct role r = {.nodes = f->names};
    enum dsc_prune_choice choice = DSC_PRUNE_CHOSEN;
    struct dsc_tensor_census c;
    int map[DSC_MAX_RANK];

    for (int i = 0; i < v->init.rank; i++)
        map[i] = i;
    find_roles(f, value, v->init.rank, map, &r);
    dsc_tensor_census(&v->init, false, &c);
    if (choose)
        choice = choose(ctx, v->name, r.n_nodes, r.nodes);
    *w = (struct dsc_prune_weight){.value = value,
                                   .sum_axis = r.kind == ROLE_PRODUCT ? r.axis : -1,
                                   .n_elems = c.n_elems,
                                   .n_zero_before = c.n_elems - c.n_nonzero,
                                   .n_zero = c.n_elems - c.n_nonzero,
                                   .why = why_not(&v->init, &r, choice, p)};
}

enum dsc_status dsc_prune_find(const struct dsc_graph *g, const struct dsc_mask_pattern *p,
                               dsc_prune_choose_fn *choose, void *ctx, struct dsc_arena *arena,
                               struct dsc_prune_weights *w, struct dsc_err *err)
{
    struct finder f = {.g = g};
    bool *is_param;

    *w = (struct dsc_prune_weights){0};
    DSC_NEW(w->items, arena, g->n_values + 1, err);
    DSC_NEW(f.names, arena, g->n_nodes + 1, err);
    DSC_NEW(is_param, arena, g->n_values + 1, err);
    dsc_graph_mark_params(g, is_param);
    for (int i = 0; i < g->n_values; i++) {
        const struct dsc_tensor *t = dsc_constant(g, i);

        if (!t || !is_param[i] || !dsc_dtype_is_float(t->dtype) || dsc_tensor_n_elems(t) < 2)
            continue;
        judge(&f, i, p, choose, ctx, &w->items[w->n]);
        w->n_chosen += w->items[w->n++].why == NULL;
    }
    return w->n_chosen > 0 ? DSC_OK : nothing(g, w, err);
}
