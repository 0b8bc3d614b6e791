/* Ranges files: what they say is checked, whatever it is. */
#include "formats_model.h"
#include "golden_calib.h"

#include <unistd.h>

enum { LIMITS = 8 };

/* Of one histogram: its arrays as a file holds them, to be spoiled. */
struct spoiled {
    const char *name;
    struct dsc_tensor count, limits; /* no tensor: left out */
};

static void reshape(struct dsc_tensor *t, enum dsc_dtype dtype, int rank, int64_t n, int64_t m)
{
    struct dsc_tensor other;

    ck_assert_int_eq(dsc_tensor_new(&other, dtype, rank, (int64_t[]){n, m}, NULL), DSC_OK);
    for (int64_t i = 0; i < dsc_tensor_n_elems(&other) && i < dsc_tensor_n_elems(t); i++)
        dsc_tensor_set_f64(&other, i, dsc_tensor_get_f64(t, i));
    dsc_tensor_clear(t);
    *t = other;
}

struct spoil {
    const char *what;
    enum dsc_status want;
    const char *text; /* in the message */
    int limit;        /* set this one of limits .. */
    double value;
    int bin; /* .. add to this bin, where add is not 0 .. */
    int64_t add;
    enum dsc_dtype count_dtype, limits_dtype; /* .. change types .. */
    int rank;                                 /* .. or shapes */
    int64_t n_count, n_limits;
};

static const struct spoil spoils[] = {
    {"nothing", DSC_OK, NULL, .bin = 0},
    {"counts i64", DSC_E_SCHEMA, "is not a histogram", .count_dtype = DSC_I64},
    {"counts f64", DSC_E_SCHEMA, "is not a histogram", .count_dtype = DSC_F64},
    {"limits f32", DSC_E_SCHEMA, "is not a histogram", .limits_dtype = DSC_F32},
    {"a bin less", DSC_E_SCHEMA, "is not a histogram", .n_count = DSC_HIST_BINS - 1},
    {"a bin more", DSC_E_SCHEMA, "is not a histogram", .n_count = DSC_HIST_BINS + 1},
    {"no bins", DSC_E_SCHEMA, "is not a histogram", .n_count = -1},
    {"a matrix of bins", DSC_E_SCHEMA, "is not a histogram", .rank = 2},
    {"a limit less", DSC_E_SCHEMA, "is not a histogram", .n_limits = LIMITS - 1},
    {"a limit more", DSC_E_SCHEMA, "is not a histogram", .n_limits = LIMITS + 1},
    {"no limits", DSC_E_SCHEMA, "is not a histogram", .n_limits = -1},
    {"a value too many", DSC_E_SCHEMA, "hold more than its", .bin = 4095, .add = 1},
    {"a value too few", DSC_E_SCHEMA, "of its", .bin = 2048, .add = -1},
    {"counts that overflow", DSC_E_SCHEMA, "hold more than its", .bin = 7, .add = -1},
    {"n below 0", DSC_E_SCHEMA, "whole numbers", .limit = 0, .value = -1},
    {"n NaN", DSC_E_SCHEMA, "whole numbers", .limit = 0, .value = NAN},
    {"n infinite", DSC_E_SCHEMA, "whole numbers", .limit = 0, .value = INFINITY},
    {"n too large", DSC_E_SCHEMA, "whole numbers", .limit = 0, .value = 0x1p53},
    {"half a value", DSC_E_SCHEMA, "whole numbers", .limit = 0, .value = 3005.5},
    {"n 0", DSC_E_SCHEMA, "hold more than its", .limit = 0, .value = 0},
    {"bad values below 0", DSC_E_SCHEMA, "whole numbers", .limit = 1, .value = -3},
    {"batches NaN", DSC_E_SCHEMA, "whole numbers", .limit = 2, .value = NAN},
    {"low NaN", DSC_E_SCHEMA, "do not fit", .limit = 3, .value = NAN},
    {"low infinite", DSC_E_SCHEMA, "do not fit", .limit = 3, .value = -INFINITY},
    {"low over high", DSC_E_SCHEMA, "do not fit", .limit = 3, .value = 7},
    {"low under the bins", DSC_E_SCHEMA, "do not fit", .limit = 3, .value = -8.01},
    {"high NaN", DSC_E_SCHEMA, "do not fit", .limit = 4, .value = NAN},
    {"high infinite", DSC_E_SCHEMA, "do not fit", .limit = 4, .value = INFINITY},
    {"high over the bins", DSC_E_SCHEMA, "do not fit", .limit = 4, .value = 8},
    {"an average NaN", DSC_E_SCHEMA, "moving averages", .limit = 5, .value = NAN},
    {"an average infinite", DSC_E_SCHEMA, "moving averages", .limit = 6, .value = INFINITY},
    {"averages the wrong way round", DSC_E_SCHEMA, "moving averages", .limit = 5, .value = 100},
    {"exponent -1000", DSC_E_SCHEMA, "bin exponent", .limit = 7, .value = -1000},
    {"exponent -121", DSC_E_SCHEMA, "bin exponent", .limit = 7, .value = -121},
    {"exponent 129", DSC_E_SCHEMA, "bin exponent", .limit = 7, .value = 129},
    {"exponent 1000", DSC_E_SCHEMA, "bin exponent", .limit = 7, .value = 1000},
    {"exponent 1e300", DSC_E_SCHEMA, "bin exponent", .limit = 7, .value = 1e300},
    {"exponent NaN", DSC_E_SCHEMA, "bin exponent", .limit = 7, .value = NAN},
    {"half an exponent", DSC_E_SCHEMA, "bin exponent", .limit = 7, .value = -7.5},
    {"bins too narrow", DSC_E_SCHEMA, "do not fit", .limit = 7, .value = -10},
    {"bins too wide", DSC_OK, NULL, .limit = 7, .value = 128},
};

