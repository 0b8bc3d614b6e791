/*
 * Bytes in and out: files mapped read-only, a bounded reader over them, and a writer whose output
 * appears under its name only when it is complete.
 */
#ifndef DSC_IO_H
#define DSC_IO_H

#include "dsc/arena.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * A whole file, mapped read-only and private; an empty file has data = NULL, n_bytes = 0.
 * A pipe or device is read into memory instead (limit: max_bytes of dsc_file_open).
 */
struct dsc_file {
    const unsigned char *data;
    size_t n_bytes;
    bool is_mapped;
};

/**
 * Errors  NOINPUT  missing, unreadable, or a directory
 *         LIMIT    larger than max_bytes (0 = no limit; for pipes 1 GiB)
 *         MEMORY   no address space
 */
enum dsc_status dsc_file_open(struct dsc_file *f, const char *path, size_t max_bytes,
                              struct dsc_err *err);
void dsc_file_close(struct dsc_file *f);
/** The n bytes at `at` are not needed in memory for now: they come back when they are touched. */
void dsc_file_forget(const struct dsc_file *f, size_t at, size_t n);

/**
 * Bounded reader. A failed read yields zeros (NULL for pointers) and keeps the first error, so that
 * a parser may read a whole structure and check once with dsc_rd_status.
 */
struct dsc_rd {
    const unsigned char *data;
    size_t n_bytes;
    size_t pos;
    size_t base; /* offset of data[0] in the file, for messages */
    struct dsc_err *err;
};

void dsc_rd_init(struct dsc_rd *r, const void *data, size_t n_bytes, struct dsc_err *err);
/** A reader over the next n bytes of r, which r skips. Errors of the part are errors of r. */
struct dsc_rd dsc_rd_sub(struct dsc_rd *r, size_t n_bytes);
size_t dsc_rd_left(const struct dsc_rd *r);
const void *dsc_rd_bytes(struct dsc_rd *r, size_t n_bytes); /* NULL after an error */
void dsc_rd_skip(struct dsc_rd *r, size_t n_bytes);
void dsc_rd_magic(struct dsc_rd *r, const char *magic, size_t n_bytes); /* else MAGIC */
uint8_t dsc_rd_u8(struct dsc_rd *r);
uint16_t dsc_rd_u16le(struct dsc_rd *r);
uint32_t dsc_rd_u32le(struct dsc_rd *r);
uint64_t dsc_rd_u64le(struct dsc_rd *r);
/** Protocol-buffer varint, at most 10 bytes. */
uint64_t dsc_rd_varint(struct dsc_rd *r);
enum dsc_status dsc_rd_fail(struct dsc_rd *r, enum dsc_status s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
enum dsc_status dsc_rd_status(const struct dsc_rd *r);

/**
 * Atomic writer: bytes go to a temporary file in the target's folder; commit syncs it, renames it
 * over the target and syncs the folder; abort (or a failed commit) leaves nothing behind.
 * The first failed write is kept; later writes do nothing, and commit reports it.
 * A pipe or device (/dev/stdout) is written directly; temp_path is then "".
 */
struct dsc_out {
    int fd;
    char *path;
    char *temp_path;
    unsigned char *buf;
    size_t n_buffered;
    uint64_t n_written; /* bytes given to the writer so far */
    bool may_replace;
    struct dsc_err err;
};

/** A pipe, a device or an open stream ("/dev/stderr", though it be a file): it is written to where
 *  it stands, and nothing takes its place. */
bool dsc_out_is_special(const char *path);

/**
 * Errors  EXISTS  the target is a file and may_replace is false, it is a folder, or its folder
 *                 cannot be written
 */
enum dsc_status dsc_out_open(struct dsc_out *o, const char *path, bool may_replace,
                             struct dsc_err *err);
void dsc_out_write(struct dsc_out *o, const void *data, size_t n_bytes);
void dsc_out_text(struct dsc_out *o, const char *text);
void dsc_out_printf(struct dsc_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Zero bytes up to the next multiple of `align` (a power of two) of n_written. */
void dsc_out_pad(struct dsc_out *o, size_t align);
/** Flush to the temporary file and sync it, without giving it its name: for verification. */
enum dsc_status dsc_out_flush(struct dsc_out *o, struct dsc_err *err);
enum dsc_status dsc_out_commit(struct dsc_out *o, struct dsc_err *err);
/** Harmless after commit, and on a zeroed struct. */
void dsc_out_abort(struct dsc_out *o);

/** Growing byte buffer on the heap; zero-initialise. A failed append is kept in `is_failed`. */
struct dsc_bytes {
    unsigned char *data;
    size_t n_bytes;
    size_t cap_bytes;
    bool is_failed;
};

void dsc_bytes_add(struct dsc_bytes *b, const void *data, size_t n_bytes);
void dsc_bytes_text(struct dsc_bytes *b, const char *text);
void dsc_bytes_printf(struct dsc_bytes *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void dsc_bytes_clear(struct dsc_bytes *b);

/** sha256 as in FIPS 180-4. `hex` gets 64 digits and a 0. */
struct dsc_sha256 {
    uint64_t state[14]; /* libcrypto's */
};

void dsc_sha256_init(struct dsc_sha256 *h);
void dsc_sha256_add(struct dsc_sha256 *h, const void *data, size_t n_bytes);
void dsc_sha256_hex(struct dsc_sha256 *h, char hex[65]);

#endif
