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

static bool is_section(const struct dsc_recipe *r, const char *verb)
{
    for (int i = 0; i < r->n_sections; i++)
        if (strcmp(r->sections[i].verb, verb) == 0)
            return true;
    return false;
}

static void check_entry(const struct dsc_recipe *r, const struct dsc_recipe_entry *e)
{
    check(e->name && e->line > 0 && e->n_values > 0);
    check(!e->verb || is_section(r, e->verb));
    check(e->is_list || e->n_values == 1);
    for (int i = 0; i < e->n_values; i++)
        check(e->values[i].text && e->values[i].line >= e->line);
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
