/*
 * Normal forms (UAX #15), case and grapheme clusters (UAX #29) over the generated tables.
 */
#include "formats_text.h"
#include "uni.h"

#include <string.h>

enum {
    HANGUL_S = 0xAC00,
    HANGUL_L = 0x1100,
    HANGUL_V = 0x1161,
    HANGUL_T = 0x11A7,
    N_HANGUL_L = 19,
    N_HANGUL_V = 21,
    N_HANGUL_T = 28,
    N_HANGUL_S = 11172,
    SHORT_RUN = 24, /* combining marks that are sorted by insertion */
    CCC_SHIFT = 24,
    CP_MASK = 0xFFFFFF
};

/* Number of bytes of a valid sequence at p, 0 when it is not one. RFC 3629's table. */
static size_t sequence_bytes(const unsigned char *p, size_t left)
{
    size_t n = p[0] >= 0xC2 && p[0] < 0xE0 ? 2 : (p[0] & 0xF0) == 0xE0 ? 3 : 4;

    if (p[0] < 0xC2 || p[0] > 0xF4 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F))
        return 0; /* overlong, surrogate */
    if ((p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F))
        return 0; /* overlong, above U+10FFFF */
    return n;
}

size_t dsc_utf8_check(const char *s, size_t n_bytes)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t i = 0, n;

    while (i < n_bytes) {
        uint64_t eight;

        if (n_bytes - i >= 8) {
            memcpy(&eight, p + i, 8);
            if (!(eight & UINT64_C(0x8080808080808080))) {
                i += 8;
                continue;
            }
        }
        n = p[i] < 0x80 ? 1 : sequence_bytes(p + i, n_bytes - i);
        if (!n)
            return i;
        i += n;
    }
    return n_bytes;
}

bool dsc_ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), n_end = strlen(end);

    return n >= n_end && strcmp(name + n - n_end, end) == 0;
}

bool dsc_uni_is_ascii(const char *s, size_t n_bytes)
{
    unsigned char any = 0;

    for (size_t i = 0; i < n_bytes; i++)
        any |= (unsigned char)s[i];
    return any < 0x80;
}

static const uint32_t *mapped(const uint16_t *stage1, const uint16_t *stage2, uint32_t cp)
{
    return dsc_uni_pool + stage2[stage1[cp >> 7] * 128u + (cp & 127)];
}

void dsc_uni_put_lower(struct dsc_bytes *b, uint32_t cp)
{
    const uint32_t *to = mapped(dsc_uni_lower1, dsc_uni_lower2, cp);

    if (!to[0])
        uni_put_cp(b, cp);
    for (uint32_t i = 1; i <= to[0]; i++)
        uni_put_cp(b, to[i]);
}

void dsc_uni_cps_clear(struct uni_cps *c)
{
    dsc_heap_free(c->cp);
    *c = (struct uni_cps){0};
}

static enum dsc_status reserve(struct uni_cps *c, size_t n_more, struct dsc_err *err)
{
    size_t cap = c->cap ? c->cap : 64;
    uint32_t *cp;

    if (c->cap - c->n >= n_more)
        return DSC_OK;
    while (cap - c->n < n_more)
        cap *= 2;
    cp = dsc_heap_grow(c->cp, cap, sizeof *cp, err);
    if (!cp)
        return DSC_E_MEMORY;
    c->cp = cp;
    c->cap = cap;
    return DSC_OK;
}

static void push(struct uni_cps *c, uint32_t cp)
{
    c->cp[c->n++] = cp | (uint32_t)uni_kind(cp)->ccc << CCC_SHIFT;
}

static void push_hangul(struct uni_cps *c, uint32_t s_idx)
{
    push(c, HANGUL_L + s_idx / (N_HANGUL_V * N_HANGUL_T));
    push(c, HANGUL_V + s_idx / N_HANGUL_T % N_HANGUL_V);
    if (s_idx % N_HANGUL_T)
        push(c, HANGUL_T + s_idx % N_HANGUL_T);
}

static enum dsc_status decompose(const char *s, size_t n_bytes, bool is_compat, struct uni_cps *c,
                                 struct dsc_err *err)
{
    const uint16_t *stage1 = is_compat ? dsc_uni_nfkd1 : dsc_uni_nfd1;
    const uint16_t *stage2 = is_compat ? dsc_uni_nfkd2 : dsc_uni_nfd2;
    const char *end = s + n_bytes;

    c->n = 0;
    while (s < end) {
        uint32_t cp = uni_next(&s);
        const uint32_t *to = mapped(stage1, stage2, cp);

        DSC_TRY(reserve(c, to[0] + 3, err));
        if (cp - HANGUL_S < N_HANGUL_S)
            push_hangul(c, cp - HANGUL_S);
        else if (!to[0])
            push(c, cp);
        for (uint32_t i = 1; i <= to[0]; i++)
            push(c, to[i]);
    }
    return DSC_OK;
}

static void sort_short(uint32_t *run, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t x = run[i];
        size_t k = i;

        for (; k > 0 && run[k - 1] >> CCC_SHIFT > x >> CCC_SHIFT; k--)
            run[k] = run[k - 1];
        run[k] = x;
    }
}

/* Counting sort: a text of a million marks on one letter must not take a million squared steps. */
static enum dsc_status sort_long(struct uni_cps *c, size_t lo, size_t n, struct dsc_err *err)
{
    size_t at[257] = {0};
    uint32_t *sorted;

