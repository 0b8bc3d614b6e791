/*
 * Safetensors: a JSON header and the tensors' bytes, without holes or overlaps; or an index of
 * such files ("model.safetensors.index.json").
 *
 * Source  https://github.com/huggingface/safetensors, "Format"
 */
#include "formats_model.h"
#include "formats_text.h"
#include "model/mapped.h"
#include "model/safetensors.h"
#include "model/shards.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ST_PREFIX_BYTES = 8, ST_HEADER_MAX_BYTES = 100 * 1000 * 1000 };

/* The rows that tensors have; others of the format are named when they are met. */
static const struct st_dtype dtype_rows[] = {
    {"F64", DSC_F64}, {"F32", DSC_F32}, {"F16", DSC_F16},  {"BF16", DSC_BF16}, {"I64", DSC_I64},
    {"I32", DSC_I32}, {"I16", DSC_I16}, {"I8", DSC_I8},    {"U64", DSC_U64},   {"U32", DSC_U32},
    {"U16", DSC_U16}, {"U8", DSC_U8},   {"BOOL", DSC_BOOL}};

const char *st_dtype_text(enum dsc_dtype d)
{
    for (size_t i = 0; i < sizeof dtype_rows / sizeof dtype_rows[0]; i++)
        if (dtype_rows[i].dtype == d)
            return dtype_rows[i].text;
    return NULL;
}

static enum dsc_dtype dtype_of_text(const char *text)
{
    for (size_t i = 0; i < sizeof dtype_rows / sizeof dtype_rows[0]; i++)
        if (strcmp(dtype_rows[i].text, text) == 0)
            return dtype_rows[i].dtype;
    return DSC_DTYPE_NONE;
}

/* An entry of the header, checked but for its neighbours. */
struct entry {
    const char *name;
    enum dsc_dtype dtype;
    int rank;
    int64_t dim[DSC_MAX_RANK];
    uint64_t begin, end;
};

/* One file being read. */
struct st_in {
    struct dsc_bundle *b;
    struct dsc_buffer *file;
    const unsigned char *data; /* after the header */
    uint64_t n_data_bytes;
    int n_entries;
    struct entry *entries;
    char missing[512]; /* entries of types that tensors do not have */
    int n_missing;
    struct dsc_err *err;
};

static enum dsc_status schema_fail(struct st_in *in, const char *name, const char *what)
{
    return dsc_fail(in->err, DSC_E_SCHEMA, "tensor '%s': %s", name, what);
}

static enum dsc_status read_shape(struct st_in *in, const json_t *shape, struct entry *e)
{
    if (!json_is_array(shape))
        return schema_fail(in, e->name, "\"shape\" is no list");
    if (json_array_size(shape) > DSC_MAX_RANK)
        return dsc_fail(in->err, DSC_E_LIMIT, "tensor '%s' has %zu axes, at most %d are supported",
                        e->name, json_array_size(shape), DSC_MAX_RANK);
    e->rank = (int)json_array_size(shape);
    for (int i = 0; i < e->rank; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);

        if (!json_is_integer(dim))
            return schema_fail(in, e->name, "a size in \"shape\" is no integer");
        e->dim[i] = json_integer_value(dim);
    }
    return DSC_OK;
}

static enum dsc_status read_offsets(struct st_in *in, const json_t *offsets, struct entry *e)
{
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);

    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return schema_fail(in, e->name, "\"data_offsets\" is no pair of integers");
    e->begin = (uint64_t)json_integer_value(begin);
    e->end = (uint64_t)json_integer_value(end);
    if (json_integer_value(begin) < 0 || e->begin > e->end || e->end > in->n_data_bytes)
        return dsc_fail(in->err, DSC_E_RANGE,
                        "tensor '%s' has bytes %" PRId64 " to %" PRId64 " of %" PRIu64, e->name,
                        (int64_t)json_integer_value(begin), (int64_t)json_integer_value(end),
                        in->n_data_bytes);
    return DSC_OK;
}

