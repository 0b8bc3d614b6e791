/* The wire format of protocol buffers: one bounded walker, one writer. */
#include "model/onnx_wire.h"

#include <string.h>

enum { WIRE_TEXT_MAX_BYTES = 256 * 1024 * 1024 };

bool wire_next(struct dsc_rd *r, struct wire_field *f)
{
    uint64_t tag;

    if (dsc_rd_left(r) == 0)
        return false;
    tag = dsc_rd_varint(r);
    *f = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = (enum wire_type)(tag & 7)};
    f->bytes.err = r->err;
    if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) {
        if (dsc_rd_status(r) == DSC_OK)
            dsc_rd_fail(r, DSC_E_SCHEMA, "a field has the number %llu",
                        (unsigned long long)(tag >> 3));
        return false;
    }
    switch (f->type) {
    case WIRE_VARINT:
        f->bits = dsc_rd_varint(r);
        break;
    case WIRE_FIXED64:
        f->bits = dsc_rd_u64le(r);
        break;
    case WIRE_FIXED32:
        f->bits = dsc_rd_u32le(r);
        break;
    case WIRE_BYTES: {
        const uint64_t n = dsc_rd_varint(r);

        if (n > SIZE_MAX / 2 || n > dsc_rd_left(r))
            dsc_rd_fail(r, DSC_E_TRUNC, "field %u has %llu bytes, %zu are left", f->number,
                        (unsigned long long)n, dsc_rd_left(r));
        else
            f->bytes = dsc_rd_sub(r, (size_t)n);
        break;
    }
    default:
        dsc_rd_fail(r, DSC_E_SCHEMA, "field %u has wire type %u", f->number, (unsigned)f->type);
    }
    return dsc_rd_status(r) == DSC_OK;
}

static bool has_type(struct dsc_rd *r, const struct wire_field *f, enum wire_type type)
{
    if (f->type != type)
        dsc_rd_fail(r, DSC_E_SCHEMA, "field %u has wire type %u, not %u", f->number,
                    (unsigned)f->type, (unsigned)type);
    return dsc_rd_status(r) == DSC_OK;
}

int64_t wire_int(struct dsc_rd *r, const struct wire_field *f)
{
    return has_type(r, f, WIRE_VARINT) ? (int64_t)f->bits : 0;
}

