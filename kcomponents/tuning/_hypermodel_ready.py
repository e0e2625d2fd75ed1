"""What the ready hypermodels share: their arguments, their choices, compiling."""

import keras

from kcomponents import activations
from kcomponents._check import fail, one_of, positive_int
from kcomponents.tuning._optional import needed
from kcomponents.tuning._spaces import dropout as _space_dropout
from kcomponents.tuning._spaces import normalization as _space_normalization
from kcomponents.tuning._spaces import optimizer as _space_optimizer
from kcomponents.tuning._spaces import ranges as _space_ranges
from kcomponents.tuning._spaces import regularizer as _space_regularizer

TASKS = "classification", "regression"


def pair(name, bounds):
    """Return `(lowest, highest)` as positive ints; one int is both."""
    if isinstance(bounds, int):
        bounds = bounds, bounds
    if len(bounds) != 2:
        fail(f"`{name}` must be a pair, the lowest and the highest.", **{name: bounds})
    low, high = (positive_int(name, bound) for bound in bounds)
    if low > high:
        fail(f"`{name}` must not end before it begins.", **{name: bounds})
    return low, high


def sizes(name, choices):
    """Return one or more positive ints as a list."""
    found = [choices] if isinstance(choices, int) else list(choices)
    if not found:
        fail("This is a space without a choice: give one.", **{name: choices})
    return [positive_int(name, size) for size in found]


def shape(input_shape, ranks):
    """Return the shape as a tuple, or refuse a rank that no layers are there for."""
    found = tuple(input_shape)
    if ranks and len(found) not in ranks:
        axes = " or ".join(map(str, ranks))
        fail(f"`input_shape` must have {axes} axes.", input_shape=input_shape)
    return found


def function_names(choices):
    """Return the choices, or refuse those that are layers and fit in no cell."""
    for choice in choices:
        if isinstance(activations.get(choice), keras.layers.Layer):
            rule = "The state of a recurrent layer takes functions only, no layers."
            fail(rule, activation=choice)
    return _space_ranges.choices_of(choices)


class Ready:
    """Mixin of the ready hypermodels: what they choose alike, by what arguments."""

    # How many axes the input may have, any number where it is empty.
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
        # What is wrong is told here, not in the first trial.
        hp = needed("keras_tuner").HyperParameters()
        for choose in (self.penalty_of, self.rate_of, self.normalized, self.steps_of):
            choose(hp)

    def depth_of(self, hp, usual=2):
        """Return the chosen depth, at first the usual one."""
        low, high = self.depth
        return hp.Int("depth", low, high, default=min(max(usual, low), high))

    def units_of(self, hp, usual):
        """Return the chosen width, at first the usual one."""
        usual = _space_ranges.plain_of(self.units, usual)
        return hp.Choice("units", self.units, default=usual)

    def penalty_of(self, hp):
        """Return a fresh penalty, or None."""
        l1, l2 = self.settings["l1"], self.settings["l2"]
        if l1 is None and l2 is None:
            return None
        return _space_regularizer.choose(hp, "regularizer", l1, l2)

    def rate_of(self, hp):
        """Return the chosen rate of dropout, at first 0."""
        return _space_dropout.choose(hp, "dropout", 0.0, self.settings["max_dropout"])

    def normalized(self, hp):
        """Return fresh layers of the chosen normalization."""
        choices = self.settings["normalization"]
        return _space_normalization.choose(hp, "normalization", choices, {})

    def output(self):
        """Return the last layer: logits, or numbers."""
        return keras.layers.Dense(self.num_outputs)

    def steps_of(self, hp):
        """Return a fresh optimizer."""
        names = "optimizer", "learning_rate", "momentum", "weight_decay", "clipping"
        told = [self.settings[name] for name in names]
        return _space_optimizer.choose(hp, "optimizer", *told)

    def compiled(self, hp, model):
        """Return the model compiled for its task, with the chosen optimizer."""
        found = self.steps_of(hp)
        if self.task == "classification":
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(found, loss, metrics=["accuracy"])
        else:
            model.compile(found, "mse", metrics=["mae"])
        _space_optimizer.spare(found, model)
        return model
