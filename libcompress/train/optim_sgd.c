/* Stochastic gradient descent with momentum (heavy ball, as PyTorch's SGD without dampening). */
#include "device/prim.h"
#include "dsc/train.h"

static enum dsc_status step(struct dsc_device *dev, const struct dsc_optim_step *p,
                            const struct dsc_tensor *w, const struct dsc_tensor *moments,
                            const struct dsc_tensor *g, struct dsc_err *err)
{
    const struct dsc_sgd a = {
        .lr = p->lr, .momentum = p->momentum, .decay = p->decay, .grad_scale = p->grad_scale};

    return dsc_sgd(dev, &a, w, &moments[0], g, err);
}

const struct dsc_optim dsc_optim_sgd = {
    .name = "sgd",
    .n_moments = 1,
    .moment_names = {"m"},
    .step = step,
};
