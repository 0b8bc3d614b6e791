/*
 * Products of f32 on weights in codes: some rows of three panels become f32 in the first-level
 * cache, and the kernel of f32 multiplies them while they are there. A sum goes on where it was, so
 * the bits are those of the dequantized weight.
 */
#include "device/cpu/cpu.h"
#include "kernels/kernels.h"

enum { PANEL = DSC_SGEMM_PANEL, PANELS = 3, DEPTH = 128 };

struct weight {
    struct dsc_code_layout layout;
    const uint32_t *words;
    const float *scale;
    const uint8_t *zero;
    struct dsc_sgemm_packed product; /* what all tiles share */
};

/*
 * Rows from p on of one panel, at most DEPTH and at least one; returns how many. They end at a
 * group or at a word of it, so the next ones begin at a word.
 */
static int64_t expand(const struct dsc_kernels *kernels, const struct weight *w, int64_t panel,
                      int64_t p, float *to)
{
    const struct dsc_code_layout *l = &w->layout;
    const int64_t n_groups = dsc_codes_n_groups(l);
    const uint32_t *words = w->words + panel * dsc_codes_panel_words(l);
    int64_t n_rows = 0;

    while (n_rows < DEPTH && p < l->k) {
        const int64_t group = p / l->group, row = p % l->group, at = panel * n_groups + group;
        const int64_t left =
            (l->group < l->k - group * l->group ? l->group : l->k - group * l->group) - row;
        const int64_t room = DEPTH - n_rows;
        const int64_t n = left <= room ? left : room - room % (32 / l->bits);

        if (n == 0)
            break;
        kernels->expand_codes_f32(to + n_rows * PANEL,
                                  words + group * dsc_codes_n_words(l->bits, l->group) +
                                      dsc_codes_n_words(l->bits, row),
                                  l->bits, w->scale + at * PANEL, w->zero + at * PANEL, n);
        n_rows += n;
        p += n;
    }
    return n_rows;
}

/* All rows of a tile, panels first .. first + n_panels of the weight; q holds their y and bias. */
static void columns(const struct dsc_kernels *kernels, const struct weight *w, int64_t first,
                    int64_t n_panels, struct dsc_sgemm_packed q)
{
    const float *bias = q.bias;
    float tile[PANELS * DEPTH * PANEL];

    q.b = tile;
    q.b_step = PANEL;
    q.b_panel_step = DEPTH * PANEL;
    for (int64_t p = 0; p < w->layout.k; p += q.k, q.a += q.k) {
        for (int64_t i = 0; i < n_panels; i++)
            q.k = expand(kernels, w, first + i, p, tile + i * q.b_panel_step);
        q.is_adding = p > 0;
        q.bias = p + q.k == w->layout.k ? bias : NULL;
        kernels->sgemm_packed(&q);
    }
}

static void multiply(const struct dsc_kernels *kernels, const void *ctx,
                     const struct dsc_cpu_tile *t)
{
    const struct weight *w = ctx;

    for (int64_t col = 0; col < t->n; col += PANELS * PANEL) {
        const int64_t left = t->n - col;
        struct dsc_sgemm_packed q = w->product;

        q.m = t->m;
        q.n = left < PANELS * PANEL ? left : PANELS * PANEL;
        q.a += t->row * q.a_step;
        q.bias = q.bias ? q.bias + t->col + col : NULL;
        q.y = t->y + col;
        q.y_step = t->y_step;
        columns(kernels, w, (t->col + col) / PANEL, (q.n + PANEL - 1) / PANEL, q);
    }
}

enum dsc_status dsc_cpu_code_gemm(struct dsc_device *d, const struct dsc_code_gemm_spec *spec,
                                  const struct dsc_tensor *y, const struct dsc_tensor *x,
                                  const struct dsc_tensor *words, const struct dsc_tensor *scale,
                                  const struct dsc_tensor *zero, const struct dsc_tensor *bias,
                                  const struct dsc_epilogue *ep, struct dsc_err *e)
{
    const struct weight w = {
        .layout = {spec->bits, spec->k, spec->n, spec->group},
        .words = words->data,
        .scale = scale->data,
        .zero = zero->data,
        .product = {.a = x->data, .a_step = spec->k, .alpha = 1, .bias = bias ? bias->data : NULL},
    };
    const struct dsc_cpu_product product = {spec->m, spec->n, multiply, &w};

    if (x->dtype != DSC_F32)
        return dsc_cpu_no_dtype("code_gemm", x, e);
    return dsc_cpu_product(d, "code_gemm", &product, ep, y, e);
}
