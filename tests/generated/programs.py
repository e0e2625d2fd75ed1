"""Random training programs: a model, its `compile`, its data, its `fit`, callbacks.

`draw(seed)` returns the settings of a program as a dict of plain values, which can be
written to a file and edited by hand. The functions `model_of`, `data_of` and
`callbacks_of` make the program's parts from these settings.
"""

import os

import keras
import numpy as np
from keras import layers

from kcomponents import callbacks
from kcomponents.layers import GradientClip, MaxoutConv2D, MaxoutDense, MCDropout, RReLU
from kcomponents.layers import PReLU as OurPReLU
from kcomponents.optimizers import clipped
from tests.probes.guide import train_step_of_the_guide

BACKEND = keras.backend.backend()
BATCH = 4
KINDS = [
    "sequential",
    "functional",
    "two_inputs",
    "shared",
    "nested",
    "subclassed",
    "custom_step",
]
INPUTS = {"vector": (6,), "image": (6, 6, 2), "series": (5, 3), "tokens": (5,)}
POLICIES = ["float32", "float64", "mixed_bfloat16", "mixed_float16"]
LOW_PRECISION = ("mixed_bfloat16", "mixed_float16")
SOURCES = ["arrays", "generator", "py_dataset", "dataset"]
FAULTS = [
    "batch_begin",
    "batch_end",
    "epoch_end",
    "train_begin",
    "data",
    "layer",
    "stop_iteration",
]

# Each function takes a seed for the layers that accept one.
ANY = {
    "dense": lambda seed: layers.Dense(5),
    "dense_relu": lambda seed: layers.Dense(6, "relu"),
    "dense_tanh": lambda seed: layers.Dense(4, activation=keras.ops.tanh),
    "batch_norm": lambda seed: layers.BatchNormalization(),
    "layer_norm": lambda seed: layers.LayerNormalization(),
    "dropout": lambda seed: layers.Dropout(0.3),
    "dropout_seeded": lambda seed: layers.Dropout(0.3, seed=seed),
    "gaussian_noise": lambda seed: layers.GaussianNoise(0.1),
    "prelu": lambda seed: layers.PReLU(shared_axes=None),
    "mc_dropout": lambda seed: MCDropout(0.2),
    "our_prelu": lambda seed: OurPReLU(),
    "rrelu": lambda seed: RReLU(),
    "relu": lambda seed: layers.ReLU(),
    "leaky": lambda seed: layers.Activation("leaky_relu"),
    "gradient_clip": lambda seed: GradientClip(clipnorm=0.5),
}
OF_VECTORS = {
    **ANY,
    "maxout": lambda seed: MaxoutDense(4, 3),
    "dense_l2": lambda seed: layers.Dense(5, "elu", kernel_regularizer="l2"),
}
OF_IMAGES = {
    **ANY,
    "conv": lambda seed: layers.Conv2D(3, 2, padding="same", activation="relu"),
    "depthwise": lambda seed: layers.DepthwiseConv2D(2, padding="same"),
    "maxout_conv": lambda seed: MaxoutConv2D(2, 2, padding="same"),
    "spatial_dropout": lambda seed: layers.SpatialDropout2D(0.3),
    "max_pool": lambda seed: layers.MaxPooling2D(2, padding="same"),
}
OF_SERIES = {
    **ANY,
    "gru": lambda seed: layers.GRU(4, return_sequences=True),
    "gru_relu": lambda seed: layers.GRU(3, activation="relu", return_sequences=True),
    "lstm_dropout": lambda seed: layers.LSTM(
        3, dropout=0.2, recurrent_dropout=0.2, return_sequences=True
    ),
    "bidirectional": lambda seed: layers.Bidirectional(
        layers.LSTM(2, return_sequences=True)
    ),
    "time_distributed": lambda seed: layers.TimeDistributed(layers.Dense(4, "relu")),
    "attention": lambda seed: SelfAttention(),
    "stacked_rnn": lambda seed: layers.RNN(
        [layers.GRUCell(3), layers.SimpleRNNCell(2)], return_sequences=True
    ),
}
TABLES = {
    "vector": OF_VECTORS,
    "image": OF_IMAGES,
    "series": OF_SERIES,
    "tokens": OF_SERIES,
}


