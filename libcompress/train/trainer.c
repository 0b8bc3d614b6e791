/* The trainer: micro-batches forward and back, clip, step. */
#include "device/prim.h"
#include "dsc/rng.h"
#include "dsc/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dsc_trainer {
    const struct dsc_graph *g;
    struct dsc_device *dev;
    struct dsc_session *s;
    struct dsc_tape *tape;
    struct dsc_train_config c;
    int loss_output, n_params;
    struct dsc_param *params;
    struct dsc_tensor *w, *grads; /* [n_params] device */
    struct dsc_tensor *moments;   /* [n_params * n_moments] device */
    struct dsc_tensor *means;     /* [n_params] device: moving averages of w; NULL without ema */
    struct dsc_tensor *masks; /* [n_params] device: 0 where a pruned weight is; else no tensor */
    struct dsc_tensor *shown; /* [n_params] device: w times mask, where w is kept whole */
    struct dsc_tensor *moves; /* [n_params] device: sums of -g w of the same ones */
    uint64_t n_done;
    bool is_looking; /* nothing is learned: Dropout passes on */
    int64_t *order;  /* of the current epoch */
    int64_t n_order;
    uint64_t order_epoch;
};

struct dsc_train_config dsc_train_defaults(void)
{
    return (struct dsc_train_config){.optim = dsc_optim_find("adamw"),
                                     .sched = dsc_sched_find("linear"),
                                     .lr = 5e-5,
                                     .weight_decay = 0.01,
                                     .clip = 1,
                                     .beta1 = 0.9,
                                     .beta2 = 0.999,
                                     .eps = 1e-8,
                                     .momentum = 0.9,
                                     .batch = 32,
                                     .n_segments = 1};
}

uint64_t dsc_train_steps_per_epoch(int64_t n_examples, int64_t batch)
{
    return (uint64_t)((n_examples + batch - 1) / batch);
}

/* The trainer's own copy: a mapped file must not change under training. */
static enum dsc_status own_copy(struct dsc_trainer *t, struct dsc_tensor *dst,
                                const struct dsc_tensor *src, struct dsc_err *err)
{
    DSC_TRY(dsc_device_tensor(t->dev, dst, src->dtype, src->rank, src->dim, err));
    return t->dev->upload(t->dev, dst->data, src->data, dsc_tensor_n_bytes(src), err);
}

/* 1 where init is not 0. */
static enum dsc_status init_mask(struct dsc_trainer *t, struct dsc_tensor *mask,
                                 const struct dsc_tensor *init, struct dsc_err *err)
{
    struct dsc_tensor ones;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&ones, DSC_F32, init->rank, init->dim, err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(init); i++)
        ((float *)ones.data)[i] = ((const float *)init->data)[i] != 0 ? 1 : 0;
    st = own_copy(t, mask, &ones, err);
    dsc_tensor_clear(&ones);
    return st;
}

static enum dsc_status init_ones(struct dsc_trainer *t, struct dsc_tensor *mask,
                                 const struct dsc_tensor *like, struct dsc_err *err)
{
    struct dsc_tensor ones;
    enum dsc_status st;

    DSC_TRY(dsc_tensor_new(&ones, DSC_F32, like->rank, like->dim, err));
    for (int64_t i = 0; i < dsc_tensor_n_elems(&ones); i++)
        ((float *)ones.data)[i] = 1;
    st = own_copy(t, mask, &ones, err);
    dsc_tensor_clear(&ones);
    return st;
}

static enum dsc_status init_weights(struct dsc_trainer *t, struct dsc_err *err)
{
    const int n_moments = t->c.optim->n_moments;

