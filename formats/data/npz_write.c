/*
 * Writing .npz: a zip of stored entries, with the 64-bit fields wherever a size or offset needs
 * them. Written here and not by libzip, so that arrays go straight from their tensors to the
 * atomic writer, and no clock into the bytes.
 *
 * Source  PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16, 4.5.3
 */
#include "npy.h"

#include <stdio.h>
#include <string.h>

enum {
    DOS_DATE = 1 << 5 | 1, /* 1980-01-01, the first there is */
    NAME_MAX_BYTES = 65000,
    VERSION_64 = 45,
    FLAG_UTF8 = 1 << 11
};

static const uint64_t MAX_32 = UINT32_MAX;

/* An entry, as the directory at the end needs it. */
struct entry {
    const char *name;
    uint64_t n_bytes, offset;
    uint32_t crc;
};

static void crc_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;

        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xEDB88320u ^ c >> 1 : c >> 1;
        table[i] = c;
    }
}

static uint32_t crc_add(uint32_t crc, const uint32_t table[256], const void *data, size_t n_bytes)
{
    const unsigned char *p = data;

    crc = ~crc;
    for (size_t i = 0; i < n_bytes; i++)
        crc = table[(crc ^ p[i]) & 0xFF] ^ crc >> 8;
    return ~crc;
}

static void put(struct dsc_out *o, uint64_t v, size_t n_bytes)
{
    unsigned char b[8];

    for (size_t i = 0; i < n_bytes; i++)
        b[i] = (unsigned char)(v >> 8 * i);
    dsc_out_write(o, b, n_bytes);
}

static uint64_t or_max(uint64_t v)
{
    return v < MAX_32 ? v : MAX_32;
}

/* The part that the local header and the directory have in common. */
static void put_common(struct dsc_out *o, const struct entry *e, size_t n_extra)
{
    put(o, VERSION_64, 2);
    put(o, FLAG_UTF8, 2);
    put(o, 0, 2); /* stored */
    put(o, 0, 2); /* midnight */
    put(o, DOS_DATE, 2);
    put(o, e->crc, 4);
    put(o, or_max(e->n_bytes), 4);
    put(o, or_max(e->n_bytes), 4);
    put(o, strlen(e->name) + 4, 2);
    put(o, n_extra, 2);
}

static void put_name(struct dsc_out *o, const struct entry *e)
{
    dsc_out_text(o, e->name);
    dsc_out_text(o, ".npy");
}

static void put_local(struct dsc_out *o, const struct entry *e)
{
    const bool is_big = e->n_bytes >= MAX_32;

    put(o, 0x04034B50, 4);
    put_common(o, e, is_big ? 20 : 0);
    put_name(o, e);
    if (is_big) {
        put(o, 1, 2);
        put(o, 16, 2);
        put(o, e->n_bytes, 8);
        put(o, e->n_bytes, 8);
    }
}

static void put_directory_entry(struct dsc_out *o, const struct entry *e)
{
    const size_t n_sizes = e->n_bytes >= MAX_32 ? 16 : 0;
    const size_t n_offset = e->offset >= MAX_32 ? 8 : 0;
    const size_t n_extra = n_sizes + n_offset;

    put(o, 0x02014B50, 4);
    put(o, 3 << 8 | VERSION_64, 2); /* made on Unix */
    put_common(o, e, n_extra ? n_extra + 4 : 0);
    put(o, 0, 2); /* comment */
    put(o, 0, 2); /* disk */
    put(o, 0, 2);
    put(o, (uint64_t)0100644 << 16, 4);
    put(o, or_max(e->offset), 4);
    put_name(o, e);
    if (n_extra) {
        put(o, 1, 2);
        put(o, n_extra, 2);
    }
    if (n_sizes) {
        put(o, e->n_bytes, 8);
        put(o, e->n_bytes, 8);
    }
    if (n_offset)
        put(o, e->offset, 8);
}

