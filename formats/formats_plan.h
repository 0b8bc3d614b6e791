/*
 * Files about layers, as JSON: a plan (the format of each layer) and a sensitivity report (what
 * each format costs each layer). Written by the program, read back here.
 *
 *   {"schema": "dscompress.plan/1", "model": SHA256,
 *    "calib": SHA256, "calib_rows": 512, "held_out": 102,
 *    "layers": [{"name": "encoder.layer.0.output.dense", "format": "w8a8"}, ..]}
 *   {"schema": "dscompress.sensitivity/1", "model": SHA256, "settings": SHA256,
 *    "layers": [{"name": .., "formats": [{"format": "w8a8", "size_bytes": .., "sqnr_db": ..,
 *                "damage": .., "flips": .., "logit_rmse": ..}, ..]}, ..]}
 */
#ifndef FORMATS_PLAN_H
#define FORMATS_PLAN_H

#include "dsc/arena.h"
#include "dsc/status.h"

#include <stdint.h>

#define DSC_PLAN_SCHEMA "dscompress.plan/1"
#define DSC_SENSITIVITY_SCHEMA "dscompress.sensitivity/1"

/** One measured format of a layer. */
struct dsc_layer_cell {
    const char *format;
    int64_t size_bytes, n_flips;
    double sqnr_db, damage, logit_rmse;
};

/** format: of a plan, else NULL. */
struct dsc_layer_row {
    const char *name, *format;
    int n_cells;
    struct dsc_layer_cell *cells;
};

/**
 * settings: "" for a plan. calib: of a plan, the data of which the last n_held_out of n_calib rows
 * were measured on instead of observed; "" where the plan does not say.
 */
struct dsc_layer_file {
    const char *model, *settings, *calib;
    int64_t n_calib, n_held_out;
    int n_rows;
    struct dsc_layer_row *rows;
};

/**
 * Read a file of that schema. Keys that are not known are ignored.
 *
 * Memory  in `arena`
 * Errors  NOINPUT; MAGIC, not JSON; SCHEMA, another schema, a key missing or of the wrong kind, a
 *         number that is not finite or below 0 where it counts; DUP, a layer that stands twice;
 *         LIMIT, over a million layers
 */
enum dsc_status dsc_layer_file_read(struct dsc_layer_file *f, const char *path, const char *schema,
                                    struct dsc_arena *arena, struct dsc_err *err);

#endif
