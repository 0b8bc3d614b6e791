/* Histograms whose bins are powers of two. */
#include "calib.h"

#include <math.h>
#include <string.h>

enum { HALF = DSC_HIST_BINS / 2, MIN_EXPONENT = -120 };

#define EMA_KEEP 0.9
#define AT_ONCE ((int64_t)1 << 31) /* counts of a tile are 32 bits */

void dsc_hist_init(struct dsc_hist *h)
{
    *h = (struct dsc_hist){.low = INFINITY, .high = -INFINITY, .exponent = MIN_EXPONENT};
}

/* Double the width: bin b goes to floor(b / 2), counted from the middle. */
static void widen(struct dsc_hist *h)
{
    uint64_t merged[DSC_HIST_BINS] = {0};

    for (int b = 0; b < DSC_HIST_BINS; b++) {
        const int k = b - HALF;

        merged[(k >= 0 ? k / 2 : -((-k + 1) / 2)) + HALF] += h->count[b];
    }
    memcpy(h->count, merged, sizeof merged);
    h->exponent++;
}

static void widen_to(struct dsc_hist *h, int exponent)
{
    if (h->n == 0) {
        h->exponent = exponent;
        return;
    }
    while (h->exponent < exponent)
        widen(h);
}

/* The least exponent with magnitude < HALF * 2^exponent. */
static int exponent_for(double magnitude)
{
    int e;

    if (!(magnitude > 0))
        return MIN_EXPONENT;
    frexp(magnitude, &e); /* magnitude < 2^e */
    e -= 11;              /* HALF = 2^11 */
    return e > MIN_EXPONENT ? e : MIN_EXPONENT;
}

/* Values in tiles: what each holds is put together in their order, so that threads do not show. */
enum { TILES = 4, TILED_FROM = 1 << 15, LANES = 16 };

/* Bin b is count[b + 1]; what is not finite, or below the bins, is in count[0]. */
struct tile {
    uint64_t n_bad;
    float low, high;
    uint32_t count[1 + DSC_HIST_BINS];
};

struct adding {
    const float *x;
    int64_t n, per_tile; /* below 2^32 */
    float width, inv_width;
    struct tile *tiles;
};

/* Lanes that a compiler can keep in one register. */
struct lanes {
    float low[LANES], high[LANES];
    int32_t n_bad[LANES], bin[LANES];
};

/*
 * Times a power of two is exact. Where it underflows, and where truncation is not floor, the
 * comparison with the bin's lower end takes the bin below.
 */
static inline void add_lanes(struct lanes *l, const float *x, float width, float inv_width)
{
    for (int k = 0; k < LANES; k++) {
        const bool is_finite = x[k] - x[k] == 0;
        const float low = is_finite ? x[k] : INFINITY, high = is_finite ? x[k] : -INFINITY;
        const float v = x[k] * inv_width;
        const float from_first = v > -HALF ? v : -HALF;
        const int32_t b = (int32_t)(from_first < HALF - 1 ? from_first : HALF - 1);

        l->low[k] = low < l->low[k] ? low : l->low[k];
        l->high[k] = high > l->high[k] ? high : l->high[k];
        l->n_bad[k] += !is_finite;
        l->bin[k] = is_finite ? b - (x[k] < (float)b * width) + HALF + 1 : 0;
    }
}

static void add_tile(void *ctx, int64_t tile)
{
    const struct adding *a = ctx;
    const int64_t first = tile * a->per_tile;
    const int64_t end = first + a->per_tile < a->n ? first + a->per_tile : a->n;
    struct tile *t = &a->tiles[tile];
    struct lanes l;

    *t = (struct tile){.low = INFINITY, .high = -INFINITY};
    for (int k = 0; k < LANES; k++) {
        l.low[k] = INFINITY;
        l.high[k] = -INFINITY;
        l.n_bad[k] = 0;
    }
    for (int64_t i = first; i < end; i += LANES) {
        const int n = end - i < LANES ? (int)(end - i) : LANES;
        float last[LANES];

        for (int k = 0; n < LANES && k < LANES; k++) /* values that fill no register */
            last[k] = k < n ? a->x[i + k] : INFINITY;
        add_lanes(&l, n < LANES ? last : a->x + i, a->width, a->inv_width);
        for (int k = 0; k < n; k++)
            t->count[l.bin[k]]++;
        t->n_bad -= (uint64_t)(LANES - n);
    }
    for (int k = 0; k < LANES; k++) {
        t->low = fminf(t->low, l.low[k]);
        t->high = fmaxf(t->high, l.high[k]);
        t->n_bad += (uint64_t)l.n_bad[k];
    }
}

