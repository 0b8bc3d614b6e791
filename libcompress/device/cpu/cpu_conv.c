/*
 * conv, conv_dx and conv_dw: the patches under a block of windows are unfolded into a matrix that
 * stays in the cache, and are multiplied there (Chellapilla et al. 2006). Of F32, conv unfolds into
 * the panels of sgemm_packed; the gradients, and F64, run the BLAS. Groups of so few filters that a
 * product would not pay add rows times weights.
 *
 * Tiles are cut by sizes alone and dealt out to a fixed number of tasks, each with scratch of its
 * own; no two tiles write one element, and each goes through its sums in order.
 */
#include "device/cpu/cpu_window.h"
#include "kernels/blas/blas.h"
#include "kernels/kernels.h"

#include <string.h>

enum {
    PANEL = DSC_SGEMM_PANEL,
    DEPTH = 768,      /* rows of patches at a time: with 3 panels they fill the scratch */
    GRAD_DEPTH = 144, /* of gradients: with DSC_CPU_BLOCK positions they do */
    MAX_COLS = 240,
    MIN_TILES = 16,  /* below it, filters are sliced too */
    MIN_SLICE = 16,  /* filters of a slice */
    FEW_FILTERS = 4, /* of a group: fewer are not multiplied as a matrix */
};

struct conv_job {
    const struct dsc_kernels *kernels;
    const struct dsc_conv_spec *s;
    struct dsc_window win;
    enum dsc_dtype dtype;
    int64_t size; /* bytes of an element */
    char *out;    /* y, dx or dw */
    const char *x, *y, *w, *bias;
    char *scratch;
    int64_t n_in, n_out, n_taps, n_rows; /* of a channel; kernel positions; rows of a patch */
    int64_t block, n_blocks;             /* positions */
    int64_t slice, n_slices;             /* filters */
    int64_t chunk, n_chunks;             /* rows of patches, or channels */
    int64_t n_tiles, n_tasks;
    void (*tile)(const struct conv_job *j, int64_t tile, char *scratch);
};

static int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

static int64_t n_parts(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

/* ---- patches ---- */

static void copy_run(int64_t size, char *dst, const char *src, int64_t n, int64_t step)
{
    if (step == 1)
        memcpy(dst, src, (size_t)(n * size));
    else if (size == 4)
        for (int64_t i = 0; i < n; i++)
            ((uint32_t *)(void *)dst)[i] = ((const uint32_t *)(const void *)src)[i * step];
    else
        for (int64_t i = 0; i < n; i++)
            ((uint64_t *)(void *)dst)[i] = ((const uint64_t *)(const void *)src)[i * step];
}

/* Channels of rows [row, row + n) that have kernel position tap. */
static void channels_of(int64_t row, int64_t n, int64_t tap, int64_t n_taps, int64_t *first,
                        int64_t *end)
{
    *first = row <= tap ? 0 : n_parts(row - tap, n_taps);
    *end = row + n <= tap ? 0 : n_parts(row + n - tap, n_taps);
}

/*
 * Rows [row, row + n) of the patches of a block: row r = channel * n_taps + tap, from x, the
 * group's first channel. Packed: panels of 16 columns; else rows of b->n.
 */
static void unfold(const struct conv_job *j, const struct dsc_cpu_block *b, const char *x,
                   int64_t row, int64_t n, bool is_packed, char *cols)
{
    const int64_t step = j->win.stride[j->win.rank - 1], size = j->size;
    const int64_t n_panels = n_parts(b->n, PANEL);
    struct dsc_cpu_run run[DSC_CPU_BLOCK];
    float packed[DSC_CPU_BLOCK];

    for (int64_t tap = 0; tap < j->n_taps; tap++) {
        const int n_runs = dsc_cpu_block_runs(b, tap, run);
        int64_t first, end, n_inside = 0;

        channels_of(row, n, tap, j->n_taps, &first, &end);
        for (int k = 0; k < n_runs; k++)
            n_inside += run[k].n;
        if (is_packed) /* what is outside is so for every channel */
            memset(packed, 0, sizeof packed);
        for (int64_t c = first; c < end; c++) {
            const int64_t r = c * j->n_taps + tap - row;
            char *line = is_packed ? (char *)packed : cols + r * b->n * size;

            if (!is_packed && n_inside < b->n)
                memset(line, 0, (size_t)(b->n * size));
            for (int k = 0; k < n_runs; k++)
                copy_run(size, line + run[k].at * size, x + (c * j->n_in + run[k].src) * size,
                         run[k].n, step);
            for (int64_t p = 0; is_packed && p < n_panels; p++)
                memcpy((float *)(void *)cols + (p * n + r) * PANEL, packed + p * PANEL,
                       PANEL * sizeof *packed);
        }
    }
}

#define ADD_RUN(T, sfx)                                                                           \
    static void add_run_##sfx(T *dst, int64_t dst_step, const T *src, int64_t src_step, T factor, \
                              int64_t n)                                                          \
    {                                                                                             \
        if (dst_step == 1 && src_step == 1)                                                       \
            for (int64_t i = 0; i < n; i++)                                                       \
                dst[i] += factor * src[i];                                                        \
        else                                                                                      \
            for (int64_t i = 0; i < n; i++)                                                       \
                dst[i * dst_step] += factor * src[i * src_step];                                  \
    }

