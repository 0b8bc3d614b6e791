/*
 * Weights in few bits, chosen from the weights alone or from what the layer reads: scales of least
 * error, GPTQ, AWQ. The codes are dsc/quant.h's `struct dsc_weight_codes`.
 *
 * A layer's input is known by its Gram matrix H = sum of x^T x over tokens, [K,K], of which the
 * upper half is read: the error of a layer's output is trace(E H E^T) for an error E [N,K] of its
 * weights.
 */
#ifndef DSC_CALIB_WEIGHTS_H
#define DSC_CALIB_WEIGHTS_H

#include "calib.h"
#include "dsc/device.h"
#include "dsc/quant.h"
#include "dsc/status.h"

#include <stdbool.h>
#include <stdint.h>

/** Codes of an activation: value = (code - zero) * scale, codes bottom .. top, as FakeQuantize. */
struct dsc_act_codes {
    float scale, zero, bottom, top;
};

/** Those of a range (dsc_quant_params); and the value that the code nearest to x has. */
struct dsc_act_codes dsc_act_codes_of(enum dsc_dtype code, bool is_symmetric, double low,
                                      double high);
float dsc_act_value(const struct dsc_act_codes *c, float x);

enum { DSC_SAMPLE_TOKENS = 256 };

/** What is to be known of a layer's input. */
enum {
    DSC_INPUT_GRAM = 1,
    DSC_INPUT_LIMITS = 2,
    DSC_INPUT_SAMPLE = 4,
    DSC_INPUT_MEANS = 8, /* needs codes */
};

/** What a layer reads, over all its tokens; pointers are NULL to what is not wanted. */
struct dsc_layer_input {
    int value; /* the caller's */
    int64_t k, n_tokens;
    float *h;          /* [k,k] the upper half of the sum of x^T x */
    float *low, *high; /* [k] limits of each channel and 0 */
    float *sample;     /* [DSC_SAMPLE_TOKENS,k] every stride-th token, as many as find room */
    int64_t n_sample, stride;
    struct dsc_act_codes codes;
    double *sum, *code_sum; /* [k] of x, and of the values of its codes */
};

/** Zero-initialise; close it even if this fails. Errors: MEMORY. */
enum dsc_status dsc_layer_input_open(struct dsc_layer_input *in, int64_t k, unsigned wanted,
                                     struct dsc_err *err);
void dsc_layer_input_close(struct dsc_layer_input *in);
/** Tokens x [n_tokens,k]; any cut into calls gives the same but for rounding in h. */
enum dsc_status dsc_layer_input_add(struct dsc_device *dev, struct dsc_layer_input *in,
                                    const float *x, int64_t n_tokens, struct dsc_err *err);
/** h as of x / s, s [k]. */
void dsc_layer_input_scale(struct dsc_layer_input *in, const double *s);

/**
 * Scales and zero points of least squared error, each group of a row on its own: a search over
 * shrunk ranges, then the best scale for the codes found.
 *
 * Shapes  w [n_rows, n_cols]; importance [n_cols] weighs the squared errors (the mean of x^2 of
 *         each column), NULL: all equal
 * Memory  q from dsc_weight_codes_new; fills scale and zero
 */
void dsc_weight_scales(struct dsc_device *dev, struct dsc_weight_codes *q, const float *w,
                       const float *importance);

/** Each code the nearest of its weight. Needs scales. */
void dsc_weight_round(struct dsc_device *dev, struct dsc_weight_codes *q, const float *w);

/** What GPTQ did. */
struct dsc_gptq_report {
    double damping; /* part of the mean of H's diagonal that was added to it */
    int64_t n_dead; /* columns that no token reached: they are rounded to the nearest */
    double error;   /* trace(E H E^T) of what the codes left */
};

/**
 * GPTQ (Frantar et al. 2022, arXiv:2210.17323): columns are rounded one after the other, those of
 * the largest H_kk first, and each error is made up for by the columns that are left. Groups keep
 * the scales that q holds. Sums in f64.
 *
 * damping  part of the mean of the diagonal; where the factor of H does not exist it is raised
 *          tenfold, up to 1
 * Errors   NONFINITE     NaN or infinity in H
 *          INCONSISTENT  H is not positive definite with any damping
 */
