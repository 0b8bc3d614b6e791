/* Finding rows of losses.def and optims.def; attaching a loss to a graph. */
#include "dsc/train.h"
#include "train/loss_build.h"

#include <string.h>

#define DSC_LOSS(name) extern const struct dsc_loss dsc_loss_##name;
#include "train/losses.def"
#undef DSC_LOSS
#define DSC_OPTIM(name) extern const struct dsc_optim dsc_optim_##name;
#include "train/optims.def"
#undef DSC_OPTIM

static const struct dsc_loss *const losses[] = {
#define DSC_LOSS(name) &dsc_loss_##name,
#include "train/losses.def"
#undef DSC_LOSS
};

static const struct dsc_optim *const optims[] = {
#define DSC_OPTIM(name) &dsc_optim_##name,
#include "train/optims.def"
#undef DSC_OPTIM
};

const struct dsc_loss *dsc_loss_find(const char *name)
{
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++)
        if (strcmp(losses[i]->name, name) == 0)
            return losses[i];
    return NULL;
}

const struct dsc_optim *dsc_optim_find(const char *name)
{
    for (size_t i = 0; i < sizeof optims / sizeof optims[0]; i++)
        if (strcmp(optims[i]->name, name) == 0)
            return optims[i];
    return NULL;
}

enum dsc_status dsc_loss_target(struct dsc_graph *g, int output, const struct dsc_loss *loss,
                                const char *name, int *target, struct dsc_err *err)
{
    struct dsc_type type;

    if (output >= g->n_outputs)
        return dsc_fail(err, DSC_E_SCHEMA, "the graph has no output to train on");
    type = g->values[g->outputs[output]].type;
    type.dtype = loss->target_dtype;
    if (!loss->is_target_ranked_like_output && type.rank > 0)
        type.rank--;
    DSC_TRY(dsc_graph_value(g, name, &type, target, err));
    return dsc_graph_input(g, *target, err);
}

static enum dsc_status add_loss(struct dsc_graph *g, int value, int *loss_output,
                                struct dsc_err *err)
{
    *loss_output = g->n_outputs;
    return dsc_graph_output(g, value, err);
}

static const struct dsc_loss_args no_args = {DSC_NO_VALUE, DSC_NO_VALUE};

enum dsc_status dsc_loss_attach(struct dsc_graph *g, int output, const struct dsc_loss *loss,
                                const char *target_name, int *loss_output, struct dsc_err *err)
{
    int target, value;

    DSC_TRY(dsc_loss_target(g, output, loss, target_name, &target, err));
    DSC_TRY(loss->build(g, g->outputs[output], target, &no_args, &value, err));
    return add_loss(g, value, loss_output, err);
}
