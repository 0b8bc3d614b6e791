/*
 * Protocol-buffer wire format: walking a message in place, and writing one in two runs.
 *
 * Source  https://protobuf.dev/programming-guides/encoding
 */
#ifndef ONNX_WIRE_H
#define ONNX_WIRE_H

#include "dsc/arena.h"
#include "dsc/io.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/** A field: `number` and `type`; its value is in `bits` (numbers) or `bytes` (a window). */
struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t bits;
    struct dsc_rd bytes;
};

/** The next field; false at the end or after an error (which stays in r->err). */
bool wire_next(struct dsc_rd *r, struct wire_field *f);

/** Typed access. A wire type that does not fit is SCHEMA and yields 0, or an empty window. */
int64_t wire_int(struct dsc_rd *r, const struct wire_field *f);
float wire_float(struct dsc_rd *r, const struct wire_field *f);
struct dsc_rd wire_bytes(struct dsc_rd *r, const struct wire_field *f);
/** UTF-8 text without NUL, copied; NULL after an error (ENCODING, LIMIT, MEMORY). */
char *wire_text(struct dsc_rd *r, const struct wire_field *f, struct dsc_arena *a);

/**
 * All occurrences of a repeated number field of `msg`, packed or not. elem_bytes 0: varints, stored
 * as 64-bit; 4 or 8: fixed size, stored as they are. `out` NULL: count only. Returns the count;
 * never stores more than cap. Errors stay in msg.err.
 */
size_t wire_repeated(struct dsc_rd msg, uint32_t number, size_t elem_bytes, void *out, size_t cap);

/** True when the n bytes are well-formed UTF-8 without NUL. */
bool wire_is_text(const unsigned char *p, size_t n);

/* A number's most bytes, and a length's: readers take no longer ones. */
enum { WIRE_VARINT_BYTES = 10, WIRE_LENGTH_BYTES = 5 };

/** Writer: `out` NULL counts bytes only. */
struct wire_out {
    struct dsc_out *out;
    uint64_t n_bytes;
};

typedef void wire_emit_fn(struct wire_out *w, const void *ctx);

void wire_put_bytes(struct wire_out *w, uint32_t number, const void *data, size_t n_bytes);
void wire_put_text(struct wire_out *w, uint32_t number, const char *text);
void wire_put_int(struct wire_out *w, uint32_t number, int64_t v);
void wire_put_float(struct wire_out *w, uint32_t number, float v);
void wire_put_message(struct wire_out *w, uint32_t number, wire_emit_fn *emit, const void *ctx);

/**
 * So that bytes can stand at a multiple of 8: a number in at least n_least bytes (<= 10) where
 * fewer would do, which readers take as they take others, and a message whose emit sees in
 * w->n_bytes where in the file it stands, when it is counted too. All messages around it have to be
 * such.
 */
void wire_put_wide_int(struct wire_out *w, uint32_t number, int64_t v, size_t n_least);
void wire_put_placed_message(struct wire_out *w, uint32_t number, wire_emit_fn *emit,
                             const void *ctx);
/** Bytes of a number, or of a length, at the least. */
size_t wire_int_bytes(uint64_t v);

#endif
