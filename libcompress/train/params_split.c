/*
 * Tensors that an exporter has merged, apart again; and ties that it has lost.
 *
 * Exporters store equal constants once: the biases of a fresh model, all 0, are one initializer.
 * Training it as one would add up the gradients of what were separate weights.
 */
#include "train/params.h"

#include <stdio.h>
#include <string.h>

enum { MIN_COPY_ELEMS = 1024 }; /* smaller tensors may be equal by chance */

struct splitter {
    struct dsc_graph *g;
    const unsigned char *marks; /* [n_marks] of the values that were there before */
    int n_marks, n_merged, n_new;
    bool *is_split; /* [n_marks] counted in n_merged */
};

/* The initializer that a value is made of by nodes that pass it on, or NO_VALUE. */
static int root_of(const struct splitter *s, int value)
{
    while (value != DSC_NO_VALUE && value < s->n_marks && s->g->values[value].producer >= 0) {
        const struct dsc_node *n = s->g->nodes[s->g->values[value].producer];

        if (n->n_in < 1 || n->in[0] == DSC_NO_VALUE || n->out[0] != value ||
            (params_mark_of(s->g, n, 0, s->marks) & PARAM_IS_WEIGHT) == 0 ||
            n->op->param_in & DSC_IN(0))
            return DSC_NO_VALUE;
        value = n->in[0];
    }
    return value;
}

static bool is_merged(const struct splitter *s, int value)
{
    return value != DSC_NO_VALUE && value < s->n_marks &&
           params_is_trainable(&s->g->values[value], s->marks[value]) &&
           !(s->marks[value] & PARAM_IS_SCALE) && params_is_uniform(&s->g->values[value].init);
}

/* Named after its reader: of the merged names the exporter has kept one, which says nothing. */
static enum dsc_status name_by_reader(const struct dsc_graph *g, const struct dsc_node *n, int k,
                                      char *text, size_t n_text, struct dsc_err *err)
{
    int n_chars = snprintf(text, n_text, "%s.in%d", n->name, k);

    for (int i = 2; dsc_graph_find_value(g, text) >= 0 && (size_t)n_chars < n_text; i++)
        n_chars = snprintf(text, n_text, "%s.in%d.%d", n->name, k, i);
    return (size_t)n_chars < n_text
               ? DSC_OK
               : dsc_fail(err, DSC_E_LIMIT, "the name '%.64s..' is too long", n->name);
}

/*
 * The TorchScript exporter keeps the merged names as outputs of Identity nodes: each becomes a
 * weight under that name, and there is no node any more.
 */
static enum dsc_status split_identities(struct splitter *s, struct dsc_err *err)
{
    for (int i = 0; i < s->g->n_nodes; i++) {
        struct dsc_node *n = s->g->nodes[i];
        const int from = n->in[0], to = n->out[0];

        if (strcmp(n->op->onnx, "Identity") != 0 || !is_merged(s, from) ||
            s->g->values[from].n_uses < 2 || s->g->values[to].is_output)
            continue;
        DSC_TRY(dsc_graph_set_init(s->g, to, &s->g->values[from].init, err));
        dsc_graph_remove_node(n);
        s->n_new++;
        s->n_merged += !s->is_split[from];
        s->is_split[from] = true;
    }
    return dsc_graph_sort(s->g, false, err);
}

/* Every use of a passed-on value after the first gets its own copy of the node that passes it. */
static enum dsc_status split_node(struct splitter *s, const struct dsc_node *maker,
                                  struct dsc_err *err)
{
    const int value = maker->out[0], n_nodes = s->g->n_nodes;
    bool is_first = true;

    for (int i = 0; i < n_nodes; i++) {
        struct dsc_node *n = s->g->nodes[i], *copy;

        for (int k = 0; k < n->n_in; k++) {
            if (n->in[k] != value)
                continue;
            if (!is_first) {
                DSC_TRY(dsc_graph_clone_node(s->g, maker, &copy, err));
                n->in[k] = copy->out[0];
            }
            is_first = false;
        }
    }
    return DSC_OK;
}

/* Consumers before makers, so that chains come apart whole. */
static enum dsc_status split_chains(struct splitter *s, struct dsc_err *err)
{
    for (int i = s->g->n_nodes - 1; i >= 0; i--) {
        const struct dsc_node *n = s->g->nodes[i];

        if (n->n_out > 0 && n->out[0] != DSC_NO_VALUE && s->g->values[n->out[0]].n_uses > 1 &&
            is_merged(s, root_of(s, n->out[0])))
            DSC_TRY(split_node(s, n, err));
    }
    return dsc_graph_sort(s->g, false, err);
}

