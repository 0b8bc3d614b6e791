/* Golden values of calibration, and what tests of histograms share. */
#ifndef DSC_GOLDEN_CALIB_H
#define DSC_GOLDEN_CALIB_H

#include "calib.h"
#include "formats_npz.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCHES = 5, BATCH = 601 };

static inline void open_golden(struct dsc_bundle *b)
{
    struct dsc_err err = {0};
    char path[512];

    snprintf(path, sizeof path, "%s/calib/observers.npz", getenv("GOLDEN"));
    ck_assert_msg(dsc_npz_read(b, path, 0, &err) == DSC_OK, "%s: %s", path, err.message);
}

static inline const struct dsc_tensor *item(const struct dsc_bundle *b, const char *name,
                                            const char *part)
{
    const struct dsc_tensor *t;
    char text[64];

    snprintf(text, sizeof text, "%s.%s", name, part);
    t = dsc_bundle_find(b, text);
    ck_assert_msg(t != NULL, "no array '%s'", text);
    return t;
}

static inline const float *batch_of(const struct dsc_bundle *b, const char *name, int k)
{
    return (const float *)item(b, name, "x")->data + k * BATCH;
}

static inline struct dsc_hist *new_hist(void)
{
    struct dsc_hist *h = dsc_heap_alloc(1, sizeof *h, NULL);

    ck_assert_ptr_nonnull(h);
    dsc_hist_init(h);
    return h;
}

static inline void same_hist(const struct dsc_hist *a, const struct dsc_hist *b)
{
    ck_assert_int_eq(a->exponent, b->exponent);
    ck_assert_mem_eq(a->count, b->count, sizeof a->count);
    ck_assert_uint_eq(a->n, b->n);
    ck_assert_uint_eq(a->n_bad, b->n_bad);
    ck_assert_uint_eq(a->n_batches, b->n_batches);
    ck_assert(a->low == b->low && a->high == b->high);
}

static inline void all_observers_answer(const struct dsc_hist *h)
{
    for (const struct dsc_observer *const *o = dsc_observer_all(); *o; o++)
        for (int bits = 4; bits <= 16; bits += 4) {
            double low = NAN, high = NAN;

            (*o)->range(h, (*o)->param, 1 << bits, &low, &high);
            if ((*o)->can_merge || !isnan(h->ema_low))
                ck_assert_msg(isfinite(low) && isfinite(high) && low <= high, "%s: %g to %g",
                              (*o)->name, low, high);
        }
}

#endif
