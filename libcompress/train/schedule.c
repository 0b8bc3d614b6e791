/* Learning-rate schedules, from the expressions of schedules.def. */
#include "dsc/train.h"

#include <math.h>
#include <string.h>

/* Progress after the warm-up; the warm-up itself rises from 0 as Hugging Face's schedules do. */
#define DSC_SCHED(name, expr)                                                         \
    static double factor_##name(uint64_t t, uint64_t n_warmup, uint64_t n_steps)      \
    {                                                                                 \
        const double n_rest = n_steps > n_warmup ? (double)(n_steps - n_warmup) : 1;  \
        const double p = t < n_warmup ? 0 : fmin(1, (double)(t - n_warmup) / n_rest); \
        (void)p;                                                                      \
        return t < n_warmup ? (double)t / (double)n_warmup : (expr);                  \
    }
#include "train/schedules.def"
#undef DSC_SCHED

static const struct dsc_sched rows[] = {
#define DSC_SCHED(name, expr) {#name, factor_##name},
#include "train/schedules.def"
#undef DSC_SCHED
};

const struct dsc_sched *dsc_sched_find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}
