/*
 * What a Hugging Face folder says beside its weights: tokenizer, labels, length, pooling. It
 * becomes metadata of the graph (keys dscompress.*), so that an artefact needs no folder.
 */
#include "dsc/io.h"
#include "formats_props.h"
#include "formats_text.h"
#include "model/hf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Files that are kept as they are, for writing a folder again. */
const struct hf_kept hf_kept_files[] = {
    {"tokenizer_config.json", "dscompress.hf.tokenizer_config"},
    {"special_tokens_map.json", "dscompress.hf.special_tokens_map"},
    {"sentence_bert_config.json", "dscompress.hf.sentence_bert_config"},
    {"config_sentence_transformers.json", "dscompress.hf.config_sentence_transformers"},
    {"modules.json", HF_PROP_MODULES},
    {NULL, NULL}};

struct meta_in {
    struct dsc_graph *g;
    const char *folder;
    const struct hf_config *c;
    const struct dsc_log *log;
    struct dsc_arena tmp;
    struct dsc_err *err;
};

enum dsc_status hf_open(struct dsc_file *f, struct dsc_arena *tmp, const char *folder,
                        const char *name, struct dsc_err *err)
{
    const char *path = dsc_arena_printf(tmp, err, "%s/%s", folder, name);

    *f = (struct dsc_file){0};
    if (!path)
        return DSC_E_MEMORY;
    if (access(path, F_OK) != 0)
        return DSC_OK;
    if (dsc_file_open(f, path, HF_TEXT_MAX_BYTES, err) != DSC_OK)
        return dsc_err_file(err, path);
    return DSC_OK;
}

/* A JSON object beside the model; NULL and no failure when there is no such file. */
static enum dsc_status open_json(struct meta_in *in, const char *name, json_t **j)
{
    struct dsc_file f;
    json_error_t why;

    *j = NULL;
    DSC_TRY(hf_open(&f, &in->tmp, in->folder, name, in->err));
    if (!f.data)
        return DSC_OK;
    *j = json_loadb((const char *)f.data, f.n_bytes, 0, &why);
    dsc_file_close(&f);
    if (*j)
        return DSC_OK;
    return dsc_fail(in->err, DSC_E_SCHEMA, "%s: line %d, column %d: %s", name, why.line, why.column,
                    why.text);
}

static int append(const char *text, size_t n_bytes, void *ctx)
{
    dsc_bytes_add(ctx, text, n_bytes);
    return 0;
}

enum dsc_status hf_json_text(struct dsc_bytes *text, const json_t *j, size_t flags,
                             struct dsc_err *err)
{
    if (!j || json_dump_callback(j, append, text, flags) != 0)
        text->is_failed = true;
    dsc_bytes_add(text, "", 1);
    return text->is_failed ? dsc_fail(err, DSC_E_MEMORY, "out of memory") : DSC_OK;
}

static enum dsc_status set_json(struct meta_in *in, const char *key, const json_t *j, size_t flags)
{
    struct dsc_bytes text = {0};
    enum dsc_status st = hf_json_text(&text, j, flags, in->err);

    if (st == DSC_OK)
        st = dsc_graph_set_prop(in->g, key, (const char *)text.data, in->err);
    dsc_bytes_clear(&text);
    return st;
}

static enum dsc_status keep_files(struct meta_in *in)
{
    for (int i = 0; hf_kept_files[i].name; i++) {
        struct dsc_file f;
        char *text;
        enum dsc_status st;

        DSC_TRY(hf_open(&f, &in->tmp, in->folder, hf_kept_files[i].name, in->err));
        if (!f.data)
            continue;
        text = dsc_arena_strndup(&in->tmp, (const char *)f.data, f.n_bytes, in->err);
        dsc_file_close(&f);
        st = text ? dsc_graph_set_prop(in->g, hf_kept_files[i].key, text, in->err) : DSC_E_MEMORY;
        DSC_TRY(st);
    }
    return DSC_OK;
}

/* A tokenizer that is not done here leaves a model that runs on token ids: said, not refused. */
static enum dsc_status read_tokenizer(struct meta_in *in)
{
    static const char *const names[] = {"tokenizer.json", "vocab.txt"};
    struct dsc_tok *tok = NULL;
    struct dsc_err own = {0};
    char *path = NULL;
    enum dsc_status st;