    DSC_TRY(reserve(c, n, err));
    sorted = c->cp + c->n;
    for (size_t i = 0; i < n; i++)
        at[(c->cp[lo + i] >> CCC_SHIFT) + 1]++;
    for (int k = 0; k < 256; k++)
        at[k + 1] += at[k];
    for (size_t i = 0; i < n; i++)
        sorted[at[c->cp[lo + i] >> CCC_SHIFT]++] = c->cp[lo + i];
    memcpy(c->cp + lo, sorted, n * sizeof *sorted);
    return DSC_OK;
}

static enum dsc_status order_marks(struct uni_cps *c, struct dsc_err *err)
{
    size_t lo = 0;

    while (lo < c->n) {
        size_t hi = lo;

        while (hi < c->n && c->cp[hi] >> CCC_SHIFT)
            hi++;
        if (hi - lo > SHORT_RUN)
            DSC_TRY(sort_long(c, lo, hi - lo, err));
        else if (hi - lo > 1)
            sort_short(c->cp + lo, hi - lo);
        lo = hi + 1;
    }
    return DSC_OK;
}

/* The composition of a and b, 0 when there is none. */
static uint32_t composed(uint32_t a, uint32_t b)
{
    int lo = 0, hi = dsc_uni_n_pairs;

    if (a - HANGUL_L < N_HANGUL_L && b - HANGUL_V < N_HANGUL_V)
        return HANGUL_S + ((a - HANGUL_L) * N_HANGUL_V + (b - HANGUL_V)) * N_HANGUL_T;
    if (a - HANGUL_S < N_HANGUL_S && (a - HANGUL_S) % N_HANGUL_T == 0 &&
        b - HANGUL_T - 1 < N_HANGUL_T - 1)
        return a + (b - HANGUL_T);
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        const uint32_t *p = dsc_uni_pairs + 3 * mid;

        if (p[0] == a && p[1] == b)
            return p[2];
        if (p[0] < a || (p[0] == a && p[1] < b))
            lo = mid + 1;
        else
            hi = mid;
    }
    return 0;
}

static void compose(struct uni_cps *c)
{
    size_t n = 0, starter = SIZE_MAX;
    uint32_t last_ccc = 0;

    for (size_t i = 0; i < c->n; i++) {
        uint32_t cp = c->cp[i] & CP_MASK, ccc = c->cp[i] >> CCC_SHIFT;

        /* A mark is blocked from its starter by one of the same or a higher class. */
        if (starter != SIZE_MAX && (last_ccc == 0 || last_ccc < ccc)) {
            uint32_t both = composed(c->cp[starter] & CP_MASK, cp);

            if (both) {
                c->cp[starter] = both;
                continue;
            }
        }
        if (!ccc)
            starter = n;
        last_ccc = ccc;
        c->cp[n++] = c->cp[i];
    }
    c->n = n;
}

enum dsc_status dsc_uni_normalize(enum uni_form form, const char *s, size_t n_bytes,
                                  struct uni_cps *tmp, struct dsc_bytes *out, struct dsc_err *err)
{
    if (dsc_uni_is_ascii(s, n_bytes)) {
        uni_put(out, s, n_bytes);
        return DSC_OK;
    }
    DSC_TRY(decompose(s, n_bytes, form == UNI_NFKC || form == UNI_NFKD, tmp, err));
    DSC_TRY(order_marks(tmp, err));
    if (form == UNI_NFC || form == UNI_NFKC)
        compose(tmp);
    for (size_t i = 0; i < tmp->n; i++)
        uni_put_cp(out, tmp->cp[i] & CP_MASK);
    return DSC_OK;
}

/* Is there no break between a and b? Rules GB3 to GB9b; what needs more context is the caller's. */
static bool joins(enum uni_gcb a, enum uni_gcb b)
{
    if (a == GCB_CR && b == GCB_LF)
        return true;
    if (a == GCB_CONTROL || a == GCB_CR || a == GCB_LF || b == GCB_CONTROL || b == GCB_CR ||
        b == GCB_LF)
        return false;
    if (a == GCB_L && (b == GCB_L || b == GCB_V || b == GCB_LV || b == GCB_LVT))
        return true;
    if ((a == GCB_LV || a == GCB_V) && (b == GCB_V || b == GCB_T))
        return true;
    if ((a == GCB_LVT || a == GCB_T) && b == GCB_T)
        return true;
    return b == GCB_EXTEND || b == GCB_ZWJ || b == GCB_MC || a == GCB_PREPEND;
}

/*
 * GB9c (Indic conjuncts) is left out: it only lengthens clusters that have 6 bytes already, and
 * the one user, the Precompiled charsmap, looks at clusters of at most 5.
 */
size_t dsc_uni_cluster(const char *s, size_t n_bytes)
{
    const char *p = s, *end = s + n_bytes;
    enum uni_gcb last = (enum uni_gcb)uni_kind(uni_next(&p))->gcb;
    bool is_pict = last == GCB_PICT; /* a pictograph, then Extend* */
    int n_ri = last == GCB_RI;

    while (p < end) {
        const char *next = p;
        enum uni_gcb g = (enum uni_gcb)uni_kind(uni_next(&next))->gcb;
        bool is_joined = joins(last, g) || (last == GCB_ZWJ && g == GCB_PICT && is_pict) ||
                         (last == GCB_RI && g == GCB_RI && n_ri % 2 == 1);

        if (!is_joined)
            break;
        is_pict =
            g == GCB_PICT || (is_pict && last != GCB_ZWJ && (g == GCB_EXTEND || g == GCB_ZWJ));
        n_ri = g == GCB_RI ? n_ri + 1 : 0;
        last = g;
        p = next;
    }
    return (size_t)(p - s);
}
