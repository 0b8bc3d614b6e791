/* The group that grows: its axes, and the sets of its units. */
#include "passes/prune_tie.h"

#include <stdarg.h>
#include <stdio.h>

int dsc_tie_unit(const struct dsc_tie *t, int unit)
{
    while (t->parent[unit] != unit)
        unit = t->parent[unit];
    return unit;
}

void dsc_tie_join(struct dsc_tie *t, int a, int b)
{
    a = dsc_tie_unit(t, a);
    b = dsc_tie_unit(t, b);
    t->parent[a > b ? a : b] = a > b ? b : a; /* the least stands for its set */
}

int *dsc_tie_new_units(struct dsc_tie *t, int64_t n)
{
    int *parent, *units;

    if (n > INT32_MAX - t->n_units) {
        dsc_tie_refuse(t, "it has too many units");
        return NULL;
    }
    parent = dsc_arena_alloc(t->arena, (size_t)(t->n_units + n), sizeof *parent, t->err);
    units = dsc_arena_alloc(t->arena, (size_t)n, sizeof *units, t->err);
    if (!parent || !units) {
        dsc_tie_refuse(t, "no memory");
        return NULL;
    }
    for (int i = 0; i < t->n_units; i++)
        parent[i] = t->parent[i];
    for (int i = 0; i < (int)n; i++)
        units[i] = parent[t->n_units + i] = t->n_units + i;
    t->parent = parent;
    t->n_units += (int)n;
    return units;
}

bool dsc_tie_refuse(struct dsc_tie *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (t->why[0] == '\0')
        vsnprintf(t->why, sizeof t->why, fmt, ap);
    va_end(ap);
    return false;
}

struct dsc_tied_axis *dsc_tie_find(const struct dsc_tie *t, int value, int axis)
{
    for (int i = 0; i < t->n; i++)
        if (t->axes[i].value == value && t->axes[i].axis == axis)
            return &t->axes[i];
    return NULL;
}

static bool grow(struct dsc_tie *t)
{
    const int cap = t->cap ? 2 * t->cap : 32;
    struct dsc_tied_axis *axes;

    if (t->n < t->cap)
        return true;
    axes = dsc_arena_alloc(t->arena, (size_t)cap, sizeof *axes, t->err);
    if (!axes)
        return dsc_tie_refuse(t, "no memory");
    for (int i = 0; i < t->n; i++)
        axes[i] = t->axes[i];
    t->axes = axes;
    t->cap = cap;
    return true;
}

bool dsc_tie_add(struct dsc_tie *t, int value, int axis, int64_t n, const int *unit)
{
    const struct dsc_value *v = &t->g->values[value];
    struct dsc_tied_axis *have = dsc_tie_find(t, value, axis);
    int *own;

    for (int64_t i = 0; have && have->n == n && i < n; i++)
        dsc_tie_join(t, have->unit[i], unit[i]);
    if (have && have->n == n)
        return true;
    if (v->is_input || v->is_output)
        return dsc_tie_refuse(t, "it reaches the %s '%.80s'", v->is_input ? "input" : "output",
                              v->name);
    if (have || v->type.rank <= axis || (v->type.dim[axis] >= 0 && v->type.dim[axis] != n))
        return dsc_tie_refuse(t, "the sizes at '%.80s' do not fit", v->name);
    own = dsc_arena_alloc(t->arena, (size_t)n, sizeof *own, t->err);
    if (!own || !grow(t))
        return dsc_tie_refuse(t, "no memory");
    for (int64_t i = 0; i < n; i++)
        own[i] = unit[i];
    t->axes[t->n++] = (struct dsc_tied_axis){.value = value, .axis = axis, .n = n, .unit = own};
    return true;
}
