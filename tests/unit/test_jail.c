/* The child process: its answers come back, what it may not do ends it, nothing of it is left. */
#include "formats_model.h"
#include "model/jail.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct jail_limits limits = {
    .memory_bytes = 32 << 20, .answer_bytes = 1 << 20, .cpu_s = 1};

static enum dsc_status echo(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    for (int i = 0; i < 20000; i++) /* more than a pipe holds */
        dsc_bytes_text(answer, ctx);
    return DSC_OK;
}

static enum dsc_status refuse(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    dsc_fail(err, DSC_E_SHAPE, "%s", (const char *)ctx);
    dsc_err_hint(err, "a hint");
    return dsc_err_where(err, "byte 7");
}

static enum dsc_status too_much(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    for (int i = 0; i < 200; i++)
        dsc_bytes_add(answer, ctx, 8192);
    return DSC_OK;
}

static enum dsc_status spin(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    for (volatile unsigned i = 0;; i = i + 1)
        ;
    return DSC_OK;
}

static enum dsc_status crash(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    raise(SIGSEGV); /* itself on no list: ends by SIGSYS */
    return DSC_OK;
}

/* A null pointer that no compiler sees. */
static enum dsc_status fault(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    return *(volatile const enum dsc_status *)ctx;
}

static enum dsc_status allocate(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    return dsc_heap_alloc((size_t)256 << 20, 1, err) ? DSC_OK : DSC_E_MEMORY;
}

static enum dsc_status open_file(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    return open("/etc/passwd", O_RDONLY) < 0 ? DSC_OK : dsc_fail(err, DSC_E_IO, "opened");
}

static enum dsc_status connect_out(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    (void)!socket(AF_INET, SOCK_STREAM, 0);
    return DSC_OK;
}

static enum dsc_status start(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    execl("/bin/true", "true", (char *)NULL);
    return DSC_OK;
}

static enum dsc_status kill_parent(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    kill(*(const pid_t *)ctx, SIGTERM);
    return DSC_OK;
}

static enum dsc_status make_code(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    (void)!mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return DSC_OK;
}

static enum dsc_status write_out(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    (void)!write(STDOUT_FILENO, "x", 1);
    return DSC_OK;
}

static enum dsc_status fill(const void *ctx, struct dsc_bytes *answer, struct dsc_err *err)
{
    memset((void *)(uintptr_t)ctx, 7, 100000);
    return DSC_OK;
}

static enum dsc_status run(jail_fn *fn, const void *ctx, struct dsc_err *err)
{
    struct dsc_bytes answer = {0};
    const enum dsc_status st = jail_run(fn, ctx, &limits, &answer, err);

    dsc_bytes_clear(&answer);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    return st;
}

START_TEST(an_answer_comes_back)
{
    struct dsc_bytes answer = {0};
    struct dsc_err err = {0};

    ck_assert_int_eq(jail_run(echo, "answer", &limits, &answer, &err), DSC_OK);
    ck_assert_uint_eq(answer.n_bytes, 6 * 20000);
    ck_assert_mem_eq(answer.data + 6 * 19999, "answer", 6);
    dsc_bytes_clear(&answer);
}
END_TEST

START_TEST(an_error_comes_back_with_its_place)
{
    struct dsc_err err = {0};

    ck_assert_int_eq(run(refuse, "a reason", &err), DSC_E_SHAPE);
    ck_assert_str_eq(err.message, "a reason");
    ck_assert_str_eq(err.where, "byte 7");
    ck_assert_str_eq(err.hint, "a hint");
}
END_TEST

START_TEST(texts_of_the_child_cannot_steer_a_terminal)
{
    struct dsc_err err = {0};

    ck_assert_int_eq(run(refuse, "\033[2J \xc2\x9b \xff \xc3\xa9 \xc3", &err), DSC_E_SHAPE);
    ck_assert_str_eq(err.message, "?[2J ?? ? \xc3\xa9 ?");
}
END_TEST

START_TEST(a_room_is_shared)
{
    struct dsc_buffer *room;
    struct dsc_err err = {0};

    ck_assert_int_eq(jail_room(&room, 100000, &err), DSC_OK);
    ck_assert_int_eq(run(fill, room->data, &err), DSC_OK);
    for (int i = 0; i < 100000; i++)
        ck_assert_int_eq(((unsigned char *)room->data)[i], 7);
    dsc_buffer_unref(room);
}
END_TEST

START_TEST(what_it_may_not_do_ends_it)
{
    static jail_fn *const rows[] = {connect_out, start, kill_parent, make_code, crash, write_out};
    const size_t n = sizeof rows / sizeof rows[0] - JAIL_IS_COUNTED; /* that one may write */
    const pid_t parent = getpid();

    for (size_t i = 0; i < n; i++) {
        struct dsc_err err = {0};

        ck_assert_msg(run(rows[i], &parent, &err) == DSC_E_INCONSISTENT, "row %d", (int)i);
        ck_assert_msg(strstr(err.message, "may not") != NULL, "row %d: %s", (int)i, err.message);
    }
}
END_TEST

START_TEST(it_opens_no_file)
{
    struct dsc_err err = {0};

    ck_assert_int_eq(run(open_file, NULL, &err), JAIL_IS_COUNTED ? DSC_E_IO : DSC_OK);
}
END_TEST

START_TEST(a_crash_is_one_error)
{
    struct dsc_err err = {0};

    ck_assert_int_eq(run(fault, NULL, &err), DSC_E_INCONSISTENT);
    ck_assert_str_ne(err.message, "");
}
END_TEST

START_TEST(time_memory_and_answers_are_limited)
{
    static const unsigned char block[8192];
    struct dsc_err err[3] = {0};

    ck_assert_int_eq(run(too_much, block, &err[0]), DSC_E_LIMIT);
    if (JAIL_IS_SANITIZED) /* no limit on memory there, and twenty times the seconds */
        return;
    ck_assert_int_eq(run(allocate, NULL, &err[1]), DSC_E_MEMORY);
    ck_assert_int_eq(run(spin, NULL, &err[2]), DSC_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err[2].message, "1 s"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jail");
    TCase *t = tcase_create("jail");
    SRunner *r = srunner_create(s);
    int n_failed;

    tcase_add_test(t, an_answer_comes_back);
    tcase_add_test(t, an_error_comes_back_with_its_place);
    tcase_add_test(t, texts_of_the_child_cannot_steer_a_terminal);
    tcase_add_test(t, a_room_is_shared);
    tcase_add_test(t, what_it_may_not_do_ends_it);
    tcase_add_test(t, it_opens_no_file);
    tcase_add_test(t, a_crash_is_one_error);
    tcase_add_test(t, time_memory_and_answers_are_limited);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    n_failed = srunner_ntests_failed(r);
    srunner_free(r);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
