/*
 * UTF-8 as Python decodes it. Internal to formats.
 */
#ifndef FORMATS_ENCODING_H
#define FORMATS_ENCODING_H

#include "dsc/io.h"

#include <stddef.h>

/** Bytes of the longest valid prefix; n_bytes when all of it is UTF-8. */
size_t dsc_utf8_valid_prefix(const unsigned char *s, size_t n_bytes);

/**
 * Append `s` to `dst` with one U+FFFD for each maximal part of a broken sequence, as
 * bytes.decode(errors='replace') does. Returns the number put in.
 */
size_t dsc_utf8_replace(struct dsc_bytes *dst, const unsigned char *s, size_t n_bytes);

/** `n_bytes` of a foreign string made fit for a message: control bytes escaped, at most 40 shown.
 */
const char *dsc_quote_for_message(char buf[192], const char *s, size_t n_bytes);

#endif
