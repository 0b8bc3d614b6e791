/*
 * Calibration: activations in, ranges out. Online, with bounded memory, and independent of the
 * order in which values, batches or shards come (but for the moving average).
 *
 * Knows nothing of files: a set of ranges leaves as a bundle of named tensors and comes back from
 * one.
 */
#ifndef DSC_CALIB_H
#define DSC_CALIB_H

#include "dsc/arena.h"
#include "dsc/bundle.h"
#include "dsc/pool.h"
#include "dsc/status.h"
#include "dsc/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DSC_HIST_BINS = 4096 }; /* half below zero, half above: 32 KiB */

/**
 * What is known of one tensor. Bin b (0 .. DSC_HIST_BINS - 1) counts values in
 * [(b - DSC_HIST_BINS / 2) w, (b + 1 - DSC_HIST_BINS / 2) w), w = 2^exponent. The width is the
 * least power of two that holds the largest magnitude; growing merges pairs of bins exactly, so
 * that counts do not depend on order or sharding (DESIGN, decision 13).
 */
struct dsc_hist {
    uint64_t n;               /* finite values seen */
    uint64_t n_bad;           /* NaN and infinities */
    double low, high;         /* least and largest */
    double ema_low, ema_high; /* moving averages over batches; used by the observer ema */
    uint64_t n_batches;
    int exponent;
    uint64_t count[DSC_HIST_BINS];
};

void dsc_hist_init(struct dsc_hist *h);
/** Add one batch of values, counted by the pool's threads (NULL: by the caller alone). */
void dsc_hist_add(struct dsc_hist *h, const float *x, int64_t n, struct dsc_pool *pool);
/** a += b, exactly; the moving averages of a become meaningless and are dropped. */
void dsc_hist_merge(struct dsc_hist *a, const struct dsc_hist *b);
/** The value below which the part q of the values lies, by linear interpolation in its bin. */
double dsc_hist_quantile(const struct dsc_hist *h, double q);

/** Signal to quantization noise of the values on codes from low to high, in dB; capped at 200. */
double dsc_hist_sqnr_db(const struct dsc_hist *h, double low, double high, int n_levels);

/** An observer: turns a histogram into a range. One row of observers.def, one file. */
struct dsc_observer {
    const char *name;
    const char *text; /* one line for help */
    double param;     /* default of NAME:P; NaN: takes none */
    double param_low, param_high;
    bool can_merge;
    /** How many values of a tensor it needs to say more than the extremes do; NULL: one. */
    uint64_t (*least_values)(double param);
    /** levels: number of codes (256 for 8 bits). h->n > 0. */
    void (*range)(const struct dsc_hist *h, double param, int n_levels, double *low, double *high);
};

const struct dsc_observer *dsc_observer_find(const char *name);
const struct dsc_observer *const *dsc_observer_all(void); /* NULL ends them */
/**
 * "percentile:99.99" into an observer and its parameter.
 * Errors  USAGE  unknown name (all are listed), a parameter out of range, or one too many
 */
enum dsc_status dsc_observer_parse(const char *text, const struct dsc_observer **observer,
                                   double *param, struct dsc_err *err);

/** Histograms by tensor name. */
struct dsc_ranges;

struct dsc_ranges *dsc_ranges_new(struct dsc_err *err);
void dsc_ranges_free(struct dsc_ranges *r);
/** Watch a name: dsc_ranges_hist finds only those. Adding twice is no error. */
enum dsc_status dsc_ranges_watch(struct dsc_ranges *r, const char *name, struct dsc_err *err);
/** NULL when the name is not watched. */
struct dsc_hist *dsc_ranges_hist(struct dsc_ranges *r, const char *name);
/** The watched names in order, i from 0 to n - 1, and their histograms. */
int dsc_ranges_n(const struct dsc_ranges *r);
const char *dsc_ranges_name(const struct dsc_ranges *r, int i);
const struct dsc_hist *dsc_ranges_hist_at(const struct dsc_ranges *r, int i);