    for (int i = 0; i < t->n_params; i++) {
        const struct dsc_tensor *init = &t->g->values[t->params[i].value].init;

        if (init->dtype != DSC_F32)
            return dsc_fail(err, DSC_E_UNSUPPORTED, "weight '%s' is %s; training works on f32",
                            t->g->values[t->params[i].value].name, dsc_dtype_text(init->dtype));
        DSC_TRY(own_copy(t, &t->w[i], init, err));
        if (t->params[i].keeps_zeros)
            DSC_TRY(init_mask(t, &t->masks[i], init, err));
        DSC_TRY(dsc_session_set_weight(t->s, t->params[i].value, &t->w[i], err));
        if (t->means)
            DSC_TRY(own_copy(t, &t->means[i], init, err));
        for (int k = 0; k < n_moments; k++)
            DSC_TRY(dsc_device_zeros(t->dev, &t->moments[i * n_moments + k], DSC_F32, init->rank,
                                     init->dim, err));
    }
    return DSC_OK;
}

static enum dsc_status init_trainer(struct dsc_trainer *t, const struct dsc_param *params,
                                    struct dsc_err *err)
{
    const size_t n = (size_t)t->n_params + 1;
    int *wanted;
    enum dsc_status st;

    if (!(t->params = dsc_heap_alloc(n, sizeof *t->params, err)) ||
        !(t->w = dsc_heap_alloc(n, sizeof *t->w, err)) ||
        !(t->grads = dsc_heap_alloc(n, sizeof *t->grads, err)) ||
        !(t->masks = dsc_heap_alloc(n, sizeof *t->masks, err)) ||
        !(t->shown = dsc_heap_alloc(n, sizeof *t->shown, err)) ||
        !(t->moves = dsc_heap_alloc(n, sizeof *t->moves, err)) ||
        !(t->moments = dsc_heap_alloc(2 * n, sizeof *t->moments, err)) ||
        (t->c.ema > 0 && !(t->means = dsc_heap_alloc(n, sizeof *t->means, err))) ||
        !(wanted = dsc_heap_alloc(n, sizeof *wanted, err)))
        return DSC_E_MEMORY;
    for (int i = 0; i < t->n_params; i++) {
        t->params[i] = params[i];
        wanted[i] = params[i].value;
    }
    st = dsc_session_open(&t->s, t->g, t->dev, err);
    if (st == DSC_OK)
        st = dsc_tape_open(&t->tape, t->s, t->n_params, wanted, t->c.n_segments, err);
    dsc_heap_free(wanted);
    return st == DSC_OK ? init_weights(t, err) : st;
}

static enum dsc_status check_config(const struct dsc_train_config *c, struct dsc_err *err)
{
    if (!(c->lr > 0) || !isfinite(c->lr))
        return dsc_fail(err, DSC_E_USAGE, "learning rate %g must be positive", c->lr);
    if (!(c->ema >= 0 && c->ema < 1))
        return dsc_fail(err, DSC_E_USAGE, "a moving average of %g is not in [0, 1)", c->ema);
    if (c->batch < 1 || c->micro < 0 || c->n_steps < 1)
        return dsc_fail(err, DSC_E_USAGE, "batch, micro-batch and steps must be positive");
    if (c->micro > c->batch)
        return dsc_fail(err, DSC_E_USAGE, "a micro-batch of %lld is larger than the batch of %lld",
                        (long long)c->micro, (long long)c->batch);
    return DSC_OK;
}

enum dsc_status dsc_trainer_open(struct dsc_trainer **trainer, const struct dsc_graph *g,
                                 int loss_output, const struct dsc_train_config *config,
                                 int n_params, const struct dsc_param *params,
                                 struct dsc_device *dev, struct dsc_err *err)
{
    struct dsc_trainer *t;
    enum dsc_status st;

    *trainer = NULL;
    DSC_TRY(check_config(config, err));
    t = dsc_heap_alloc(1, sizeof *t, err);
    if (!t)
        return DSC_E_MEMORY;
    t->g = g;
    t->dev = dev;
    t->c = *config;
    t->loss_output = loss_output;
    t->n_params = n_params;
    t->order_epoch = UINT64_MAX;
    st = init_trainer(t, params, err);
    if (st == DSC_OK)
        *trainer = t;
    else
        dsc_trainer_close(t);
    return st;
}

