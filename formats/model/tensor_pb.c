/* Single tensors in ONNX's TensorProto, as ONNX test data has them. */
#include "model/mapped.h"
#include "model/onnx_in.h"
#include "model/onnx_write.h"

#include <string.h>

enum dsc_status dsc_tensor_pb_read(struct dsc_tensor *t, char **name, struct dsc_arena *arena,
                                   const char *path, struct dsc_err *err)
{
    struct dsc_err own = {0};
    struct onnx_in in = {.path = path, .err = err ? err : &own};
    struct dsc_file file;
    struct dsc_rd r;
    enum dsc_status st;
    char *found = NULL;

    *t = (struct dsc_tensor){0};
    DSC_TRY(dsc_file_open(&file, path, 0, in.err));
    DSC_TRY(mapped_buffer(&file, &in.file, in.err));
    dsc_arena_init(&in.tmp);
    dsc_rd_init(&r, in.file->data, in.file->n_bytes, in.err);
    st = in.file->n_bytes ? onnx_read_tensor(&in, r, "tensor", &found, t)
                          : dsc_fail(in.err, DSC_E_TRUNC, "the file is empty");
    if (st == DSC_OK && in.missing)
        st = dsc_fail(in.err, DSC_E_UNSUPPORTED, "not supported: %s", in.missing->what);
    if (st == DSC_OK && name) {
        *name = dsc_arena_strdup(arena, found, in.err);
        st = *name ? DSC_OK : DSC_E_MEMORY;
    }
    if (st != DSC_OK) {
        dsc_tensor_clear(t);
        dsc_err_file(in.err, path);
    }
    onnx_external_close(&in);
    dsc_buffer_unref(in.file);
    dsc_arena_clear(&in.tmp);
    return st;
}

enum dsc_status dsc_tensor_pb_write(const struct dsc_tensor *t, const char *name, const char *path,
                                    bool may_replace, struct dsc_err *err)
{
    struct dsc_out out;
    struct wire_out w = {.out = &out};

    DSC_TRY(dsc_out_open(&out, path, may_replace, err));
    onnx_emit_tensor(&w, &(struct onnx_tensor_out){.tensor = t, .name = name ? name : ""});
    return dsc_out_commit(&out, err);
}
