/* core/: arenas, reader, writer, random streams, sha256, thread pool. */
#include "dsc/arena.h"
#include "dsc/io.h"
#include "dsc/machine.h"
#include "dsc/pool.h"
#include "dsc/rng.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(the_first_error_is_kept)
{
    struct dsc_err err = {0};

    ck_assert_int_eq(dsc_fail(&err, DSC_E_TRUNC, "first %d", 1), DSC_E_TRUNC);
    ck_assert_int_eq(dsc_fail(&err, DSC_E_RANGE, "second"), DSC_E_TRUNC);
    ck_assert_str_eq(err.message, "first 1");
    ck_assert_int_eq(dsc_status_exit(err.status), 65);
    ck_assert_str_eq(dsc_status_class(err.status), "TRUNC");
}
END_TEST

START_TEST(an_arena_gives_zeroed_aligned_memory_and_takes_it_back)
{
    struct dsc_arena a;
    struct dsc_arena_mark m;
    unsigned char *p;

    dsc_arena_init(&a);
    p = dsc_arena_alloc(&a, 100, 1, NULL);
    memset(p, 0xFF, 100);
    m = dsc_arena_mark(&a);
    p = dsc_arena_alloc(&a, 3, 100000, NULL);
    memset(p, 0xFF, 300000);
    dsc_arena_reset(&a, m);
    p = dsc_arena_alloc(&a, 7, 1, NULL);
    ck_assert_uint_eq((uintptr_t)p % 16, 0);
    for (int i = 0; i < 7; i++)
        ck_assert_uint_eq(p[i], 0);
    dsc_arena_clear(&a);
}
END_TEST

START_TEST(an_absurd_allocation_is_an_error)
{
    struct dsc_arena a;
    struct dsc_err err = {0};

    dsc_arena_init(&a);
    ck_assert_ptr_null(dsc_arena_alloc(&a, SIZE_MAX / 2, 4, &err));
    ck_assert_int_eq(err.status, DSC_E_OVERFLOW);
    dsc_arena_clear(&a);
}
END_TEST

START_TEST(reading_past_the_end_is_trunc_with_the_offset)
{
    const unsigned char bytes[] = {1, 0, 0, 0, 9};
    struct dsc_err err = {0};
    struct dsc_rd r;

    dsc_rd_init(&r, bytes, sizeof bytes, &err);
    ck_assert_uint_eq(dsc_rd_u32le(&r), 1);
    ck_assert_uint_eq(dsc_rd_u32le(&r), 0);
    ck_assert_int_eq(dsc_rd_status(&r), DSC_E_TRUNC);
    ck_assert_str_eq(err.where, "byte 4");
    ck_assert_uint_eq(dsc_rd_left(&r), 0);
}
END_TEST

START_TEST(a_varint_of_more_than_64_bits_is_refused)
{
    unsigned char bytes[11];
    struct dsc_err err = {0};
    struct dsc_rd r;

    memset(bytes, 0xFF, sizeof bytes);
    dsc_rd_init(&r, bytes, sizeof bytes, &err);
    dsc_rd_varint(&r);
    ck_assert_int_eq(dsc_rd_status(&r), DSC_E_OVERFLOW);
}
END_TEST

START_TEST(an_output_appears_only_at_commit)
{
    char dir[] = "/tmp/dsc-out-XXXXXX", path[64];
    struct dsc_err err = {0};
    struct dsc_out o;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/x.bin", dir);
    ck_assert_int_eq(dsc_out_open(&o, path, false, &err), DSC_OK);
    dsc_out_text(&o, "hello");
    dsc_out_pad(&o, 8);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(dsc_out_commit(&o, &err), DSC_OK);
    ck_assert_int_eq(access(path, F_OK), 0);
    ck_assert_int_eq(dsc_out_open(&o, path, false, &err), DSC_E_EXISTS);
    err = (struct dsc_err){0};
    ck_assert_int_eq(dsc_out_open(&o, path, true, &err), DSC_OK);
    dsc_out_abort(&o);
    unlink(path);
    ck_assert_int_eq(rmdir(dir), 0); /* nothing else is left */
}
END_TEST

START_TEST(a_full_disk_is_nospace)
{
    struct dsc_err err = {0};
    struct dsc_out o = {.fd = -1};

    ck_assert_int_eq(dsc_out_open(&o, "/tmp/dsc-full", true, &err), DSC_OK);
    close(o.fd);
    o.fd = 0;
    ck_assert_ptr_nonnull(freopen("/dev/full", "w", stdout));
    o.fd = dup(STDOUT_FILENO);
    dsc_out_text(&o, "x");
    ck_assert_int_eq(dsc_out_commit(&o, &err), DSC_E_NOSPACE);
    ck_assert_int_ne(access("/tmp/dsc-full", F_OK), 0);
}
END_TEST

