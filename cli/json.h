/*
 * Writing JSON: objects and arrays in order, escaped UTF-8 text, numbers that read back equal.
 * Text that is not UTF-8 gets U+FFFD; a number that is not finite becomes null.
 */
#ifndef DSC_CLI_JSON_H
#define DSC_CLI_JSON_H

#include "dsc/io.h"

#include <stdbool.h>
#include <stdint.h>

enum { DSC_JSON_MAX_DEPTH = 64 };

/** Zero-initialise. `key` is NULL inside arrays and at the top. */
struct dsc_json {
    struct dsc_bytes text;
    int depth;
    bool is_array[DSC_JSON_MAX_DEPTH];
    bool has_items[DSC_JSON_MAX_DEPTH];
};

void dsc_json_object(struct dsc_json *j, const char *key);
void dsc_json_array(struct dsc_json *j, const char *key);
void dsc_json_end(struct dsc_json *j); /* of the innermost object or array */
void dsc_json_text(struct dsc_json *j, const char *key, const char *value); /* NULL: null */
void dsc_json_int(struct dsc_json *j, const char *key, int64_t value);
void dsc_json_float(struct dsc_json *j, const char *key, double value);
void dsc_json_bool(struct dsc_json *j, const char *key, bool value);
void dsc_json_null(struct dsc_json *j, const char *key);
void dsc_json_clear(struct dsc_json *j);

/** The shortest decimal text that reads back as `value`; "null" when it is not finite. */
void dsc_json_number(char out[32], double value);

#endif
