/*
 * TensorBoard event files: scalars by step. A file is a list of records (length, masked crc32c of
 * the length, data, masked crc32c of the data); a record is an Event protocol buffer.
 *
 * Source  TensorFlow: tensorflow/core/lib/io/record_writer.h, core/util/event.proto
 */
#ifndef DSC_CLI_EVENTS_H
#define DSC_CLI_EVENTS_H

#include "dsc/status.h"

#include <stdint.h>
#include <stdio.h>

/** One scalar: {"loss", 0.3}. */
struct dsc_scalar {
    const char *tag;
    double value;
};

/** A new file in `folder`, its name from the clock. Errors: IO, NOSPACE. */
enum dsc_status dsc_events_open(FILE **f, const char *folder, struct dsc_err *err);
/** One event; flushed, so that TensorBoard sees it. Errors: IO, NOSPACE. */
enum dsc_status dsc_events_add(FILE *f, uint64_t step, const struct dsc_scalar *scalars, int n,
                               struct dsc_err *err);

#endif
