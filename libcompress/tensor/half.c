/* IEEE half and bfloat16: conversions that round to nearest even. */
#include "dsc/tensor.h"

#include <string.h>

static uint32_t bits_of(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;

    memcpy(&f, &u, sizeof f);
    return f;
}

float dsc_half_to_float(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    const uint32_t exponent = h >> 10 & 31, fraction = h & 0x3FF;

    if (exponent == 31)
        return float_of(sign | 0x7F800000 | fraction << 13);
    if (exponent == 0) /* zero or subnormal: fraction * 2^-24, exact in float */
        return float_of(sign | bits_of((float)fraction * 0x1p-24f));
    return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t dsc_float_to_half(float f)
{
    const uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, a = u & 0x7FFFFFFF;

    if (a > 0x7F800000) /* NaN stays NaN */
        return (uint16_t)(sign | 0x7C00 | 0x200 | (a >> 13 & 0x3FF));
    if (a >= 0x477FF000) /* rounds to infinity */
        return (uint16_t)(sign | 0x7C00);
    if (a < 0x38800000) { /* subnormal: adding 0.5 leaves the rounded integer in the fraction */
        const float shifted = float_of(a) + 0.5f;

        return (uint16_t)(sign | (bits_of(shifted) - 0x3F000000));
    }
    return (uint16_t)(sign | ((a - 0x38000000 + 0xFFF + (a >> 13 & 1)) >> 13));
}

float dsc_bf16_to_float(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

uint16_t dsc_float_to_bf16(float f)
{
    const uint32_t u = bits_of(f);

    if ((u & 0x7FFFFFFF) > 0x7F800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}