    for (size_t i = 0; i < sizeof names / sizeof names[0] && !path; i++) {
        path = dsc_arena_printf(&in->tmp, in->err, "%s/%s", in->folder, names[i]);
        if (!path)
            return DSC_E_MEMORY;
        if (access(path, R_OK) != 0)
            path = NULL;
    }
    if (!path) {
        dsc_log_printf(in->log, DSC_LOG_WARNING,
                       "the folder has no tokenizer.json and no vocab.txt: texts cannot be read");
        return DSC_OK;
    }
    st = dsc_tok_open_file(&tok, path, &own);
    if (st == DSC_E_UNSUPPORTED) {
        dsc_log_printf(in->log, DSC_LOG_WARNING, "the tokenizer is left out: %s", own.message);
        return DSC_OK;
    }
    if (st != DSC_OK) {
        *in->err = own;
        return st;
    }
    st = dsc_graph_set_prop(in->g, DSC_PROP_TOKENIZER, dsc_tok_json(tok, NULL), in->err);
    dsc_tok_close(tok);
    return st;
}

static enum dsc_status read_labels(struct meta_in *in)
{
    const json_t *names = json_object_get(in->c->json, "id2label");
    const char *type = json_string_value(json_object_get(in->c->json, "problem_type"));
    const char *task = in->c->n_labels == 1 ? "regress" : "classify";
    json_t *list = json_array();
    enum dsc_status st = DSC_OK;

    for (int64_t i = 0; i < in->c->n_labels && list; i++) {
        char key[24], made[32];
        const char *name = NULL;

        snprintf(key, sizeof key, "%" PRId64, i);
        snprintf(made, sizeof made, "LABEL_%" PRId64, i);
        name = names ? json_string_value(json_object_get(names, key)) : made;
        if (!name)
            st = dsc_fail(in->err, DSC_E_SCHEMA, "\"id2label\" has no text for \"%s\"", key);
        else
            json_array_append_new(list, json_string(name));
        if (st != DSC_OK)
            break;
    }
    if (st == DSC_OK)
        st = list ? set_json(in, DSC_PROP_LABELS, list, JSON_COMPACT)
                  : dsc_fail(in->err, DSC_E_MEMORY, "out of memory");
    json_decref(list);
    DSC_TRY(st);
    if (type && strcmp(type, "regression") == 0)
        task = "regress";
    else if (type && strcmp(type, "single_label_classification") == 0)
        task = "classify";
    else if (type)
        return dsc_fail(in->err, DSC_E_UNSUPPORTED, "\"problem_type\" is \"%s\"", type);
    return dsc_graph_set_prop(in->g, DSC_PROP_TASK, task, in->err);
}

static enum dsc_status length_of(struct meta_in *in, const char *file, const char *key,
                                 int64_t *length)
{
    json_t *j;
    double v;

    DSC_TRY(open_json(in, file, &j));
    v = json_number_value(json_object_get(j, key)); /* 1e30 stands for "no limit" */
    if (v >= 1 && v < (double)*length)
        *length = (int64_t)v;
    json_decref(j);
    return DSC_OK;
}

static enum dsc_status read_length(struct meta_in *in)
{
    int64_t n = in->c->n_positions;
    char text[24];

    if (in->c->family->positions == HF_POS_FROM_PAD)
        n -= in->c->pad + 1;
    DSC_TRY(length_of(in, "tokenizer_config.json", "model_max_length", &n));
    DSC_TRY(length_of(in, "sentence_bert_config.json", "max_seq_length", &n));
    snprintf(text, sizeof text, "%" PRId64, n);
    return dsc_graph_set_prop(in->g, DSC_PROP_MAX_LENGTH, text, in->err);
}

/* Of a pipeline with modules that have weights of their own, the encoder is read, aloud. */
static enum dsc_status read_modules(struct meta_in *in)
{
    static const char *const known[] = {".Transformer", ".Pooling", ".Normalize"};
    enum dsc_status st = DSC_OK;
    json_t *all, *module;
    size_t i;

    DSC_TRY(open_json(in, "modules.json", &all));
    json_array_foreach(all, i, module)
    {
        const char *type = json_string_value(json_object_get(module, "type"));
        bool is_known = false;

        for (size_t k = 0; type && k < sizeof known / sizeof known[0]; k++)
            is_known |= dsc_ends_with(type, known[k]);
        if (is_known || st != DSC_OK)
            continue;
        dsc_log_printf(in->log, DSC_LOG_WARNING, "module %zu of modules.json (%s) is left out", i,
                       type ? type : "without a type");
        st = dsc_graph_set_prop(in->g, HF_PROP_MODULES, NULL, in->err);
    }
    json_decref(all);
    return st;
}

