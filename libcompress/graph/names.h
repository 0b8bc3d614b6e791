/* Name -> number: open addressing over names that live elsewhere (in the graph's arena). */
#ifndef DSC_NAMES_H
#define DSC_NAMES_H

#include "dsc/status.h"

#include <stddef.h>

struct dsc_name_slot {
    const char *name; /* NULL: free */
    int id;
};

struct dsc_names {
    size_t n, cap;
    struct dsc_name_slot *slots;
};

struct dsc_names *dsc_names_new(struct dsc_err *err);
void dsc_names_free(struct dsc_names *t);
int dsc_names_find(const struct dsc_names *t, const char *name); /* or -1 */
enum dsc_status dsc_names_add(struct dsc_names *t, const char *name, int id, struct dsc_err *err);
/** Two names that are there change places. */
void dsc_names_swap(struct dsc_names *t, const char *a, const char *b);
void dsc_names_drop_all(struct dsc_names *t);

#endif
