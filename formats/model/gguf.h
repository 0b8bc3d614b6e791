/*
 * What the parts of the GGUF reader and writer share.
 *
 * Source  the GGUF specification (docs/gguf.md of ggml-org/ggml); block layouts as ggml's
 */
#ifndef GGUF_H
#define GGUF_H

#include "dsc/arena.h"
#include "dsc/io.h"
#include "formats_model.h"

enum {
    GGUF_MAX_AXES = 4,
    GGUF_MAX_KEYS = 4096,
    GGUF_MAX_KEY_BYTES = 65535,
    GGUF_MAX_NAME_BYTES = 65535,
    GGUF_MAX_NESTING = 4,
    GGUF_DEFAULT_ALIGN = 32
};

/** Types of metadata values, by their numbers. */
enum gguf_value {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_VALUE_COUNT
};

/** A row of gguf_types.def. */
struct gguf_type {
    uint32_t id;
    const char *name;
    int block_elems, block_bytes;
    enum dsc_dtype dtype; /* of the values once they are read */
    void (*decode)(const unsigned char *block, float *dst);
    void (*encode)(const float *src, unsigned char *block);
    const char *wider; /* for rows that are no whole blocks */
};

extern const struct dsc_format dsc_format_gguf;

const struct gguf_type *gguf_type_of_id(uint32_t id);        /* or NULL */
const struct gguf_type *gguf_type_of_name(const char *name); /* or NULL */

/** A key with its value as they stand in the file. */
struct gguf_key {
    const char *name;         /* in the arena */
    const unsigned char *raw; /* key, type and value */
    size_t n_raw_bytes;
    uint32_t type;
};

/** The file behind a dsc_model: dsc_model.own. */
struct gguf_file {
    uint32_t version, align;
    int n_keys;
    struct gguf_key *keys; /* in the order of the file */
};

/**
 * The metadata of a file: reads n_keys keys at r, each once, and puts their texts into meta.
 *
 * Errors  LIMIT  more than GGUF_MAX_KEYS keys; arrays in arrays deeper than GGUF_MAX_NESTING
 *         TYPE   an unknown type of value; general.alignment that is no u32
 *         RANGE  an alignment that is no multiple of 8 and power of two, a bool that is neither
 *         DUP, ENCODING, TRUNC
 */
enum dsc_status gguf_read_keys(struct dsc_rd *r, uint64_t n_keys, struct gguf_file *f,
                               struct dsc_bundle *meta);

/** A string of the file, checked as UTF-8 without NUL, in the arena; NULL after an error. */
char *gguf_read_text(struct dsc_rd *r, struct dsc_arena *arena, size_t max_bytes, const char *what);

/** The place of a failure is in this object: "key 'x', byte 24". Returns the status. */
enum dsc_status gguf_name_object(struct dsc_err *err, const char *what, const char *name);

#define GGUF_DECODE(name) void gguf_decode_##name(const unsigned char *block, float *dst);
GGUF_DECODE(q4_0)
GGUF_DECODE(q4_1)
GGUF_DECODE(q5_0)
GGUF_DECODE(q5_1)
GGUF_DECODE(q8_0)
GGUF_DECODE(q2_k)
GGUF_DECODE(q3_k)
GGUF_DECODE(q4_k)
GGUF_DECODE(q5_k)
GGUF_DECODE(q6_k)
#undef GGUF_DECODE

/** Codes of least squared error that a search finds; src is finite. */
#define GGUF_ENCODE(name) void gguf_encode_##name(const float *src, unsigned char *block);
GGUF_ENCODE(q4_0)
GGUF_ENCODE(q4_1)
GGUF_ENCODE(q5_0)
GGUF_ENCODE(q5_1)
GGUF_ENCODE(q8_0)
GGUF_ENCODE(q4_k)
GGUF_ENCODE(q6_k)
#undef GGUF_ENCODE

/** Scale and offset of sub-block j of 8, 6 bits each, in 12 bytes (q4_K, q5_K). */
void gguf_scale_min(const unsigned char packed[12], int j, int *scale, int *min);

#endif
