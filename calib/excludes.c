/* The layers that must stay float, by few trials. */
#include "calib.h"

struct search {
    int n;
    const int *order;
    dsc_try_fn *try;
    void *ctx;
    bool *is_out; /* [n] the set of the next trial */
    bool *base;   /* [n] found so far */
    struct dsc_excludes *found;
};

/* The base and the first m of the order. */
static enum dsc_status try_prefix(struct search *s, int m, bool *passes, struct dsc_err *err)
{
    for (int i = 0; i < s->n; i++)
        s->is_out[i] = s->base[i];
    for (int i = 0; i < m; i++)
        s->is_out[s->order[i]] = true;
    s->found->n_trials++;
    return s->try(s->ctx, s->is_out, passes, err);
}

/* The least m that passes, 0 < m <= high; 0 fails and `high` passes. Doubling first: few items are
 * the rule. */
static enum dsc_status least_prefix(struct search *s, int high, int *m, struct dsc_err *err)
{
    int low = 0;
    bool passes;

    for (int step = 1; low + step < high; step *= 2) {
        DSC_TRY(try_prefix(s, low + step, &passes, err));
        if (passes) {
            high = low + step;
            break;
        }
        low += step;
    }
    while (high - low > 1) {
        const int mid = low + (high - low) / 2;

        DSC_TRY(try_prefix(s, mid, &passes, err));
        if (passes)
            high = mid;
        else
            low = mid;
    }
    *m = high;
    return DSC_OK;
}

/*
 * Item m of the least prefix that passes is needed, whatever else is left out of that prefix: it
 * joins the base, and the search goes on before it.
 */
static enum dsc_status search_all(struct search *s, struct dsc_err *err)
{
    int high = s->n;
    bool passes;

    DSC_TRY(try_prefix(s, 0, &passes, err));
    if (!passes) {
        DSC_TRY(try_prefix(s, high, &s->found->passes, err));
        if (!s->found->passes)
            return DSC_OK;
    }
    s->found->passes = true;
    while (!passes) {
        int m;

        DSC_TRY(least_prefix(s, high, &m, err));
        high = m - 1;
        s->base[s->order[high]] = true;
        s->found->n_out++;
        passes = high == 0;
        if (!passes)
            DSC_TRY(try_prefix(s, 0, &passes, err));
    }
    return DSC_OK;
}

enum dsc_status dsc_find_excludes(int n, const int *order, dsc_try_fn *try, void *ctx, bool *is_out,
                                  struct dsc_excludes *found, struct dsc_err *err)
{
    struct search s = {
        .n = n, .order = order, .try = try, .ctx = ctx, .base = is_out, .found = found};
    enum dsc_status st;

    *found = (struct dsc_excludes){0};
    for (int i = 0; i < n; i++)
        is_out[i] = false;
    s.is_out = dsc_heap_alloc((size_t)n + 1, sizeof *s.is_out, err);
    if (!s.is_out)
        return DSC_E_MEMORY;
    st = search_all(&s, err);
    dsc_heap_free(s.is_out);
    return st;
}
