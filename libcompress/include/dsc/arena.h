/*
 * Memory: arenas for metadata, and the heap functions that everything else goes through.
 *
 * An arena is a growing list of blocks, freed together. Graph, strings and tables of one model
 * live in one arena; tensor storage does not (it is reference-counted, see tensor.h).
 * An arena belongs to one thread at a time.
 */
#ifndef DSC_ARENA_H
#define DSC_ARENA_H

#include "dsc/status.h"

#include <stddef.h>

struct dsc_arena_block;

struct dsc_arena {
    struct dsc_arena_block *head;
    size_t used_bytes; /* handed out, for reports */
};

/** Place in an arena, to give back everything that was taken after it. */
struct dsc_arena_mark {
    struct dsc_arena_block *block;
    size_t used_in_block;
    size_t used_bytes;
};

/** An empty arena needs no allocation, so init cannot fail. Clear frees all; may be repeated. */
void dsc_arena_init(struct dsc_arena *a);
void dsc_arena_clear(struct dsc_arena *a);
struct dsc_arena_mark dsc_arena_mark(const struct dsc_arena *a);
void dsc_arena_reset(struct dsc_arena *a, struct dsc_arena_mark m);

/**
 * `n` zeroed elements of `elem_bytes`, aligned to 16 bytes; n = 0 gives a valid pointer.
 *
 * Errors  returns NULL and fills err (MEMORY, or OVERFLOW when n * elem_bytes does not fit)
 */
void *dsc_arena_alloc(struct dsc_arena *a, size_t n, size_t elem_bytes, struct dsc_err *err);

/** Copies of text in the arena; NULL on MEMORY. `_n` takes the first n bytes and ends them with 0.
 */
char *dsc_arena_strdup(struct dsc_arena *a, const char *s, struct dsc_err *err);
char *dsc_arena_strndup(struct dsc_arena *a, const char *s, size_t n, struct dsc_err *err);
char *dsc_arena_printf(struct dsc_arena *a, struct dsc_err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Assign `ptr` = n zeroed elements of *ptr from the arena, or return with the failure. */
#define DSC_NEW(ptr, arena, n, err)                                          \
    do {                                                                     \
        (ptr) = dsc_arena_alloc((arena), (size_t)(n), sizeof *(ptr), (err)); \
        if (!(ptr))                                                          \
            return (err) ? ((struct dsc_err *)(err))->status : DSC_E_MEMORY; \
    } while (0)

/**
 * The heap: the only callers of malloc. Alloc gives zeroed elements; aligned gives
 * uninitialised bytes on a 64-byte boundary; grow keeps the content and may move it (the old
 * pointer stays valid on failure). Each returns NULL and fills err on failure.
 */
void *dsc_heap_alloc(size_t n, size_t elem_bytes, struct dsc_err *err);
void *dsc_heap_aligned(size_t n_bytes, struct dsc_err *err);
void *dsc_heap_grow(void *p, size_t n, size_t elem_bytes, struct dsc_err *err);
void dsc_heap_free(void *p);
/** What is free to the system: between phases that need memory of other sizes. */
void dsc_heap_trim(void);

/**
 * Test hook: the k-th allocation from now on fails (1 = the next one); 0 switches it off.
 * Counts heap allocations of all threads. Returns what was left of the count before: 0 or less when
 * the failure has happened.
 */
long dsc_heap_fail_at(long k);

#endif
