"""Keras models that are broken, or that are not read: (name, bytes, class or None, place)."""
import copy
import io
import json
import struct
import zipfile

from hdf5_make import File, attribute

X = "__keras_tensor__"


def values(*dims):
    n = 1
    for d in dims:
        n *= d
    return struct.pack(f"<{n}f", *[0.5] * n), dims


def tensor(layer, node=0, index=0):
    return {"class_name": X, "config": {"shape": [None, 3], "dtype": "float32", "keras_history": [layer, node, index]}}


def layer(name, class_name="Dense", inputs=("x",), **config):
    config = {"units": 2, "activation": "linear", "use_bias": True, **config} if class_name == "Dense" else config
    return {"module": "keras.layers", "class_name": class_name, "name": name, "config": {"name": name, **config},
            "inbound_nodes": [{"args": [tensor(i) for i in inputs], "kwargs": {}}]}


def entry(shape=(None, 3)):
    return {"module": "keras.layers", "class_name": "InputLayer", "name": "x", "inbound_nodes": [],
            "config": {"name": "x", "batch_shape": list(shape), "dtype": "float32"}}


def model(*layers, out="d", first=None):
    return {"module": "keras", "class_name": "Functional", "config": {
        "name": "m", "layers": [first or entry(), *layers], "input_layers": [["x", 0, 0]],
        "output_layers": [[out, 0, 0]]}}


def weights(kernel=(3, 2), bias=(2,), more=()):
    f = File()
    tree = {"layers": {"dense": {"vars": {"0": f.dataset(*flat(kernel)), "1": f.dataset(*flat(bias))}}}}
    for name, dims in more:
        tree["layers"][name] = {"vars": {"0": f.dataset(*flat(dims))}}
    return f.end(f.tree(tree))


def flat(dims):
    data, dims = values(*dims)
    return (data, *dims)


def archive(config, data=None, method=zipfile.ZIP_STORED, files=None):
    out = io.BytesIO()
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    with zipfile.ZipFile(out, "w") as z:
        for name, body in (files or (("metadata.json", b'{"keras_version": "3.15.1"}'), ("config.json", text),
                                     ("model.weights.h5", weights() if data is None else data))):
            z.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), body, method)
    return out.getvalue()


def changed(path, value, **more):
    """The good model with one thing in its configuration changed; None removes it."""
    config = model(layer("d"))
    at = config
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return archive(config, **more)


def good(config):
    return archive(config)


DENSE = ("config", "layers", 1)


def whole():
    yield "good", archive(model(layer("d"))), None, ""
    yield "no-config", archive(b"", files=[("metadata.json", b"{}"), ("model.weights.h5", weights())]), "SCHEMA", ""
    yield "no-weights", archive(b"", files=[("metadata.json", b"{}"), ("config.json", b"{}")]), "SCHEMA", ""
    for name, word in (("config.json", b"Dense"), ("model.weights.h5", b"vars"), ("metadata.json", b"3.15.1")):
        good = archive(model(layer("d")))
        at = good.index(word, good.index(name.encode()) + len(name))
        start = good.index(name.encode()) + len(name)
        yield f"sum-of-{name}", good[:at] + bytes([good[at] ^ 1]) + good[at + 1:], "CRC", f"'{name}' is not what was written: its bytes have another sum (byte {start})"
    yield "deflated", archive(model(layer("d")), method=zipfile.ZIP_DEFLATED), "UNSUPPORTED", "config.json"
    yield "weights-no-hdf5", archive(model(layer("d")), b"\x89HDF" + bytes(200)), "MAGIC", ""
    yield "weights-cut", archive(model(layer("d")), weights()[:-40]), "TRUNC", ""
    yield "weights-empty", archive(model(layer("d")), b""), "TRUNC", ""
    data = archive(model(layer("d")))
    for n in range(40, len(data), 331):
        yield f"cut-{n}", data[:n], "TRUNC", "byte"


def texts():
    yield "json-cut", archive(json.dumps(model(layer("d"))).encode()[:-9]), "SCHEMA", "line"
    yield "json-empty", archive(b""), "SCHEMA", "line"
    yield "json-list", archive(b"[]"), "SCHEMA", ""
    yield "json-number", archive(b"7"), "SCHEMA", ""
    yield "json-no-utf8", archive(b'{"class_name": "\xff"}'), "SCHEMA", "line"
    yield "json-twice", archive(b'{"class_name": "Functional", "class_name": "Sequential"}'), "SCHEMA", "line"
    yield "json-nested", archive(b"[" * 100000), "SCHEMA", "line"
    yield "json-nul", archive(b'{"class_name": "a\\u0000b"}'), "SCHEMA", "line"


