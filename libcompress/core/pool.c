/*
 * A small thread pool. Workers sleep on a condition variable between jobs, after a spin of some
 * 50 microseconds: jobs of an encoder follow each other within that, and waking a sleeper takes
 * as long.
 */
#include "dsc/pool.h"

#include "dsc/arena.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { SPIN_ROUNDS = 1000 };

/* Tell the processor that this is a spin: it leaves its other thread the units. */
static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

struct dsc_pool {
    int n_threads;
    int n_started;
    pthread_t *threads;
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    /* one job at a time; written under the mutex, read after its generation was seen */
    void (*fn)(void *, int64_t);
    void *ctx;
    int64_t n_tiles;
    atomic_int_fast64_t next_tile;
    atomic_long generation;
    atomic_int n_busy;
    bool is_closing;
};

static _Thread_local bool is_in_tile;

static void run_tiles(struct dsc_pool *p)
{
    is_in_tile = true;
    for (;;) {
        const int64_t t = atomic_fetch_add(&p->next_tile, 1);

        if (t >= p->n_tiles)
            break;
        p->fn(p->ctx, t);
    }
    is_in_tile = false;
}

static bool wait_for_job(struct dsc_pool *p, long *seen)
{
    for (int i = 0; i < SPIN_ROUNDS && atomic_load(&p->generation) == *seen; i++)
        pause_briefly();
    pthread_mutex_lock(&p->mutex);
    while (atomic_load(&p->generation) == *seen && !p->is_closing)
        pthread_cond_wait(&p->wake, &p->mutex);
    *seen = atomic_load(&p->generation);
    pthread_mutex_unlock(&p->mutex);
    return !p->is_closing;
}

static void *worker(void *arg)
{
    struct dsc_pool *p = arg;
    long seen = 0;

    while (wait_for_job(p, &seen)) {
        run_tiles(p);
        if (atomic_fetch_sub(&p->n_busy, 1) == 1) {
            pthread_mutex_lock(&p->mutex);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->mutex);
        }
    }
    return NULL;
}

enum dsc_status dsc_pool_open(struct dsc_pool **pool, int n_threads, struct dsc_err *err)
{
    struct dsc_pool *p = dsc_heap_alloc(1, sizeof *p, err);

    *pool = p;
    if (!p)
        return DSC_E_MEMORY;
    p->n_threads = n_threads < 1 ? 1 : n_threads;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    p->threads = dsc_heap_alloc((size_t)p->n_threads, sizeof p->threads[0], err);
    if (!p->threads) {
        dsc_pool_close(p);
        *pool = NULL;
        return DSC_E_MEMORY;
    }
    for (int i = 0; i < p->n_threads - 1; i++) {
        if (pthread_create(&p->threads[i], NULL, worker, p) != 0) {
            dsc_pool_close(p);
            *pool = NULL;
            return dsc_fail(err, DSC_E_MEMORY, "cannot start thread %d of %d", i + 2, n_threads);
        }
        p->n_started++;
    }
    return DSC_OK;
}

void dsc_pool_close(struct dsc_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    p->is_closing = true;
    atomic_fetch_add(&p->generation, 1);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < p->n_started; i++)
        pthread_join(p->threads[i], NULL);
    pthread_mutex_destroy(&p->mutex);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->done);
    dsc_heap_free(p->threads);
    dsc_heap_free(p);
}

int dsc_pool_n_threads(const struct dsc_pool *p)
{
    return p ? p->n_threads : 1;
}

void dsc_parallel_for(struct dsc_pool *p, int64_t n_tiles, void (*fn)(void *ctx, int64_t tile),
                      void *ctx)
{
    if (!p || p->n_started == 0 || n_tiles <= 1 || is_in_tile) {
        for (int64_t t = 0; t < n_tiles; t++)
            fn(ctx, t);
        return;
    }
    pthread_mutex_lock(&p->mutex);
    p->fn = fn;
    p->ctx = ctx;
    p->n_tiles = n_tiles;
    atomic_store(&p->next_tile, 0);
    atomic_store(&p->n_busy, p->n_started);
    atomic_fetch_add(&p->generation, 1);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    run_tiles(p);
    for (int i = 0; i < SPIN_ROUNDS && atomic_load(&p->n_busy) > 0; i++)
        pause_briefly();
    pthread_mutex_lock(&p->mutex);
    while (atomic_load(&p->n_busy) > 0)
        pthread_cond_wait(&p->done, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
}
