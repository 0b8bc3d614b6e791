/* The state of a training run. */
#include "state.h"

#include "output.h"
#include "progress.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEPT = 2, MAX_FOUND = 64, PATH_BYTES = 4096 };

#define SAVE_EVERY_S 60.0

static void path_of(const struct dsc_state *s, char *path, const char *format, uint64_t step)
{
    const int n = snprintf(path, PATH_BYTES, "%s/", s->dir);

    if (n > 0 && n < PATH_BYTES)
        snprintf(path + n, (size_t)(PATH_BYTES - n), format, step);
}

enum dsc_status dsc_state_lock(const char *dir, int *lock_fd, struct dsc_err *err)
{
    char path[PATH_BYTES];

    if (mkdir(dir, 0777) != 0 && errno != EEXIST) {
        dsc_fail(err, DSC_E_EXISTS, "cannot make the state folder: %s", strerror(errno));
        return dsc_err_file(err, dir);
    }
    snprintf(path, sizeof path, "%s/lock", dir);
    *lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*lock_fd < 0) {
        dsc_fail(err, DSC_E_EXISTS, "cannot make the lock: %s", strerror(errno));
        return dsc_err_file(err, path);
    }
    if (flock(*lock_fd, LOCK_EX | LOCK_NB) != 0) {
        dsc_fail(err, DSC_E_LOCKED, "a live run holds this state");
        dsc_err_hint(err, "wait for it, or give another --state");
        return dsc_err_file(err, dir);
    }
    return DSC_OK;
}

enum dsc_status dsc_state_open(struct dsc_state *s, struct dsc_cmd *cmd, const char *dir,
                               const struct dsc_textmodel *m, const struct dsc_dataset *d,
                               const struct dsc_dataset *d2, struct dsc_err *err)
{
    struct dsc_json j = {0};
    struct dsc_sha256 h;
    enum dsc_status st;

    *s = (struct dsc_state){.cmd = cmd, .dir = dir, .lock_fd = -1, .last_save_s = dsc_now_s()};
    if (!dir)
        return DSC_OK;
    dsc_json_object(&j, NULL);
    st = dsc_provenance_json(cmd, m, d, d2, &j, err);
    dsc_json_end(&j);
    dsc_sha256_init(&h);
    dsc_sha256_add(&h, j.text.data, j.text.n_bytes);
    dsc_sha256_hex(&h, s->fingerprint);
    if (st == DSC_OK && j.text.is_failed)
        st = dsc_fail(err, DSC_E_MEMORY, "no memory for the state");
    dsc_json_clear(&j);
    return st == DSC_OK ? dsc_state_lock(s->dir, &s->lock_fd, err) : st;
}

/* ---- checkpoints ---- */

static enum dsc_status hash_file(const char *path, char hex[65], struct dsc_err *err)
{
    struct dsc_file f;
    struct dsc_sha256 h;

    DSC_TRY(dsc_file_open(&f, path, 0, err));
    dsc_sha256_init(&h);
    dsc_sha256_add(&h, f.data, f.n_bytes);
    dsc_sha256_hex(&h, hex);
    dsc_file_close(&f);
    return DSC_OK;
}

static enum dsc_status collect(struct dsc_state *s, struct dsc_trainer *t, struct dsc_bundle *b,
                               struct dsc_err *err)
{
    char name[512], step[32];

    for (int i = 0; i < dsc_trainer_n_state(t); i++) {
        struct dsc_tensor tensor;
        enum dsc_status st;

        DSC_TRY(dsc_trainer_get_state(t, i, name, sizeof name, &tensor, err));
        st = dsc_bundle_add(b, name, &tensor, err);
        dsc_tensor_clear(&tensor);
        DSC_TRY(st);
    }
    snprintf(step, sizeof step, "%" PRIu64, dsc_trainer_n_done(t));
    DSC_TRY(dsc_bundle_set_meta(b, "step", step, err));
    return dsc_bundle_set_meta(b, "fingerprint", s->fingerprint, err);
}

