/* Windows on channels that are spread out: sizes, and where it pays. */
#include "device/prim.h"
#include "dsc/checked.h"

static bool is_still(const struct dsc_window *w, int i)
{
    return w->kernel[i] == 1 && w->stride[i] == 1 && w->before[i] == 0 && w->in[i] == w->out[i];
}

struct dsc_window dsc_window_join(const struct dsc_window *w)
{
    struct dsc_window j = {0};

    for (int i = 0; i < w->rank; i++) {
        const int last = j.rank - 1;

        if (j.rank > 0 && is_still(&j, last) && is_still(w, i)) {
            j.in[last] *= w->in[i];
            j.out[last] *= w->out[i];
            continue;
        }
        j.in[j.rank] = w->in[i];
        j.out[j.rank] = w->out[i];
        j.kernel[j.rank] = w->kernel[i];
        j.stride[j.rank] = w->stride[i];
        j.dilation[j.rank] = w->dilation[i];
        j.before[j.rank] = w->before[i];
        j.after[j.rank++] = w->after[i];
    }
    return j;
}

/* A grid may be so many times its channel, and so many elements, larger. */
enum { GRID_TIMES = 4, GRID_MORE = 4096, CACHE_STEP = 128 };

bool dsc_window_grid(struct dsc_window_grid *g, const struct dsc_window *w)
{
    int64_t n_in = 1;

    *g = (struct dsc_window_grid){.plane = 1, .n_wide = 1};
    for (int i = 0; i < w->rank; i++)
        n_in *= w->in[i];
    g->channel = 1;
    for (int i = w->rank - 1; i >= 0; i--) {
        const int64_t last = (w->kernel[i] - 1) * w->dilation[i];

        if (w->out[i] < 1)
            return false;
        g->pitch[i] = w->out[i] + last / w->stride[i];
        g->phases[i] = last + 1 < w->stride[i] ? last + 1 : w->stride[i];
        g->step[i] = g->plane;
        g->n_wide += (w->out[i] - 1) * g->plane;
        if (!dsc_mul_i64(g->plane, g->pitch[i], &g->plane) ||
            !dsc_mul_i64(g->channel, g->pitch[i] * g->phases[i], &g->channel) ||
            g->channel > GRID_TIMES * n_in + GRID_MORE)
            return false;
    }
    if (g->channel % CACHE_STEP == 0) /* channels would meet in few places of a cache */
        g->channel += CACHE_STEP / 8;
    return true;
}

/* A filter costs so many times what an unfolded element does: gaps cost each filter. */
enum { UNFOLD_COST = 48, AT_ONCE_ELEMS = 1 << 20 };

static bool pays(const struct dsc_conv_spec *s, const struct dsc_window *w,
                 const struct dsc_window_grid *g)
{
    int64_t n_out = 1, n_taps = 1;

    for (int i = 0; i < w->rank; i++) {
        n_out *= w->out[i];
        n_taps *= w->kernel[i];
    }
    if (n_taps > DSC_CONV_MAX_TAPS || s->c * s->n_groups * g->channel > DSC_CONV_MAX_GRID)
        return false;
    return (double)(g->n_wide - n_out) * (double)s->m <= UNFOLD_COST * (double)n_out;
}

bool dsc_window_in_place(const struct dsc_window *w, const struct dsc_window_grid *g)
{
    int64_t n_in = 1, n_out = 1;

    for (int i = 0; i < w->rank; i++) {
        n_in *= w->in[i];
        n_out *= w->out[i];
        if (w->stride[i] != 1 || w->before[i] != 0 || w->in[i] != g->pitch[i])
            return false;
    }
    return g->n_wide == n_out && n_in % CACHE_STEP != 0;
}

int64_t dsc_conv_grid_elems(const struct dsc_conv_spec *s, int64_t *n_at_once)
{
    const struct dsc_window w = dsc_window_join(&s->win);
    struct dsc_window_grid g;
    int64_t image;

    *n_at_once = 0;
    if (s->m == 0 || s->c == 0 || !dsc_window_grid(&g, &w) || dsc_window_in_place(&w, &g) ||
        !pays(s, &w, &g))
        return 0;
    image = s->n_groups * s->c * g.channel;
    *n_at_once = image < AT_ONCE_ELEMS ? AT_ONCE_ELEMS / image : 1;
    if (*n_at_once > s->n_images)
        *n_at_once = s->n_images;
    return *n_at_once * image + DSC_CONV_SLACK;
}
