/* The tensors of a model by name, be they a graph's, a bundle's, or stored in a file. */
#ifndef DSC_CLI_TENSORLIST_H
#define DSC_CLI_TENSORLIST_H

#include "dsc/log.h"
#include "formats_model.h"

#include <stdbool.h>

/** One tensor; what it points to lives as long as the model. */
struct dsc_listed {
    const char *name;
    const char *type;     /* as the file has it: "f32", "q4_K" */
    enum dsc_dtype dtype; /* of its values; NONE: they cannot be read */
    int rank;
    const int64_t *dim;
    int64_t n_elems;
    uint64_t n_bytes; /* in the file */
    bool is_param;
    const struct dsc_tensor *tensor; /* NULL: stored */
    int stored_idx;
};

/**
 * List initializers that are used (others are warned of; log may be NULL), or the file's tensors,
 * by name.
 *
 * Memory  *all is in the arena
 */
enum dsc_status dsc_list_tensors(const struct dsc_model *m, const struct dsc_log *log,
                                 struct dsc_arena *arena, struct dsc_listed **all, int *n,
                                 struct dsc_err *err);

/** Its values; dsc_tensor_clear ends them. Errors: as dsc_model_load */
enum dsc_status dsc_listed_open(const struct dsc_model *m, const struct dsc_listed *l,
                                struct dsc_tensor *t, struct dsc_err *err);

/** "q4_K[49152,576]"; returns text. */
char *dsc_listed_text(const struct dsc_listed *l, char *text, size_t n_bytes);

#endif
