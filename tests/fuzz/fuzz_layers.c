/* Plans and sensitivity reports: what is accepted has every name, and numbers that count. */
#include "formats_plan.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static void check(bool is_true)
{
    if (!is_true)
        __builtin_trap();
}

static void check_row(const struct dsc_layer_row *row, bool is_plan)
{
    check(row->name && (row->format != NULL) == is_plan);
    for (int i = 0; i < row->n_cells; i++) {
        const struct dsc_layer_cell *c = &row->cells[i];

        check(c->format && c->size_bytes >= 0 && c->n_flips >= 0);
        check(isfinite(c->sqnr_db) && c->damage >= 0 && c->logit_rmse >= 0);
    }
}

static void read_as(const char *path, const char *schema)
{
    struct dsc_layer_file f;
    struct dsc_arena arena;
    struct dsc_err err = {0};
    enum dsc_status st;

    dsc_arena_init(&arena);
    st = dsc_layer_file_read(&f, path, schema, &arena, &err);
    fuzz_check(st, &err);
    if (st == DSC_OK) {
        fuzz_note(schema);
        check(f.model && f.settings);
        for (int i = 0; i < f.n_rows; i++)
            check_row(&f.rows[i], strcmp(schema, DSC_PLAN_SCHEMA) == 0);
    }
    dsc_arena_clear(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct fuzz_file f;

    fuzz_file_open(&f, data, n_bytes);
    read_as(f.path, DSC_PLAN_SCHEMA);
    read_as(f.path, DSC_SENSITIVITY_SCHEMA);
    fuzz_file_close(&f);
    return 0;
}
