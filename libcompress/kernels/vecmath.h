/*
 * exp, log, erf, tanh and their kin on lanes of f32, without libm and without fused multiply-add:
 * every width runs the same IEEE operations in the same order, so the bits are equal everywhere.
 * Polynomials are our own weighted least-squares fits; the largest errors are measured by
 * tests/kernels.
 */
#ifndef DSC_KERNELS_VECMATH_H
#define DSC_KERNELS_VECMATH_H

#include "kernels/wide.h"

static inline vf v_abs(vf x)
{
    return v_of_bits(v_bits(x) & 0x7fffffffu);
}

static inline vf v_sign_of(vf magnitude, vf sign)
{
    return v_of_bits(v_bits(magnitude) | (v_bits(sign) & 0x80000000u));
}

/* 2^k for -127 < k < 128 */
static inline vf v_pow2(vi k)
{
    return v_of_bits((vu)(k + 127) << 23);
}

/*
 * e^x = 2^k e^r with |r| <= ln(2)/2. Adding 1.5 * 2^23 rounds to a whole k, whose low bits then
 * are an integer. ln 2 is split so that k times its upper part is exact. 2^k is applied in two
 * halves: the result may be subnormal or infinite although 2^k is neither.
 */
static inline vf v_exp(vf x)
{
    vf c = v_min(v_set(89.0f), v_max(v_set(-104.0f), x));
    vf t = c * 1.44269504f + 12582912.0f;
    vf k = t - 12582912.0f;
    vi n = (vi)(v_bits(t) - 0x4b400000u);
    vi half = n >> 1;
    vf r = (c - k * 0.693359375f) - k * -2.12194440e-4f;
    vf p = r * 0.00019790321f + 0.0013944703f;

    p = p * r + 0.008333498f;
    p = p * r + 0.041666295f;
    p = p * r + 0.16666666f;
    p = p * r + 0.5f;
    p = (p * (r * r) + r) + 1.0f;
    return p * v_pow2(half) * v_pow2(n - half);
}

/* log x = e ln 2 + log m, sqrt(1/2) <= m < sqrt(2); subnormals are scaled up first. */
static inline vf v_log(vf x)
{
    vm is_tiny = v_lt(x, v_set(1.17549435e-38f));
    vu b = v_bits(v_sel(is_tiny, x * 8388608.0f, x));
    vi e = (vi)(b - 0x3f3504f3u) >> 23;
    vf f = v_of_bits(b - ((vu)e << 23)) - 1.0f;
    vf k = v_of_int(e) - v_sel(is_tiny, v_set(23.0f), v_set(0.0f));
    vf z = f * f;
    vf p = f * 0.06752776f + -0.11670632f;

    p = p * f + 0.11882245f;
    p = p * f + -0.12406069f;
    p = p * f + 0.14220518f;
    p = p * f + -0.16668002f;
    p = p * f + 0.20002064f;
    p = p * f + -0.2500001f;
    p = p * f + 0.33333313f;
    p = (k * -2.12194440e-4f + p * f * z) - z * 0.5f;
    p = (p + f) + k * 0.693359375f;
    p = v_sel(v_le(x, v_set(3.40282347e38f)), p, x);
    return v_sel(v_lt(v_set(0.0f), x), p,
                 v_sel(v_le(v_set(0.0f), x), v_set(-INFINITY), v_set(NAN)));
}

/* erf(t)/t - 1 for |t| < 0.875, from z = t^2 */
static inline vf v_erf_near(vf z)
{
    vf p = z * -0.00062032486f + 0.00503218f;

    p = p * z + -0.026791463f;
    p = p * z + 0.11282455f;
    p = p * z + -0.3761255f;
    return p * z + 0.12837915f;
}

/*
 * erfc(a) for a >= 0.875, given e = exp(-a^2): e times a polynomial for erfc(a) exp(a^2), its even
 * and odd halves side by side for speed.
 */
static inline vf v_erfc_far(vf a, vf e)
{
    vf u = v_min(v_set(3.92f), a) - 2.0f, z = u * u;
    vf even = z * 7.349501e-05f + 0.0005683704f;
    vf odd = z * -1.2115001e-05f + -0.00021193817f;

    even = even * z + 0.005458184f;
    odd = odd * z + -0.0017920422f;
    even = even * z + 0.041796286f;
    odd = odd * z + -0.015481113f;
    even = even * z + 0.2553962f;
    odd = odd * z + -0.1067938f;
    return (odd * u + even) * e;
}

static inline vf v_erf(vf x)
{
    vf a = v_abs(x), z = x * x;
    vf near = a * v_erf_near(z) + a;
    vf far = 1.0f - v_erfc_far(a, v_exp(-z));

    return v_sign_of(v_sel(v_lt(a, v_set(0.875f)), near, far), x);
}

/* The normal distribution function of x, and e = exp(-x^2/2), which its density needs. */
static inline vf v_norm_cdf(vf x, vf *e)
{
    vf t = x * 0.707106781f, a = v_abs(t), z = t * t;
    vf near = 0.5f + 0.5f * (t * v_erf_near(z) + t);
    vf tail, far;

    *e = v_exp(-z);
    tail = 0.5f * v_erfc_far(a, *e);
    far = v_sel(v_lt(t, v_set(0.0f)), tail, 1.0f - tail);
    return v_sel(v_lt(a, v_set(0.875f)), near, far);
}

static inline vf v_gelu(vf x)
{
    vf e;

    return x * v_norm_cdf(x, &e);
}

static inline vf v_gelu_slope(vf x)
{
    vf e, cdf = v_norm_cdf(x, &e);

    return cdf + x * (e * 0.398942280f);
}

static inline vf v_tanh(vf x)
{
    vf a = v_abs(x), z = x * x;
    vf far = 1.0f - 2.0f / (v_exp(a + a) + 1.0f);
    vf p = z * -0.0057216114f + 0.0206552f;

    p = p * z + -0.05374514f;
    p = p * z + 0.13331515f;
    p = p * z + -0.33333284f;
    p = a * (z * p) + a;
    return v_sign_of(v_sel(v_lt(a, v_set(0.625f)), p, far), x);
}

static inline vf v_sigmoid(vf x)
{
    vf e = v_exp(-v_abs(x));

    return v_sel(v_lt(x, v_set(0.0f)), e, v_set(1.0f)) / (1.0f + e);
}

/* 0.5 x (1 + tanh u) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3) */
static inline vf v_gelu_tanh(vf x)
{
    return x * v_sigmoid(x * (x * x * 0.0713548163f + 1.59576912f));
}

static inline vf v_gelu_tanh_slope(vf x)
{
    /* beyond 12 the slope is 0 or 1, and x^2 must not become infinite */
    vf c = v_min(v_set(12.0f), v_max(v_set(-12.0f), x));
    vf z = c * c;
    vf u = c * (z * 0.0713548163f + 1.59576912f);
    vf e = v_exp(-v_abs(u)), r = 1.0f / (1.0f + e);
    vf s = v_sel(v_lt(u, v_set(0.0f)), e * r, r);

    /* e r^2 is s (1 - s) without its cancellation */
    return s + c * (e * r * r) * (z * 0.214064449f + 1.59576912f);
}

#endif