/* Steps of the checkpoints that are there, newest first. */
static int find_steps(const struct dsc_state *s, uint64_t *steps)
{
    DIR *dir = opendir(s->dir);
    struct dirent *e;
    int n = 0;

    while (dir && (e = readdir(dir)) != NULL && n < MAX_FOUND) {
        char *end;
        uint64_t step;

        if (strncmp(e->d_name, "checkpoint-", 11) != 0)
            continue;
        step = strtoull(e->d_name + 11, &end, 10);
        if (strcmp(end, ".safetensors") == 0)
            steps[n++] = step;
    }
    if (dir)
        closedir(dir);
    for (int i = 1; i < n; i++) /* few: insertion sort */
        for (int k = i; k > 0 && steps[k] > steps[k - 1]; k--) {
            const uint64_t v = steps[k];

            steps[k] = steps[k - 1];
            steps[k - 1] = v;
        }
    return n;
}

static void drop_old(const struct dsc_state *s)
{
    uint64_t steps[MAX_FOUND];
    const int n = find_steps(s, steps);
    char path[PATH_BYTES];

    for (int i = KEPT; i < n; i++) {
        path_of(s, path, "checkpoint-%" PRIu64 ".safetensors", steps[i]);
        unlink(path);
        path_of(s, path, "checkpoint-%" PRIu64 ".sha256", steps[i]);
        unlink(path);
    }
}

/* The hash has its name before the checkpoint has: one that is seen without its hash, or with
 * another's, is damaged, and a kill at any moment makes none of these. */
static enum dsc_status give_name(const struct dsc_state *s, uint64_t step, const char *partial,
                                 struct dsc_err *err)
{
    char path[PATH_BYTES], hex[65];
    struct dsc_out o;
    int fd;

    DSC_TRY(hash_file(partial, hex, err));
    path_of(s, path, "checkpoint-%" PRIu64 ".sha256", step);
    DSC_TRY(dsc_out_open(&o, path, true, err));
    dsc_out_printf(&o, "%s  checkpoint-%" PRIu64 ".safetensors\n", hex, step);
    DSC_TRY(dsc_out_commit(&o, err));
    path_of(s, path, "checkpoint-%" PRIu64 ".safetensors", step);
    fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rename(partial, path) != 0 || (fd >= 0 && fsync(fd) != 0 && errno != EINVAL)) {
        dsc_fail(err, DSC_E_IO, "cannot name the checkpoint: %s", strerror(errno));
        dsc_err_file(err, path);
    }
    if (fd >= 0)
        close(fd);
    return err->status;
}

enum dsc_status dsc_state_save(struct dsc_state *s, struct dsc_trainer *t, struct dsc_err *err)
{
    const uint64_t step = dsc_trainer_n_done(t);
    struct dsc_bundle b;
    char path[PATH_BYTES];
    enum dsc_status st;

    if (!s->dir)
        return DSC_OK;
    path_of(s, path, "checkpoint-%" PRIu64 ".partial", step);
    dsc_bundle_init(&b);
    st = collect(s, t, &b, err);
    if (st == DSC_OK)
        st = dsc_safetensors_write(&b, path, true, err);
    dsc_bundle_clear(&b);
    if (st == DSC_OK)
        st = give_name(s, step, path, err);
    if (st == DSC_OK)
        drop_old(s);
    s->last_save_s = dsc_now_s();
    return st;
}

enum dsc_status dsc_state_tick(struct dsc_state *s, struct dsc_trainer *t, struct dsc_err *err)
{
    return s->dir && dsc_now_s() - s->last_save_s >= SAVE_EVERY_S ? dsc_state_save(s, t, err)
                                                                  : DSC_OK;
}

