/* Weights by what the layers read: layouts, Gram matrices, codes, report. */
#ifndef DSC_CLI_WEIGHTRUN_H
#define DSC_CLI_WEIGHTRUN_H

#include "cmd.h"
#include "dsc/quant.h"
#include "quantrun.h"
#include "textmodel.h"
#include "weights.h"

struct dsc_weightrun {
    struct dsc_cmd *cmd;
    struct dsc_textmodel *m;
    struct dsc_quantrun *q; /* opened and planned with target.is_weight_only */
    struct dsc_device *dev;
    const struct dsc_dataset *calib; /* rows that GPTQ, AWQ and scales see; NULL: none */
    int64_t batch;
    int bits;
    int rounding;                 /* word of --rounding */
    int64_t n_steps;              /* of AdaRound */
    struct dsc_ranges *ranges;    /* that are filled on the way; NULL: none */
    bool is_trial;                /* nobody asks what the layers lose */
    const int *widths;            /* [n_widths] bits that a weight may get in the end */
    int n_widths;                 /* 0: what the plan has, at once */
    struct dsc_weight_made *made; /* [n_made] codes by value */
    int n_made;
};

enum { DSC_ROUND_NEAREST, DSC_ROUND_GPTQ, DSC_ROUND_AWQ, DSC_ROUND_ADAROUND };

/**
 * --scheme (w8 or w4), --rounding, --granularity and --embeddings against the planned layers.
 * Errors  USAGE  a group that does not divide a layer's inner size (all such layers are named); a
 *         rounding that needs --calib
 */
enum dsc_status dsc_weightrun_open(struct dsc_weightrun *r, struct dsc_err *err);
/**
 * Codes of all planned weights into m's graph; the report is filled.
 * Errors  as dsc_session_run and dsc_gptq, with the layer named
 */
enum dsc_status dsc_weightrun_quantize(struct dsc_weightrun *r, struct dsc_err *err);
/**
 * For static ranges: the planned weights of products become multiples of scales by channel, in the
 * plan's bits, chosen by GPTQ or AdaRound (r->rounding) on the rows; r has not been opened. With
 * r->widths each weight is rounded to each of them, and m's graph stays as it is. Where the rows do
 * not decide (an input that is always 0) a weight is rounded to the nearest, with a warning.
 * Errors  as dsc_weightrun_quantize
 */
enum dsc_status dsc_weightrun_round(struct dsc_weightrun *r, struct dsc_err *err);
/** With r->widths: the rounded weights of plan's sites into g, m's graph or a copy of it. */
enum dsc_status dsc_weightrun_put(const struct dsc_weightrun *r, const struct dsc_quant_plan *plan,
                                  struct dsc_graph *g, struct dsc_err *err);
/** The scales [n] of a site that has been rounded, and what its output lost; false: it was not. */
bool dsc_weightrun_scales(const struct dsc_weightrun *r, const struct dsc_quant_site *s,
                          double *scales, int64_t n, double *sqnr_db);
/** The report of what would be done (--dry-run). */
enum dsc_status dsc_weightrun_report(struct dsc_weightrun *r, struct dsc_err *err);
void dsc_weightrun_close(struct dsc_weightrun *r);

#endif