def structure():
    yield "class-other", archive({"class_name": "MyModel", "config": {}}), "UNSUPPORTED", "MyModel"
    yield "config-none", archive({"class_name": "Functional"}), "SCHEMA", ""
    yield "layers-none", archive({"class_name": "Functional", "config": {"name": "m", "layers": []}}), "SCHEMA", ""
    yield "layers-text", archive({"class_name": "Sequential", "config": {"name": "m", "layers": "x"}}), "SCHEMA", ""
    yield "layers-5000", archive(model(*[layer(f"d{i}") for i in range(5000)])), "LIMIT", ""
    yield "layer-unnamed", changed((*DENSE, "name"), 7), "SCHEMA", ""
    yield "layer-twice", archive(model(layer("d"), layer("d"))), "DUP", "'d'"
    yield "layer-unknown", changed((*DENSE, "class_name"), "Lambda"), "UNSUPPORTED", "'d' (Lambda)"
    yield "layer-of-ops", changed((*DENSE, "module"), "keras.src.ops.nn"), "UNSUPPORTED", "'d'"
    yield "option-unknown", changed((*DENSE, "config", "magic"), 1), "UNSUPPORTED", "'magic'"
    yield "option-without-a-name", changed((*DENSE, "config", ""), 1), "UNSUPPORTED", "''"
    yield "layer-of-others", changed((*DENSE, "module"), "keras_own.layers"), "UNSUPPORTED", "'d' (Dense)"
    yield "layer-registered", changed((*DENSE, "registered_name"), "mine>Dense"), "UNSUPPORTED", "mine>Dense"
    yield "option-off", changed((*DENSE, "config", "magic"), False), None, ""
    yield "units-text", changed((*DENSE, "config", "units"), "2"), "SCHEMA", "'units'"
    yield "units-other", changed((*DENSE, "config", "units"), 3), "INCONSISTENT", "'d'"
    yield "units-2^63", changed((*DENSE, "config", "units"), 2**63 - 1), "INCONSISTENT", "'d'"
    yield "units-2^64", archive(json.dumps(model(layer("d"))).replace('"units": 2', '"units": 18446744073709551616')
                                .encode()), "SCHEMA", ""
    yield "units-minus-1", changed((*DENSE, "config", "units"), -5), None, ""
    yield "activation-unknown", changed((*DENSE, "config", "activation"), "magic"), "UNSUPPORTED", "'magic'"
    yield "activation-own", changed((*DENSE, "config", "activation"),
                                    {"module": "own", "class_name": "f", "config": "relu"}), "UNSUPPORTED", "'d'"
    yield "activation-of-others", changed((*DENSE, "config", "activation"), {
        "module": "keras_own.activations", "class_name": "function", "config": "relu"}), "UNSUPPORTED", "'d'"
    yield "dtype-f16", changed((*DENSE, "config", "dtype"), "float16"), "UNSUPPORTED", "float16"
    yield "dtype-int8", changed((*DENSE, "config", "dtype"), {"class_name": "QuantizedDTypePolicy", "config": {}}), "UNSUPPORTED", "'d'"


