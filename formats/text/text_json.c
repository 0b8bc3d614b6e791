/* Values of a tokenizer.json: what is missing, of the wrong kind or unknown is an error. */
#include "tok.h"

#include <limits.h>
#include <string.h>

enum dsc_status dsc_tok_json_load(json_t **root, const char *text, size_t n_bytes,
                                  struct dsc_err *err)
{
    json_error_t je;

    if (n_bytes > TOK_FILE_MAX_BYTES)
        return dsc_fail(err, DSC_E_LIMIT, "a tokenizer file of %zu bytes, limit %d", n_bytes,
                        TOK_FILE_MAX_BYTES);
    *root = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &je);
    if (*root && json_is_object(*root))
        return DSC_OK;
    if (*root) {
        json_decref(*root);
        *root = NULL;
        return dsc_fail(err, DSC_E_SCHEMA, "the tokenizer is not a JSON object");
    }
    switch (json_error_code(&je)) {
    case json_error_duplicate_key:
        dsc_fail(err, DSC_E_DUP, "%s", je.text);
        break;
    case json_error_premature_end_of_input:
        dsc_fail(err, DSC_E_TRUNC, "the JSON text ends too early");
        break;
    case json_error_stack_overflow:
        dsc_fail(err, DSC_E_LIMIT, "JSON nested too deeply");
        break;
    case json_error_out_of_memory:
        return dsc_fail(err, DSC_E_MEMORY, "no memory for the tokenizer's JSON");
    default:
        dsc_fail(err, DSC_E_MAGIC, "not a JSON text: %s", je.text);
    }
    return dsc_err_where(err, "line %d, column %d", je.line, je.column);
}

/* jansson's texts are its allocator's, which is not ours. */
void dsc_tok_json_free(char *text)
{
    json_malloc_t alloc;
    json_free_t release;

    json_get_alloc_funcs(&alloc, &release);
    release(text);
}

enum dsc_status dsc_tok_json_keys(const json_t *j, const char *what, const char *const *keys,
                                  struct dsc_err *err)
{
    const char *key;
    json_t *v;

    if (!json_is_object(j))
        return dsc_fail(err, DSC_E_SCHEMA, "%s is not an object", what);
    json_object_foreach((json_t *)j, key, v)
    {
        const char *const *k = keys;

        while (*k && strcmp(*k, key))
            k++;
        if (!*k)
            return dsc_fail(err, DSC_E_UNSUPPORTED, "%s: the key '%.64s' is not supported", what,
                            key);
    }
    return DSC_OK;
}

enum dsc_status dsc_tok_json_flag(const json_t *j, const char *what, const char *key, bool dflt,
                                  bool *out, struct dsc_err *err)
{
    const json_t *v = json_object_get(j, key);

    *out = v && !json_is_null(v) ? json_is_true(v) : dflt;
    if (v && !json_is_null(v) && !json_is_boolean(v))
        return dsc_fail(err, DSC_E_SCHEMA, "%s: '%s' is not true or false", what, key);
    return DSC_OK;
}

enum dsc_status dsc_tok_strdup(struct dsc_tok *t, const char *s, size_t n, struct tok_str *out,
                               struct dsc_err *err)
{
    out->s = dsc_arena_strndup(&t->arena, s, n, err);
    out->n = n;
    return out->s ? DSC_OK : DSC_E_MEMORY;
}

enum dsc_status dsc_tok_json_text(struct dsc_tok *t, const json_t *j, const char *what,
                                  const char *key, bool is_needed, struct tok_str *out,
                                  struct dsc_err *err)
{
    const json_t *v = json_object_get(j, key);

    if (!is_needed && (!v || json_is_null(v)))
        return DSC_OK;
    if (!json_is_string(v))
        return dsc_fail(err, DSC_E_SCHEMA, "%s: '%s' is %s", what, key,
                        v ? "not a text" : "missing");
    return dsc_tok_strdup(t, json_string_value(v), json_string_length(v), out, err);
}

enum dsc_status dsc_tok_json_int(const json_t *j, const char *what, const char *key, int64_t lo,
                                 int64_t hi, int64_t *out, struct dsc_err *err)
{
    const json_t *v = json_object_get(j, key);

    if (!json_is_integer(v))
        return dsc_fail(err, DSC_E_SCHEMA, "%s: '%s' is %s", what, key,
                        v ? "not a whole number" : "missing");
    *out = json_integer_value(v);
    if (*out < lo || *out > hi)
        return dsc_fail(err, DSC_E_RANGE, "%s: '%s' is %lld, outside [%lld, %lld]", what, key,
                        (long long)*out, (long long)lo, (long long)hi);
    return DSC_OK;
}

enum dsc_status dsc_tok_behavior_parse(const json_t *j, const char *what, enum tok_behavior *b,
                                       struct dsc_err *err)
{
    static const char *const names[] = {"Removed", "Isolated", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};
    const char *s = json_string_value(json_object_get(j, "behavior"));

    for (int i = 0; s && i < 5; i++) {
        if (!strcmp(s, names[i])) {
            *b = (enum tok_behavior)i;
            return DSC_OK;
        }
    }
    return dsc_fail(err, s ? DSC_E_UNSUPPORTED : DSC_E_SCHEMA, "%s: behavior '%.64s'", what,
                    s ? s : "");
}

enum dsc_status dsc_tok_vocab_parse(struct dsc_tok *t, const json_t *vocab, struct dsc_err *err)
{
    const char *key;
    json_t *v;
    int64_t max_id = -1;

    if (!json_is_object(vocab))
        return dsc_fail(err, DSC_E_SCHEMA, "the model's vocab is not an object");
    json_object_foreach((json_t *)vocab, key, v)
    {
        int64_t id = json_is_integer(v) ? json_integer_value(v) : -1;

        if (id < 0)
            return dsc_fail(err, DSC_E_SCHEMA, "the id of token '%.64s' is not a number >= 0", key);
        if (id > TOK_MAX_ID)
            return dsc_fail(err, DSC_E_LIMIT, "token '%.64s' has id %lld, limit %d", key,
                            (long long)id, TOK_MAX_ID);
        max_id = id > max_id ? id : max_id;
    }
    if (max_id < 0)
        return dsc_fail(err, DSC_E_EMPTY, "the model's vocab is empty");
    DSC_TRY(dsc_tok_vocab_init(&t->vocab, &t->arena, (size_t)max_id + 1, err));
    json_object_foreach((json_t *)vocab, key, v)
    {
        struct tok_str word = {key, strlen(key)};

        DSC_TRY(dsc_tok_vocab_add(&t->vocab, &t->arena, word, json_integer_value(v), err));
    }
    return DSC_OK;
}
