/*
 * One lane: the bodies of kernels/ read as plain scalar C through this header. It is the
 * specification; x86/lanes_*.h give the same names wider types. Every function here is one IEEE
 * operation (or a choice, or a move of bits), so that all widths give equal results.
 */
#ifndef DSC_LANES_H
#define DSC_LANES_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FN(slot) dsc_##slot##_ref

enum { LANES = 1 };
typedef float vf;   /* numbers */
typedef int32_t vi; /* integers, and their bits as vu */
typedef uint32_t vu;
typedef bool vm; /* the outcome of a comparison */

static inline vf v_set(float x)
{
    return x;
}
static inline vf v_load(const float *p)
{
    return *p;
}
static inline void v_store(float *p, vf v)
{
    *p = v;
}
/* The first n < LANES elements; the others are `fill`. */
static inline vf v_load_part(const float *p, int64_t n, float fill)
{
    return n > 0 ? *p : fill;
}
static inline void v_store_part(float *p, vf v, int64_t n)
{
    if (n > 0)
        *p = v;
}
/* The first n lanes of v, 0 behind them. */
static inline vf v_keep(vf v, int64_t n)
{
    return n > 0 ? v : 0.0f;
}
static inline vi v_load_u8(const uint8_t *p)
{
    return *p;
}
static inline vi v_load_s8(const int8_t *p)
{
    return *p;
}
/* The low byte of each integer. */
static inline void v_store_low8(void *p, vi v)
{
    uint8_t low = (uint8_t)((vu)v & 0xff);

    memcpy(p, &low, 1);
}
/* The low 16 bits of each integer. */
static inline void v_store_low16(void *p, vi v)
{
    uint16_t low = (uint16_t)((vu)v & 0xffff);

    memcpy(p, &low, 2);
}
static inline void v_store_i32(int32_t *p, vi v)
{
    *p = v;
}
static inline vu v_bits(vf x)
{
    vu u;

    memcpy(&u, &x, sizeof u);
    return u;
}
static inline vf v_of_bits(vu u)
{
    vf x;

    memcpy(&x, &u, sizeof x);
    return x;
}
/* The lower and the upper half of each product of 64 bits. */
static inline vu v_mul_wide(vu a, uint32_t k, vu *upper)
{
    uint64_t p = (uint64_t)a * k;

    *upper = (vu)(p >> 32);
    return (vu)p;
}
static inline vf v_of_int(vi i)
{
    return (vf)i;
}
/* x is a whole number that fits. */
static inline vi v_to_int(vf x)
{
    return (vi)x;
}
static inline vm v_lt(vf a, vf b)
{
    return a < b;
}
static inline vm v_le(vf a, vf b)
{
    return a <= b;
}
static inline vm v_is_nan(vf a)
{
    return a != a;
}
static inline vf v_sel(vm m, vf yes, vf no)
{
    return m ? yes : no;
}
/* The second operand when one is NaN: v_max(limit, x) lets NaN through, v_max(x, limit) does not.
 */
static inline vf v_max(vf a, vf b)
{
    return a > b ? a : b;
}
static inline vf v_min(vf a, vf b)
{
    return a < b ? a : b;
}
/* a * b + c, rounded once */
static inline vf v_fma(vf a, vf b, vf c)
{
    return fmaf(a, b, c);
}
static inline vf v_sqrt(vf x)
{
    return sqrtf(x);
}
/* Round half to even, and round down; 2^23 and more is whole already. */
static inline vf v_rint(vf x)
{
    float a = fabsf(x);

    return a < 8388608.0f ? copysignf((a + 8388608.0f) - 8388608.0f, x) : x;
}
static inline vf v_floor(vf x)
{
    return floorf(x);
}

#endif
