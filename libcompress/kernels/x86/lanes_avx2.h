/*
 * Eight lanes; see ref/lanes_ref.h for what each name means.
 */
#ifndef DSC_LANES_H
#define DSC_LANES_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define FN(slot) dsc_##slot##_avx2

enum { LANES = 8 };
typedef __m256 vf;
typedef int32_t vi __attribute__((vector_size(32)));
typedef uint32_t vu __attribute__((vector_size(32)));
typedef __m256 vm;

static inline vf v_set(float x)
{
    return _mm256_set1_ps(x);
}
static inline vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vf v)
{
    _mm256_storeu_ps(p, v);
}
static inline __m256i first_lanes(int64_t n)
{
    int n_lanes = n < 0 ? 0 : n > LANES ? LANES : (int)n;

    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n_lanes),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline vf v_load_part(const float *p, int64_t n, float fill)
{
    __m256i first = first_lanes(n);

    return _mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, first),
                            _mm256_castsi256_ps(first));
}
static inline void v_store_part(float *p, vf v, int64_t n)
{
    _mm256_maskstore_ps(p, first_lanes(n), v);
}
static inline vf v_keep(vf v, int64_t n)
{
    return _mm256_and_ps(v, _mm256_castsi256_ps(first_lanes(n)));
}
static inline vi v_load_u8(const uint8_t *p)
{
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
static inline vi v_load_s8(const int8_t *p)
{
    return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
static inline void v_store_low8(void *p, vi v)
{
    __m256i low = _mm256_and_si256((__m256i)v, _mm256_set1_epi32(0xff));
    __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));

    _mm_storel_epi64(p, _mm_packus_epi16(half, half));
}
static inline void v_store_low16(void *p, vi v)
{
    __m256i low = _mm256_and_si256((__m256i)v, _mm256_set1_epi32(0xffff));

    _mm_storeu_si128(
        p, _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
}
static inline void v_store_i32(int32_t *p, vi v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, (__m256i)v);
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
    const __m256i factor = _mm256_set1_epi64x(k);
    const __m256i even = _mm256_mul_epu32((__m256i)a, factor);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), factor);

    *upper = (vu)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    return (vu)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
static inline vf v_of_int(vi i)
{
    return _mm256_cvtepi32_ps((__m256i)i);
}
static inline vi v_to_int(vf x)
{
    return (vi)_mm256_cvttps_epi32(x);
}
static inline vm v_lt(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
static inline vm v_le(vf a, vf b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}
static inline vm v_is_nan(vf a)
{
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}
static inline vf v_sel(vm m, vf yes, vf no)
{
    return _mm256_blendv_ps(no, yes, m);
}
static inline vf v_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
static inline vf v_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
static inline vf v_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vf v_sqrt(vf x)
{
    return _mm256_sqrt_ps(x);
}
static inline vf v_rint(vf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline vf v_floor(vf x)
{
    return _mm256_round_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

#endif
