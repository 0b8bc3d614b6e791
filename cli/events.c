/* TensorBoard event files. */
#include "events.h"

#include "dsc/io.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Castagnoli, reflected; bit by bit: a record is a few dozen bytes. */
static uint32_t crc32c(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint32_t c = ~0u;

    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (0x82F63B78u & (0u - (c & 1)));
    }
    return ~c;
}

static uint32_t masked_crc(const void *data, size_t n)
{
    const uint32_t c = crc32c(data, n);

    return (c >> 15 | c << 17) + 0xA282EAD8u;
}

static void add_varint(struct dsc_bytes *b, uint64_t v)
{
    unsigned char out[10];
    size_t n = 0;

    do {
        out[n] = (unsigned char)(v & 0x7F);
        v >>= 7;
        out[n++] |= v ? 0x80 : 0;
    } while (v);
    dsc_bytes_add(b, out, n);
}

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

static void add_key(struct dsc_bytes *b, unsigned field, unsigned wire)
{
    add_varint(b, field << 3 | wire);
}

static void add_message(struct dsc_bytes *b, unsigned field, const void *data, size_t n)
{
    add_key(b, field, WIRE_BYTES);
    add_varint(b, n);
    dsc_bytes_add(b, data, n);
}

/* Event: wall_time 1 (double), step 2 (int64), file_version 3 (string), summary 5. */
static void begin_event(struct dsc_bytes *b)
{
    struct timespec now;
    double wall;

    clock_gettime(CLOCK_REALTIME, &now);
    wall = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    add_key(b, 1, WIRE_64);
    dsc_bytes_add(b, &wall, sizeof wall);
}

static enum dsc_status write_record(FILE *f, struct dsc_bytes *b, struct dsc_err *err)
{
    const uint64_t n = b->n_bytes;
    const uint32_t n_crc = masked_crc(&n, sizeof n), data_crc = masked_crc(b->data, b->n_bytes);
    const bool is_short = b->is_failed;
    const bool is_bad = is_short || fwrite(&n, sizeof n, 1, f) != 1 ||
                        fwrite(&n_crc, sizeof n_crc, 1, f) != 1 ||
                        fwrite(b->data, b->n_bytes, 1, f) != 1 ||
                        fwrite(&data_crc, sizeof data_crc, 1, f) != 1 || fflush(f) != 0;

    dsc_bytes_clear(b);
    if (is_short)
        return dsc_fail(err, DSC_E_MEMORY, "out of memory");
    return is_bad ? dsc_fail(err, errno == ENOSPC ? DSC_E_NOSPACE : DSC_E_IO,
                             "cannot write the TensorBoard events: %s", strerror(errno))
                  : DSC_OK;
}

enum dsc_status dsc_events_open(FILE **f, const char *folder, struct dsc_err *err)
{
    static const char version[] = "brain.Event:2";
    struct dsc_bytes b = {0};
    char path[4096];

    snprintf(path, sizeof path, "%s/events.out.tfevents.%010lld.dscompress.%ld", folder,
             (long long)time(NULL), (long)getpid());
    *f = fopen(path, "we");
    if (!*f) {
        dsc_fail(err, DSC_E_IO, "cannot write: %s", strerror(errno));
        return dsc_err_file(err, path);
    }
    begin_event(&b);
    add_message(&b, 3, version, sizeof version - 1);
    return write_record(*f, &b, err);
}

enum dsc_status dsc_events_add(FILE *f, uint64_t step, const struct dsc_scalar *scalars, int n,
                               struct dsc_err *err)
{
    struct dsc_bytes event = {0}, summary = {0};

    for (int i = 0; i < n; i++) { /* Summary: value 1 {tag 1, simple_value 2 (float)} */
        const float v = (float)scalars[i].value;
        struct dsc_bytes value = {0};

        add_message(&value, 1, scalars[i].tag, strlen(scalars[i].tag));
        add_key(&value, 2, WIRE_32);
        dsc_bytes_add(&value, &v, sizeof v);
        add_message(&summary, 1, value.data, value.n_bytes);
        summary.is_failed |= value.is_failed;
        dsc_bytes_clear(&value);
    }
    begin_event(&event);
    add_key(&event, 2, WIRE_VARINT);
    add_varint(&event, step);
    add_message(&event, 5, summary.data, summary.n_bytes);
    event.is_failed |= summary.is_failed;
    dsc_bytes_clear(&summary);
    return write_record(f, &event, err);
}
