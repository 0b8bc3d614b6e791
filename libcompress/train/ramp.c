/* Numbers that change while training runs. */
#include "dsc/distill.h"

#include <math.h>
#include <stdlib.h>

bool dsc_ramp_parse(const char *text, struct dsc_ramp *r)
{
    for (r->n = 0; r->n < DSC_RAMP_POINTS_MAX;) {
        char *end;

        r->v[r->n] = strtod(text, &end);
        if (end == text || !isfinite(r->v[r->n]))
            return false;
        r->n++;
        if (!*end)
            return true;
        if (*end != ':')
            return false;
        text = end + 1;
    }
    return false;
}

double dsc_ramp_at(const struct dsc_ramp *r, uint64_t t, uint64_t n_steps)
{
    const double p = n_steps > 1 ? (double)t / (double)(n_steps - 1) : 0;
    const double at = fmin(p, 1) * (r->n - 1);
    const int i = (int)at;

    return i + 1 < r->n ? r->v[i] + (at - i) * (r->v[i + 1] - r->v[i]) : r->v[r->n - 1];
}
