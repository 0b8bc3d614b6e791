/*
 * mse: the range of least squared error. Both ends shrink together from the full range; the error
 * of a bin is that of its middle: distance to the nearest code inside, to the end outside.
 */
#include "calib.h"

#include <math.h>

enum { MSE_STEPS = 100, MSE_HALF = DSC_HIST_BINS / 2 };

static double error_of(const struct dsc_hist *h, double low, double high, int n_levels)
{
    const double width = ldexp(1, h->exponent), step = (high - low) / (n_levels - 1);
    double sum = 0;

    for (int b = 0; b < DSC_HIST_BINS; b++) {
        const double v = ((double)(b - MSE_HALF) + 0.5) * width;
        double near;

        if (h->count[b] == 0)
            continue;
        near = v < low ? low : v > high ? high : low + rint((v - low) / step) * step;
        sum += (double)h->count[b] * (v - near) * (v - near);
    }
    return sum;
}

static void range(const struct dsc_hist *h, double param, int n_levels, double *low, double *high)
{
    const double full_low = fmin(h->low, 0), full_high = fmax(h->high, 0);
    double best = INFINITY;

    *low = full_low;
    *high = full_high;
    for (int i = MSE_STEPS; i > MSE_STEPS / 10 && full_high > full_low; i--) {
        const double part = (double)i / MSE_STEPS;
        const double e = error_of(h, full_low * part, full_high * part, n_levels);

        if (e < best) {
            best = e;
            *low = full_low * part;
            *high = full_high * part;
        }
    }
}

const struct dsc_observer dsc_observer_mse = {
    .name = "mse",
    .text = "the range of least squared error",
    .param = NAN,
    .can_merge = true,
    .range = range,
};
