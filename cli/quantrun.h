/* What quantize and calibrate share: target, choice of nodes, plan, source of scales, report. */
#ifndef DSC_CLI_QUANTRUN_H
#define DSC_CLI_QUANTRUN_H

#include "calib.h"
#include "cmd.h"
#include "dsc/quant.h"
#include "pattern.h"
#include "textmodel.h"

/* Of one site, for the report, where its kind does not say it; dtype NULL: it is none. */
struct dsc_site_text {
    const char *dtype, *unit;
};

/** What a layer is kept as. Names are dsc_layer_format_names (layerplan.h). */
enum dsc_layer_format {
    DSC_LAYER_FLOAT,
    DSC_LAYER_W8A8,
    DSC_LAYER_W4A8,
    DSC_LAYER_W3A8,
    DSC_N_LAYER_FORMATS
};

typedef enum dsc_layer_format dsc_format_of_fn(void *ctx, const char *node);

struct dsc_quantrun {
    struct dsc_cmd *cmd;
    struct dsc_textmodel *m;
    struct dsc_device *dev;         /* that scales of weights are searched on; calibrate: NULL */
    struct dsc_quant_target target; /* of --target, changed by --scheme and --symmetric */
    struct dsc_patterns include, exclude;
    struct dsc_quant_plan plan;
    struct dsc_ranges *ranges;
    const struct dsc_observer *observer; /* NULL: no ranges of activations are needed */
    double param;
    double weight_limit;                    /* of codes of 8 bits: 127, or 63 with --reduce-range */
    bool is_per_tensor;                     /* --granularity tensor */
    bool is_symmetric_weights;              /* --symmetric weights */
    int64_t group;                          /* --granularity group:N; 0: channel */
    int weight_bits;                        /* of --scheme, fewer than the type's; 0: as it has */
    int table_bits;                         /* of --embeddings for static; 0: 8 */
    double *sqnr_db;                        /* [n_sites], after dsc_quantrun_insert */
    const struct dsc_site_text *site_texts; /* [n_sites], or NULL */
    dsc_format_of_fn *format_of;            /* a plan of layers; NULL: all as the scheme says */
    void *format_ctx;
    const struct dsc_weightrun *rounded; /* whose weights have their scales; NULL: none */
};

/** Options into r (zero-initialised; cmd, m set). Errors: USAGE. */
enum dsc_status dsc_quantrun_open(struct dsc_quantrun *r, struct dsc_err *err);
/** Prepare m's graph and choose the sites. Errors: USAGE, a pattern or plan that holds nothing. */
enum dsc_status dsc_quantrun_plan(struct dsc_quantrun *r, struct dsc_err *err);
/** QAT: what learns at the sites (--act-quantizer ..), after the plan. Errors: USAGE. */
enum dsc_status dsc_quantrun_learn(struct dsc_quantrun *r, struct dsc_err *err);
/** Bits of tables for static (--embeddings), before the plan. Errors: USAGE. */
enum dsc_status dsc_quantrun_tables(struct dsc_quantrun *r, struct dsc_err *err);
/** Of a layer's weights in a format; 0: they are float. */
int dsc_quantrun_format_bits(enum dsc_layer_format format);
/**
 * Of a weight's codes, if layers are to have these formats (NULL: as planned); 0: all that read it
 * stay float.
 */
int dsc_quantrun_weight_bits(const struct dsc_quantrun *r, const struct dsc_quant_site *weight,
                             dsc_format_of_fn *format_of, void *ctx);
/** The activation site with channels that a weight's product reads; NULL: there is none. */
struct dsc_quant_site *dsc_quantrun_input_of(const struct dsc_quantrun *r, int weight);
/** Range of an activation by what was observed; false: nothing was. */
bool dsc_quantrun_range(struct dsc_quantrun *r, const char *value, double *low, double *high);
/** FakeQuantize in m's graph, by the ranges. */
enum dsc_status dsc_quantrun_insert(struct dsc_quantrun *r, struct dsc_err *err);
/**
 * A copy of m's graph, prepared and with ranges observed, with FakeQuantize on the layers by their
 * formats; r's own plan stays. Memory: *g is the caller's (dsc_graph_free).
 */
enum dsc_status dsc_quantrun_variant(struct dsc_quantrun *r, dsc_format_of_fn *format_of, void *ctx,
                                     struct dsc_graph **g, struct dsc_err *err);
/** UNSUPPORTED when the target has no kernels for a scheme ("w4a8"). */
enum dsc_status dsc_quantrun_check_scheme(const struct dsc_quantrun *r, const char *scheme,
                                          struct dsc_err *err);
/** "tensors" of the report, and a table of the worst. */
enum dsc_status dsc_quantrun_report(struct dsc_quantrun *r, struct dsc_err *err);
void dsc_quantrun_close(struct dsc_quantrun *r);

#endif
