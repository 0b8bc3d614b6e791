/* ONNX: a graph that is read is written again, and the file read back is the same graph. */
#include "dsc/io.h"
#include "formats_model.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <stdio.h>
#include <unistd.h>

static void write_again(const struct dsc_graph *g)
{
    char folder[128], path[160];
    const struct dsc_write_opts o = {.may_replace = true};
    struct dsc_bytes text = {0};
    struct dsc_err err = {0};

    dsc_graph_print(g, &text);
    dsc_bytes_clear(&text);
    fuzz_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/again.onnx", folder);
    dsc_onnx_write(g, path, &o, NULL, &err);
    if (err.status == DSC_E_INTERNAL)
        fuzz_fail(&err);
    fuzz_note(err.status == DSC_OK ? "written" : err.message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct dsc_graph *g = NULL;
    struct fuzz_file f;
    struct dsc_err err = {0};
    enum dsc_status st;

    fuzz_file_open(&f, data, n_bytes);
    st = dsc_onnx_read(&g, f.path, NULL, NULL, &err);
    if (st == DSC_OK)
        write_again(g);
    fuzz_check(st, &err);
    dsc_graph_free(g);
    fuzz_file_close(&f);
    return 0;
}
