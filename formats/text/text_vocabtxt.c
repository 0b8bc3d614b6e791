/*
 * A vocab.txt and its tokenizer_config.json, written as the tokenizer.json that says the same: one
 * way into the tokenizer, and the text that an artefact stores.
 */
#include "dsc/checked.h"
#include "formats_text.h"
#include "tok.h"

#include <string.h>

struct vocab_config {
    const char *unk, *sep, *pad, *cls, *mask;
    bool lower, strips, has_strips, cuts_cjk, is_mpnet;
};

static const char *name_of(const json_t *config, const char *key, const char *dflt)
{
    const json_t *v = json_object_get(config, key);
    const char *s = json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);

    return s ? s : dflt;
}

static enum dsc_status read_class(const json_t *config, struct vocab_config *c, struct dsc_err *err)
{
    static const char *const known[] = {"", "BertTokenizer", "DistilBertTokenizer",
                                        "MPNetTokenizer", "ElectraTokenizer"};
    const char *name = name_of(config, "tokenizer_class", "");
    size_t n = strlen(name);

    if (n > 4 && !strcmp(name + n - 4, "Fast"))
        n -= 4;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i]) == n && !strncmp(known[i], name, n)) {
            c->is_mpnet = !strncmp(name, "MPNet", 5);
            return DSC_OK;
        }
    }
    return dsc_fail(err, DSC_E_UNSUPPORTED, "tokenizer_class '%.64s' with a vocab.txt", name);
}

static enum dsc_status read_config(const json_t *config, struct vocab_config *c,
                                   struct dsc_err *err)
{
    const char *what = "tokenizer_config.json";
    const json_t *strips = json_object_get(config, "strip_accents");

    DSC_TRY(read_class(config, c, err));
    c->unk = name_of(config, "unk_token", "[UNK]");
    c->sep = name_of(config, "sep_token", c->is_mpnet ? "</s>" : "[SEP]");
    c->pad = name_of(config, "pad_token", c->is_mpnet ? "<pad>" : "[PAD]");
    c->cls = name_of(config, "cls_token", c->is_mpnet ? "<s>" : "[CLS]");
    c->mask = name_of(config, "mask_token", c->is_mpnet ? "<mask>" : "[MASK]");
    c->has_strips = strips && !json_is_null(strips);
    DSC_TRY(dsc_tok_json_flag(config, what, "do_lower_case", true, &c->lower, err));
    DSC_TRY(dsc_tok_json_flag(config, what, "strip_accents", false, &c->strips, err));
    return dsc_tok_json_flag(config, what, "tokenize_chinese_chars", true, &c->cuts_cjk, err);
}

/* The end of a line without the white space that Hugging Face's reader trims. */
static const char *trim_end(const char *s, const char *end)
{
    while (end > s && uni_is(uni_before(end), UNI_SPACE)) {
        end--;
        while (((unsigned char)*end & 0xC0) == 0x80)
            end--;
    }
    return end;
}

/* {"token": line}; a token on two lines is an error here, where the line can be named. */
static enum dsc_status read_lines(json_t *vocab, const char *s, size_t n, struct dsc_err *err)
{
    const char *end = s + n;
    long line = 0;

    for (; s < end; line++) {
        const char *nl = memchr(s, '\n', (size_t)(end - s)), *last = trim_end(s, nl ? nl : end);
        char key[4096];
        size_t n_key = (size_t)(last - s);

        if (line > TOK_MAX_ID)
            return dsc_fail(err, DSC_E_LIMIT, "a vocabulary of more than %d lines", TOK_MAX_ID + 1);
        if (n_key >= sizeof key || memchr(s, 0, n_key))
            return dsc_fail(err, DSC_E_LIMIT, "line %ld of the vocabulary has %zu bytes, or a 0",
                            line + 1, n_key);
        memcpy(key, s, n_key);
        key[n_key] = 0;
        if (n_key && json_object_get(vocab, key))
            return dsc_fail(err, DSC_E_DUP, "line %ld of the vocabulary repeats '%.64s'", line + 1,
                            key);
        if (n_key && json_object_set_new(vocab, key, json_integer(line)))
            return dsc_fail(err, DSC_E_MEMORY, "no memory for a vocabulary");
        s = nl ? nl + 1 : end;
    }
    return DSC_OK;
}

