/* config.json of a Hugging Face folder: sizes, options, the family; what is not done here is named.
 */
#include "formats_text.h"
#include "model/hf.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { CONFIG_MAX_SIZE = 1 << 24 };

struct config_in {
    struct hf_config *c;
    enum dsc_status st;
    struct dsc_err *err;
};

/* An integer of the config in [low, high]; null and absence mean the default. */
static int64_t read_int(struct config_in *in, const char *key, int64_t absent, int64_t low,
                        int64_t high)
{
    const json_t *j = json_object_get(in->c->json, key);
    int64_t v;

    if (in->st != DSC_OK || !j || json_is_null(j))
        return absent;
    if (!json_is_integer(j)) {
        in->st = dsc_fail(in->err, DSC_E_SCHEMA, "\"%s\" is no integer", key);
        return absent;
    }
    v = json_integer_value(j);
    if (v < low || v > high) {
        in->st =
            dsc_fail(in->err, DSC_E_RANGE, "\"%s\" is %" PRId64 ", outside %" PRId64 " to %" PRId64,
                     key, v, low, high);
        return absent;
    }
    return v;
}

static double read_real(struct config_in *in, const char *key, double absent, double low,
                        double high)
{
    const json_t *j = json_object_get(in->c->json, key);
    double v;

    if (in->st != DSC_OK || !j || json_is_null(j))
        return absent;
    v = json_number_value(j);
    if (!json_is_number(j))
        in->st = dsc_fail(in->err, DSC_E_SCHEMA, "\"%s\" is no number", key);
    else if (!(v >= low && v < high))
        in->st =
            dsc_fail(in->err, DSC_E_RANGE, "\"%s\" is %g, outside [%g, %g)", key, v, low, high);
    return v;
}

static const char *read_text(struct config_in *in, const char *key, const char *absent)
{
    const json_t *j = json_object_get(in->c->json, key);

    if (in->st != DSC_OK || !j || json_is_null(j))
        return absent;
    if (!json_is_string(j)) {
        in->st = dsc_fail(in->err, DSC_E_SCHEMA, "\"%s\" is no text", key);
        return absent;
    }
    return json_string_value(j);
}

static enum dsc_status find_family(struct config_in *in)
{
    const char *type = read_text(in, "model_type", NULL);

    DSC_TRY(in->st);
    if (!type)
        return dsc_fail(in->err, DSC_E_SCHEMA, "no \"model_type\"");
    for (int i = 0; i < hf_n_families; i++)
        if (strcmp(hf_families[i].model_type, type) == 0)
            in->c->family = &hf_families[i];
    if (in->c->family)
        return DSC_OK;
    dsc_fail(in->err, DSC_E_UNSUPPORTED, "\"model_type\" is \"%s\"", type);
    return dsc_err_hint(in->err, "there are bert, distilbert, electra, mpnet, roberta and "
                                 "xlm-roberta; export others to ONNX");
}

/* Pretrained models hold a head for words, which no verb needs: their encoder is read. */
static enum dsc_status find_arch(struct config_in *in, const struct dsc_log *log)
{
    static const char *const pretraining[] = {"ForMaskedLM", "ForPreTraining", "LMHeadModel"};
    const struct hf_family *f = in->c->family;
    const json_t *all = json_object_get(in->c->json, "architectures");
    const char *arch = json_string_value(json_array_get(all, 0));

    if (!arch) {
        in->c->is_classifier = false;
        return DSC_OK;
    }
    in->c->is_classifier = strcmp(arch, f->arch_classify) == 0;
    if (in->c->is_classifier || strcmp(arch, f->arch_base) == 0)
        return DSC_OK;
    for (size_t i = 0; i < sizeof pretraining / sizeof pretraining[0]; i++) {
        if (!dsc_ends_with(arch, pretraining[i]))
            continue;
        dsc_log_printf(log, DSC_LOG_INFO, "of the %s, the encoder is read without the head", arch);
        return DSC_OK;
    }
    return dsc_fail(in->err, DSC_E_UNSUPPORTED, "\"architectures\" is \"%s\"; read are %s and %s",
                    arch, f->arch_base, f->arch_classify);
}

