/* Directories of zip files. */
#include "model/zip_dir.h"

#include "dsc/io.h"
#include "formats_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    ENTRY_BYTES = 46,
    LOCAL_BYTES = 30,
    COMMENT_MAX_BYTES = 65535,
    IS_ENCRYPTED = 1,
    EXTRA_ZIP64 = 1
};

struct place {
    uint64_t n, at, n_bytes;
};

static enum dsc_status fail_at(struct dsc_err *err, enum dsc_status s, const char *what,
                               uint64_t at)
{
    dsc_fail(err, s, "zip: %s", what);
    return dsc_err_where(err, "byte %" PRIu64, at);
}

static bool is_mark(const unsigned char *p, const char *mark)
{
    return memcmp(p, mark, 4) == 0;
}

/* The end record is the last that fits with its comment. */
static enum dsc_status find_end(const unsigned char *data, size_t n, size_t *at,
                                struct dsc_err *err)
{
    for (size_t k = END_BYTES; k <= n && k <= END_BYTES + COMMENT_MAX_BYTES; k++) {
        const unsigned char *p = data + n - k;

        if (is_mark(p, "PK\5\6") && (p[20] | (size_t)p[21] << 8) + END_BYTES <= k) {
            *at = n - k;
            return DSC_OK;
        }
    }
    return fail_at(err, DSC_E_TRUNC, "a file without its directory", n);
}

/* Numbers that do not fit the end record stand in another one before it. */
static enum dsc_status read_end64(const unsigned char *data, size_t end_at, struct place *p,
                                  struct dsc_err *err)
{
    struct dsc_rd r;
    uint64_t at;

    if (end_at < LOCATOR_BYTES || !is_mark(data + end_at - LOCATOR_BYTES, "PK\6\7"))
        return DSC_OK;
    dsc_rd_init(&r, data + end_at - LOCATOR_BYTES + 8, 8, err);
    at = dsc_rd_u64le(&r);
    if (end_at < END64_BYTES + LOCATOR_BYTES || at > end_at - END64_BYTES - LOCATOR_BYTES ||
        !is_mark(data + at, "PK\6\6"))
        return fail_at(err, DSC_E_RANGE, "the end record is elsewhere", end_at - LOCATOR_BYTES);
    dsc_rd_init(&r, data + at + 24, END64_BYTES - 24, err);
    (void)dsc_rd_u64le(&r);
    p->n = dsc_rd_u64le(&r);
    p->n_bytes = dsc_rd_u64le(&r);
    p->at = dsc_rd_u64le(&r);
    return DSC_OK;
}

static enum dsc_status read_end(const unsigned char *data, size_t n_bytes, struct place *p,
                                struct dsc_err *err)
{
    struct dsc_rd r;
    size_t at = 0;
    uint16_t disk;

    DSC_TRY(find_end(data, n_bytes, &at, err));
    dsc_rd_init(&r, data + at + 4, END_BYTES - 4, err);
    disk = dsc_rd_u16le(&r);
    if (disk != 0 && disk != UINT16_MAX)
        return fail_at(err, DSC_E_UNSUPPORTED, "several disks", at);
    dsc_rd_skip(&r, 4);
    p->n = dsc_rd_u16le(&r);
    p->n_bytes = dsc_rd_u32le(&r);
    p->at = dsc_rd_u32le(&r);
    DSC_TRY(read_end64(data, at, p, err));
    if (p->at > at || p->n_bytes > at - p->at)
        return fail_at(err, DSC_E_RANGE, "the directory is outside the file", at);
    if (p->n > p->n_bytes / ENTRY_BYTES)
        return fail_at(err, DSC_E_LIMIT, "more entries than bytes for them", at);
    return DSC_OK;
}

/* The 64-bit field has the numbers that are all ones in the entry, in this order. */
static void read_extra(struct dsc_rd extra, uint64_t *size, uint64_t *comp, uint64_t *local)
{
    while (dsc_rd_left(&extra) >= 4) {
        const uint16_t id = dsc_rd_u16le(&extra);
        struct dsc_rd field = dsc_rd_sub(&extra, dsc_rd_u16le(&extra));

        if (id != EXTRA_ZIP64)
            continue;
        *size = *size == UINT32_MAX ? dsc_rd_u64le(&field) : *size;
        *comp = *comp == UINT32_MAX ? dsc_rd_u64le(&field) : *comp;
        *local = *local == UINT32_MAX ? dsc_rd_u64le(&field) : *local;
        return;
    }
}

/* Where the data of an entry are: behind a header of its own, which has the same name. */
static enum dsc_status find_data(const unsigned char *data, uint64_t end, uint64_t local,
                                 const unsigned char *name, size_t n_name, struct zip_entry *e,
                                 struct dsc_err *err)
{
    const unsigned char *p = data + local;
    size_t n_own, n_head;

    if (local > end || end - local < LOCAL_BYTES)
        return fail_at(err, DSC_E_RANGE, "an entry outside the file", local);
    if (!is_mark(p, "PK\3\4"))
        return fail_at(err, DSC_E_INCONSISTENT, "an entry without its header", local);
    n_own = p[26] | (size_t)p[27] << 8;
    n_head = LOCAL_BYTES + n_own + (p[28] | (size_t)p[29] << 8);
    if (n_head > end - local || e->n_bytes > end - local - n_head)
        return fail_at(err, DSC_E_RANGE, "an entry that ends outside the file", local);
    if (n_own != n_name || memcmp(p + LOCAL_BYTES, name, n_name) != 0)
        return fail_at(err, DSC_E_INCONSISTENT, "an entry with another name in its header", local);
    e->at = local + n_head;
    return DSC_OK;
}