static json_t *added_tokens(const json_t *vocab, const struct vocab_config *c)
{
    const char *const names[] = {c->pad, c->unk, c->cls, c->sep, c->mask};
    json_t *list = json_array();

    for (int i = 0; i < 5; i++) {
        json_t *id = json_object_get(vocab, names[i]);
        bool is_mask = i == 4 && c->is_mpnet; /* MPNet's mask takes the space before it */

        if (id)
            json_array_append_new(list,
                                  json_pack("{s:O, s:s, s:b, s:b, s:b, s:b, s:b}", "id", id,
                                            "content", names[i], "single_word", 0, "lstrip",
                                            is_mask, "rstrip", 0, "normalized", 0, "special", 1));
    }
    return list;
}

static enum dsc_status special_id(const json_t *vocab, const char *name, json_t **id,
                                  struct dsc_err *err)
{
    *id = json_object_get(vocab, name);
    if (*id)
        return DSC_OK;
    dsc_fail(err, DSC_E_INCONSISTENT, "the special token '%.64s' is not in the vocabulary", name);
    return dsc_err_hint(err, "name it in tokenizer_config.json");
}

static json_t *template_of(const struct vocab_config *c, json_t *cls, json_t *sep)
{
    const char *t = "SpecialToken", *q = "Sequence";

    return json_pack("{s:s,"
                     " s:[{s:{s:s,s:i}},{s:{s:s,s:i}},{s:{s:s,s:i}}],"
                     " s:[{s:{s:s,s:i}},{s:{s:s,s:i}},{s:{s:s,s:i}},{s:{s:s,s:i}},{s:{s:s,s:i}}],"
                     " s:{s:{s:s,s:[O],s:[s]},s:{s:s,s:[O],s:[s]}}}",
                     "type", "TemplateProcessing", "single",                    /* */
                     t, "id", c->cls, "type_id", 0, q, "id", "A", "type_id", 0, /* */
                     t, "id", c->sep, "type_id", 0, "pair",                     /* */
                     t, "id", c->cls, "type_id", 0, q, "id", "A", "type_id", 0, /* */
                     t, "id", c->sep, "type_id", 0, q, "id", "B", "type_id", 1, /* */
                     t, "id", c->sep, "type_id", 1, "special_tokens",           /* */
                     c->cls, "id", c->cls, "ids", cls, "tokens", c->cls,        /* */
                     c->sep, "id", c->sep, "ids", sep, "tokens", c->sep);
}

static json_t *post_of(const struct vocab_config *c, json_t *cls, json_t *sep)
{
    if (!c->is_mpnet)
        return template_of(c, cls, sep);
    return json_pack("{s:s, s:[s,O], s:[s,O], s:b, s:b}", "type", "RobertaProcessing", "sep",
                     c->sep, sep, "cls", c->cls, cls, "trim_offsets", 1, "add_prefix_space", 0);
}

static enum dsc_status build(json_t *vocab, const struct vocab_config *c, json_t **root,
                             struct dsc_err *err)
{
    json_t *cls, *sep;

    DSC_TRY(special_id(vocab, c->cls, &cls, err));
    DSC_TRY(special_id(vocab, c->sep, &sep, err));
    DSC_TRY(special_id(vocab, c->unk, &(json_t *){NULL}, err));
    *root = json_pack("{s:s, s:n, s:n, s:o, s:{s:s, s:b, s:b, s:o, s:b}, s:{s:s}, s:o, s:n,"
                      " s:{s:s, s:s, s:s, s:i, s:O}}",
                      "version", "1.0", "truncation", "padding", /* */
                      "added_tokens", added_tokens(vocab, c),    /* */
                      "normalizer", "type", "BertNormalizer", "clean_text", 1,
                      "handle_chinese_chars", c->cuts_cjk, "strip_accents",
                      c->has_strips ? json_boolean(c->strips) : json_null(), "lowercase", c->lower,
                      "pre_tokenizer", "type", "BertPreTokenizer", /* */
                      "post_processor", post_of(c, cls, sep),      /* */
                      "decoder", "model", "type", "WordPiece",     /* */
                      "unk_token", c->unk, "continuing_subword_prefix", "##",
                      "max_input_chars_per_word", 100, "vocab", vocab);
    return *root ? DSC_OK : dsc_fail(err, DSC_E_MEMORY, "no memory for a tokenizer's JSON");
}

