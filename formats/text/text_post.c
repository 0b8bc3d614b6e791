/*
 * Post-processors. Each becomes two programmes, for one text and for a pair: a list of texts and
 * special tokens with their type ids.
 */
#include "tok.h"

#include <string.h>

enum { MAX_ITEMS = 256 };

static enum dsc_status post_init(struct dsc_tok *t, struct tok_post *p, size_t cap,
                                 struct dsc_err *err)
{
    *p = (struct tok_post){0};
    DSC_NEW(p->item, &t->arena, cap, err);
    return DSC_OK;
}

static void add_text(struct tok_post *p, int which, int32_t type_id)
{
    p->item[p->n++] = (struct tok_post_item){.which = which, .type_id = type_id};
}

static void add_ids(struct tok_post *p, const int32_t *ids, size_t n, int32_t type_id)
{
    p->item[p->n++] = (struct tok_post_item){type_id, -1, ids, n};
    p->n_special += n;
}

/* Without a post-processor: the texts as they are. */
static enum dsc_status default_post(struct dsc_tok *t, struct dsc_err *err)
{
    for (int k = 0; k < 2; k++) {
        DSC_TRY(post_init(t, &t->post[k], 2, err));
        add_text(&t->post[k], 0, 0);
    }
    add_text(&t->post[1], 1, 1);
    return DSC_OK;
}

static enum dsc_status check_id(const struct dsc_tok *t, const char *what, int64_t id,
                                struct dsc_err *err)
{
    if (id >= 0 && id < t->n_ids)
        return DSC_OK;
    return dsc_fail(err, DSC_E_INCONSISTENT, "%s: id %lld is not in the vocabulary of %d", what,
                    (long long)id, t->n_ids);
}

/* "cls": ["[CLS]", 101] */
static enum dsc_status parse_named(struct dsc_tok *t, const json_t *j, const char *what,
                                   const char *key, const int32_t **out, struct dsc_err *err)
{
    const json_t *v = json_object_get(j, key), *id = json_array_get(v, 1);
    int32_t *to;

    if (json_array_size(v) != 2 || !json_is_string(json_array_get(v, 0)) || !json_is_integer(id))
        return dsc_fail(err, DSC_E_SCHEMA, "%s: '%s' is not [token, id]", what, key);
    DSC_TRY(check_id(t, what, json_integer_value(id), err));
    DSC_NEW(to, &t->arena, 1, err);
    *to = (int32_t)json_integer_value(id);
    *out = to;
    return DSC_OK;
}

static enum dsc_status parse_bert(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    static const char *const keys[] = {"type", "sep", "cls", NULL};
    const int32_t *sep, *cls;

    DSC_TRY(dsc_tok_json_keys(j, "BertProcessing", keys, err));
    DSC_TRY(parse_named(t, j, "BertProcessing", "sep", &sep, err));
    DSC_TRY(parse_named(t, j, "BertProcessing", "cls", &cls, err));
    for (int k = 0; k < 2; k++) {
        DSC_TRY(post_init(t, &t->post[k], 5, err));
        add_ids(&t->post[k], cls, 1, 0);
        add_text(&t->post[k], 0, 0);
        add_ids(&t->post[k], sep, 1, 0);
    }
    add_text(&t->post[1], 1, 1);
    add_ids(&t->post[1], sep, 1, 1);
    return DSC_OK;
}

/* Two separators between the texts of a pair, and type 0 throughout. */
static enum dsc_status parse_roberta(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    static const char *const keys[] = {"type", "sep", "cls", "trim_offsets", "add_prefix_space",
                                       NULL};
    const int32_t *sep, *cls;

    DSC_TRY(dsc_tok_json_keys(j, "RobertaProcessing", keys, err));
    DSC_TRY(parse_named(t, j, "RobertaProcessing", "sep", &sep, err));
    DSC_TRY(parse_named(t, j, "RobertaProcessing", "cls", &cls, err));
    for (int k = 0; k < 2; k++) {
        DSC_TRY(post_init(t, &t->post[k], 6, err));
        add_ids(&t->post[k], cls, 1, 0);
        add_text(&t->post[k], 0, 0);
        add_ids(&t->post[k], sep, 1, 0);
    }
    add_ids(&t->post[1], sep, 1, 0);
    add_text(&t->post[1], 1, 0);
    add_ids(&t->post[1], sep, 1, 0);
    return DSC_OK;
}

static enum dsc_status template_ids(struct dsc_tok *t, const json_t *specials, const char *name,
                                    struct tok_post *p, int32_t type_id, struct dsc_err *err)
{
    const json_t *ids = json_object_get(json_object_get(specials, name), "ids");
    size_t n = json_array_size(ids);
    int32_t *to;

    if (!json_is_array(ids))
        return dsc_fail(err, DSC_E_SCHEMA,
                        "TemplateProcessing: no ids for the special token '%.64s'", name);
    DSC_NEW(to, &t->arena, n, err);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_array_get(ids, i);

        DSC_TRY(check_id(t, "TemplateProcessing", json_is_integer(id) ? json_integer_value(id) : -1,
                         err));
        to[i] = (int32_t)json_integer_value(id);
    }
    add_ids(p, to, n, type_id);
    return DSC_OK;
}