static void spoil(struct spoiled *s, const struct spoil *c)
{
    if (c->limit || (c->text && strstr(c->text, "whole")) || strcmp(c->what, "n 0") == 0)
        dsc_tensor_set_f64(&s->limits, c->limit, c->value);
    if (c->add)
        ((uint64_t *)s->count.data)[c->bin] += (uint64_t)c->add;
    if (c->count_dtype || c->rank || c->n_count > 0)
        reshape(&s->count, c->count_dtype ? c->count_dtype : DSC_U64, c->rank ? c->rank : 1,
                c->rank          ? 64
                : c->n_count > 0 ? c->n_count
                                 : DSC_HIST_BINS,
                64);
    if (c->limits_dtype || c->n_limits > 0)
        reshape(&s->limits, c->limits_dtype ? c->limits_dtype : DSC_F64, 1,
                c->n_limits > 0 ? c->n_limits : LIMITS, 1);
    if (c->n_count < 0)
        reshape(&s->count, DSC_U64, 0, 0, 0);
    if (c->n_limits < 0)
        dsc_tensor_clear(&s->limits);
}

/* The normal values (exponent -8) as a bundle. */
static void take_apart(struct spoiled *s)
{
    struct dsc_ranges *r = dsc_ranges_new(NULL);
    struct dsc_bundle golden, b;

    open_golden(&golden);
    s->name = "layer/x";
    ck_assert_int_eq(dsc_ranges_watch(r, s->name, NULL), DSC_OK);
    for (int k = 0; k < BATCHES; k++)
        dsc_hist_add(dsc_ranges_hist(r, s->name), batch_of(&golden, "normal", k), BATCH, NULL);
    dsc_bundle_init(&b);
    ck_assert_int_eq(dsc_ranges_to_bundle(r, &b, NULL), DSC_OK);
    dsc_tensor_ref(&s->count, dsc_bundle_find(&b, "layer/x/count"));
    dsc_tensor_ref(&s->limits, dsc_bundle_find(&b, "layer/x/limits"));
    dsc_bundle_clear(&b);
    dsc_bundle_clear(&golden);
    dsc_ranges_free(r);
}

static void put_together(const struct spoiled *s, struct dsc_bundle *b)
{
    char name[1024];

    dsc_bundle_init(b);
    snprintf(name, sizeof name, "%s/count", s->name);
    ck_assert_int_eq(dsc_bundle_add(b, name, &s->count, NULL), DSC_OK);
    snprintf(name, sizeof name, "%s/limits", s->name);
    if (dsc_tensor_is_present(&s->limits))
        ck_assert_int_eq(dsc_bundle_add(b, name, &s->limits, NULL), DSC_OK);
}

