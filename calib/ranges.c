/* Histograms by tensor name. */
#include "calib.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct named_hist {
    char *name;
    struct dsc_hist *hist;
};

struct dsc_ranges {
    struct dsc_arena arena; /* names */
    struct named_hist *items;
    int n, cap;
};

struct dsc_ranges *dsc_ranges_new(struct dsc_err *err)
{
    struct dsc_ranges *r = dsc_heap_alloc(1, sizeof *r, err);

    if (r)
        dsc_arena_init(&r->arena);
    return r;
}

void dsc_ranges_free(struct dsc_ranges *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->n; i++)
        dsc_heap_free(r->items[i].hist);
    dsc_heap_free(r->items);
    dsc_arena_clear(&r->arena);
    dsc_heap_free(r);
}

/* Place of a name, or where it would stand: items are sorted. */
static int place_of(const struct dsc_ranges *r, const char *name, bool *is_there)
{
    int lo = 0, hi = r->n;

    *is_there = false;
    while (lo < hi) {
        const int mid = (lo + hi) / 2, c = strcmp(r->items[mid].name, name);

        if (c == 0) {
            *is_there = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

enum dsc_status dsc_ranges_watch(struct dsc_ranges *r, const char *name, struct dsc_err *err)
{
    bool is_there;
    const int at = place_of(r, name, &is_there);
    struct named_hist item;

    if (is_there)
        return DSC_OK;
    if (r->n == r->cap) {
        void *p = dsc_heap_grow(r->items, (size_t)r->cap + 64, sizeof r->items[0], err);

        if (!p)
            return DSC_E_MEMORY;
        r->items = p;
        r->cap += 64;
    }
    item.name = dsc_arena_strdup(&r->arena, name, err);
    item.hist = item.name ? dsc_heap_alloc(1, sizeof *item.hist, err) : NULL;
    if (!item.hist)
        return DSC_E_MEMORY;
    dsc_hist_init(item.hist);
    memmove(&r->items[at + 1], &r->items[at], (size_t)(r->n - at) * sizeof r->items[0]);
    r->items[at] = item;
    r->n++;
    return DSC_OK;
}

struct dsc_hist *dsc_ranges_hist(struct dsc_ranges *r, const char *name)
{
    bool is_there;
    const int at = place_of(r, name, &is_there);

    return is_there ? r->items[at].hist : NULL;
}

int dsc_ranges_n(const struct dsc_ranges *r)
{
    return r->n;
}

const char *dsc_ranges_name(const struct dsc_ranges *r, int i)
{
    return r->items[i].name;
}

const struct dsc_hist *dsc_ranges_hist_at(const struct dsc_ranges *r, int i)
{
    return r->items[i].hist;
}

enum dsc_status dsc_ranges_check(const struct dsc_ranges *r, struct dsc_err *err)
{
    int n_empty = 0, n_bad = 0, empty = -1, bad = -1;

    for (int i = 0; i < r->n; i++) {
        const struct dsc_hist *h = r->items[i].hist;

        if (h->n_bad && !n_bad++)
            bad = i;
        else if (h->n == 0 && !n_empty++)
            empty = i;
    }
    if (n_bad)
        return dsc_fail(
            err, DSC_E_NONFINITE,
            "%d tensors hold NaN or infinity on the calibration data; the first is '%s'", n_bad,
            r->items[bad].name);
    if (n_empty)
        return dsc_fail(err, DSC_E_EMPTY,
                        "%d tensors were never reached by the calibration data; the first is '%s'",
                        n_empty, r->items[empty].name);
    return DSC_OK;
}

enum dsc_status dsc_ranges_check_observer(const struct dsc_ranges *r, const struct dsc_observer *o,
                                          struct dsc_err *err)
{
    for (int i = 0; i < r->n && !o->can_merge; i++) {
        const struct dsc_hist *h = r->items[i].hist;

        if (h->n == 0 || !isnan(h->ema_low))
            continue;
        dsc_fail(err, DSC_E_USAGE, "the ranges were merged, and %s depends on the order of batches",
                 o->name);
        return dsc_err_hint(err, "take an observer that merges: minmax, percentile, mse, entropy");
    }
    return DSC_OK;
}

/* limits: n, n_bad, n_batches, low, high, ema_low, ema_high, exponent: doubles hold counts below
 * 2^53 exactly. */
enum { LIMITS = 8 };

static enum dsc_status add_item(const struct named_hist *item, struct dsc_bundle *b,
                                struct dsc_err *err)
{
    const struct dsc_hist *h = item->hist;
    const double limits[LIMITS] = {
        (double)h->n, (double)h->n_bad, (double)h->n_batches, h->low,
        h->high,      h->ema_low,       h->ema_high,          (double)h->exponent};
    struct dsc_tensor count, t = {0};
    char name[512];
    enum dsc_status st;

    if (strlen(item->name) + sizeof "/limits" > sizeof name)
        return dsc_fail(err, DSC_E_LIMIT, "a tensor name of %zu bytes", strlen(item->name));
    DSC_TRY(dsc_tensor_new(&count, DSC_U64, 1, (int64_t[]){DSC_HIST_BINS}, err));
    memcpy(count.data, h->count, sizeof h->count);
    st = dsc_tensor_new(&t, DSC_F64, 1, (int64_t[]){LIMITS}, err);
    if (st == DSC_OK)
        memcpy(t.data, limits, sizeof limits);
    snprintf(name, sizeof name, "%s/count", item->name);
    if (st == DSC_OK)
        st = dsc_bundle_add(b, name, &count, err);
    snprintf(name, sizeof name, "%s/limits", item->name);
    if (st == DSC_OK)
        st = dsc_bundle_add(b, name, &t, err);
    dsc_tensor_clear(&count);
    dsc_tensor_clear(&t);
    return st;
}

enum dsc_status dsc_ranges_to_bundle(const struct dsc_ranges *r, struct dsc_bundle *b,
                                     struct dsc_err *err)
{
    for (int i = 0; i < r->n; i++)
        DSC_TRY(add_item(&r->items[i], b, err));
    return DSC_OK;
}

/* What observers index by and divide by; a file may say anything. */
static enum dsc_status check_hist(const struct dsc_hist *h, const char *name, struct dsc_err *err)
{
    const double reach = ldexp(DSC_HIST_BINS / 2, h->exponent);
    uint64_t n = 0;

    for (int i = 0; i < DSC_HIST_BINS; i++) {
        if (h->count[i] > h->n - n)
            return dsc_fail(err, DSC_E_SCHEMA, "the bins of '%s' hold more than its %llu values",
                            name, (unsigned long long)h->n);
        n += h->count[i];
    }
    if (n != h->n)
        return dsc_fail(err, DSC_E_SCHEMA, "the bins of '%s' hold %llu of its %llu values", name,
                        (unsigned long long)n, (unsigned long long)h->n);
    if (n > 0 && !(h->low >= -reach && h->low <= h->high && h->high < reach))
        return dsc_fail(err, DSC_E_SCHEMA, "the limits of '%s', %g and %g, do not fit its bins",
                        name, h->low, h->high);
    /* both NaN: merged */
    if (n > 0 && !(isfinite(h->ema_low) && isfinite(h->ema_high) && h->ema_low <= h->ema_high) &&
        !(isnan(h->ema_low) && isnan(h->ema_high)))
        return dsc_fail(err, DSC_E_SCHEMA, "the moving averages of '%s' are %g and %g", name,
                        h->ema_low, h->ema_high);
    return DSC_OK;
}

static enum dsc_status read_hist(struct dsc_hist *h, const char *name,
                                 const struct dsc_tensor *count, const struct dsc_tensor *limits,
                                 struct dsc_err *err)
{
    double v[LIMITS];

    if (!limits || limits->dtype != DSC_F64 || limits->rank != 1 || limits->dim[0] != LIMITS ||
        count->dtype != DSC_U64 || count->rank != 1 || count->dim[0] != DSC_HIST_BINS)
        return dsc_fail(err, DSC_E_SCHEMA, "'%s' is not a histogram", name);
    memcpy(v, limits->data, sizeof v);
    for (int i = 0; i < 3; i++)
        if (!(v[i] >= 0 && v[i] < 0x1p53) || v[i] != floor(v[i]))
            return dsc_fail(err, DSC_E_SCHEMA, "the counts of '%s' are not whole numbers", name);
    if (!(v[7] >= -120 && v[7] <= 128) || v[7] != floor(v[7]))
        return dsc_fail(err, DSC_E_SCHEMA, "'%s' has the bin exponent %g", name, v[7]);
    *h = (struct dsc_hist){.n = (uint64_t)v[0],
                           .n_bad = (uint64_t)v[1],
                           .n_batches = (uint64_t)v[2],
                           .low = v[3],
                           .high = v[4],
                           .ema_low = v[5],
                           .ema_high = v[6],
                           .exponent = (int)v[7]};
    memcpy(h->count, count->data, sizeof h->count);
    DSC_TRY(check_hist(h, name, err));
    if (h->n == 0) { /* its limits say nothing */
        const uint64_t n_bad = h->n_bad;

        dsc_hist_init(h);
        h->n_bad = n_bad;
    }
    return DSC_OK;
}

enum dsc_status dsc_ranges_from_bundle(struct dsc_ranges *r, const struct dsc_bundle *b,
                                       struct dsc_err *err)
{
    static const char suffix[] = "/count";
    char name[512];

    for (int i = 0; i < b->n; i++) {
        const size_t n = strlen(b->items[i].name), n_suffix = sizeof suffix - 1;
        char limits[540];

        if (n <= n_suffix || strcmp(b->items[i].name + n - n_suffix, suffix) != 0)
            continue;
        if (n >= sizeof name)
            return dsc_fail(err, DSC_E_LIMIT, "a tensor name of %zu bytes", n);
        snprintf(name, sizeof name, "%.*s", (int)(n - n_suffix), b->items[i].name);
        snprintf(limits, sizeof limits, "%s/limits", name);
        DSC_TRY(dsc_ranges_watch(r, name, err));
        DSC_TRY(read_hist(dsc_ranges_hist(r, name), name, &b->items[i].tensor,
                          dsc_bundle_find(b, limits), err));
    }
    return r->n > 0 ? DSC_OK : dsc_fail(err, DSC_E_SCHEMA, "the file holds no ranges");
}

enum dsc_status dsc_ranges_merge(struct dsc_ranges *a, const struct dsc_ranges *b,
                                 struct dsc_err *err)
{
    for (int i = 0; i < a->n || i < b->n; i++) {
        if (i >= a->n || i >= b->n || strcmp(a->items[i].name, b->items[i].name) != 0)
            return dsc_fail(err, DSC_E_INCONSISTENT,
                            "the files hold ranges of other tensors ('%s')",
                            i < a->n ? a->items[i].name : b->items[i].name);
        dsc_hist_merge(a->items[i].hist, b->items[i].hist);
    }
    return DSC_OK;
}
