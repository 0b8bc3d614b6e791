/* export --target safetensors|gguf|hdf5|npz: the tensors of a graph or file, one in memory at a
 * time (npz: all of them). */
#ifndef DSC_CLI_EXPORTTENSORS_H
#define DSC_CLI_EXPORTTENSORS_H

#include "cmd.h"
#include "formats_model.h"

/** Names of element types as --dtype has them, in its order, and as GGUF has them. */
enum { DSC_EXPORT_N_DTYPES = 10, DSC_EXPORT_N_PLAIN = 3 };
extern const char *const dsc_export_dtypes[DSC_EXPORT_N_DTYPES];

/** Files of tensors, in the order of --target. */
enum dsc_export_form { DSC_EXPORT_SAFETENSORS, DSC_EXPORT_GGUF, DSC_EXPORT_HDF5, DSC_EXPORT_NPZ };

/**
 * Write to -o, and say what each tensor became.
 *
 * type  what weights become, of dsc_export_dtypes: floats of one axis and more (GGUF: two), others
 *       stay as they are; NULL: as the source has them, codes of a GGUF file as values elsewhere
 * Errors  UNSUPPORTED  element types that the format does not have, by name
 *         RANGE        a value beyond what the type holds
 *         as dsc_gguf_write, dsc_h5_write, dsc_safetensors_write_from
 */
enum dsc_status dsc_export_tensors(struct dsc_cmd *cmd, const struct dsc_model *m,
                                   enum dsc_export_form form, const char *type,
                                   struct dsc_err *err);

/**
 * The values of tensors of m as an .npz of arrays, by their names; bf16 become f32, and codes of 4
 * bits bytes, which NumPy has.
 * Errors  as dsc_listed_open and dsc_npz_write; UNSUPPORTED: a type whose values are not read
 */
struct dsc_listed;
enum dsc_status dsc_export_arrays(struct dsc_cmd *cmd, const struct dsc_model *m,
                                  const struct dsc_listed *items, int n, const char *path,
                                  struct dsc_err *err);

#endif
