/* Readers take paths: the bytes of an input as a file in memory. */
#ifndef DSC_TESTS_FUZZ_FILE_H
#define DSC_TESTS_FUZZ_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dsc_stored;

struct fuzz_file {
    int fd;
    char path[64];
};

/* Aborts when the machine gives no file. */
void fuzz_file_open(struct fuzz_file *f, const void *data, size_t n_bytes);
void fuzz_file_close(struct fuzz_file *f);

/* The input opened as a model, and every tensor loaded that it stores. Failures have their message,
 * names ascend, and what is stored lies in the file as the format says, or the harness traps. */
void fuzz_model(const void *data, size_t n_bytes,
                bool (*lies_inside)(const struct dsc_stored *s, size_t n_bytes));

/* A copy without the sums of a zip, which are then not compared: what an archive holds may change
 * and still be read. For free(). */
uint8_t *fuzz_without_sums(const uint8_t *data, size_t n_bytes);

/* A folder of its own under /dev/shm or /tmp, removed at exit; `path` gets its name. */
void fuzz_folder(char *path, size_t n_path);
void fuzz_put(const char *folder, const char *name, const void *data, size_t n_bytes);

#endif
