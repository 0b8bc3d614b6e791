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
#include "model/pt.h"
#include "model/pt_legacy.h"
#include "model/zip_dir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 1024, KEY_BYTES = 256, MIN_RECORD_BYTES = 4 + 1 + 1 + 8 };

static const size_t BASE_BYTES = (size_t)32 << 20, BYTES_PER_S = (size_t)64 << 20;

/* One file being read. */
struct pt {
    struct dsc_model *m;
    struct zip_dir zip;
    char root[KEY_BYTES]; /* "archive/" */
    bool is_legacy;       /* then without a zip */
    struct pt_legacy legacy;
    struct pk_value result;
    int cap_stored;
    struct dsc_err *err;
};

static size_t max_bytes(const struct dsc_model *m)
{
    return BASE_BYTES + 3 * m->file->n_bytes;
}

/* ---- where a storage lies ---- */

static bool find_storage(const struct pt *pt, const struct pk_storage *s, uint64_t *at,
                         uint64_t *n_bytes)
{
    const struct pt_storage *k;
    const struct zip_entry *e;
    char name[2 * KEY_BYTES];

    if (pt->is_legacy) {
        k = pt_legacy_find(&pt->legacy, &s->key);
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
    if (!dsc_mul_size((size_t)t->storage->n_elems, pk_elem_bytes(t->storage), &need) ||
        need > n_bytes) {
        dsc_fail(pt->err, DSC_E_TRUNC,
                 "a storage of %" PRId64 " elements of %zu bytes has %" PRIu64 " bytes",
                 t->storage->n_elems, pk_elem_bytes(t->storage), n_bytes);
        return dsc_err_where(pt->err, "tensor '%.100s', byte %zu", s->name, t->storage->at);
    }
    s->offset = at + (uint64_t)t->offset * pk_elem_bytes(t->storage);
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

/* ---- in and out of the child ---- */

/* Where the elements of a tensor are, from its first one on. */
struct view {
    int64_t stride[DSC_MAX_RANK];
    uint64_t n_span; /* bytes from the first to the end of the last */
};

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
    struct pt pt = {.m = &m, .is_legacy = pt_is_legacy(m.file->data, m.file->n_bytes), .err = err};
    enum dsc_status st = pt.is_legacy ? pt_legacy_read(&pt.legacy, m.file, max_bytes(&m),
                                                       &m.tensors.arena, &pt.result, err)
                                      : read_zip(&pt);

    if (st == DSC_OK)
        st = collect(&pt);
    for (int i = 0; st == DSC_OK && i < m.n_stored; i++)
        put_tensor(answer, &m.stored[i]);
    dsc_bundle_clear(&m.tensors);
    return st;
}

/* The last element lies in the file, too. */
static enum dsc_status check_place(const struct dsc_model *m, const struct dsc_stored *s,
                                   struct view *v, int64_t n_elems, struct dsc_err *err)
{
    int64_t last = 0, step, n_bytes = 0;
    bool fits = s->offset <= m->file->n_bytes;

    for (int i = 0; i < s->rank && n_elems > 0 && fits; i++)
        fits = v->stride[i] >= 0 && dsc_mul_i64(s->dim[i] - 1, v->stride[i], &step) &&
               dsc_add_i64(last, step, &last);
    fits =
        fits && last < INT64_MAX && dsc_mul_i64(last + 1, dsc_dtype_bits(s->dtype) / 8, &n_bytes);
    v->n_span = n_elems == 0 ? 0 : (uint64_t)n_bytes;
    if (fits && v->n_span <= m->file->n_bytes - s->offset)
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

/* The directory again, in this process: what is read now is compared with its sum, a storage when
 * a tensor of it is loaded. */
static enum dsc_status read_sums(struct dsc_model *m, struct dsc_err *err)
{
    static const char *const names[] = {"/data.pkl", "/byteorder"};
    const unsigned char *data = m->file->data;
    struct zip_dir *zip;

    if (pt_is_legacy(data, m->file->n_bytes))
        return DSC_OK;
    DSC_NEW(zip, &m->tensors.arena, 1, err);
    m->own = zip;
    DSC_TRY(zip_dir_read(zip, data, m->file->n_bytes, &m->tensors.arena, err));
    for (int i = 0; i < zip->n; i++) {
        struct zip_entry *e = &zip->entries[i];
        const char *slash = strchr(e->name, '/');

        for (size_t k = 0; slash && e->is_stored && k < sizeof names / sizeof names[0]; k++)
            if (strcmp(slash, names[k]) == 0)
                DSC_TRY(zip_entry_compare(e, data, err));
    }
    return DSC_OK;
}

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
    DSC_TRY(read_sums(m, err));
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
    const unsigned char *data = m->file->data, *src = data + s->offset;
    const struct zip_dir *zip = m->own; /* NULL: a legacy file, which has no sums */
    const struct view *v = s->coding;
    struct zip_entry *e;

    if (zip && v->n_span > 0) {
        e = zip_dir_at(zip, s->offset, v->n_span);
        if (!e)
            return dsc_fail(err, DSC_E_INCONSISTENT, "'%.100s' lies in no entry of the zip",
                            s->name);
        DSC_TRY(zip_entry_compare(e, data, err));
    }
    if (s->n_bytes == 0 || is_contiguous(s, v))
        return mapped_tensor(t, s->dtype, s->rank, s->dim, src, m->file, false, err);
    DSC_TRY(dsc_tensor_new(t, s->dtype, s->rank, s->dim, err));
    gather(s, v, src, t);
    return DSC_OK;
}

static bool probe(const struct dsc_probe *p)
{
    return !p->is_folder && ((p->n_head_bytes >= 4 && memcmp(p->head, "PK\3\4", 4) == 0) ||
                             pt_is_legacy(p->head, p->n_head_bytes));
}

const struct dsc_format dsc_format_pt = {
    .name = "pt",
    .text = "PyTorch file: a state dict, or the weights of TorchScript (tensors alone)",
    .probe = probe,
    .read = read,
    .load = load,
};