float wire_float(struct dsc_rd *r, const struct wire_field *f)
{
    const uint32_t bits = has_type(r, f, WIRE_FIXED32) ? (uint32_t)f->bits : 0;
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

struct dsc_rd wire_bytes(struct dsc_rd *r, const struct wire_field *f)
{
    return has_type(r, f, WIRE_BYTES) ? f->bytes : (struct dsc_rd){.err = r->err};
}

/* Bytes that follow a lead byte, or -1; `min` is the least code point that needs so many. */
static int n_follow(unsigned char lead, uint32_t *cp, uint32_t *min)
{
    if (lead < 0x80) {
        *cp = lead;
        *min = 1;
        return 0;
    }
    if (lead >> 5 == 6) {
        *cp = lead & 0x1F;
        *min = 0x80;
        return 1;
    }
    if (lead >> 4 == 14) {
        *cp = lead & 0x0F;
        *min = 0x800;
        return 2;
    }
    *cp = lead & 0x07;
    *min = 0x10000;
    return lead >> 3 == 30 ? 3 : -1;
}

bool wire_is_text(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t cp, min;
        const int follow = n_follow(p[i++], &cp, &min);

        if (follow < 0 || (size_t)follow > n - i)
            return false;
        for (int k = 0; k < follow; k++, i++) {
            if (p[i] >> 6 != 2)
                return false;
            cp = cp << 6 | (p[i] & 0x3F);
        }
        if (cp < min || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
            return false;
    }
    return true;
}

char *wire_text(struct dsc_rd *r, const struct wire_field *f, struct dsc_arena *a)
{
    const struct dsc_rd b = wire_bytes(r, f);

    if (dsc_rd_status(r) != DSC_OK)
        return NULL;
    if (b.n_bytes > WIRE_TEXT_MAX_BYTES)
        dsc_rd_fail(r, DSC_E_LIMIT, "text of %zu bytes, limit %d", b.n_bytes, WIRE_TEXT_MAX_BYTES);
    else if (!wire_is_text(b.data, b.n_bytes))
        dsc_rd_fail(r, DSC_E_ENCODING, "field %u is not UTF-8 text", f->number);
    else
        return dsc_arena_strndup(a, (const char *)b.data, b.n_bytes, r->err);
    return NULL;
}

/* One number at the reader's place. */
static uint64_t read_number(struct dsc_rd *r, size_t elem_bytes)
{
    return elem_bytes == 0 ? dsc_rd_varint(r) : elem_bytes == 4 ? dsc_rd_u32le(r) : dsc_rd_u64le(r);
}

static void store(void *out, size_t i, size_t elem_bytes, uint64_t bits)
{
    if (elem_bytes == 4)
        ((uint32_t *)out)[i] = (uint32_t)bits;
    else
        ((uint64_t *)out)[i] = bits;
}

size_t wire_repeated(struct dsc_rd msg, uint32_t number, size_t elem_bytes, void *out, size_t cap)
{
    const enum wire_type plain = elem_bytes == 0   ? WIRE_VARINT
                                 : elem_bytes == 4 ? WIRE_FIXED32
                                                   : WIRE_FIXED64;
    struct wire_field f;
    size_t n = 0;

    while (wire_next(&msg, &f)) {
        if (f.number != number)
            continue;
        if (f.type == plain) {
            if (out && n < cap)
                store(out, n, elem_bytes, f.bits);
            n++;
            continue;
        }
        if (!has_type(&msg, &f, WIRE_BYTES))
            break;
        while (dsc_rd_left(&f.bytes) > 0) {
            const uint64_t bits = read_number(&f.bytes, elem_bytes);

            if (out && n < cap)
                store(out, n, elem_bytes, bits);
            n++;
        }
    }
    return n;
}

/* In at least n_least of the ten bytes. */
static size_t varint_bytes(uint64_t v, size_t n_least, unsigned char text[WIRE_VARINT_BYTES])
{
    size_t n = 0;

    for (; v > 0x7F || n + 1 < n_least; v >>= 7)
        text[n++] = (unsigned char)(v | 0x80);
    text[n++] = (unsigned char)v;
    return n;
}

size_t wire_int_bytes(uint64_t v)
{
    unsigned char text[WIRE_VARINT_BYTES];

    return varint_bytes(v, 1, text);
}

static void put_raw(struct wire_out *w, const void *data, size_t n_bytes)
{
    w->n_bytes += n_bytes;
    if (w->out)
        dsc_out_write(w->out, data, n_bytes);
}

static void put_varint(struct wire_out *w, uint64_t v, size_t n_least)
{
    unsigned char text[WIRE_VARINT_BYTES];

    put_raw(w, text, varint_bytes(v, n_least, text));
}

static void put_tag(struct wire_out *w, uint32_t number, enum wire_type type)
{
    put_varint(w, (uint64_t)number << 3 | (uint64_t)type, 1);
}

void wire_put_bytes(struct wire_out *w, uint32_t number, const void *data, size_t n_bytes)
{
    put_tag(w, number, WIRE_BYTES);
    put_varint(w, n_bytes, 1);
    put_raw(w, data, n_bytes);
}

void wire_put_text(struct wire_out *w, uint32_t number, const char *text)
{
    wire_put_bytes(w, number, text, strlen(text));
}

void wire_put_int(struct wire_out *w, uint32_t number, int64_t v)
{
    wire_put_wide_int(w, number, v, 1);
}

void wire_put_wide_int(struct wire_out *w, uint32_t number, int64_t v, size_t n_least)
{
    put_tag(w, number, WIRE_VARINT);
    put_varint(w, (uint64_t)v, n_least);
}

void wire_put_float(struct wire_out *w, uint32_t number, float v)
{
    put_tag(w, number, WIRE_FIXED32);
    put_raw(w, &v, sizeof v);
}

void wire_put_message(struct wire_out *w, uint32_t number, wire_emit_fn *emit, const void *ctx)
{
    struct wire_out counted = {0};

    emit(&counted, ctx);
    put_tag(w, number, WIRE_BYTES);
    put_varint(w, counted.n_bytes, 1);
    if (w->out)
        emit(w, ctx);
    else
        w->n_bytes += counted.n_bytes;
}

void wire_put_placed_message(struct wire_out *w, uint32_t number, wire_emit_fn *emit,
                             const void *ctx)
{
    struct wire_out counted = {.n_bytes = w->n_bytes + wire_int_bytes((uint64_t)number << 3) +
                                          WIRE_LENGTH_BYTES};
    const uint64_t start = counted.n_bytes;

    emit(&counted, ctx);
    put_tag(w, number, WIRE_BYTES);
    put_varint(w, counted.n_bytes - start, WIRE_LENGTH_BYTES);
    if (w->out)
        emit(w, ctx);
    else
        w->n_bytes = counted.n_bytes;
}
