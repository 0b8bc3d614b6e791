/*
 * Zeros in the weights by magnitude or score. The k smallest of many are found by their bits, 16 at
 * a time: those of a double can be made to be ordered as the numbers are, and no array of millions
 * of keys has to be sorted or held.
 */
#include "dsc/census.h"
#include "dsc/prune.h"
#include "passes/rewrite.h"

#include <math.h>
#include <string.h>

/* A weight as units that become 0 as one: elements, or blocks. */
struct units {
    struct dsc_tensor t;                        /* the graph's own copy */
    const float *score;                         /* of its elements; NULL: magnitudes */
    int64_t n;                                  /* units */
    int64_t n_rows, n_cols, row_step, col_step; /* of a block, and the elements' distances */
    int64_t n_across;                           /* blocks along the summed axis */
};

static void units_init(struct units *u, const struct dsc_mask_pattern *p, int sum_axis)
{
    const bool is_turned = sum_axis == 0; /* [K,N]: outputs stand side by side */

    u->n_rows = u->n_cols = 1;
    u->n = u->n_across = dsc_tensor_n_elems(&u->t);
    u->row_step = u->col_step = 1;
    if (p->kind != DSC_MASK_BLOCKS)
        return;
    u->n_rows = p->n;
    u->n_cols = p->m;
    u->row_step = is_turned ? 1 : u->t.dim[1];
    u->col_step = is_turned ? u->t.dim[1] : 1;
    u->n_across = u->t.dim[sum_axis] / p->m;
    u->n /= p->n * p->m;
}

/* The first element of a unit. */
static int64_t first_of(const struct units *u, int64_t unit)
{
    return unit / u->n_across * u->n_rows * u->row_step +
           unit % u->n_across * u->n_cols * u->col_step;
}

/* A zero is worth nothing, whatever its score. */
static double score_of(const struct units *u, int64_t i)
{
    return dsc_tensor_get_f64(&u->t, i) == 0 ? -INFINITY : (double)u->score[i];
}

static double sum_of_scores(const struct units *u, int64_t unit)
{
    const int64_t first = first_of(u, unit);
    double sum = 0;
    int64_t n = 0;

    for (int64_t r = 0; r < u->n_rows; r++)
        for (int64_t c = 0; c < u->n_cols; c++) {
            const double s = score_of(u, first + r * u->row_step + c * u->col_step);

            n += s != -INFINITY;
            sum += s != -INFINITY ? s : 0;
        }
    return n > 0 ? sum : -INFINITY;
}

static double size_of(const struct units *u, int64_t unit)
{
    const int64_t first = first_of(u, unit);
    double sum = 0;

    if (u->n_rows * u->n_cols == 1)
        return fabs(dsc_tensor_get_f64(&u->t, first));
    for (int64_t r = 0; r < u->n_rows; r++)
        for (int64_t c = 0; c < u->n_cols; c++) {
            const double v = dsc_tensor_get_f64(&u->t, first + r * u->row_step + c * u->col_step);

            sum += v * v;
        }
    return sqrt(sum);
}

static uint64_t key_of(const struct units *u, int64_t unit)
{
    const double size = u->score ? sum_of_scores(u, unit) : size_of(u, unit);
    const uint64_t sign = (uint64_t)1 << 63;
    uint64_t bits;

    memcpy(&bits, &size, sizeof bits);
    return bits & sign ? ~bits : bits | sign; /* negative ones the other way round, and first */
}

static void set_zero(struct dsc_tensor *t, int64_t i)
{
    const size_t n_bytes = dsc_dtype_bytes(t->dtype, 1);

    memset((char *)t->data + (size_t)i * n_bytes, 0, n_bytes);
}

static void clear_unit(struct units *u, int64_t unit)
{
    const int64_t first = first_of(u, unit);

    for (int64_t r = 0; r < u->n_rows; r++)
        for (int64_t c = 0; c < u->n_cols; c++)
            set_zero(&u->t, first + r * u->row_step + c * u->col_step);
}

enum { DIGIT_BITS = 16, N_DIGITS = 64 / DIGIT_BITS, N_BINS = 1 << DIGIT_BITS };

/* The k-th smallest key (k >= 1) of some tensors; *n_equal of those with that key are among the k.
 */
static uint64_t kth_key(const struct units *u, int n_tensors, int64_t k, int64_t *bins,
                        int64_t *n_equal)
{
    uint64_t prefix = 0;

    for (int d = N_DIGITS - 1; d >= 0; d--) {
        const int shift = d * DIGIT_BITS;
        int64_t bin = 0;

        memset(bins, 0, N_BINS * sizeof *bins);
        for (int i = 0; i < n_tensors; i++)
            for (int64_t j = 0; j < u[i].n; j++) {
                const uint64_t key = key_of(&u[i], j);

                if (d == N_DIGITS - 1 || key >> (shift + DIGIT_BITS) == prefix)
                    bins[key >> shift & (N_BINS - 1)]++;
            }
        while (k > bins[bin])
            k -= bins[bin++];
        prefix = prefix << DIGIT_BITS | (uint64_t)bin;
    }
    *n_equal = k;
    return prefix;
}

