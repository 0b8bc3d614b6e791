/* ema: moving averages of the batches' least and largest values. Depends on the order of batches.
 */
#include "calib.h"

#include <math.h>

static void range(const struct dsc_hist *h, double param, int n_levels, double *low, double *high)
{
    *low = h->ema_low;
    *high = h->ema_high;
}

const struct dsc_observer dsc_observer_ema = {
    .name = "ema",
    .text = "moving average (0.9) of each batch's least and largest value",
    .param = NAN,
    .can_merge = false,
    .range = range,
};
