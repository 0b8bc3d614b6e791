/*
 * Runs a harness on given files as they are, then on changed bytes of them:
 * fuzz_X [-v] [-n RUNS] [-s FIRST_SEED] [FILE | FOLDER ..], a folder for all files in it.
 * Without files the bytes are random. Run i uses seed FIRST_SEED + i, so that -n 1 -s SEED repeats
 * one of them; -v prints each seed before its run.
 */
#include "dsc/rng.h"
#include "fuzz.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Of address space: a shape of 2^33 elements must be an error here, not what stops the machine. */
#define MAX_ADDRESSES ((rlim_t)4 << 30)

enum { MAX_BYTES = 1 << 20, RANDOM_BYTES = 96, MAX_FILES = 1024 };

static bool is_verbose;
static char *files[MAX_FILES];
static int n_files;
static uint8_t bytes[MAX_BYTES];

/* Sanitizers map terabytes; ASan has max_allocation_size_mb of its own. */
static void limit_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(DSC_HAS_ASAN)
    const struct rlimit limit = {MAX_ADDRESSES, MAX_ADDRESSES};

    (void)setrlimit(RLIMIT_AS, &limit);
#endif
}

void fuzz_note(const char *what)
{
    if (is_verbose)
        fprintf(stderr, "%s\n", what);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted: a seed means the same file everywhere. */
static void add_files(const char *path)
{
    const int first = n_files;
    DIR *d = opendir(path);
    const struct dirent *e;

    if (!d && n_files < MAX_FILES)
        files[n_files++] = strdup(path);
    while (d && n_files < MAX_FILES && (e = readdir(d)))
        if (e->d_name[0] != '.' && asprintf(&files[n_files], "%s/%s", path, e->d_name) > 0)
            n_files++;
    if (d)
        closedir(d);
    qsort(files + first, (size_t)(n_files - first), sizeof files[0], by_name);
}

static size_t load(const char *path)
{
    FILE *f = fopen(path, "rb");
    size_t n;

    if (!f) {
        perror(path);
        exit(66);
    }
    n = fread(bytes, 1, MAX_BYTES, f);
    fclose(f);
    return n;
}

/* Flip, set, repeat, remove: one to eight places. */
static size_t change(struct dsc_rng *r, size_t n)
{
    static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff, 8, 9, 64};

    for (uint64_t k = 1 + dsc_rng_below(r, 8); k > 0 && n > 0; k--) {
        const size_t at = (size_t)dsc_rng_below(r, n);

        switch (dsc_rng_below(r, 5)) {
        case 0:
            bytes[at] ^= (uint8_t)(1u << dsc_rng_below(r, 8));
            break;
        case 1:
            bytes[at] = (uint8_t)dsc_rng_u32(r);
            break;
        case 2:
            bytes[at] = odd[dsc_rng_below(r, sizeof odd)];
            break;
        case 3:
            memmove(bytes + at, bytes + at + 1, n - at - 1);
            n--;
            break;
        default:
            n = dsc_rng_below(r, 16) == 0 ? at : n;
            break;
        }
    }
    return n;
}

static void run_harness(size_t n)
{
    uint8_t *input = malloc(n ? n : 1); /* of its own, so that a read behind the end is seen */

    if (!input)
        exit(71);
    memcpy(input, bytes, n);
    LLVMFuzzerTestOneInput(input, n);
    free(input);
}

static void run_changed(unsigned long seed)
{
    struct dsc_rng r;
    size_t n = RANDOM_BYTES;

    dsc_rng_init(&r, dsc_rng_key(seed));
    if (n_files > 0)
        n = change(&r, load(files[seed % (unsigned long)n_files]));
    else
        for (size_t b = 0; b < n; b++)
            bytes[b] = (uint8_t)dsc_rng_u32(&r);
    if (is_verbose)
        fprintf(stderr, "seed %lu\n", seed);
    run_harness(n);
}

int main(int argc, char **argv)
{
    unsigned long n_runs = 1000, first = 1;
    int i = 1;

    limit_memory();

    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "-v") == 0)
            is_verbose = true;
        else if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            n_runs = strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
            first = strtoul(argv[++i], NULL, 10);
        else
            return 64;
    }
    for (; i < argc; i++)
        add_files(argv[i]);
    for (int f = 0; f < n_files; f++) {
        if (is_verbose)
            fprintf(stderr, "%s\n", files[f]);
        run_harness(load(files[f]));
    }
    for (unsigned long k = first; k < first + n_runs; k++)
        run_changed(k);
    for (int f = 0; f < n_files; f++)
        free(files[f]);
    return 0;
}
