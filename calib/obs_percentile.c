/* percentile: on each side, 100 - P percent of the values are cut off. */
#include "calib.h"

#include <math.h>

/* Of fewer values no whole one is cut off. */
static uint64_t least_values(double param)
{
    return param < 100 ? (uint64_t)ceil(100 / (100 - param) - 1e-6) : 1;
}

static void range(const struct dsc_hist *h, double param, int n_levels, double *low, double *high)
{
    *low = dsc_hist_quantile(h, 1 - param / 100);
    *high = dsc_hist_quantile(h, param / 100);
}

const struct dsc_observer dsc_observer_percentile = {
    .name = "percentile",
    .text = "cuts off 100 - P percent of the values on each side",
    .param = 99.999,
    .param_low = 50,
    .param_high = 100,
    .can_merge = true,
    .least_values = least_values,
    .range = range,
};
