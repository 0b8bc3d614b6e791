"""binary.h5: the arrays of binary.npz, x in compressed chunks. Made by h5py 3.16.0."""
import os

import h5py
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
with h5py.File(os.path.join(HERE, "binary.h5"), "w") as f:
    for name, x in np.load(os.path.join(HERE, "binary.npz")).items():
        f.create_dataset("rows/" + name, data=x, **({"compression": "gzip", "shuffle": True, "chunks": (64, *x.shape[1:])}
                                                    if x.ndim > 1 else {}))
