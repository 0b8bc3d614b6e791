/*
 * Recipes: YAML mappings of option names to values.
 *
 *     epochs: 3            an option
 *     exclude: [a, b]      one that may be repeated, or a list
 *     train:               options of one verb
 *       lr: 3e-5
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

/** A scalar as it is written; is_plain: without quotes. */
struct dsc_recipe_value {
    const char *text;
    bool is_plain;
    int line;
};

/** verb: whose mapping it stands in, NULL: none's. */
struct dsc_recipe_entry {
    const char *verb;
    const char *name;
    int line; /* of the name, from 1 */
    bool is_list;
    const struct dsc_recipe_value *values;
    int n_values;
};

/** A mapping for a verb, perhaps an empty one. */
struct dsc_recipe_section {
    const char *verb;
    int line;
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
 *         RECIPE   anything that a recipe cannot hold, with file and line
 */
enum dsc_status dsc_recipe_read(struct dsc_recipe *r, const char *path, struct dsc_arena *arena,
                                struct dsc_err *err);

#endif