static void note_missing(struct st_in *in, const char *name, const char *dtype)
{
    const size_t n = strlen(in->missing);

    if (in->n_missing++ < 8)
        snprintf(in->missing + n, sizeof in->missing - n, "%s'%.64s' of type %.16s", n ? ", " : "",
                 name, dtype);
}

static enum dsc_status read_entry(struct st_in *in, const char *name, const json_t *j)
{
    struct entry *e = &in->entries[in->n_entries];
    const char *dtype = json_string_value(json_object_get(j, "dtype"));
    int64_t n;

    *e = (struct entry){.name = name};
    if (!json_is_object(j) || !dtype)
        return schema_fail(in, name, "no \"dtype\"");
    DSC_TRY(read_shape(in, json_object_get(j, "shape"), e));
    DSC_TRY(read_offsets(in, json_object_get(j, "data_offsets"), e));
    e->dtype = dtype_of_text(dtype);
    if (e->dtype == DSC_DTYPE_NONE) {
        note_missing(in, name, dtype);
        return DSC_OK;
    }
    if (dsc_shape_check(e->dtype, e->rank, e->dim, &n, in->err) != DSC_OK)
        return dsc_err_where(in->err, "tensor '%s'", name);
    if (dsc_dtype_bytes(e->dtype, n) != e->end - e->begin)
        return dsc_fail(in->err, DSC_E_INCONSISTENT,
                        "tensor '%s' has %" PRIu64 " bytes for a shape of %zu", name,
                        e->end - e->begin, dsc_dtype_bytes(e->dtype, n));
    in->n_entries++;
    return DSC_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Every byte of the data belongs to exactly one tensor. */
static enum dsc_status check_places(struct st_in *in)
{
    uint64_t at = 0;

    if (in->n_entries > 1)
        qsort(in->entries, (size_t)in->n_entries, sizeof in->entries[0], by_place);
    for (int i = 0; i < in->n_entries; i++) {
        const struct entry *e = &in->entries[i];

        if (e->begin < at)
            return dsc_fail(in->err, DSC_E_ALIAS, "tensor '%s' overlaps the one before it",
                            e->name);
        if (e->begin > at)
            return dsc_fail(in->err, DSC_E_RANGE, "a hole of %" PRIu64 " bytes before tensor '%s'",
                            e->begin - at, e->name);
        at = e->end;
    }
    if (at != in->n_data_bytes)
        return dsc_fail(in->err, DSC_E_RANGE, "%" PRIu64 " bytes at the end belong to no tensor",
                        in->n_data_bytes - at);
    return DSC_OK;
}

static enum dsc_status read_meta(struct st_in *in, const json_t *j)
{
    const char *key;
    json_t *value;

    if (!json_is_object(j))
        return dsc_fail(in->err, DSC_E_SCHEMA, "\"__metadata__\" is no object");
    json_object_foreach((json_t *)(uintptr_t)j, key, value)
    {
        if (!json_is_string(value))
            return dsc_fail(in->err, DSC_E_SCHEMA, "metadata '%s' is no text", key);
        DSC_TRY(dsc_bundle_set_meta(in->b, key, json_string_value(value), in->err));
    }
    return DSC_OK;
}

static enum dsc_status read_entries(struct st_in *in, json_t *header)
{
    const char *name;
    json_t *j;

    json_object_foreach(header, name, j)
    {
        if (strcmp(name, "__metadata__") == 0)
            DSC_TRY(read_meta(in, j));
        else
            DSC_TRY(read_entry(in, name, j));
    }
    if (in->n_missing)
        return dsc_fail(in->err, DSC_E_UNSUPPORTED, "not supported: %s%s", in->missing,
                        in->n_missing > 8 ? " ..." : "");
    DSC_TRY(check_places(in));
    for (int i = 0; i < in->n_entries; i++) {
        const struct entry *e = &in->entries[i];
        struct dsc_tensor t;
        enum dsc_status st;

        DSC_TRY(mapped_tensor(&t, e->dtype, e->rank, e->dim, in->data + e->begin, in->file, false,
                              in->err));
        st = dsc_bundle_add(in->b, e->name, &t, in->err);
        dsc_tensor_clear(&t);
        DSC_TRY(st);
    }
    return DSC_OK;
}

static enum dsc_status read_header(struct st_in *in)
{
    const unsigned char *p = in->file->data;
    uint64_t n_header = 0;
    json_error_t why;
    json_t *header;
    enum dsc_status st;

