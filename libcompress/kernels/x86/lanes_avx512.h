/*
 * Sixteen lanes; see ref/lanes_ref.h for what each name means.
 */
#ifndef DSC_LANES_H
#define DSC_LANES_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FN(slot) dsc_##slot##_avx512

enum { LANES = 16 };
typedef __m512 vf;
typedef int32_t vi __attribute__((vector_size(64)));
typedef uint32_t vu __attribute__((vector_size(64)));
typedef __mmask16 vm;

static inline vf v_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vf v)
{
    _mm512_storeu_ps(p, v);
}
static inline __mmask16 first_lanes(int64_t n)
{
    unsigned n_lanes = n < 0 ? 0 : n > LANES ? LANES : (unsigned)n;

    return (__mmask16)((1u << n_lanes) - 1);
}
static inline vf v_load_part(const float *p, int64_t n, float fill)
{
    return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), first_lanes(n), p);
}
static inline void v_store_part(float *p, vf v, int64_t n)
{
    _mm512_mask_storeu_ps(p, first_lanes(n), v);
}
static inline vf v_keep(vf v, int64_t n)
{
    return _mm512_maskz_mov_ps(first_lanes(n), v);
}
static inline vi v_load_u8(const uint8_t *p)
{
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
static inline vi v_load_s8(const int8_t *p)
{
    return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
static inline void v_store_low8(void *p, vi v)
{
    _mm_storeu_si128(p, _mm512_cvtepi32_epi8((__m512i)v));
}
static inline void v_store_low16(void *p, vi v)
{
    _mm256_storeu_si256(p, _mm512_cvtepi32_epi16((__m512i)v));
}
static inline void v_store_i32(int32_t *p, vi v)
{
    _mm512_storeu_si512(p, (__m512i)v);
}
static inline vu v_bits(vf x)
{
    return (vu)x;
}
static inline vf v_of_bits(vu u)
{
    return (vf)u;
}
static inline vu v_mul_wide(vu a, uint32_t k, vu *upper)
{
    const __m512i factor = _mm512_set1_epi64(k);
    const __m512i even = _mm512_mul_epu32((__m512i)a, factor);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), factor);

    *upper = (vu)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
    return (vu)_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
}
static inline vf v_of_int(vi i)
{
    return _mm512_cvtepi32_ps((__m512i)i);
}
static inline vi v_to_int(vf x)
{
    return (vi)_mm512_cvttps_epi32(x);
}
static inline vm v_lt(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
static inline vm v_le(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
static inline vm v_is_nan(vf a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
static inline vf v_sel(vm m, vf yes, vf no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}
static inline vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
static inline vf v_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vf v_sqrt(vf x)
{
    return _mm512_sqrt_ps(x);
}
static inline vf v_rint(vf x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_floor(vf x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

#endif