void dsc_trainer_close(struct dsc_trainer *t)
{
    if (!t)
        return;
    dsc_tape_close(t->tape);
    for (int i = 0; t->w && i < t->n_params; i++)
        dsc_tensor_clear(&t->w[i]);
    for (int i = 0; t->grads && i < t->n_params; i++)
        dsc_tensor_clear(&t->grads[i]);
    for (int i = 0; t->masks && i < t->n_params; i++)
        dsc_tensor_clear(&t->masks[i]);
    for (int i = 0; t->shown && i < t->n_params; i++)
        dsc_tensor_clear(&t->shown[i]);
    for (int i = 0; t->moves && i < t->n_params; i++)
        dsc_tensor_clear(&t->moves[i]);
    for (int i = 0; t->moments && i < t->n_params * t->c.optim->n_moments; i++)
        dsc_tensor_clear(&t->moments[i]);
    for (int i = 0; t->means && i < t->n_params; i++)
        dsc_tensor_clear(&t->means[i]);
    dsc_session_close(t->s);
    dsc_heap_free(t->params);
    dsc_heap_free(t->w);
    dsc_heap_free(t->grads);
    dsc_heap_free(t->masks);
    dsc_heap_free(t->shown);
    dsc_heap_free(t->moves);
    dsc_heap_free(t->moments);
    dsc_heap_free(t->means);
    dsc_heap_free(t->order);
    dsc_heap_free(t);
}

/* The order of an epoch is a function of the seed and the epoch alone. */
static enum dsc_status order_of_epoch(struct dsc_trainer *t, uint64_t epoch, int64_t n,
                                      struct dsc_err *err)
{
    struct dsc_rng r;

    if (t->order_epoch == epoch && t->n_order == n)
        return DSC_OK;
    dsc_heap_free(t->order);
    t->order = dsc_heap_alloc((size_t)n, sizeof *t->order, err);
    if (!t->order)
        return DSC_E_MEMORY;
    for (int64_t i = 0; i < n; i++)
        t->order[i] = i;
    dsc_rng_init(&r, dsc_rng_mix(dsc_rng_mix_text(dsc_rng_key(t->c.seed), "epoch order"), epoch));
    dsc_rng_shuffle(&r, t->order, (size_t)n);
    t->order_epoch = epoch;
    t->n_order = n;
    return DSC_OK;
}