ADD_RUN(float, f32)
ADD_RUN(double, f64)

/* dst += factor * src, elements `at` of arrays of the job's type. */
static void add_run(const struct conv_job *j, char *dst, int64_t dst_step, const char *src,
                    int64_t src_step, const char *factor, int64_t n)
{
    if (j->dtype == DSC_F32)
        add_run_f32((float *)(void *)dst, dst_step, (const float *)(const void *)src, src_step,
                    factor ? *(const float *)(const void *)factor : 1, n);
    else
        add_run_f64((double *)(void *)dst, dst_step, (const double *)(const void *)src, src_step,
                    factor ? *(const double *)(const void *)factor : 1, n);
}

/* The adjoint of unfold: adds rows of b->n to the channels of dx. */
static void fold(const struct conv_job *j, const struct dsc_cpu_block *b, char *dx, int64_t row,
                 int64_t n, const char *cols)
{
    const int64_t step = j->win.stride[j->win.rank - 1], size = j->size;
    struct dsc_cpu_run run[DSC_CPU_BLOCK];

    for (int64_t tap = 0; tap < j->n_taps; tap++) {
        const int n_runs = dsc_cpu_block_runs(b, tap, run);
        int64_t first, end;

        channels_of(row, n, tap, j->n_taps, &first, &end);
        for (int64_t c = first; c < end; c++) {
            const char *line = cols + (c * j->n_taps + tap - row) * b->n * size;

            for (int k = 0; k < n_runs; k++)
                add_run(j, dx + (c * j->n_in + run[k].src) * size, step, line + run[k].at * size, 1,
                        NULL, run[k].n);
        }
    }
}

/* One product of the BLAS on the job's type, alpha 1. */
static void product(const struct conv_job *j, bool is_trans_a, bool is_trans_b, int64_t m,
                    int64_t n, int64_t k, const char *a, int64_t lda, const char *b, int64_t ldb,
                    int beta, char *c, int64_t ldc)
{
    if (j->dtype == DSC_F32)
        dsc_sgemm(is_trans_a, is_trans_b, m, n, k, 1, (const float *)(const void *)a, lda,
                  (const float *)(const void *)b, ldb, (float)beta, (float *)(void *)c, ldc);
    else
        dsc_dgemm(is_trans_a, is_trans_b, m, n, k, 1, (const double *)(const void *)a, lda,
                  (const double *)(const void *)b, ldb, (double)beta, (double *)(void *)c, ldc);
}

/* ---- forward: tiles are blocks of positions of one image and group, and slices of filters ---- */

struct conv_tile {
    int64_t filter, m; /* the first one among all filters; their number */
    const char *x;     /* the group's first channel of the image */
    char *y;           /* the first filter's first position */
    struct dsc_cpu_block block;
};

static void start_rows(const struct conv_job *j, const struct conv_tile *t)
{
    for (int64_t r = 0; r < t->m && !j->s->is_adding; r++) {
        char *y = t->y + r * j->n_out * j->size;
        const int64_t n = t->block.n;

        if (!j->bias)
            memset(y, 0, (size_t)(n * j->size));
        else if (j->dtype == DSC_F32)
            for (int64_t i = 0; i < n; i++)
                ((float *)(void *)y)[i] = ((const float *)(const void *)j->bias)[t->filter + r];
        else
            for (int64_t i = 0; i < n; i++)
                ((double *)(void *)y)[i] = ((const double *)(const void *)j->bias)[t->filter + r];
    }
}

