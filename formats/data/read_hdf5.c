/* Rows of arrays: an HDF5 file with one dataset for each input of a model, and `label`. */
#include "array_rows.h"
#include "model/h5.h"

static enum dsc_status load(struct dsc_dataset *d, const struct dsc_data_spec *spec,
                            struct dsc_arena *arena, struct dsc_err *err)
{
    return array_rows_load(d, spec, arena, h5_view_bytes, err);
}

const struct dsc_reader dsc_reader_hdf5 = {
    .name = "hdf5",
    .extensions = "h5 hdf5",
    .load = load,
};
