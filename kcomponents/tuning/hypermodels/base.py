"""Base of the ready hypermodels: their arguments, common choices and `compile`."""

from typing import TYPE_CHECKING

import keras

from kcomponents import activations
from kcomponents._checks import fail, one_of, positive_int
from kcomponents._optional import require
from kcomponents.tuning._choice_arguments import Layers, choices_of, default_of
from kcomponents.tuning.choices import (
    choose_dropout,
    choose_normalization,
    choose_regularizer,
)
from kcomponents.tuning.optimizer import choose_optimizer, decay_kernels_only

if TYPE_CHECKING:
    import keras_tuner

TASKS = "classification", "regression"


class ReadyHyperModel:
    """Mixin of the ready hypermodels: their common arguments and choices."""

    # Allowed numbers of axes of the input; empty for any number.
    ranks = ()

    def __init__(
        self, input_shape, num_outputs, task, depth, units, name, tunable, **settings
    ):
        super().__init__(name=name, tunable=tunable)
        self.input_shape = shape(input_shape, self.ranks)
        self.num_outputs = positive_int("num_outputs", num_outputs)
        self.task = one_of("task", task, TASKS)
        self.depth = pair("depth", depth)
        self.units = sizes("units", units)
        self.settings = settings
        # Check the ranges and choices now, not in the first trial.
        hp = require("keras_tuner").HyperParameters()
        self.choose_regularizer(hp)
        self.choose_dropout(hp)
        self.choose_normalization(hp)
        self.choose_optimizer(hp)

    def choose_depth(self, hp: "keras_tuner.HyperParameters", default: int = 2) -> int:
        """Return the chosen depth; the default is moved into the range."""
        low, high = self.depth
        return hp.Int("depth", low, high, default=min(max(default, low), high))

    def choose_units(self, hp: "keras_tuner.HyperParameters", default: int) -> int:
        """Return the chosen number of units."""
        default = default_of(self.units, default)
        return hp.Choice("units", self.units, default=default)

    def choose_regularizer(
        self, hp: "keras_tuner.HyperParameters"
    ) -> keras.regularizers.Regularizer | None:
        """Return a new regularizer, or None."""
        l1, l2 = self.settings["l1"], self.settings["l2"]
        if l1 is None and l2 is None:
            return None
        return choose_regularizer(hp, "regularizer", l1, l2)

    def choose_dropout(self, hp: "keras_tuner.HyperParameters") -> float:
        """Return the chosen dropout rate; the default is 0."""
        return choose_dropout(hp, "dropout", 0.0, self.settings["max_dropout"])

    def choose_normalization(self, hp: "keras_tuner.HyperParameters") -> Layers:
        """Return a list with a new normalization layer, or an empty list."""
        choices = self.settings["normalization"]
        return choose_normalization(hp, "normalization", choices, {})

    def output_layer(self) -> keras.layers.Layer:
        """Return a new output layer without activation."""
        return keras.layers.Dense(self.num_outputs)

    def choose_optimizer(
        self, hp: "keras_tuner.HyperParameters"
    ) -> keras.optimizers.Optimizer:
        """Return a new optimizer."""
        names = "optimizer", "learning_rate", "momentum", "weight_decay", "clipping"
        settings = [self.settings[name] for name in names]
        return choose_optimizer(hp, "optimizer", *settings)

    def compiled(
        self, hp: "keras_tuner.HyperParameters", model: keras.Model
    ) -> keras.Model:
        """Return the model compiled for its task, with the chosen optimizer."""
        optimizer = self.choose_optimizer(hp)
        if self.task == "classification":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(optimizer, loss, metrics=["accuracy"])
        else:
            model.compile(optimizer, "mse", metrics=["mae"])
        decay_kernels_only(optimizer, model)
        return model


def pair(name, bounds):
    """Return `(lowest, highest)` as positive integers; one integer is both."""
    if isinstance(bounds, int):
        bounds = bounds, bounds
    if len(bounds) != 2:
        fail(f"`{name}` must be a pair (lowest, highest).", **{name: bounds})
    low, high = (positive_int(name, bound) for bound in bounds)
    if low > high:
        rule = f"`{name}` must be a pair (lowest, highest), with lowest <= highest."
        fail(rule, **{name: bounds})
    return low, high


def sizes(name, choices):
    """Return one or more positive integers as a list."""
    listed = [choices] if isinstance(choices, int) else list(choices)
    if not listed:
        fail(f"`{name}` must have at least one choice.", **{name: choices})
    return [positive_int(name, size) for size in listed]


def shape(input_shape, ranks):
    """Return the shape as a tuple; raise if its rank is not in `ranks`."""
    sizes = tuple(input_shape)
    if ranks and len(sizes) not in ranks:
        axes = " or ".join(map(str, ranks))
        fail(f"`input_shape` must have {axes} axes.", input_shape=input_shape)
    return sizes


def function_names(choices):
    """Return the choices; raise if one is a layer: recurrent layers need functions."""
    for choice in choices:
        if isinstance(activations.get(choice), keras.layers.Layer):
            rule = "Activations of recurrent layers must be functions, not layers."
            fail(rule, activation=choice)
    return choices_of(choices)
