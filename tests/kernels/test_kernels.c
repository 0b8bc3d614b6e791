/*
 * Every row of kernels.def against its reference: odd sizes, extremes, and buffers that end at a
 * page nobody may touch. Bits must be equal (any NaN equals any NaN). Prints TAP.
 *
 * --bench   speeds, the reference against the best row of each slot
 * --seed N  other random numbers
 */
#include "calls.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 16, N_MAX = 4099, FRONT_BYTES = 64, N_BUFFERS = 10 };

/* What the elements of a job's inputs look like. */
enum pattern { NEAR, FAR, EXTREME, ANY_BITS, N_PATTERNS };

static const float extremes[] = {0.0f,    -0.0f,   INFINITY,  -INFINITY, NAN,      1e-45f,
                                 -1e-40f, 3.4e38f, 1.0f,      -3.4e38f,  1.2e-38f, 88.75f,
                                 -88.f,   -103.9f, 8388609.f, 0.5f,      -0.5f,    1.5f,
                                 2.5f,    0.045f,  -0.015f,   -3.05f,    -3.15f,   2147483648.0f};

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint32_t random_u32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

static float random_value(enum pattern p)
{
    uint32_t u = random_u32();
    float unit = (float)(u >> 8) * 0x1p-23f - 1.0f, any;

    switch (p) {
    case NEAR:
        return unit * 4;
    case FAR:
        return ldexpf(unit, (int)(u & 63) - 32);
    case EXTREME:
        return u % 3 ? extremes[u / 3 % (sizeof extremes / sizeof extremes[0])] : unit;
    default:
        memcpy(&any, &u, sizeof any);
        return any;
    }
}

/* Memory whose last byte lies before a page without access. */
static char *guarded_pages(void)
{
    char *p = mmap(NULL, BUFFER_BYTES + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);

    if (p == MAP_FAILED || mprotect(p + BUFFER_BYTES, 65536, PROT_NONE) != 0) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static char *pages[N_BUFFERS];

/* The n elements before the guard page of buffer k. */
static float *buffer(int k, int64_t n)
{
    return (float *)(void *)(pages[k] + BUFFER_BYTES) - n;
}

static void fill(float *p, int64_t n, enum pattern pattern)
{
    for (int64_t i = 0; i < n; i++)
        p[i] = random_value(pattern);
}

static bool is_same(const float *a, const float *b, int64_t n, bool is_integer)
{
    if (is_integer)
        return memcmp(a, b, (size_t)n * sizeof *a) == 0;
    for (int64_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(a[i] != a[i] && b[i] != b[i]))
            return false;
    return true;
}

/* Outputs are buffers 4.. of the reference and 7.. of the kernel; some bytes in front count too. */
static bool is_equal_once(const struct kernel_row *row, int64_t n, enum pattern pattern)
{
    struct job a = {.n = n}, b = {.n = n};
    bool ok = true;

    for (int k = 0; k < JOB_INPUTS; k++) {
        a.in[k] = b.in[k] = buffer(k, n);
        fill(buffer(k, n), n, pattern);
    }
    for (int k = 0; k < JOB_OUTPUTS; k++) {
        a.out[k] = buffer(JOB_INPUTS + k, n);
        b.out[k] = buffer(JOB_INPUTS + JOB_OUTPUTS + k, n);
        fill(a.out[k], n, pattern);
        memset((char *)a.out[k] - FRONT_BYTES, 0x5a, FRONT_BYTES);
        memcpy((char *)b.out[k] - FRONT_BYTES, (char *)a.out[k] - FRONT_BYTES,
               FRONT_BYTES + (size_t)n * sizeof(float));
    }
    row->call(row->ref, &a);
    row->call(row->kernel, &b);
    for (int k = 0; k < JOB_OUTPUTS; k++) {
        ok = ok && is_same(a.out[k], b.out[k], n, a.is_integer && k == 0);
        ok = ok && memcmp((char *)a.out[k] - FRONT_BYTES, (char *)b.out[k] - FRONT_BYTES,
                          FRONT_BYTES) == 0;
    }
    ok = ok && is_same(a.result, b.result, JOB_RESULTS, false);
    if (!ok)
        printf("# %s %s differs: n %lld, pattern %d\n", row->slot, row->variant, (long long)n,
               (int)pattern);
    return ok;
}

static bool is_equal(const struct kernel_row *row)
{
    static const int64_t sizes[] = {96,  127, 128,  129,  255,  257,  360,
                                    479, 768, 1000, 1777, 3001, N_MAX};

    for (int p = 0; p < N_PATTERNS; p++) {
        for (int64_t n = 0; n <= 70; n++)
            if (!is_equal_once(row, n, (enum pattern)p))
                return false;
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            if (!is_equal_once(row, sizes[s], (enum pattern)p))
                return false;
    }
    return true;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Elements per second: the best of several spans of about 2 ms. */
static double speed(const struct kernel_row *row, any_kernel *kernel, int64_t n)
{
    struct job j = {.n = n};
    double best = 0;

    for (int k = 0; k < JOB_INPUTS; k++)
        j.in[k] = buffer(k, n);
    for (int k = 0; k < JOB_OUTPUTS; k++)
        j.out[k] = buffer(JOB_INPUTS + k, n);
    for (int span = 0; span < 5; span++) {
        double start = now(), t;
        int64_t calls = 0;

        do {
            row->call(kernel, &j);
            calls++;
        } while ((t = now() - start) < 2e-3);
        if ((double)(calls * n) / t > best)
            best = (double)(calls * n) / t;
    }
    return best;
}

static void bench(void)
{
    enum { N = 3072 };

    printf("%-24s %-8s %10s %10s %8s  (1e9 elements/s, rows of %d, 1 thread)\n", "slot", "best",
           "ref", "best", "ratio", N);
    for (int r = 0; r < n_kernel_rows; r++) {
        const struct kernel_row *row = &kernel_rows[r];
        double ref, best;

        if (row->need > dsc_cpu_level_best())
            continue;
        for (int k = 0; k < JOB_INPUTS + JOB_OUTPUTS; k++)
            fill(buffer(k, N), N, NEAR);
        ref = speed(row, row->ref, N);
        best = speed(row, row->kernel, N);
        printf("%-24s %-8s %10.3f %10.3f %8.1f\n", row->slot, row->variant, ref * 1e-9, best * 1e-9,
               best / ref);
    }
}

int main(int argc, char **argv)
{
    bool is_bench = false, all_ok = true;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--bench") == 0)
            is_bench = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            random_state += strtoull(argv[++i], NULL, 0);
    }
    for (int k = 0; k < N_BUFFERS; k++)
        pages[k] = guarded_pages();
    if (is_bench) {
        bench();
        return 0;
    }
    printf("1..%d\n", n_kernel_rows);
    for (int r = 0; r < n_kernel_rows; r++) {
        const struct kernel_row *row = &kernel_rows[r];
        bool ok = row->need > dsc_cpu_level_best() || is_equal(row);

        all_ok = all_ok && ok;
        printf("%s %d - %s %s equals the reference%s\n", ok ? "ok" : "not ok", r + 1, row->slot,
               row->variant, row->need > dsc_cpu_level_best() ? " # SKIP not on this CPU" : "");
    }
    return all_ok ? 0 : 1;
}
