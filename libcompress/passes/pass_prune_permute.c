/*
 * Input channels in another order, so that N:M masks keep more magnitude. All constants of a group
 * of tied axes get the order, those that make the channels and those that sum over them: the graph
 * computes what it did, but for rounding.
 *
 * Channels stand in stripes of M. For each pair of stripes the swap of two channels that gains the
 * most is made, until no swap gains or SWEEPS_MAX is reached: the greedy search of Pool and Yu
 * without its escapes from local optima.
 */
#include "dsc/prune.h"
#include "passes/rewrite.h"

#include <math.h>
#include <string.h>

enum { SWEEPS_MAX = 4, STRIPE_MAX = 64, LANES = 8 };

struct search {
    const struct dsc_mask_pattern *p;
    int64_t n_channels, n_rows; /* rows to whole LANES, with zeros */
    float *size;                /* [n_channels, n_rows] magnitudes by channel as it stood */
    int *order;                 /* [n_channels] which channel stands at a place */
    double *stripe;             /* [n_channels / m] what the mask keeps of each */
    int *changed; /* [n_channels / m] the last sweep in which it got another channel */
};

/* ---- the magnitudes ---- */

static bool is_masked(const struct dsc_prune_weights *w, const struct dsc_tied_axis *a)
{
    for (int i = 0; i < w->n; i++)
        if (w->items[i].value == a->value)
            return !w->items[i].why && w->items[i].sum_axis == a->axis;
    return false;
}

static bool is_counted(const struct dsc_graph *g, const struct dsc_prune_weights *w,
                       const struct dsc_tied_axis *a)
{
    return dsc_tensor_is_present(&g->values[a->value].init) && is_masked(w, a);
}

static int64_t inner_of(const struct dsc_tensor *t, int axis)
{
    int64_t n = 1;

    for (int i = axis + 1; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

static void add_rows(struct search *s, const struct dsc_tensor *t, int axis, int64_t *row)
{
    const int64_t n_inner = inner_of(t, axis);
    const int64_t n_rows = dsc_tensor_n_elems(t) / s->n_channels;

    for (int64_t r = 0; r < n_rows; r++, (*row)++)
        for (int64_t c = 0; c < s->n_channels; c++)
            s->size[c * s->n_rows + *row] = (float)fabs(
                dsc_tensor_get_f64(t, (r / n_inner * s->n_channels + c) * n_inner + r % n_inner));
}

/* ---- the search ---- */

static inline float larger(float a, float b)
{
    return a > b ? a : b;
}

static inline float smaller(float a, float b)
{
    return a < b ? a : b;
}

/* The two largest of four; sums in lanes, which compilers make vectors of. */
static double kept_of_four(const float *const *x, int64_t n_rows)
{
    const float *a = x[0], *b = x[1], *c = x[2], *d = x[3];
    double lane[LANES] = {0}, sum = 0;

    for (int64_t r = 0; r < n_rows; r += LANES)
        for (int64_t i = 0; i < LANES; i++) {
            const int64_t at = r + i;
            const float high = larger(a[at], b[at]), low = smaller(a[at], b[at]);
            const float high2 = larger(c[at], d[at]), low2 = smaller(c[at], d[at]);

            lane[i] +=
                (double)(larger(high, high2) + larger(smaller(high, high2), larger(low, low2)));
        }
    for (int i = 0; i < LANES; i++)
        sum += lane[i];
    return sum;
}

/* The n largest of m magnitudes, row by row. */
static double kept_of(const struct search *s, const int *channels)
{
    const float *x[STRIPE_MAX];
    float top[STRIPE_MAX];
    double sum = 0;

    for (int64_t i = 0; i < s->p->m; i++)
        x[i] = s->size + channels[i] * s->n_rows;
    if (s->p->n == 2 && s->p->m == 4)
        return kept_of_four(x, s->n_rows);
    for (int64_t r = 0; r < s->n_rows; r++) {
        for (int64_t i = 0; i < s->p->m; i++) { /* sorted, the largest first */
            int64_t k = i;

            for (; k > 0 && top[k - 1] < x[i][r]; k--)
                top[k] = top[k - 1];
            top[k] = x[i][r];
        }
        for (int64_t i = 0; i < s->p->n; i++)
            sum += (double)top[i];
    }
    return sum;
}

static void swap(int *a, int *b)
{
    const int t = *a;

    *a = *b;
    *b = t;
}

/* The best swap between two stripes, made if it gains. */
static bool improve(struct search *s, int64_t a, int64_t b)
{
    const int64_t m = s->p->m;
    int *x = s->order + a * m, *y = s->order + b * m;
    double best_x = 0, best_y = 0, best = (s->stripe[a] + s->stripe[b]) * (1 + 1e-9);
    int64_t best_i = -1, best_k = -1;

    for (int64_t i = 0; i < m; i++)
        for (int64_t k = 0; k < m; k++) {
            double kept_x, kept_y;

            swap(&x[i], &y[k]);
            kept_x = kept_of(s, x);
            kept_y = kept_of(s, y);
            swap(&x[i], &y[k]);
            if (kept_x + kept_y <= best)
                continue;
            best = kept_x + kept_y;
            best_x = kept_x;
            best_y = kept_y;
            best_i = i;
            best_k = k;
        }
    if (best_i < 0)
        return false;
    swap(&x[best_i], &y[best_k]);
    s->stripe[a] = best_x;
    s->stripe[b] = best_y;
    return true;
}

static double total(const struct search *s)
{
    double sum = 0;

    for (int64_t i = 0; i < s->n_channels / s->p->m; i++)
        sum += s->stripe[i];
    return sum;
}

static void find_order(struct search *s)
{
    const int64_t n_stripes = s->n_channels / s->p->m;
    bool is_better = true;

    for (int sweep = 1; is_better && sweep <= SWEEPS_MAX; sweep++) {
        is_better = false;
        for (int64_t a = 0; a < n_stripes; a++)
            for (int64_t b = a + 1; b < n_stripes; b++) {
                const int last = s->changed[a] > s->changed[b] ? s->changed[a] : s->changed[b];

                if (last < sweep - 1 || !improve(s, a, b)) /* else it has been tried as it is */
                    continue;
                s->changed[a] = s->changed[b] = sweep;
                is_better = true;
            }
    }
}

/* ---- the constants ---- */

static enum dsc_status reorder(struct dsc_graph *g, const struct dsc_tied_axis *a, const int *order,
                               struct dsc_err *err)
{
    const struct dsc_tensor *old = &g->values[a->value].init;
    const size_t n_inner = dsc_dtype_bytes(old->dtype, inner_of(old, a->axis));
    const int64_t n_outer = (int64_t)(dsc_tensor_n_bytes(old) / n_inner) / a->n;
    struct dsc_tensor own;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&own, old->dtype, old->rank, old->dim, err));
    for (int64_t o = 0; o < n_outer; o++)
        for (int64_t i = 0; i < a->n; i++)
            memcpy((char *)own.data + (size_t)(o * a->n + i) * n_inner,
                   (const char *)old->data + (size_t)(o * a->n + order[i]) * n_inner, n_inner);
    st = dsc_graph_set_init(g, a->value, &own, err);
    dsc_tensor_clear(&own);
    return st;
}

