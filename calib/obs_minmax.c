/* minmax: everything that was seen is representable. */
#include "calib.h"

#include <math.h>

static void range(const struct dsc_hist *h, double param, int n_levels, double *low, double *high)
{
    *low = h->low;
    *high = h->high;
}

const struct dsc_observer dsc_observer_minmax = {
    .name = "minmax",
    .text = "least and largest value seen",
    .param = NAN,
    .can_merge = true,
    .range = range,
};
