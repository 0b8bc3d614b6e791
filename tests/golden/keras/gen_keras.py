"""Keras models with what Keras computes.

    KERAS_BACKEND=torch python gen_keras.py      (writes beside itself; made by keras 3.15.1, torch 2.15.0)

NAME.keras and NAME.h5 are models, NAME.npz has their inputs (in.INPUT) and outputs (out0, out1 ..) on rows
that are drawn, with weights that are drawn too. two.h5 and two-list.h5 are written as Keras 2.2 does: layers
by names, calls as lists, one bias for a GRU that resets before its product.
"""
import json
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import h5py
import keras
import numpy as np
from keras import layers as L

HERE = os.path.dirname(os.path.abspath(__file__))
RNG = np.random.default_rng(7)


def path(name):
    return os.path.join(HERE, name)


def draw(model):
    for w in model.weights:
        if w.dtype == "float32":
            x = RNG.normal(scale=0.5, size=w.shape)
            w.assign(np.abs(x) + 0.3 if "variance" in w.path else x)


def feed(model, n=3):
    return [RNG.integers(0, 9, (n, *i.shape[1:])).astype("int32") if "int" in str(i.dtype)
            else RNG.normal(size=(n, *[d or 5 for d in i.shape[1:]])).astype("float32") for i in model.inputs]


def rows(model, name, feeds=None):
    feeds = feeds or feed(model)
    out = model.predict(feeds if len(feeds) > 1 else feeds[0], verbose=0)
    out = out if isinstance(out, list) else [out]
    np.savez_compressed(path(name + ".npz"), **{"in." + i.name: x for i, x in zip(model.inputs, feeds)},
                        **{f"out{i}": x for i, x in enumerate(out)})


def save(model, name, kinds=("keras",)):
    draw(model)
    for kind in kinds:
        model.save(path(f"{name}.{kind}"))
    rows(model, name)


def sequential():
    return keras.Sequential([
        keras.Input((7,), name="x"), L.Dense(6, activation="relu"), L.BatchNormalization(), L.Dropout(0.2),
        L.Dense(5, use_bias=False), L.LeakyReLU(), L.BatchNormalization(center=False, scale=False), L.ELU(0.7),
        L.Dense(4, activation="gelu", name="named"), L.ReLU(max_value=1.5, negative_slope=0.1), L.PReLU(),
        L.Dense(3), L.Softmax()], name="seq")


def text():
    ids = keras.Input((6,), dtype="int32", name="ids")
    x = L.Embedding(10, 8)(ids)
    y = L.MultiHeadAttention(2, 4, value_dim=3, dropout=0.1)(x, x)
    x = L.LayerNormalization()(L.Add()([x, y]))
    y = L.MultiHeadAttention(2, 5, use_bias=False)(query=x, value=y, key=x)
    x = L.LayerNormalization(scale=False, epsilon=1e-5)(x + y)
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    x = L.Bidirectional(L.GRU(4))(x)
    return keras.Model(ids, L.Dense(2, activation="log_softmax", name="scores")(x), name="text")


def recurrent():
    x = keras.Input((None, 3), name="x")
    a = L.LSTM(4, return_sequences=True, recurrent_activation="hard_sigmoid")(x)
    b = L.GRU(4, reset_after=False, return_sequences=True)(x)
    c = L.SimpleRNN(4, activation="relu", return_sequences=True)(x)
    s = L.Maximum()([a, b, c])
    d = L.LSTM(3, go_backwards=True, use_bias=False, activation="softsign")(s)
    e = L.Bidirectional(L.SimpleRNN(3), merge_mode="sum")(s)
    f = L.Bidirectional(L.GRU(3, activation="elu", return_sequences=True), merge_mode="ave")(s)
    g = L.TimeDistributed(L.Dense(3))(f)
    return keras.Model(x, [L.Add()([d, e]), L.GlobalMaxPooling1D()(g), f], name="rnn")


