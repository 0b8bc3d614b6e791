/* Files of arrays as rows: what formats of arrays share. Internal to formats/data. */
#ifndef ARRAY_ROWS_H
#define ARRAY_ROWS_H

#include "reader.h"

/** All arrays of a file's bytes, which outlive the bundle, by name. */
typedef enum dsc_status array_fill_fn(struct dsc_bundle *b, const void *data, size_t n_bytes,
                                      const struct dsc_log *log, struct dsc_err *err);

/** dsc_reader.load of a format whose arrays `fill` reads. */
enum dsc_status array_rows_load(struct dsc_dataset *d, const struct dsc_data_spec *spec,
                                struct dsc_arena *arena, array_fill_fn *fill, struct dsc_err *err);

#endif
