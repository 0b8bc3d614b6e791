/*
 * Files of torch.save and torch.jit.save: a zip of a pickle and storages, or (before PyTorch 1.6)
 * pickles with the storages behind them. The weights are read, by pickle.c in a child process; no
 * code is. What the child says of tensors is checked as if it stood in the file.
 *
 * Source  torch/serialization.py, torch/csrc/jit/serialization (PyTorch 2)
 */
#include "dsc/checked.h"
#include "formats_model.h"
#include "formats_text.h"
#include "model/jail.h"
#include "model/mapped.h"
#include "model/pickle.h"
#include "model/pt.h"
#include "model/zip_dir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAGIC_BYTES = 10,
    LEGACY_PROTOCOL = 1001,
    PATH_BYTES = 1024,
    KEY_BYTES = 256,
    MIN_RECORD_BYTES = 4 + 1 + 1 + 8
};

static const size_t BASE_BYTES = (size_t)32 << 20, BYTES_PER_S = (size_t)64 << 20;

/* LONG1 of torch's magic number 0x1950a86a20f9469cfc6c, behind PROTO 2. */
static const unsigned char legacy_head[] = {0x80, 0x02, 0x8a, MAGIC_BYTES, 0x6c, 0xfc, 0x9c,
                                            0x46, 0xf9, 0x20, 0x6a,        0xa8, 0x50, 0x19};

/* A storage of a legacy file. */
struct legacy_key {
    struct pk_text key;
    uint64_t at, n_bytes;
};

/* One file being read. */
struct pt {
    struct dsc_model *m;
    struct zip_dir zip;
    char root[KEY_BYTES];    /* "archive/" */
    struct legacy_key *keys; /* of a legacy file, by key */
    size_t n_keys;
    struct pk_value result;
    int cap_stored;
    struct dsc_err *err;
};

static size_t max_bytes(const struct dsc_model *m)
{
    return BASE_BYTES + 3 * m->file->n_bytes;
}

static size_t elem_bytes(const struct pk_storage *s)
{
    return s->dtype ? (size_t)dsc_dtype_bits(s->dtype) / 8 : 1;
}

/* ---- where a storage lies ---- */

static int by_key(const void *a, const void *b)
{
    const struct legacy_key *x = a, *y = b;
    const size_t n = x->key.n_bytes < y->key.n_bytes ? x->key.n_bytes : y->key.n_bytes;
    const int order = memcmp(x->key.p, y->key.p, n);

    return order ? order : x->key.n_bytes < y->key.n_bytes ? -1 : x->key.n_bytes > y->key.n_bytes;
}

static bool find_storage(const struct pt *pt, const struct pk_storage *s, uint64_t *at,
                         uint64_t *n_bytes)
{
    const struct legacy_key key = {.key = s->key};
    const struct legacy_key *k;
    const struct zip_entry *e;
    char name[2 * KEY_BYTES];

    if (pt->keys) {
        k = bsearch(&key, pt->keys, pt->n_keys, sizeof key, by_key);
        *at = k ? k->at : 0;
        *n_bytes = k ? k->n_bytes : 0;
        return k != NULL;
    }
    if (s->key.n_bytes >= KEY_BYTES || memchr(s->key.p, 0, s->key.n_bytes))
        return false;
    snprintf(name, sizeof name, "%sdata/%.*s", pt->root, (int)s->key.n_bytes, s->key.p);
    e = zip_dir_find(&pt->zip, name);
    *at = e ? e->at : 0;
    *n_bytes = e ? e->n_bytes : 0;
    return e != NULL && e->is_stored;
}

/* The tensor's place in the file; what its pickle said of the storage holds for the bytes. */
static enum dsc_status place_tensor(struct pt *pt, const struct pk_tensor *t, struct dsc_stored *s)
{
    uint64_t at, n_bytes, need;

