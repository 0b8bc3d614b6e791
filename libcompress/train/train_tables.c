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

/* An input for what the loss of the output is measured against. */
static enum dsc_status add_target(struct dsc_graph *g, int output, const struct dsc_loss *loss,
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

enum dsc_status dsc_loss_attach(struct dsc_graph *g, int output, const struct dsc_loss *loss,
                                const char *target_name, int *loss_output, struct dsc_err *err)
{
    int target, value;

    DSC_TRY(add_target(g, output, loss, target_name, &target, err));
    DSC_TRY(loss->build(g, g->outputs[output], target, 1, &value, err));
    return add_loss(g, value, loss_output, err);
}

/* The logit of the second of two classes as the logits of both. */
static enum dsc_status both_logits(struct dsc_graph *g, int logit, int *logits, struct dsc_err *err)
{
    struct dsc_node *concat;
    int zero, zeros;

    DSC_TRY(dsc_loss_const_like(g, logit, 0, &zero, err));
    DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){logit, zero}, &zeros, err));
    DSC_TRY(dsc_graph_call(g, "", "Concat", NULL, 2, (int[]){zeros, logit}, logits, &concat, err));
    g->values[*logits].type.dtype = g->values[logit].type.dtype; /* constants are made like it */
    return dsc_node_set_int(g, concat, "axis", -1, err);
}

enum dsc_status dsc_loss_attach_distill(struct dsc_graph *g, int output,
                                        const struct dsc_loss *hard, const char *target_name,
                                        const struct dsc_distill *d, int *loss_output,
                                        struct dsc_err *err)
{
    const bool is_value = hard == dsc_loss_find("mse"), is_one = hard == dsc_loss_find("bce");
    const struct dsc_loss *soft = dsc_loss_find(is_value ? "mse" : "kl");
    const double part[] = {d->alpha, 1 - d->alpha};
    int target, teacher, student, value[2], factor, sum;

    DSC_TRY(add_target(g, output, hard, target_name, &target, err));
    DSC_TRY(add_target(g, output, soft, d->teacher_name, &teacher, err));
    student = g->outputs[output];
    if (is_one) {
        g->values[teacher].type.dim[g->values[teacher].type.rank - 1] = 2;
        DSC_TRY(both_logits(g, student, &student, err));
    }
    DSC_TRY(soft->build(g, student, teacher, d->temperature, &value[0], err));
    DSC_TRY(hard->build(g, g->outputs[output], target, 1, &value[1], err));
    for (int i = 0; i < 2; i++) {
        DSC_TRY(dsc_loss_const_like(g, g->outputs[output], part[i], &factor, err));
        DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){value[i], factor}, &value[i], err));
    }
    DSC_TRY(dsc_loss_call(g, "Add", 2, value, &sum, err));
    return add_loss(g, sum, loss_output, err);
}
