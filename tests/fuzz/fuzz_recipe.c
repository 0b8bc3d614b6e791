/* Recipes: what is accepted has names and values, and says where they stand. */
#include "formats_recipe.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <stdbool.h>
#include <string.h>

static void check(bool is_true)
{
    if (!is_true)
        __builtin_trap();
}

static bool is_section(const struct dsc_recipe *r, const struct dsc_recipe_section *s)
{
    return s >= r->sections && s < r->sections + r->n_sections && s->verb && s->at.line > 0;
}

static void check_entry(const struct dsc_recipe *r, const struct dsc_recipe_entry *e)
{
    check(e->name && e->at.line > 0 && e->at.column > 0 && e->n_values > 0);
    check(!e->section || is_section(r, e->section));
    check(e->is_list || e->n_values == 1);
    for (int i = 0; i < e->n_values; i++)
        check(e->values[i].text && e->values[i].at.line >= e->at.line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct dsc_recipe r;
    struct dsc_arena arena;
    struct dsc_err err = {0};
    struct fuzz_file f;
    enum dsc_status st;

    dsc_arena_init(&arena);
    fuzz_file_open(&f, data, n_bytes);
    st = dsc_recipe_read(&r, f.path, &arena, &err);
    fuzz_check(st, &err);
    check(st == DSC_OK || st == DSC_E_RECIPE || st == DSC_E_MEMORY);
    if (st == DSC_OK) {
        fuzz_note("recipe");
        for (int i = 0; i < r.n_entries; i++)
            check_entry(&r, &r.entries[i]);
    }
    fuzz_file_close(&f);
    dsc_arena_clear(&arena);
    return 0;
}
