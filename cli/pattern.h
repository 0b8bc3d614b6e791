/* Regular expressions of --freeze, --include and others: PCRE2, unanchored, on names. */
#ifndef DSC_CLI_PATTERN_H
#define DSC_CLI_PATTERN_H

#include "dsc/arena.h"
#include "dsc/status.h"

#include <stdbool.h>

struct dsc_pattern;

/** The patterns of one repeatable option. Zero-initialise. */
struct dsc_patterns {
    const char *option; /* "--freeze", for messages */
    int n;
    struct dsc_pattern *items;
};

/** Errors: USAGE, not a regular expression (with the place). Memory: dsc_patterns_close. */
enum dsc_status dsc_patterns_open(struct dsc_patterns *p, const char *option,
                                  const char *const *texts, int n, struct dsc_arena *arena,
                                  struct dsc_err *err);
void dsc_patterns_close(struct dsc_patterns *p);

/** Does any of them match? Every one that does is marked as used. */
bool dsc_patterns_match(struct dsc_patterns *p, const char *name);
/** A weight's name, or that of one of the nodes that read it; all patterns are tried. */
bool dsc_patterns_match_any(struct dsc_patterns *p, const char *weight, int n_nodes,
                            const char *const *nodes);

/** Is one of them, as it was written, this name? It is marked as used. */
bool dsc_patterns_name(struct dsc_patterns *p, const char *name);

/** USAGE when a pattern has matched nothing so far. */
enum dsc_status dsc_patterns_check(const struct dsc_patterns *p, struct dsc_err *err);

#endif
