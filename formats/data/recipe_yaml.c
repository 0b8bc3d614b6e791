/* Recipes from YAML, by libyaml's events. */
#include "dsc/io.h"
#include "formats_recipe.h"

#include <string.h>
#include <yaml.h>

enum { VALUES_MAX = 4096 };

struct reading {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; deleted before the next */
    bool has_event;
    struct dsc_recipe *r;
    struct dsc_arena *arena;
    struct dsc_err *err;
};

static int line_of(const yaml_mark_t *mark)
{
    return (int)mark->line + 1;
}

static enum dsc_status bad(struct reading *y, int line, const char *what)
{
    dsc_fail(y->err, DSC_E_RECIPE, "%s", what);
    return dsc_err_where(y->err, "line %d", line);
}

static enum dsc_status syntax(struct reading *y)
{
    const yaml_parser_t *p = &y->parser;

    if (p->error == YAML_MEMORY_ERROR)
        return dsc_fail(y->err, DSC_E_MEMORY, "no memory for a recipe");
    dsc_fail(y->err, DSC_E_RECIPE, "not YAML: %s", p->problem ? p->problem : "?");
    return dsc_err_where(y->err, "line %d",
                         line_of(p->error == YAML_READER_ERROR ? &p->mark : &p->problem_mark));
}

static void drop_event(struct reading *y)
{
    if (y->has_event)
        yaml_event_delete(&y->event);
    y->has_event = false;
}

/* What makes a document larger than its text, or its meaning depend on a reader. */
static enum dsc_status next(struct reading *y)
{
    const yaml_event_t *e = &y->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;

    drop_event(y);
    if (!yaml_parser_parse(&y->parser, &y->event))
        return syntax(y);
    y->has_event = true;
    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    }
    if (anchor || e->type == YAML_ALIAS_EVENT)
        return bad(y, line_of(&e->start_mark), "anchors and aliases have no place in a recipe");
    return tag ? bad(y, line_of(&e->start_mark), "tags have no place in a recipe") : DSC_OK;
}

/* The current event, a scalar, as a value. */
static enum dsc_status take_scalar(struct reading *y, struct dsc_recipe_value *v)
{
    const yaml_event_t *e = &y->event;
    const char *text = (const char *)e->data.scalar.value;

