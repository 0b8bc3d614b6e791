/* Name tables of a graph. */
#include "graph/names.h"

#include "dsc/arena.h"

#include <stdint.h>
#include <string.h>

static size_t hash_of(const char *s)
{
    uint64_t h = 0xCBF29CE484222325u; /* FNV-1a */

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001B3u;
    return (size_t)(h ^ h >> 32);
}

struct dsc_names *dsc_names_new(struct dsc_err *err)
{
    return dsc_heap_alloc(1, sizeof(struct dsc_names), err);
}

void dsc_names_free(struct dsc_names *t)
{
    if (t)
        dsc_heap_free(t->slots);
    dsc_heap_free(t);
}

static struct dsc_name_slot *slot_of(const struct dsc_names *t, const char *name)
{
    size_t i = hash_of(name) & (t->cap - 1);

    while (t->slots[i].name && strcmp(t->slots[i].name, name) != 0)
        i = (i + 1) & (t->cap - 1);
    return &t->slots[i];
}

int dsc_names_find(const struct dsc_names *t, const char *name)
{
    const struct dsc_name_slot *s = t->cap ? slot_of(t, name) : NULL;

    return s && s->name ? s->id : -1;
}

static enum dsc_status grow(struct dsc_names *t, struct dsc_err *err)
{
    struct dsc_names grown = {.cap = t->cap ? 2 * t->cap : 64, .n = t->n};

    grown.slots = dsc_heap_alloc(grown.cap, sizeof grown.slots[0], err);
    if (!grown.slots)
        return DSC_E_MEMORY;
    for (size_t i = 0; i < t->cap; i++)
        if (t->slots[i].name)
            *slot_of(&grown, t->slots[i].name) = t->slots[i];
    dsc_heap_free(t->slots);
    *t = grown;
    return DSC_OK;
}

enum dsc_status dsc_names_add(struct dsc_names *t, const char *name, int id, struct dsc_err *err)
{
    struct dsc_name_slot *s;

    if (2 * (t->n + 1) > t->cap)
        DSC_TRY(grow(t, err));
    s = slot_of(t, name);
    if (s->name)
        return dsc_fail(err, DSC_E_DUP, "the name '%s' stands twice", name);
    *s = (struct dsc_name_slot){name, id};
    t->n++;
    return DSC_OK;
}

void dsc_names_swap(struct dsc_names *t, const char *a, const char *b)
{
    struct dsc_name_slot *x = slot_of(t, a), *y = slot_of(t, b);
    const int id = x->id;

    x->id = y->id;
    y->id = id;
}

void dsc_names_drop_all(struct dsc_names *t)
{
    if (t->cap)
        memset(t->slots, 0, t->cap * sizeof t->slots[0]);
    t->n = 0;
}