/* How sentence-transformers makes one row of a text: "mean", "cls" or "max". */
static enum dsc_status read_pooling(struct meta_in *in)
{
    static const struct {
        const char *key, *name;
    } flags[] = {{"pooling_mode_cls_token", "cls"},
                 {"pooling_mode_mean_tokens", "mean"},
                 {"pooling_mode_max_tokens", "max"},
                 {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len"},
                 {"pooling_mode_weightedmean_tokens", "weightedmean"},
                 {"pooling_mode_lasttoken", "lasttoken"}};
    const char *mode;
    enum dsc_status st = DSC_OK;
    int n = 0;
    json_t *j;

    DSC_TRY(open_json(in, "1_Pooling/config.json", &j));
    mode = json_string_value(json_object_get(j, "pooling_mode"));
    for (size_t i = 0; i < sizeof flags / sizeof flags[0] && !mode; i++)
        n += json_is_true(json_object_get(j, flags[i].key)) ? 1 : 0;
    for (size_t i = 0; i < sizeof flags / sizeof flags[0] && n == 1; i++)
        if (json_is_true(json_object_get(j, flags[i].key)))
            mode = flags[i].name;
    if (j && (!mode ||
              (strcmp(mode, "cls") != 0 && strcmp(mode, "mean") != 0 && strcmp(mode, "max") != 0)))
        dsc_log_printf(in->log, DSC_LOG_WARNING, "the pooling%s%s of 1_Pooling is left out",
                       mode ? " " : " of several kinds", mode ? mode : "");
    else if (mode)
        st = dsc_graph_set_prop(in->g, DSC_PROP_POOLING, mode, in->err);
    json_decref(j);
    return st;
}

/* The config as a folder of f32 weights with this architecture has it. */
static enum dsc_status keep_config(struct meta_in *in)
{
    const struct hf_family *f = in->c->family;
    const char *arch = in->c->is_classifier ? f->arch_classify : f->arch_base;
    json_t *j = json_deep_copy(in->c->json);
    enum dsc_status st;

    json_object_del(j, "torch_dtype");
    json_object_set_new(j, "architectures", json_pack("[s]", arch));
    json_object_set_new(j, "dtype", json_string("float32"));
    st = set_json(in, HF_PROP_CONFIG, j, JSON_COMPACT | HF_JSON);
    json_decref(j);
    return st;
}

bool hf_prop_is_in_files(const char *key)
{
    static const char *const keys[] = {HF_PROP_CONFIG, DSC_PROP_TOKENIZER, DSC_PROP_LABELS};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    for (int i = 0; hf_kept_files[i].name; i++)
        if (strcmp(hf_kept_files[i].key, key) == 0)
            return true;
    return false;
}

/* What our writer adds to a folder; it overrides what the other files say. */
static enum dsc_status read_props(struct meta_in *in)
{
    enum dsc_status st = DSC_OK;
    const char *key;
    json_t *all, *value;

    DSC_TRY(open_json(in, HF_PROPS_FILE, &all));
    json_object_foreach(all, key, value)
    {
        if (st == DSC_OK && !json_is_string(value))
            st = dsc_fail(in->err, DSC_E_SCHEMA, HF_PROPS_FILE ": '%s' is no text", key);
        if (st == DSC_OK && !hf_prop_is_in_files(key))
            st = dsc_graph_set_prop(in->g, key, json_string_value(value), in->err);
    }
    json_decref(all);
    return st;
}

static enum dsc_status read_all(struct meta_in *in)
{
    DSC_TRY(keep_config(in));
    DSC_TRY(keep_files(in));
    DSC_TRY(read_tokenizer(in));
    DSC_TRY(read_length(in));
    DSC_TRY(read_pooling(in));
    DSC_TRY(read_modules(in));
    if (in->c->is_classifier)
        DSC_TRY(read_labels(in));
    return read_props(in);
}

enum dsc_status hf_meta_read(struct dsc_graph *g, const char *folder, const struct hf_config *c,
                             const struct dsc_log *log, struct dsc_err *err)
{
    struct meta_in in = {.g = g, .folder = folder, .c = c, .log = log, .err = err};
    enum dsc_status st;

    dsc_arena_init(&in.tmp);
    st = read_all(&in);
    dsc_arena_clear(&in.tmp);
    return st;
}
