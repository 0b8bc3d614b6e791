/*
 * UTF-8 validation and replacement.
 *
 * Source  Unicode 15, table 3-7 (well-formed byte sequences) and section 3.9, "substitution of
 *         maximal subparts": what CPython does.
 */
#include "encoding.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * Length of the sequence at s (left >= 1). When it is broken, is_valid is false and the length
 * is that of its maximal subpart: as many bytes as could have begun a valid sequence, at least 1.
 */
static size_t sequence(const unsigned char *s, size_t left, bool *is_valid)
{
    const unsigned char c = s[0];
    unsigned char low = 0x80, high = 0xBF; /* what the second byte may be */
    size_t need, n = 1;

    *is_valid = true;
    if (c < 0x80)
        return 1;
    need = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
    if (c == 0xE0)
        low = 0xA0; /* below: overlong */
    else if (c == 0xED)
        high = 0x9F; /* above: surrogates */
    else if (c == 0xF0)
        low = 0x90;
    else if (c == 0xF4)
        high = 0x8F; /* above: beyond U+10FFFF */
    *is_valid = false;
    if (c < 0xC2 || c > 0xF4)
        return 1;
    while (n < need && n < left && s[n] >= low && s[n] <= high) {
        n++;
        low = 0x80;
        high = 0xBF;
    }
    *is_valid = n == need;
    return n;
}

static size_t ascii_prefix(const unsigned char *s, size_t n_bytes)
{
    size_t i = 0;

    for (; i + 8 <= n_bytes; i += 8) {
        uint64_t v;

        memcpy(&v, s + i, 8);
        if (v & 0x8080808080808080u)
            break;
    }
    while (i < n_bytes && s[i] < 0x80)
        i++;
    return i;
}

size_t dsc_utf8_valid_prefix(const unsigned char *s, size_t n_bytes)
{
    size_t i = 0;
    bool is_valid;

    while (i < n_bytes) {
        size_t n;

        i += ascii_prefix(s + i, n_bytes - i);
        if (i == n_bytes)
            break;
        n = sequence(s + i, n_bytes - i, &is_valid);
        if (!is_valid)
            break;
        i += n;
    }
    return i;
}

size_t dsc_utf8_replace(struct dsc_bytes *dst, const unsigned char *s, size_t n_bytes)
{
    size_t i = 0, n_replaced = 0;
    bool is_valid;

    while (i < n_bytes) {
        const size_t good = dsc_utf8_valid_prefix(s + i, n_bytes - i);

        dsc_bytes_add(dst, s + i, good);
        i += good;
        if (i == n_bytes)
            break;
        i += sequence(s + i, n_bytes - i, &is_valid);
        dsc_bytes_text(dst, "\xEF\xBF\xBD");
        n_replaced++;
    }
    return n_replaced;
}

const char *dsc_quote_for_message(char buf[192], const char *s, size_t n_bytes)
{
    enum { SHOWN = 40 };
    const size_t n = n_bytes < SHOWN ? n_bytes : SHOWN;
    size_t at = 0;

    buf[at++] = '\'';
    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)s[i];

        if (c < 0x20 || c == 0x7F)
            at += (size_t)snprintf(buf + at, 8, "\\x%02x", c);
        else
            buf[at++] = (char)c;
    }
    /* a cut inside a sequence would make the message itself invalid */
    if (n < n_bytes)
        while (at > 1 && ((unsigned char)s[n] & 0xC0) == 0x80 && (unsigned char)buf[at - 1] >= 0x80)
            if ((unsigned char)buf[--at] >= 0xC0)
                break;
    snprintf(buf + at, 8, "%s'", n < n_bytes ? ".." : "");
    return buf;
}