    if (!find_storage(pt, t->storage, &at, &n_bytes)) {
        dsc_fail(pt->err, DSC_E_INCONSISTENT, "the storage '%.*s' is not in the file",
                 (int)(t->storage->key.n_bytes < 64 ? t->storage->key.n_bytes : 64),
                 t->storage->key.p);
        return dsc_err_where(pt->err, "tensor '%.100s', byte %zu", s->name, t->storage->at);
    }
    if (!dsc_mul_size((size_t)t->storage->n_elems, elem_bytes(t->storage), &need) ||
        need > n_bytes) {
        dsc_fail(pt->err, DSC_E_TRUNC,
                 "a storage of %" PRId64 " elements of %zu bytes has %" PRIu64 " bytes",
                 t->storage->n_elems, elem_bytes(t->storage), n_bytes);
        return dsc_err_where(pt->err, "tensor '%.100s', byte %zu", s->name, t->storage->at);
    }
    s->offset = at + (uint64_t)t->offset * elem_bytes(t->storage);
    return DSC_OK;
}

/* ---- the tensors of the result, by their paths ---- */

/* A container that is walked: items up to `at` are done. */
struct level {
    struct pk_list *list;
    enum pk_kind kind;
    size_t at, n_path; /* bytes of the path to it */
};

static enum dsc_status add_tensor(struct pt *pt, const struct pk_tensor *t, const char *path)
{
    struct dsc_model *m = pt->m;
    struct dsc_stored *s, *more;
    int64_t n = 1;

    if (m->n_stored == pt->cap_stored) {
        const int cap = pt->cap_stored ? 2 * pt->cap_stored : 64;

        DSC_NEW(more, &m->tensors.arena, cap, pt->err);
        if (m->n_stored)
            memcpy(more, m->stored, (size_t)m->n_stored * sizeof *more);
        m->stored = more;
        pt->cap_stored = cap;
    }
    s = &m->stored[m->n_stored];
    *s = (struct dsc_stored){
        .type = dsc_dtype_text(t->dtype), .dtype = t->dtype, .rank = t->rank, .coding = t};
    for (int i = 0; i < t->rank; i++) {
        s->dim[i] = t->dim[i];
        n *= t->dim[i];
    }
    s->n_bytes = dsc_dtype_bytes(t->dtype, n);
    s->name = dsc_arena_strdup(&m->tensors.arena, path[0] ? path : "tensor", pt->err);
    if (!s->name)
        return DSC_E_MEMORY;
    m->n_stored++;
    return place_tensor(pt, t, s);
}

/* The key or number of an item behind the path of its container, with a dot between. */
static enum dsc_status extend_path(struct pt *pt, const struct level *l, size_t idx,
                                   char path[PATH_BYTES])
{
    const char *dot = l->n_path ? "." : "";
    const size_t left = PATH_BYTES - l->n_path;
    const struct pk_value *key = &l->list->items[idx];
    size_t n;

    if (l->kind != PK_DICT) {
        n = (size_t)snprintf(path + l->n_path, left, "%s%zu", dot, idx);
    } else if (key->kind == PK_INT) {
        n = (size_t)snprintf(path + l->n_path, left, "%s%" PRId64, dot, key->as.i);
    } else if (key->kind == PK_TEXT) {
        const struct pk_text *t = key->as.text;

        if (dsc_utf8_check(t->p, t->n_bytes) != t->n_bytes || memchr(t->p, 0, t->n_bytes))
            return dsc_fail(pt->err, DSC_E_ENCODING, "a key of '%.100s' is no UTF-8 text", path);
        if (t->n_bytes >= left)
            return dsc_fail(pt->err, DSC_E_LIMIT, "a name of over %d bytes", PATH_BYTES);
        n = (size_t)snprintf(path + l->n_path, left, "%s%.*s", dot, (int)t->n_bytes, t->p);
    } else {
        n = (size_t)snprintf(path + l->n_path, left, "%s?", dot);
    }
    return n < left ? DSC_OK
                    : dsc_fail(pt->err, DSC_E_LIMIT, "a name of over %d bytes", PATH_BYTES);
}

