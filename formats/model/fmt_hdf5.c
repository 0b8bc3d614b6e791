/*
 * HDF5 files of tensors. Names, types and places come from a child process (h5_child.c), and are
 * checked as if they stood in the file; plain values are read where they lie, others by the child.
 *
 * Source  HDF5 File Format Specification 3.0, sections II.A (superblock)
 */
#include "dsc/checked.h"
#include "model/h5.h"
#include "model/jail.h"
#include "model/keras.h"
#include "model/mapped.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIGNATURE_BYTES = 8,
    SUPERBLOCK_MIN_BYTES = 48,
    FIRST_USERBLOCK = 512,
    MIN_RECORD_BYTES = 27
};

static const size_t CHILD_BASE_BYTES = (size_t)48 << 20;

struct h5_coding {
    struct h5_image image;
    bool is_plain;
};

bool h5_is_signature(const unsigned char *data, size_t n_bytes)
{
    static const unsigned char signature[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    size_t at = 0;

    while (n_bytes >= SIGNATURE_BYTES && at <= n_bytes - SIGNATURE_BYTES) {
        if (memcmp(data + at, signature, SIGNATURE_BYTES) == 0)
            return true;
        at = at ? 2 * at : FIRST_USERBLOCK; /* a block of the user's may lie in front */
    }
    return false;
}

/* ---- what the child says ---- */

/* Values that would be far more than what is stored of them are refused before they are read. */
static enum dsc_status check_place(const struct dsc_stored *s, const struct h5_image *image,
                                   uint64_t n_stored, uint64_t at, struct dsc_err *err)
{
    uint64_t most;

    if (at != H5_NOWHERE && (at > image->n_bytes || s->n_bytes > image->n_bytes - at))
        return dsc_fail(err, DSC_E_RANGE, "%" PRIu64 " bytes at %" PRIu64 " of a file of %zu",
                        s->n_bytes, at, image->n_bytes);
    if (at != H5_NOWHERE && n_stored < s->n_bytes)
        return dsc_fail(err, DSC_E_INCONSISTENT, "%" PRIu64 " bytes are stored of %" PRIu64,
                        n_stored, s->n_bytes);
    if (at != H5_NOWHERE || s->n_bytes <= H5_FREE_BYTES)
        return DSC_OK;
    if (!dsc_mul_size(n_stored < image->n_bytes ? n_stored : image->n_bytes, H5_MAX_RATIO, &most))
        most = SIZE_MAX;
    return s->n_bytes <= most
               ? DSC_OK
               : dsc_fail(err, DSC_E_LIMIT,
                          "%" PRIu64 " bytes of values of %" PRIu64 " that are stored", s->n_bytes,
                          n_stored);
}

static enum dsc_status take_shape(struct dsc_rd *r, struct dsc_stored *s)
{
    int64_t n = 0;

    DSC_TRY(jail_take_dims(r, &s->rank, s->dim));
    DSC_TRY(dsc_shape_check(s->dtype ? s->dtype : DSC_U8, s->rank, s->dim, &n, r->err));
    s->n_bytes = s->dtype ? dsc_dtype_bytes(s->dtype, n) : 0;
    return DSC_OK;
}

static enum dsc_status take_tensor(struct dsc_model *m, const struct h5_image *image,
                                   struct dsc_rd *r, struct dsc_stored *s)
{
    struct h5_coding *coding;
    uint64_t n_stored, at;

    DSC_NEW(coding, &m->tensors.arena, 1, r->err);
    s->type = jail_take_text(r, &m->tensors.arena, H5_NAME_BYTES);
    DSC_TRY(jail_take_dtype(r, &s->dtype));
    DSC_TRY(take_shape(r, s));
    n_stored = dsc_rd_u64le(r);
    at = dsc_rd_u64le(r);
    DSC_TRY(dsc_rd_status(r));
    if (s->dtype == DSC_DTYPE_NONE)
        return DSC_OK;
    DSC_TRY(check_place(s, image, n_stored, at, r->err));
    *coding = (struct h5_coding){*image, at != H5_NOWHERE};
    s->coding = coding;
    if (coding->is_plain)
        s->offset = at + (uint64_t)(image->data - (const unsigned char *)m->file->data);
    else
        s->n_bytes = n_stored;
    return DSC_OK;
}

static enum dsc_status take_meta(struct dsc_model *m, struct dsc_rd *r)
{
    struct dsc_arena tmp;
    const char *key, *text;
    enum dsc_status st;

    dsc_arena_init(&tmp);
    key = jail_take_text(r, &tmp, H5_MAX_NAME_BYTES);
    text = key ? jail_take_text(r, &tmp, H5_MAX_TEXT_BYTES) : NULL;
    st = text ? dsc_bundle_set_meta(&m->tensors, key, text, r->err) : dsc_rd_status(r);
    dsc_arena_clear(&tmp);
    return st;
}

/* Texts, records, references: datasets that are no tensors. */
static void tell_left_out(const struct dsc_log *log, const char *name, const char *type, int n)
{
    if (n > 0)
        dsc_log_printf(log, DSC_LOG_WARNING,
                       "%d datasets are no tensors and are left out, '%.100s' (%s) is the last", n,
                       name, type);
}

static enum dsc_status take_records(struct dsc_model *m, const struct h5_image *image,
                                    struct dsc_rd *r, const struct dsc_log *log)
{
    const char *other = "", *other_type = "";
    int n_other = 0;

    DSC_NEW(m->stored, &m->tensors.arena, dsc_rd_left(r) / MIN_RECORD_BYTES + 1, r->err);
    while (dsc_rd_left(r) > 0) {
        const uint8_t kind = dsc_rd_u8(r);
        struct dsc_stored *s = &m->stored[m->n_stored];

        if (kind == H5_RECORD_META) {
            DSC_TRY(take_meta(m, r));
            continue;
        }
        if (kind != H5_RECORD_TENSOR || dsc_rd_left(r) + 1 < MIN_RECORD_BYTES)
            return dsc_fail(r->err, DSC_E_INCONSISTENT,
                            "the reader of the file answers what it "
                            "cannot");
        s->name = jail_take_text(r, &m->tensors.arena, H5_MAX_NAME_BYTES);
        if (!s->name)
            return dsc_rd_status(r);
        if (take_tensor(m, image, r, s) != DSC_OK)
            return dsc_err_where(r->err, "object '%.100s'", s->name);
        if (s->dtype != DSC_DTYPE_NONE) {
            m->n_stored++;
            continue;
        }
        other = s->name;
        other_type = s->type;
        n_other++;
        *s = (struct dsc_stored){0};
    }
    if (m->n_stored > 0)
        tell_left_out(log, other, other_type, n_other);
    return dsc_rd_status(r);
}

/* ---- in and out of the jail ---- */

static struct jail_limits limits_of(const struct h5_image *image, size_t n_values)
{
    return (struct jail_limits){
        .memory_bytes = CHILD_BASE_BYTES + 2 * image->n_bytes,
        .answer_bytes = CHILD_BASE_BYTES / 2 + image->n_bytes,
        .cpu_s =
            (unsigned)(1 + image->n_bytes / ((size_t)256 << 20) + n_values / ((size_t)16 << 20)),
    };
}

enum dsc_status h5_read(struct dsc_model *m, const struct h5_image *image,
                        const struct dsc_log *log, struct dsc_err *err)
{
    const struct jail_limits limits = limits_of(image, 0);
    struct dsc_bytes answer = {0};
    struct dsc_rd r;
    enum dsc_status st;

    if (image->n_bytes < SUPERBLOCK_MIN_BYTES)
        return dsc_fail(err, DSC_E_TRUNC, "HDF5: %zu bytes, less than a superblock",
                        image->n_bytes);
    st = jail_run(h5_child_list, image, &limits, &answer, err);
    if (st == DSC_OK) {
        dsc_rd_init(&r, answer.data, answer.n_bytes, err);
        st = take_records(m, image, &r, log);
    }
    dsc_bytes_clear(&answer);
    return st == DSC_OK ? dsc_model_sort_stored(m, err) : st;
}

static enum dsc_status decode(const struct dsc_stored *s, const struct h5_image *image,
                              struct dsc_tensor *t, struct dsc_err *err)
{
    struct h5_want want = {.image = *image, .name = s->name};
    struct dsc_bytes answer = {0};
    struct jail_limits limits;
    struct dsc_buffer *room;
    enum dsc_status st;
    int64_t n;

    DSC_TRY(dsc_shape_check(s->dtype, s->rank, s->dim, &n, err));
    want.n_bytes = dsc_dtype_bytes(s->dtype, n);
    DSC_TRY(jail_room(&room, want.n_bytes, err));
    want.dst = room->data;
    limits = limits_of(image, want.n_bytes);
    st = jail_run(h5_child_load, &want, &limits, &answer, err);
    dsc_bytes_clear(&answer);
    if (st == DSC_OK)
        st = dsc_tensor_wrap(t, s->dtype, s->rank, s->dim, room->data, room, err);
    dsc_buffer_unref(room);
    return st;
}

enum dsc_status h5_load(const struct dsc_model *m, const struct dsc_stored *s, struct dsc_tensor *t,
                        struct dsc_err *err)
{
    const struct h5_coding *coding = s->coding;

    if (coding->is_plain)
        return mapped_tensor(t, s->dtype, s->rank, s->dim,
                             (const unsigned char *)m->file->data + s->offset, m->file, false, err);
    return decode(s, &coding->image, t, err);
}

/* The bytes belong to nobody here: the buffer lives as long as the bundle. */
static void release_nothing(struct dsc_buffer *b)
{
    (void)b;
}

static enum dsc_status view_all(const struct dsc_model *m, struct dsc_bundle *b,
                                struct dsc_err *err)
{
    for (int i = 0; i < m->n_stored; i++) {
        struct dsc_tensor t;
        enum dsc_status st;

        DSC_TRY(h5_load(m, &m->stored[i], &t, err));
        st = dsc_bundle_add(b, m->stored[i].name, &t, err);
        dsc_tensor_clear(&t);
        DSC_TRY(st);
    }
    return b->n ? dsc_bundle_sort(b, err) : dsc_fail(err, DSC_E_EMPTY, "no datasets of numbers");
}

enum dsc_status h5_view_bytes(struct dsc_bundle *b, const void *data, size_t n_bytes,
                              const struct dsc_log *log, struct dsc_err *err)
{
    const struct h5_image image = {data, n_bytes};
    struct dsc_model m = {0};
    enum dsc_status st;

    dsc_bundle_init(b);
    DSC_NEW(m.file, &b->arena, 1, err);
    atomic_init(&m.file->n_refs, 1);
    m.file->data = (void *)(uintptr_t)data;
    m.file->n_bytes = n_bytes;
    m.file->release = release_nothing;
    st = h5_is_signature(data, n_bytes) ? h5_read(&m, &image, log, err)
                                        : dsc_fail(err, DSC_E_MAGIC, "not an HDF5 file");
    if (st == DSC_OK)
        st = view_all(&m, b, err);
    dsc_bundle_clear(&m.tensors);
    if (st != DSC_OK)
        dsc_bundle_clear(b);
    return st;
}

static enum dsc_status read(struct dsc_model *m, const char *path, const struct dsc_read_opts *o,
                            struct dsc_err *err)
{
    struct dsc_file file;
    struct h5_image image;

    DSC_TRY(dsc_file_open(&file, path, 0, err));
    DSC_TRY(mapped_buffer(&file, &m->file, err));
    m->size_bytes = m->file->n_bytes;
    image = (struct h5_image){m->file->data, m->file->n_bytes};
    DSC_TRY(h5_read(m, &image, o ? o->log : NULL, err));
    if (dsc_bundle_meta(&m->tensors, "model_config"))
        return keras_read_h5(m, o ? o->log : NULL, err);
    return m->n_stored ? DSC_OK : dsc_fail(err, DSC_E_EMPTY, "no datasets of numbers");
}

static bool probe(const struct dsc_probe *p)
{
    return !p->is_folder && h5_is_signature(p->head, p->n_head_bytes);
}

const struct dsc_format dsc_format_hdf5 = {
    .name = "hdf5",
    .text = "HDF5 file (datasets as tensors)",
    .probe = probe,
    .read = read,
    .load = h5_load,
};
