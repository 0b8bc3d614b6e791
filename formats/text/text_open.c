/* A tokenizer from the text of a tokenizer.json. */
#include "formats_text.h"
#include "tok.h"

#include <string.h>

static const struct tok_model_kind *const models[] = {
#define DSC_TOK_MODEL(name) &dsc_tok_model_##name,
#include "tokenizers.def"
#undef DSC_TOK_MODEL
};

static const struct tok_norm_kind *const norms[] = {
#define DSC_TOK_NORM(name) &dsc_tok_norm_##name,
#include "normalizers.def"
#undef DSC_TOK_NORM
};

static const struct tok_pre_kind *const pres[] = {
#define DSC_TOK_PRE(name) &dsc_tok_pre_##name,
#include "pretokenizers.def"
#undef DSC_TOK_PRE
};

#define N_ROWS(table) (sizeof(table) / sizeof((table)[0]))

enum { MAX_DEPTH = 16 };

static enum dsc_status type_of(const json_t *j, const char *what, const char **type,
                               struct dsc_err *err)
{
    *type = json_string_value(json_object_get(j, "type"));
    return *type ? DSC_OK : dsc_fail(err, DSC_E_SCHEMA, "a %s without a type", what);
}

static enum dsc_status unsupported(const char *what, const char *type, struct dsc_err *err)
{
    return dsc_fail(err, DSC_E_UNSUPPORTED, "%s '%.64s' is not supported", what, type);
}

static enum dsc_status sequence_of(const json_t *j, const char *what, const char *key, int depth,
                                   const json_t **list, struct dsc_err *err)
{
    const char *const keys[] = {"type", key, NULL};

    DSC_TRY(dsc_tok_json_keys(j, what, keys, err));
    *list = json_object_get(j, key);
    if (!json_is_array(*list))
        return dsc_fail(err, DSC_E_SCHEMA, "%s Sequence: '%s' is not a list", what, key);
    if (depth >= MAX_DEPTH)
        return dsc_fail(err, DSC_E_LIMIT, "%s nested more than %d deep", what, MAX_DEPTH);
    return DSC_OK;
}

/* Sequences, nested or not, become one flat list. */
static enum dsc_status parse_norm(struct dsc_tok *t, const json_t *j, int depth,
                                  struct dsc_err *err)
{
    const char *type;
    const json_t *list, *v;
    size_t i;

    DSC_TRY(type_of(j, "normalizer", &type, err));
    if (!strcmp(type, "Sequence")) {
        DSC_TRY(sequence_of(j, "normalizer", "normalizers", depth, &list, err));
        json_array_foreach(list, i, v) DSC_TRY(parse_norm(t, v, depth + 1, err));
        return DSC_OK;
    }
    for (i = 0; i < N_ROWS(norms) && strcmp(norms[i]->type, type); i++)
        ;
    if (i == N_ROWS(norms))
        return unsupported("normalizer", type, err);
    if (t->n_norms == TOK_MAX_STEPS)
        return dsc_fail(err, DSC_E_LIMIT, "more than %d normalizers", TOK_MAX_STEPS);
    t->norm[t->n_norms].kind = norms[i];
    return norms[i]->parse(t, j, &t->norm[t->n_norms++], err);
}

static enum dsc_status parse_pre(struct dsc_tok *t, const json_t *j, int depth, struct dsc_err *err)
{
    const char *type;
    const json_t *list, *v;
    size_t i;

    DSC_TRY(type_of(j, "pre-tokenizer", &type, err));
    if (!strcmp(type, "Sequence")) {
        DSC_TRY(sequence_of(j, "pre-tokenizer", "pretokenizers", depth, &list, err));
        json_array_foreach(list, i, v) DSC_TRY(parse_pre(t, v, depth + 1, err));
        return DSC_OK;
    }
    for (i = 0; i < N_ROWS(pres) && strcmp(pres[i]->type, type); i++)
        ;
    if (i == N_ROWS(pres))
        return unsupported("pre-tokenizer", type, err);
    if (t->n_pres == TOK_MAX_STEPS)
        return dsc_fail(err, DSC_E_LIMIT, "more than %d pre-tokenizers", TOK_MAX_STEPS);
    t->pre[t->n_pres].kind = pres[i];
    return pres[i]->parse(t, j, &t->pre[t->n_pres++], err);
}