static bool is_sound(const struct dsc_state *s, uint64_t step)
{
    char path[PATH_BYTES], hex[65];
    struct dsc_file f;
    struct dsc_err err = {0};
    bool is_equal;

    path_of(s, path, "checkpoint-%" PRIu64 ".safetensors", step);
    if (hash_file(path, hex, &err) != DSC_OK)
        return false;
    path_of(s, path, "checkpoint-%" PRIu64 ".sha256", step);
    if (dsc_file_open(&f, path, 4096, &err) != DSC_OK)
        return false;
    is_equal = f.n_bytes > 64 && memcmp(f.data, hex, 64) == 0;
    dsc_file_close(&f);
    return is_equal;
}

static enum dsc_status restore(struct dsc_state *s, struct dsc_trainer *t, uint64_t step,
                               struct dsc_err *err)
{
    char path[PATH_BYTES];
    struct dsc_bundle b = {0};
    const char *fingerprint;
    enum dsc_status st;

    path_of(s, path, "checkpoint-%" PRIu64 ".safetensors", step);
    DSC_TRY(dsc_safetensors_read(&b, path, NULL, err));
    fingerprint = dsc_bundle_meta(&b, "fingerprint");
    st = DSC_OK;
    if (!fingerprint || strcmp(fingerprint, s->fingerprint) != 0) {
        st = dsc_fail(err, DSC_E_INCONSISTENT,
                      "the state belongs to another command, model or data");
        dsc_err_hint(err, "give another --state, or remove the folder to start anew");
    } else if (b.n != dsc_trainer_n_state(t)) {
        st = dsc_fail(err, DSC_E_INCONSISTENT, "the state has %d tensors, the run %d", b.n,
                      dsc_trainer_n_state(t));
    }
    for (int i = 0; i < b.n && st == DSC_OK; i++)
        st = dsc_trainer_set_state(t, b.items[i].name, &b.items[i].tensor, err);
    dsc_bundle_clear(&b);
    if (st != DSC_OK)
        return dsc_err_file(err, s->dir);
    dsc_trainer_set_n_done(t, step);
    return DSC_OK;
}

/* Lines of steps that will be made again are dropped. */
static enum dsc_status cut_metrics(const struct dsc_state *s, const char *name, const char *key,
                                   uint64_t n_done, struct dsc_err *err)
{
    char path[PATH_BYTES];
    struct dsc_file f;
    struct dsc_out o;
    size_t at = 0;

    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    if (access(path, F_OK) != 0)
        return DSC_OK;
    DSC_TRY(dsc_file_open(&f, path, 0, err));
    if (dsc_out_open(&o, path, true, err) != DSC_OK) {
        dsc_file_close(&f);
        return err->status;
    }
    while (at < f.n_bytes) {
        const unsigned char *nl = memchr(f.data + at, '\n', f.n_bytes - at);
        const size_t n = nl ? (size_t)(nl - (f.data + at)) + 1 : f.n_bytes - at;
        char line[64];
        char *digits;

        snprintf(line, sizeof line, "%.*s", n < 63 ? (int)n : 63, (const char *)f.data + at);
        digits = strncmp(line, key, strlen(key)) == 0 ? line + strlen(key) : NULL;
        if (nl &&
            (!digits || digits[0] < '0' || digits[0] > '9' || strtoull(digits, NULL, 10) <= n_done))
            dsc_out_write(&o, f.data + at, n);
        at += n;
    }
    dsc_file_close(&f);
    return dsc_out_commit(&o, err);
}

enum dsc_status dsc_state_load(struct dsc_state *s, struct dsc_trainer *t, struct dsc_err *err)
{
    uint64_t steps[MAX_FOUND], n_done;
    int n, i;

    if (!s->dir)
        return DSC_OK;
    n = find_steps(s, steps);
    for (i = 0; i < n && !is_sound(s, steps[i]); i++)
        dsc_log_printf(&s->cmd->log, DSC_LOG_WARNING,
                       "%s: checkpoint-%" PRIu64 " is damaged and is not used", s->dir, steps[i]);
    if (n > 0 && i == n) {
        dsc_fail(err, DSC_E_CRC, "none of the %d checkpoints is sound", n);
        dsc_err_hint(err, "remove the folder to start anew");
        return dsc_err_file(err, s->dir);
    }
    if (i < n)
        DSC_TRY(restore(s, t, steps[i], err));
    n_done = dsc_trainer_n_done(t);
    if (n_done > 0)
        dsc_log_printf(&s->cmd->log, DSC_LOG_INFO, "resumes after step %" PRIu64, n_done);
    DSC_TRY(cut_metrics(s, "metrics.jsonl", "{\"step\":", n_done, err));
    return cut_metrics(s, "metrics.csv", "", n_done, err);
}

