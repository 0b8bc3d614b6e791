/*
 * Sensitivity of layers and mixed precision: what quantizing one layer alone does on rows that
 * ranges were not observed on, formats chosen from that table, and plans.
 *
 * open -> (rows, ranges observed) -> measure -> allocate -> the caller quantizes by the plan
 */
#ifndef DSC_CLI_SENSITIVITY_H
#define DSC_CLI_SENSITIVITY_H

#include "dsc/gate.h"
#include "quantrun.h"

struct dsc_layer_cost {
    bool is_measured;
    int64_t size_bytes, n_flips;
    double sqnr_db, damage, logit_rmse;
};

struct dsc_layer_costs {
    const char *name;
    struct dsc_layer_cost cost[DSC_N_LAYER_FORMATS];
    enum dsc_layer_format format; /* that was chosen */
};

/** Zero-initialise, and set cmd, m, q, dev and batch. */
struct dsc_sensitivity {
    struct dsc_cmd *cmd;
    struct dsc_textmodel *m;
    struct dsc_quantrun *q;
    struct dsc_device *dev;
    int64_t batch;
    /* what was asked for */
    const char *report, *plan, *save_plan, *eval;
    bool may_replace;      /* report and plan that are there, by -f */
    bool is_asked;         /* the table is wanted */
    bool is_allocating;    /* formats are to be chosen from it */
    uint64_t target_bytes; /* 0: no target */
    struct dsc_check *checks;
    size_t n_checks;
    /* what it works on */
    char model[65], settings[65], calib[65]; /* sha256; calib "": no data */
    struct dsc_dataset own,
        rows;                    /* own: to be closed; rows: measured on, often a part of another */
    int64_t n_calib, n_held_out; /* rows is the last n_held_out of n_calib rows of calib */
    int64_t n_measured;          /* rows of the table; bars are judged on all rows */
    int n_layers;
    int n_formats; /* that layers may have: float and those up to the scheme */
    struct dsc_layer_costs *layers;
    float *logits; /* of the float model */
    int64_t n_cols;
    struct dsc_predictions base;
    uint64_t base_bytes; /* of what is no layer */
};

/**
 * Options. size_bytes: of the source, for a target in percent.
 * Errors  USAGE; EXISTS, a place that the report or the plan cannot be written to
 */
enum dsc_status dsc_sensitivity_open(struct dsc_sensitivity *s, uint64_t size_bytes,
                                     struct dsc_err *err);
/**
 * The rows to measure on: --eval, else the dev part of --calib under --split, else the last fifth
 * of calib, which calib then lacks.
 * Errors  USAGE  there is nothing to take them from, or too little
 */
enum dsc_status dsc_sensitivity_rows(struct dsc_sensitivity *s, const char *calib_path,
                                     struct dsc_dataset *calib, struct dsc_err *err);
/**
 * Fill and show the table; q has a plan and ranges. Layers that the report file holds are not
 * measured again; the file is written after each one.
 * Errors  INCONSISTENT  the report is of another model, of other data or options
 */
enum dsc_status dsc_sensitivity_measure(struct dsc_sensitivity *s, struct dsc_err *err);
/**
 * Choose formats under the target and the bars, and use them; the plan is shown, and
 * written where --save-plan says.
 * Errors  CHECK  a budget that cannot be met; the nearest that can is said
 */
enum dsc_status dsc_sensitivity_allocate(struct dsc_sensitivity *s, struct dsc_err *err);
/**
 * The formats of --plan. Where calib holds the rows that the plan was made from, it loses those
 * that were held out then: ranges are observed on the same.
 * Errors  INCONSISTENT, it is of another model; UNSUPPORTED
 */
enum dsc_status dsc_sensitivity_read_plan(struct dsc_sensitivity *s, struct dsc_dataset *calib,
                                          struct dsc_err *err);
/** The format of a layer, read or chosen; ctx: the sensitivity. */
enum dsc_layer_format dsc_sensitivity_format(void *ctx, const char *node);
/** q's plan by the formats that were read or chosen. */
enum dsc_status dsc_sensitivity_use_formats(struct dsc_sensitivity *s, struct dsc_err *err);
void dsc_sensitivity_close(struct dsc_sensitivity *s);

#endif