static enum dsc_status read_entry(struct dsc_rd *r, const unsigned char *data, uint64_t end,
                                  struct dsc_arena *arena, struct zip_entry *e)
{
    uint64_t size, comp, local;
    uint16_t flags, method, n_name, n_extra, n_comment;
    const size_t at = r->base + r->pos;
    const unsigned char *name;

    dsc_rd_magic(r, "PK\1\2", 4);
    dsc_rd_skip(r, 4);
    flags = dsc_rd_u16le(r);
    method = dsc_rd_u16le(r);
    dsc_rd_skip(r, 4);
    e->sum = dsc_rd_u32le(r);
    comp = dsc_rd_u32le(r);
    size = dsc_rd_u32le(r);
    n_name = dsc_rd_u16le(r);
    n_extra = dsc_rd_u16le(r);
    n_comment = dsc_rd_u16le(r);
    dsc_rd_skip(r, 8);
    local = dsc_rd_u32le(r);
    name = dsc_rd_bytes(r, n_name);
    read_extra(dsc_rd_sub(r, n_extra), &size, &comp, &local);
    dsc_rd_skip(r, n_comment);
    DSC_TRY(dsc_rd_status(r));
    if (flags & IS_ENCRYPTED)
        return fail_at(r->err, DSC_E_UNSUPPORTED, "an encrypted entry", at);
    if (dsc_utf8_check((const char *)name, n_name) != n_name || memchr(name, 0, n_name))
        return fail_at(r->err, DSC_E_ENCODING, "a name that is no UTF-8 text", at);
    e->is_stored = method == 0;
    e->n_bytes = comp;
    if (e->is_stored && comp != size)
        return fail_at(r->err, DSC_E_INCONSISTENT, "a stored entry of two sizes", at);
    e->name = dsc_arena_strndup(arena, (const char *)name, n_name, r->err);
    return e->name ? find_data(data, end, local, name, n_name, e, r->err) : DSC_E_MEMORY;
}

static int by_place(const void *a, const void *b)
{
    const struct zip_entry *x = *(struct zip_entry *const *)a, *y = *(struct zip_entry *const *)b;

    return x->at < y->at ? -1 : x->at > y->at;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct zip_entry *)a)->name, ((const struct zip_entry *)b)->name);
}

static enum dsc_status sort_entries(struct zip_dir *d, struct dsc_err *err)
{
    qsort(d->entries, (size_t)d->n, sizeof d->entries[0], by_name);
    for (int i = 0; i < d->n; i++)
        d->by_place[i] = &d->entries[i];
    qsort(d->by_place, (size_t)d->n, sizeof d->by_place[0], by_place);
    for (int i = 1; i < d->n; i++)
        if (d->by_place[i]->at - d->by_place[i - 1]->at < d->by_place[i - 1]->n_bytes)
            return fail_at(err, DSC_E_ALIAS, "entries that overlap", d->by_place[i]->at);
    for (int i = 1; i < d->n; i++)
        if (by_name(&d->entries[i - 1], &d->entries[i]) == 0)
            return dsc_fail(err, DSC_E_DUP, "zip: the entry '%.100s' stands twice",
                            d->entries[i].name);
    return DSC_OK;
}

enum dsc_status zip_dir_read(struct zip_dir *d, const unsigned char *data, size_t n_bytes,
                             struct dsc_arena *arena, struct dsc_err *err)
{
    struct place p = {0};
    struct dsc_rd r;

    *d = (struct zip_dir){0};
    DSC_TRY(read_end(data, n_bytes, &p, err));
    dsc_rd_init(&r, data + p.at, (size_t)p.n_bytes, err);
    r.base = (size_t)p.at;
    DSC_NEW(d->entries, arena, p.n + 1, err);
    DSC_NEW(d->by_place, arena, p.n + 1, err);
    for (; (uint64_t)d->n < p.n; d->n++)
        DSC_TRY(read_entry(&r, data, p.at, arena, &d->entries[d->n]));
    return sort_entries(d, err);
}

struct zip_entry *zip_dir_find(const struct zip_dir *d, const char *name)
{
    const struct zip_entry key = {.name = name};

    return d->n ? bsearch(&key, d->entries, (size_t)d->n, sizeof key, by_name) : NULL;
}

struct zip_entry *zip_dir_at(const struct zip_dir *d, uint64_t at, uint64_t n_bytes)
{
    int lo = 0, hi = d->n; /* the entries before lo begin at or before `at` */
    struct zip_entry *e;

    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;

        if (d->by_place[mid]->at <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    e = lo > 0 ? d->by_place[lo - 1] : NULL;
    return e && e->is_stored && at - e->at <= e->n_bytes && n_bytes <= e->n_bytes - (at - e->at)
               ? e
               : NULL;
}

enum dsc_status zip_entry_compare(struct zip_entry *e, const unsigned char *data,
                                  struct dsc_err *err)
{
    if (e->is_compared || e->sum == 0 || crc32_z(0, data + e->at, (size_t)e->n_bytes) == e->sum) {
        e->is_compared = true;
        return DSC_OK;
    }
    dsc_fail(err, DSC_E_CRC, "zip: '%.100s' is not what was written: its bytes have another sum",
             e->name);
    return dsc_err_where(err, "byte %" PRIu64, e->at);
}