/* Files of before 2020 have no type: it shows in the keys. */
static const char *model_type(const json_t *j)
{
    const char *type = json_string_value(json_object_get(j, "type"));

    if (type)
        return type;
    if (json_object_get(j, "merges"))
        return "BPE";
    if (json_is_array(json_object_get(j, "vocab")))
        return "Unigram";
    return json_object_get(j, "max_input_chars_per_word") ? "WordPiece" : "";
}

static enum dsc_status parse_model(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    const char *type = model_type(j);

    if (!json_is_object(j))
        return dsc_fail(err, DSC_E_SCHEMA, "the tokenizer has no model");
    for (size_t i = 0; i < N_ROWS(models); i++) {
        if (!strcmp(models[i]->type, type)) {
            t->model = models[i];
            return models[i]->parse(t, j, err);
        }
    }
    return unsupported("model", type, err);
}

static enum dsc_status parse_direction(const json_t *j, const char *what, bool *is_left,
                                       struct dsc_err *err)
{
    const char *s = json_string_value(json_object_get(j, "direction"));

    *is_left = s && !strcmp(s, "Left");
    if (s && !*is_left && strcmp(s, "Right"))
        return dsc_fail(err, DSC_E_SCHEMA, "%s: direction '%.64s'", what, s);
    return DSC_OK;
}

static enum dsc_status parse_truncation(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    const char *s = json_string_value(json_object_get(j, "strategy"));
    int64_t n;

    if (!j || json_is_null(j))
        return DSC_OK;
    if (s && strcmp(s, "LongestFirst"))
        return unsupported("truncation strategy", s, err);
    DSC_TRY(dsc_tok_json_int(j, "truncation", "max_length", 0, INT32_MAX, &n, err));
    t->file_max_length = (int32_t)n;
    return parse_direction(j, "truncation", &t->cuts_left, err);
}

static enum dsc_status parse_padding(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    int64_t id, type_id = 0;

    if (!j || json_is_null(j))
        return DSC_OK;
    DSC_TRY(dsc_tok_json_int(j, "padding", "pad_id", 0, TOK_MAX_ID, &id, err));
    if (json_object_get(j, "pad_type_id"))
        DSC_TRY(dsc_tok_json_int(j, "padding", "pad_type_id", 0, INT32_MAX, &type_id, err));
    if (id >= t->n_ids)
        return dsc_fail(err, DSC_E_INCONSISTENT, "padding: id %lld is not in the vocabulary of %d",
                        (long long)id, t->n_ids);
    t->pad_id = (int32_t)id;
    t->pad_type_id = (int32_t)type_id;
    return parse_direction(j, "padding", &t->pads_left, err);
}

/* The name of a special token in a tokenizer_config.json: a text or {"content": text}. */
static const char *config_token(const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);

    return json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
}

static void find_pad(struct dsc_tok *t, const json_t *config)
{
    const char *names[] = {config_token(config, "pad_token"), "[PAD]", "<pad>"};

    for (size_t i = 0; t->pad_id < 0 && i < 3; i++) {
        if (names[i])
            t->pad_id = dsc_tok_id(t, names[i], strlen(names[i]));
    }
}

static enum dsc_status parse_root(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    static const char *const keys[] = {
        "version",       "truncation", "padding",        "added_tokens", "normalizer",
        "pre_tokenizer", "model",      "post_processor", "decoder",      NULL};
    const json_t *norm = json_object_get(j, "normalizer");
    const json_t *pre = json_object_get(j, "pre_tokenizer");
    const char *version = json_string_value(json_object_get(j, "version"));

    DSC_TRY(dsc_tok_json_keys(j, "tokenizer", keys, err));
    if (version && strcmp(version, "1.0"))
        return dsc_fail(err, DSC_E_VERSION, "tokenizer of version '%.32s', 1.0 is read", version);
    DSC_TRY(parse_model(t, json_object_get(j, "model"), err));
    if (norm && !json_is_null(norm))
        DSC_TRY(parse_norm(t, norm, 0, err));
    if (pre && !json_is_null(pre))
        DSC_TRY(parse_pre(t, pre, 0, err));
    DSC_TRY(dsc_tok_added_parse(t, json_object_get(j, "added_tokens"), err));
    DSC_TRY(dsc_tok_added_build(t, err));
    DSC_TRY(dsc_tok_post_parse(t, json_object_get(j, "post_processor"), err));
    DSC_TRY(parse_truncation(t, json_object_get(j, "truncation"), err));
    return parse_padding(t, json_object_get(j, "padding"), err);
}

