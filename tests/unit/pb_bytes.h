/* Protocol-buffer bytes by hand, for tests of readers: right ones and wrong ones. */
#ifndef PB_BYTES_H
#define PB_BYTES_H

#include "dsc/io.h"

#include <string.h>

static inline void pb_varint(struct dsc_bytes *b, uint64_t v)
{
    unsigned char c;

    for (; v > 0x7F; v >>= 7) {
        c = (unsigned char)(v | 0x80);
        dsc_bytes_add(b, &c, 1);
    }
    c = (unsigned char)v;
    dsc_bytes_add(b, &c, 1);
}

static inline void pb_int(struct dsc_bytes *b, unsigned field, int64_t v)
{
    pb_varint(b, field << 3);
    pb_varint(b, (uint64_t)v);
}

static inline void pb_data(struct dsc_bytes *b, unsigned field, const void *data, size_t n_bytes)
{
    pb_varint(b, field << 3 | 2);
    pb_varint(b, n_bytes);
    dsc_bytes_add(b, data, n_bytes);
}

static inline void pb_text(struct dsc_bytes *b, unsigned field, const char *text)
{
    pb_data(b, field, text, strlen(text));
}

/* Appends a message and clears it. */
static inline void pb_message(struct dsc_bytes *b, unsigned field, struct dsc_bytes *message)
{
    pb_data(b, field, message->data, message->n_bytes);
    dsc_bytes_clear(message);
}

#endif