enum dsc_status dsc_gptq(struct dsc_device *dev, struct dsc_weight_codes *q, const float *w,
                         const float *h, double damping, struct dsc_gptq_report *report,
                         struct dsc_err *err);

/** How AdaRound learns; the loss is relative to that of rounding to the nearest. */
struct dsc_adaround {
    int64_t n_steps;
    double rate;                  /* Adam's */
    double lambda;                /* of the mean regularizer of a weight */
    double beta_first, beta_last; /* of the regularizer: from high to low */
    double warm;                  /* part of the steps that goes without it */
    enum dsc_status (*stopped)(void *ctx, struct dsc_err *err); /* asked at each step, or NULL */
    void *ctx;
};

/** trace(E H E^T) of the codes, and of the nearest ones. */
struct dsc_adaround_report {
    double error, nearest;
};

/**
 * AdaRound (Nagel et al. 2020, arXiv:2004.10568) of one layer: each weight goes to the code below
 * or above it. h(v) = clip(1.2 sigmoid(v) - 0.1, 0, 1) is learned by Adam on |X (W - s clip(floor(W
 * / s) + h))^T|^2 + lambda sum(1 - |2 h - 1|^beta), from where h gives the weights themselves; then
 * h >= 1/2 goes up. Every step sees all tokens, by their Gram matrix. Of the nearest codes and
 * these the better ones are kept. q holds scales; weights of 0 stay 0.
 *
 * Errors  MEMORY; NONFINITE; of `stopped`
 */
enum dsc_status dsc_adaround(struct dsc_device *dev, struct dsc_weight_codes *q, const float *w,
                             const float *h, const struct dsc_adaround *how,
                             struct dsc_adaround_report *report, struct dsc_err *err);
/** h(v); and the loss with its gradient [n_rows,n_cols] at v, h not scaled; beta 0: no regularizer.
 */
float dsc_adaround_soft(float v);
enum dsc_status dsc_adaround_loss(struct dsc_device *dev, struct dsc_weight_codes *q,
                                  const float *w, const float *h, const float *v, double beta,
                                  double lambda, double *loss, float *grad, struct dsc_err *err);

/**
 * The channel scales s of AWQ (Lin et al. 2023, arXiv:2306.00978), s_k = a_k^alpha normalised,
 * a_k the root mean square of channel k: the alpha of least error of all weights that read x
 * together, when W diag(s) is rounded to the nearest and x is divided by s.
 *
 * w        [n_weights] pointers to [n_rows[i], n_cols]
 * layout   bits, symmetry and group of the codes
 * s        [n_cols]; all ones and *alpha = 0 where scaling does not help
 * Errors   MEMORY; NONFINITE
 */
enum dsc_status dsc_awq(struct dsc_device *dev, int n_weights, const float *const *w,
                        const int64_t *n_rows, int64_t n_cols, const float *h,
                        const struct dsc_weight_layout *layout, float *s, double *alpha,
                        struct dsc_err *err);

/** An activation that is to be smoothed, and the weights that are multiplied by it. */
struct dsc_smooth_job {
    const struct dsc_layer_input *in; /* with gram, limits and sample */
    int n_weights;
    const float *const *w; /* [n_weights] pointers to [n_rows[i],k] */
    const int64_t *n_rows;
    const int *bits;     /* [n_weights] 8 or 4; 0: the layer stays float, it loses nothing */
    double weight_limit; /* the largest code of a weight of 8 bits: 127 */
    bool is_per_tensor;  /* a weight has one scale */
    bool is_gptq;        /* weights are rounded by GPTQ, else to the nearest */
    enum dsc_dtype code; /* of the activation */
    bool is_symmetric;
    const struct dsc_observer *observer; /* that makes its range; with parameter */
    double param;
};

/**
 * SmoothQuant's alpha (0.5 to 1, dsc_smooth_scale) by the least squared error of the outputs of all
 * weights together: the activation's by rounding the sampled tokens in the range that the observer
 * gives them and the limits of all tokens, the weights' as it is expected of their rounding (see
 * smooth.c).
 *
 * Errors  MEMORY; NONFINITE
 */
enum dsc_status dsc_smooth_search(struct dsc_device *dev, const struct dsc_smooth_job *job,
                                  double *alpha, struct dsc_err *err);

#endif