def wiring():
    def call(*inputs, kwargs=None):
        d = layer("d", inputs=inputs)
        if kwargs:
            d["inbound_nodes"][0]["kwargs"] = kwargs
        return archive(model(d))

    yield "call-of-nobody", call("nobody"), "INCONSISTENT", "'nobody'"
    yield "call-of-itself", call("d"), "INCONSISTENT", "'d'"
    yield "call-circle", archive(model(layer("d", inputs=("e",)), layer("e", inputs=("d",)))), "INCONSISTENT", "circle"
    yield "call-mask", call("x", kwargs={"mask": tensor("x")}), "UNSUPPORTED", "'mask'"
    yield "call-without-inputs", call(), "SCHEMA", "'d'"
    d = layer("d")
    d["inbound_nodes"][0]["args"] = [1.5]
    yield "call-of-a-number", archive(model(d)), "UNSUPPORTED", "'d'"
    d = layer("d")
    d["inbound_nodes"] = 7
    yield "call-is-a-number", archive(model(d)), "SCHEMA", "'d'"
    d = layer("d", inputs=["x"] * 100)
    yield "call-of-100", archive(model(d)), "LIMIT", "'d'"
    d = layer("d")
    d["inbound_nodes"][0]["args"] = [tensor("x", 2**40)]
    yield "call-node-2^40", archive(model(d)), "INCONSISTENT", "'x'"
    d = layer("d")
    d["inbound_nodes"][0]["args"] = [tensor("x", 0, -1)]
    yield "call-tensor-minus-1", archive(model(d)), "INCONSISTENT", "'x'"
    yield "call-of-two", call("x", "x"), "UNSUPPORTED", "'d'"
    names = ["x", *(f"a{i}" for i in range(4000)), "d"]
    chain = [layer(name, "Activation", (source,), activation="linear") for source, name in zip(names[:-2], names[1:-1])]
    yield "calls-backwards", archive(model(*reversed([*chain, layer("d", inputs=(names[-2],))]))), None, ""
    a = layer("a", "Activation", activation="softsign")
    a["inbound_nodes"] = [{"args": [tensor("a", i - 1) if i else tensor("x")], "kwargs": {}} for i in range(4000)]
    d = layer("d")
    d["inbound_nodes"][0]["args"] = [tensor("a", 3999)]
    yield "calls-of-one-layer", archive(model(a, d)), None, ""
    d = layer("d")
    d["inbound_nodes"] = [[]] * 100000
    yield "calls-100000", archive(model(d)), "LIMIT", "'d'"
    yield "output-of-nobody", archive(model(layer("d"), out="nobody")), "INCONSISTENT", "'nobody'"
    yield "outputs-none", changed(("config", "output_layers"), []), "SCHEMA", "output_layers"
    yield "inputs-none", changed(("config", "input_layers"), []), "SCHEMA", "input_layers"
    yield "input-is-a-layer", changed(("config", "input_layers"), [["d", 0, 0]]), "SCHEMA", "'d'"
    yield "input-twice", changed(("config", "input_layers"), [["x", 0, 0]] * 2), "INCONSISTENT", "'x'"
    yield "input-9-axes", archive(model(layer("d"), first=entry([None] * 9))), "LIMIT", "'x'"
    yield "input-minus-1", archive(model(layer("d"), first=entry([None, -1]))), "SCHEMA", "'x'"
    yield "input-no-shape", archive(model(layer("d"), first=entry([]))), "SHAPE", "'d/MatMul'"
    inner = model(layer("d"))
    for _ in range(12):
        inner = {**model({**copy.deepcopy(inner), "name": "d", "inbound_nodes": [{"args": [tensor("x")], "kwargs": {}}]})}
    yield "models-12-deep", archive(inner), "LIMIT", "deep"


