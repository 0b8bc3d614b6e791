/* Indexes of files of tensors. */
#ifndef SHARDS_H
#define SHARDS_H

#include "dsc/bundle.h"

/** Reads one file's tensors into b, and adds its bytes to *size_bytes. */
typedef enum dsc_status shard_fn(struct dsc_bundle *b, const char *path, uint64_t *size_bytes,
                                 struct dsc_err *err);

/**
 * Every file that the index at `path` names, each once; b is sorted then.
 *
 * Errors  PATH          a shard that is not a plain file name
 *         SCHEMA        no object "weight_map" of file names; LIMIT: an index of over 100 MB
 *         INCONSISTENT  a tensor that is not in its shard
 *         as `read`
 */
enum dsc_status shards_read(struct dsc_bundle *b, const char *path, shard_fn *read,
                            uint64_t *size_bytes, struct dsc_err *err);

#endif
