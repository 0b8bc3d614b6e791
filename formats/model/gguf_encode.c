/*
 * Codes of GGUF's blocks. Scales and offsets are searched for the least squared error of what the
 * block will be read as, with its scale rounded as it is stored: candidates from narrower to wider
 * ranges, each improved once by least squares. The scale of the extremes, which other writers take,
 * is among them.
 */
#include "model/gguf.h"

#include <math.h>
#include <string.h>

enum { SMALL = 32, SUPER = 256, Q6_SUB = 16, N_SUBS = 8, SCALE_MAX = 63 };

static void put_half(unsigned char *p, uint16_t h)
{
    p[0] = (unsigned char)h;
    p[1] = (unsigned char)(h >> 8);
}

/* The nearest whole number, half to even; the sum drops the fraction. |x| < 2^22 */
static float nearest(float x)
{
    const float whole = 12582912.0f;

    return (x + whole) - whole;
}

static float limit(float x, float lo, float hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* ---- x = d q ---- */

/* Codes lo .. hi for the scale d, and their squared error. */
static float round_codes(const float *x, int n, float d, float lo, float hi, float *q)
{
    const float inverse = d != 0 ? 1 / d : 0;
    float sum = 0;

    for (int i = 0; i < n; i++) {
        q[i] = nearest(limit(x[i] * inverse, lo, hi));
        sum += (x[i] - d * q[i]) * (x[i] - d * q[i]);
    }
    return sum;
}

/* The scale of least error for these codes. */
static float refit(const float *x, const float *q, int n, float d)
{
    float xq = 0, qq = 0;

    for (int i = 0; i < n; i++) {
        xq += x[i] * q[i];
        qq += q[i] * q[i];
    }
    return qq > 0 ? xq / qq : d;
}

static float as_half(float d)
{
    return dsc_half_to_float(dsc_float_to_half(d));
}

static float as_it_is(float d)
{
    return d;
}

/* What is furthest from 0, with its sign. */
static float extreme(const float *x, int n)
{
    float far = 0;

    for (int i = 0; i < n; i++)
        far = fabsf(x[i]) > fabsf(far) ? x[i] : far;
    return far;
}

/*
 * The scale whose codes -top .. top - 1 are of least error; store rounds a scale as the block will.
 * The value furthest from 0 is at -top: there is one code more on that side.
 */
static float search_scale(const float *x, int n, float top, float (*store)(float))
{
    enum { STEPS = 9 };
    const float far = extreme(x, n);
    float q[SMALL], best_d = store(far / -top);
    float best = round_codes(x, n, best_d, -top, top - 1, q);

    for (int k = -STEPS; k <= STEPS && far != 0 && best > 0; k++) {
        float d = far / -(top + 0.1f * (float)k), sum;

        (void)round_codes(x, n, d, -top, top - 1, q);
        d = store(refit(x, q, n, d));
        sum = round_codes(x, n, d, -top, top - 1, q);
        if (sum < best) {
            best = sum;
            best_d = d;
        }
    }
    return best_d;
}

/* Low halves of n / 2 bytes, then the high ones. */
static void put_nibbles(const int *code, int n, unsigned char *dst)
{
    for (int i = 0; i < n / 2; i++)
        dst[i] = (unsigned char)((code[i] & 15) | (code[i + n / 2] & 15) << 4);
}

static void put_fifths(const int *code, unsigned char dst[4])
{
    memset(dst, 0, 4);
    for (int i = 0; i < SMALL; i++)
        dst[i / 8] = (unsigned char)(dst[i / 8] | (code[i] >> 4 & 1) << i % 8);
}

static void symmetric_block(const float *src, float top, uint16_t *half, int code[SMALL])
{
    const float d = search_scale(src, SMALL, top, as_half);
    float q[SMALL];

    (void)round_codes(src, SMALL, d, -top, top - 1, q);
    *half = dsc_float_to_half(d);
    for (int i = 0; i < SMALL; i++)
        code[i] = (int)(q[i] + top);
}

void gguf_encode_q4_0(const float *src, unsigned char *b)
{
    uint16_t half;
    int code[SMALL];

    symmetric_block(src, 8, &half, code);
    put_half(b, half);
    put_nibbles(code, SMALL, b + 2);
}

void gguf_encode_q5_0(const float *src, unsigned char *b)
{
    uint16_t half;
    int code[SMALL];

    symmetric_block(src, 16, &half, code);
    put_half(b, half);
    put_fifths(code, b + 2);
    put_nibbles(code, SMALL, b + 6);
}

/* The scale of the extremes: among 255 codes there is little to be searched. */
void gguf_encode_q8_0(const float *src, unsigned char *b)
{
    const float d = as_half(fabsf(extreme(src, SMALL)) / 127);
    float q[SMALL];

    (void)round_codes(src, SMALL, d, -128, 127, q);
    put_half(b, dsc_float_to_half(d));
    for (int i = 0; i < SMALL; i++)
        b[2 + i] = (unsigned char)(int8_t)q[i];
}

/* ---- x = d q + m, codes 0 .. top ---- */

struct line {
    float d, m;
};

static float round_line(const float *x, int n, struct line l, float top, float *q)
{
    const float inverse = l.d != 0 ? 1 / l.d : 0;
    float sum = 0;

    for (int i = 0; i < n; i++) {
        const float gap = x[i] - l.m;

        q[i] = nearest(limit(gap * inverse, 0, top));
        sum += (gap - l.d * q[i]) * (gap - l.d * q[i]);
    }
    return sum;
}

/* Least squares of x on q. */
static struct line refit_line(const float *x, const float *q, int n, struct line l)
{
    float sx = 0, sq = 0, sxq = 0, sqq = 0, det;

    for (int i = 0; i < n; i++) {
        sx += x[i];
        sq += q[i];
        sxq += x[i] * q[i];
        sqq += q[i] * q[i];
    }
    det = (float)n * sqq - sq * sq;
    if (det <= 0)
        return l;
    return (struct line){((float)n * sxq - sx * sq) / det, (sx * sqq - sq * sxq) / det};
}

/* K-blocks take an offset off, whose unit is found later: it is not above 0, and not rounded. */
static struct line store_line(const float *x, const float *q, int n, struct line l, bool is_k)
{
    if (!is_k)
        return (struct line){as_half(l.d), as_half(l.m)};
    if (l.m > 0)
        l = (struct line){refit(x, q, n, l.d), 0};
    return (struct line){l.d > 0 ? l.d : 0, l.m};
}

static struct line search_line(const float *x, int n, float top, bool is_k)
{
    enum { STEPS = 5 };
    float lo = x[0], hi = x[0], q[SMALL] = {0}, best;
    struct line best_line;

    for (int i = 1; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    lo = is_k && lo > 0 ? 0 : lo;
    best_line = store_line(x, q, n, (struct line){(hi - lo) / top, lo}, is_k);
    best = round_line(x, n, best_line, top, q);
    for (int k = 0; k < STEPS * STEPS && best > 0; k++) { /* a part of the range off each end */
        const float step = (hi - lo) * 0.03f;
        const float first = lo + step * (float)(k % STEPS - 1);
        const float last = hi - step * (float)(k / STEPS - 1);
        struct line l = {(last - first) / top, first};
        float sum;

        (void)round_line(x, n, l, top, q);
        l = store_line(x, q, n, refit_line(x, q, n, l), is_k);
        sum = round_line(x, n, l, top, q);
        if (sum < best) {
            best = sum;
            best_line = l;
        }
    }
    return best_line;
}

static struct line affine_block(const float *src, float top, int code[SMALL])
{
    const struct line l = search_line(src, SMALL, top, false);
    float q[SMALL];

    (void)round_line(src, SMALL, l, top, q);
    for (int i = 0; i < SMALL; i++)
        code[i] = (int)q[i];
    return l;
}

static void put_line(unsigned char *b, struct line l)
{
    put_half(b, dsc_float_to_half(l.d));
    put_half(b + 2, dsc_float_to_half(l.m));
}

void gguf_encode_q4_1(const float *src, unsigned char *b)
{
    int code[SMALL];

    put_line(b, affine_block(src, 15, code));
    put_nibbles(code, SMALL, b + 4);
}

void gguf_encode_q5_1(const float *src, unsigned char *b)
{
    int code[SMALL];

    put_line(b, affine_block(src, 31, code));
    put_fifths(code, b + 4);
    put_nibbles(code, SMALL, b + 8);
}

/* ---- 256 elements ---- */

/* Scales and offsets as whole numbers of the block's two units; the neighbours of what they round
 * to are tried, too. */
struct q4_sub {
    int scale, min;
};

static struct q4_sub choose_sub(const float *x, struct line l, float d, float dmin)
{
    const int scale = d > 0 ? (int)nearest(l.d / d) : 0;
    const int min = dmin > 0 ? (int)nearest(-l.m / dmin) : 0;
    struct q4_sub best = {0, 0};
    float least = INFINITY, q[SMALL];

    for (int k = 0; k < 9; k++) {
        const int s = scale + k % 3 - 1, t = min + k / 3 - 1;
        float sum;

        if (s < 0 || s > SCALE_MAX || t < 0 || t > SCALE_MAX)
            continue;
        sum = round_line(x, SMALL, (struct line){d * (float)s, -dmin * (float)t}, 15, q);
        if (sum < least) {
            least = sum;
            best = (struct q4_sub){s, t};
        }
    }
    return best;
}

/* The opposite of gguf_scale_min. */
static void pack_subs(const struct q4_sub sub[N_SUBS], unsigned char packed[12])
{
    memset(packed, 0, 12);
    for (int j = 0; j < N_SUBS; j++) {
        const unsigned s = (unsigned)sub[j].scale, t = (unsigned)sub[j].min;

        if (j < 4) {
            packed[j] = (unsigned char)(packed[j] | s);
            packed[j + 4] = (unsigned char)(packed[j + 4] | t);
        } else {
            packed[j + 4] = (unsigned char)((s & 15) | (t & 15) << 4);
            packed[j - 4] = (unsigned char)(packed[j - 4] | s >> 4 << 6);
            packed[j] = (unsigned char)(packed[j] | t >> 4 << 6);
        }
    }
}

void gguf_encode_q4_k(const float *src, unsigned char *b)
{
    struct line line[N_SUBS];
    struct q4_sub sub[N_SUBS];
    float d = 0, dmin = 0, q[SMALL];

    for (int j = 0; j < N_SUBS; j++) {
        line[j] = search_line(src + SMALL * j, SMALL, 15, true);
        d = fmaxf(d, line[j].d);
        dmin = fmaxf(dmin, -line[j].m);
    }
    d = as_half(d / SCALE_MAX);
    dmin = as_half(dmin / SCALE_MAX);
    put_line(b, (struct line){d, dmin});
    memset(b + 16, 0, SUPER / 2);
    for (int j = 0; j < N_SUBS; j++) {
        sub[j] = choose_sub(src + SMALL * j, line[j], d, dmin);
        (void)round_line(src + SMALL * j, SMALL,
                         (struct line){d * (float)sub[j].scale, -dmin * (float)sub[j].min}, 15, q);
        for (int l = 0; l < SMALL; l++) {
            unsigned char *p = &b[16 + j / 2 * 32 + l];

            *p = (unsigned char)(*p | (int)q[l] << j % 2 * 4);
        }
    }
    pack_subs(sub, b + 4);
}

/* A whole number of units for each 16 elements, of either sign. */
static int choose_scale(const float *x, float scale, float d)
{
    const int at = d != 0 ? (int)nearest(scale / d) : 0;
    float least = INFINITY, q[Q6_SUB];
    int best = 0;

    for (int s = at - 1; s <= at + 1; s++) {
        float sum;

        if (s < -128 || s > 127)
            continue;
        sum = round_codes(x, Q6_SUB, d * (float)s, -32, 31, q);
        if (sum < least) {
            least = sum;
            best = s;
        }
    }
    return best;
}

void gguf_encode_q6_k(const float *src, unsigned char *b)
{
    float scale[SUPER / Q6_SUB], q[Q6_SUB], d;

    for (int k = 0; k < SUPER / Q6_SUB; k++)
        scale[k] = search_scale(src + Q6_SUB * k, Q6_SUB, 32, as_it_is);
    d = as_half(extreme(scale, SUPER / Q6_SUB) / -128);
    memset(b, 0, 192);
    put_half(b + 208, dsc_float_to_half(d));
    for (int k = 0; k < SUPER / Q6_SUB; k++) {
        const int s = choose_scale(src + Q6_SUB * k, scale[k], d);

        b[192 + k] = (unsigned char)(int8_t)s;
        (void)round_codes(src + Q6_SUB * k, Q6_SUB, d * (float)s, -32, 31, q);
        for (int l = 0; l < Q6_SUB; l++) {
            const int i = Q6_SUB * k + l, half = i / 128, within = i % 128, code = (int)q[l] + 32;
            unsigned char *low = &b[half * 64 + within % 64];
            unsigned char *high = &b[128 + half * 32 + within % 32];

            *low = (unsigned char)(*low | (code & 15) << within / 64 * 4);
            *high = (unsigned char)(*high | (code >> 4) << within / 32 * 2);
        }
    }
}
