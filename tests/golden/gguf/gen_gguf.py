"""GGUF files as the gguf package writes them, with the values that it reads.

    python gen_gguf.py      (writes beside itself; made by gguf 0.19.0, NumPy 2.4.6)

types.gguf: two rows of 256 elements in each type; blocks of codes are random bits with scales that
are finite. types.npz: their values by gguf.quants.dequantize (f32). The metadata hold one value of
each type. round.npz: x, and the bytes of gguf.quants.quantize for it.
"""
import os

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Q

HERE = os.path.dirname(os.path.abspath(__file__))
PLAIN = [Q.F32, Q.F16, Q.BF16, Q.I8, Q.I16, Q.I32, Q.I64, Q.F64]
BLOCKS = [Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0, Q.Q2_K, Q.Q3_K, Q.Q4_K, Q.Q5_K, Q.Q6_K]
# where a block's halves lie
HALVES = {Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2], Q.Q8_0: [0], Q.Q2_K: [80, 82],
          Q.Q3_K: [108], Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208]}


def random_blocks(rng, qtype):
    n_elems, n_bytes = gguf.GGML_QUANT_SIZES[qtype]
    data = rng.integers(0, 256, (2, 256 // n_elems, n_bytes), dtype=np.uint8)
    for at in HALVES[qtype]:
        d = rng.normal(0, 0.01, data.shape[:2]).astype("<f2")
        data[:, :, at:at + 2] = d[..., None].view(np.uint8)
    return data.reshape(2, -1)


def write_types(rng):
    w = gguf.GGUFWriter(os.path.join(HERE, "types.gguf"), "test")
    w.add_name("every type")
    w.add_quantization_version(2)
    for t, v in [("uint8", 255), ("int8", -128), ("uint16", 65535), ("int16", -32768), ("uint32", 4294967295),
                 ("int32", -2147483648), ("uint64", 18446744073709551615), ("int64", -9223372036854775808),
                 ("float32", 0.1), ("float64", 0.1), ("bool", True), ("string", "caf\u00e9\ntwo")]:
        getattr(w, "add_" + t)("test." + t, v)
    w.add_array("test.numbers", [1, 2, 3])
    w.add_array("test.words", ["a", "b"])
    w.add_array("test.many", list(range(9)))
    values = {}
    for q in PLAIN:
        x = rng.normal(0, 10, (2, 256))
        if q == Q.BF16:
            x = gguf.quants.quantize(x.astype("f4"), q)
            w.add_tensor("t." + q.name.lower(), x, raw_dtype=q)
            values["t.bf16"] = gguf.quants.dequantize(x, q)
            continue
        x = x.astype({Q.F32: "f4", Q.F16: "f2", Q.I8: "i1", Q.I16: "i2", Q.I32: "i4", Q.I64: "i8", Q.F64: "f8"}[q])
        w.add_tensor("t." + q.name.lower(), x)
        values["t." + q.name.lower()] = x.astype("f4")
    for q in BLOCKS:
        data = random_blocks(rng, q)
        w.add_tensor("t." + q.name[:-1].lower() + q.name[-1], data, raw_dtype=q)
        values["t." + q.name[:-1].lower() + q.name[-1]] = gguf.quants.dequantize(data, q)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    np.savez(os.path.join(HERE, "types.npz"), **values)


def write_round(rng):
    x = rng.normal(0, 0.05, (4, 256)).astype("f4")
    x[1] *= rng.choice([1, 1, 1, 8], 256)  # a few large
    x[2] = np.abs(x[2]) + 0.1
    x[3, :64] = 0
    out = {"x": x}
    for q in [Q.F16, Q.BF16, Q.Q8_0, Q.Q4_0, Q.Q4_1, Q.Q5_1]:
        out[q.name.lower()] = gguf.quants.quantize(x, q).view(np.uint8)
    np.savez(os.path.join(HERE, "round.npz"), **out)


rng = np.random.default_rng(7)
write_types(rng)
write_round(rng)
