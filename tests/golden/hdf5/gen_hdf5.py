"""HDF5 files with their values.

    python gen_hdf5.py      (writes beside itself; made by h5py 3.16.0)

types.h5: every element type, groups, byte orders, chunks with and without filters, what is no tensor.
Its values are in types.npz, as f64, under the names of the datasets.
"""
import os

import h5py
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    rng = np.random.default_rng(1)
    tensors = {f"type/{d}": (np.arange(6).reshape(2, 3) - (0 if d[0] == "u" else 3)).astype(d)
               for d in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]}
    tensors["type/bool"] = np.array([True, False, True])
    tensors["big/f2"] = rng.normal(size=5).astype(">f2")
    tensors["big/f8"] = rng.normal(size=(2, 2)).astype(">f8")
    tensors["big/i4"] = np.array([1, -2, 1 << 30], ">i4")
    tensors["scalar"] = np.float32(7.5)
    tensors["empty"] = np.zeros((0, 3), "f4")
    with h5py.File(os.path.join(HERE, "types.h5"), "w") as f:
        for name, x in tensors.items():
            f[name] = x
        for name, options in [("plain", {}), ("gzip", {"compression": "gzip"}),
                              ("all", {"compression": "gzip", "shuffle": True, "fletcher32": True})]:
            tensors["chunks/" + name] = np.round(rng.normal(size=(7, 40)), 1).astype("f4")
            f.create_dataset("chunks/" + name, data=tensors["chunks/" + name], chunks=(3, 16), **options)
        tensors["unwritten"] = np.full((2, 2), 1.5)
        f.create_dataset("unwritten", shape=(2, 2), dtype="f4", fillvalue=1.5)
        f["text"] = "no tensor"
        f["record"] = np.zeros(2, [("a", "f4"), ("b", "i4")])
        f.attrs["note"] = "of any length"
        f.attrs["fixed"] = np.bytes_("of fixed length")
        f.attrs["number"] = 3
    np.savez(os.path.join(HERE, "types.npz"), **{k: np.asarray(v, "f8") for k, v in tensors.items()})


main()
