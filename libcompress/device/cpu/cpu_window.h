/* Windows as runs: what one kernel position of a block of output positions meets in the input. */
#ifndef DSC_CPU_WINDOW_H
#define DSC_CPU_WINDOW_H

#include "device/cpu/cpu.h"

/** Output positions of a block at most. */
enum { DSC_CPU_BLOCK = 256 };

/** Positions at .. at + n of a block; the first meets x[src], the others follow at the stride. */
struct dsc_cpu_run {
    int at, n;
    int64_t src;
};

/** A part of a row along the last spatial axis: n positions from `inner` on. */
struct dsc_cpu_piece {
    int at, n;
    int64_t place[DSC_MAX_SPATIAL];
};

struct dsc_cpu_block {
    const struct dsc_window *win;
    int64_t first;
    int n, n_pieces;
    struct dsc_cpu_piece piece[DSC_CPU_BLOCK];
};

int64_t dsc_cpu_window_n_in(const struct dsc_window *w);
int64_t dsc_cpu_window_n_out(const struct dsc_window *w);
int64_t dsc_cpu_window_n_taps(const struct dsc_window *w);

/** Positions first .. first + n, n <= DSC_CPU_BLOCK, in row-major order. */
void dsc_cpu_block_init(struct dsc_cpu_block *b, const struct dsc_window *w, int64_t first,
                        int64_t n);
/** Runs of kernel position `tap` inside the input, up to b->n_pieces; returns their number. */
int dsc_cpu_block_runs(const struct dsc_cpu_block *b, int64_t tap, struct dsc_cpu_run *run);

#endif
