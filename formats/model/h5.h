/*
 * HDF5 files: what the child that holds libhdf5 tells of them, and what is made of it.
 *
 * h5_child.c  in the jail: walks the file, reads values that are not plain bytes
 * fmt_hdf5.c    outside: checks what the child says, and opens files
 * h5_write.c  tensors to a file
 */
#ifndef H5_H
#define H5_H

#include "dsc/io.h"
#include "dsc/tensor.h"
#include "formats_model.h"

enum {
    H5_MAX_DEPTH = 32,
    H5_MAX_NAME_BYTES = 1024,
    H5_MAX_OBJECTS = 1 << 20,
    H5_MAX_TEXT_BYTES = 64 << 20, /* an attribute: Keras' model_config */
    H5_NAME_BYTES = 32            /* of a type that is no tensor's */
};

/** How many bytes of values a stored byte may become: beyond that, and 16 MiB, a bomb. */
enum { H5_MAX_RATIO = 64, H5_FREE_BYTES = 16 << 20 };

/** Where values are that are no plain bytes of the file. */
#define H5_NOWHERE UINT64_MAX

/** Records of the child's answer: a byte for the kind; texts are u32 length and bytes. */
enum h5_record {
    H5_RECORD_META = 'm',   /* key, text: a text attribute of the root */
    H5_RECORD_TENSOR = 't', /* name, type's name, u8 dtype, u8 rank, u64 dims, u64 bytes in the
                               file, u64 place or H5_NOWHERE */
};

/** A part of a file that is an HDF5 file (all of it, or an entry of a .keras archive). */
struct h5_image {
    const unsigned char *data;
    size_t n_bytes;
};

/** One dataset whose values are wanted; dst: a room of n_bytes. */
struct h5_want {
    struct h5_image image;
    const char *name;
    void *dst;
    size_t n_bytes;
};

/** For jail_run: ctx is a struct h5_image, the answer are records. */
enum dsc_status h5_child_list(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err);
/** For jail_run: ctx is a struct h5_want. Elements come little endian, else as they are. */
enum dsc_status h5_child_load(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err);

bool h5_is_signature(const unsigned char *data, size_t n_bytes);

/**
 * Fill m->stored and texts of m->tensors with what image holds; offsets are those of m->file, in
 * which the image lies. Datasets that are no tensors are left out, with a warning.
 *
 * Errors  TRUNC, VERSION, INCONSISTENT: what libhdf5 cannot read
 *         PATH         external links, external storage, virtual datasets
 *         UNSUPPORTED  soft links, user-defined links, filters other than deflate, shuffle,
 *                      fletcher32
 *         ALIAS        a group that is reached twice
 *         LIMIT        H5_MAX_*; values of far more bytes than are stored
 *         RANGE, OVERFLOW, SHAPE, ENCODING, DUP; as jail_run
 */
enum dsc_status h5_read(struct dsc_model *m, const struct h5_image *image,
                        const struct dsc_log *log, struct dsc_err *err);
/** All datasets of a file's bytes, which outlive the bundle, as tensors by name. Errors: as
 * h5_read, h5_load; EMPTY */
enum dsc_status h5_view_bytes(struct dsc_bundle *b, const void *data, size_t n_bytes,
                              const struct dsc_log *log, struct dsc_err *err);
enum dsc_status h5_load(const struct dsc_model *m, const struct dsc_stored *s, struct dsc_tensor *t,
                        struct dsc_err *err);

#endif
