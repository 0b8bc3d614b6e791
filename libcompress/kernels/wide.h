/*
 * Reductions in a fixed order. Element i of a row goes to partial sum i mod 32, and the 32 are
 * folded in halves; a lane width that divides 32 changes nothing. LANES_H names the lanes header,
 * by default the scalar one.
 */
#ifndef DSC_KERNELS_WIDE_H
#define DSC_KERNELS_WIDE_H

#ifndef LANES_H
#define LANES_H "kernels/ref/lanes_ref.h"
#endif
#include LANES_H

#include <math.h>

enum { WIDE = 32, PARTS = WIDE / LANES };

/* Lanes at p of which `left` elements remain; lanes behind the end are `fill`. */
static inline vf v_get(const float *p, int64_t left, float fill)
{
    return left >= LANES ? v_load(p) : left > 0 ? v_load_part(p, left, fill) : v_set(fill);
}

static inline void v_put(float *p, vf v, int64_t left)
{
    if (left >= LANES)
        v_store(p, v);
    else if (left > 0)
        v_store_part(p, v, left);
}

/* One reduction under way. */
struct wide {
    vf part[PARTS];
};

static inline struct wide wide_set(float x)
{
    struct wide w;

    for (int p = 0; p < PARTS; p++)
        w.part[p] = v_set(x);
    return w;
}

static inline float wide_sum(struct wide w)
{
    float lane[LANES];

    for (int half = PARTS / 2; half > 0; half /= 2)
        for (int p = 0; p < half; p++)
            w.part[p] = w.part[p] + w.part[p + half];
    v_store(lane, w.part[0]);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
}

/* The larger of two, or NaN if either is (the first keeps it). */
static inline vf v_max_or_nan(vf kept, vf x)
{
    return v_sel(v_is_nan(kept), kept, v_max(kept, x));
}

/* Largest of all partial results; NaN if there is one. */
static inline float wide_max(struct wide w)
{
    float lane[LANES];

    for (int half = PARTS / 2; half > 0; half /= 2)
        for (int p = 0; p < half; p++)
            w.part[p] = v_max_or_nan(w.part[p], w.part[p + half]);
    v_store(lane, w.part[0]);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] = lane[i] > lane[i + half] || lane[i] != lane[i] ? lane[i] : lane[i + half];
    return lane[0];
}

#endif
