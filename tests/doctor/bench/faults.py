"""Faults: changes of the data or the settings of any program that they fit.

A fault has several strengths. Whether one does harm to a program is measured, not
assumed. `accepted` are the labels that name the cause, `symptoms` those that are true
but leave the user without it.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

FAULTS: dict[str, "Fault"] = {}
CLASSES = ("class", "binary", "one hot")
SCALED = ("numbers", "picture", "series")
POOR_FIT = frozenset({"not_learning", "slow_learning", "underfitting"})


@dataclasses.dataclass(frozen=True)
class Fault:
    """A change that may do harm.

    Attributes:
        name: Name, the word for what is wrong.
        strengths: Values to try, or `(None,)`.
        accepted: Labels of the doctor that name the cause.
        symptoms: Labels that are true as well.
        fits: Function of a program: whether the fault can be put into it.
        apply: Function of the program, its data, its settings, a strength and a
            generator of random numbers, which changes data and settings in place.
    """

    name: str
    strengths: tuple[Any, ...]
    accepted: frozenset[str]
    symptoms: frozenset[str]
    fits: Callable[..., bool]
    apply: Callable[..., None]

    def change(self, program, strength):
        """Return the change of data and settings, as `run` takes it."""

        def change(data, settings, random):
            self.apply(program, data, settings, strength, random)

        return change


def fault(accepted, *, strengths=(None,), symptoms=POOR_FIT, fits=lambda p: True):
    """Register a function as the fault of its name."""

    def register(apply):
        known = frozenset(accepted.split()), frozenset(symptoms)
        FAULTS[apply.__name__] = Fault(apply.__name__, strengths, *known, fits, apply)
        return apply

    return register


def has(*names):
    """Return whether a program has these settings."""
    return lambda p: all(getattr(p.settings, name) is not None for name in names)


def has_targets(*kinds):
    """Return whether a program has a target of one of these kinds, or any."""
    return lambda p: any(not kinds or kind in kinds for kind in p.targets.values())


def has_inputs(*kinds):
    """Return whether a program has an input of one of these kinds."""
    return lambda p: any(kind in kinds for kind in p.inputs.values())


def named(values, kinds, wanted):
    """Return the names of the arrays of these kinds."""
    return [name for name in values if kinds.get(name) in wanted]


def parts_to_train(data):
    """Return the rows that `fit` sees."""
    return [part for part in (data.train, data.validation) if part is not None]


def classes_of(program, part):
    """Return the class of each row by the first target with classes, or None."""
    for name, kind in program.targets.items():
        values = part.y.get(name)
        if values is None or kind not in CLASSES:
            continue
        if kind == "one hot":
            return values.argmax(-1).reshape(len(values), -1)[:, 0]
        return values.reshape(len(values), -1)[:, 0].astype(int)
    return None


def has_classes(program):
    """Return whether each row has a class."""
    return has_targets(*CLASSES)(program)


# Labels.


LABELS = "label_problem uninformative_labels"


@fault(
    LABELS,
    strengths=(0.5, 1.0),
    symptoms=POOR_FIT | {"overfitting"},
    fits=has_targets(),
)
def labels_shuffled(program, data, settings, strength, random):
    """Give a share of the rows the targets of other rows, in all parts of `fit`."""
    for part in parts_to_train(data):
        chosen = random.random(len(part)) < strength
        order = np.arange(len(part))
        order[chosen] = random.permutation(order[chosen])
        part.y = {name: values[order] for name, values in part.y.items()}


@fault(LABELS, symptoms=POOR_FIT | {"overfitting"}, fits=has_targets())
def labels_shifted(program, data, settings, strength, random):
    """Give each row the targets of the next row, in training alone."""
    data.train.y = {k: np.roll(v, 1, axis=0) for k, v in data.train.y.items()}


@fault(LABELS, strengths=(0.3, 0.6), symptoms=POOR_FIT, fits=has_classes)
def labels_noisy(program, data, settings, strength, random):
    """Give a share of the rows a class at random."""
    for name in named(data.train.y, program.targets, CLASSES):
        values = data.train.y[name]
        chosen = random.random(len(values)) < strength
        other = values[random.permutation(len(values))]
        data.train.y[name] = np.where(
            chosen.reshape(-1, *[1] * (values.ndim - 1)), other, values
        )


def pairs_of_targets(program):
    """Return two targets of the same kind, or None."""
    for first, kind in program.targets.items():
        for second, other in program.targets.items():
            if first < second and kind == other:
                return first, second
    return None


@fault(
    "label_problem swapped_targets",
    fits=lambda program: pairs_of_targets(program) is not None,
)
def targets_swapped(program, data, settings, strength, random):
    """Swap the targets of two outputs."""
    first, second = pairs_of_targets(program)
    for part in parts_to_train(data):
        if part.y[first].shape == part.y[second].shape:
            part.y[first], part.y[second] = part.y[second], part.y[first]


# Scale.


@fault("unnormalized_input", fits=has("scale"))
def scale_missing(program, data, settings, strength, random):
    """Leave the inputs as they come."""
    settings.scale = None


@fault("unnormalized_input", fits=has("scale"))
def scale_doubled(program, data, settings, strength, random):
    """Scale the inputs twice."""
    settings.scale = settings.scale**2


@fault(
    "unnormalized_input data_split_problem",
    symptoms={"overfitting"},
    fits=lambda p: has_inputs(*SCALED)(p) and p.data(0).validation is not None,
)
def scale_of_validation(program, data, settings, strength, random):
    """Scale the validation data otherwise, and the rows to score, as in production."""
    for part in (data.validation, data.test):
        for name in named(part.x, program.inputs, SCALED) if part else ():
            part.x[name] = part.x[name] * np.float32(settings.scale or 1 / 255)


@fault(
    "unnormalized_input",
    strengths=(30.0, 1000.0),
    fits=lambda p: has_inputs("numbers")(p) and p.settings.scale is None,
)
def columns_unscaled(program, data, settings, strength, random):
    """Give a half of the columns another unit, in all rows."""
    for name in named(data.train.x, program.inputs, ("numbers",)):
        width = data.train.x[name].shape[-1]
        units = np.where(np.arange(width) % 2, 1, strength).astype("float32")
        for part in (*parts_to_train(data), data.test):
            part.x[name] = part.x[name] * units


@fault(
    "unnormalized_target",
    strengths=(100.0, 10000.0),
    fits=lambda p: list(p.targets.values()) == ["numbers"],
)
def targets_unscaled(program, data, settings, strength, random):
    """Give the targets another unit and another zero, in all rows."""
    for part in (*parts_to_train(data), data.test):
        part.y = {k: (v + 3) * np.float32(strength) for k, v in part.y.items()}


# Learning rate and steps.


@fault(
    "learning_rate_too_high",
    strengths=(10.0, 100.0, 1000.0, 10000.0),
    symptoms=POOR_FIT | {"oscillating_loss", "loss_nan", "dead_relu"},
)
def rate_too_high(program, data, settings, strength, random):
    """Multiply the learning rate."""
    settings.rate *= strength


@fault("learning_rate_too_low", strengths=(10.0, 100.0, 1000.0, 10000.0))
def rate_too_low(program, data, settings, strength, random):
    """Divide the learning rate."""
    settings.rate /= strength


@fault("slow_learning learning_rate_too_low")
def too_few_steps(program, data, settings, strength, random):
    """Train for one epoch with large batches."""
    settings.epochs, settings.batch_size = 1, settings.batch_size * 8


@fault("learning_rate_too_low wrong_optimizer_setting", strengths=(1e-4, 1e-2))
def clipped_too_hard(program, data, settings, strength, random):
    """Clip the norm of each gradient to next to nothing."""
    settings.clipnorm = strength


# Loss and output.


WRONG_LOSS = {
    "categorical_crossentropy": "binary_crossentropy",
    "sparse_categorical_crossentropy": "mean_squared_error",
    "binary_crossentropy": "categorical_crossentropy",
    "mean_squared_error": "binary_crossentropy",
    "mse": "binary_crossentropy",
    "mean_absolute_error": "binary_crossentropy",
    "mae": "binary_crossentropy",
}


def has_another_loss(program):
    """Return whether there is a loss of another task that Keras can compute."""
    loss, kinds = program.settings.loss, set(program.targets.values())
    # Keras cannot compare a row of integers with a row of units.
    fails = loss == "sparse_categorical_crossentropy" and kinds != {"class"}
    return isinstance(loss, str) and loss in WRONG_LOSS and not fails


@fault("wrong_loss_or_output_activation", fits=has_another_loss)
def loss_of_another_task(program, data, settings, strength, random):
    """Use the loss of another task."""
    settings.loss = WRONG_LOSS[settings.loss]


@fault(
    "wrong_loss_or_output_activation",
    strengths=("relu", "tanh", "sigmoid"),
    symptoms=POOR_FIT | {"saturated_activation", "dead_relu"},
    fits=has("output_activation"),
)
def wrong_output_activation(program, data, settings, strength, random):
    """Use another activation of the output."""
    if settings.output_activation == strength:
        strength = "tanh" if strength == "relu" else "relu"
    settings.output_activation = strength


@fault("wrong_loss_or_output_activation", fits=has("from_logits"))
def logits_mistaken(program, data, settings, strength, random):
    """Tell the loss the opposite of what the output is."""
    settings.from_logits = not settings.from_logits


@fault("wrong_loss_or_output_activation label_problem future_leak", fits=has("axis"))
def wrong_axis(program, data, settings, strength, random):
    """Work along another axis."""
    settings.axis = 1 if settings.axis in (-1, 2, 3) else -1


# Regularization and noise.


@fault("over_regularized", strengths=(0.8, 0.95), fits=has("dropout"))
def dropout_too_strong(program, data, settings, strength, random):
    """Drop almost everything."""
    settings.dropout = strength


@fault("over_regularized", strengths=(0.1, 1.0), fits=has("penalty"))
def penalty_too_strong(program, data, settings, strength, random):
    """Penalize the weights more than the errors."""
    settings.penalty = strength


# Keras takes no more than 1.
@fault("over_regularized train_inference_gap", strengths=(1.0,), fits=has("noise"))
def noise_too_strong(program, data, settings, strength, random):
    """Add more noise than there is signal."""
    settings.noise = strength


@fault(
    "train_inference_gap",
    strengths=(0.999, 0.9999),
    symptoms={"overfitting"},
    fits=has("batch_normalization"),
)
def averages_unsettled(program, data, settings, strength, random):
    """Let the moving averages move too slowly for so few steps."""
    settings.batch_normalization = strength


# Weights.


@fault("no_gradient frozen_layers", fits=lambda p: p.settings.frozen == ())
def layers_frozen(program, data, settings, strength, random):
    """Freeze all layers."""
    # As `run` does, so that the layers get the same names.
    keras.backend.clear_session()
    model = program.build(settings)
    settings.frozen = tuple(layer.name for layer in model.layers if layer.weights)


INITIALIZERS = {
    "zeros": lambda: keras.initializers.Zeros(),
    "same": lambda: keras.initializers.Constant(0.05),
    "large": lambda: keras.initializers.RandomNormal(stddev=3.0, seed=1),
    "negative": lambda: keras.initializers.RandomUniform(-1.0, 0.0, seed=1),
    "tiny": lambda: keras.initializers.RandomNormal(stddev=1e-5, seed=1),
}


@fault(
    "bad_initialization",
    strengths=tuple(INITIALIZERS),
    symptoms=POOR_FIT
    | {
        "dead_relu",
        "saturated_activation",
        "vanishing_gradient",
        "exploding_gradient",
        "loss_nan",
    },
    # Those that have one say so; None is the default of Keras.
    fits=lambda p: p.settings.activation is not None,
)
def dead_start(program, data, settings, strength, random):
    """Start from weights that cannot learn, or hardly."""
    settings.kernel_initializer = INITIALIZERS[strength]()


@fault("float16_training loss_nan")
def all_in_float16(program, data, settings, strength, random):
    """Compute and keep everything in half precision."""
    settings.dtype = "float16"


# Rows.


@fault("data_split_problem", symptoms={"oscillating_loss"}, fits=has_classes)
def rows_in_order_of_class(program, data, settings, strength, random):
    """Sort the rows by class, and do not shuffle them."""
    order = np.argsort(classes_of(program, data.train), kind="stable")
    data.train, settings.shuffle = data.train.rows(order), False


@fault(
    "data_split_problem",
    symptoms={"overfitting"},
    fits=lambda p: has_classes(p) and has_inputs("numbers")(p),
)
def leak(program, data, settings, strength, random):
    """Let a column of training and validation give the class away."""
    for part in parts_to_train(data):
        for name in named(part.x, program.inputs, ("numbers",))[:1]:
            values = part.x[name].copy()
            values[..., 0] = classes_of(program, part).reshape(
                -1, *[1] * (values.ndim - 2)
            )
            part.x[name] = values


@fault("data_split_problem", symptoms={"overfitting"}, fits=has_classes)
def classes_only_in_validation(program, data, settings, strength, random):
    """Train without the rows of the last classes."""
    classes = classes_of(program, data.train)
    kept = classes <= np.quantile(classes, 0.6)
    if kept.all():
        kept = classes < classes.max()
    data.train = data.train.rows(kept)


@fault("class_imbalance", strengths=(0.02, 0.005), fits=has_classes)
def rare_classes(program, data, settings, strength, random):
    """Keep few rows of all classes but the most frequent one."""
    classes = classes_of(program, data.train)
    frequent = np.bincount(classes).argmax()
    kept = (classes == frequent) | (random.random(len(classes)) < strength)
    data.train = data.train.rows(kept)


@fault(
    "class_imbalance",
    strengths=(100.0, 10000.0),
    fits=lambda p: list(p.targets.values()) in (["class"], ["binary"]),
)
def weights_overdone(program, data, settings, strength, random):
    """Give one class far too much weight."""
    classes = np.unique(classes_of(program, data.train))
    settings.class_weight = {int(c): 1.0 for c in classes}
    settings.class_weight[int(classes[-1])] = strength


@fault("embedding_too_short label_problem", fits=has("vocabulary"))
def embedding_too_short(program, data, settings, strength, random):
    """Give the embedding fewer rows than there are ids."""
    settings.vocabulary = max(2, settings.vocabulary // 3)


@fault("mask_missing class_imbalance", fits=lambda p: p.settings.mask is True)
def mask_dropped(program, data, settings, strength, random):
    """Let the network learn the padding."""
    settings.mask = False


@fault("unnormalized_input constant_input", fits=has_inputs(*SCALED))
def inputs_blank(program, data, settings, strength, random):
    """Let the pipeline deliver inputs that are next to constant."""
    for name in named(data.train.x, program.inputs, SCALED):
        middle = data.train.x[name].mean()
        for part in (*parts_to_train(data), data.test):
            part.x[name] = middle + np.float32(1e-3) * (part.x[name] - middle)