/* Options that would change the computation. */
static enum dsc_status check_options(struct config_in *in)
{
    static const char *const flags[] = {"is_decoder", "add_cross_attention", "is_encoder_decoder"};
    const char *kind = read_text(in, "position_embedding_type", "absolute");
    const json_t *pruned = json_object_get(in->c->json, "pruned_heads");

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (json_is_true(json_object_get(in->c->json, flags[i])))
            return dsc_fail(in->err, DSC_E_UNSUPPORTED, "\"%s\" is true", flags[i]);
    DSC_TRY(in->st);
    if (strcmp(kind, "absolute") != 0)
        return dsc_fail(in->err, DSC_E_UNSUPPORTED, "\"position_embedding_type\" is \"%s\"", kind);
    if (json_object_size(pruned) > 0)
        return dsc_fail(in->err, DSC_E_UNSUPPORTED, "\"pruned_heads\" is not empty");
    if (!hf_activation_is_known(in->c->act))
        return dsc_fail(in->err, DSC_E_UNSUPPORTED, "\"%s\" is \"%s\"", in->c->family->keys->act,
                        in->c->act);
    if (in->c->family->has_bias_table && in->c->n_positions > HF_MAX_BIAS_POSITIONS)
        return dsc_fail(in->err, DSC_E_LIMIT,
                        "\"max_position_embeddings\" is %" PRId64 ", at most %d here",
                        in->c->n_positions, HF_MAX_BIAS_POSITIONS);
    if (in->c->hidden % in->c->n_heads != 0)
        return dsc_fail(in->err, DSC_E_INCONSISTENT,
                        "\"%s\" %" PRId64 " is no multiple of \"%s\" %" PRId64,
                        in->c->family->keys->hidden, in->c->hidden, in->c->family->keys->n_heads,
                        in->c->n_heads);
    return DSC_OK;
}

static void read_sizes(struct config_in *in)
{
    struct hf_config *c = in->c;
    const struct hf_keys *k = c->family->keys;

    c->vocab = read_int(in, "vocab_size", k->vocab_default, 1, CONFIG_MAX_SIZE);
    c->hidden = read_int(in, k->hidden, k->hidden_default, 1, CONFIG_MAX_SIZE);
    c->n_layers = read_int(in, k->n_layers, k->n_layers_default, 0, HF_MAX_LAYERS);
    c->n_heads = read_int(in, k->n_heads, k->n_heads_default, 1, CONFIG_MAX_SIZE);
    c->inner = read_int(in, k->inner, k->inner_default, 1, CONFIG_MAX_SIZE);
    c->n_positions = read_int(in, "max_position_embeddings", 512, 1, HF_MAX_POSITIONS);
    c->n_types = read_int(in, "type_vocab_size", 2, 1, CONFIG_MAX_SIZE);
    c->pad = read_int(in, "pad_token_id", c->family->pad_default, 0, c->vocab - 1);
    if (c->family->fixed_pad >= 0)
        c->pad = c->family->fixed_pad;
    c->embedding = c->family->has_projection
                       ? read_int(in, "embedding_size", 128, 1, CONFIG_MAX_SIZE)
                       : c->hidden;
    if (c->family->has_bias_table &&
        read_int(in, "relative_attention_num_buckets", HF_BUCKETS, 1, CONFIG_MAX_SIZE) !=
            HF_BUCKETS &&
        in->st == DSC_OK)
        in->st = dsc_fail(in->err, DSC_E_UNSUPPORTED,
                          "\"relative_attention_num_buckets\" is not %d", HF_BUCKETS);
}

static void read_rest(struct config_in *in)
{
    struct hf_config *c = in->c;
    const struct hf_keys *k = c->family->keys;
    const json_t *labels = json_object_get(c->json, "id2label");

    c->act = read_text(in, k->act, "gelu");
    c->dropout = read_real(in, k->dropout, 0.1, 0, 1);
    c->attn_dropout = read_real(in, k->attn_dropout, 0.1, 0, 1);
    c->head_dropout = k->head_dropout_default < 0 ? c->dropout : k->head_dropout_default;
    /* MPNet's head has no dropout of its own; the key means nothing there. */
    if (!c->family->has_bias_table)
        c->head_dropout = read_real(in, k->head_dropout, c->head_dropout, 0, 1);
    c->norm_eps = k->norm_eps ? read_real(in, k->norm_eps, 1e-12, 0, 1) : 1e-12;
    c->n_labels = json_is_object(labels) ? (int64_t)json_object_size(labels)
                                         : read_int(in, "num_labels", 2, 1, CONFIG_MAX_SIZE);
    if (c->is_classifier && c->n_labels < 1 && in->st == DSC_OK)
        in->st = dsc_fail(in->err, DSC_E_EMPTY, "\"id2label\" has no label");
}

enum dsc_status hf_config_read(struct hf_config *c, const char *json, size_t n_bytes,
                               const struct dsc_log *log, struct dsc_err *err)
{
    struct config_in in = {.c = c, .err = err};
    json_error_t why;

    *c = (struct hf_config){.json = json_loadb(json, n_bytes, JSON_REJECT_DUPLICATES, &why)};
    if (!c->json)
        in.st =
            dsc_fail(err, DSC_E_SCHEMA, "line %d, column %d: %s", why.line, why.column, why.text);
    else if (!json_is_object(c->json))
        in.st = dsc_fail(err, DSC_E_SCHEMA, "no JSON object");
    if (in.st == DSC_OK)
        in.st = find_family(&in);
    if (in.st == DSC_OK)
        in.st = find_arch(&in, log);
    if (in.st == DSC_OK) {
        read_sizes(&in);
        read_rest(&in);
    }
    if (in.st == DSC_OK)
        in.st = check_options(&in);
    if (in.st != DSC_OK)
        hf_config_clear(c);
    return in.st;
}

void hf_config_clear(struct hf_config *c)
{
    json_decref(c->json);
    *c = (struct hf_config){0};
}
