"""Components on the GPU: equal to the CPU in outputs, gradients and trained weights."""

import contextlib
import dataclasses
import functools
import zlib
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from gpu_checks.rows import Row
from kcomponents import (
    constraints,
    inference,
    initializers,
    layers,
    regularizers,
    testing,
)
from kcomponents.optimizers import clipped

BACKEND = keras.backend.backend()
# Policy → the bound of a relative error. In float32 a sum of up to 800 products, in
# another order, is off by at most 800 units of 2**-24. In 16 bits each sum is rounded:
# JAX and PyTorch on one CPU are up to four units of 2**-7 or 2**-10 apart; twice that.
BOUNDS = {"float32": 5e-5, "mixed_bfloat16": 8 * 2**-7, "mixed_float16": 8 * 2**-10}
# Equal seeds give equal numbers on every device.
SAME_DRAWS = BACKEND == "jax"
RATE = 0.25


@dataclasses.dataclass
class Subject:
    """A layer, the shape of its inputs, and whether training draws random numbers."""

    make: Callable
    shape: tuple
    draws: bool = False


SUBJECTS = {
    "Maxout": Subject(lambda: layers.Maxout(4), (16, 6, 64)),
    "MaxoutDense": Subject(lambda: layers.MaxoutDense(32, 3), (32, 96)),
    "MaxoutConv1D": Subject(
        lambda: layers.MaxoutConv1D(16, 3, 2, padding="same"), (8, 24, 32)
    ),
    "MaxoutConv2D": Subject(
        lambda: layers.MaxoutConv2D(16, 3, 2, strides=2), (8, 15, 15, 24)
    ),
    "MaxoutConv3D": Subject(lambda: layers.MaxoutConv3D(8, 2, 2), (4, 6, 6, 6, 12)),
    "PReLU": Subject(
        lambda: layers.PReLU(alpha_initializer="glorot_uniform"), (16, 8, 40)
    ),
    "RReLU": Subject(lambda: layers.RReLU(seed=1), (16, 80), draws=True),
    "PreActivationResidual": Subject(
        lambda: layers.PreActivationResidual(24, strides=2), (8, 12, 12, 16)
    ),
    "GradientClip": Subject(
        lambda: layers.GradientClip(clipnorm=0.2, clipvalue=0.1), (16, 48)
    ),
}
# What a trial trains: to compile all layers would take most of its time.
QUICK = ("Maxout", "MaxoutDense", "MaxoutConv2D", "PReLU", "GradientClip")
DROPOUTS = {
    "MCDropout": Subject(lambda: layers.MCDropout(RATE, seed=1), (64, 512)),
    "MCSpatialDropout1D": Subject(
        lambda: layers.MCSpatialDropout1D(RATE, seed=1), (64, 4, 128)
    ),
    "MCSpatialDropout2D": Subject(
        lambda: layers.MCSpatialDropout2D(RATE, seed=1), (64, 2, 3, 128)
    ),
    "MCSpatialDropout3D": Subject(
        lambda: layers.MCSpatialDropout3D(RATE, seed=1), (64, 2, 2, 3, 128)
    ),
}
REGULARIZERS = {
    "L1": lambda: regularizers.L1(0.1),
    "L2": lambda: regularizers.L2(0.1),
    "L1L2": lambda: regularizers.L1L2(0.1, 0.2),
    "ElasticNet": lambda: regularizers.ElasticNet(0.1, 0.3),
    "GroupLasso": lambda: regularizers.GroupLasso(0.1),
    "SparseGroupLasso": lambda: regularizers.SparseGroupLasso(0.1),
    "Orthogonal": lambda: regularizers.Orthogonal(0.1),
    "KLSparsity": lambda: regularizers.KLSparsity(),
}
CONSTRAINTS = {
    "MaxNorm": lambda: constraints.MaxNorm(1.0),
    "UnitNorm": lambda: constraints.UnitNorm(),
    "MinMaxNorm": lambda: constraints.MinMaxNorm(0.5, 1.0, 0.7),
    "Clip": lambda: constraints.Clip(0.1),
    "UnitInterval": lambda: constraints.UnitInterval(),
    "ProximalGroup": lambda: constraints.ProximalGroup(0.3),
    "SoftThreshold": lambda: constraints.SoftThreshold(0.1),
}
# The initializer and the shape of the weight; the second ones draw random numbers.
FIXED = {
    "ScaledIdentity": (lambda: initializers.ScaledIdentity(0.5), (48, 32)),
    "ConvIdentity": (lambda: initializers.ConvIdentity(), (3, 3, 16, 24)),
    "IRNN": (lambda: initializers.IRNN(), (32, 32)),
    "Blocked": (lambda: initializers.Blocked("identity", 4), (24, 96)),
}
DRAWN = {
    "PerPiece": (
        lambda: initializers.PerPiece(keras.initializers.HeNormal(1), 2),
        (64, 128),
    ),
    "Blocked": (
        lambda: initializers.Blocked(keras.initializers.Orthogonal(seed=1), 4),
        (64, 256),
    ),
    "recommended_for": (lambda: initializers.recommended_for("relu", seed=1), (64, 96)),
}
OPTIMIZERS = {
    "global_clipnorm": lambda: clipped(
        keras.optimizers.SGD(0.1, 0.9), global_clipnorm=1.0
    ),
    "clipnorm": lambda: clipped(keras.optimizers.SGD(0.1, 0.9), clipnorm=0.5),
    "clipvalue": lambda: clipped("rmsprop", clipvalue=0.1),
    "agc": lambda: clipped(keras.optimizers.SGD(0.1), agc=0.05),
    "zero": lambda: clipped("adam", global_clipnorm=1.0, nonfinite="zero"),
    "skip": lambda: clipped("adam", global_clipnorm=1.0, nonfinite="skip"),
}