/**
 * What calibration data must not be: a tensor that was never reached, or that held NaN or infinity.
 * Errors  EMPTY, NONFINITE  naming the first such tensor and how many there are
 */
enum dsc_status dsc_ranges_check(const struct dsc_ranges *r, struct dsc_err *err);

/**
 * Whether the observer can read these ranges: a moving average does not survive merging.
 * Errors  USAGE
 */
enum dsc_status dsc_ranges_check_observer(const struct dsc_ranges *r, const struct dsc_observer *o,
                                          struct dsc_err *err);

/** To a bundle (tensors NAME/count, NAME/limits) and back. Errors: SCHEMA, MEMORY; LIMIT, a
 * name of over 500 bytes. */
enum dsc_status dsc_ranges_to_bundle(const struct dsc_ranges *r, struct dsc_bundle *b,
                                     struct dsc_err *err);
enum dsc_status dsc_ranges_from_bundle(struct dsc_ranges *r, const struct dsc_bundle *b,
                                       struct dsc_err *err);
/** a += b. Errors: INCONSISTENT, other names. */
enum dsc_status dsc_ranges_merge(struct dsc_ranges *a, const struct dsc_ranges *b,
                                 struct dsc_err *err);

/** Does it pass when the items marked in is_out [n] are left out? */
typedef enum dsc_status dsc_try_fn(void *ctx, const bool *is_out, bool *passes,
                                   struct dsc_err *err);

/** passes false: not even with all items left out. */
struct dsc_excludes {
    bool passes;
    int n_out, n_trials;
};

/**
 * A small set of items that must be left out for a trial to pass, by O(k log n) trials, k being its
 * size: the least prefix of `order` (worst item first) that passes ends with an item that is
 * needed, and so on before that item (binary splitting, as in group testing).
 *
 * If leaving more out never makes a trial fail, no item of the set can be spared; and where damages
 * add up and `order` sorts by them, no set is smaller. The set itself has been tried in any case.
 *
 * Shapes  order [n] item numbers; is_out [n] the set
 * Errors  of `try`
 */
enum dsc_status dsc_find_excludes(int n, const int *order, dsc_try_fn *try, void *ctx, bool *is_out,
                                  struct dsc_excludes *found, struct dsc_err *err);

/** A layer in one format: size_bytes of it, and what it costs. Closed: not measured, or not there.
 */
struct dsc_alloc_option {
    bool is_open;
    uint64_t bytes;
    double damage; /* >= 0; damages of layers add up */
};

/** A choice of formats for all layers that no other beats in bytes and in damage. */
struct dsc_front_point {
    uint64_t bytes;
    double damage;
    int before, format; /* of the layers before the last one; of the last one */
};

/** All such choices, by bytes, so that damage falls. Memory: the arena's. */
struct dsc_front {
    int n_layers, n_points;
    const struct dsc_front_point *points;
    struct dsc_front_step *steps;
};

/**
 * The front of all choices of one open format for each layer. Exact up to 16,384 points; of more,
 * those within a 16,384th of the range of bytes count as one, the least damage of them. A table
 * with more open formats gives no point that is worse.
 *
 * Shapes  table [n_layers, n_formats]; a layer without an open format leaves no point
 * Units   base_bytes: of what is no layer
 * Errors  MEMORY
 */
enum dsc_status dsc_allocate(const struct dsc_alloc_option *table, int n_layers, int n_formats,
                             uint64_t base_bytes, struct dsc_front *front, struct dsc_arena *arena,
                             struct dsc_err *err);
/** Formats of a point, [n_layers]. */
void dsc_front_choice(const struct dsc_front *front, int point, int *format_of);
/** The point of least damage within the budget; -1: there is none. */
int dsc_front_within(const struct dsc_front *front, uint64_t budget_bytes);

#endif
