/*
 * entropy: the clipping that loses least information, as TensorRT's calibrator chooses it (Migacz
 * 2017, "8-bit inference with TensorRT"): for each candidate, the distribution clipped to it (the
 * rest counted in the end bins) against the same distribution on n_levels codes, by KL divergence.
 * Candidates are [-t, t] cut to what was seen, so that one-sided tensors keep their side.
 */
#include "calib.h"

#include <math.h>
#include <string.h>

enum { ENTROPY_HALF = DSC_HIST_BINS / 2, ENTROPY_STEP = 16 };

/* KL divergence of bins [first, last) between the clipped counts and their n_levels averages. */
static double divergence(const struct dsc_hist *h, int first, int last, int n_levels)
{
    const int n = last - first;
    double p[DSC_HIST_BINS], total = 0, inside = 0, kl = 0;

    for (int i = 0; i < n; i++)
        inside += p[i] = (double)h->count[first + i];
    for (int b = 0; b < first; b++)
        p[0] += (double)h->count[b];
    for (int b = last; b < DSC_HIST_BINS; b++)
        p[n - 1] += (double)h->count[b];
    for (int i = 0; i < n; i++)
        total += p[i];
    for (int level = 0; level < n_levels; level++) {
        const int a = (int)((int64_t)n * level / n_levels);
        const int z = (int)((int64_t)n * (level + 1) / n_levels);
        double sum = 0;
        int n_used = 0;

        for (int i = a; i < z; i++) { /* outliers are not in the quantized distribution */
            sum += (double)h->count[first + i];
            n_used += p[i] > 0;
        }
        if (n_used > 0 && !(sum > 0))
            return INFINITY; /* outliers alone: nothing stands for them */
        for (int i = a; i < z; i++)
            if (p[i] > 0)
                kl += p[i] / total * log(p[i] / total / (sum / n_used / inside));
    }
    return kl;
}

static void range(const struct dsc_hist *h, double param, int n_levels, double *low, double *high)
{
    const double width = ldexp(1, h->exponent);
    const int seen_first = (int)floor(h->low / width) + ENTROPY_HALF;
    const int seen_last = (int)floor(h->high / width) + ENTROPY_HALF + 1;
    double best = INFINITY;

    *low = h->low;
    *high = h->high;
    for (int t = n_levels / 2; t <= ENTROPY_HALF; t += ENTROPY_STEP) {
        const int first = ENTROPY_HALF - t > seen_first ? ENTROPY_HALF - t : seen_first;
        const int last = ENTROPY_HALF + t < seen_last ? ENTROPY_HALF + t : seen_last;
        double kl;

        if (last - first < n_levels)
            continue;
        kl = divergence(h, first, last, n_levels);
        if (kl < best) {
            best = kl;
            *low = fmax(h->low, (double)(first - ENTROPY_HALF) * width);
            *high = fmin(h->high, (double)(last - ENTROPY_HALF) * width);
        }
    }
}

/* Distributions are compared bin by bin. */
static uint64_t least_values(double param)
{
    return DSC_HIST_BINS;
}

const struct dsc_observer dsc_observer_entropy = {
    .name = "entropy",
    .text = "the clipping of least KL divergence",
    .param = NAN,
    .can_merge = true,
    .least_values = least_values,
    .range = range,
};