/* Each container is walked once, however often it stands in others or in itself. */
static bool opens(const struct pk_value *v, struct level *l, size_t n_path)
{
    const bool is_container =
        v->kind == PK_DICT || v->kind == PK_LIST || v->kind == PK_TUPLE || v->kind == PK_OBJECT;

    if (!is_container || v->as.list->is_seen)
        return false;
    v->as.list->is_seen = true;
    *l = (struct level){v->as.list, v->kind, 0, n_path};
    return true;
}

static enum dsc_status visit(struct pt *pt, const struct pk_value *v, struct level *levels,
                             int *depth, const char path[PATH_BYTES])
{
    if (v->kind == PK_TENSOR)
        return add_tensor(pt, v->as.tensor, path);
    if (*depth == PK_MAX_DEPTH)
        return dsc_fail(pt->err, DSC_E_LIMIT, "'%.100s' lies deeper than %d containers", path,
                        PK_MAX_DEPTH);
    *depth += opens(v, &levels[*depth], strlen(path));
    return DSC_OK;
}

static enum dsc_status collect(struct pt *pt)
{
    struct level levels[PK_MAX_DEPTH];
    char path[PATH_BYTES] = "";
    int depth = 0;

    DSC_TRY(visit(pt, &pt->result, levels, &depth, path));
    while (depth > 0) {
        struct level *l = &levels[depth - 1];
        const size_t step = l->kind == PK_DICT ? 2 : 1, idx = l->at;

        if (idx + step > l->list->n) {
            depth--;
            continue;
        }
        l->at += step;
        path[l->n_path] = '\0';
        if (l->kind != PK_OBJECT) /* the state of an object has its name */
            DSC_TRY(extend_path(pt, l, idx, path));
        DSC_TRY(visit(pt, &l->list->items[idx + step - 1], levels, &depth, path));
    }
    if (pt->m->n_stored == 0)
        return dsc_fail(pt->err, DSC_E_EMPTY, "no tensors");
    return dsc_model_sort_stored(pt->m, pt->err);
}

/* ---- zip files ---- */

static bool has_entry(const struct pt *pt, const char *name)
{
    char path[2 * KEY_BYTES];

    snprintf(path, sizeof path, "%s%s", pt->root, name);
    return zip_dir_find(&pt->zip, path) != NULL;
}

/* NAME/data.pkl, once: NAME/ is where the others are. */
static enum dsc_status find_root(struct pt *pt, const struct zip_entry **pickle)
{
    static const char file[] = "/data.pkl";

    *pickle = NULL;
    for (int i = 0; i < pt->zip.n; i++) {
        const char *name = pt->zip.entries[i].name, *slash = strchr(name, '/');

        if (!slash || strcmp(slash, file) != 0)
            continue;
        if (*pickle)
            return dsc_fail(pt->err, DSC_E_DUP, "two entries are NAME/data.pkl");
        if ((size_t)(slash - name) + 2 > sizeof pt->root)
            return dsc_fail(pt->err, DSC_E_LIMIT, "an entry with a name of over %d bytes",
                            KEY_BYTES);
        snprintf(pt->root, sizeof pt->root, "%.*s/", (int)(slash - name), name);
        *pickle = &pt->zip.entries[i];
    }
    if (!*pickle)
        return dsc_fail(pt->err, DSC_E_SCHEMA, "no NAME/data.pkl: not a file of torch.save");
    return (*pickle)->is_stored
               ? DSC_OK
               : dsc_fail(pt->err, DSC_E_UNSUPPORTED, "a compressed NAME/data.pkl");
}

static enum dsc_status check_order(const struct pt *pt)
{
    const unsigned char *data = pt->m->file->data;
    char path[2 * KEY_BYTES];
    const struct zip_entry *e;

    snprintf(path, sizeof path, "%sbyteorder", pt->root);
    e = zip_dir_find(&pt->zip, path);
    if (!e || (e->is_stored && e->n_bytes == 6 && memcmp(data + e->at, "little", 6) == 0))
        return DSC_OK;
    return dsc_fail(pt->err, DSC_E_UNSUPPORTED, "a file of a machine that is not little endian");
}

