/* Arenas and the heap. The only file that calls malloc. */
#include "dsc/arena.h"

#include "dsc/checked.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum { ARENA_ALIGN = 16, ARENA_BLOCK_BYTES = 64 * 1024 };

struct dsc_arena_block {
    struct dsc_arena_block *prev;
    size_t cap_bytes;
    size_t used;
    _Alignas(ARENA_ALIGN) unsigned char data[];
};

/* A counter for fault injection: the one piece of global state, off (0) outside tests. */
static atomic_long fail_countdown;

long dsc_heap_fail_at(long k)
{
    return atomic_exchange(&fail_countdown, k);
}

static int is_fault_due(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0)
        return 0;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

static void *no_memory(size_t n_bytes, struct dsc_err *err)
{
    dsc_fail(err, DSC_E_MEMORY, "no memory for %zu bytes", n_bytes);
    return NULL;
}

static int total_bytes(size_t n, size_t elem_bytes, size_t *out, struct dsc_err *err)
{
    if (dsc_mul_size(n, elem_bytes, out) && *out <= PTRDIFF_MAX)
        return 1;
    dsc_fail(err, DSC_E_OVERFLOW, "%zu elements of %zu bytes do not fit in memory", n, elem_bytes);
    return 0;
}

void *dsc_heap_alloc(size_t n, size_t elem_bytes, struct dsc_err *err)
{
    size_t n_bytes;
    void *p;

    if (!total_bytes(n, elem_bytes, &n_bytes, err))
        return NULL;
    p = is_fault_due() ? NULL : calloc(1, n_bytes ? n_bytes : 1);
    return p ? p : no_memory(n_bytes, err);
}

void *dsc_heap_aligned(size_t n_bytes, struct dsc_err *err)
{
    size_t rounded;
    void *p;

    if (!dsc_add_size(n_bytes, 63, &rounded))
        return no_memory(n_bytes, err);
    rounded &= ~(size_t)63;
    p = is_fault_due() ? NULL : aligned_alloc(64, rounded ? rounded : 64);
    return p ? p : no_memory(n_bytes, err);
}

void dsc_heap_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

void *dsc_heap_grow(void *p, size_t n, size_t elem_bytes, struct dsc_err *err)
{
    size_t n_bytes;
    void *q;

    if (!total_bytes(n, elem_bytes, &n_bytes, err))
        return NULL;
    q = is_fault_due() ? NULL : realloc(p, n_bytes ? n_bytes : 1);
    return q ? q : no_memory(n_bytes, err);
}

void dsc_heap_free(void *p)
{
    free(p);
}

void dsc_arena_init(struct dsc_arena *a)
{
    *a = (struct dsc_arena){0};
}

void dsc_arena_clear(struct dsc_arena *a)
{
    dsc_arena_reset(a, (struct dsc_arena_mark){0});
}

struct dsc_arena_mark dsc_arena_mark(const struct dsc_arena *a)
{
    return (struct dsc_arena_mark){
        .block = a->head,
        .used_in_block = a->head ? a->head->used : 0,
        .used_bytes = a->used_bytes,
    };
}

void dsc_arena_reset(struct dsc_arena *a, struct dsc_arena_mark m)
{
    while (a->head != m.block) {
        struct dsc_arena_block *prev = a->head->prev;

        free(a->head);
        a->head = prev;
    }
    if (a->head)
        a->head->used = m.used_in_block;
    a->used_bytes = m.used_bytes;
}

static struct dsc_arena_block *add_block(struct dsc_arena *a, size_t n_bytes, struct dsc_err *err)
{
    size_t cap = n_bytes > ARENA_BLOCK_BYTES ? n_bytes : ARENA_BLOCK_BYTES;
    size_t total;
    struct dsc_arena_block *b;

    if (!dsc_add_size(cap, sizeof *b, &total))
        return no_memory(n_bytes, err);
    b = is_fault_due() ? NULL : malloc(total);
    if (!b)
        return no_memory(n_bytes, err);
    b->prev = a->head;
    b->cap_bytes = cap;
    b->used = 0;
    a->head = b;
    return b;
}

void *dsc_arena_alloc(struct dsc_arena *a, size_t n, size_t elem_bytes, struct dsc_err *err)
{
    struct dsc_arena_block *b = a->head;
    size_t n_bytes;
    void *p;

    if (!total_bytes(n, elem_bytes, &n_bytes, err))
        return NULL;
    if (n_bytes > PTRDIFF_MAX - ARENA_ALIGN)
        return no_memory(n_bytes, err);
    n_bytes = (n_bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (!b || b->cap_bytes - b->used < n_bytes) {
        b = add_block(a, n_bytes, err);
        if (!b)
            return NULL;
    }
    p = b->data + b->used;
    b->used += n_bytes;
    a->used_bytes += n_bytes;
    return memset(p, 0, n_bytes);
}

char *dsc_arena_strndup(struct dsc_arena *a, const char *s, size_t n, struct dsc_err *err)
{
    char *p = dsc_arena_alloc(a, n + 1, 1, err);

    return p ? memcpy(p, s, n) : NULL;
}

char *dsc_arena_strdup(struct dsc_arena *a, const char *s, struct dsc_err *err)
{
    return dsc_arena_strndup(a, s, strlen(s), err);
}

char *dsc_arena_printf(struct dsc_arena *a, struct dsc_err *err, const char *fmt, ...)
{
    va_list ap, again;
    char *p = NULL;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    if (n >= 0)
        p = dsc_arena_alloc(a, (size_t)n + 1, 1, err);
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return p;
}