/* The tensors share their bytes until training writes its own. */
static enum dsc_status split_value(struct splitter *s, int value, struct dsc_err *err)
{
    const struct dsc_tensor shared = s->g->values[value].init; /* the array of values may move */
    bool is_first = true;
    char name[512];

    for (int i = 0; i < s->g->n_nodes; i++) {
        struct dsc_node *n = s->g->nodes[i];

        for (int k = 0; k < n->n_in; k++) {
            if (n->in[k] != value)
                continue;
            if (!is_first) {
                DSC_TRY(name_by_reader(s->g, n, k, name, sizeof name, err));
                DSC_TRY(dsc_graph_init(s->g, name, &shared, &n->in[k], err));
                s->n_new++;
            }
            is_first = false;
        }
    }
    s->n_merged += !s->is_split[value];
    return DSC_OK;
}

enum dsc_status dsc_params_split(struct dsc_graph *g, struct dsc_arena *arena, int *n_merged,
                                 int *n_new, struct dsc_err *err)
{
    struct splitter s = {.g = g, .n_marks = g->n_values};
    unsigned char *marks;

    DSC_TRY(params_mark(g, arena, &marks, err));
    DSC_NEW(s.is_split, arena, s.n_marks + 1, err);
    s.marks = marks;
    DSC_TRY(split_identities(&s, err));
    DSC_TRY(split_chains(&s, err));
    for (int i = 0; i < s.n_marks; i++)
        if (g->values[i].n_uses > 1 && is_merged(&s, i))
            DSC_TRY(split_value(&s, i, err));
    *n_merged = s.n_merged;
    *n_new = s.n_new;
    return dsc_graph_sort(g, false, err);
}

/* ---- copies ---- */

/* Equal for equal sets of elements in any order, so for transposes too. */
static uint64_t sum_of(const struct dsc_tensor *t)
{
    const int64_t n = dsc_tensor_n_elems(t);
    uint64_t sum = 0;

    for (int64_t i = 0; i < n; i++) {
        const double v = dsc_tensor_get_f64(t, i) + 0.0; /* -0 is 0 */
        uint64_t bits;

        memcpy(&bits, &v, sizeof bits);
        bits *= 0x9E3779B97F4A7C15u;
        sum += bits ^ bits >> 29;
    }
    return sum;
}

static bool is_same(const struct dsc_tensor *a, const struct dsc_tensor *b)
{
    const int64_t n = dsc_tensor_n_elems(a);

    if (!dsc_tensor_same_shape(a, b))
        return false;
    for (int64_t i = 0; i < n; i++)
        if (dsc_tensor_get_f64(a, i) != dsc_tensor_get_f64(b, i))
            return false;
    return true;
}

static bool is_transposed(const struct dsc_tensor *a, const struct dsc_tensor *b)
{
    if (a->rank != 2 || b->rank != 2 || a->dim[0] != b->dim[1] || a->dim[1] != b->dim[0])
        return false;
    for (int64_t i = 0; i < a->dim[0]; i++)
        for (int64_t k = 0; k < a->dim[1]; k++)
            if (dsc_tensor_get_f64(a, i * a->dim[1] + k) !=
                dsc_tensor_get_f64(b, k * b->dim[1] + i))
                return false;
    return true;
}

enum dsc_status dsc_params_copies(const struct dsc_graph *g, const struct dsc_param *params,
                                  int n_params, struct dsc_arena *arena,
                                  struct dsc_param_copy **copies, int *n_copies,
                                  struct dsc_err *err)
{
    struct dsc_param_copy *found;
    uint64_t *sum;
    int n = 0;

    DSC_NEW(sum, arena, n_params + 1, err);
    DSC_NEW(found, arena, n_params + 1, err);
    for (int i = 0; i < n_params; i++) {
        const struct dsc_tensor *a = &g->values[params[i].value].init;
        const bool is_counted = params[i].n_elems >= MIN_COPY_ELEMS && !params_is_uniform(a);

        sum[i] = is_counted ? sum_of(a) : 0;
        for (int k = 0; is_counted && k < i; k++) {
            const struct dsc_tensor *b = &g->values[params[k].value].init;
            bool is_turned = false;

            if (sum[k] != sum[i] || params[k].n_elems != params[i].n_elems ||
                (!is_same(b, a) && !(is_turned = is_transposed(b, a))))
                continue;
            found[n++] = (struct dsc_param_copy){k, i, is_turned};
            break; /* of three equal ones the second and the third are named with the first */
        }
    }
    *copies = found;
    *n_copies = n;
    return DSC_OK;
}