/* The k smallest units of some tensors. */
static void clear_smallest(struct units *u, int n_tensors, int64_t k, int64_t *bins)
{
    int64_t n_equal;
    uint64_t last;

    if (k == 0)
        return;
    last = kth_key(u, n_tensors, k, bins, &n_equal);
    for (int i = 0; i < n_tensors; i++)
        for (int64_t j = 0; j < u[i].n; j++) {
            const uint64_t key = key_of(&u[i], j);

            if (key < last || (key == last && n_equal-- > 0))
                clear_unit(&u[i], j);
        }
}

/* All but n of m elements, `step` apart. */
static void clear_group(struct units *u, int64_t first, int64_t step,
                        const struct dsc_mask_pattern *p)
{
    struct dsc_tensor *t = &u->t;
    int64_t n_left = p->m;

    for (int64_t i = 0; i < p->m; i++)
        n_left -= dsc_tensor_get_f64(t, first + i * step) == 0;
    for (; n_left > p->n; n_left--) {
        double least = INFINITY;
        int64_t at = first;

        for (int64_t i = 0; i < p->m; i++) {
            const double v = dsc_tensor_get_f64(t, first + i * step);
            const double worth = u->score ? (double)u->score[first + i * step] : fabs(v);

            if (v != 0 && worth < least) {
                least = worth;
                at = first + i * step;
            }
        }
        set_zero(t, at);
    }
}

static void clear_groups(struct units *u, const struct dsc_mask_pattern *p, int axis)
{
    const struct dsc_tensor *t = &u->t;
    const int64_t n_groups = dsc_tensor_n_elems(t) / p->m;
    int64_t step = 1;

    for (int i = axis + 1; i < t->rank; i++)
        step *= t->dim[i];
    for (int64_t g = 0; g < n_groups; g++)
        clear_group(u, g / step * step * p->m + g % step, step, p);
}

/* Initializers may point into the file. */
static enum dsc_status own_copy(const struct dsc_tensor *t, struct dsc_tensor *own,
                                struct dsc_err *err)
{
    DSC_TRY(dsc_tensor_new(own, t->dtype, t->rank, t->dim, err));
    memcpy(own->data, t->data, dsc_tensor_n_bytes(t));
    return DSC_OK;
}

static void clear_all(struct units *u, int n, const struct dsc_mask_pattern *p,
                      const struct dsc_prune_weights *w, double sparsity, bool is_global,
                      int64_t *bins)
{
    int64_t n_all = 0;
    int at = 0;

    for (int i = 0; p->kind == DSC_MASK_GROUPS && i < w->n; i++)
        if (!w->items[i].why)
            clear_groups(&u[at++], p, w->items[i].sum_axis);
    if (p->kind == DSC_MASK_GROUPS)
        return;
    for (int i = 0; i < n; i++) {
        n_all += u[i].n;
        if (!is_global)
            clear_smallest(&u[i], 1, (int64_t)rint(sparsity * (double)u[i].n), bins);
    }
    if (is_global)
        clear_smallest(u, n, (int64_t)rint(sparsity * (double)n_all), bins);
}

static enum dsc_status put_back(struct dsc_graph *g, const struct units *u,
                                struct dsc_prune_weights *w, int64_t *n_changed,
                                struct dsc_err *err)
{
    int at = 0;

    *n_changed = 0;
    for (int i = 0; i < w->n; i++) {
        struct dsc_prune_weight *one = &w->items[i];
        struct dsc_tensor_census c;

        if (one->why)
            continue;
        dsc_tensor_census(&u[at].t, false, &c);
        one->n_zero = c.n_elems - c.n_nonzero;
        *n_changed += one->n_zero - one->n_zero_before;
        DSC_TRY(dsc_graph_set_init(g, one->value, &u[at++].t, err));
    }
    if (*n_changed > 0)
        return DSC_OK;
    dsc_fail(err, DSC_E_USAGE, "nothing would change: no element becomes 0 that is not");
    return DSC_E_USAGE;
}

enum dsc_status dsc_prune_mask(struct dsc_graph *g, const struct dsc_mask_pattern *p,
                               double sparsity, bool is_global, struct dsc_prune_weights *w,
                               int64_t *n_changed, struct dsc_err *err)
{
    struct units *u = dsc_heap_alloc((size_t)w->n_chosen + 1, sizeof *u, err);
    int64_t *bins = u ? dsc_heap_alloc(N_BINS, sizeof *bins, err) : NULL;
    enum dsc_status st = bins ? DSC_OK : DSC_E_MEMORY;
    int n = 0;

    for (int i = 0; st == DSC_OK && i < w->n; i++) {
        const struct dsc_prune_weight *one = &w->items[i];

        if (one->why)
            continue;
        st = own_copy(&g->values[one->value].init, &u[n].t, err);
        if (st != DSC_OK)
            break;
        u[n].score = one->score;
        units_init(&u[n++], p, one->sum_axis);
    }
    if (st == DSC_OK) {
        clear_all(u, n, p, w, sparsity, is_global, bins);
        st = put_back(g, u, w, n_changed, err);
    }
    for (int i = 0; i < n; i++)
        dsc_tensor_clear(&u[i].t);
    dsc_heap_free(u);
    dsc_heap_free(bins);
    return st;
}

double dsc_prune_ramp(double end, uint64_t t, uint64_t n)
{
    const double left = t < n ? 1 - (double)t / (double)n : 0;

    return end - end * left * left * left;
}
