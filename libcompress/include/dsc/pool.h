/*
 * Threads: the only place that has any. Work is cut into tiles by its shape, never by the number of
 * threads, and each tile writes its own part of the output: results have the same bytes for any
 * thread count.
 */
#ifndef DSC_POOL_H
#define DSC_POOL_H

#include "dsc/status.h"

#include <stdint.h>

struct dsc_pool;

/** n_threads >= 1 workers including the caller. Errors: MEMORY. */
enum dsc_status dsc_pool_open(struct dsc_pool **pool, int n_threads, struct dsc_err *err);
void dsc_pool_close(struct dsc_pool *pool);
int dsc_pool_n_threads(const struct dsc_pool *pool);

/**
 * Call fn(ctx, tile_idx) once for every tile_idx in [0, n_tiles), in any order, from any worker;
 * return when all are done. A call from inside a tile runs the inner tiles on the calling thread.
 * `pool` NULL: all on the caller.
 */
void dsc_parallel_for(struct dsc_pool *pool, int64_t n_tiles, void (*fn)(void *ctx, int64_t tile),
                      void *ctx);

#endif
