/* GGUF's metadata: keys with typed values. All are walked; what is shown of them is text. */
#include "dsc/checked.h"
#include "formats_text.h"
#include "model/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_ELEMS = 8, TEXT_BYTES = 64, KEY_MIN_BYTES = 8 + 4 + 1 };

static const struct {
    const char *name;
    int n_bytes; /* 0: not of one size */
} values[GGUF_VALUE_COUNT] = {
    [GGUF_U8] = {"u8", 1},       [GGUF_I8] = {"i8", 1},     [GGUF_U16] = {"u16", 2},
    [GGUF_I16] = {"i16", 2},     [GGUF_U32] = {"u32", 4},   [GGUF_I32] = {"i32", 4},
    [GGUF_F32] = {"f32", 4},     [GGUF_BOOL] = {"bool", 1}, [GGUF_STRING] = {"string", 0},
    [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"u64", 8},   [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

char *gguf_read_text(struct dsc_rd *r, struct dsc_arena *arena, size_t max_bytes, const char *what)
{
    const size_t begin = r->base + r->pos;
    const uint64_t n = dsc_rd_u64le(r);
    const char *p;
    char *text;

    if (dsc_rd_status(r) == DSC_OK && max_bytes && n > max_bytes)
        dsc_rd_fail(r, DSC_E_LIMIT, "%s of %" PRIu64 " bytes, at most %zu are read", what, n,
                    max_bytes);
    p = dsc_rd_bytes(r, (size_t)n);
    if (!p)
        return NULL;
    if (dsc_utf8_check(p, (size_t)n) != (size_t)n || memchr(p, 0, (size_t)n)) {
        dsc_fail(r->err, DSC_E_ENCODING, "%s is no UTF-8 text", what);
        dsc_err_where(r->err, "byte %zu", begin);
        return NULL;
    }
    text = dsc_arena_strndup(arena, p, (size_t)n, r->err);
    return text;
}

enum dsc_status gguf_name_object(struct dsc_err *err, const char *what, const char *name)
{
    char at[64];

    snprintf(at, sizeof at, "%.63s", err->where);
    err->where[0] = '\0';
    return dsc_err_where(err, "%s '%.100s'%s%s", what, name, at[0] ? ", " : "", at);
}

/* A number or bool as text. */
static void read_scalar(struct dsc_rd *r, uint32_t type, char *text, size_t n_text)
{
    const unsigned char *p = dsc_rd_bytes(r, (size_t)values[type].n_bytes);
    uint64_t bits = 0;
    float f;
    double d;

    for (int i = values[type].n_bytes; p && i > 0; i--)
        bits = bits << 8 | p[i - 1];
    if (type == GGUF_F32) {
        memcpy(&f, &(uint32_t){(uint32_t)bits}, sizeof f);
        snprintf(text, n_text, "%.9g", (double)f);
    } else if (type == GGUF_F64) {
        memcpy(&d, &bits, sizeof d);
        snprintf(text, n_text, "%.17g", d);
    } else if (type == GGUF_BOOL) {
        if (bits > 1)
            dsc_rd_fail(r, DSC_E_RANGE, "a bool of %" PRIu64, bits);
        snprintf(text, n_text, "%s", bits ? "true" : "false");
    } else if (type == GGUF_I8 || type == GGUF_I16 || type == GGUF_I32 || type == GGUF_I64) {
        const int n_unused = 64 - 8 * values[type].n_bytes;

        snprintf(text, n_text, "%" PRId64, (int64_t)(bits << n_unused) >> n_unused);
    } else {
        snprintf(text, n_text, "%" PRIu64, bits);
    }
}

static enum dsc_status check_type(struct dsc_rd *r, uint32_t type)
{
    if (dsc_rd_status(r) == DSC_OK && type >= GGUF_VALUE_COUNT)
        return dsc_rd_fail(r, DSC_E_TYPE, "a value of unknown type %" PRIu32, type);
    return dsc_rd_status(r);
}

/* What is in an array is walked, not kept. */
static enum dsc_status skip_elems(struct dsc_rd *r, uint32_t type, uint64_t n, int depth)
{
    size_t n_bytes;

    if (values[type].n_bytes) {
        if (!dsc_mul_size((size_t)n, (size_t)values[type].n_bytes, &n_bytes))
            return dsc_rd_fail(r, DSC_E_OVERFLOW, "an array of %" PRIu64 " elements", n);
        dsc_rd_skip(r, n_bytes);
        return dsc_rd_status(r);
    }
    if (depth >= GGUF_MAX_NESTING)
        return dsc_rd_fail(r, DSC_E_LIMIT, "arrays nest deeper than %d", GGUF_MAX_NESTING);
    for (uint64_t i = 0; i < n && dsc_rd_status(r) == DSC_OK; i++) {
        if (type == GGUF_STRING) {
            dsc_rd_skip(r, (size_t)dsc_rd_u64le(r));
        } else {
            const uint32_t inner = dsc_rd_u32le(r);

            DSC_TRY(check_type(r, inner));
            DSC_TRY(skip_elems(r, inner, dsc_rd_u64le(r), depth + 1));
        }
    }
    return dsc_rd_status(r);
}

/* A short list of numbers as one; else "[49152 x string]". */
static char *read_array(struct dsc_rd *r, struct dsc_arena *arena)
{
    const uint32_t type = dsc_rd_u32le(r);
    const uint64_t n = dsc_rd_u64le(r);
    char text[SHOWN_ELEMS * TEXT_BYTES + 4] = "[";
    size_t at = 1;

    if (check_type(r, type) != DSC_OK)
        return NULL;
    if (n > SHOWN_ELEMS || !values[type].n_bytes) {
        if (skip_elems(r, type, n, 1) != DSC_OK)
            return NULL;
        return dsc_arena_printf(arena, r->err, "[%" PRIu64 " x %s]", n, values[type].name);
    }
    for (uint64_t i = 0; i < n; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s", i ? "," : "");
        read_scalar(r, type, text + at, TEXT_BYTES - 1);
        at += strlen(text + at);
    }
    return dsc_rd_status(r) == DSC_OK ? dsc_arena_printf(arena, r->err, "%s]", text) : NULL;
}

static char *read_value(struct dsc_rd *r, uint32_t type, struct dsc_arena *arena)
{
    char text[TEXT_BYTES] = "";

    if (check_type(r, type) != DSC_OK)
        return NULL;
    if (type == GGUF_STRING)
        return gguf_read_text(r, arena, 0, "a string");
    if (type == GGUF_ARRAY)
        return read_array(r, arena);
    read_scalar(r, type, text, sizeof text);
    return dsc_rd_status(r) == DSC_OK ? dsc_arena_strdup(arena, text, r->err) : NULL;
}

static enum dsc_status take_align(struct gguf_file *f, const struct gguf_key *k, const char *value,
                                  struct dsc_err *err)
{
    if (strcmp(k->name, "general.alignment") != 0)
        return DSC_OK;
    if (k->type != GGUF_U32)
        return dsc_fail(err, DSC_E_TYPE, "general.alignment is %s, not u32", values[k->type].name);
    f->align = (uint32_t)strtoul(value, NULL, 10);
    if (f->align < 8 || (f->align & (f->align - 1)) != 0)
        return dsc_fail(err, DSC_E_RANGE, "general.alignment of %" PRIu32, f->align);
    return DSC_OK;
}

static enum dsc_status read_key(struct dsc_rd *r, struct gguf_file *f, struct dsc_bundle *meta)
{
    struct gguf_key *k = &f->keys[f->n_keys];
    const size_t begin = r->pos;
    const char *value;

    k->raw = r->data + begin;
    k->name = gguf_read_text(r, &meta->arena, GGUF_MAX_KEY_BYTES, "a key");
    k->type = dsc_rd_u32le(r);
    value = k->name ? read_value(r, k->type, &meta->arena) : NULL;
    if (value && dsc_bundle_meta(meta, k->name))
        dsc_rd_fail(r, DSC_E_DUP, "the key stands twice");
    else if (value && take_align(f, k, value, r->err) != DSC_OK)
        dsc_err_where(r->err, "byte %zu", r->base + begin);
    if (dsc_rd_status(r) != DSC_OK)
        return k->name ? gguf_name_object(r->err, "key", k->name) : dsc_rd_status(r);
    k->n_raw_bytes = r->pos - begin;
    f->n_keys++;
    return dsc_bundle_set_meta(meta, k->name, value, r->err);
}

enum dsc_status gguf_read_keys(struct dsc_rd *r, uint64_t n_keys, struct gguf_file *f,
                               struct dsc_bundle *meta)
{
    f->align = GGUF_DEFAULT_ALIGN;
    if (n_keys > GGUF_MAX_KEYS)
        return dsc_rd_fail(r, DSC_E_LIMIT, "%" PRIu64 " keys, at most %d are read", n_keys,
                           GGUF_MAX_KEYS);
    if (n_keys > dsc_rd_left(r) / KEY_MIN_BYTES)
        return dsc_rd_fail(r, DSC_E_TRUNC, "%" PRIu64 " keys do not fit into %zu bytes", n_keys,
                           dsc_rd_left(r));
    DSC_NEW(f->keys, &meta->arena, n_keys + 1, r->err);
    for (uint64_t i = 0; i < n_keys; i++)
        DSC_TRY(read_key(r, f, meta));
    return DSC_OK;
}
