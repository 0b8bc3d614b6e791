/* Which format each layer gets: dynamic programming over layers on the measured table. */
#include "calib.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_POINTS = 16384 };

struct dsc_front_step {
    struct dsc_front_point *points; /* by bytes, damage falls */
    int n;
};

static int compare_points(const void *a, const void *b)
{
    const struct dsc_front_point *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    if (x->damage != y->damage)
        return x->damage < y->damage ? -1 : 1;
    return x->before != y->before ? (x->before < y->before ? -1 : 1) : x->format - y->format;
}

/* Points that another one beats in bytes and in damage go. */
static int drop_beaten(struct dsc_front_point *p, int n)
{
    int kept = 0;

    for (int i = 0; i < n; i++)
        if (kept == 0 || p[i].damage < p[kept - 1].damage)
            p[kept++] = p[i];
    return kept;
}

/* Of points within a MOST_POINTS-th of the range of bytes, the least damage; and the smallest. */
static int thin(struct dsc_front_point *p, int n)
{
    const double width = (double)(p[n - 1].bytes - p[0].bytes) / (MOST_POINTS - 2);
    int kept = 1;

    for (int i = 1; i < n; i++) {
        const double cell = floor((double)(p[i].bytes - p[0].bytes) / width);

        if (i + 1 < n && floor((double)(p[i + 1].bytes - p[0].bytes) / width) == cell)
            continue;
        p[kept++] = p[i];
    }
    return kept;
}

static enum dsc_status add_layer(const struct dsc_front_step *before,
                                 const struct dsc_alloc_option *options, int n_formats,
                                 struct dsc_front_step *after, struct dsc_arena *arena,
                                 struct dsc_err *err)
{
    struct dsc_front_point *all =
        dsc_heap_alloc((size_t)before->n * (size_t)n_formats + 1, sizeof *all, err);
    int n = 0;

    if (!all)
        return DSC_E_MEMORY;
    for (int i = 0; i < before->n; i++)
        for (int f = 0; f < n_formats; f++)
            if (options[f].is_open)
                all[n++] =
                    (struct dsc_front_point){.bytes = before->points[i].bytes + options[f].bytes,
                                             .damage = before->points[i].damage + options[f].damage,
                                             .before = i,
                                             .format = f};
    qsort(all, (size_t)n, sizeof *all, compare_points);
    n = drop_beaten(all, n);
    n = n > MOST_POINTS ? thin(all, n) : n;
    after->points = dsc_arena_alloc(arena, (size_t)n, sizeof *after->points, err);
    after->n = n;
    if (after->points && n)
        memcpy(after->points, all, (size_t)n * sizeof *all);
    dsc_heap_free(all);
    return after->points ? DSC_OK : DSC_E_MEMORY;
}

enum dsc_status dsc_allocate(const struct dsc_alloc_option *table, int n_layers, int n_formats,
                             uint64_t base_bytes, struct dsc_front *front, struct dsc_arena *arena,
                             struct dsc_err *err)
{
    struct dsc_front_point *start;

    *front = (struct dsc_front){.n_layers = n_layers};
    DSC_NEW(front->steps, arena, n_layers + 1, err);
    DSC_NEW(start, arena, 1, err);
    start->bytes = base_bytes;
    front->steps[0] = (struct dsc_front_step){start, 1};
    for (int i = 0; i < n_layers; i++)
        DSC_TRY(add_layer(&front->steps[i], table + (size_t)i * (size_t)n_formats, n_formats,
                          &front->steps[i + 1], arena, err));
    front->points = front->steps[n_layers].points;
    front->n_points = front->steps[n_layers].n;
    return DSC_OK;
}

void dsc_front_choice(const struct dsc_front *front, int point, int *format_of)
{
    for (int i = front->n_layers; i > 0; i--) {
        const struct dsc_front_point *p = &front->steps[i].points[point];

        format_of[i - 1] = p->format;
        point = p->before;
    }
}

int dsc_front_within(const struct dsc_front *front, uint64_t budget_bytes)
{
    int found = -1;

    for (int i = 0; i < front->n_points && front->points[i].bytes <= budget_bytes; i++)
        found = i;
    return found;
}
