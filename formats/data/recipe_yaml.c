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

static struct dsc_recipe_place place_of(const yaml_mark_t *mark)
{
    return (struct dsc_recipe_place){(int)mark->line + 1, (int)mark->column + 1};
}

enum dsc_status dsc_recipe_where(struct dsc_err *err, struct dsc_recipe_place at)
{
    return dsc_err_where(err, "line %d, column %d", at.line, at.column);
}

static enum dsc_status bad(struct reading *y, struct dsc_recipe_place at, const char *what)
{
    dsc_fail(y->err, DSC_E_RECIPE, "%s", what);
    return dsc_recipe_where(y->err, at);
}

static enum dsc_status bad_here(struct reading *y, const char *what)
{
    return bad(y, place_of(&y->event.start_mark), what);
}

static enum dsc_status syntax(struct reading *y)
{
    const yaml_parser_t *p = &y->parser;

    if (p->error == YAML_MEMORY_ERROR)
        return dsc_fail(y->err, DSC_E_MEMORY, "no memory for a recipe");
    dsc_fail(y->err, DSC_E_RECIPE, "not YAML: %s", p->problem ? p->problem : "?");
    return dsc_recipe_where(y->err,
                            place_of(p->error == YAML_READER_ERROR ? &p->mark : &p->problem_mark));
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
        return bad_here(y, "anchors and aliases have no place in a recipe");
    return tag ? bad_here(y, "tags have no place in a recipe") : DSC_OK;
}

/* The current event, a scalar, as a value. */
static enum dsc_status take_scalar(struct reading *y, struct dsc_recipe_value *v)
{
    const yaml_event_t *e = &y->event;
    const char *text = (const char *)e->data.scalar.value;

    v->at = place_of(&e->start_mark);
    v->is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (strlen(text) != e->data.scalar.length)
        return bad(y, v->at, "NUL in a text");
    if (v->is_plain && (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0))
        return bad(y, v->at, "a value is missing");
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
            return bad_here(y, "a list holds single values only");
        if (n == VALUES_MAX)
            return bad_here(y, "too many values");
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
        return bad(y, entry->at, "an empty list");
    entry->values = list;
    entry->n_values = n;
    return DSC_OK;
}

static enum dsc_status check_new(struct reading *y, const struct dsc_recipe_entry *entry)
{
    for (int i = 0; i < y->r->n_entries; i++) {
        const struct dsc_recipe_entry *e = &y->r->entries[i];

        if (e->section != entry->section || strcmp(e->name, entry->name) != 0)
            continue;
        dsc_fail(y->err, DSC_E_RECIPE, "'%s' stands twice, first in line %d", entry->name,
                 e->at.line);
        return dsc_recipe_where(y->err, entry->at);
    }
    return DSC_OK;
}

static enum dsc_status add_entry(struct reading *y, const struct dsc_recipe_entry *entry)
{
    if (y->r->n_entries == DSC_RECIPE_MAX_ENTRIES)
        return bad(y, entry->at, "too many options");
    DSC_TRY(check_new(y, entry));
    y->r->entries[y->r->n_entries++] = *entry;
    return DSC_OK;
}

/* The current event must be a name. */
static enum dsc_status take_name(struct reading *y, struct dsc_recipe_entry *entry)
{
    struct dsc_recipe_value v;
    size_t n;

    entry->at = place_of(&y->event.start_mark);
    if (y->event.type != YAML_SCALAR_EVENT)
        return bad(y, entry->at, "the name of an option is expected");
    DSC_TRY(take_scalar(y, &v));
    n = strlen(v.text);
    entry->may_be_useless = n > 1 && v.text[n - 1] == '?';
    entry->name = entry->may_be_useless
                      ? dsc_arena_printf(y->arena, y->err, "%.*s", (int)n - 1, v.text)
                      : v.text;
    return entry->name ? DSC_OK : DSC_E_MEMORY;
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
        return bad_here(y, "a value or a list of values is expected");
    }
    return add_entry(y, entry);
}

static enum dsc_status add_section(struct reading *y, const struct dsc_recipe_entry *name,
                                   bool is_stage)
{
    struct dsc_recipe *r = y->r;

    for (int i = 0; i < r->n_sections; i++)
        if (!is_stage && !r->sections[i].is_stage && strcmp(r->sections[i].verb, name->name) == 0)
            return bad(y, name->at, "a command stands twice");
    if (r->n_sections == DSC_RECIPE_MAX_ENTRIES)
        return bad(y, name->at, "too many mappings");
    r->sections[r->n_sections++] = (struct dsc_recipe_section){name->name, name->at, is_stage};
    return DSC_OK;
}

static enum dsc_status take_mapping(struct reading *y, const struct dsc_recipe_section *section);

/* A list of mappings, each of one verb to its options. */
static enum dsc_status take_stages(struct reading *y)
{
    for (;;) {
        struct dsc_recipe_entry name = {0};

        DSC_TRY(next(y));
        if (y->event.type == YAML_SEQUENCE_END_EVENT)
            return DSC_OK;
        if (y->event.type != YAML_MAPPING_START_EVENT)
            return bad_here(y, "a stage is a command, ':' and its options");
        DSC_TRY(next(y));
        if (y->event.type == YAML_MAPPING_END_EVENT)
            return bad_here(y, "a stage without a command");
        DSC_TRY(take_name(y, &name));
        DSC_TRY(next(y));
        if (y->event.type != YAML_MAPPING_START_EVENT)
            return bad_here(y, "a mapping of options is expected ({} for none)");
        DSC_TRY(add_section(y, &name, true));
        DSC_TRY(take_mapping(y, &y->r->sections[y->r->n_sections - 1]));
        DSC_TRY(next(y));
        if (y->event.type != YAML_MAPPING_END_EVENT)
            return bad_here(y, "a stage is one command; its options are indented further");
    }
}

/* The entries of a mapping; section NULL: of the outermost one, which holds those of verbs. */
static enum dsc_status take_mapping(struct reading *y, const struct dsc_recipe_section *section)
{
    bool has_stages = false;

    for (;;) {
        struct dsc_recipe_entry entry = {.section = section};

        DSC_TRY(next(y));
        if (y->event.type == YAML_MAPPING_END_EVENT)
            return DSC_OK;
        DSC_TRY(take_name(y, &entry));
        DSC_TRY(next(y));
        if (!section && y->event.type == YAML_MAPPING_START_EVENT) {
            DSC_TRY(add_section(y, &entry, false)); /* which holds no further one */
            DSC_TRY(take_mapping(y, &y->r->sections[y->r->n_sections - 1]));
        } else if (!section && strcmp(entry.name, "stages") == 0 &&
                   y->event.type == YAML_SEQUENCE_START_EVENT) {
            if (has_stages)
                return bad(y, entry.at, "'stages' stands twice");
            has_stages = true;
            DSC_TRY(take_stages(y));
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
        return bad(y, (struct dsc_recipe_place){1, 1}, "the recipe is empty");
    DSC_TRY(next(y));
    if (y->event.type != YAML_MAPPING_START_EVENT)
        return bad_here(y, "a recipe maps names of options to values");
    DSC_TRY(take_mapping(y, NULL));
    DSC_TRY(next(y)); /* the end of the document */
    DSC_TRY(next(y));
    if (y->event.type != YAML_STREAM_END_EVENT)
        return bad_here(y, "a second document");
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
