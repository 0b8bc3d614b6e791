/* Ranges files: whatever is accepted can be turned into a range by every observer, and merged. */
#include "calib.h"
#include "formats_model.h"
#include "fuzz.h"
#include "fuzz_file.h"

#include <math.h>

static void observe(const struct dsc_hist *h)
{
    for (int i = 0; dsc_observer_all()[i]; i++) {
        const struct dsc_observer *o = dsc_observer_all()[i];
        double low = NAN, high = NAN;

        o->range(h, o->param, 256, &low, &high);
        if (!(low <= high))
            __builtin_trap();
        dsc_hist_sqnr_db(h, low, high, 256);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    struct dsc_bundle b = {0};
    struct fuzz_file f;
    struct dsc_err err = {0};
    struct dsc_ranges *r = dsc_ranges_new(&err);
    enum dsc_status st;

    fuzz_file_open(&f, data, n_bytes);
    st = dsc_safetensors_read(&b, f.path, NULL, &err);
    if (st == DSC_OK)
        st = dsc_ranges_from_bundle(r, &b, &err);
    fuzz_check(st, &err);
    if (st == DSC_OK && dsc_ranges_check(r, &err) == DSC_OK) {
        fuzz_note("accepted");
        for (int i = 0; i < dsc_ranges_n(r); i++)
            observe(dsc_ranges_hist(r, dsc_ranges_name(r, i)));
        dsc_ranges_merge(r, r, &err);
    }
    dsc_ranges_free(r);
    dsc_bundle_clear(&b);
    fuzz_file_close(&f);
    return 0;
}