static void multiply_patches(const struct conv_job *j, const struct conv_tile *t, char *cols)
{
    for (int64_t row = 0; row < j->n_rows; row += DEPTH) {
        const int64_t n = at_most(j->n_rows - row, DEPTH);
        const char *w = j->w + (t->filter * j->n_rows + row) * j->size;
        const struct dsc_sgemm_packed q = {.m = t->m,
                                           .n = t->block.n,
                                           .k = n,
                                           .a = (const float *)(const void *)w,
                                           .a_step = j->n_rows,
                                           .b = (const float *)(const void *)cols,
                                           .b_step = PANEL,
                                           .b_panel_step = PANEL * n,
                                           .alpha = 1,
                                           .y = (float *)(void *)t->y,
                                           .y_step = j->n_out,
                                           .is_adding = true};

        unfold(j, &t->block, t->x, row, n, j->dtype == DSC_F32, cols);
        if (j->dtype == DSC_F32)
            j->kernels->sgemm_packed(&q);
        else
            product(j, false, false, t->m, t->block.n, n, w, j->n_rows, cols, t->block.n, 1, t->y,
                    j->n_out);
    }
}

static void add_rows(const struct conv_job *j, const struct conv_tile *t)
{
    const int64_t step = j->win.stride[j->win.rank - 1], size = j->size;
    struct dsc_cpu_run run[DSC_CPU_BLOCK];

    for (int64_t row = 0; row < j->n_rows; row++) {
        const int n_runs = dsc_cpu_block_runs(&t->block, row % j->n_taps, run);
        const char *x = t->x + row / j->n_taps * j->n_in * size;

        for (int64_t r = 0; r < t->m; r++)
            for (int k = 0; k < n_runs; k++)
                add_run(j, t->y + (r * j->n_out + run[k].at) * size, 1, x + run[k].src * size, step,
                        j->w + ((t->filter + r) * j->n_rows + row) * size, run[k].n);
    }
}

static void forward_tile(const struct conv_job *j, int64_t tile, char *scratch)
{
    const struct dsc_conv_spec *s = j->s;
    const int64_t slice = tile % j->n_slices, block = tile / j->n_slices % j->n_blocks;
    const int64_t which = tile / j->n_slices / j->n_blocks; /* image and group */
    const int64_t group = which % s->n_groups, first = block * j->block;
    struct conv_tile t = {.filter = group * s->m + slice * j->slice,
                          .m = at_most(s->m - slice * j->slice, j->slice),
                          .x = j->x + which * s->c * j->n_in * j->size};

    t.y = j->out + ((which * s->m + slice * j->slice) * j->n_out + first) * j->size;
    dsc_cpu_block_init(&t.block, &j->win, first, at_most(j->n_out - first, j->block));
    start_rows(j, &t);
    if (s->m < FEW_FILTERS)
        add_rows(j, &t);
    else
        multiply_patches(j, &t, scratch);
}

/* ---- gradient of the input: tiles are some channels of one image ---- */

static void back_block(const struct conv_job *j, const struct dsc_cpu_block *b, int64_t group,
                       int64_t channel, int64_t n_channels, const char *dy, char *dx, char *cols)
{
    const int64_t n_rows = n_channels * j->n_taps, m = j->s->m;
    const char *w = j->w + (group * m * j->n_rows + channel * j->n_taps) * j->size;

    for (int64_t row = 0; row < n_rows; row += GRAD_DEPTH) {
        const int64_t n = at_most(n_rows - row, GRAD_DEPTH);

        product(j, true, false, n, b->n, m, w + row * j->size, j->n_rows, dy + b->first * j->size,
                j->n_out, 0, cols, b->n);
        fold(j, b, dx, row, n, cols);
    }
}