/* ---- metrics ---- */

static enum dsc_status append(const struct dsc_state *s, const char *name, const char *header,
                              const char *line, struct dsc_err *err)
{
    char path[PATH_BYTES];
    struct stat before;
    FILE *f;
    bool is_new, is_bad;

    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    /* a run that ended before its first line leaves an empty file */
    is_new = stat(path, &before) != 0 || before.st_size == 0;
    f = fopen(path, "ae");
    is_bad = !f || (is_new && header && fputs(header, f) < 0) || fputs(line, f) < 0;
    if (f && fclose(f) != 0)
        is_bad = true;
    if (!is_bad)
        return DSC_OK;
    dsc_fail(err, errno == ENOSPC ? DSC_E_NOSPACE : DSC_E_IO, "cannot write: %s", strerror(errno));
    return dsc_err_file(err, path);
}

static enum dsc_status add_event(struct dsc_state *s, uint64_t step,
                                 const struct dsc_scalar *scalars, int n, struct dsc_err *err)
{
    if (!s->events)
        DSC_TRY(dsc_events_open(&s->events, s->dir, err));
    return dsc_events_add(s->events, step, scalars, n, err);
}

enum dsc_status dsc_state_score(struct dsc_state *s, uint64_t step, const char *metric,
                                double value, struct dsc_err *err)
{
    char tag[64];

    if (!s->dir)
        return DSC_OK;
    snprintf(tag, sizeof tag, "eval/%s", metric);
    return add_event(s, step, &(struct dsc_scalar){tag, value}, 1, err);
}

enum dsc_status dsc_state_metrics(struct dsc_state *s, const struct dsc_train_report *r,
                                  double examples_per_s, struct dsc_err *err)
{
    struct dsc_json j = {0};
    char line[256];
    enum dsc_status st;

    if (!s->dir)
        return DSC_OK;
    dsc_json_object(&j, NULL);
    dsc_json_int(&j, "step", (int64_t)r->step);
    dsc_json_float(&j, "loss", r->loss);
    dsc_json_float(&j, "lr", r->lr);
    dsc_json_float(&j, "grad_norm", r->grad_norm);
    dsc_json_float(&j, "examples_per_s", examples_per_s);
    dsc_json_end(&j);
    dsc_bytes_add(&j.text, "\n", 2);
    st = j.text.is_failed ? dsc_fail(err, DSC_E_MEMORY, "no memory for a line of metrics")
                          : append(s, "metrics.jsonl", NULL, (const char *)j.text.data, err);
    dsc_json_clear(&j);
    DSC_TRY(st);
    snprintf(line, sizeof line, "%" PRIu64 ",%.9g,%.9g,%.9g,%.6g\n", r->step, r->loss, r->lr,
             r->grad_norm, examples_per_s);
    DSC_TRY(append(s, "metrics.csv", "step,loss,lr,grad_norm,examples_per_s\n", line, err));
    return add_event(s, r->step,
                     (struct dsc_scalar[]){{"train/loss", r->loss},
                                           {"train/lr", r->lr},
                                           {"train/grad_norm", r->grad_norm},
                                           {"train/examples_per_s", examples_per_s}},
                     4, err);
}

void dsc_state_close(struct dsc_state *s)
{
    if (s->events)
        fclose(s->events); /* every event was flushed and checked */
    if (s->dir && s->lock_fd >= 0)
        close(s->lock_fd);
    *s = (struct dsc_state){.lock_fd = -1};
}