enum dsc_status dsc_tok_open_vocab(struct dsc_tok **tok, const char *vocab, size_t n_bytes,
                                   const char *config, size_t n_config_bytes, struct dsc_err *err)
{
    struct vocab_config c = {0};
    json_t *conf = NULL, *words = json_object(), *root = NULL;
    char *text = NULL;
    enum dsc_status st = DSC_OK;
    size_t bad = dsc_utf8_check(vocab, n_bytes);

    *tok = NULL;
    if (bad < n_bytes) {
        st = dsc_fail(err, DSC_E_ENCODING, "the vocabulary is not UTF-8");
        dsc_err_where(err, "byte %zu", bad);
        goto out;
    }
    if (config)
        DSC_TRY_OUT(st, dsc_tok_json_load(&conf, config, n_config_bytes, err));
    DSC_TRY_OUT(st, read_config(conf, &c, err));
    DSC_TRY_OUT(st, read_lines(words, vocab, n_bytes, err));
    DSC_TRY_OUT(st, build(words, &c, &root, err));
    text = json_dumps(root, JSON_COMPACT);
    if (!text)
        st = dsc_fail(err, DSC_E_MEMORY, "no memory for a tokenizer's JSON");
    else
        st = dsc_tok_open_json(tok, text, strlen(text), config, n_config_bytes, err);
out:
    dsc_tok_json_free(text);
    json_decref(root);
    json_decref(words);
    json_decref(conf);
    return st;
}

/* The tokenizer_config.json beside `path`; its absence is no error. */
static enum dsc_status open_config(const char *path, struct dsc_file *f, struct dsc_err *err)
{
    static const char name[] = "tokenizer_config.json";
    const char *slash = strrchr(path, '/');
    size_t n_dir = slash ? (size_t)(slash - path) + 1 : 0;
    char *beside = dsc_heap_alloc(n_dir + sizeof name, 1, err);
    struct dsc_err missing = {0};
    enum dsc_status st;

    if (!beside)
        return DSC_E_MEMORY;
    memcpy(beside, path, n_dir);
    memcpy(beside + n_dir, name, sizeof name);
    st = dsc_file_open(f, beside, TOK_FILE_MAX_BYTES, &missing);
    if (st != DSC_OK && st != DSC_E_NOINPUT)
        dsc_fail(err, st, "%s", missing.message);
    dsc_heap_free(beside);
    return st == DSC_E_NOINPUT ? DSC_OK : st;
}

enum dsc_status dsc_tok_open_file(struct dsc_tok **tok, const char *path, struct dsc_err *err)
{
    struct dsc_file f = {0}, config = {0};
    enum dsc_status st;
    const char *s;
    size_t i = 0;

    *tok = NULL;
    DSC_TRY_OUT(st, dsc_file_open(&f, path, TOK_FILE_MAX_BYTES, err));
    DSC_TRY_OUT(st, open_config(path, &config, err));
    s = (const char *)f.data;
    while (i < f.n_bytes && (s[i] == ' ' || s[i] == '\n' || s[i] == '\r' || s[i] == '\t'))
        i++;
    if (i == f.n_bytes)
        st = dsc_fail(err, DSC_E_EMPTY, "an empty tokenizer file");
    else if (s[i] == '{')
        st = dsc_tok_open_json(tok, s, f.n_bytes, (const char *)config.data, config.n_bytes, err);
    else
        st = dsc_tok_open_vocab(tok, s, f.n_bytes, (const char *)config.data, config.n_bytes, err);
out:
    if (st != DSC_OK)
        dsc_err_file(err, path);
    dsc_file_close(&f);
    dsc_file_close(&config);
    return st;
}
