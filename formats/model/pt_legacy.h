/*
 * What torch.save wrote before 1.6: a magic number, the protocol, the system, the object and the
 * keys of its storages as pickles, then each storage.
 *
 * Source  _legacy_load of torch/serialization.py
 */
#ifndef PT_LEGACY_H
#define PT_LEGACY_H

#include "model/pickle.h"

struct pt_storage {
    struct pk_text key;
    uint64_t at, n_bytes; /* in the file */
};

struct pt_legacy {
    struct pt_storage *storages; /* [n_storages] by key, in the arena */
    size_t n_storages;
};

bool pt_is_legacy(const unsigned char *data, size_t n_bytes);

/**
 * The object, and where its storages are. Runs pickles: in the child alone.
 * Errors  as pickle_run; VERSION, UNSUPPORTED, SCHEMA (its system); INCONSISTENT, TYPE, OVERFLOW,
 * DUP, TRUNC (storages)
 */
enum dsc_status pt_legacy_read(struct pt_legacy *l, const struct dsc_buffer *file, size_t max_bytes,
                               struct dsc_arena *arena, struct pk_value *result,
                               struct dsc_err *err);
const struct pt_storage *pt_legacy_find(const struct pt_legacy *l, const struct pk_text *key);

#endif