static enum dsc_status template_item(struct dsc_tok *t, const json_t *j, const json_t *specials,
                                     bool is_pair, struct tok_post *p, struct dsc_err *err)
{
    const json_t *seq = json_object_get(j, "Sequence");
    const json_t *v = seq ? seq : json_object_get(j, "SpecialToken");
    const char *id = json_string_value(json_object_get(v, "id"));
    int64_t type_id;

    if (json_object_size(j) != 1 || !id)
        return dsc_fail(err, DSC_E_SCHEMA,
                        "TemplateProcessing: a step that is no Sequence and no "
                        "SpecialToken");
    DSC_TRY(dsc_tok_json_int(v, "TemplateProcessing", "type_id", 0, INT32_MAX, &type_id, err));
    if (!seq)
        return template_ids(t, specials, id, p, (int32_t)type_id, err);
    if (strcmp(id, "A") && (strcmp(id, "B") || !is_pair))
        return dsc_fail(err, DSC_E_SCHEMA, "TemplateProcessing: sequence '%.64s'", id);
    add_text(p, id[0] == 'B', (int32_t)type_id);
    return DSC_OK;
}

static enum dsc_status parse_template(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    static const char *const keys[] = {"type", "single", "pair", "special_tokens", NULL};
    const json_t *specials = json_object_get(j, "special_tokens");

    DSC_TRY(dsc_tok_json_keys(j, "TemplateProcessing", keys, err));
    for (int k = 0; k < 2; k++) {
        const json_t *list = json_object_get(j, k ? "pair" : "single");
        size_t n = json_array_size(list), n_texts = 0;

        if (!json_is_array(list))
            return dsc_fail(err, DSC_E_SCHEMA, "TemplateProcessing: '%s' is not a list",
                            k ? "pair" : "single");
        if (n > MAX_ITEMS)
            return dsc_fail(err, DSC_E_LIMIT, "TemplateProcessing: %zu steps, limit %d", n,
                            MAX_ITEMS);
        DSC_TRY(post_init(t, &t->post[k], n, err));
        for (size_t i = 0; i < n; i++) {
            DSC_TRY(template_item(t, json_array_get(list, i), specials, k, &t->post[k], err));
            n_texts += t->post[k].item[i].which >= 0;
        }
        if (n_texts != (size_t)k + 1)
            return dsc_fail(err, DSC_E_SCHEMA, "TemplateProcessing: '%s' has %zu texts",
                            k ? "pair" : "single", n_texts);
    }
    return DSC_OK;
}

/* trim_offsets and add_prefix_space of ByteLevel and RobertaProcessing: both true by default. */
static enum dsc_status parse_trim(struct dsc_tok *t, const json_t *j, const char *what,
                                  struct dsc_err *err)
{
    DSC_TRY(dsc_tok_json_flag(j, what, "trim_offsets", true, &t->trims_offsets, err));
    return dsc_tok_json_flag(j, what, "add_prefix_space", true, &t->trim_keeps_first, err);
}

/* A sequence may hold one that adds tokens; ByteLevel only moves offsets. */
static enum dsc_status parse_sequence(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    static const char *const keys[] = {"type", "processors", NULL};
    const json_t *list = json_object_get(j, "processors"), *found = NULL, *v;
    size_t i;

    DSC_TRY(dsc_tok_json_keys(j, "post-processor Sequence", keys, err));
    if (!json_is_array(list))
        return dsc_fail(err, DSC_E_SCHEMA, "post-processor Sequence: no list of processors");
    json_array_foreach(list, i, v)
    {
        const char *type = json_string_value(json_object_get(v, "type"));

        if (type && !strcmp(type, "ByteLevel")) {
            DSC_TRY(parse_trim(t, v, "ByteLevel", err));
            continue;
        }
        if (found || !type || !strcmp(type, "Sequence"))
            return dsc_fail(err, DSC_E_UNSUPPORTED,
                            "a post-processor Sequence of more than one "
                            "that adds tokens");
        found = v;
    }
    return dsc_tok_post_parse(t, found, err);
}

enum dsc_status dsc_tok_post_parse(struct dsc_tok *t, const json_t *j, struct dsc_err *err)
{
    static const struct {
        const char *type;
        enum dsc_status (*parse)(struct dsc_tok *t, const json_t *j, struct dsc_err *err);
    } kinds[] = {
        {"BertProcessing", parse_bert},
        {"RobertaProcessing", parse_roberta},
        {"Sequence", parse_sequence},
        {"TemplateProcessing", parse_template},
    };
    const char *type = json_string_value(json_object_get(j, "type"));

    DSC_TRY(default_post(t, err));
    if (!j || json_is_null(j))
        return DSC_OK;
    if (type && (!strcmp(type, "ByteLevel") || !strcmp(type, "RobertaProcessing")))
        DSC_TRY(parse_trim(t, j, type, err));
    if (type && !strcmp(type, "ByteLevel"))
        return DSC_OK;
    for (size_t i = 0; type && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (!strcmp(type, kinds[i].type))
            return kinds[i].parse(t, j, err);
    }
    return dsc_fail(err, type ? DSC_E_UNSUPPORTED : DSC_E_SCHEMA,
                    "post-processor '%.64s' is not supported", type ? type : "");
}
