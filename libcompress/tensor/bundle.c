/* Named tensors without a graph. */
#include "dsc/bundle.h"

#include <stdlib.h>
#include <string.h>

void dsc_bundle_init(struct dsc_bundle *b)
{
    *b = (struct dsc_bundle){0};
    dsc_arena_init(&b->arena);
}

void dsc_bundle_clear(struct dsc_bundle *b)
{
    for (int i = 0; i < b->n; i++)
        dsc_tensor_clear(&b->items[i].tensor);
    dsc_arena_clear(&b->arena);
    *b = (struct dsc_bundle){0};
}

enum dsc_status dsc_bundle_add(struct dsc_bundle *b, const char *name, const struct dsc_tensor *t,
                               struct dsc_err *err)
{
    struct dsc_named_tensor *all;
    char *own;

    if (b->n == b->cap) {
        DSC_NEW(all, &b->arena, b->cap ? 2 * b->cap : 32, err);
        if (b->n)
            memcpy(all, b->items, (size_t)b->n * sizeof *all);
        b->items = all;
        b->cap = b->cap ? 2 * b->cap : 32;
    }
    own = dsc_arena_strdup(&b->arena, name, err);
    if (!own)
        return DSC_E_MEMORY;
    b->items[b->n].name = own;
    dsc_tensor_ref(&b->items[b->n].tensor, t);
    b->n++;
    b->is_sorted = false;
    return DSC_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct dsc_named_tensor *)a)->name,
                  ((const struct dsc_named_tensor *)b)->name);
}

enum dsc_status dsc_bundle_sort(struct dsc_bundle *b, struct dsc_err *err)
{
    if (b->n > 1)
        qsort(b->items, (size_t)b->n, sizeof b->items[0], by_name);
    for (int i = 1; i < b->n; i++)
        if (strcmp(b->items[i - 1].name, b->items[i].name) == 0)
            return dsc_fail(err, DSC_E_DUP, "the tensor '%s' stands twice", b->items[i].name);
    b->is_sorted = true;
    return DSC_OK;
}

const struct dsc_tensor *dsc_bundle_find(const struct dsc_bundle *b, const char *name)
{
    int lo = 0, hi = b->n;

    for (int i = 0; !b->is_sorted && i < b->n; i++)
        if (strcmp(b->items[i].name, name) == 0)
            return &b->items[i].tensor;
    while (b->is_sorted && lo < hi) {
        const int mid = lo + (hi - lo) / 2, order = strcmp(name, b->items[mid].name);

        if (order == 0)
            return &b->items[mid].tensor;
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const char *dsc_bundle_meta(const struct dsc_bundle *b, const char *key)
{
    for (int i = 0; i < b->n_meta; i++)
        if (strcmp(b->meta[i].key, key) == 0)
            return b->meta[i].value;
    return NULL;
}

enum dsc_status dsc_bundle_set_meta(struct dsc_bundle *b, const char *key, const char *value,
                                    struct dsc_err *err)
{
    struct dsc_bundle_meta *all;
    char *own = dsc_arena_strdup(&b->arena, value, err);
    int i = 0;

    if (!own)
        return DSC_E_MEMORY;
    while (i < b->n_meta && strcmp(b->meta[i].key, key) != 0)
        i++;
    if (i < b->n_meta) {
        b->meta[i].value = own;
        return DSC_OK;
    }
    if (b->n_meta == b->cap_meta) {
        DSC_NEW(all, &b->arena, b->cap_meta ? 2 * b->cap_meta : 8, err);
        if (b->n_meta)
            memcpy(all, b->meta, (size_t)b->n_meta * sizeof *all);
        b->meta = all;
        b->cap_meta = b->cap_meta ? 2 * b->cap_meta : 8;
    }
    b->meta[i].key = dsc_arena_strdup(&b->arena, key, err);
    if (!b->meta[i].key)
        return DSC_E_MEMORY;
    b->meta[i].value = own;
    b->n_meta++;
    return DSC_OK;
}