static int by_length(const void *a, const void *b, void *ctx)
{
    const int32_t *length = ctx;
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    if (length[x] != length[y])
        return length[x] < length[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

void dsc_order_by_length(const int32_t *length, int64_t n, int64_t *idx)
{
    qsort_r(idx, (size_t)n, sizeof *idx, by_length, (void *)(uintptr_t)length);
}

static enum dsc_status add_parts(const struct dsc_trainer *t, const struct dsc_tensor *outputs,
                                 double share, struct dsc_train_report *report, struct dsc_err *err)
{
    for (int i = 0; i < t->c.n_parts; i++) {
        struct dsc_tensor host;

        DSC_TRY(dsc_to_host(&host, &outputs[t->c.parts[i]], err));
        report->parts[i] += dsc_tensor_get_f64(&host, 0) * share;
        dsc_tensor_clear(&host);
    }
    return DSC_OK;
}

/* Forward and backward of one micro-batch; its loss counts by its share of the batch. */
static enum dsc_status run_micro(struct dsc_trainer *t, const struct dsc_train_data *data,
                                 const int64_t *idx, int64_t n, int64_t n_batch,
                                 struct dsc_train_report *report, struct dsc_err *err)
{
    const struct dsc_run run = {.is_training = !t->is_looking,
                                .seed = t->c.seed,
                                .step = t->n_done,
                                .example_ids = idx,
                                .n_examples = n};
    const int n_in = t->g->n_inputs, n_out = t->g->n_outputs;
    struct dsc_tensor *feeds = dsc_heap_alloc((size_t)(n_in + n_out), sizeof *feeds, err);
    struct dsc_tensor *outputs = feeds ? feeds + n_in : NULL, host = {0}, seed = {0};
    enum dsc_status st;

    if (!feeds)
        return DSC_E_MEMORY;
    DSC_TRY_OUT(st, data->fill(data->ctx, idx, n, feeds, err));
    DSC_TRY_OUT(st, dsc_tape_run(t->tape, &run, feeds, outputs, err));
    DSC_TRY_OUT(st, dsc_to_host(&host, &outputs[t->loss_output], err));
    report->loss += dsc_tensor_get_f64(&host, 0) * (double)n / (double)n_batch;
    DSC_TRY_OUT(st, add_parts(t, outputs, (double)n / (double)n_batch, report, err));
    DSC_TRY_OUT(st, dsc_tensor_new(&seed, DSC_F32, host.rank, host.dim, err));
    dsc_tensor_set_f64(&seed, 0, (double)n / (double)n_batch);
    st = dsc_tape_backward(t->tape, t->loss_output, &seed, t->grads, err);
out:
    for (int i = 0; i < n_in + n_out; i++)
        dsc_tensor_clear(&feeds[i]);
    dsc_tensor_clear(&host);
    dsc_tensor_clear(&seed);
    dsc_heap_free(feeds);
    return st;
}

static enum dsc_status diverged(struct dsc_trainer *t, double loss, int bad, const int64_t *idx,
                                int64_t n, struct dsc_err *err)
{
    char list[128] = "";
    size_t at = 0;

    for (int64_t i = 0; i < n && at < sizeof list - 24; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%lld", i ? "," : "",
                               (long long)idx[i]);
    dsc_fail(err, DSC_E_DIVERGED,
             "step %llu: the loss is %g and the gradient of '%s' is not finite (examples %s%s)",
             (unsigned long long)t->n_done + 1, loss,
             bad >= 0 ? t->g->values[t->params[bad].value].name : "(the loss)", list,
             at >= sizeof list - 24 ? ",.." : "");
    dsc_err_hint(err, "lower --lr or --clip, or look at these examples");
    return DSC_E_DIVERGED;
}

/*
 * The gradient of w times mask is that of its mask by way of w, also where the mask is 0: what is
 * shown has been used, and is made again after the step.
 */
static enum dsc_status add_moves(struct dsc_trainer *t, struct dsc_err *err)
{
    for (int i = 0; i < t->n_params; i++) {
        if (!dsc_tensor_is_present(&t->shown[i]))
            continue;
        DSC_TRY(dsc_binary(t->dev, DSC_BINARY_mul, &t->shown[i], &t->grads[i], &t->w[i], err));
        DSC_TRY(dsc_axpy(t->dev, -1, &t->moves[i], &t->shown[i], err));
    }
    return DSC_OK;
}

static enum dsc_status show(struct dsc_trainer *t, int i, struct dsc_err *err)
{
    if (!dsc_tensor_is_present(&t->shown[i]))
        return DSC_OK;
    return dsc_binary(t->dev, DSC_BINARY_mul, &t->shown[i], &t->w[i], &t->masks[i], err);
}

/* A weight of 0 whose gradients all were 0 has no momentum and no decay: it stays. */
static enum dsc_status mask_grads(struct dsc_trainer *t, struct dsc_err *err)
{
    for (int i = 0; i < t->n_params; i++)
        if (dsc_tensor_is_present(&t->masks[i]))
            DSC_TRY(
                dsc_binary(t->dev, DSC_BINARY_mul, &t->grads[i], &t->grads[i], &t->masks[i], err));
    return DSC_OK;
}

static enum dsc_status grad_norm(struct dsc_trainer *t, double *norm, int *bad, struct dsc_err *err)
{
    double total = 0;

    *bad = -1;
    for (int i = 0; i < t->n_params; i++) {
        double sum;

        DSC_TRY(dsc_sum_squares(t->dev, &sum, &t->grads[i], err));
        if (!isfinite(sum) && *bad < 0)
            *bad = i;
        total += sum;
    }
    *norm = sqrt(total);
    return DSC_OK;
}

static enum dsc_status apply_step(struct dsc_trainer *t, double norm, double lr,
                                  struct dsc_err *err)
{
    const struct dsc_train_config *c = &t->c;
    const int n_moments = c->optim->n_moments;
    struct dsc_optim_step p = {.lr = lr,
                               .grad_scale = 1,
                               .beta1 = c->beta1,
                               .beta2 = c->beta2,
                               .eps = c->eps,
                               .momentum = c->momentum,
                               .t = t->n_done + 1};

    /* as torch.nn.utils.clip_grad_norm_: max_norm / (norm + 1e-6), never above 1 */
    if (c->clip > 0 && norm + 1e-6 > c->clip)
        p.grad_scale = c->clip / (norm + 1e-6);
    for (int i = 0; i < t->n_params; i++) {
        p.lr = lr * t->params[i].lr_factor;
        p.decay = t->params[i].has_decay ? c->weight_decay / t->params[i].lr_factor : 0;
        DSC_TRY(
            c->optim->step(t->dev, &p, &t->w[i], &t->moments[i * n_moments], &t->grads[i], err));
    }
    return DSC_OK;
}

/* mean = d mean + (1 - d) w, with a smaller d in the first steps. */
static enum dsc_status average(struct dsc_trainer *t, struct dsc_err *err)
{
    const double n = (double)t->n_done, d = fmin(t->c.ema, (1 + n) / (10 + n));

    for (int i = 0; t->means && i < t->n_params; i++) {
        DSC_TRY(dsc_axpy(t->dev, d - 1, &t->means[i], &t->means[i], err));
        DSC_TRY(dsc_axpy(t->dev, 1 - d, &t->means[i], &t->w[i], err));
    }
    return DSC_OK;
}

/* Gradients of the next examples. */
static enum dsc_status next_gradients(struct dsc_trainer *t, const struct dsc_train_data *data,
                                      struct dsc_train_report *report, struct dsc_err *err)
{
    const int64_t micro = t->c.micro ? t->c.micro : t->c.batch;
    const uint64_t per_epoch = dsc_train_steps_per_epoch(data->n_examples, t->c.batch);
    const int64_t first = (int64_t)(t->n_done % (per_epoch ? per_epoch : 1)) * t->c.batch;
    int64_t n;
    double norm;
    int bad;

    *report = (struct dsc_train_report){0};
    if (data->n_examples < 1)
        return dsc_fail(err, DSC_E_EMPTY, "there is no training example");
    DSC_TRY(order_of_epoch(t, t->n_done / per_epoch, data->n_examples, err));
    n = data->n_examples - first < t->c.batch ? data->n_examples - first : t->c.batch;
    for (int i = 0; i < t->n_params; i++)
        dsc_tensor_clear(&t->grads[i]);
    if (data->length && micro < n)
        dsc_order_by_length(data->length, n, t->order + first);
    for (int64_t at = 0; at < n; at += micro)
        DSC_TRY(run_micro(t, data, t->order + first + at, n - at < micro ? n - at : micro, n,
                          report, err));
    DSC_TRY(add_moves(t, err));
    DSC_TRY(mask_grads(t, err));
    DSC_TRY(grad_norm(t, &norm, &bad, err));
    if (!isfinite(report->loss) || bad >= 0)
        return diverged(t, report->loss, bad, t->order + first, n, err);
    report->lr = t->c.lr * t->c.sched->factor(t->n_done, t->c.n_warmup, t->c.n_steps);
    report->grad_norm = norm;
    report->n_examples = n;
    report->step = t->n_done + 1;
    return DSC_OK;
}

enum dsc_status dsc_trainer_step(struct dsc_trainer *t, const struct dsc_train_data *data,
                                 struct dsc_train_report *report, struct dsc_err *err)
{
    DSC_TRY(next_gradients(t, data, report, err));
    DSC_TRY(apply_step(t, report->grad_norm, report->lr, err));
    for (int i = 0; i < t->n_params; i++)
        DSC_TRY(show(t, i, err));
    t->n_done++;
    return average(t, err);
}

enum dsc_status dsc_trainer_look(struct dsc_trainer *t, const struct dsc_train_data *data,
                                 struct dsc_train_report *report, struct dsc_err *err)
{
    enum dsc_status st;

    t->is_looking = true;
    st = next_gradients(t, data, report, err);
    t->is_looking = false;
    t->n_done += st == DSC_OK;
    return st;
}

static enum dsc_status find_param(const struct dsc_trainer *t, const char *name, int *i,
                                  struct dsc_err *err)
{
    for (*i = 0; *i < t->n_params; (*i)++)
        if (strcmp(t->g->values[t->params[*i].value].name, name) == 0)
            return DSC_OK;
    return dsc_fail(err, DSC_E_INCONSISTENT, "'%s' is not trained", name);
}

enum dsc_status dsc_trainer_gradient(const struct dsc_trainer *t, const char *name,
                                     struct dsc_tensor *g, struct dsc_err *err)
{
    int i;

    DSC_TRY(find_param(t, name, &i, err));
    return dsc_to_host(g, &t->grads[i], err);
}

uint64_t dsc_trainer_n_done(const struct dsc_trainer *t)
{
    return t->n_done;
}

void dsc_trainer_set_n_done(struct dsc_trainer *t, uint64_t n_done)
{
    t->n_done = n_done;
}

/* x *= mask, in place. */
static enum dsc_status mask_one(struct dsc_trainer *t, const struct dsc_tensor *x,
                                const struct dsc_tensor *mask, struct dsc_err *err)
{
    return dsc_binary(t->dev, DSC_BINARY_mul, x, x, mask, err);
}

enum dsc_status dsc_trainer_mask(struct dsc_trainer *t, const char *name,
                                 const struct dsc_tensor *w, struct dsc_err *err)
{
    const int n_moments = t->c.optim->n_moments;
    int i;

    DSC_TRY(find_param(t, name, &i, err));
    if (w->dtype != DSC_F32 || !dsc_tensor_same_shape(w, &t->w[i]))
        return dsc_fail(err, DSC_E_INCONSISTENT, "'%s' has another shape", name);
    dsc_tensor_clear(&t->masks[i]);
    DSC_TRY(init_mask(t, &t->masks[i], w, err));
    DSC_TRY(mask_one(t, &t->w[i], &t->masks[i], err));
    if (t->means)
        DSC_TRY(mask_one(t, &t->means[i], &t->masks[i], err));
    for (int k = 0; k < n_moments; k++)
        DSC_TRY(mask_one(t, &t->moments[i * n_moments + k], &t->masks[i], err));
    return show(t, i, err);
}

enum dsc_status dsc_trainer_follow(struct dsc_trainer *t, const char *name, struct dsc_err *err)
{
    const struct dsc_tensor *w;
    int i;

    DSC_TRY(find_param(t, name, &i, err));
    w = &t->w[i];
    if (dsc_tensor_is_present(&t->shown[i]))
        return DSC_OK;
    DSC_TRY(dsc_device_zeros(t->dev, &t->moves[i], DSC_F32, w->rank, w->dim, err));
    DSC_TRY(dsc_device_tensor(t->dev, &t->shown[i], DSC_F32, w->rank, w->dim, err));
    if (!dsc_tensor_is_present(&t->masks[i]))
        DSC_TRY(init_ones(t, &t->masks[i], w, err));
    DSC_TRY(show(t, i, err));
    return dsc_session_set_weight(t->s, t->params[i].value, &t->shown[i], err);
}

enum dsc_status dsc_trainer_movement(const struct dsc_trainer *t, const char *name,
                                     struct dsc_tensor *score, struct dsc_err *err)
{
    int i;

    DSC_TRY(find_param(t, name, &i, err));
    if (!dsc_tensor_is_present(&t->moves[i]))
        return dsc_fail(err, DSC_E_INCONSISTENT, "'%s' is not followed", name);
    return dsc_to_host(score, &t->moves[i], err);
}

enum dsc_status dsc_trainer_hide(struct dsc_trainer *t, const char *name,
                                 const struct dsc_tensor *w, struct dsc_err *err)
{
    int i;

    DSC_TRY(find_param(t, name, &i, err));
    if (!dsc_tensor_is_present(&t->shown[i]) || !dsc_tensor_same_shape(w, &t->w[i]))
        return dsc_fail(err, DSC_E_INCONSISTENT, "'%s' is not followed, or has another shape",
                        name);
    dsc_tensor_clear(&t->masks[i]);
    DSC_TRY(init_mask(t, &t->masks[i], w, err));
    return show(t, i, err);
}

struct dsc_session *dsc_trainer_session(struct dsc_trainer *t)
{
    return t->s;
}

enum dsc_status dsc_trainer_write_weights(struct dsc_trainer *t, struct dsc_graph *g,
                                          struct dsc_err *err)
{
    const struct dsc_tensor *w = t->means ? t->means : t->w;

    for (int i = 0; i < t->n_params; i++) {
        const char *name = t->g->values[t->params[i].value].name;
        const int value = dsc_graph_find_value(g, name);
        struct dsc_tensor own;
        enum dsc_status st;

        if (t->params[i].is_of_loss)
            continue;
        if (value < 0)
            return dsc_fail(err, DSC_E_INTERNAL, "the graph has no weight '%s'", name);
        DSC_TRY(dsc_tensor_new(&own, DSC_F32, w[i].rank, w[i].dim, err));
        st = t->dev->download(t->dev, own.data, w[i].data, dsc_tensor_n_bytes(&own), err);
        if (st == DSC_OK)
            st = dsc_graph_set_init(g, value, &own, err);
        dsc_tensor_clear(&own);
        DSC_TRY(st);
    }
    return DSC_OK;
}

int dsc_trainer_n_state(const struct dsc_trainer *t)
{
    return t->n_params * (1 + t->c.optim->n_moments + (t->means != NULL));
}

/* State tensor i: weights first, then all first moments, then all second ones, then averages. */
static struct dsc_tensor *state_tensor(struct dsc_trainer *t, int i, char *name, size_t n_name)
{
    const int p = i % t->n_params, kind = i / t->n_params;
    const int n_moments = t->c.optim->n_moments;
    const char *own = t->g->values[t->params[p].value].name;

    if (kind == 0)
        snprintf(name, n_name, "%s", own);
    else
        snprintf(name, n_name, "%s/%s",
                 kind > n_moments ? "ema" : t->c.optim->moment_names[kind - 1], own);
    return kind == 0          ? &t->w[p]
           : kind > n_moments ? &t->means[p]
                              : &t->moments[p * n_moments + kind - 1];
}

enum dsc_status dsc_trainer_get_state(struct dsc_trainer *t, int i, char *name, size_t n_name,
                                      struct dsc_tensor *tensor, struct dsc_err *err)
{
    return dsc_to_host(tensor, state_tensor(t, i, name, n_name), err);
}

enum dsc_status dsc_trainer_set_state(struct dsc_trainer *t, const char *name,
                                      const struct dsc_tensor *tensor, struct dsc_err *err)
{
    char own[256], text[128];

    for (int i = 0; i < dsc_trainer_n_state(t); i++) {
        struct dsc_tensor *dst = state_tensor(t, i, own, sizeof own);

        if (strcmp(own, name) != 0)
            continue;
        if (tensor->dtype != dst->dtype || !dsc_tensor_same_shape(tensor, dst))
            return dsc_fail(err, DSC_E_INCONSISTENT, "state '%s' is %s", name,
                            dsc_tensor_text(tensor, text, sizeof text));
        return t->dev->upload(t->dev, dst->data, tensor->data, dsc_tensor_n_bytes(dst), err);
    }
    return dsc_fail(err, DSC_E_INCONSISTENT, "the model has no state '%s'", name);
}
