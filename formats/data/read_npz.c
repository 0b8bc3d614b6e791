/* Rows of arrays: an .npz with one array for each input of a model, and `label`. */
#include "array_rows.h"
#include "formats_npz.h"

static enum dsc_status fill(struct dsc_bundle *b, const void *data, size_t n_bytes,
                            const struct dsc_log *log, struct dsc_err *err)
{
    (void)log;
    return dsc_npz_view_bytes(b, data, n_bytes, 0, err);
}

static enum dsc_status load(struct dsc_dataset *d, const struct dsc_data_spec *spec,
                            struct dsc_arena *arena, struct dsc_err *err)
{
    return array_rows_load(d, spec, arena, fill, err);
}

const struct dsc_reader dsc_reader_npz = {
    .name = "npz",
    .extensions = "npz",
    .load = load,
};
