/*
 * The tensors of a folder under the names that the graph uses: without the encoder's prefix, with
 * today's names of normalization, in f32; buffers and heads that the graph has no use for are left
 * out.
 */
#include "formats_text.h"
#include "model/hf.h"

#include <stdio.h>
#include <string.h>

static bool starts_with(const char *s, const char *start)
{
    return strncmp(s, start, strlen(start)) == 0;
}

/* Constants that older versions of transformers saved: 0, 1, 2 .. and zeros. */
static bool is_buffer(const char *name)
{
    return dsc_ends_with(name, "embeddings.position_ids") ||
           dsc_ends_with(name, "embeddings.token_type_ids");
}

/* Heads of pretraining. */
static bool is_other_head(const char *name)
{
    static const char *const starts[] = {"cls.",
                                         "lm_head.",
                                         "vocab_transform.",
                                         "vocab_projector.",
                                         "vocab_layer_norm.",
                                         "discriminator_predictions.",
                                         "generator_predictions.",
                                         "generator_lm_head."};

    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (starts_with(name, starts[i]))
            return true;
    return false;
}

static const char *graph_name(struct hf_weights *w, const struct hf_config *c, const char *name,
                              struct dsc_err *err)
{
    static const struct {
        const char *old, *now;
    } ends[] = {{"LayerNorm.gamma", "LayerNorm.weight"}, {"LayerNorm.beta", "LayerNorm.bias"}};
    const size_t n_prefix = strlen(c->family->prefix);

    if (starts_with(name, c->family->prefix) && name[n_prefix] == '.')
        name += n_prefix + 1;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (dsc_ends_with(name, ends[i].old))
            return dsc_arena_printf(&w->tensors.arena, err, "%.*s%s",
                                    (int)(strlen(name) - strlen(ends[i].old)), name, ends[i].now);
    return name;
}

static enum dsc_status widen(struct dsc_tensor *to, const struct dsc_tensor *from,
                             struct dsc_err *err)
{
    const int64_t n = dsc_tensor_n_elems(from);
    const uint16_t *half = from->data;
    float *y;

    DSC_TRY(dsc_tensor_new(to, DSC_F32, from->rank, from->dim, err));
    y = to->data;
    for (int64_t i = 0; i < n; i++)
        y[i] = from->dtype == DSC_F16 ? dsc_half_to_float(half[i]) : dsc_bf16_to_float(half[i]);
    return DSC_OK;
}

static enum dsc_status add_tensor(struct hf_weights *w, const char *name,
                                  const struct dsc_tensor *t, struct dsc_err *err)
{
    struct dsc_tensor wide = {0};
    enum dsc_status st;

    if (t->dtype == DSC_F32)
        return dsc_bundle_add(&w->tensors, name, t, err);
    if (t->dtype != DSC_F16 && t->dtype != DSC_BF16)
        return dsc_fail(err, DSC_E_UNSUPPORTED, "tensor '%s' is %s; weights are f32, f16 or bf16",
                        name, dsc_dtype_text(t->dtype));
    w->widened = t->dtype;
    st = widen(&wide, t, err);
    if (st == DSC_OK)
        st = dsc_bundle_add(&w->tensors, name, &wide, err);
    dsc_tensor_clear(&wide);
    return st;
}

static enum dsc_status add_all(struct hf_weights *w, const struct dsc_bundle *file,
                               const struct hf_config *c, const struct dsc_log *log,
                               struct dsc_err *err)
{
    int n_left_out = 0;

    for (int i = 0; i < file->n; i++) {
        const char *name = file->items[i].name;

        if (is_buffer(name))
            continue;
        if (is_other_head(name)) {
            n_left_out++;
            continue;
        }
        name = graph_name(w, c, name, err);
        if (!name)
            return DSC_E_MEMORY;
        DSC_TRY(add_tensor(w, name, &file->items[i].tensor, err));
    }
    if (n_left_out)
        dsc_log_printf(log, DSC_LOG_INFO, "%d tensors of pretraining heads are left out",
                       n_left_out);
    if (w->widened)
        dsc_log_printf(log, DSC_LOG_INFO, "weights of %s are widened to f32",
                       dsc_dtype_text(w->widened));
    DSC_TRY(dsc_bundle_sort(&w->tensors, err));
    DSC_NEW(w->is_used, &w->tensors.arena, w->tensors.n, err);
    return DSC_OK;
}

enum dsc_status hf_weights_init(struct hf_weights *w, const struct dsc_bundle *file,
                                const struct hf_config *c, const struct dsc_log *log,
                                struct dsc_err *err)
{
    enum dsc_status st;

    *w = (struct hf_weights){0};
    dsc_bundle_init(&w->tensors);
    st = add_all(w, file, c, log, err);
    if (st != DSC_OK)
        hf_weights_clear(w);
    return st;
}

void hf_weights_clear(struct hf_weights *w)
{
    dsc_bundle_clear(&w->tensors);
    *w = (struct hf_weights){0};
}
