/*
 * conv_dx and conv_dw: the adjoints of conv, by the BLAS, on patches of a block of windows.
 */
#include "device/cpu/cpu_conv.h"

enum { GRAD_DEPTH = 144 }; /* rows of patches: with DSC_CPU_BLOCK positions they fill the scratch */

/* ---- gradient of the input: tiles are some channels of one image ---- */

static void back_block(const struct dsc_cpu_conv *j, const struct dsc_cpu_block *b, int64_t group,
                       int64_t channel, int64_t n_channels, const char *dy, char *dx, char *cols)
{
    const int64_t n_rows = n_channels * j->n_taps, m = j->s->m;
    const char *w = j->w + (group * m * j->n_rows + channel * j->n_taps) * j->size;

    for (int64_t row = 0; row < n_rows; row += GRAD_DEPTH) {
        const int64_t n = dsc_at_most(n_rows - row, GRAD_DEPTH);

        dsc_cpu_conv_product(j, true, false, n, b->n, m, w + row * j->size, j->n_rows,
                             dy + b->first * j->size, j->n_out, 0, cols, b->n);
        dsc_cpu_conv_fold(j, b, dx, row, n, cols);
    }
}

static void dx_tile(const struct dsc_cpu_conv *j, int64_t tile, char *scratch)
{
    const struct dsc_conv_spec *s = j->s;
    const int64_t which = tile / j->n_chunks, channel = tile % j->n_chunks * j->chunk;
    const char *dy = j->y + which * s->m * j->n_out * j->size;
    char *dx = j->out + (which * s->c + channel) * j->n_in * j->size;
    struct dsc_cpu_block b;

    for (int64_t k = 0; k < j->n_blocks; k++) {
        const int64_t first = k * j->block;

        dsc_cpu_block_init(&b, &j->win, first, dsc_at_most(j->n_out - first, j->block));
        back_block(j, &b, which % s->n_groups, channel, dsc_at_most(s->c - channel, j->chunk), dy,
                   dx, scratch);
    }
}

/* ---- gradient of the filters: tiles are some rows of patches, and some filters ---- */

static void dw_tile(const struct dsc_cpu_conv *j, int64_t tile, char *scratch)
{
    const struct dsc_conv_spec *s = j->s;
    const int64_t filter = tile % j->n_slices * j->slice;
    const int64_t row = tile / j->n_slices % j->n_chunks * j->chunk;
    const int64_t group = tile / j->n_slices / j->n_chunks;
    const int64_t m = dsc_at_most(s->m - filter, j->slice),
                  n = dsc_at_most(j->n_rows - row, j->chunk);
    char *dw = j->out + ((group * s->m + filter) * j->n_rows + row) * j->size;
    struct dsc_cpu_block b;

    for (int64_t k = 0; k < s->n_images * j->n_blocks; k++) {
        const int64_t which = k / j->n_blocks * s->n_groups + group;
        const int64_t first = k % j->n_blocks * j->block;
        const char *dy = j->y + ((which * s->m + filter) * j->n_out + first) * j->size;

        dsc_cpu_block_init(&b, &j->win, first, dsc_at_most(j->n_out - first, j->block));
        dsc_cpu_conv_unfold(j, &b, j->x + which * s->c * j->n_in * j->size, row, n, false, scratch);
        dsc_cpu_conv_product(j, false, true, m, n, b.n, dy, j->n_out, scratch, b.n, 1, dw,
                             j->n_rows);
    }
}

/* ---- jobs ---- */

enum dsc_status dsc_cpu_conv_dx(struct dsc_device *d, const struct dsc_conv_spec *spec,
                                const struct dsc_tensor *dx, const struct dsc_tensor *dy,
                                const struct dsc_tensor *w, const struct dsc_tensor *scratch,
                                struct dsc_err *e)
{
    struct dsc_cpu_conv j;

    if (dsc_cpu_is_half(dx)) {
        struct dsc_cpu_wide v = {.n = 4, .arg = {dx, dy, w, scratch}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&v, e));
        return dsc_cpu_narrow(&v, dsc_cpu_conv_dx(d, spec, dsc_cpu_wide(&v, 0), dsc_cpu_wide(&v, 1),
                                                  dsc_cpu_wide(&v, 2), dsc_cpu_wide(&v, 3), e));
    }
    DSC_TRY(dsc_cpu_conv_init(&j, d, spec, "conv_dx", dx, scratch, e));
    j.tile = dx_tile;
    j.y = dy->data;
    j.w = w->data;
    j.chunk = j.n_taps < GRAD_DEPTH ? GRAD_DEPTH / j.n_taps : 1;
    j.n_chunks = dsc_n_parts(spec->c, j.chunk);
    j.n_tiles = spec->n_images * spec->n_groups * j.n_chunks;
    dsc_cpu_conv_run(d, &j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_conv_dw(struct dsc_device *d, const struct dsc_conv_spec *spec,
                                const struct dsc_tensor *dw, const struct dsc_tensor *dy,
                                const struct dsc_tensor *x, const struct dsc_tensor *scratch,
                                struct dsc_err *e)
{
    struct dsc_cpu_conv j;

    if (dsc_cpu_is_half(dw)) {
        struct dsc_cpu_wide v = {.n = 4, .arg = {dw, dy, x, scratch}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&v, e));
        return dsc_cpu_narrow(&v, dsc_cpu_conv_dw(d, spec, dsc_cpu_wide(&v, 0), dsc_cpu_wide(&v, 1),
                                                  dsc_cpu_wide(&v, 2), dsc_cpu_wide(&v, 3), e));
    }
    DSC_TRY(dsc_cpu_conv_init(&j, d, spec, "conv_dw", dw, scratch, e));
    j.tile = dw_tile;
    j.y = dy->data;
    j.x = x->data;
    j.chunk = GRAD_DEPTH;
    j.n_chunks = dsc_n_parts(j.n_rows, j.chunk);
    dsc_cpu_conv_slice(&j, spec->n_groups * j.n_chunks, 16, INT64_MAX);
    dsc_cpu_conv_run(d, &j);
    return DSC_OK;
}