@keras.saving.register_keras_serializable(package="kcomponents_tests")
class SelfAttention(layers.Layer):
    """`MultiHeadAttention` of a series to itself, as a layer of one input."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(2, 3, dropout=0.1)

    def build(self, input_shape):
        self.attention.build(input_shape, input_shape)

    def call(self, inputs):
        return inputs + self.attention(inputs, inputs)


@keras.saving.register_keras_serializable(package="kcomponents_tests")
class Breaking(layers.Layer):
    """Identity that raises an exception at one of its calls in training."""

    # On the class, so that a layer has no counts among its attributes.
    calls_left = None

    def call(self, inputs, training=None):
        if training and Breaking.calls_left is not None:
            Breaking.calls_left -= 1
            if Breaking.calls_left == 0:
                raise Broken("the layer")
        return inputs


class Broken(Exception):
    """The exception of a program that ends with one."""


@keras.saving.register_keras_serializable(package="kcomponents_tests")
class Chain(keras.Model):
    """A subclassed model that calls its layers one after another."""

    def __init__(self, parts, **kwargs):
        super().__init__(**kwargs)
        self.parts = parts

    def call(self, inputs, training=None):
        for part in self.parts:
            inputs = part(inputs)
        return inputs

    def get_config(self):
        parts = [keras.saving.serialize_keras_object(part) for part in self.parts]
        return {**super().get_config(), "parts": parts}

    @classmethod
    def from_config(cls, config):
        parts = [keras.saving.deserialize_keras_object(p) for p in config.pop("parts")]
        return cls(parts, **config)


@keras.saving.register_keras_serializable(package="kcomponents_tests")
class CustomStep(keras.Model):
    """A functional model with the `train_step` of the Keras guides."""

    locals().update(train_step_of_the_guide())


# Settings.


def draw(seed, backend=BACKEND):
    """Return the settings of a random program as a dict."""
    rng = np.random.default_rng([seed, 7])

    def pick(options, p=None):
        return options[rng.choice(len(options), p=p)]

    def often(share):
        return bool(rng.random() < share)

    case = {"seed": seed}
    case["model"] = pick(KINDS)
    case["inputs"] = pick(list(INPUTS))
    table = list(TABLES[case["inputs"]])
    case["layers"] = [pick(table) for _ in range(rng.integers(1, 5))]
    case["frozen"] = often(0.2)
    case["policy"] = pick(POLICIES, [0.65, 0.15, 0.1, 0.1])
    case["task"] = pick(["regression", "classes"])
    case["optimizer"] = pick(["sgd", "momentum", "adam", "adamw", "rmsprop", "lion"])
    case["wrapped"] = pick(
        [None, "clipped", "clipnorm", "global_clipnorm", "clipvalue"]
    )
    case["ema"] = pick([None, "plain", "overwrite"], [0.7, 0.15, 0.15])
    case["accumulate"] = pick([None, 2], [0.8, 0.2])
    case["loss_scale"] = often(0.1)
    case["schedule"] = often(0.25)
    custom = case["model"] == "custom_step"
    several = backend != "torch" and not custom and often(0.25)
    case["steps_per_execution"] = 3 if several else 1
    case["eager"] = not several and often(0.2)
    case["source"] = pick(SOURCES, [0.55, 0.15, 0.15, 0.15])
    case["uneven"] = often(0.4)
    case["validation"] = often(0.5)
    weighing = [None] if custom or case["model"] == "two_inputs" else [None, "sample"]
    if case["task"] == "classes" and len(weighing) > 1 and case["source"] == "arrays":
        weighing.append("class")
    case["weights"] = pick(weighing)
    case["epochs"] = int(rng.integers(1, 4))
    case["fits"] = pick([1, 2], [0.7, 0.3])
    if backend == "jax" and case["ema"]:
        # Keras leaves averages and weights in one buffer, with which no `fit` begins.
        case["fits"] = 1
    if backend == "tensorflow" and custom and case["policy"] == "mixed_float16":
        # A loss scale keeps the list of this step; monitors build it as Keras does,
        # with a tuple.
        case["policy"] = "mixed_bfloat16"
    case["loss_scale"] &= not custom
    case["fault"] = pick([None, *FAULTS], [0.65, *[0.05] * 7])
    if case["fault"] == "data" and backend == "jax":
        # No callback sees the last finished step within an execution of several.
        case["steps_per_execution"] = 1
    case["callbacks"] = _draw_callbacks(pick, often, case)
    # As a notebook keeps the last exception, and with it all that `fit` had.
    if backend == "jax" and case["ema"]:
        # Keras puts the averages in the place of the weights after an exception too,
        # and leaves both in one buffer until they differ.
        case["fault"] = None
    case["kept"] = bool(case["fault"]) and often(0.5)
    return case


def _draw_callbacks(pick, often, case):
    every = pick([None, None, 1, 2, 3])
    options = {
        "GradientNormLogger": {"every": every, "per_variable": often(0.5)},
        "UpdateRatioMonitor": {"every": every, "sample": pick([1, 2, 16])},
        "DeadReLUMonitor": {"every": every, "data": often(0.3)},
        "SaturationMonitor": {"every": every, "data": often(0.3)},
        "FiniteGuard": {"every": every, "action": pick(["stop", "skip", "raise"])},
        "EarlyStopping": {
            "check_every": pick([None, 1, 2]) if case["validation"] else None,
            "restore_best_weights": often(0.5),
            "best_path": often(0.3),
            "state_path": often(0.3),
        },
        "Resume": {"save_freq": pick(["epoch", 1, 2])},
        "TrainingDoctor": {
            "every": pick(["epoch", 1, 3]),
            "data": often(0.3),
            "record_path": often(0.5),
        },
    }
    names = [*options, "all"]
    name = pick(names, [0.1] * 8 + [0.2])
    # `fit` is resumed, so a second one would train nothing.
    chosen = options if name == "all" else [name]
    if case["fits"] > 1 or case["fault"]:
        chosen = [name for name in chosen if name != "Resume"] or ["FiniteGuard"]
    return {name: options[name] for name in chosen}


# Models.


def model_of(case):
    """Return the built and compiled model of a program."""
    # Names and counts of Keras begin anew.
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(case["seed"])
    keras.config.set_dtype_policy(case["policy"])
    keras.config.set_floatx("float64" if case["policy"] == "float64" else "float32")
    model = _graph(case)
    if case["frozen"]:
        weighted = [layer for layer in model.layers if layer.weights]
        weighted[0].trainable = len(weighted) == 1
    losses = {
        "regression": "mse",
        "classes": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }
    loss, metrics = losses[case["task"]], ["mae"]
    metrics = ["accuracy"] if case["task"] == "classes" else metrics
    if case["model"] == "two_inputs":
        loss, metrics = {"one": loss, "two": "mse"}, {"one": metrics}
    options = {}
    if case["steps_per_execution"] > 1:
        options["steps_per_execution"] = case["steps_per_execution"]
    if case["model"] == "two_inputs":
        options["loss_weights"] = {"one": 1.0, "two": 0.5}
    weighted = metrics if case["weights"] else None
    model.compile(
        _optimizer(case),
        loss,
        metrics=None if weighted else metrics,
        weighted_metrics=weighted,
        run_eagerly=case["eager"],
        jit_compile=BACKEND == "jax",
        **options,
    )
    return model


def _parts(case):
    table = TABLES[case["inputs"]]
    parts = [table[name](case["seed"] + i) for i, name in enumerate(case["layers"])]
    if case["inputs"] == "tokens":
        parts.insert(0, layers.Embedding(9, 4, mask_zero=True))
    if case["fault"] == "layer":
        parts.append(Breaking())
    return [*parts, *_end(case)]


def _end(case):
    pooling = {
        "image": layers.GlobalAveragePooling2D,
        "series": lambda: layers.GRU(4),
        "tokens": layers.GlobalAveragePooling1D,
    }
    pool = pooling.get(case["inputs"])
    return [*([pool()] if pool else []), layers.Dense(_outputs(case), dtype=_wide())]


def _outputs(case):
    return 3 if case["task"] == "classes" else 1


def _wide():
    # Losses are computed in float32 at least.
    return "float64" if keras.config.floatx() == "float64" else "float32"


def _input(case, name=None):
    dtype = "int32" if case["inputs"] == "tokens" else None
    return keras.Input(INPUTS[case["inputs"]], dtype=dtype, name=name)


def _call(parts, tensor):
    for part in parts:
        tensor = part(tensor)
    return tensor


def _graph(case):
    parts, kind = _parts(case), case["model"]
    if kind == "sequential":
        return keras.Sequential([_input(case), *parts])
    if kind == "subclassed":
        model = Chain(parts)
        model.build((None, *INPUTS[case["inputs"]]))
        model(arrays_of(case)[0][:2])
        return model
    if kind == "nested":
        middle = len(parts) // 2
        first = _input(case)
        if middle:
            hidden = _call(parts[:middle], first)
            inner = keras.Input(hidden.shape[1:], dtype=hidden.dtype)
            nested = keras.Model(inner, _call(parts[middle:], inner))
            return keras.Model(first, nested(hidden))
        return keras.Model(first, keras.Sequential(parts)(first))
    if kind == "two_inputs":
        one, two = _input(case, "first"), keras.Input((4,), name="second")
        seen = [_call(parts[:-1], one), layers.Dense(3, "relu")(two)]
        hidden = layers.Concatenate()(seen)
        outputs = {
            "one": layers.Dense(_outputs(case), name="one", dtype=_wide())(hidden),
            "two": layers.Dense(2, name="two", dtype=_wide())(hidden),
        }
        return keras.Model({"first": one, "second": two}, outputs)
    first = _input(case)
    hidden = _call(parts[:-1], first)
    if kind == "shared":
        twice = layers.Dense(hidden.shape[-1], "relu")
        hidden = layers.Add()([twice(hidden), twice(twice(hidden))])
    if kind in ("functional", "shared"):
        side = layers.Dense(hidden.shape[-1], "selu")(hidden)
        hidden = layers.Add()([hidden, keras.ops.relu(side)])
    make = CustomStep if kind == "custom_step" else keras.Model
    return make(first, parts[-1](hidden))


def _optimizer(case):
    rate = 0.01
    if case["schedule"]:
        rate = keras.optimizers.schedules.CosineDecay(0.02, 10)
    options = {}
    if case["ema"]:
        overwrite = 2 if case["ema"] == "overwrite" else None
        options |= {"use_ema": True, "ema_momentum": 0.9}
        options |= {"ema_overwrite_frequency": overwrite}
    if case["accumulate"]:
        options["gradient_accumulation_steps"] = case["accumulate"]
    if case["wrapped"] in ("clipnorm", "global_clipnorm", "clipvalue"):
        options[case["wrapped"]] = 0.5
    # With a small epsilon, Adam would turn rounding errors into whole steps.
    kinds = {
        "sgd": (keras.optimizers.SGD, {}),
        "momentum": (keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
        "adam": (keras.optimizers.Adam, {"epsilon": 1e-2}),
        "adamw": (keras.optimizers.AdamW, {"epsilon": 1e-2, "weight_decay": 0.01}),
        "rmsprop": (keras.optimizers.RMSprop, {"epsilon": 1e-2}),
        "lion": (keras.optimizers.Lion, {}),
    }
    kind, given = kinds[case["optimizer"]]
    options |= given
    if case["wrapped"] == "clipped":
        optimizer = clipped(kind(rate, **options), global_clipnorm=0.5)
    else:
        optimizer = kind(rate, **options)
    if case["loss_scale"] and case["policy"] != "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


# Data.


def arrays_of(case):
    """Return the inputs and targets of a program as arrays."""
    rng = np.random.default_rng([case["seed"], 8])
    count = 3 * BATCH + (1 if case["uneven"] else 0)
    shape = (count, *INPUTS[case["inputs"]])
    kind = "float64" if case["policy"] == "float64" else "float32"
    if case["inputs"] == "tokens":
        x = rng.integers(0, 9, size=shape).astype("int32")
        # Without a token, some layers divide by 0.
        x[:, 0] = 1
    else:
        x = rng.normal(size=shape).astype(kind)
    if case["task"] == "classes":
        y = rng.integers(0, 3, size=(count, 1)).astype("int32")
    else:
        y = rng.normal(size=(count, 1)).astype(kind)
    if case["model"] == "two_inputs":
        x = {"first": x, "second": rng.normal(size=(count, 4)).astype(kind)}
        y = {"one": y, "two": rng.normal(size=(count, 2)).astype(kind)}
    return x, y


def data_of(case):
    """Return the arguments of `fit` that hold the data."""
    x, y = arrays_of(case)
    rng = np.random.default_rng([case["seed"], 9])
    count = len(keras.tree.flatten(x)[0])
    # Weights in float32, as Keras casts them.
    weights = rng.uniform(0.5, 2, size=count).astype("float32")
    options = {"epochs": case["epochs"], "verbose": 0}
    if case["validation"]:
        options["validation_data"] = (x, y)
        options["validation_batch_size"] = BATCH
    if case["weights"] == "class":
        options["class_weight"] = {0: 1.0, 1: 2.0, 2: 0.5}
    weights = [weights] if case["weights"] == "sample" else []
    faulty = case["fault"] == "data"
    if case["source"] == "arrays" and not faulty:
        options |= {"x": x, "y": y, "batch_size": BATCH}
        return options | ({"sample_weight": weights[0]} if weights else {})
    batches = [
        keras.tree.map_structure(lambda a, at=at: a[at : at + BATCH], (x, y, *weights))
        for at in range(0, count, BATCH)
    ]
    if case["source"] == "generator" or faulty:
        options["x"] = _endless(batches, len(batches) + 1 if faulty else None)
        options["steps_per_epoch"] = len(batches)
        if faulty:
            options["epochs"] = max(2, case["epochs"])
    elif case["source"] == "py_dataset":
        options["x"] = Batches(batches)
    else:
        options["x"] = _dataset((x, y, *weights))
    return options


def _endless(batches, until):
    place = 0
    while True:
        if until is not None and place == until:
            raise Broken("the data")
        yield batches[place % len(batches)]
        place += 1


class Batches(keras.utils.PyDataset):
    """A `PyDataset` of given batches."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def _dataset(arrays):
    if BACKEND == "torch":
        import torch

        tensors = keras.tree.map_structure(torch.as_tensor, arrays)
        count = len(keras.tree.flatten(tensors)[0])
        rows = [
            keras.tree.map_structure(lambda t, i=i: t[i], tensors) for i in range(count)
        ]
        return torch.utils.data.DataLoader(rows, batch_size=BATCH, shuffle=True)
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(arrays)
    return data.shuffle(20, seed=5).batch(BATCH)


