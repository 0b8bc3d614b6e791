/* What the processor and the system offer. */
#include "dsc/machine.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *dsc_cpu_level_name(enum dsc_cpu_level level)
{
    static const char *const name[] = {"ref", "avx2", "avx512", "vnni"};

    return name[level];
}

static void add_feature(struct dsc_machine *m, bool has_it, const char *name)
{
    const size_t at = strlen(m->features);

    if (has_it && at < sizeof m->features)
        snprintf(m->features + at, sizeof m->features - at, "%s%s", at ? " " : "", name);
}

enum dsc_cpu_level dsc_cpu_level_best(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return DSC_CPU_REF;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
        return DSC_CPU_AVX2;
    return __builtin_cpu_supports("avx512vnni") ? DSC_CPU_VNNI : DSC_CPU_AVX512;
#else
    return DSC_CPU_REF;
#endif
}

static void probe_cpu(struct dsc_machine *m)
{
    m->level = dsc_cpu_level_best();
#if defined(__x86_64__)
    add_feature(m, __builtin_cpu_supports("sse4.2"), "sse4.2");
    add_feature(m, __builtin_cpu_supports("avx"), "avx");
    add_feature(m, __builtin_cpu_supports("avx2"), "avx2");
    add_feature(m, __builtin_cpu_supports("fma"), "fma");
    add_feature(m, __builtin_cpu_supports("avx512f"), "avx512f");
    add_feature(m, __builtin_cpu_supports("avx512bw"), "avx512bw");
    add_feature(m, __builtin_cpu_supports("avx512vl"), "avx512vl");
    add_feature(m, __builtin_cpu_supports("avx512dq"), "avx512dq");
    add_feature(m, __builtin_cpu_supports("avx512vnni"), "avx512vnni");
#endif
}

/* The text behind "key : " in a file of /proc, without its newline. */
static void proc_value(const char *path, const char *key, char *out, size_t out_bytes)
{
    FILE *f = fopen(path, "re");
    char line[512];

    out[0] = 0;
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');

        if (strncmp(line, key, strlen(key)) != 0 || !colon)
            continue;
        colon++;
        colon += strspn(colon, " \t");
        snprintf(out, out_bytes, "%.*s", (int)strcspn(colon, "\n"), colon);
        break;
    }
    if (f)
        fclose(f);
}

static uint64_t meminfo_bytes(const char *key)
{
    char text[64];
    unsigned long long kib = 0;

    proc_value("/proc/meminfo", key, text, sizeof text);
    return sscanf(text, "%llu", &kib) == 1 ? (uint64_t)kib * 1024 : 0;
}

void dsc_machine_probe(struct dsc_machine *m)
{
    cpu_set_t set;

    memset(m, 0, sizeof *m);
    probe_cpu(m);
    proc_value("/proc/cpuinfo", "model name", m->cpu_name, sizeof m->cpu_name);
    m->n_cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    m->memory_bytes = meminfo_bytes("MemTotal");
    m->available_bytes = meminfo_bytes("MemAvailable");
}
