/*
 * NumPy's array files: .npy (versions 1.0, 2.0, 3.0) and .npz (a zip of them, stored or deflated).
 *
 * Read: booleans, integers of 1 to 8 bytes, floats of 2, 4 and 8 bytes; little and big endian; C
 * and Fortran order. What comes back is little endian in C order. Objects are never unpickled.
 */
#ifndef FORMATS_NPZ_H
#define FORMATS_NPZ_H

#include "dsc/bundle.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { DSC_NPY_HEADER_MAX_BYTES = 64 * 1024 };

/**
 * Read all arrays into `b`, sorted by name; the names are without ".npy".
 *
 * Memory  initialises b; a failed read leaves it cleared
 * Errors  NOINPUT      missing or unreadable; MAGIC: no zip file
 *         LIMIT        arrays of over max_bytes in sum (0: 16 GiB), a ratio that deflate cannot
 *                      reach, or a header of over DSC_NPY_HEADER_MAX_BYTES
 *         VERSION, SCHEMA, TRUNC, RANGE, OVERFLOW, CRC  an array file that is broken
 *         UNSUPPORTED  objects, strings, complex numbers, records; more than DSC_MAX_RANK axes;
 *                      encryption
 *         DUP          two arrays of one name; EMPTY: no arrays
 */
enum dsc_status dsc_npz_read(struct dsc_bundle *b, const char *path, size_t max_bytes,
                             struct dsc_err *err);

/**
 * The same from bytes, for arrays that are only copied from: those that are stored, little endian
 * and in C order are not copied but seen where they lie, AT ANY ALIGNMENT. An error names no file.
 *
 * Memory  the bytes outlive the bundle
 * Errors  INCONSISTENT  also where two entries of one name lie in a row
 */
enum dsc_status dsc_npz_view_bytes(struct dsc_bundle *b, const void *data, size_t n_bytes,
                                   size_t max_bytes, struct dsc_err *err);

/** One .npy file. Errors as dsc_npz_read. */
enum dsc_status dsc_npy_read(struct dsc_tensor *t, const char *path, size_t max_bytes,
                             struct dsc_err *err);

/** The type itself, or one that holds its values where NumPy has not got it (bf16, i4, u4). */
enum dsc_dtype dsc_npz_dtype(enum dsc_dtype d);

/**
 * Write the host tensors of a bundle in its order, stored; its texts are not kept. Same tensors
 * give the same bytes: there is no clock in the file.
 *
 * Errors  UNSUPPORTED  a type that NumPy does not have (bf16, i4, u4)
 *         DUP          two arrays of one name; USAGE: an empty name, or one of over 65,000 bytes
 *         as dsc_out_open and dsc_out_commit
 */
enum dsc_status dsc_npz_write(const char *path, const struct dsc_bundle *b, bool may_replace,
                              struct dsc_err *err);

#endif
