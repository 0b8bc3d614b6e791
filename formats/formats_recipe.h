/*
 * Recipes: YAML mappings of option names to values.
 *
 *     epochs: 3            an option
 *     seed?: 1             one that need not have an effect
 *     exclude: [a, b]      one that may be repeated, or a list
 *     train:               options of one verb
 *       lr: 3e-5
 *     stages:              of a pipeline: verbs in order, each with its options
 *     - train:
 *         epochs: 5
 *
 * Only what that needs is read: one document, mappings, sequences and scalars. Anchors, aliases,
 * tags and keys that stand twice are refused.
 *
 * Source  YAML 1.1 (libyaml)
 */
#ifndef FORMATS_RECIPE_H
#define FORMATS_RECIPE_H

#include "dsc/arena.h"
#include "dsc/status.h"

#include <stdbool.h>

enum { DSC_RECIPE_MAX_BYTES = 256 * 1024, DSC_RECIPE_MAX_ENTRIES = 1024 };

/** From 1; columns are of code points. */
struct dsc_recipe_place {
    int line, column;
};

/** A scalar as it is written; is_plain: without quotes. */
struct dsc_recipe_value {
    const char *text;
    bool is_plain;
    struct dsc_recipe_place at;
};

/** A mapping for a verb, perhaps an empty one. Of stages several may have one verb. */
struct dsc_recipe_section {
    const char *verb;
    struct dsc_recipe_place at;
    bool is_stage;
};

/** section: the mapping it stands in, NULL: the outermost one. */
struct dsc_recipe_entry {
    const struct dsc_recipe_section *section;
    const char *name; /* without the '?' */
    bool may_be_useless;
    struct dsc_recipe_place at; /* of the name */
    bool is_list;
    const struct dsc_recipe_value *values;
    int n_values;
};

struct dsc_recipe {
    struct dsc_recipe_entry *entries;
    struct dsc_recipe_section *sections;
    int n_entries, n_sections;
};

/**
 * Read a file, "-" is standard input.
 *
 * Memory  in `arena`
 * Errors  NOINPUT  missing or unreadable
 *         RECIPE   anything that a recipe cannot hold, with file, line and column
 */
enum dsc_status dsc_recipe_read(struct dsc_recipe *r, const char *path, struct dsc_arena *arena,
                                struct dsc_err *err);

/** A place into an error that has none yet; returns its status. */
enum dsc_status dsc_recipe_where(struct dsc_err *err, struct dsc_recipe_place at);

#endif
