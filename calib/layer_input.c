/* What a layer reads, gathered online. */
#include "dsc/linalg.h"
#include "dsc/pool.h"
#include "weights.h"

#include <math.h>
#include <string.h>

enum { LIMITS_BLOCK = 256 }; /* channels */

struct add_job {
    struct dsc_layer_input *in;
    const float *x; /* [n_tokens,k] */
    int64_t n_tokens;
};

struct dsc_act_codes dsc_act_codes_of(enum dsc_dtype code, bool is_symmetric, double low,
                                      double high)
{
    const bool is_signed = dsc_dtype_kind(code) == DSC_KIND_SIGNED;
    const float top = ldexpf(1, dsc_dtype_bits(code) - is_signed) - 1;
    double scale;
    int64_t zero;

    dsc_quant_params(code, is_symmetric, low, high, &scale, &zero);
    return (struct dsc_act_codes){(float)scale, (float)zero, is_signed ? -top - 1 : 0, top};
}

static inline float act_value(const struct dsc_act_codes *c, float x)
{
    const float code = rintf(x / c->scale) + c->zero;

    return ((code < c->bottom ? c->bottom : code > c->top ? c->top : code) - c->zero) * c->scale;
}

float dsc_act_value(const struct dsc_act_codes *c, float x)
{
    return act_value(c, x);
}

enum dsc_status dsc_layer_input_open(struct dsc_layer_input *in, int64_t k, unsigned wanted,
                                     struct dsc_err *err)
{
    const struct {
        void **p;
        unsigned want;
        size_t n_rows, bytes;
    } parts[] = {
        {(void **)&in->h, DSC_INPUT_GRAM, (size_t)k, sizeof *in->h},
        {(void **)&in->low, DSC_INPUT_LIMITS, 1, sizeof *in->low},
        {(void **)&in->high, DSC_INPUT_LIMITS, 1, sizeof *in->high},
        {(void **)&in->sample, DSC_INPUT_SAMPLE, DSC_SAMPLE_TOKENS, sizeof *in->sample},
        {(void **)&in->sum, DSC_INPUT_MEANS, 1, sizeof *in->sum},
        {(void **)&in->code_sum, DSC_INPUT_MEANS, 1, sizeof *in->code_sum},
    };

    in->k = k;
    in->stride = 1;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!(wanted & parts[i].want))
            continue;
        *parts[i].p = dsc_heap_alloc(parts[i].n_rows, (size_t)k * parts[i].bytes, err);
        if (!*parts[i].p)
            return DSC_E_MEMORY;
    }
    return DSC_OK;
}

void dsc_layer_input_close(struct dsc_layer_input *in)
{
    dsc_heap_free(in->h);
    dsc_heap_free(in->low);
    dsc_heap_free(in->high);
    dsc_heap_free(in->sample);
    dsc_heap_free(in->sum);
    dsc_heap_free(in->code_sum);
    *in = (struct dsc_layer_input){0};
}

/* Of the block of channels for all tokens; NaN is passed over. */
static void limits_tile(void *ctx, int64_t tile)
{
    const struct add_job *j = ctx;
    const int64_t first = tile * LIMITS_BLOCK, k = j->in->k;
    const int64_t n = k - first < LIMITS_BLOCK ? k - first : LIMITS_BLOCK;
    float *low = j->in->low + first, *high = j->in->high + first;

    for (int64_t i = 0; i < j->n_tokens; i++) {
        const float *x = j->x + i * k + first;

        for (int64_t c = 0; c < n; c++) {
            low[c] = x[c] < low[c] ? x[c] : low[c];
            high[c] = x[c] > high[c] ? x[c] : high[c];
        }
    }
}

static void add_means(struct dsc_layer_input *in, const float *x)
{
    const struct dsc_act_codes codes = in->codes;

    for (int64_t k = 0; k < in->k; k++) {
        in->sum[k] += (double)x[k];
        in->code_sum[k] += (double)act_value(&codes, x[k]);
    }
}

/* Of a full sample every second token stays. */
static void thin_out(struct dsc_layer_input *in)
{
    for (int64_t i = 0; 2 * i < in->n_sample; i++)
        memmove(in->sample + i * in->k, in->sample + 2 * i * in->k,
                (size_t)in->k * sizeof *in->sample);
    in->n_sample = (in->n_sample + 1) / 2;
    in->stride *= 2;
}

static void add_sample(struct dsc_layer_input *in, const float *x)
{
    if (in->n_tokens % in->stride != 0)
        return;
    if (in->n_sample == DSC_SAMPLE_TOKENS)
        thin_out(in);
    if (in->n_tokens % in->stride == 0)
        memcpy(in->sample + in->n_sample++ * in->k, x, (size_t)in->k * sizeof *x);
}

enum dsc_status dsc_layer_input_add(struct dsc_device *dev, struct dsc_layer_input *in,
                                    const float *x, int64_t n_tokens, struct dsc_err *err)
{
    struct add_job job = {in, x, n_tokens};

    if (in->low)
        dsc_parallel_for(dev->pool, (in->k + LIMITS_BLOCK - 1) / LIMITS_BLOCK, limits_tile, &job);
    for (int64_t i = 0; i < n_tokens; i++) {
        const float *token = x + i * in->k;

        if (in->sample)
            add_sample(in, token);
        if (in->sum)
            add_means(in, token);
        in->n_tokens++;
    }
    return in->h ? dsc_linalg_gram(dev, in->h, x, n_tokens, in->k, err) : DSC_OK;
}

void dsc_layer_input_scale(struct dsc_layer_input *in, const double *s)
{
    for (int64_t i = 0; in->h && i < in->k; i++)
        for (int64_t k = i; k < in->k; k++)
            in->h[i * in->k + k] = (float)((double)in->h[i * in->k + k] / (s[i] * s[k]));
}