static enum dsc_status read_zip(struct pt *pt)
{
    const struct dsc_buffer *f = pt->m->file;
    const struct zip_entry *pickle;
    struct dsc_rd r;

    DSC_TRY(zip_dir_read(&pt->zip, f->data, f->n_bytes, &pt->m->tensors.arena, pt->err));
    DSC_TRY(find_root(pt, &pickle));
    DSC_TRY(check_order(pt));
    dsc_rd_init(&r, (const unsigned char *)f->data + pickle->at, (size_t)pickle->n_bytes, pt->err);
    r.base = (size_t)pickle->at;
    return pickle_run(&r, has_entry(pt, "constants.pkl"), max_bytes(pt->m), &pt->m->tensors.arena,
                      &pt->result, NULL);
}

/* ---- legacy files ---- */

static enum dsc_status run(struct pt *pt, struct dsc_rd *r, struct pk_value *v,
                           struct pk_list *storages)
{
    return pickle_run(r, false, max_bytes(pt->m), &pt->m->tensors.arena, v, storages);
}

static enum dsc_status check_system(struct pt *pt, struct dsc_rd *r)
{
    struct pk_value v = {0};

    DSC_TRY(run(pt, r, &v, NULL)); /* the magic number: the probe knows it */
    DSC_TRY(run(pt, r, &v, NULL));
    if (v.kind != PK_INT || v.as.i != LEGACY_PROTOCOL)
        return dsc_rd_fail(r, DSC_E_VERSION, "the legacy protocol is not %d", LEGACY_PROTOCOL);
    DSC_TRY(run(pt, r, &v, NULL));
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
    const struct legacy_key x = {.key = ((const struct pk_value *)a)->as.storage->key};
    const struct legacy_key y = {.key = ((const struct pk_value *)b)->as.storage->key};

    return by_key(&x, &y);
}

/* Storages of the result by key; one that stands there more than once has one size. */
static enum dsc_status sort_storages(struct pt *pt, struct pk_list *all)
{
    if (all->n > 1)
        qsort(all->items, all->n, sizeof all->items[0], by_storage);
    for (size_t i = 1; i < all->n; i++) {
        const struct pk_storage *a = all->items[i - 1].as.storage, *b = all->items[i].as.storage;

        if (by_storage(&all->items[i - 1], &all->items[i]) != 0 ||
            (a->n_elems == b->n_elems && a->dtype == b->dtype))
            continue;
        dsc_fail(pt->err, DSC_E_INCONSISTENT, "a storage of two sizes or types");
        return dsc_err_where(pt->err, "byte %zu", b->at);
    }
    return DSC_OK;
}

/* Each storage: its elements, then their bytes. How wide they are says the tensor's pickle. */
static enum dsc_status place_keys(struct pt *pt, struct dsc_rd *r, const struct pk_list *keys,
                                  const struct pk_list *all)
{
    DSC_NEW(pt->keys, &pt->m->tensors.arena, keys->n + 1, pt->err);
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
        if (!dsc_mul_size((size_t)n, elem_bytes(v->as.storage), &n_bytes))
            return dsc_rd_fail(r, DSC_E_OVERFLOW, "a storage of %" PRIu64 " elements", n);
        pt->keys[pt->n_keys++] = (struct legacy_key){want.key, r->base + r->pos, n_bytes};
        dsc_rd_skip(r, n_bytes);
    }
    DSC_TRY(dsc_rd_status(r));
    qsort(pt->keys, pt->n_keys, sizeof pt->keys[0], by_key);
    for (size_t i = 1; i < pt->n_keys; i++)
        if (by_key(&pt->keys[i - 1], &pt->keys[i]) == 0)
            return dsc_rd_fail(r, DSC_E_DUP, "a storage's key stands twice");
    return DSC_OK;
}

static enum dsc_status read_legacy(struct pt *pt)
{
    struct pk_list storages = {0};
    struct pk_value keys = {0};
    struct dsc_rd r;