def merges():
    x, y = keras.Input((4, 6), name="x"), keras.Input((4, 6), name="y")
    a = L.Subtract()([L.Multiply()([x, y]), L.Average()([x, y, x])])
    b = L.Concatenate()([a, L.Minimum()([x, y])])
    b = L.BatchNormalization()(L.Dense(5)(b))
    c = L.Permute((2, 1))(b)
    d = L.Flatten()(L.Reshape((2, -1))(c))
    e = L.RepeatVector(3)(L.GlobalAveragePooling1D()(b))
    f = L.Rescaling(2.0, offset=-1.0)(L.Concatenate(axis=1)([e, b]))
    return keras.Model([x, y], [L.Dense(2, name="flat")(d), L.GlobalAveragePooling1D(keepdims=True)(f), f], name="merge")


def nested():
    def make_tower(name):
        return keras.Sequential([keras.Input((5,)), L.Dense(4, activation="tanh"), L.Dense(3)], name=name)

    tower, inner_in = make_tower("tower"), keras.Input((5,))
    inner = keras.Model(inner_in, L.Dense(3)(make_tower("deep")(inner_in)), name="inner")
    x, y = keras.Input((5,), name="x"), keras.Input((5,), name="y")
    shared = L.Dense(5, name="shared")
    z = L.Add()([tower(shared(x)), inner(shared(y)), tower(shared(y))])
    return keras.Model([x, y], L.Dense(2, name="out")(z), name="outer")


def activations():
    names = ["elu", "selu", "gelu", "softplus", "softsign", "exponential", "sigmoid", "hard_sigmoid", "silu", "mish",
             "relu6", "leaky_relu", "tanh", "softmax", "linear"]
    x = keras.Input((6,), name="x")
    return keras.Model(x, L.Concatenate()([L.Activation(n)(x) for n in names]), name="act")


def convolutions():
    x, y, z = keras.Input((20, 3), name="x"), keras.Input((9, 8, 4), name="y"), keras.Input((5, 6, 4, 2), name="z")
    a = L.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu")(x)
    a = L.Conv1D(5, 4, strides=2, padding="same", use_bias=False)(L.ZeroPadding1D((1, 2))(a))
    a = L.SeparableConv1D(6, 3, depth_multiplier=2)(L.MaxPooling1D(3, strides=2, padding="same")(a))
    a = L.UpSampling1D(2)(L.Cropping1D((1, 0))(L.Conv1DTranspose(3, 4, strides=3)(a)))
    b = L.Conv2D(6, 3, strides=2, padding="same")(y)
    s = L.Activation("relu")(L.BatchNormalization()(b))
    s = L.Add()([L.SeparableConv2D(6, (3, 2), padding="same", activation="tanh")(s), b])
    s = L.ReLU(6.0)(L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(L.Dropout(0.1)(s)))
    up = L.Conv2DTranspose(4, 3, strides=2, padding="same")(L.AveragePooling2D(2, padding="same")(s))
    up = L.Conv2DTranspose(3, 2, strides=3)(L.Concatenate()([L.Cropping2D(((1, 0), (0, 0)))(up), L.Conv2D(2, 2, padding="same")(s)]))
    up = L.Conv2D(3, 1, activation="softmax")(L.ZeroPadding2D(1)(L.UpSampling2D((1, 2))(L.MaxPooling2D(2)(up))))
    c = L.MaxPooling3D((1, 2, 2))(L.Conv3D(4, 3, padding="same", groups=2, activation="elu")(z))
    c = L.UpSampling3D((2, 1, 2))(c)
    c = L.GlobalAveragePooling3D()(L.Conv3DTranspose(3, (2, 3, 2), padding="same")(L.AveragePooling3D(2, strides=1)(c)))
    return keras.Model([x, y, z], [a, up, c], name="conv")


def write_two(name, config, weights, is_list=False):
    """As Keras 2.2.4: fixed-length texts, ":0" behind names."""
    with h5py.File(path(name + ".h5"), "w") as f:
        f.attrs["keras_version"] = np.bytes_("2.2.4")
        f.attrs["backend"] = np.bytes_("tensorflow")
        f.attrs["model_config"] = np.bytes_(json.dumps(config))
        for layer, arrays in weights.items():
            g = f.create_group("model_weights/" + layer)
            g.attrs["weight_names"] = np.array([np.bytes_(n) for n in arrays])
            for n, x in arrays.items():
                g[n] = np.asarray(x, "float32")


