/*
 * conv: products of filters and the patches under a block of windows.
 *
 * F32 runs sgemm_packed with the filters as its left side. Patches are not made where channels that
 * are spread out once (struct dsc_window_grid), or lie so, already hold each row of them as
 * neighbours; gaps between rows of windows are computed, and left out. Else, and for F64, which
 * runs the BLAS, patches are unfolded into a matrix that stays in the cache (Chellapilla et al.
 * 2006). Groups of so few filters that a product would not pay add rows times weights.
 *
 * Tiles are cut by sizes alone and dealt out to a fixed number of tasks, each with scratch of its
 * own; no two tiles write one element, and each goes through its sums in order.
 */
#include "device/cpu/cpu_conv.h"

#include "kernels/kernels.h"

#include <string.h>

enum {
    PANEL = DSC_SGEMM_PANEL,
    DEPTH = 768,      /* rows of patches at a time: with 3 panels they fill the scratch */
    GRID_DEPTH = 256, /* of channels that are spread out: their lines stay in the first cache */
    MAX_COLS = 240,
    MIN_SLICE = 16,
    MAX_SLICE = 144,       /* filters: with MAX_COLS columns they fill the scratch */
    ROW_BLOCK = 1024,      /* positions of a group of few filters */
    SPREAD_ELEMS = 1 << 14 /* of a tile of channels that are spread out */
};

/* ---- tiles: blocks of positions of one image and group, and slices of filters ---- */

struct conv_tile {
    int64_t which, filter, m; /* image and group; the first one among all filters; their number */
    int64_t first, n;         /* positions: of the output, or of the grid */
    const char *x;            /* the group's first channel of the image, or of its grid */
    char *y;                  /* where the first filter's first position is computed */
    int64_t y_step;
};

static void fill_row(const struct dsc_cpu_conv *j, char *y, int64_t filter, int64_t n)
{
    if (!j->bias)
        memset(y, 0, (size_t)(n * j->size));
    else if (j->dtype == DSC_F32)
        for (int64_t i = 0; i < n; i++)
            ((float *)(void *)y)[i] = ((const float *)(const void *)j->bias)[filter];
    else
        for (int64_t i = 0; i < n; i++)
            ((double *)(void *)y)[i] = ((const double *)(const void *)j->bias)[filter];
}

static void start_rows(const struct dsc_cpu_conv *j, const struct conv_tile *t)
{
    for (int64_t r = 0; r < t->m; r++)
        fill_row(j, t->y + r * t->y_step * j->size, t->filter + r, t->n);
}

static struct dsc_sgemm_packed product_of(const struct dsc_cpu_conv *j, const struct conv_tile *t,
                                          int64_t row, int64_t n)
{
    return (struct dsc_sgemm_packed){.m = t->m,
                                     .n = t->n,
                                     .k = n,
                                     .a = (const float *)(const void *)j->w +
                                          t->filter * j->n_rows + row,
                                     .a_step = j->n_rows,
                                     .b_step = PANEL,
                                     .b_panel_step = PANEL * n,
                                     .alpha = 1,
                                     .is_adding = true,
                                     .y = (float *)(void *)t->y,
                                     .y_step = t->y_step};
}

static void multiply_patches(const struct dsc_cpu_conv *j, const struct conv_tile *t, char *cols)
{
    struct dsc_cpu_block b;

    dsc_cpu_block_init(&b, &j->win, t->first, t->n);
    for (int64_t row = 0; row < j->n_rows; row += DEPTH) {
        const int64_t n = dsc_at_most(j->n_rows - row, DEPTH);
        struct dsc_sgemm_packed q = product_of(j, t, row, n);

        dsc_cpu_conv_unfold(j, &b, t->x, row, n, j->dtype == DSC_F32, cols);
        q.b = (const float *)(const void *)cols;
        if (j->dtype == DSC_F32)
            j->kernels->sgemm_packed(&q);
        else
            dsc_cpu_conv_product(j, false, false, t->m, t->n, n,
                                 j->w + (t->filter * j->n_rows + row) * j->size, j->n_rows, cols,
                                 t->n, 1, t->y, t->y_step);
    }
}

static void multiply_grid(const struct dsc_cpu_conv *j, const struct conv_tile *t)
{
    int64_t at[GRID_DEPTH], c = 0, tap = 0;

    for (int64_t row = 0; row < j->n_rows; row += GRID_DEPTH) {
        const int64_t n = dsc_at_most(j->n_rows - row, GRID_DEPTH);
        struct dsc_sgemm_packed q = product_of(j, t, row, n);

        for (int64_t r = 0; r < n; r++) {
            at[r] = c * j->grid.channel + j->tap_at[tap];
            if (++tap == j->n_taps) {
                tap = 0;
                c++;
            }
        }
        q.b = (const float *)(const void *)t->x + t->first;
        q.b_panel_step = PANEL;
        q.b_at = at;
        j->kernels->sgemm_packed(&q);
    }
}