    dsc_rd_init(&r, pt->m->file->data, pt->m->file->n_bytes, pt->err);
    DSC_TRY(check_system(pt, &r));
    DSC_TRY(run(pt, &r, &pt->result, &storages));
    DSC_TRY(sort_storages(pt, &storages));
    DSC_TRY(run(pt, &r, &keys, NULL));
    if (keys.kind != PK_LIST)
        return dsc_rd_fail(&r, DSC_E_TYPE, "the storages' keys are no list");
    return place_keys(pt, &r, keys.as.list, &storages);
}

/* ---- in and out of the child ---- */

/* Where the elements of a tensor are, from its first one on. */
struct view {
    int64_t stride[DSC_MAX_RANK];
};

static bool is_legacy(const unsigned char *head, size_t n)
{
    return n >= sizeof legacy_head && memcmp(head, legacy_head, sizeof legacy_head) == 0;
}

static void put_tensor(struct dsc_bytes *answer, const struct dsc_stored *s)
{
    const struct pk_tensor *t = s->coding;

    jail_put_text(answer, s->name, strlen(s->name));
    jail_put_number(answer, (uint64_t)s->dtype, 1);
    jail_put_number(answer, (uint64_t)s->rank, 1);
    for (int i = 0; i < s->rank; i++)
        jail_put_number(answer, (uint64_t)s->dim[i], 8);
    for (int i = 0; i < s->rank; i++)
        jail_put_number(answer, (uint64_t)t->stride[i], 8);
    jail_put_number(answer, s->offset, 8);
}

enum dsc_status pt_child_list(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    struct dsc_model m = *(const struct dsc_model *)ctx;
    struct pt pt = {.m = &m, .err = err};
    enum dsc_status st =
        is_legacy(m.file->data, m.file->n_bytes) ? read_legacy(&pt) : read_zip(&pt);

    if (st == DSC_OK)
        st = collect(&pt);
    for (int i = 0; st == DSC_OK && i < m.n_stored; i++)
        put_tensor(answer, &m.stored[i]);
    dsc_bundle_clear(&m.tensors);
    return st;
}

/* The last element lies in the file, too. */
static enum dsc_status check_place(const struct dsc_model *m, const struct dsc_stored *s,
                                   const struct view *v, int64_t n_elems, struct dsc_err *err)
{
    int64_t last = 0, step, n_bytes;
    bool fits = s->offset <= m->file->n_bytes;

    for (int i = 0; i < s->rank && n_elems > 0 && fits; i++)
        fits = v->stride[i] >= 0 && dsc_mul_i64(s->dim[i] - 1, v->stride[i], &step) &&
               dsc_add_i64(last, step, &last);
    fits =
        fits && last < INT64_MAX && dsc_mul_i64(last + 1, dsc_dtype_bits(s->dtype) / 8, &n_bytes);
    if (fits && (n_elems == 0 || (uint64_t)n_bytes <= m->file->n_bytes - s->offset))
        return DSC_OK;
    return dsc_fail(err, DSC_E_RANGE, "elements outside the file");
}

static enum dsc_status take_tensor(struct dsc_model *m, struct dsc_rd *r, struct dsc_stored *s)
{
    struct view *v;
    int64_t n;

    s->name = jail_take_text(r, &m->tensors.arena, PATH_BYTES);
    DSC_TRY(jail_take_dtype(r, &s->dtype));
    DSC_TRY(jail_take_dims(r, &s->rank, s->dim));
    DSC_NEW(v, &m->tensors.arena, 1, r->err);
    for (int i = 0; i < s->rank; i++)
        v->stride[i] = (int64_t)dsc_rd_u64le(r);
    s->offset = dsc_rd_u64le(r);
    DSC_TRY(dsc_rd_status(r));
    if (s->dtype == DSC_DTYPE_NONE)
        return dsc_fail(r->err, DSC_E_INCONSISTENT, "a tensor without a type");
    DSC_TRY(dsc_shape_check(s->dtype, s->rank, s->dim, &n, r->err));
    s->type = dsc_dtype_text(s->dtype);
    s->n_bytes = dsc_dtype_bytes(s->dtype, n);
    s->coding = v;
    return check_place(m, s, v, n, r->err);
}

