/* AdamW: decoupled weight decay. Loshchilov & Hutter 2019, arXiv:1711.05101. */
#include "device/prim.h"
#include "dsc/train.h"

#include <math.h>

static enum dsc_status step(struct dsc_device *dev, const struct dsc_optim_step *p,
                            const struct dsc_tensor *w, const struct dsc_tensor *moments,
                            const struct dsc_tensor *g, struct dsc_err *err)
{
    const struct dsc_adamw a = {
        .lr = p->lr,
        .beta1 = p->beta1,
        .beta2 = p->beta2,
        .eps = p->eps,
        .decay = p->decay,
        .c1 = 1 - pow(p->beta1, (double)p->t),
        .c2 = 1 - pow(p->beta2, (double)p->t),
        .grad_scale = p->grad_scale,
    };

    return dsc_adamw(dev, &a, w, &moments[0], &moments[1], g, err);
}

const struct dsc_optim dsc_optim_adamw = {
    .name = "adamw",
    .n_moments = 2,
    .moment_names = {"m", "v"},
    .step = step,
};
