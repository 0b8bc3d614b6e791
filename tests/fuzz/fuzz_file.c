/* Inputs of a harness as files. */
#include "fuzz_file.h"

#include "formats_model.h"
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char folder_of_this[64];

static void write_all(int fd, const void *data, size_t n_bytes)
{
    for (size_t done = 0; done < n_bytes;) {
        const ssize_t n = write(fd, (const char *)data + done, n_bytes - done);

        if (n <= 0)
            abort();
        done += (size_t)n;
    }
}

void fuzz_file_open(struct fuzz_file *f, const void *data, size_t n_bytes)
{
    f->fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (f->fd < 0)
        abort();
    write_all(f->fd, data, n_bytes);
    snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
}

void fuzz_file_close(struct fuzz_file *f)
{
    close(f->fd);
}

/* A changed byte would end at the sum of its part of a zip, so none is written: 0 in the directory.
 */
static void open_without_sums(struct fuzz_file *f, const void *data, size_t n_bytes)
{
    enum { ENTRY_BYTES = 46, SUM_AT = 16, SUM_BYTES = 4 };
    const unsigned char *p = data;

    fuzz_file_open(f, data, n_bytes);
    for (size_t at = 0; at + ENTRY_BYTES <= n_bytes; at++)
        if (memcmp(p + at, "PK\1\2", 4) == 0 &&
            pwrite(f->fd, "\0\0\0\0", SUM_BYTES, (off_t)(at + SUM_AT)) != SUM_BYTES)
            abort();
}

void fuzz_model(const void *data, size_t n_bytes,
                bool (*lies_inside)(const struct dsc_stored *s, size_t n_bytes))
{
    struct dsc_model m;
    struct dsc_err err = {0};
    struct fuzz_file f;
    enum dsc_status st;

    open_without_sums(&f, data, n_bytes);
    st = dsc_model_open(&m, f.path, NULL, &err);
    fuzz_check(st, &err);
    if (st == DSC_OK)
        fuzz_note(m.graph ? "opened a graph" : "opened");
    for (int i = 0; st == DSC_OK && i < m.n_stored; i++) {
        struct dsc_tensor t;

        if (!lies_inside(&m.stored[i], n_bytes))
            __builtin_trap();
        if (i > 0 && strcmp(m.stored[i - 1].name, m.stored[i].name) >= 0)
            __builtin_trap();
        err = (struct dsc_err){0};
        fuzz_check(dsc_model_load(&m, i, &t, &err), &err);
        dsc_tensor_clear(&t);
    }
    dsc_model_close(&m);
    fuzz_file_close(&f);
}

uint8_t *fuzz_without_sums(const uint8_t *data, size_t n_bytes)
{
    enum { LOCAL_SUM = 14, CENTRAL_SUM = 16, SUM_BYTES = 4 };
    uint8_t *copy = malloc(n_bytes + 1);

    if (!copy)
        abort();
    memcpy(copy, data, n_bytes);
    for (size_t i = 0; i + CENTRAL_SUM + SUM_BYTES <= n_bytes; i++) {
        if (memcmp(data + i, "PK\3\4", 4) == 0)
            memset(copy + i + LOCAL_SUM, 0, SUM_BYTES);
        else if (memcmp(data + i, "PK\1\2", 4) == 0)
            memset(copy + i + CENTRAL_SUM, 0, SUM_BYTES);
    }
    return copy;
}

static void remove_folder(void)
{
    DIR *d = opendir(folder_of_this);
    const struct dirent *e;

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(folder_of_this);
}

void fuzz_folder(char *path, size_t n_path)
{
    if (!folder_of_this[0]) {
        snprintf(folder_of_this, sizeof folder_of_this, "%s/dsc-fuzz-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (!mkdtemp(folder_of_this))
            abort();
        atexit(remove_folder);
    }
    snprintf(path, n_path, "%s", folder_of_this);
}

void fuzz_put(const char *folder, const char *name, const void *data, size_t n_bytes)
{
    char path[256];
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        abort();
    write_all(fd, data, n_bytes);
    close(fd);
}
