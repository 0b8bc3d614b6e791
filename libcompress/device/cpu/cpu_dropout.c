/* Dropout: the mask is a function of (key, example, element), never of batch or thread. */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

#include <string.h>

struct dropout_job {
    const struct dsc_kernels *kernels;
    float scale, *y;
    const float *x;
    double scale64, *y64;
    const double *x64;
    bool *mask;
    uint32_t threshold;
    struct dsc_rng_key key;
    int64_t n, n_per_example;
    const int64_t *ids;
    bool is_adding;
};

static uint64_t id_of(const struct dropout_job *j, int64_t example)
{
    return (uint64_t)(j->ids ? j->ids[example] : example);
}

/* The part of each example that lies in the tile. */
static void kernel_tile(void *ctx, int64_t tile)
{
    const struct dropout_job *j = ctx;
    const int64_t end = dsc_cpu_tile_end(tile, j->n);
    int64_t n;

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i += n) {
        const int64_t at = i % j->n_per_example, left = j->n_per_example - at;
        const struct dsc_dropout p = {.key = {j->key.k[0], j->key.k[1]},
                                      .example = id_of(j, i / j->n_per_example),
                                      .threshold = j->threshold,
                                      .scale = j->scale,
                                      .is_adding = j->is_adding};

        n = left < end - i ? left : end - i;
        j->kernels->dropout_f32(j->y + i, j->mask ? j->mask + i : NULL, j->x + i, &p, at, n);
    }
}

static void apply(const struct dropout_job *j, int64_t i, bool is_kept)
{
    const double v = is_kept ? j->x64[i] * j->scale64 : 0;

    j->y64[i] = j->is_adding ? j->y64[i] + v : v;
    if (j->mask)
        j->mask[i] = is_kept;
}

static void dropout_tile(void *ctx, int64_t tile)
{
    const struct dropout_job *j = ctx;
    const int64_t end = dsc_cpu_tile_end(tile, j->n);
    uint32_t block[4] = {0};
    int64_t have = -1;

    for (int64_t i = tile * DSC_CPU_TILE; i < end; i++) {
        const int64_t example = i / j->n_per_example, at = i % j->n_per_example;
        const int64_t want = example * (j->n_per_example / 4 + 1) + at / 4;

        if (want != have) {
            const uint64_t id = id_of(j, example);
            const uint64_t b = (uint64_t)at / 4;
            const uint32_t counter[4] = {(uint32_t)b, (uint32_t)(b >> 32), (uint32_t)id,
                                         (uint32_t)(id >> 32)};

            dsc_rng_block(j->key, counter, block);
            have = want;
        }
        apply(j, i, block[at % 4] >= j->threshold);
    }
}

static enum dsc_status run(struct dsc_device *d, double ratio, struct dropout_job *j,
                           const struct dsc_tensor *y, const struct dsc_tensor *x,
                           struct dsc_err *e)
{
    j->kernels = d->kernels;
    j->n = dsc_tensor_n_elems(y);
    if (ratio == 0 && j->mask)
        memset(j->mask, 1, (size_t)j->n);
    if (ratio == 0) /* nothing to draw */
        return j->is_adding ? dsc_cpu_axpy(d, 1, y, x, e) : dsc_cpu_cast(d, y, x, e);
    if (y->dtype == DSC_F32) {
        j->y = y->data;
        j->x = x->data;
    } else if (y->dtype == DSC_F64) {
        j->y64 = y->data;
        j->x64 = x->data;
    } else {
        return dsc_cpu_no_dtype("dropout", y, e);
    }
    j->threshold = (uint32_t)(ratio * 0x1p32);
    j->scale64 = 1 / (1 - ratio);
    j->scale = (float)j->scale64;
    if (j->n_per_example < 1)
        j->n_per_example = 1;
    dsc_parallel_for(d->pool, dsc_cpu_n_tiles(j->n), j->y ? kernel_tile : dropout_tile, j);
    return DSC_OK;
}

enum dsc_status dsc_cpu_dropout(struct dsc_device *d, double ratio, struct dsc_rng_key key,
                                int64_t n_per_example, const int64_t *ids,
                                const struct dsc_tensor *y, const struct dsc_tensor *mask,
                                const struct dsc_tensor *x, struct dsc_err *e)
{
    struct dropout_job j = {.key = key, .n_per_example = n_per_example, .ids = ids};

    if (dsc_cpu_is_half(x)) {
        struct dsc_cpu_wide w = {.n = 2, .arg = {y, x}, .outs = 1};

        DSC_TRY(dsc_cpu_widen(&w, e));
        return dsc_cpu_narrow(&w,
                              dsc_cpu_dropout(d, ratio, key, n_per_example, ids,
                                              dsc_cpu_wide(&w, 0), mask, dsc_cpu_wide(&w, 1), e));
    }
    j.mask = mask ? mask->data : NULL;
    return run(d, ratio, &j, y, x, e);
}

enum dsc_status dsc_cpu_dropout_bwd(struct dsc_device *d, double ratio, struct dsc_rng_key key,
                                    int64_t n_per_example, const int64_t *ids,
                                    const struct dsc_tensor *dx, const struct dsc_tensor *dy,
                                    struct dsc_err *e)
{
    struct dropout_job j = {
        .key = key, .n_per_example = n_per_example, .ids = ids, .is_adding = true};

    return run(d, ratio, &j, dx, dy, e);
}