# Callbacks.


def callbacks_of(case, folder):
    """Return the callbacks of ours in a program; their files are in a folder."""
    x, y = arrays_of(case)
    first = keras.tree.map_structure(lambda array: array[:BATCH], x)
    found = []
    for name, settings in case["callbacks"].items():
        options = dict(settings)
        path = os.path.join(folder, name)
        if name == "Resume":
            options["backup_dir"] = path
        if name == "TrainingDoctor":
            options["data"] = (x, y) if options["data"] else None
            options["record_path"] = f"{path}.jsonl" if options["record_path"] else None
        elif "data" in options:
            options["data"] = first if options["data"] else None
        if name == "EarlyStopping":
            monitor = "val_loss" if case["validation"] else "loss"
            options |= {"monitor": monitor, "patience": 100, "restore_on": ()}
            best = options["best_path"] and options["restore_best_weights"]
            options["best_path"] = f"{path}-best.npz" if best else None
            stop = options["state_path"]
            options["state_path"] = f"{path}-state.npz" if stop else None
        found.append(getattr(callbacks, name)(**options))
    return found


class Fault(keras.callbacks.Callback):
    """Raises an exception at the second call of a hook."""

    def __init__(self, hook, error):
        super().__init__()
        self.left = 1 if hook in ("on_train_begin", "on_epoch_end") else 2
        self.error = error
        setattr(self, hook, self.fail)

    def fail(self, *args, **kwargs):
        self.left -= 1
        if self.left == 0:
            raise self.error("a callback")


def faults_of(case):
    """Return the callback that ends a program, in a list."""
    hooks = {
        "batch_begin": ("on_train_batch_begin", Broken),
        "batch_end": ("on_train_batch_end", Broken),
        "epoch_end": ("on_epoch_end", Broken),
        "train_begin": ("on_train_begin", Broken),
        "stop_iteration": ("on_train_batch_end", StopIteration),
    }
    found = hooks.get(case["fault"])
    return [Fault(*found)] if found else []
