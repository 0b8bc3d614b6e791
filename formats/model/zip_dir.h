/*
 * The directory of a zip file whose entries are read where they lie: stored ones, as torch.save
 * writes them. Nothing is inflated. Their sums are compared by who reads their bytes.
 *
 * Source  PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16, 4.4.7, 4.5.3
 */
#ifndef ZIP_DIR_H
#define ZIP_DIR_H

#include "dsc/arena.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zip_entry {
    const char *name;
    uint64_t at, n_bytes; /* of its data in the file; checked to lie there */
    uint32_t sum;         /* CRC-32; 0: none was written (torch.serialization.set_crc32_options) */
    bool is_stored;       /* else neither is what is in the entry */
    bool is_compared;     /* its bytes have that sum */
};

struct zip_dir {
    struct zip_entry *entries;   /* [n] by name, in the arena */
    struct zip_entry **by_place; /* [n] */
    int n;
};

/**
 * Errors  TRUNC  no directory at the end; LIMIT: more entries than bytes for them
 *         RANGE  an entry or the directory outside the file
 *         INCONSISTENT  a local header that is no header, or of another name
 *         ALIAS  entries that overlap; DUP, ENCODING: names
 *         UNSUPPORTED  several disks, encryption
 */
enum dsc_status zip_dir_read(struct zip_dir *d, const unsigned char *data, size_t n_bytes,
                             struct dsc_arena *arena, struct dsc_err *err);
struct zip_entry *zip_dir_find(const struct zip_dir *d, const char *name); /* or NULL */
/** The stored entry that holds these bytes of the file, or NULL. */
struct zip_entry *zip_dir_at(const struct zip_dir *d, uint64_t at, uint64_t n_bytes);

/** Does a stored entry hold what was written? Its bytes are read once. Errors: CRC */
enum dsc_status zip_entry_compare(struct zip_entry *e, const unsigned char *data,
                                  struct dsc_err *err);

#endif
