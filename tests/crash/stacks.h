/* From where the program allocates: the stack of each allocation, as a hash. */
#ifndef STACKS_H
#define STACKS_H

#include <stdint.h>

struct stacks {
    long n; /* allocations; beyond MAX_STACKS they have no hash */
    uint64_t hash[];
};

enum { MAX_STACKS = 1 << 17 };

/** From now on the hash of each allocation's stack goes to s, in memory that a parent shares; NULL
 *  ends it. Children that the process starts add none. */
void stacks_record(struct stacks *s);

#endif