def noise(name, shape):
    """Return normal noise that is the same on every device and backend."""
    return np.random.default_rng(zlib.crc32(name.encode())).normal(size=shape)


def sample(name, shape):
    """Return noise in float32."""
    return noise(name, shape).astype("float32")


@contextlib.contextmanager
def policy(name):
    """Set the dtype policy of Keras for a while."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def on_cpu():
    """Return the context in which the CPU computes; outside it, it is the GPU."""
    # PyTorch takes "cpu:0" for another device than "cpu", where the weights are.
    return keras.device("cpu" if BACKEND == "torch" else "cpu:0")


def array(tensor):
    """Return a tensor as an array of a type that numpy can subtract."""
    return ops.convert_to_numpy(ops.cast(tensor, "float32")).astype("float64")


def error_of(found, expected):
    """Return the largest relative error of arrays, by the norms of each."""
    errors = []
    for a, b in zip(found, expected, strict=True):
        a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
        if a.shape != b.shape:
            raise ValueError(f"The shape is {a.shape}, and {b.shape} on the CPU.")
        off, size = np.linalg.norm(a - b), np.linalg.norm(b)
        errors.append(off / size if size else off)
    # NaN on both sides is a fault too.
    return float(max(errors)) if np.isfinite(sum(errors)) else float("inf")


def error(outcome):
    """Return the relative error of an outcome on the GPU, beside the CPU."""
    found = outcome()
    with on_cpu():
        expected = outcome()
    return error_of(found, expected)


def row(errors):
    """Return the row of errors by policy."""
    bounds = [BOUNDS[policy] for policy in errors]
    ok = all(e <= b for e, b in zip(errors.values(), bounds, strict=True))
    sides = errors.values(), bounds
    return Row(*(" · ".join(f"{v:.1e}" for v in side) for side in sides), ok)


def fill(weights, name):
    """Give trainable weights the same values on every device."""
    for number, weight in enumerate(weights):
        fan = max(1, int(np.prod(weight.shape[:-1])))
        values = noise(f"{name} {number}", weight.shape) / np.sqrt(fan)
        weight.assign(values.astype("float32"))


def evaluated(name, subject):
    """Return the outputs of a layer, and the gradients by its inputs and weights."""
    layer = subject.make()
    layer.build(subject.shape)
    weights = layer.trainable_weights
    fill(weights, name)
    x = sample(name, subject.shape)
    shape = layer.compute_output_shape(subject.shape)

    def total(direction, x, *values):
        with keras.StatelessScope(list(zip(weights, values, strict=True))):
            y = layer(x, training=False)
        return ops.sum(ops.cast(y, "float32") * direction)

    values = [array(weight).astype("float32") for weight in weights]
    # The slope of the total by the direction is the outputs.
    return slopes(total, [sample(f"{name}, direction", shape), x, *values])


def slopes(function, arrays):
    """Return the gradients of a compiled scalar function by each argument."""
    if BACKEND != "jax":
        return testing.gradient(testing.compiled(function), *arrays)
    import jax

    # In one program: the gradient of a compiled function would be two.
    return jax.jit(jax.grad(function, tuple(range(len(arrays)))))(*arrays)


def layer_row(name):
    """Compare a layer in each precision."""
    errors = {}
    for each in BOUNDS:
        with policy(each):
            errors[each] = error(lambda: evaluated(name, SUBJECTS[name]))
    return row(errors)


def trained(optimizer, names, epochs=2):
    """Train layers, each with a head of its own, in one model; return it."""
    keras.utils.set_random_seed(0)
    chosen = {name: SUBJECTS[name] for name in names}
    if not SAME_DRAWS:
        chosen = {name: each for name, each in chosen.items() if not each.draws}
    inputs = {name: keras.Input(s.shape[1:], name=name) for name, s in chosen.items()}
    heads = [
        keras.layers.Dense(1)(keras.layers.Flatten()(subject.make()(inputs[name])))
        for name, subject in chosen.items()
    ]
    total = keras.layers.Activation("linear", dtype="float32")(
        keras.layers.Concatenate()(heads)
    )
    model = keras.Model(inputs, total)
    fill(model.trainable_variables, "all layers")
    model.compile(optimizer, "mse")
    x = {name: sample(name, (16, *s.shape[1:])) for name, s in chosen.items()}
    y = sample("targets", (16, len(chosen)))
    model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return model


def trained_weights(names):
    """Return the weights of layers after four steps."""
    model = trained(keras.optimizers.SGD(0.01, 0.9), names)
    return [array(v) for v in model.trainable_variables]


def training_row(names):
    """Compare weights after a few steps; float16 has its own row."""
    errors = {}
    for each in ("float32", "mixed_bfloat16"):
        with policy(each):
            errors[each] = error(functools.partial(trained_weights, names))
    return row(errors)


def loss_scaling_row(names):
    """Compare a training in float16 whose first steps overflow and are skipped."""
    start, epochs = 2.0**20, 6

    def outcome():
        inner = clipped(keras.optimizers.SGD(0.01, 0.9), global_clipnorm=1.0)
        scaling = keras.optimizers.LossScaleOptimizer(inner, initial_scale=start)
        model = trained(scaling, names, epochs)
        applied = int(array(inner.iterations))
        ends.append((float(array(scaling.dynamic_scale)), applied))
        return [array(v) for v in model.trainable_variables]

    ends = []
    with policy("mixed_float16"):
        found = row({"mixed_float16": error(outcome)})
    (scale, applied), steps = ends[0], 2 * epochs
    found.result += f", {steps - applied} of {steps} steps skipped"
    found.ok &= ends[0] == ends[1] and scale < start and 0 < applied < steps
    return found


def regularizer_errors(dtype):
    """Return the errors of penalties and their gradients, by name."""
    # In (0, 1), as KL sparsity takes it; the others must not mind.
    weight = np.random.default_rng(1).uniform(0.05, 0.95, (24, 30)).astype("float32")
    weights = [weight] * len(REGULARIZERS)

    def penalties(*weights):
        pairs = zip(REGULARIZERS.values(), weights, strict=True)
        found = [make()(ops.cast(w, dtype)) for make, w in pairs]
        return [ops.cast(value, "float32") for value in found]

    def outcome():
        # One sum, each term of which has a weight of its own, compiles once.
        values = testing.compiled(penalties)(*map(ops.convert_to_tensor, weights))
        found = slopes(lambda *weights: sum(penalties(*weights)), weights)
        return [[array(v), slope] for v, slope in zip(values, found, strict=True)]

    return named_errors(REGULARIZERS, outcome)


def constraint_errors(dtype):
    """Return the errors of projected weights, by name."""

    def outcome():
        weight = ops.cast(0.3 * sample("weight", (24, 30)), dtype)
        project = testing.compiled(
            lambda w: [make()(w) for make in CONSTRAINTS.values()]
        )
        return [[array(projected)] for projected in project(weight)]

    return named_errors(CONSTRAINTS, outcome)


def named_errors(names, outcome):
    """Return the error of each part of an outcome, by name."""
    found = outcome()
    with on_cpu():
        expected = outcome()
    parts = zip(names, found, expected, strict=True)
    return {name: error_of(a, b) for name, a, b in parts}


def worst_row(errors_of):
    """Return the row of the worst of several things in each precision."""
    worst, beyond = {}, []
    for each in BOUNDS:
        errors = errors_of(each.removeprefix("mixed_"))
        worst[each] = max(errors.values())
        beyond += [n for n, e in errors.items() if e > BOUNDS[each] and n not in beyond]
    found = row(worst)
    found.result += f" ({', '.join(beyond)})" if beyond else ""
    return found


def fixed_initializers_row():
    """Compare initializers that draw nothing: they must be equal."""

    def outcome():
        return [array(make()(shape)) for make, shape in FIXED.values()]

    worst = error(outcome)
    return Row(f"{worst:.1e}", "0", worst == 0)


def drawn_initializers_row():
    """Compare initializers with a seed: again on the GPU, and beside the CPU."""

    def outcome():
        return [array(make()(shape)) for make, shape in DRAWN.values()]

    again = error_of(outcome(), outcome())
    if SAME_DRAWS:
        found = row({"float32": error(outcome)})
    else:
        # Generators differ by device, so that only the spread can be compared.
        spread = error(lambda: [[np.std(drawn)] for drawn in outcome()])
        found = Row(f"spread off by {spread:.1e}", "5.0e-02", spread <= 0.05)
    found.result += f", again {again:.0e}"
    found.ok &= again == 0
    return found


def lsuv_row():
    """Scale the weights of a net on the GPU, and look at the variances."""
    model = keras.Sequential([keras.Input((32,))])
    for _ in range(3):
        model.add(keras.layers.Dense(32, "relu"))
    told = initializers.lsuv(model, sample("data", (256, 32)), seed=1)
    off = max(abs(variance - 1) for _, variance, _ in told)
    return Row(f"{off:.3f}", "0.1", off <= 0.1)


def optimizer_row():
    """Compare optimizers of `clipped` after steps, one of them with a NaN."""

    def outcome(name):
        shapes = [(20, 30), (3, 3, 4, 8)]
        weights = [keras.Variable(sample(f"weight {s}", s)) for s in shapes]
        optimizer = OPTIMIZERS[name]()
        for step in range(4):
            grads = [sample(f"gradient {step} {s}", s) for s in shapes]
            if step == 2 and name in ("zero", "skip"):
                grads[0][0, 0] = np.nan
            optimizer.apply([ops.convert_to_tensor(g) for g in grads], weights)
        return [
            array(v) for v in [*weights, *optimizer.variables] if "float" in v.dtype
        ]

    errors = {name: error(functools.partial(outcome, name)) for name in OPTIMIZERS}
    return row({"float32": max(errors.values())})


def drawn(subject, training):
    """Return the inputs and outputs of a layer that draws random numbers."""
    layer = subject.make()
    layer.build(subject.shape)
    # No value near zero, whose slope would be rounding.
    x = sample("drawn", subject.shape)
    x = np.where(np.abs(x) < 0.1, 0.1, x).astype("float32")
    return x, array(layer(x, training=training))


def draws_row(subject, judge, training):
    """Return the row of a layer that draws: by its definition, again, on the CPU."""
    x, y = drawn(subject, training)
    told = judge(x, y)
    again = error_of([y], [drawn(subject, training)[1]])
    found = Row(f"{told}, again {again:.0e}", "as defined, again 0")
    found.ok = told == "as defined" and again == 0
    if SAME_DRAWS:
        off = error(lambda: [drawn(subject, training)[1]])
        found.result += f", beside the CPU {off:.1e}"
        found.ok &= off <= BOUNDS["float32"]
    return found


def judge_dropout(x, y):
    """Say whether units are either dropped or scaled, as many as the rate says."""
    kept = y != 0
    off = np.abs(y - x / (1 - RATE))[kept].max() / np.abs(x).max()
    # The mask of a spatial dropout is shared by all places of a channel.
    shared = kept.reshape(len(kept), -1, kept.shape[-1])
    whole = (shared.all(1) | ~shared.any(1)).all() or kept.ndim == 2
    near = abs(kept.mean() - (1 - RATE)) < 0.03
    right = off <= 1e-6 and whole and near
    return "as defined" if right else f"kept {kept.mean():.3f}, off by {off:.1e}"


def judge_rrelu(x, y):
    """Say whether positive values pass and slopes of negative ones are in the range."""
    slopes = (y / x)[x < 0]
    inside = slopes.min() >= 1 / 8 - 1e-6 and slopes.max() <= 1 / 3 + 1e-6
    right = inside and (y[x > 0] == x[x > 0]).all() and slopes.std() > 0.05
    return "as defined" if right else f"slopes {slopes.min():.3f}-{slopes.max():.3f}"


def dropouts_row():
    """Return the worst of the dropouts that are active in inference."""
    rows = []
    for name, subject in DROPOUTS.items():
        rows.append(draws_row(subject, judge_dropout, False))
        rows[-1].result += "" if rows[-1].ok else f" ({name})"
    return next((found for found in rows if not found.ok), rows[0])


def prediction_row():
    """Compare predictions with all units, scaled, of a model with dropout."""

    def outcome():
        inputs = keras.Input((40,))
        hidden = keras.layers.Dense(64, "relu")(inputs)
        hidden = layers.MCDropout(RATE)(hidden)
        model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(hidden))
        fill(model.trainable_variables, "prediction")
        x = sample("prediction", (48, 40))
        mean = inference.mc_predict(model, x, samples=4).mean
        if not np.allclose(np.sum(mean, -1), 1, atol=1e-5):
            raise ValueError("The sampled probabilities do not sum to 1.")
        return [np.asarray(inference.weight_scaling_predict(model, x))]

    return row({"float32": error(outcome)})


def checks(trial):
    """Return the checks of this part by name."""
    equal, seed = "Equal to the CPU: ", "Random with a seed: "
    names = QUICK if trial else list(SUBJECTS)
    rrelu = functools.partial(draws_row, SUBJECTS["RReLU"], judge_rrelu, True)
    return {
        **{equal + name: functools.partial(layer_row, name) for name in SUBJECTS},
        equal + "four training steps": functools.partial(training_row, names),
        equal + "float16 with loss scaling": functools.partial(loss_scaling_row, names),
        equal + f"{len(REGULARIZERS)} regularizers": functools.partial(
            worst_row, regularizer_errors
        ),
        equal + f"{len(CONSTRAINTS)} constraints": functools.partial(
            worst_row, constraint_errors
        ),
        equal + f"{len(FIXED)} initializers without a seed": fixed_initializers_row,
        equal + f"{len(DRAWN)} initializers with a seed": drawn_initializers_row,
        equal + f"{len(OPTIMIZERS)} clipped optimizers": optimizer_row,
        equal + "weight_scaling_predict": prediction_row,
        seed + f"{len(DROPOUTS)} layers of MC dropout": dropouts_row,
        seed + "RReLU in training": rrelu,
        "lsuv: distance from unit variance": lsuv_row,
    }
