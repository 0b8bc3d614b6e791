/* PyTorch files of before 1.6: pickles, and the storages behind them. */
#include "model/pt_legacy.h"

#include "dsc/checked.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC_BYTES = 10, LEGACY_PROTOCOL = 1001 };

/* LONG1 of torch's magic number 0x1950a86a20f9469cfc6c, behind PROTO 2. */
static const unsigned char legacy_head[] = {0x80, 0x02, 0x8a, MAGIC_BYTES, 0x6c, 0xfc, 0x9c,
                                            0x46, 0xf9, 0x20, 0x6a,        0xa8, 0x50, 0x19};

/* One file being read. */
struct reading {
    struct pt_legacy *l;
    struct dsc_rd r;
    struct dsc_arena *arena;
    size_t max_bytes;
};

bool pt_is_legacy(const unsigned char *data, size_t n_bytes)
{
    return n_bytes >= sizeof legacy_head && memcmp(data, legacy_head, sizeof legacy_head) == 0;
}

static int by_key(const void *a, const void *b)
{
    const struct pt_storage *x = a, *y = b;
    const size_t n = x->key.n_bytes < y->key.n_bytes ? x->key.n_bytes : y->key.n_bytes;
    const int order = memcmp(x->key.p, y->key.p, n);

    return order ? order : x->key.n_bytes < y->key.n_bytes ? -1 : x->key.n_bytes > y->key.n_bytes;
}

static enum dsc_status run(struct reading *in, struct pk_value *v, struct pk_list *storages)
{
    return pickle_run(&in->r, false, in->max_bytes, in->arena, v, storages);
}

static enum dsc_status check_system(struct reading *in)
{
    struct dsc_rd *r = &in->r;
    struct pk_value v = {0};

    DSC_TRY(run(in, &v, NULL)); /* the magic number: the probe knows it */
    DSC_TRY(run(in, &v, NULL));
    if (v.kind != PK_INT || v.as.i != LEGACY_PROTOCOL)
        return dsc_rd_fail(r, DSC_E_VERSION, "the legacy protocol is not %d", LEGACY_PROTOCOL);
    DSC_TRY(run(in, &v, NULL));
    for (size_t i = 0; v.kind == PK_DICT && i + 1 < v.as.list->n; i += 2) {
        const struct pk_value *item = &v.as.list->items[i];

        if (!pk_text_is(&item[0], "little_endian") || item[1].kind != PK_BOOL)
            continue;
        return item[1].as.i ? DSC_OK
                            : dsc_rd_fail(r, DSC_E_UNSUPPORTED,
                                          "a file of a machine that is not little endian");
    }
    return dsc_rd_fail(r, DSC_E_SCHEMA, "no word on the order of bytes");
}

static int by_storage(const void *a, const void *b)
{
    const struct pt_storage x = {.key = ((const struct pk_value *)a)->as.storage->key};
    const struct pt_storage y = {.key = ((const struct pk_value *)b)->as.storage->key};

    return by_key(&x, &y);
}

/* Storages of the result by key; one that stands there more than once has one size. */
static enum dsc_status sort_storages(struct pk_list *all, struct dsc_err *err)
{
    if (all->n > 1)
        qsort(all->items, all->n, sizeof all->items[0], by_storage);
    for (size_t i = 1; i < all->n; i++) {
        const struct pk_storage *a = all->items[i - 1].as.storage, *b = all->items[i].as.storage;

        if (by_storage(&all->items[i - 1], &all->items[i]) != 0 ||
            (a->n_elems == b->n_elems && a->dtype == b->dtype))
            continue;
        dsc_fail(err, DSC_E_INCONSISTENT, "a storage of two sizes or types");
        return dsc_err_where(err, "byte %zu", b->at);
    }
    return DSC_OK;
}

/* Each storage: its elements, then their bytes. How wide they are says the tensor's pickle. */
static enum dsc_status place_keys(struct reading *in, const struct pk_list *keys,
                                  const struct pk_list *all)
{
    struct pt_legacy *l = in->l;
    struct dsc_rd *r = &in->r;

    DSC_NEW(l->storages, in->arena, keys->n + 1, r->err);
    for (size_t i = 0; i < keys->n; i++) {
        struct pk_storage want = {0};
        const struct pk_value key = {.kind = PK_STORAGE, .as.storage = &want};
        const struct pk_value *v;
        size_t n_bytes;
        uint64_t n;

        if (keys->items[i].kind != PK_TEXT)
            return dsc_rd_fail(r, DSC_E_TYPE, "a storage's key that is no text");
        want.key = *keys->items[i].as.text;
        v = all->n ? bsearch(&key, all->items, all->n, sizeof key, by_storage) : NULL;
        if (!v)
            return dsc_rd_fail(r, DSC_E_INCONSISTENT, "a storage that no tensor has");
        n = dsc_rd_u64le(r);
        DSC_TRY(dsc_rd_status(r));
        if (n != (uint64_t)v->as.storage->n_elems)
            return dsc_rd_fail(r, DSC_E_INCONSISTENT,
                               "a storage of %" PRIu64 " elements, of %" PRId64 " in the pickle", n,
                               v->as.storage->n_elems);
        if (!dsc_mul_size((size_t)n, pk_elem_bytes(v->as.storage), &n_bytes))
            return dsc_rd_fail(r, DSC_E_OVERFLOW, "a storage of %" PRIu64 " elements", n);
        l->storages[l->n_storages++] = (struct pt_storage){want.key, r->base + r->pos, n_bytes};
        dsc_rd_skip(r, n_bytes);
    }
    DSC_TRY(dsc_rd_status(r));
    qsort(l->storages, l->n_storages, sizeof l->storages[0], by_key);
    for (size_t i = 1; i < l->n_storages; i++)
        if (by_key(&l->storages[i - 1], &l->storages[i]) == 0)
            return dsc_rd_fail(r, DSC_E_DUP, "a storage's key stands twice");
    return DSC_OK;
}

enum dsc_status pt_legacy_read(struct pt_legacy *l, const struct dsc_buffer *file, size_t max_bytes,
                               struct dsc_arena *arena, struct pk_value *result,
                               struct dsc_err *err)
{
    struct reading in = {.l = l, .arena = arena, .max_bytes = max_bytes};
    struct pk_list storages = {0};
    struct pk_value keys = {0};

    *l = (struct pt_legacy){0};
    dsc_rd_init(&in.r, file->data, file->n_bytes, err);
    DSC_TRY(check_system(&in));
    DSC_TRY(run(&in, result, &storages));
    DSC_TRY(sort_storages(&storages, err));
    DSC_TRY(run(&in, &keys, NULL));
    if (keys.kind != PK_LIST)
        return dsc_rd_fail(&in.r, DSC_E_TYPE, "the storages' keys are no list");
    return place_keys(&in, keys.as.list, &storages);
}

const struct pt_storage *pt_legacy_find(const struct pt_legacy *l, const struct pk_text *key)
{
    const struct pt_storage want = {.key = *key};

    return l->n_storages ? bsearch(&want, l->storages, l->n_storages, sizeof want, by_key) : NULL;
}