static void dx_tile(const struct conv_job *j, int64_t tile, char *scratch)
{
    const struct dsc_conv_spec *s = j->s;
    const int64_t which = tile / j->n_chunks, channel = tile % j->n_chunks * j->chunk;
    const char *dy = j->y + which * s->m * j->n_out * j->size;
    char *dx = j->out + (which * s->c + channel) * j->n_in * j->size;
    struct dsc_cpu_block b;

    for (int64_t k = 0; k < j->n_blocks; k++) {
        const int64_t first = k * j->block;

        dsc_cpu_block_init(&b, &j->win, first, at_most(j->n_out - first, j->block));
        back_block(j, &b, which % s->n_groups, channel, at_most(s->c - channel, j->chunk), dy, dx,
                   scratch);
    }
}

/* ---- gradient of the filters: tiles are some rows of patches, and some filters ---- */

static void dw_tile(const struct conv_job *j, int64_t tile, char *scratch)
{
    const struct dsc_conv_spec *s = j->s;
    const int64_t filter = tile % j->n_slices * j->slice;
    const int64_t row = tile / j->n_slices % j->n_chunks * j->chunk;
    const int64_t group = tile / j->n_slices / j->n_chunks;
    const int64_t m = at_most(s->m - filter, j->slice), n = at_most(j->n_rows - row, j->chunk);
    char *dw = j->out + ((group * s->m + filter) * j->n_rows + row) * j->size;
    struct dsc_cpu_block b;

    for (int64_t k = 0; k < s->n_images * j->n_blocks; k++) {
        const int64_t which = k / j->n_blocks * s->n_groups + group;
        const int64_t first = k % j->n_blocks * j->block;
        const char *dy = j->y + ((which * s->m + filter) * j->n_out + first) * j->size;

        dsc_cpu_block_init(&b, &j->win, first, at_most(j->n_out - first, j->block));
        unfold(j, &b, j->x + which * s->c * j->n_in * j->size, row, n, false, scratch);
        product(j, false, true, m, n, b.n, dy, j->n_out, scratch, b.n, 1, dw, j->n_rows);
    }
}

/* ---- jobs ---- */

static void run_task(void *ctx, int64_t task)
{
    const struct conv_job *j = ctx;
    char *scratch = j->scratch + task * DSC_CONV_TASK_ELEMS * j->size;

    for (int64_t tile = task; tile < j->n_tiles; tile += j->n_tasks)
        j->tile(j, tile, scratch);
}

static void run_job(struct dsc_device *d, struct conv_job *j)
{
    if (j->n_out == 0 || j->s->n_images == 0)
        return;
    j->n_tasks = at_most(j->n_tiles, DSC_CONV_TASKS);
    dsc_parallel_for(d->pool, j->n_tasks, run_task, j);
}

/* Few tiles: slices of filters make more of them. */
static void slice_filters(struct conv_job *j, int64_t n_tiles)
{
    const int64_t m = j->s->m, n_slices = n_tiles > 0 ? n_parts(MIN_TILES, n_tiles) : 1;

    j->slice = m > 0 ? m : 1;
    if (n_slices > 1 && m > MIN_SLICE) {
        j->slice = n_parts(n_parts(m, n_slices), 8) * 8;
        j->slice = j->slice < MIN_SLICE ? MIN_SLICE : j->slice;
    }
    j->n_slices = n_parts(m, j->slice);
    j->n_tiles = n_tiles * j->n_slices;
}

static enum dsc_status job_init(struct conv_job *j, struct dsc_device *d,
                                const struct dsc_conv_spec *s, const char *prim,
                                const struct dsc_tensor *out, const struct dsc_tensor *scratch,
                                struct dsc_err *e)
{
    if (out->dtype != DSC_F32 && out->dtype != DSC_F64)
        return dsc_cpu_no_dtype(prim, out, e);
    *j = (struct conv_job){.kernels = d->kernels,
                           .s = s,
                           .win = dsc_cpu_window_join(&s->win),
                           .dtype = out->dtype,
                           .size = (int64_t)dsc_dtype_bytes(out->dtype, 1),
                           .out = out->data,
                           .scratch = scratch->data,
                           .block = DSC_CPU_BLOCK};
    j->n_in = dsc_cpu_window_n_in(&j->win);
    j->n_out = dsc_cpu_window_n_out(&j->win);
    j->n_taps = dsc_cpu_window_n_taps(&j->win);
    j->n_rows = s->c * j->n_taps;
    j->n_blocks = n_parts(j->n_out, j->block);
    return DSC_OK;
}