START_TEST(sha256_equals_the_published_vectors)
{
    char hex[65];
    struct dsc_sha256 h;

    dsc_sha256_init(&h);
    dsc_sha256_add(&h, "abc", 3);
    dsc_sha256_hex(&h, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    dsc_sha256_init(&h);
    for (int i = 0; i < 1000; i++)
        dsc_sha256_add(&h, "aaaaaaaaaa", (size_t)(i % 2 ? 3 : 7));
    for (int i = 0; i < 95; i++)
        dsc_sha256_add(&h, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 52);
    dsc_sha256_add(&h, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 60);
    dsc_sha256_hex(&h, hex);
    ck_assert_str_eq(hex, "27dd1f61b867b6a0f6e9d8a41c43231de52107e53ae424de8f847b821db4b711");
}
END_TEST

START_TEST(philox_equals_the_published_vectors)
{
    /* Random123 1.14, tests/kat_vectors, philox4x32 10 rounds */
    const uint32_t zero[4] = {0}, ones[4] = {~0u, ~0u, ~0u, ~0u};
    const uint32_t want0[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    const uint32_t want1[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    uint32_t out[4];

    dsc_rng_block((struct dsc_rng_key){{0, 0}}, zero, out);
    ck_assert_mem_eq(out, want0, sizeof out);
    dsc_rng_block((struct dsc_rng_key){{~0u, ~0u}}, ones, out);
    ck_assert_mem_eq(out, want1, sizeof out);
}
END_TEST

static void count_tile(void *ctx, int64_t tile)
{
    ((int *)ctx)[tile]++;
}

START_TEST(every_tile_runs_once_for_any_thread_count)
{
    for (int n_threads = 1; n_threads <= 4; n_threads++) {
        struct dsc_pool *pool;
        int seen[1000] = {0};

        ck_assert_int_eq(dsc_pool_open(&pool, n_threads, NULL), DSC_OK);
        for (int round = 1; round <= 200; round++) {
            dsc_parallel_for(pool, 1000, count_tile, seen);
            for (int i = 0; i < 1000; i++)
                ck_assert_int_eq(seen[i], round);
        }
        dsc_pool_close(pool);
    }
}
END_TEST

START_TEST(the_kth_allocation_fails_on_request)
{
    struct dsc_err err = {0};
    void *p;

    dsc_heap_fail_at(2);
    p = dsc_heap_alloc(1, 1, &err);
    ck_assert_ptr_nonnull(p);
    ck_assert_ptr_null(dsc_heap_alloc(1, 1, &err));
    ck_assert_int_eq(err.status, DSC_E_MEMORY);
    dsc_heap_fail_at(0);
    dsc_heap_free(p);
}
END_TEST

START_TEST(an_old_blas_kernel_is_replaced_by_one_of_the_processors_level)
{
    static const char *const good[] = {"Haswell", "Zen", "SkylakeX", "Cooperlake",
                                       "SapphireRapids"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_ptr_null(dsc_blas_better_core(good[i], DSC_CPU_VNNI));
    ck_assert_str_eq(dsc_blas_better_core("Prescott", DSC_CPU_VNNI), "SkylakeX");
    ck_assert_str_eq(dsc_blas_better_core("Prescott", DSC_CPU_AVX512), "SkylakeX");
    ck_assert_str_eq(dsc_blas_better_core("Sandybridge", DSC_CPU_AVX2), "Haswell");
    ck_assert_ptr_null(dsc_blas_better_core("Prescott", DSC_CPU_REF));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("core");
    TCase *t = tcase_create("core");
    SRunner *r = srunner_create(s);
    int n_failed;

    suite_add_tcase(s, t);
    tcase_add_test(t, the_first_error_is_kept);
    tcase_add_test(t, an_arena_gives_zeroed_aligned_memory_and_takes_it_back);
    tcase_add_test(t, an_absurd_allocation_is_an_error);
    tcase_add_test(t, reading_past_the_end_is_trunc_with_the_offset);
    tcase_add_test(t, a_varint_of_more_than_64_bits_is_refused);
    tcase_add_test(t, an_output_appears_only_at_commit);
    tcase_add_test(t, a_full_disk_is_nospace);
    tcase_add_test(t, sha256_equals_the_published_vectors);
    tcase_add_test(t, philox_equals_the_published_vectors);
    tcase_add_test(t, every_tile_runs_once_for_any_thread_count);
    tcase_add_test(t, the_kth_allocation_fails_on_request);
    tcase_add_test(t, an_old_blas_kernel_is_replaced_by_one_of_the_processors_level);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed != 0;
}
