/*
 * Values of GGUF's blocks. A block holds 32 elements with one scale, or (K) 256 with a scale, and
 * perhaps an offset, for each 16 or 32 of them, whose own unit is a half for the whole block.
 *
 * Source  block layouts of ggml (ggml-common.h names the fields); the gguf package's numpy
 *         dequantization is what the results are compared with, bit for bit
 */
#include "model/gguf.h"

enum { SMALL = 32, SUPER = 256 };

static float half_at(const unsigned char *p)
{
    return dsc_half_to_float((uint16_t)(p[0] | p[1] << 8));
}

static uint32_t word_at(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- 32 elements: the low halves of 16 bytes, then the high ones ---- */

void gguf_decode_q4_0(const unsigned char *b, float *dst)
{
    const float d = half_at(b);

    for (int i = 0; i < SMALL / 2; i++) {
        dst[i] = d * (float)((b[2 + i] & 15) - 8);
        dst[i + SMALL / 2] = d * (float)((b[2 + i] >> 4) - 8);
    }
}

void gguf_decode_q4_1(const unsigned char *b, float *dst)
{
    const float d = half_at(b), m = half_at(b + 2);

    for (int i = 0; i < SMALL / 2; i++) {
        dst[i] = d * (float)(b[4 + i] & 15) + m;
        dst[i + SMALL / 2] = d * (float)(b[4 + i] >> 4) + m;
    }
}

/* The fifth bit of element i is bit i of a word. */
static int fifth(uint32_t bits, int i)
{
    return (int)(bits >> i & 1) << 4;
}

void gguf_decode_q5_0(const unsigned char *b, float *dst)
{
    const float d = half_at(b);
    const uint32_t bits = word_at(b + 2);

    for (int i = 0; i < SMALL / 2; i++) {
        dst[i] = d * (float)(((b[6 + i] & 15) | fifth(bits, i)) - 16);
        dst[i + SMALL / 2] = d * (float)(((b[6 + i] >> 4) | fifth(bits, i + SMALL / 2)) - 16);
    }
}

void gguf_decode_q5_1(const unsigned char *b, float *dst)
{
    const float d = half_at(b), m = half_at(b + 2);
    const uint32_t bits = word_at(b + 4);

    for (int i = 0; i < SMALL / 2; i++) {
        dst[i] = d * (float)((b[8 + i] & 15) | fifth(bits, i)) + m;
        dst[i + SMALL / 2] = d * (float)((b[8 + i] >> 4) | fifth(bits, i + SMALL / 2)) + m;
    }
}

void gguf_decode_q8_0(const unsigned char *b, float *dst)
{
    const float d = half_at(b);

    for (int i = 0; i < SMALL; i++)
        dst[i] = d * (float)(int8_t)b[2 + i];
}

/* ---- 256 elements ---- */

/*
 * q2_K: [16] scale and offset of 4 bits, [64] codes, unit of scales, unit of offsets. Byte l of a
 * half's 32 code bytes holds elements l, l + 32, l + 64 and l + 96 of it.
 */
void gguf_decode_q2_k(const unsigned char *b, float *dst)
{
    const float d = half_at(b + 80), dmin = half_at(b + 82);

    for (int i = 0; i < SUPER; i++) {
        const int within = i % 128,
                  code = b[16 + i / 128 * 32 + within % 32] >> within / 32 * 2 & 3;
        const float scale = d * (float)(b[i / 16] & 15), min = dmin * (float)(b[i / 16] >> 4);

        dst[i] = scale * (float)code - min;
    }
}

/* q3_K: [32] third bits, [64] codes of 2 bits as in q2_K, [12] 16 scales of 6 bits, their unit. The
 * third bit of element i is bit i / 32 of byte i % 32; where it is 0, 4 is taken off. */
void gguf_decode_q3_k(const unsigned char *b, float *dst)
{
    const unsigned char *codes = b + 32, *packed = b + 96;
    const float d = half_at(b + 108);

    for (int i = 0; i < SUPER; i++) {
        const int within = i % 128, code = codes[i / 128 * 32 + within % 32] >> within / 32 * 2 & 3;
        const int k = i / 16, low = k < 8 ? packed[k] & 15 : packed[k - 8] >> 4;
        const int scale = (low | (packed[8 + k % 4] >> k / 4 * 2 & 3) << 4) - 32;
        const int third = b[i % 32] >> i / 32 & 1;

        dst[i] = d * (float)scale * (float)(code - (third ? 0 : 4));
    }
}

void gguf_scale_min(const unsigned char packed[12], int j, int *scale, int *min)
{
    *scale = j < 4 ? packed[j] & 63 : (packed[j + 4] & 15) | packed[j - 4] >> 6 << 4;
    *min = j < 4 ? packed[j + 4] & 63 : packed[j + 4] >> 4 | packed[j] >> 6 << 4;
}

/* q4_K: two units, [12] 8 scales and offsets, [128] codes. Byte l of 32 holds elements l and l + 32
 * of 64. */
void gguf_decode_q4_k(const unsigned char *b, float *dst)
{
    const float d = half_at(b), dmin = half_at(b + 2);

    for (int j = 0; j < 8; j++) {
        int scale, min;

        gguf_scale_min(b + 4, j, &scale, &min);
        for (int l = 0; l < 32; l++) {
            const int code = b[16 + j / 2 * 32 + l] >> j % 2 * 4 & 15;

            dst[32 * j + l] = d * (float)scale * (float)code - dmin * (float)min;
        }
    }
}

/* q5_K: as q4_K, with [32] bytes before the codes whose bit j is the fifth bit in sub-block j. */
void gguf_decode_q5_k(const unsigned char *b, float *dst)
{
    const float d = half_at(b), dmin = half_at(b + 2);

    for (int j = 0; j < 8; j++) {
        int scale, min;

        gguf_scale_min(b + 4, j, &scale, &min);
        for (int l = 0; l < 32; l++) {
            const int low = b[48 + j / 2 * 32 + l] >> j % 2 * 4 & 15;
            const int code = low | (b[16 + l] >> j & 1) << 4;

            dst[32 * j + l] = d * (float)scale * (float)code - dmin * (float)min;
        }
    }
}

/* q6_K: [128] low four bits, [64] high two, [16] signed scales, their unit. Of a half of 128, the
 * low bits of l and l + 64 share a byte, the high bits of l, l + 32, l + 64 and l + 96. */
void gguf_decode_q6_k(const unsigned char *b, float *dst)
{
    const unsigned char *high = b + 128, *scales = b + 192;
    const float d = half_at(b + 208);

    for (int i = 0; i < SUPER; i++) {
        const int half = i / 128, within = i % 128;
        const int low = b[half * 64 + within % 64] >> within / 64 * 4 & 15;
        const int two = high[half * 32 + within % 32] >> within / 32 * 2 & 3;

        dst[i] = d * (float)(int8_t)scales[i / 16] * (float)((low | two << 4) - 32);
    }
}