/* Blocks that the scratch holds, of whole triples of panels; two of them are cut evenly. */
static void cut_columns(struct conv_job *j)
{
    const int64_t depth = j->n_rows > 0 ? at_most(j->n_rows, DEPTH) : 1;

    j->block = at_most(DSC_CONV_TASK_ELEMS / depth / (3 * PANEL) * (3 * PANEL), MAX_COLS);
    j->n_blocks = n_parts(j->n_out, j->block);
    if (j->n_blocks == 2)
        j->block = n_parts(n_parts(j->n_out, 2), PANEL) * PANEL;
}

enum dsc_status dsc_cpu_conv(struct dsc_device *d, const struct dsc_conv_spec *spec,
                             const struct dsc_tensor *y, const struct dsc_tensor *x,
                             const struct dsc_tensor *w, const struct dsc_tensor *bias,
                             const struct dsc_tensor *scratch, struct dsc_err *e)
{
    struct conv_job j;

    if (dsc_cpu_is_half(y)) {
        struct dsc_cpu_wide v = {.n = 5, .arg = {y, x, w, bias, scratch}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&v, e));
        return dsc_cpu_narrow(&v, dsc_cpu_conv(d, spec, dsc_cpu_wide(&v, 0), dsc_cpu_wide(&v, 1),
                                               dsc_cpu_wide(&v, 2), dsc_cpu_wide(&v, 3),
                                               dsc_cpu_wide(&v, 4), e));
    }
    DSC_TRY(job_init(&j, d, spec, "conv", y, scratch, e));
    j.tile = forward_tile;
    j.x = x->data;
    j.w = w->data;
    j.bias = bias ? bias->data : NULL;
    cut_columns(&j);
    slice_filters(&j, spec->n_images * spec->n_groups * j.n_blocks);
    run_job(d, &j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_conv_dx(struct dsc_device *d, const struct dsc_conv_spec *spec,
                                const struct dsc_tensor *dx, const struct dsc_tensor *dy,
                                const struct dsc_tensor *w, const struct dsc_tensor *scratch,
                                struct dsc_err *e)
{
    struct conv_job j;

    if (dsc_cpu_is_half(dx)) {
        struct dsc_cpu_wide v = {.n = 4, .arg = {dx, dy, w, scratch}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&v, e));
        return dsc_cpu_narrow(&v, dsc_cpu_conv_dx(d, spec, dsc_cpu_wide(&v, 0), dsc_cpu_wide(&v, 1),
                                                  dsc_cpu_wide(&v, 2), dsc_cpu_wide(&v, 3), e));
    }
    DSC_TRY(job_init(&j, d, spec, "conv_dx", dx, scratch, e));
    j.tile = dx_tile;
    j.y = dy->data;
    j.w = w->data;
    j.chunk = j.n_taps < GRAD_DEPTH ? GRAD_DEPTH / j.n_taps : 1;
    j.n_chunks = n_parts(spec->c, j.chunk);
    j.n_tiles = spec->n_images * spec->n_groups * j.n_chunks;
    run_job(d, &j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_conv_dw(struct dsc_device *d, const struct dsc_conv_spec *spec,
                                const struct dsc_tensor *dw, const struct dsc_tensor *dy,
                                const struct dsc_tensor *x, const struct dsc_tensor *scratch,
                                struct dsc_err *e)
{
    struct conv_job j;

    if (dsc_cpu_is_half(dw)) {
        struct dsc_cpu_wide v = {.n = 4, .arg = {dw, dy, x, scratch}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&v, e));
        return dsc_cpu_narrow(&v, dsc_cpu_conv_dw(d, spec, dsc_cpu_wide(&v, 0), dsc_cpu_wide(&v, 1),
                                                  dsc_cpu_wide(&v, 2), dsc_cpu_wide(&v, 3), e));
    }
    DSC_TRY(job_init(&j, d, spec, "conv_dw", dw, scratch, e));
    j.tile = dw_tile;
    j.y = dy->data;
    j.x = x->data;
    j.chunk = GRAD_DEPTH;
    j.n_chunks = n_parts(j.n_rows, j.chunk);
    slice_filters(&j, spec->n_groups * j.n_chunks);
    run_job(d, &j);
    return DSC_OK;
}