def arrays(layer, prefix, names):
    return {f"{prefix}/{n}:0": w for n, w in zip(names, layer.get_weights())}


def two():
    """The weights of Keras 3 layers below the names of Keras 2."""
    x = keras.Input((6,), dtype="int32", name="input")
    emb, bi = L.Embedding(10, 4), L.Bidirectional(L.LSTM(3, recurrent_activation="sigmoid"))
    dense, bn = L.Dense(3, activation="hard_sigmoid"), L.BatchNormalization()
    m = keras.Model(x, bn(dense(bi(emb(x)))))
    draw(m)
    feeds = feed(m)
    y = m.predict(feeds[0], verbose=0)
    s = dense.get_weights()
    pre = keras.Model(x, bi(emb(x))).predict(feeds[0], verbose=0) @ s[0] + s[1]
    y = bn(np.clip(0.2 * pre + 0.5, 0, 1).astype("float32")).detach().cpu().numpy()   # Keras 2's hard_sigmoid
    rnn = ["kernel", "recurrent_kernel", "bias"]
    w = bi.get_weights()
    weights = {"embedding_1": arrays(emb, "embedding_1", ["embeddings"]),
               "bidirectional_1": {**{f"bidirectional_1/forward_lstm_1/{n}:0": a for n, a in zip(rnn, w[:3])},
                                   **{f"bidirectional_1/backward_lstm_1/{n}:0": a for n, a in zip(rnn, w[3:])}},
               "dense_1": arrays(dense, "dense_1", ["kernel", "bias"]),
               "batch_normalization_1": arrays(bn, "batch_normalization_1",
                                               ["gamma", "beta", "moving_mean", "moving_variance"])}
    configs = [
        ("Embedding", {"name": "embedding_1", "trainable": True, "batch_input_shape": [None, 6], "dtype": "float32",
                       "input_dim": 10, "output_dim": 4, "mask_zero": False, "input_length": 6}),
        ("Bidirectional", {"name": "bidirectional_1", "trainable": True, "merge_mode": "concat", "layer": {
            "class_name": "LSTM", "config": {"name": "lstm_1", "trainable": True, "return_sequences": False,
                                             "return_state": False, "go_backwards": False, "stateful": False,
                                             "unroll": False, "units": 3, "activation": "tanh", "implementation": 1,
                                             "recurrent_activation": "sigmoid", "use_bias": True, "dropout": 0.0,
                                             "unit_forget_bias": True, "recurrent_dropout": 0.0}}}),
        ("Dense", {"name": "dense_1", "trainable": True, "units": 3, "activation": "hard_sigmoid", "use_bias": True}),
        ("BatchNormalization", {"name": "batch_normalization_1", "trainable": True, "axis": -1, "momentum": 0.99,
                                "epsilon": 0.001, "center": True, "scale": True})]
    layers = [{"class_name": c, "config": config} for c, config in configs]
    write_two("two-list", {"class_name": "Sequential", "config": layers}, weights)
    calls = [{"class_name": "InputLayer", "name": "input", "inbound_nodes": [], "config": {
        "batch_input_shape": [None, 6], "dtype": "int32", "sparse": False, "name": "input"}}]
    for layer in layers:
        layer["config"].pop("batch_input_shape", None)
        calls.append({**layer, "name": layer["config"]["name"], "inbound_nodes": [[[calls[-1]["name"], 0, 0, {}]]]})
    write_two("two", {"class_name": "Model", "config": {
        "name": "model_1", "layers": calls, "input_layers": [["input", 0, 0]],
        "output_layers": [["batch_normalization_1", 0, 0]]}}, weights)
    for name in ("two", "two-list"):
        ids = feeds[0].astype("int64" if name == "two-list" else "int32")
        np.savez_compressed(path(name + ".npz"), **{"in.input": ids, "out0": y})


def main():
    keras.utils.set_random_seed(1)
    save(sequential(), "sequential", ("keras", "h5"))
    save(text(), "text")
    save(recurrent(), "recurrent")
    save(merges(), "merges")
    save(nested(), "nested", ("keras", "h5"))
    save(activations(), "activations")
    save(convolutions(), "convolutions")
    two()


if __name__ == "__main__":
    main()
