/* Indexes of files of tensors: "model.safetensors.index.json", "pytorch_model.bin.index.json". */
#include "model/shards.h"

#include "dsc/io.h"

#include <jansson.h>
#include <string.h>

enum { INDEX_MAX_BYTES = 100 * 1000 * 1000 };

/* A shard is a plain name in the index's folder. (It may be a link: download caches store files
 * under their hash; a link can only lead to bytes that are read as tensors.) */
static enum dsc_status read_shard(struct dsc_bundle *b, const char *index_path, const char *shard,
                                  shard_fn *read, uint64_t *size_bytes, struct dsc_err *err)
{
    const char *slash = strrchr(index_path, '/');
    char *path;

    if (!shard[0] || strchr(shard, '/') || strchr(shard, '\\') || shard[0] == '.')
        return dsc_fail(err, DSC_E_PATH, "the shard '%s' is not a plain file name", shard);
    path = dsc_arena_printf(&b->arena, err, "%.*s%s", slash ? (int)(slash - index_path) + 1 : 0,
                            index_path, shard);
    return path ? read(b, path, size_bytes, err) : DSC_E_MEMORY;
}

static enum dsc_status read_shards(struct dsc_bundle *b, const char *path, json_t *map,
                                   shard_fn *read, uint64_t *size_bytes, struct dsc_err *err)
{
    json_t *seen = json_object(), *shard;
    const char *name;
    enum dsc_status st = seen ? DSC_OK : dsc_fail(err, DSC_E_MEMORY, "out of memory");

    json_object_foreach(map, name, shard)
    {
        const char *file = json_string_value(shard);

        if (st == DSC_OK && !file)
            st = dsc_fail(err, DSC_E_SCHEMA, "the shard of '%s' is no file name", name);
        if (st != DSC_OK || json_object_get(seen, file))
            continue;
        if (json_object_set_new(seen, file, json_true()) != 0)
            st = dsc_fail(err, DSC_E_MEMORY, "out of memory");
        else
            st = read_shard(b, path, file, read, size_bytes, err);
    }
    json_decref(seen);
    DSC_TRY(st);
    DSC_TRY(dsc_bundle_sort(b, err));
    json_object_foreach(map, name, shard)
    {
        if (!dsc_bundle_find(b, name))
            return dsc_fail(err, DSC_E_INCONSISTENT, "tensor '%s' is not in its shard '%s'", name,
                            json_string_value(shard));
    }
    return DSC_OK;
}

enum dsc_status shards_read(struct dsc_bundle *b, const char *path, shard_fn *read,
                            uint64_t *size_bytes, struct dsc_err *err)
{
    struct dsc_file f;
    json_error_t why;
    json_t *root, *map;
    enum dsc_status st;

    DSC_TRY(dsc_file_open(&f, path, INDEX_MAX_BYTES, err));
    *size_bytes += f.n_bytes;
    root = json_loadb(f.data ? (const char *)f.data : "", f.n_bytes, JSON_REJECT_DUPLICATES, &why);
    dsc_file_close(&f);
    map = json_object_get(root, "weight_map");
    if (!json_is_object(map))
        st = dsc_fail(err, DSC_E_SCHEMA, "the index has no object \"weight_map\"");
    else
        st = read_shards(b, path, map, read, size_bytes, err);
    json_decref(root);
    return st;
}
