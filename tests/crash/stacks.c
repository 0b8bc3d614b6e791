/*
 * The linker lets the program call these instead of the C library's (--wrap): the four functions by
 * which core/arena.c takes memory.
 */
#include "stacks.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

enum { MAX_FRAMES = 64 };

static struct stacks *now;
static atomic_long n_recorded;

static void end_record(void)
{
    now = NULL;
}

void stacks_record(struct stacks *s)
{
    void *frames[2];

    (void)backtrace(frames, 2); /* the first call loads a library */
    pthread_atfork(NULL, NULL, end_record);
    atomic_store(&n_recorded, 0);
    if (s)
        s->n = 0;
    now = s;
}

/* FNV-1a of the return addresses. */
static void note(void)
{
    void *frames[MAX_FRAMES];
    uint64_t hash = UINT64_C(14695981039346656037);
    int n;
    long at;

    if (!now)
        return;
    n = backtrace(frames, MAX_FRAMES);
    for (int i = 0; i < n; i++)
        hash = (hash ^ (uintptr_t)frames[i]) * UINT64_C(1099511628211);
    at = atomic_fetch_add(&n_recorded, 1);
    if (at < MAX_STACKS)
        now->hash[at] = hash;
    now->n = at + 1;
}

void *__real_malloc(size_t n_bytes);
void *__wrap_malloc(size_t n_bytes);
void *__wrap_malloc(size_t n_bytes)
{
    note();
    return __real_malloc(n_bytes);
}

void *__real_calloc(size_t n, size_t elem_bytes);
void *__wrap_calloc(size_t n, size_t elem_bytes);
void *__wrap_calloc(size_t n, size_t elem_bytes)
{
    note();
    return __real_calloc(n, elem_bytes);
}

void *__real_realloc(void *p, size_t n_bytes);
void *__wrap_realloc(void *p, size_t n_bytes);
void *__wrap_realloc(void *p, size_t n_bytes)
{
    note();
    return __real_realloc(p, n_bytes);
}

void *__real_aligned_alloc(size_t align, size_t n_bytes);
void *__wrap_aligned_alloc(size_t align, size_t n_bytes);
void *__wrap_aligned_alloc(size_t align, size_t n_bytes)
{
    note();
    return __real_aligned_alloc(align, n_bytes);
}
