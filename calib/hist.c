/* Histograms whose bins are powers of two. */
#include "calib.h"

#include <math.h>
#include <string.h>

enum { HALF = DSC_HIST_BINS / 2, MIN_EXPONENT = -120 };

#define EMA_KEEP 0.9

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

static void batch_limits(struct dsc_hist *h, const float *x, int64_t n, double *low, double *high)
{
    float lo = INFINITY, hi = -INFINITY;

    for (int64_t i = 0; i < n; i++) {
        const bool is_finite = x[i] - x[i] == 0;

        h->n_bad += !is_finite;
        lo = is_finite && x[i] < lo ? x[i] : lo;
        hi = is_finite && x[i] > hi ? x[i] : hi;
    }
    *low = (double)lo;
    *high = (double)hi;
}

/*
 * The bin of v widths. The sum is positive, so truncation is floor; but for v within 2^-42 below 0
 * the sum is rounded up to HALF, and the bin would depend on the width that it was counted at.
 */
static int bin_of(double v)
{
    const int b = (int)(v + HALF);

    return b - (v < 0 && b == HALF);
}

void dsc_hist_add(struct dsc_hist *h, const float *x, int64_t n)
{
    const uint64_t n_bad = h->n_bad;
    double low, high, inv_width;

    batch_limits(h, x, n, &low, &high);
    if (low > high)
        return;
    widen_to(h, exponent_for(fmax(fmax(fabs(low), fabs(high)),
                                  h->n ? fmax(fabs(h->low), fabs(h->high)) : 0)));
    inv_width = ldexp(1, -h->exponent);
    if (h->n_bad == n_bad) {
        for (int64_t i = 0; i < n; i++)
            h->count[bin_of((double)x[i] * inv_width)]++;
        h->n += (uint64_t)n;
    } else {
        for (int64_t i = 0; i < n; i++) {
            if (x[i] - x[i] != 0)
                continue;
            h->count[bin_of((double)x[i] * inv_width)]++;
            h->n++;
        }
    }
    h->ema_low = h->n_batches ? EMA_KEEP * h->ema_low + (1 - EMA_KEEP) * low : low;
    h->ema_high = h->n_batches ? EMA_KEEP * h->ema_high + (1 - EMA_KEEP) * high : high;
    h->n_batches++;
    h->low = fmin(h->low, low);
    h->high = fmax(h->high, high);
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
