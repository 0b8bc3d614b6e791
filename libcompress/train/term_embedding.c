/*
 * Embeddings, as they enter the first layer: as hidden states (Jiao et al. 2020, arXiv:1909.10351,
 * equation 9), with a learned W of their own.
 */
#include "train/terms_build.h"

const struct dsc_dterm dsc_dterm_embedding = {
    .name = "embedding",
    .taps = 1u << DSC_TAP_HIDDEN,
    .losses = "mse|cosine",
    .map = DSC_LAYERS_BASE,
    .has_tokens = true,
    .build = dsc_dterm_states,
};
