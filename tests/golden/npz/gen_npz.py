"""Array files as NumPy writes them, good and bad.

    python gen_npz.py      (writes beside itself; made by NumPy 2.4.6)

Each array of stored.npz and deflated.npz is arange(24) as [2, 3, 4] in its type (booleans: odd ones),
except scalar (f64, 7), empty (f32 [0, 5]) and ramp (i64 [10000]).
"""
import io
import os
import zipfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
STAMP = (1980, 1, 1, 0, 0, 0)


def npy(a, version=None):
    b = io.BytesIO()
    np.lib.format.write_array(b, a, version)
    return b.getvalue()


def write(name, entries, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(os.path.join(HERE, name), "w") as z:
        for key, data in entries.items():
            z.writestr(zipfile.ZipInfo(key, STAMP), data, method)


def main():
    base = np.arange(24).reshape(2, 3, 4)
    good = {t: npy(base.astype(t)) for t in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8")}
    good["b1"] = npy(base % 2 == 1)
    good["big_f4"] = npy(base.astype(">f4"))
    good["big_i8"] = npy(base.astype(">i8"))
    good["fortran"] = npy(np.asfortranarray(base.astype("i4")))
    good["v2"] = npy(base.astype("f4"), (2, 0))
    good["v3"] = npy(base.astype("f4"), (3, 0))
    good["scalar"] = npy(np.float64(7))
    good["empty"] = npy(np.zeros((0, 5), "f4"))
    good["ramp"] = npy(np.arange(10000))
    good = {k + ".npy": v for k, v in good.items()}
    small = {k: v for k, v in good.items() if k != "ramp.npy"}
    write("stored.npz", small)
    write("deflated.npz", good, zipfile.ZIP_DEFLATED)
    write("bomb.npz", {"x.npy": b"\x93NUMPY" + bytes(2 << 20)}, zipfile.ZIP_DEFLATED)
    write("object.npz", {"x.npy": npy(np.array([None, 1], object))})
    write("text.npz", {"x.npy": npy(np.array(["a", "b"]))})


main()