static void drop(struct spoiled *s)
{
    dsc_tensor_clear(&s->count);
    dsc_tensor_clear(&s->limits);
}

START_TEST(ranges_that_cannot_be_are_refused)
{
    const struct spoil *c = &spoils[_i];
    struct dsc_ranges *r = dsc_ranges_new(NULL);
    struct dsc_err err = {0};
    struct spoiled s;
    struct dsc_bundle b;

    take_apart(&s);
    spoil(&s, c);
    put_together(&s, &b);
    ck_assert_msg(dsc_ranges_from_bundle(r, &b, &err) == c->want, "%s: %s", c->what, err.message);
    if (c->want == DSC_OK)
        all_observers_answer(dsc_ranges_hist(r, s.name));
    else
        ck_assert_msg(strstr(err.message, c->text) && strstr(err.message, "layer/x") &&
                          !strchr(err.message, '\n'),
                      "%s: %s", c->what, err.message);
    dsc_bundle_clear(&b);
    drop(&s);
    dsc_ranges_free(r);
}
END_TEST

START_TEST(limits_of_nothing_say_nothing)
{
    struct dsc_ranges *r = dsc_ranges_new(NULL);
    struct dsc_hist *h, *seen = new_hist();
    struct spoiled s;
    struct dsc_bundle b;

    take_apart(&s);
    memset(s.count.data, 0, dsc_tensor_n_bytes(&s.count));
    for (int i = 0; i < LIMITS - 1; i++)
        dsc_tensor_set_f64(&s.limits, i, i < 3 ? 0 : i == 4 ? 1e30 : NAN);
    put_together(&s, &b);
    ck_assert_int_eq(dsc_ranges_from_bundle(r, &b, NULL), DSC_OK);
    ck_assert_int_eq(dsc_ranges_check(r, NULL), DSC_E_EMPTY);
    h = dsc_ranges_hist(r, s.name);
    dsc_hist_add(seen, &(float){2}, 1, NULL);
    dsc_hist_merge(h, seen);
    same_hist(h, seen);
    dsc_heap_free(seen);
    dsc_bundle_clear(&b);
    drop(&s);
    dsc_ranges_free(r);
}
END_TEST

START_TEST(names_have_a_longest)
{
    static const size_t lengths[] = {504, 505, 600};
    char name[700] = {0};
    struct dsc_ranges *r = dsc_ranges_new(NULL), *back = dsc_ranges_new(NULL);
    const enum dsc_status want = _i == 0 ? DSC_OK : DSC_E_LIMIT;
    struct spoiled s;
    struct dsc_bundle b;

    memset(name, 'n', lengths[_i]);
    ck_assert_int_eq(dsc_ranges_watch(r, name, NULL), DSC_OK);
    dsc_hist_add(dsc_ranges_hist(r, name), &(float){2}, 1, NULL);
    dsc_bundle_init(&b);
    ck_assert_int_eq(dsc_ranges_to_bundle(r, &b, NULL), want);
    if (want == DSC_OK) {
        ck_assert_int_eq(dsc_ranges_from_bundle(back, &b, NULL), DSC_OK);
        ck_assert_str_eq(dsc_ranges_name(back, 0), name);
    }
    dsc_bundle_clear(&b);
    take_apart(&s);
    s.name = name;
    put_together(&s, &b);
    ck_assert_int_eq(dsc_ranges_from_bundle(back, &b, NULL), lengths[_i] < 600 ? DSC_OK : want);
    dsc_bundle_clear(&b);
    drop(&s);
    dsc_ranges_free(r);
    dsc_ranges_free(back);
}
END_TEST

/* ---- bytes ---- */

enum { FILE_MAX_BYTES = 64 * 1024 };

struct bytes {
    char path[64];
    unsigned char data[FILE_MAX_BYTES], good[FILE_MAX_BYTES];
    size_t n;
};