/* ---- few filters ---- */

static void add_patches(const struct dsc_cpu_conv *j, const struct conv_tile *t)
{
    const int64_t step = j->win.stride[j->win.rank - 1], size = j->size;
    struct dsc_cpu_run run[DSC_CPU_BLOCK];
    struct dsc_cpu_block b;

    dsc_cpu_block_init(&b, &j->win, t->first, t->n);
    for (int64_t row = 0; row < j->n_rows; row++) {
        const int n_runs = dsc_cpu_block_runs(&b, row % j->n_taps, run);
        const char *x = t->x + row / j->n_taps * j->n_in * size;

        for (int64_t r = 0; r < t->m; r++)
            for (int k = 0; k < n_runs; k++)
                dsc_cpu_conv_add(j, t->y + (r * t->y_step + run[k].at) * size, 1,
                                 x + run[k].src * size, step,
                                 j->w + ((t->filter + r) * j->n_rows + row) * size, run[k].n);
    }
}

static void add_grid(const struct dsc_cpu_conv *j, const struct conv_tile *t)
{
    const float *w = (const float *)(const void *)j->w + t->filter * j->n_rows;
    const float *x = (const float *)(const void *)t->x + t->first;

    for (int64_t r = 0; r < t->m; r++)
        for (int64_t c = 0; c < j->s->c; c++)
            for (int64_t tap = 0; tap < j->n_taps; tap++)
                j->kernels->axpy_f32((float *)(void *)t->y + r * t->y_step, *w++,
                                     x + c * j->grid.channel + j->tap_at[tap], t->n);
}

/* ---- one tile ---- */

/* Runs of the grid's positions first .. first + n that are windows, and which. */
static int windows_of(const struct dsc_cpu_conv *j, int64_t first, int64_t n,
                      struct dsc_cpu_run *run)
{
    const int inner = j->win.rank - 1;
    const int64_t pitch = j->grid.pitch[inner], n_out = j->win.out[inner];
    int n_runs = 0;

    for (int64_t p = first; p < first + n;) {
        const int64_t at = p % pitch, n_row = dsc_at_most(pitch - at, first + n - p);
        int64_t row = p / pitch, out_row = 0, step = 1;
        bool is_window = at < n_out;

        for (int i = inner - 1; i >= 0; i--) {
            const int64_t place = row % j->grid.pitch[i];

            row /= j->grid.pitch[i];
            is_window = is_window && place < j->win.out[i];
            out_row += place * step;
            step *= j->win.out[i];
        }
        if (is_window)
            run[n_runs++] = (struct dsc_cpu_run){.at = (int)(p - first),
                                                 .n = (int)dsc_at_most(n_row, n_out - at),
                                                 .src = out_row * n_out + at};
        p += n_row;
    }
    return n_runs;
}

static void put_run(const struct dsc_cpu_conv *j, char *y, const char *from, int64_t n)
{
    if (j->s->is_adding)
        dsc_cpu_conv_add(j, y, 1, from, 1, NULL, n);
    else
        memcpy(y, from, (size_t)(n * j->size));
}

/* From where the tile was computed to y. */
static void put_tile(const struct dsc_cpu_conv *j, const struct conv_tile *t)
{
    char *y = j->out + (t->which * j->s->m + t->filter % j->s->m) * j->n_out * j->size;
    struct dsc_cpu_run run[ROW_BLOCK];
    const int n_runs = windows_of(j, t->first, t->n, run);

    for (int64_t r = 0; r < t->m; r++)
        for (int k = 0; k < n_runs; k++)
            put_run(j, y + (r * j->n_out + run[k].src) * j->size,
                    t->y + (r * t->y_step + run[k].at) * j->size, run[k].n);
}

/* The last panel of channels that are read in place would end behind them. */
static bool is_readable(const struct dsc_cpu_conv *j, const struct conv_tile *t)
{
    return j->is_in_place && t->first + dsc_n_parts(t->n, PANEL) * PANEL <= j->n_out;
}

