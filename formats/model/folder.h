/*
 * An output that is a folder: built aside under a temporary name, then given its name at once.
 *
 * A folder that stands at the target is replaced only when it holds nothing but what such a folder
 * is known to hold: a writer of models must not remove anybody's notes.
 */
#ifndef FOLDER_H
#define FOLDER_H

#include "dsc/arena.h"
#include "dsc/status.h"

#include <stdbool.h>

struct folder {
    struct dsc_arena arena;
    char *path, *temp_path;   /* without a final '/' ; temp_path NULL: nothing to remove */
    const char *const *known; /* names relative to the folder, each folder behind its files; NULL
                                 ends them */
    bool may_replace;
};

/**
 * Make the temporary folder beside `path`.
 * Errors  EXISTS  the target exists and may not, or must not, be replaced; no such parent folder
 */
enum dsc_status folder_open(struct folder *f, const char *path, const char *const *known,
                            bool may_replace, struct dsc_err *err);
/** "TEMP/name" in the folder's arena; NULL on MEMORY. */
const char *folder_file(struct folder *f, const char *name, struct dsc_err *err);
enum dsc_status folder_subfolder(struct folder *f, const char *name, struct dsc_err *err);
/** Sync, take the name, remove what was there. Errors: EXISTS, IO */
enum dsc_status folder_commit(struct folder *f, struct dsc_err *err);
/** Removes the temporary folder if it is still there; releases memory. Always the last call. */
void folder_close(struct folder *f);

#endif
