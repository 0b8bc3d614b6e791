/* Folders as outputs. */
#include "model/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum dsc_status sys_fail(struct dsc_err *err, const char *path, const char *what)
{
    const int e = errno;

    dsc_fail(err, e == ENOSPC || e == EDQUOT ? DSC_E_NOSPACE : DSC_E_IO, "cannot %s: %s", what,
             strerror(e));
    return dsc_err_file(err, path);
}

static bool is_known(const struct folder *f, const char *sub, const char *name)
{
    for (int i = 0; f->known[i]; i++) {
        const char *k = f->known[i];
        const size_t n_sub = strlen(sub);

        if (n_sub && (strncmp(k, sub, n_sub) != 0 || k[n_sub] != '/'))
            continue;
        if (strcmp(n_sub ? k + n_sub + 1 : k, name) == 0)
            return true;
    }
    return false;
}

/* Nothing in path/sub but known names; subfolders one level deep. */
static enum dsc_status check_old(struct folder *f, const char *sub, struct dsc_err *err)
{
    const char *path = dsc_arena_printf(&f->arena, err, "%s%s%s", f->path, sub[0] ? "/" : "", sub);
    DIR *d = path ? opendir(path) : NULL;
    enum dsc_status st = DSC_OK;
    const struct dirent *e;

    if (!d)
        return path ? sys_fail(err, path, "look into the folder") : DSC_E_MEMORY;
    while (st == DSC_OK && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (!is_known(f, sub, e->d_name)) {
            st = dsc_fail(err, DSC_E_EXISTS, "the folder holds '%s%s%s', which is not of a model",
                          sub, sub[0] ? "/" : "", e->d_name);
            dsc_err_hint(err, "choose another folder, or remove it yourself");
        } else if (!sub[0] && e->d_type == DT_DIR) {
            const char *name = dsc_arena_strdup(&f->arena, e->d_name, err);

            st = name ? check_old(f, name, err) : DSC_E_MEMORY;
        }
    }
    closedir(d);
    return st;
}

static enum dsc_status check_target(struct folder *f, struct dsc_err *err)
{
    struct stat st;

    if (lstat(f->path, &st) != 0)
        return DSC_OK;
    if (!f->may_replace) {
        dsc_fail(err, DSC_E_EXISTS, "the output exists");
        return dsc_err_hint(err, "give -f to replace it");
    }
    if (!S_ISDIR(st.st_mode))
        return dsc_fail(err, DSC_E_EXISTS, "the output exists and is no folder");
    return check_old(f, "", err);
}

static enum dsc_status open_at(struct folder *f, const char *path, struct dsc_err *err)
{
    size_t n = strlen(path);
    const char *slash;
    int n_dir;
    mode_t mask;

    while (n > 1 && path[n - 1] == '/')
        n--;
    f->path = dsc_arena_strndup(&f->arena, path, n, err);
    if (!f->path)
        return DSC_E_MEMORY;
    DSC_TRY(check_target(f, err));
    slash = strrchr(f->path, '/');
    n_dir = slash ? (int)(slash - f->path) + 1 : 0;
    f->temp_path =
        dsc_arena_printf(&f->arena, err, "%.*s.%s.XXXXXX", n_dir, f->path, f->path + n_dir);
    if (!f->temp_path)
        return DSC_E_MEMORY;
    if (!mkdtemp(f->temp_path)) {
        f->temp_path = NULL;
        return dsc_fail(err, errno == ENOSPC ? DSC_E_NOSPACE : DSC_E_EXISTS,
                        "cannot create a folder beside the output: %s", strerror(errno));
    }
    mask = umask(0);
    umask(mask);
    return chmod(f->temp_path, 0777 & ~mask) == 0 ? DSC_OK : sys_fail(err, f->path, "set rights");
}

enum dsc_status folder_open(struct folder *f, const char *path, const char *const *known,
                            bool may_replace, struct dsc_err *err)
{
    *f = (struct folder){.known = known, .may_replace = may_replace};
    dsc_arena_init(&f->arena);
    if (open_at(f, path, err) == DSC_OK)
        return DSC_OK;
    folder_close(f);
    return dsc_err_file(err, path);
}

const char *folder_file(struct folder *f, const char *name, struct dsc_err *err)
{
    return dsc_arena_printf(&f->arena, err, "%s/%s", f->temp_path, name);
}

enum dsc_status folder_subfolder(struct folder *f, const char *name, struct dsc_err *err)
{
    const char *path = folder_file(f, name, err);

    if (!path)
        return DSC_E_MEMORY;
    return mkdir(path, 0777) == 0 ? DSC_OK : sys_fail(err, f->path, "make a folder");
}

static enum dsc_status sync_folder(struct folder *f, const char *path, struct dsc_err *err)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum dsc_status st = DSC_OK;

    if (fd < 0)
        return DSC_OK; /* a folder that cannot be read cannot be synced; the rename stands */
    if (fsync(fd) != 0 && errno != EINVAL)
        st = sys_fail(err, f->path, "sync the folder");
    close(fd);
    return st;
}

enum dsc_status folder_commit(struct folder *f, struct dsc_err *err)
{
    const char *slash = strrchr(f->path, '/');
    const char *parent =
        slash ? dsc_arena_strndup(&f->arena, f->path, (size_t)(slash - f->path) + 1, err) : ".";

    if (!parent)
        return DSC_E_MEMORY;
    DSC_TRY(sync_folder(f, f->temp_path, err));
    if (renameat2(AT_FDCWD, f->temp_path, AT_FDCWD, f->path, RENAME_NOREPLACE) == 0) {
        f->temp_path = NULL;
        return sync_folder(f, parent, err);
    }
    if (errno == EEXIST && !f->may_replace) {
        dsc_fail(err, DSC_E_EXISTS, "the output exists");
        return dsc_err_file(err, f->path);
    }
    if (errno != EEXIST)
        return sys_fail(err, f->path, "give the folder its name");
    DSC_TRY(check_target(f, err));
    if (renameat2(AT_FDCWD, f->temp_path, AT_FDCWD, f->path, RENAME_EXCHANGE) != 0) {
        dsc_fail(err, DSC_E_EXISTS, "this file system cannot exchange two folders: %s",
                 strerror(errno));
        return dsc_err_file(err, f->path);
    }
    return sync_folder(f, parent, err); /* the old one is removed by folder_close */
}

void folder_close(struct folder *f)
{
    for (int i = 0; f->temp_path && f->known[i]; i++) {
        const char *path = folder_file(f, f->known[i], NULL);

        if (path)
            remove(path);
    }
    if (f->temp_path)
        rmdir(f->temp_path);
    dsc_arena_clear(&f->arena);
    *f = (struct folder){0};
}
