/* Shapes of inputs that a graph leaves open. */
#include "shapes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "1x128" into sizes. */
static enum dsc_status parse_dims(const char *spec, const char *text, struct dsc_type *type,
                                  struct dsc_err *err)
{
    type->rank = 0;
    while (*text) {
        char *end;

        errno = 0;
        if (type->rank == DSC_MAX_RANK || *text < '0' || *text > '9')
            return dsc_fail(err, DSC_E_USAGE, "--shapes %s is not NAME:1x128", spec);
        type->dim[type->rank++] = strtoll(text, &end, 10);
        if (errno || (*end && (*end != 'x' || !end[1])))
            return dsc_fail(err, DSC_E_USAGE, "--shapes %s is not NAME:1x128", spec);
        text = end + (*end == 'x');
    }
    return DSC_OK;
}

/* Size `n` for the declared dimension: sets a symbol on its first use. */
static bool fits(int64_t declared, int64_t n, int64_t *sizes)
{
    if (dsc_dim_is_symbol(declared)) {
        int64_t *size = &sizes[dsc_dim_symbol_idx(declared)];

        if (*size < 0)
            *size = n;
        return *size == n;
    }
    return declared < 0 || declared == n;
}

static enum dsc_status apply_spec(const struct dsc_graph *g, const char *spec, int64_t *sizes,
                                  struct dsc_type *types, struct dsc_arena *arena,
                                  struct dsc_err *err)
{
    const char *colon = strrchr(spec, ':');
    const char *name = colon ? dsc_arena_strndup(arena, spec, (size_t)(colon - spec), err) : NULL;
    struct dsc_type given = {0};
    int i = 0;

    if (!name)
        return dsc_fail(err, DSC_E_USAGE, "--shapes %s is not NAME:1x128", spec);
    while (i < g->n_inputs && strcmp(g->values[g->inputs[i]].name, name) != 0)
        i++;
    if (i == g->n_inputs)
        return dsc_fail(err, DSC_E_USAGE, "--shapes %s: the graph has no such input", spec);
    DSC_TRY(parse_dims(spec, colon + 1, &given, err));
    given.dtype = types[i].dtype;
    if (types[i].rank >= 0 && types[i].rank != given.rank)
        return dsc_fail(err, DSC_E_SHAPE, "--shapes %s: the input has %d axes", spec,
                        types[i].rank);
    for (int d = 0; d < given.rank; d++)
        if (types[i].rank >= 0 && !fits(types[i].dim[d], given.dim[d], sizes))
            return dsc_fail(err, DSC_E_SHAPE, "--shapes %s: axis %d contradicts the graph", spec,
                            d);
    types[i] = given;
    return DSC_OK;
}

enum dsc_status dsc_cmd_input_types(struct dsc_cmd *cmd, const struct dsc_graph *g,
                                    struct dsc_type **types, struct dsc_err *err)
{
    int n_specs;
    const char *const *specs = dsc_opt_items(cmd, DSC_OPT_shapes, &n_specs);
    struct dsc_type *list;
    int64_t *sizes;

    DSC_NEW(list, cmd->arena, g->n_inputs, err);
    DSC_NEW(sizes, cmd->arena, g->n_symbols, err);
    for (int i = 0; i < g->n_symbols; i++)
        sizes[i] = DSC_DIM_UNKNOWN;
    for (int i = 0; i < g->n_inputs; i++)
        list[i] = g->values[g->inputs[i]].type;
    for (int i = 0; i < n_specs; i++)
        DSC_TRY(apply_spec(g, specs[i], sizes, list, cmd->arena, err));
    for (int i = 0; i < g->n_inputs; i++)
        for (int d = 0; d < list[i].rank; d++)
            if (dsc_dim_is_symbol(list[i].dim[d]))
                list[i].dim[d] = sizes[dsc_dim_symbol_idx(list[i].dim[d])];
    *types = list;
    return DSC_OK;
}