static enum dsc_status take_tensors(struct dsc_model *m, const struct dsc_bytes *answer,
                                    struct dsc_err *err)
{
    struct dsc_rd r;

    dsc_rd_init(&r, answer->data, answer->n_bytes, err);
    DSC_NEW(m->stored, &m->tensors.arena, answer->n_bytes / MIN_RECORD_BYTES + 1, err);
    while (dsc_rd_left(&r) > 0) {
        if (dsc_rd_left(&r) < MIN_RECORD_BYTES)
            return dsc_fail(err, DSC_E_INCONSISTENT,
                            "the reader of the file answers what it cannot");
        DSC_TRY(take_tensor(m, &r, &m->stored[m->n_stored]));
        m->n_stored++;
    }
    return dsc_model_sort_stored(m, err);
}

/* ---- the format ---- */

static enum dsc_status read(struct dsc_model *m, const char *path, const struct dsc_read_opts *o,
                            struct dsc_err *err)
{
    struct dsc_bytes answer = {0};
    struct jail_limits limits;
    struct dsc_file file;
    enum dsc_status st;

    (void)o;
    DSC_TRY(dsc_file_open(&file, path, 0, err));
    DSC_TRY(mapped_buffer(&file, &m->file, err));
    m->size_bytes = m->file->n_bytes;
    limits = (struct jail_limits){.memory_bytes = 4 * max_bytes(m),
                                  .answer_bytes = max_bytes(m),
                                  .cpu_s = (unsigned)(1 + m->size_bytes / BYTES_PER_S)};
    st = jail_run(pt_child_list, m, &limits, &answer, err);
    if (st == DSC_OK)
        st = take_tensors(m, &answer, err);
    dsc_bytes_clear(&answer);
    return st;
}

/* Elements along any strides, in row-major order. */
static void gather(const struct dsc_stored *s, const struct view *v, const unsigned char *src,
                   struct dsc_tensor *dst)
{
    const size_t n_elem = (size_t)dsc_dtype_bits(s->dtype) / 8;
    int64_t at[DSC_MAX_RANK] = {0}, from = 0;

    for (int64_t i = 0; i < dsc_tensor_n_elems(dst); i++) {
        memcpy((unsigned char *)dst->data + (size_t)i * n_elem, src + (size_t)from * n_elem,
               n_elem);
        for (int k = s->rank - 1; k >= 0; k--) {
            from += v->stride[k];
            if (++at[k] < s->dim[k])
                break;
            from -= v->stride[k] * s->dim[k];
            at[k] = 0;
        }
    }
}

static bool is_contiguous(const struct dsc_stored *s, const struct view *v)
{
    int64_t n = 1;

    for (int k = s->rank - 1; k >= 0; k--) {
        if (s->dim[k] != 1 && v->stride[k] != n)
            return false;
        n *= s->dim[k];
    }
    return true;
}

static enum dsc_status load(const struct dsc_model *m, const struct dsc_stored *s,
                            struct dsc_tensor *t, struct dsc_err *err)
{
    const unsigned char *src = (const unsigned char *)m->file->data + s->offset;
    const struct view *v = s->coding;

    if (s->n_bytes == 0 || is_contiguous(s, v))
        return mapped_tensor(t, s->dtype, s->rank, s->dim, src, m->file, false, err);
    DSC_TRY(dsc_tensor_new(t, s->dtype, s->rank, s->dim, err));
    gather(s, v, src, t);
    return DSC_OK;
}

static bool probe(const struct dsc_probe *p)
{
    return !p->is_folder && ((p->n_head_bytes >= 4 && memcmp(p->head, "PK\3\4", 4) == 0) ||
                             is_legacy(p->head, p->n_head_bytes));
}

const struct dsc_format dsc_format_pt = {
    .name = "pt",
    .text = "PyTorch file: a state dict, or the weights of TorchScript (tensors alone)",
    .probe = probe,
    .read = read,
    .load = load,
};
