/* The loss of distillation: what the teacher says and what the labels say, weighted. */
#include "train/distill_parts.h"
#include "train/loss_build.h"

#include <stdio.h>

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

/* An input of the type that a loss wants beside the output; its place. */
static enum dsc_status add_target(struct dsc_graph *g, int output, const struct dsc_loss *loss,
                                  const char *name, int *place, struct dsc_err *err)
{
    int value;

    *place = g->n_inputs;
    return dsc_loss_target(g, output, loss, name, &value, err);
}

static enum dsc_status add_labelled(struct dsc_graph *g, int output, struct dsc_distill *d,
                                    int *value, struct dsc_err *err)
{
    struct dsc_type type = g->values[g->outputs[output]].type;

    *value = DSC_NO_VALUE;
    d->labelled = -1;
    if (!d->is_masked)
        return DSC_OK;
    if (type.rank > 1)
        type.dim[type.rank - 1] = 1;
    d->labelled = g->n_inputs;
    DSC_TRY(dsc_graph_value(g, "dscompress.labelled", &type, value, err));
    return dsc_graph_input(g, *value, err);
}

enum dsc_status dsc_distill_number(struct dsc_graph *g, enum dsc_dtype dtype, struct dsc_distill *d,
                                   const struct dsc_ramp *r, int *value, struct dsc_err *err)
{
    const struct dsc_type type = {.dtype = dtype};
    char name[64];

    if (r->n == 1)
        return dsc_loss_const(g, dtype, 0, r->v[0], value, err);
    if (d->n_ramps == DSC_DISTILL_RAMPS_MAX)
        return dsc_fail(err, DSC_E_LIMIT, "more than %d numbers change", DSC_DISTILL_RAMPS_MAX);
    snprintf(name, sizeof name, "dscompress.ramp.%d", d->n_ramps);
    d->ramps[d->n_ramps++] = (struct dsc_distill_ramp){r, g->n_inputs};
    DSC_TRY(dsc_graph_value(g, name, &type, value, err));
    return dsc_graph_input(g, *value, err);
}

void dsc_distill_note(struct dsc_distill *d, const char *name, int value)
{
    if (d->n_parts < DSC_TRAIN_PARTS_MAX)
        d->parts[d->n_parts++] = (struct dsc_distill_part){name, value};
}

/* Values of parts become outputs. */
static enum dsc_status put_parts(struct dsc_graph *g, struct dsc_distill *d, struct dsc_err *err)
{
    for (int i = 0; i < d->n_parts; i++) {
        const int value = d->parts[i].output;

        d->parts[i].output = g->n_outputs;
        DSC_TRY(dsc_graph_output(g, value, err));
    }
    return DSC_OK;
}

/* 1 - a */
static enum dsc_status add_rest(struct dsc_graph *g, int like, const struct dsc_ramp *r, int a,
                                int *value, struct dsc_err *err)
{
    int one;

    if (r->n == 1)
        return dsc_loss_const_like(g, like, 1 - r->v[0], value, err);
    DSC_TRY(dsc_loss_const_like(g, like, 1, &one, err));
    return dsc_loss_call(g, "Sub", 2, (int[]){one, a}, value, err);
}

static enum dsc_status weigh(struct dsc_graph *g, struct dsc_distill *d, int like, int soft,
                             int hard, int *sum, struct dsc_err *err)
{
    const enum dsc_dtype dtype = g->values[like].type.dtype;
    int part[2], value[2] = {soft, hard};

    DSC_TRY(dsc_distill_number(g, dtype, d, &d->alpha, &part[0], err));
    DSC_TRY(add_rest(g, like, &d->alpha, part[0], &part[1], err));
    for (int i = 0; i < 2; i++)
        DSC_TRY(dsc_loss_call(g, "Mul", 2, (int[]){value[i], part[i]}, &value[i], err));
    return dsc_loss_call(g, "Add", 2, value, sum, err);
}

enum dsc_status dsc_distill_attach(struct dsc_graph *g, int output, const struct dsc_loss *hard,
                                   const char *target_name, struct dsc_distill *d, int *loss_output,
                                   struct dsc_err *err)
{
    const bool is_value = hard == dsc_loss_find("mse"), is_one = hard == dsc_loss_find("bce");
    const struct dsc_loss *soft = dsc_loss_find(is_value ? "mse" : "kl");
    enum dsc_dtype dtype;
    struct dsc_loss_args args = {DSC_NO_VALUE, DSC_NO_VALUE}, soft_args = args;
    int teacher, student, value[2], sum;

    DSC_TRY(add_target(g, output, hard, target_name, &d->target, err));
    DSC_TRY(add_target(g, output, soft, "dscompress.teacher", &d->teacher, err));
    DSC_TRY(add_labelled(g, output, d, &args.row_weights, err));
    student = g->outputs[output];
    dtype = g->values[student].type.dtype;
    teacher = g->inputs[d->teacher];
    d->n_ramps = d->n_parts = 0;
    if (is_one) {
        g->values[teacher].type.dim[g->values[teacher].type.rank - 1] = 2;
        DSC_TRY(both_logits(g, student, &student, err));
    }
    if (!is_value)
        DSC_TRY(dsc_distill_number(g, dtype, d, &d->temperature, &soft_args.temperature, err));
    DSC_TRY(soft->build(g, student, teacher, &soft_args, &value[0], err));
    DSC_TRY(hard->build(g, g->outputs[output], g->inputs[d->target], &args, &value[1], err));
    dsc_distill_note(d, soft->name, value[0]);
    dsc_distill_note(d, hard->name, value[1]);
    DSC_TRY(weigh(g, d, g->outputs[output], value[0], value[1], &sum, err));
    DSC_TRY(dsc_dterms_attach(g, dtype, d, &sum, err));
    *loss_output = g->n_outputs;
    DSC_TRY(dsc_graph_output(g, sum, err));
    return put_parts(g, d, err);
}