static void forward_tile(const struct dsc_cpu_conv *j, int64_t tile, char *scratch)
{
    const struct dsc_conv_spec *s = j->s;
    const int64_t slice = tile % j->n_slices, block = tile / j->n_slices % j->n_blocks;
    const int64_t which = tile / j->n_slices / j->n_blocks; /* from image j->image on */
    const int64_t n_positions = j->has_grid ? j->grid.n_wide : j->n_out;
    struct conv_tile t = {.which = j->image * s->n_groups + which,
                          .m = dsc_at_most(s->m - slice * j->slice, j->slice),
                          .first = block * j->block,
                          .y = scratch};

    t.filter = t.which % s->n_groups * s->m + slice * j->slice;
    t.n = dsc_at_most(n_positions - t.first, j->block);
    t.x = j->has_grid ? (const char *)(j->spread + which * s->c * j->grid.channel)
                      : j->x + t.which * s->c * j->n_in * j->size;
    t.y_step = t.n;
    if (!j->has_grid) { /* where it belongs */
        t.y = j->out + ((t.which * s->m + slice * j->slice) * j->n_out + t.first) * j->size;
        t.y_step = j->n_out;
    }
    if (j->has_grid || !s->is_adding)
        start_rows(j, &t);
    if (s->m < DSC_CONV_FEW && (j->has_grid || is_readable(j, &t)))
        add_grid(j, &t);
    else if (s->m < DSC_CONV_FEW)
        add_patches(j, &t);
    else if (j->has_grid || is_readable(j, &t))
        multiply_grid(j, &t);
    else
        multiply_patches(j, &t, scratch);
    if (j->has_grid)
        put_tile(j, &t);
}

/* ---- jobs ---- */

static void run_task(void *ctx, int64_t task)
{
    const struct dsc_cpu_conv *j = ctx;
    char *scratch = j->scratch + task * DSC_CONV_TASK_ELEMS * j->size;

    for (int64_t tile = task; tile < j->n_tiles; tile += j->n_tasks)
        j->tile(j, tile, scratch);
}

void dsc_cpu_conv_run(struct dsc_device *d, struct dsc_cpu_conv *j)
{
    if (j->n_out == 0 || j->s->n_images == 0)
        return;
    j->n_tasks = dsc_at_most(j->n_tiles, DSC_CONV_TASKS);
    dsc_parallel_for(d->pool, j->n_tasks, run_task, j);
}

void dsc_cpu_conv_slice(struct dsc_cpu_conv *j, int64_t n_tiles, int64_t least, int64_t most)
{
    const int64_t m = j->s->m,
                  n_slices = n_tiles > 0 ? dsc_n_parts(DSC_CONV_MIN_TILES, n_tiles) : 1;

    j->slice = m > 0 ? m : 1;
    if (n_slices > 1 && m > least) {
        j->slice = dsc_n_parts(dsc_n_parts(m, n_slices), 8) * 8;
        j->slice = j->slice < least ? least : j->slice;
    }
    j->slice = dsc_at_most(j->slice, most);
    j->n_slices = dsc_n_parts(m, j->slice);
    j->n_tiles = n_tiles * j->n_slices;
}

enum dsc_status dsc_cpu_conv_init(struct dsc_cpu_conv *j, struct dsc_device *d,
                                  const struct dsc_conv_spec *s, const char *prim,
                                  const struct dsc_tensor *out, const struct dsc_tensor *scratch,
                                  struct dsc_err *e)
{
    if (out->dtype != DSC_F32 && out->dtype != DSC_F64)
        return dsc_cpu_no_dtype(prim, out, e);
    *j = (struct dsc_cpu_conv){.kernels = d->kernels,
                               .s = s,
                               .win = dsc_window_join(&s->win),
                               .dtype = out->dtype,
                               .size = (int64_t)dsc_dtype_bytes(out->dtype, 1),
                               .out = out->data,
                               .scratch = scratch->data,
                               .block = DSC_CPU_BLOCK};
    j->n_in = dsc_cpu_window_n_in(&j->win);
    j->n_out = dsc_cpu_window_n_out(&j->win);
    j->n_taps = dsc_cpu_window_n_taps(&j->win);
    j->n_rows = s->c * j->n_taps;
    j->n_blocks = dsc_n_parts(j->n_out, j->block);
    return DSC_OK;
}

/* Where the patch rows of each kernel position begin in a grid. */
static void place_taps(struct dsc_cpu_conv *j)
{
    const struct dsc_window *w = &j->win;

    for (int64_t tap = 0; tap < j->n_taps; tap++) {
        int64_t rest = tap, phase = 0, step = 1, at = 0;

        for (int i = w->rank - 1; i >= 0; i--) {
            const int64_t shift = rest % w->kernel[i] * w->dilation[i];

            rest /= w->kernel[i];
            phase += shift % w->stride[i] * step;
            step *= j->grid.phases[i];
            at += shift / w->stride[i] * j->grid.step[i];
        }
        j->tap_at[tap] = phase * j->grid.plane + at;
    }
}