static void write_bytes(const char *path, const unsigned char *data, size_t n)
{
    FILE *f;

    unlink(path); /* a file that is cut and written again is flushed by some file systems */
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static void good_file(struct bytes *f)
{
    struct spoiled s;
    struct dsc_bundle b;
    FILE *in;

    snprintf(f->path, sizeof f->path, "%s", "/tmp/dsc-ranges-XXXXXX");
    ck_assert_int_eq(close(mkstemp(f->path)), 0);
    take_apart(&s);
    put_together(&s, &b);
    ck_assert_int_eq(dsc_safetensors_write(&b, f->path, true, NULL), DSC_OK);
    dsc_bundle_clear(&b);
    drop(&s);
    in = fopen(f->path, "rb");
    ck_assert_ptr_nonnull(in);
    f->n = fread(f->data, 1, sizeof f->data, in);
    fclose(in);
    ck_assert(f->n > DSC_HIST_BINS * 8 && f->n < sizeof f->data);
    memcpy(f->good, f->data, f->n);
}

/* An error of one line, or ranges that every observer can read. */
static enum dsc_status read_file(const char *path)
{
    struct dsc_ranges *r = dsc_ranges_new(NULL);
    struct dsc_bundle b = {0};
    struct dsc_err err = {0};
    enum dsc_status st = dsc_safetensors_read(&b, path, NULL, &err);

    if (st == DSC_OK)
        st = dsc_ranges_from_bundle(r, &b, &err);
    if (st != DSC_OK)
        ck_assert(err.message[0] && err.status == st);
    for (int i = 0; st == DSC_OK && i < dsc_ranges_n(r); i++) {
        const struct dsc_hist *h = dsc_ranges_hist(r, dsc_ranges_name(r, i));

        for (const struct dsc_observer *const *o = dsc_observer_all(); h->n > 0 && *o; o++) {
            double low = NAN, high = NAN;

            (*o)->range(h, (*o)->param, 256, &low, &high);
            ck_assert(low <= high || (!(*o)->can_merge && isnan(h->ema_low)));
        }
    }
    dsc_bundle_clear(&b);
    dsc_ranges_free(r);
    return st;
}

START_TEST(cut_off_files_are_refused)
{
    struct bytes *f = dsc_heap_alloc(1, sizeof *f, NULL);

    good_file(f);
    ck_assert_int_eq(read_file(f->path), DSC_OK);
    for (size_t n = 0; n < f->n; n += n < 400 ? 1 : 1237) {
        write_bytes(f->path, f->data, n);
        ck_assert_int_ne(read_file(f->path), DSC_OK);
    }
    unlink(f->path);
    dsc_heap_free(f);
}
END_TEST

/* Bytes of the header and the limits, and any. */
START_TEST(spoiled_bytes_crash_nothing)
{
    struct bytes *f = dsc_heap_alloc(1, sizeof *f, NULL);
    uint64_t r = 88172645463325252u + (uint64_t)_i;
    int n_ok = 0;

    good_file(f);
    for (int round = 0; round < 300; round++) {
        unsigned char *p;

        r ^= r << 13, r ^= r >> 7, r ^= r << 17; /* Marsaglia 2003 */
        p = f->data + (round % 3 == 0   ? r % f->n
                       : round % 3 == 1 ? f->n - 1 - r % (LIMITS * 8)
                                        : r % 300);
        *p ^= (unsigned char)(1 + (r >> 32) % 255);
        write_bytes(f->path, f->data, f->n);
        n_ok += read_file(f->path) == DSC_OK;
        if (round % 4 == 3) /* up to four at a time */
            memcpy(f->data, f->good, f->n);
    }
    ck_assert_int_gt(n_ok, 0);
    unlink(f->path);
    dsc_heap_free(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ranges");
    TCase *t = tcase_create("ranges");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_loop_test(t, ranges_that_cannot_be_are_refused, 0, sizeof spoils / sizeof spoils[0]);
    tcase_add_test(t, limits_of_nothing_say_nothing);
    tcase_add_loop_test(t, names_have_a_longest, 0, 3);
    tcase_add_test(t, cut_off_files_are_refused);
    tcase_add_loop_test(t, spoiled_bytes_crash_nothing, 0, 2);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