static void put_directory(struct dsc_out *o, const struct entry *e, size_t n)
{
    const uint64_t begin = o->n_written;
    uint64_t n_bytes;

    for (size_t i = 0; i < n; i++)
        put_directory_entry(o, &e[i]);
    n_bytes = o->n_written - begin;
    if (n >= UINT16_MAX || n_bytes >= MAX_32 || begin >= MAX_32) {
        const uint64_t at = o->n_written;

        put(o, 0x06064B50, 4);
        put(o, 44, 8);
        put(o, 3 << 8 | VERSION_64, 2);
        put(o, VERSION_64, 2);
        put(o, 0, 8);
        put(o, n, 8);
        put(o, n, 8);
        put(o, n_bytes, 8);
        put(o, begin, 8);
        put(o, 0x07064B50, 4);
        put(o, 0, 4);
        put(o, at, 8);
        put(o, 1, 4);
    }
    put(o, 0x06054B50, 4);
    put(o, 0, 4);
    put(o, n < UINT16_MAX ? n : UINT16_MAX, 2);
    put(o, n < UINT16_MAX ? n : UINT16_MAX, 2);
    put(o, or_max(n_bytes), 4);
    put(o, or_max(begin), 4);
    put(o, 0, 2);
}

static enum dsc_status put_array(struct dsc_out *o, const struct dsc_named_tensor *a,
                                 struct entry *e, const uint32_t table[256], struct dsc_err *err)
{
    const size_t n_data = dsc_tensor_n_bytes(&a->tensor);
    struct dsc_bytes header = {0};
    const enum dsc_status st = dsc_npy_header(&a->tensor, &header, err);

    if (st == DSC_OK) {
        *e = (struct entry){a->name, header.n_bytes + n_data, o->n_written, 0};
        e->crc = crc_add(0, table, header.data, header.n_bytes);
        e->crc = crc_add(e->crc, table, a->tensor.data, n_data);
        put_local(o, e);
        dsc_out_write(o, header.data, header.n_bytes);
        if (n_data > 0)
            dsc_out_write(o, a->tensor.data, n_data);
    }
    dsc_bytes_clear(&header);
    return st;
}

static enum dsc_status check_names(const struct dsc_named_tensor *array, size_t n,
                                   struct dsc_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const size_t n_name = strlen(array[i].name);

        if (n_name == 0 || n_name > NAME_MAX_BYTES)
            return dsc_fail(err, DSC_E_USAGE, "an array name of %zu bytes", n_name);
        for (size_t k = 0; k < i; k++)
            if (strcmp(array[i].name, array[k].name) == 0)
                return dsc_fail(err, DSC_E_DUP, "two arrays named '%.100s'", array[i].name);
    }
    return DSC_OK;
}

enum dsc_dtype dsc_npz_dtype(enum dsc_dtype d)
{
    switch (d) {
    case DSC_BF16:
        return DSC_F32;
    case DSC_I4:
        return DSC_I8;
    case DSC_U4:
        return DSC_U8;
    default:
        return d;
    }
}

enum dsc_status dsc_npz_write(const char *path, const struct dsc_bundle *b, bool may_replace,
                              struct dsc_err *err)
{
    const struct dsc_named_tensor *array = b->items;
    const size_t n = (size_t)b->n;
    struct dsc_out o = {.fd = -1};
    struct entry *entry = NULL;
    uint32_t table[256];
    enum dsc_status st;

    DSC_TRY_OUT(st, check_names(array, n, err));
    entry = dsc_heap_alloc(n, sizeof *entry, err);
    if (!entry)
        return DSC_E_MEMORY;
    crc_table(table);
    DSC_TRY_OUT(st, dsc_out_open(&o, path, may_replace, err));
    for (size_t i = 0; i < n; i++) {
        st = put_array(&o, &array[i], &entry[i], table, err);
        if (st != DSC_OK) {
            dsc_err_where(err, "array '%.100s'", array[i].name);
            goto out;
        }
    }
    put_directory(&o, entry, n);
    st = dsc_out_commit(&o, err);
out:
    if (st != DSC_OK)
        dsc_err_file(err, path);
    dsc_out_abort(&o);
    dsc_heap_free(entry);
    return st;
}