/* One element of every axis for each unit, in the units' order. */
static const char *why_fixed(const struct dsc_axis_group *group, const struct dsc_mask_pattern *p)
{
    if (group->n_units % p->m != 0)
        return "its channels are no multiple of the pattern";
    for (int k = 0; k < group->n_axes; k++) {
        const struct dsc_tied_axis *a = &group->axes[k];

        if (a->n != group->n_units)
            return "a unit has several channels";
        for (int64_t i = 0; i < a->n; i++)
            if (a->unit[i] != i)
                return "units stand in another order along one of the axes";
    }
    return NULL;
}

static enum dsc_status search_group(struct dsc_graph *g, const struct dsc_prune_weights *w,
                                    struct search *s, const struct dsc_axis_group *group,
                                    struct dsc_prune_order *done, struct dsc_err *err)
{
    int64_t row = 0;

    for (int k = 0; k < group->n_axes; k++)
        if (is_counted(g, w, &group->axes[k]))
            add_rows(s, &g->values[group->axes[k].value].init, group->axes[k].axis, &row);
    for (int64_t i = 0; i < s->n_channels; i++)
        s->order[i] = (int)i;
    for (int64_t i = 0; i < s->n_channels / s->p->m; i++)
        s->stripe[i] = kept_of(s, s->order + i * s->p->m);
    for (int64_t i = 0; i < s->n_channels * s->n_rows; i++)
        done->all += (double)s->size[i];
    done->kept_before = total(s);
    find_order(s);
    done->kept = total(s);
    for (int k = 0; k < group->n_axes; k++)
        if (dsc_tensor_is_present(&g->values[group->axes[k].value].init))
            DSC_TRY(reorder(g, &group->axes[k], s->order, err));
    return DSC_OK;
}

enum dsc_status dsc_prune_permute(struct dsc_graph *g, const struct dsc_mask_pattern *p,
                                  const struct dsc_prune_weights *w,
                                  const struct dsc_axis_group *group, struct dsc_prune_order *done,
                                  struct dsc_err *err)
{
    struct search s = {.p = p, .n_channels = group->n_units};
    enum dsc_status st = DSC_E_MEMORY;

    *done = (struct dsc_prune_order){.name = group->name, .why = group->why};
    for (int k = 0; !done->why && k < group->n_axes; k++)
        if (is_counted(g, w, &group->axes[k]))
            s.n_rows += dsc_tensor_n_elems(&g->values[group->axes[k].value].init) / s.n_channels;
    if (!done->why)
        done->why = p->m > STRIPE_MAX ? "the pattern is too wide for the search"
                    : s.n_rows == 0   ? "no weight that is pruned sums over it"
                                      : why_fixed(group, p);
    if (done->why)
        return DSC_OK;
    s.n_rows = (s.n_rows + LANES - 1) / LANES * LANES;
    if ((s.size = dsc_heap_alloc((size_t)s.n_channels, (size_t)s.n_rows * sizeof *s.size, err)) &&
        (s.order = dsc_heap_alloc((size_t)s.n_channels, sizeof *s.order, err)) &&
        (s.stripe = dsc_heap_alloc((size_t)(s.n_channels / p->m), sizeof *s.stripe, err)) &&
        (s.changed = dsc_heap_alloc((size_t)(s.n_channels / p->m), sizeof *s.changed, err)))
        st = search_group(g, w, &s, group, done, err);
    dsc_heap_free(s.size);
    dsc_heap_free(s.order);
    dsc_heap_free(s.stripe);
    dsc_heap_free(s.changed);
    return st;
}