    if (in->file->n_bytes < ST_PREFIX_BYTES)
        return dsc_fail(in->err, DSC_E_TRUNC, "%zu bytes are no safetensors file",
                        in->file->n_bytes);
    for (int i = ST_PREFIX_BYTES; i > 0; i--)
        n_header = n_header << 8 | p[i - 1];
    if (n_header > ST_HEADER_MAX_BYTES)
        return dsc_fail(in->err, DSC_E_LIMIT, "header of %" PRIu64 " bytes, limit %d", n_header,
                        ST_HEADER_MAX_BYTES);
    if (n_header > in->file->n_bytes - ST_PREFIX_BYTES)
        return dsc_fail(in->err, DSC_E_TRUNC, "header of %" PRIu64 " bytes in a file of %zu",
                        n_header, in->file->n_bytes);
    in->data = p + ST_PREFIX_BYTES + n_header;
    in->n_data_bytes = in->file->n_bytes - ST_PREFIX_BYTES - n_header;
    header = json_loadb((const char *)p + ST_PREFIX_BYTES, (size_t)n_header, JSON_REJECT_DUPLICATES,
                        &why);
    if (!json_is_object(header)) {
        json_decref(header);
        return dsc_fail(in->err, DSC_E_SCHEMA, "the header is no JSON object%s%s",
                        header ? "" : ": ", header ? "" : why.text);
    }
    in->entries = dsc_heap_alloc(json_object_size(header) + 1, sizeof in->entries[0], in->err);
    st = in->entries ? read_entries(in, header) : DSC_E_MEMORY;
    dsc_heap_free(in->entries);
    json_decref(header);
    return st;
}

static enum dsc_status read_one(struct dsc_bundle *b, const char *path, uint64_t *size_bytes,
                                struct dsc_err *err)
{
    struct st_in in = {.b = b, .err = err};
    struct dsc_file f;
    enum dsc_status st;

    DSC_TRY(dsc_file_open(&f, path, 0, err));
    DSC_TRY(mapped_buffer(&f, &in.file, err));
    st = read_header(&in);
    *size_bytes += in.file->n_bytes;
    dsc_buffer_unref(in.file);
    if (st != DSC_OK)
        dsc_err_file(err, path);
    return st;
}

enum dsc_status dsc_safetensors_read(struct dsc_bundle *b, const char *path, uint64_t *size_bytes,
                                     struct dsc_err *err)
{
    struct dsc_err own = {0};
    uint64_t n = 0;
    enum dsc_status st;

    err = err ? err : &own;
    dsc_bundle_init(b);
    st = dsc_ends_with(path, ".index.json") ? shards_read(b, path, read_one, &n, err)
                                            : read_one(b, path, &n, err);
    if (st == DSC_OK)
        st = dsc_bundle_sort(b, err);
    if (size_bytes)
        *size_bytes = n;
    if (st != DSC_OK) {
        dsc_err_file(err, path);
        dsc_bundle_clear(b);
    }
    return st;
}

static bool probe(const struct dsc_probe *p)
{
    if (p->is_folder)
        return false;
    return dsc_ends_with(p->path, ".safetensors") ||
           dsc_ends_with(p->path, ".safetensors.index.json") ||
           (p->n_head_bytes > ST_PREFIX_BYTES && p->head[ST_PREFIX_BYTES] == '{' &&
            p->head[4] == 0 && p->head[5] == 0 && p->head[6] == 0 && p->head[7] == 0);
}

static enum dsc_status read(struct dsc_model *m, const char *path, const struct dsc_read_opts *o,
                            struct dsc_err *err)
{
    (void)o;
    return dsc_safetensors_read(&m->tensors, path, &m->size_bytes, err);
}

const struct dsc_format dsc_format_safetensors = {
    .name = "safetensors",
    .text = "safetensors file or index of shards (tensors alone)",
    .probe = probe,
    .read = read,
};
