/*
 * Bootstrap draws. A draw is a count for each example; metrics are computed on counts, so nothing
 * is copied or sorted again, and all metrics and both models share the draw.
 */
#include "dsc/rng.h"
#include "metrics.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

enum { DRAWS_PER_TILE = 64 };

/* One model's predictions with what its metrics prepared. */
struct side {
    const struct dsc_predictions *p;
    void **state; /* [n_metrics] */
    double *draws;
};

struct job {
    const struct dsc_metric *const *metrics;
    size_t n_metrics;
    size_t n_draws;
    size_t n_scratch; /* doubles for each example */
    bool has_tally;
    struct dsc_rng_key key;
    struct side side[2];
    int n_sides;
    atomic_int status;
};

/* What one tile works in. */
struct work {
    uint32_t *count;
    uint64_t *classes;
    double *scratch;
};

static enum dsc_status work_alloc(struct work *w, const struct job *j)
{
    const struct dsc_predictions *p = j->side[0].p;

    *w = (struct work){0};
    w->count = dsc_heap_alloc(p->n, sizeof *w->count, NULL);
    w->classes =
        dsc_heap_alloc(j->has_tally ? (size_t)p->n_classes : 0, 3 * sizeof *w->classes, NULL);
    w->scratch = dsc_heap_alloc(p->n, j->n_scratch * sizeof *w->scratch, NULL);
    return w->count && w->classes && w->scratch ? DSC_OK : DSC_E_MEMORY;
}

static void work_free(struct work *w)
{
    dsc_heap_free(w->count);
    dsc_heap_free(w->classes);
    dsc_heap_free(w->scratch);
}

/* n numbers uniform over n values. Source: Lemire 2019, arXiv:1805.10941, without its division. */
static void draw_counts(uint32_t *count, uint32_t n, struct dsc_rng_key key)
{
    const uint32_t reject_below = (uint32_t)(-n % n);
    struct dsc_rng r;

    memset(count, 0, n * sizeof *count);
    dsc_rng_init(&r, key);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t m;

        do
            m = (uint64_t)dsc_rng_u32(&r) * n;
        while ((uint32_t)m < reject_below);
        count[m >> 32]++;
    }
}

static void measure(const struct job *j, const struct side *s, struct work *w, size_t draw_idx)
{
    const size_t n_classes = j->has_tally ? (size_t)s->p->n_classes : 0;
    struct dsc_tally tally = {
        .right = w->classes, .pred = w->classes + n_classes, .truth = w->classes + 2 * n_classes};
    struct dsc_draw d = {.p = s->p, .count = w->count, .n = s->p->n, .scratch = w->scratch};

    if (j->has_tally) {
        dsc_tally_fill(&tally, s->p, w->count);
        d.tally = &tally;
    }
    for (size_t m = 0; m < j->n_metrics; m++) {
        double *out = &s->draws[m * j->n_draws + draw_idx];

        if (j->metrics[m]->value(&d, s->state[m], out, NULL) != DSC_OK)
            *out = NAN;
    }
}

static void tile(void *ctx, int64_t tile_idx)
{
    struct job *j = ctx;
    const size_t from = (size_t)tile_idx * DRAWS_PER_TILE;
    const size_t to = from + DRAWS_PER_TILE < j->n_draws ? from + DRAWS_PER_TILE : j->n_draws;
    struct work w;

    if (work_alloc(&w, j) != DSC_OK) {
        atomic_store(&j->status, DSC_E_MEMORY);
        work_free(&w);
        return;
    }
    for (size_t k = from; k < to; k++) {
        draw_counts(w.count, (uint32_t)j->side[0].p->n, dsc_rng_mix(j->key, k));
        for (int s = 0; s < j->n_sides; s++)
            measure(j, &j->side[s], &w, k);
    }
    work_free(&w);
}

static enum dsc_status prepare_side(struct job *j, const struct dsc_predictions *p, double *draws,
                                    struct dsc_arena *tmp, struct dsc_err *err)
{
    struct side *s = &j->side[j->n_sides++];

    s->p = p;
    s->draws = draws;
    DSC_NEW(s->state, tmp, j->n_metrics, err);
    for (size_t m = 0; m < j->n_metrics; m++) {
        DSC_TRY(dsc_predictions_check(p, j->metrics[m], err));
        if (j->metrics[m]->prepare)
            DSC_TRY(j->metrics[m]->prepare(p, tmp, &s->state[m], err));
    }
    return DSC_OK;
}

enum dsc_status dsc_bootstrap_run(const struct dsc_bootstrap *b,
                                  const struct dsc_metric *const *metrics, size_t n_metrics,
                                  const struct dsc_predictions *p,
                                  const struct dsc_predictions *base, double *draws,
                                  double *base_draws, struct dsc_err *err)
{
    struct job j = {.metrics = metrics, .n_metrics = n_metrics};
    struct dsc_arena tmp;
    enum dsc_status st;

    j.n_draws = b->n_draws ? b->n_draws : DSC_BOOTSTRAP_DRAWS;
    j.key = dsc_rng_mix_text(dsc_rng_key(b->seed), "bootstrap");
    for (size_t m = 0; m < n_metrics; m++) {
        j.has_tally |= metrics[m]->input == DSC_INPUT_LABELS;
        if (metrics[m]->n_scratch > j.n_scratch)
            j.n_scratch = metrics[m]->n_scratch;
    }
    dsc_arena_init(&tmp);
    DSC_TRY_OUT(st, prepare_side(&j, p, draws, &tmp, err));
    if (base) {
        DSC_TRY_OUT(st, dsc_predictions_match(p, base, err));
        DSC_TRY_OUT(st, prepare_side(&j, base, base_draws, &tmp, err));
    }
    if (n_metrics > 0)
        dsc_parallel_for(b->pool, (int64_t)((j.n_draws + DRAWS_PER_TILE - 1) / DRAWS_PER_TILE),
                         tile, &j);
    st = (enum dsc_status)atomic_load(&j.status);
    if (st != DSC_OK)
        dsc_fail(err, st, "no memory for bootstrap draws of %zu examples", p->n);
out:
    dsc_arena_clear(&tmp);
    return st;
}