static enum dsc_status check_utf8(const char *s, size_t n, const char *what, struct dsc_err *err)
{
    size_t bad = dsc_utf8_check(s, n);

    if (bad == n)
        return DSC_OK;
    dsc_fail(err, DSC_E_ENCODING, "the %s is not UTF-8", what);
    return dsc_err_where(err, "byte %zu", bad);
}

enum dsc_status dsc_tok_open_json(struct dsc_tok **tok, const char *json, size_t n_bytes,
                                  const char *config, size_t n_config_bytes, struct dsc_err *err)
{
    struct dsc_tok *t = dsc_heap_alloc(1, sizeof *t, err);
    json_t *root = NULL, *conf = NULL;
    enum dsc_status st = DSC_OK;

    *tok = NULL;
    if (!t)
        return DSC_E_MEMORY;
    t->pad_id = TOK_NONE;
    t->unk_id = TOK_NONE;
    dsc_arena_init(&t->arena);
    DSC_TRY_OUT(st, check_utf8(json, n_bytes, "tokenizer", err));
    DSC_TRY_OUT(st, dsc_tok_json_load(&root, json, n_bytes, err));
    if (config)
        DSC_TRY_OUT(st, dsc_tok_json_load(&conf, config, n_config_bytes, err));
    DSC_TRY_OUT(st, parse_root(t, root, err));
    DSC_TRY_OUT(st, dsc_tok_strdup(t, json, n_bytes, &t->json, err));
    find_pad(t, conf);
    *tok = t;
    t = NULL;
out:
    json_decref(root);
    json_decref(conf);
    dsc_tok_close(t);
    return st;
}

void dsc_tok_close(struct dsc_tok *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_norms; i++)
        dsc_tok_pattern_close(&t->norm[i].pattern);
    for (size_t i = 0; i < t->n_pres; i++)
        dsc_tok_pattern_close(&t->pre[i].pattern);
    dsc_arena_clear(&t->arena);
    dsc_heap_free(t);
}

struct dsc_tok_info dsc_tok_info(const struct dsc_tok *t)
{
    return (struct dsc_tok_info){
        .model = t->model->type,
        .n_ids = t->n_ids,
        .pad_id = t->pad_id,
        .pad_type_id = t->pad_type_id,
        .unk_id = t->unk_id,
        .pad_token = t->pad_id >= 0 ? dsc_tok_token(t, t->pad_id, NULL) : NULL,
        .pads_left = t->pads_left,
        .file_max_length = t->file_max_length,
        .n_special_single = (int32_t)t->post[0].n_special,
        .n_special_pair = (int32_t)t->post[1].n_special,
    };
}

const char *dsc_tok_json(const struct dsc_tok *t, size_t *n_bytes)
{
    if (n_bytes)
        *n_bytes = t->json.n;
    return t->json.s;
}

int32_t dsc_tok_id(const struct dsc_tok *t, const char *token, size_t n_bytes)
{
    for (size_t i = 0; i < t->n_added; i++) {
        if (t->added[i].content.n == n_bytes && !memcmp(t->added[i].content.s, token, n_bytes))
            return t->added[i].id;
    }
    return dsc_tok_vocab_find(&t->vocab, token, n_bytes);
}

const char *dsc_tok_token(const struct dsc_tok *t, int64_t id, size_t *n_bytes)
{
    struct tok_str word = {NULL, 0};

    if (id >= 0 && id < t->vocab.n_ids)
        word = t->vocab.words[id];
    for (size_t i = 0; !word.s && i < t->n_added; i++) {
        if (t->added[i].id == id)
            word = t->added[i].content;
    }
    if (n_bytes)
        *n_bytes = word.n;
    return word.s;
}