static void add_some(struct dsc_hist *h, const float *x, int64_t n, struct dsc_pool *pool,
                     double *low, double *high)
{
    struct tile tiles[TILES];
    struct adding a = {.x = x, .n = n, .tiles = tiles};
    const int64_t n_tiles = n < TILED_FROM ? 1 : TILES;
    uint64_t n_bad = 0;
    float lo = INFINITY, hi = -INFINITY;
    int counted_at;

    a.per_tile = (n + n_tiles - 1) / n_tiles;
    do { /* once more if there was none so large */
        counted_at = h->exponent;
        a.width = ldexpf(1, counted_at);
        a.inv_width = ldexpf(1, -counted_at);
        dsc_parallel_for(pool, n_tiles, add_tile, &a);
        for (int64_t t = 0; t < n_tiles; t++) {
            lo = fminf(lo, tiles[t].low);
            hi = fmaxf(hi, tiles[t].high);
        }
        if (lo <= hi)
            widen_to(h, exponent_for(fmax(fmax(fabs((double)lo), fabs((double)hi)),
                                          h->n ? fmax(fabs(h->low), fabs(h->high)) : 0)));
    } while (h->exponent != counted_at);
    for (int64_t t = 0; t < n_tiles; t++) {
        n_bad += tiles[t].n_bad;
        for (int b = 0; b < DSC_HIST_BINS; b++)
            h->count[b] += tiles[t].count[1 + b];
    }
    h->n_bad += n_bad;
    h->n += (uint64_t)n - n_bad;
    if (lo > hi)
        return;
    h->low = fmin(h->low, (double)lo);
    h->high = fmax(h->high, (double)hi);
    *low = fmin(*low, (double)lo);
    *high = fmax(*high, (double)hi);
}

void dsc_hist_add(struct dsc_hist *h, const float *x, int64_t n, struct dsc_pool *pool)
{
    double low = INFINITY, high = -INFINITY;

    for (int64_t i = 0; i < n; i += AT_ONCE)
        add_some(h, x + i, n - i < AT_ONCE ? n - i : AT_ONCE, pool, &low, &high);
    if (low > high)
        return;
    h->ema_low = h->n_batches ? EMA_KEEP * h->ema_low + (1 - EMA_KEEP) * low : low;
    h->ema_high = h->n_batches ? EMA_KEEP * h->ema_high + (1 - EMA_KEEP) * high : high;
    h->n_batches++;
}

void dsc_hist_merge(struct dsc_hist *a, const struct dsc_hist *b)
{
    struct dsc_hist other = *b;

    a->n_bad += b->n_bad;
    if (b->n == 0)
        return;
    if (a->n == 0) {
        other.n_bad = a->n_bad;
        *a = other;
        return;
    }
    widen_to(a, other.exponent);
    widen_to(&other, a->exponent);
    for (int i = 0; i < DSC_HIST_BINS; i++)
        a->count[i] += other.count[i];
    a->n += b->n;
    a->n_batches += b->n_batches;
    a->low = fmin(a->low, b->low);
    a->high = fmax(a->high, b->high);
    a->ema_low = a->ema_high = NAN;
}

double dsc_hist_quantile(const struct dsc_hist *h, double q)
{
    const double width = ldexp(1, h->exponent), want = q * (double)h->n;
    double seen = 0;

    for (int b = 0; b < DSC_HIST_BINS; b++) {
        const double c = (double)h->count[b];

        if (c > 0 && seen + c >= want) {
            const double v = ((double)(b - HALF) + (want - seen) / c) * width;

            return fmin(fmax(v, h->low), h->high);
        }
        seen += c;
    }
    return h->high;
}

double dsc_hist_sqnr_db(const struct dsc_hist *h, double low, double high, int n_levels)
{
    const double width = ldexp(1, h->exponent), step = (high - low) / (n_levels - 1);
    double signal = 0, noise = 0;

    for (int b = 0; b < DSC_HIST_BINS && step > 0; b++) {
        const double c = (double)h->count[b], v = ((double)(b - HALF) + 0.5) * width;
        const double over = v < low ? low - v : v > high ? v - high : 0;

        signal += c * v * v;
        noise += c * (over > 0 ? over * over : step * step / 12); /* uniform inside a step */
    }
    return noise > 0 && signal > 0 ? fmin(200, 10 * log10(signal / noise)) : 200;
}
