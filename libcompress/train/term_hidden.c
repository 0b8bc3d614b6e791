/*
 * Hidden states: the mean over the width of (h_S W - h_T)^2 (Jiao et al. 2020, arXiv:1909.10351,
 * equation 8; the mean is over tokens, padding left out), or 1 - cos(h_S W, h_T) (Sanh et al. 2019,
 * arXiv:1910.01108). W, learned, where widths differ; one for all layers.
 */
#include "train/terms_build.h"

const struct dsc_dterm dsc_dterm_hidden = {
    .name = "hidden",
    .taps = 1u << DSC_TAP_HIDDEN,
    .losses = "mse|cosine",
    .map = DSC_LAYERS_UNIFORM,
    .has_tokens = true,
    .build = dsc_dterm_states,
};