def layers():
    def one(name, class_name, dims=(None, 3), weights_of=None, **config):
        first, l = entry(dims), layer("d", class_name, **config)
        return archive(model(l, first=first), weights_of)

    yield "weight-missing", archive(model(layer("d")), weights(more=[]).replace(b"dense", b"other")), "INCONSISTENT", "'kernel'"
    yield "weight-shape", archive(model(layer("d")), weights(kernel=(2, 3))), "INCONSISTENT", "layers/dense/vars/0"
    yield "weight-rank", archive(model(layer("d")), weights(kernel=(6,))), "INCONSISTENT", "layers/dense/vars/0"
    yield "embedding-masked", one("e", "Embedding", (None, 3), None, input_dim=3, output_dim=2, mask_zero=True), "UNSUPPORTED", "mask_zero"
    yield "reshape-text", one("r", "Reshape", target_shape="x"), "SCHEMA", "target_shape"
    yield "permute-outside", one("r", "Permute", dims=[7, 1]), "SCHEMA", "'d'"
    yield "permute-no-axes", archive(model(layer("d", "Permute", dims=[1]), first=entry([]))), "SHAPE", "'d'"
    yield "reshape-0", one("r", "Reshape", target_shape=[0, 3]), "RANGE", "target_shape"
    yield "repeat-of-3-axes", one("r", "RepeatVector", (None, 1, 3), None, n=2), "SHAPE", "'d'"
    yield "repeat-0", one("r", "RepeatVector", n=0), "RANGE", "'d'"
    yield "layer-norm-2^40", one("n", "LayerNormalization", (None, 2**40), None, axis=-1, scale=False, center=False), "LIMIT", "'d'"
    yield "batch-norm-2^40", one("n", "BatchNormalization", (None, 2**40), None, axis=-1, scale=False), "LIMIT", "'d'"
    yield "dropout-2", one("r", "Dropout", rate=2.0), "RANGE", "'d'"
    yield "concatenate-one", one("c", "Concatenate", axis=-1), "SCHEMA", "'d'"
    yield "rnn-stateful", one("l", "LSTM", (None, 4, 3), None, units=2, stateful=True), "UNSUPPORTED", "'stateful'"
    yield "rnn-units-2^40", one("l", "LSTM", (None, 4, 3), None, units=2**40), "RANGE", "'d'"
    yield "rnn-of-2-axes", one("l", "LSTM", units=2), "UNSUPPORTED", "'d'"
    yield "attention-heads-2^40", archive(model(layer("d", "MultiHeadAttention", ("x", "x"), num_heads=2**40, key_dim=2),
                                                first=entry((None, 4, 3)))), "RANGE", "'d'"
    image = (None, 4, 4, 3)
    conv = {"filters": 2, "kernel_size": [3, 3], "strides": [1, 1], "padding": "valid"}
    yield "conv-channels-first", one("c", "Conv2D", image, None, **conv, data_format="channels_first"), "UNSUPPORTED", "channels_first"
    yield "conv-size-2^40", one("c", "Conv2D", image, None, **{**conv, "kernel_size": [2**40, 1]}), "RANGE", "'d'"
    yield "conv-stride-0", one("c", "Conv2D", image, None, **{**conv, "strides": [0, 1]}), "RANGE", "'d'"
    yield "conv-of-3-sizes", one("c", "Conv2D", image, None, **{**conv, "kernel_size": [1, 1, 1]}), "SCHEMA", "'kernel_size'"
    yield "conv-groups-2", one("c", "Conv2D", image, None, **conv, groups=2), "SHAPE", "'d'"
    yield "conv-groups-0", one("c", "Conv2D", image, None, **conv, groups=0), "SHAPE", "'d'"
    yield "conv-padding", one("c", "Conv2D", image, None, **{**conv, "padding": "magic"}), "UNSUPPORTED", "magic"
    yield "conv-without-weights", one("c", "Conv2D", image, None, **conv), "INCONSISTENT", "'kernel'"
    yield "conv-of-2-axes", one("c", "Conv2D", (None, 3), None, **conv), "SHAPE", "'d'"
    yield "depthwise-2^62", one("c", "DepthwiseConv2D", (None, 4, 4, 2**62), None, kernel_size=[1, 1], depth_multiplier=4), "RANGE", "'d'"
    yield "pool-0", one("p", "MaxPooling2D", image, None, pool_size=[0, 2], padding="valid"), "RANGE", "'d'"
    yield "pool-larger", one("p", "MaxPooling2D", image, None, pool_size=[9, 9], padding="valid"), "SHAPE", "'d/MaxPool'"
    yield "pad-3-of-2", one("p", "ZeroPadding2D", image, None, padding=[[1, 1]] * 3), "SCHEMA", "'padding'"
    yield "pad-minus-1", one("p", "ZeroPadding2D", image, None, padding=[[-1, 0], [0, 0]]), "SCHEMA", "'padding'"
    yield "pad-2^40", one("p", "ZeroPadding2D", image, None, padding=2**40), "SCHEMA", "'padding'"
    yield "upsample-unknown", one("u", "UpSampling2D", (None, None, 4, 3), None, size=[2, 2]), "UNSUPPORTED", "'d'"
    yield "upsample-bilinear", one("u", "UpSampling2D", image, None, size=[2, 2], interpolation="bilinear"), "UNSUPPORTED", "'d'"
    yield "upsample-2^40", one("u", "UpSampling2D", image, None, size=[2**40, 2]), "RANGE", "'d'"
    yield "wrapped-itself", one("t", "TimeDistributed", (None, 4, 3), None, layer={"class_name": "TimeDistributed",
                                "config": {"name": "t"}}), "UNSUPPORTED", "'d'"
    yield "both-ways-of-dense", one("b", "Bidirectional", (None, 4, 3), None, merge_mode="concat", layer={
        "class_name": "Dense", "config": {"name": "x", "units": 2}}), "UNSUPPORTED", "'d'"


def old(config, names=("d/kernel:0", "d/bias:0"), version="2.2.4"):
    f = File()
    kernel, bias = f.dataset(*flat((3, 2))), f.dataset(*flat((2,)))
    inner = {}
    for name, at in zip(names, (kernel, bias)):
        folder, leaf = name.rsplit("/", 1)
        inner.setdefault(folder, {})[leaf] = at
    root = f.tree({"model_weights": {"d": inner}}, [attribute("keras_version", version),
                                                    attribute("model_config", config)])
    return f.end(root)


def old_files():
    l = {"class_name": "Dense", "config": {"name": "d", "batch_input_shape": [None, 3], "units": 2, "activation": "linear"}}
    text = json.dumps({"class_name": "Sequential", "config": [l]})
    yield "h5-good", old(text), None, ""
    yield "h5-no-json", old("{"), "SCHEMA", "line"
    yield "h5-no-weight", old(text, ("d/other:0", "d/bias:0")), "INCONSISTENT", "'kernel'"
    yield "h5-no-shape", old(text.replace("batch_input_shape", "build")), "SCHEMA", ""
    yield "h5-version-text", old(text, version="x"), None, ""


def cases():
    for part in (whole, texts, structure, wiring, layers, old_files):
        yield from part()