/* Blocks of columns: what the scratch holds, in whole triples of panels; two are cut evenly. */
static void cut_columns(struct dsc_cpu_conv *j)
{
    const int64_t n = j->has_grid ? j->grid.n_wide : j->n_out;
    const int64_t depth = j->has_grid || j->n_rows == 0 ? 1 : dsc_at_most(j->n_rows, DEPTH);

    j->block = dsc_at_most(DSC_CONV_TASK_ELEMS / depth / (3 * PANEL) * (3 * PANEL), MAX_COLS);
    if (j->has_grid && j->s->m < DSC_CONV_FEW)
        j->block = ROW_BLOCK;
    j->n_blocks = dsc_n_parts(n, j->block);
    if (j->n_blocks == 2)
        j->block = dsc_n_parts(dsc_n_parts(n, 2), PANEL) * PANEL;
}

static void find_grid(struct dsc_cpu_conv *j)
{
    const bool is_possible =
        j->dtype == DSC_F32 && j->n_taps <= DSC_CONV_MAX_TAPS && dsc_window_grid(&j->grid, &j->win);

    j->n_at_once = j->s->n_images;
    if (!is_possible)
        return;
    j->is_in_place = dsc_window_in_place(&j->win, &j->grid);
    j->has_grid = dsc_conv_grid_elems(j->s, &j->n_at_once) > 0;
    if (j->is_in_place)
        j->grid.channel = j->n_in;
    if (!j->has_grid)
        j->n_at_once = j->s->n_images;
    j->spread = (float *)(void *)j->scratch + (int64_t)DSC_CONV_TASKS * DSC_CONV_TASK_ELEMS;
    j->chunk = SPREAD_ELEMS / j->grid.channel + 1;
    place_taps(j);
}

/* Some channels of the images from j->image on. */
static void spread_tile(void *ctx, int64_t tile)
{
    const struct dsc_cpu_conv *j = ctx;
    const int64_t first = j->image * j->s->n_groups * j->s->c;
    const int64_t end = (tile + 1) * j->chunk;

    for (int64_t c = tile * j->chunk; c < end && c < j->n_chunks; c++)
        dsc_cpu_conv_spread(j, j->spread + c * j->grid.channel,
                            (const float *)(const void *)j->x + (first + c) * j->n_in);
}

static void run_images(struct dsc_device *d, struct dsc_cpu_conv *j)
{
    const int64_t n_groups = j->s->n_groups;

    for (j->image = 0; j->image < j->s->n_images; j->image += j->n_at_once) {
        const int64_t n = dsc_at_most(j->s->n_images - j->image, j->n_at_once);

        j->n_chunks = n * n_groups * j->s->c; /* channels */
        if (j->has_grid)
            dsc_parallel_for(d->pool, dsc_n_parts(j->n_chunks, j->chunk), spread_tile, j);
        j->n_tiles = n * n_groups * j->n_blocks * j->n_slices;
        dsc_cpu_conv_run(d, j);
    }
}

enum dsc_status dsc_cpu_conv(struct dsc_device *d, const struct dsc_conv_spec *spec,
                             const struct dsc_tensor *y, const struct dsc_tensor *x,
                             const struct dsc_tensor *w, const struct dsc_tensor *bias,
                             const struct dsc_tensor *scratch, struct dsc_err *e)
{
    struct dsc_cpu_conv j;

    if (dsc_cpu_is_half(y)) {
        struct dsc_cpu_wide v = {.n = 5, .arg = {y, x, w, bias, scratch}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&v, e));
        return dsc_cpu_narrow(&v, dsc_cpu_conv(d, spec, dsc_cpu_wide(&v, 0), dsc_cpu_wide(&v, 1),
                                               dsc_cpu_wide(&v, 2), dsc_cpu_wide(&v, 3),
                                               dsc_cpu_wide(&v, 4), e));
    }
    DSC_TRY(dsc_cpu_conv_init(&j, d, spec, "conv", y, scratch, e));
    j.tile = forward_tile;
    j.x = x->data;
    j.w = w->data;
    j.bias = bias ? bias->data : NULL;
    find_grid(&j);
    cut_columns(&j);
    dsc_cpu_conv_slice(&j, j.n_at_once * spec->n_groups * j.n_blocks, MIN_SLICE,
                       j.has_grid && spec->m >= DSC_CONV_FEW ? MAX_SLICE : INT64_MAX);
    run_images(d, &j);
    return DSC_OK;
}
