/* Reading the rows of a table. Internal to formats/data. */
#ifndef FORMATS_TABULAR_H
#define FORMATS_TABULAR_H

#include "dataset.h"
#include "formats_table.h"
#include "reader.h"

/** dsc_data_read of a table: arrays, or what is to be learned. */
enum dsc_status dsc_table_load(struct dsc_dataset *d, const struct dsc_reader *reader,
                               const struct dsc_data_spec *spec, struct dsc_arena *arena,
                               struct dsc_err *err);

/** A number, or a time in seconds since 1970; false when the cell is none. */
bool dsc_cell_number(const struct dsc_text *cell, double *v);
bool dsc_cell_time(const struct dsc_text *cell, double *seconds);

#endif