    v->line = line_of(&e->start_mark);
    v->is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (strlen(text) != e->data.scalar.length)
        return bad(y, v->line, "NUL in a text");
    if (v->is_plain && (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        return bad(y, v->line, "a value is missing");
    v->text = dsc_arena_strdup(y->arena, text, y->err);
    return v->text ? DSC_OK : DSC_E_MEMORY;
}

static enum dsc_status take_list(struct reading *y, struct dsc_recipe_entry *entry)
{
    struct dsc_recipe_value *list = NULL;
    int n = 0, cap = 0;

    entry->is_list = true;
    for (;;) {
        DSC_TRY(next(y));
        if (y->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (y->event.type != YAML_SCALAR_EVENT)
            return bad(y, line_of(&y->event.start_mark), "a list holds single values only");
        if (n == VALUES_MAX)
            return bad(y, line_of(&y->event.start_mark), "too many values");
        if (n == cap) {
            struct dsc_recipe_value *more;

            cap = cap ? 2 * cap : 8;
            DSC_NEW(more, y->arena, cap, y->err);
            if (n)
                memcpy(more, list, (size_t)n * sizeof *more);
            list = more;
        }
        DSC_TRY(take_scalar(y, &list[n++]));
    }
    if (n == 0)
        return bad(y, entry->line, "an empty list");
    entry->values = list;
    entry->n_values = n;
    return DSC_OK;
}

static enum dsc_status check_new(struct reading *y, const struct dsc_recipe_entry *entry)
{
    for (int i = 0; i < y->r->n_entries; i++) {
        const struct dsc_recipe_entry *e = &y->r->entries[i];
        const bool is_same_verb =
            entry->verb ? e->verb && strcmp(e->verb, entry->verb) == 0 : !e->verb;

        if (!is_same_verb || strcmp(e->name, entry->name) != 0)
            continue;
        dsc_fail(y->err, DSC_E_RECIPE, "'%s' stands twice, first in line %d", entry->name, e->line);
        return dsc_err_where(y->err, "line %d", entry->line);
    }
    return DSC_OK;
}

static enum dsc_status add_entry(struct reading *y, const struct dsc_recipe_entry *entry)
{
    if (y->r->n_entries == DSC_RECIPE_MAX_ENTRIES)
        return bad(y, entry->line, "too many options");
    DSC_TRY(check_new(y, entry));
    y->r->entries[y->r->n_entries++] = *entry;
    return DSC_OK;
}

/* The current event must be a name. */
static enum dsc_status take_name(struct reading *y, struct dsc_recipe_entry *entry)
{
    struct dsc_recipe_value v;

    entry->line = line_of(&y->event.start_mark);
    if (y->event.type != YAML_SCALAR_EVENT)
        return bad(y, entry->line, "the name of an option is expected");
    DSC_TRY(take_scalar(y, &v));
    entry->name = v.text;
    return DSC_OK;
}

/* The event behind a name, a scalar or a list. */
static enum dsc_status take_value(struct reading *y, struct dsc_recipe_entry *entry)
{
    struct dsc_recipe_value *v;

    if (y->event.type == YAML_SEQUENCE_START_EVENT) {
        DSC_TRY(take_list(y, entry));
    } else if (y->event.type == YAML_SCALAR_EVENT) {
        DSC_NEW(v, y->arena, 1, y->err);
        DSC_TRY(take_scalar(y, v));
        entry->values = v;
        entry->n_values = 1;
    } else {
        return bad(y, line_of(&y->event.start_mark), "a value or a list of values is expected");
    }
    return add_entry(y, entry);
}

static enum dsc_status add_section(struct reading *y, const struct dsc_recipe_entry *name)
{
    struct dsc_recipe *r = y->r;

    for (int i = 0; i < r->n_sections; i++)
        if (strcmp(r->sections[i].verb, name->name) == 0)
            return bad(y, name->line, "a command stands twice");
    if (r->n_sections == DSC_RECIPE_MAX_ENTRIES)
        return bad(y, name->line, "too many mappings");
    r->sections[r->n_sections++] = (struct dsc_recipe_section){name->name, name->line};
    return DSC_OK;
}

/* The entries of a mapping; verb NULL: of the outermost one, which holds those of verbs. */
static enum dsc_status take_mapping(struct reading *y, const char *verb)
{
    for (;;) {
        struct dsc_recipe_entry entry = {.verb = verb};

        DSC_TRY(next(y));
        if (y->event.type == YAML_MAPPING_END_EVENT)
            return DSC_OK;
        DSC_TRY(take_name(y, &entry));
        DSC_TRY(next(y));
        if (!verb && y->event.type == YAML_MAPPING_START_EVENT) {
            DSC_TRY(add_section(y, &entry));
            DSC_TRY(take_mapping(y, entry.name)); /* which holds no further one */
        } else {
            DSC_TRY(take_value(y, &entry));
        }
    }
}

static enum dsc_status take_document(struct reading *y)
{
    DSC_TRY(next(y)); /* the stream */
    DSC_TRY(next(y));
    if (y->event.type == YAML_STREAM_END_EVENT)
        return bad(y, 1, "the recipe is empty");
    DSC_TRY(next(y));
    if (y->event.type != YAML_MAPPING_START_EVENT)
        return bad(y, line_of(&y->event.start_mark), "a recipe maps names of options to values");
    DSC_TRY(take_mapping(y, NULL));
    DSC_TRY(next(y)); /* the end of the document */
    DSC_TRY(next(y));
    if (y->event.type != YAML_STREAM_END_EVENT)
        return bad(y, line_of(&y->event.start_mark), "a second document");
    return DSC_OK;
}

enum dsc_status dsc_recipe_read(struct dsc_recipe *r, const char *path, struct dsc_arena *arena,
                                struct dsc_err *err)
{
    struct reading y = {.r = r, .arena = arena, .err = err};
    struct dsc_file file;
    enum dsc_status st;

    *r = (struct dsc_recipe){0};
    DSC_TRY(dsc_file_open(&file, path, 0, err));
    if (file.n_bytes > DSC_RECIPE_MAX_BYTES)
        st = dsc_fail(err, DSC_E_RECIPE, "%zu bytes, a recipe has at most %d", file.n_bytes,
                      DSC_RECIPE_MAX_BYTES);
    else
        st = yaml_parser_initialize(&y.parser) ? DSC_OK
                                               : dsc_fail(err, DSC_E_MEMORY, "no memory for YAML");
    if (st == DSC_OK) {
        r->entries = dsc_arena_alloc(arena, DSC_RECIPE_MAX_ENTRIES, sizeof *r->entries, err);
        r->sections = dsc_arena_alloc(arena, DSC_RECIPE_MAX_ENTRIES, sizeof *r->sections, err);
        yaml_parser_set_encoding(&y.parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&y.parser, file.n_bytes ? file.data : (const void *)"",
                                     file.n_bytes);
        st = r->entries && r->sections ? take_document(&y) : DSC_E_MEMORY;
        drop_event(&y);
        yaml_parser_delete(&y.parser);
    }
    dsc_file_close(&file);
    if (st != DSC_OK)
        dsc_err_file(err, strcmp(path, "-") ? path : "<stdin>");
    return st;
}
