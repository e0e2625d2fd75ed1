"""The settings of remedies, and how each is set on a copy of a model or its `fit`."""

from collections.abc import Callable
from typing import Any, NoReturn

import keras
import numpy as np

from kcomponents import _keras
from kcomponents._keras.models import compile_arguments
from kcomponents.initializers import recommended_for
from kcomponents.optimizers import clipped
from kcomponents.probes.layer_walk import named_layers
from kcomponents.regularizers import L2
from kcomponents.regularizers import apply as penalize

# Epochs without a better loss after which a longer training stops.
PATIENCE, LONG_PATIENCE = 5, 20
# Activations of an output that a loss can apply by itself.
IN_LOSS = "softmax", "sigmoid"
# A slope below 0 of a ReLU layer that has none.
SLOPE = 0.2
SATURATING = "sigmoid", "tanh", "hard_sigmoid", "softsign"
# Activation → the ones whose place it takes.
REPLACED = {"relu": {*SATURATING}, "leaky_relu": {"relu", "relu6"}}
CLIPPING = "clipnorm", "clipvalue", "global_clipnorm"


class NotApplicable(ValueError):
    """A remedy that cannot be applied to a program by itself."""


class Program:
    """A compiled model and the arguments of its `fit`, which settings change in place.

    Args:
        model: Compiled Keras model that nothing else uses.
        fit: Dict of arguments of `fit`. Its arrays are not changed in place.
        where: String, the place of the finding: the path of a layer or weight, the name
            of an output, or `""`.

    Attributes:
        prepare: Function of inputs, which the model wants as this returns them.
        scale: Float or array by which predictions are to be multiplied.
        offset: Float or array to add to them then.
    """

    def __init__(self, model, fit, where=""):
        self.model, self.fit, self.where = model, dict(fit), where
        self.prepare = lambda x: x
        self.scale, self.offset = 1.0, 0.0

    def set(self, setting, value):
        """Give a setting of a remedy a value.

        Raises:
            NotApplicable: If this cannot be done here.
        """
        if setting not in CHANGES:
            _give_up("it is a step to take by hand")
        CHANGES[setting](self, value)

    # Parts of the model.

    def layers(self):
        """Return path → layer."""
        return named_layers(self.model)

    def with_attribute(self, name):
        """Return the layers that have an attribute other than None."""
        found = self.layers().values()
        return [layer for layer in found if getattr(layer, name, None) is not None]

    def layer_at(self, path):
        """Return the layer at a path, or the one that owns the weight there."""
        above = [
            (place, layer)
            for place, layer in self.layers().items()
            if place and f"{path}/".startswith(f"{place}/")
        ]
        return max(above, key=lambda pair: len(pair[0]), default=(None, None))[1]

    def output_layer(self):
        """Return the layer whose activation the outputs have."""
        found = self.with_attribute("activation")
        named = [layer for layer in found if layer.name == self.where]
        if not (named or found):
            _give_up("no layer of the model has an activation")
        return (named or found)[-1]

    def hidden_layers(self):
        """Return the layers with an activation before the output."""
        last = self.output_layer()
        return [la for la in self.with_attribute("activation") if la is not last]

    def inner_optimizer(self):
        """Return the optimizer without a scaling of the loss."""
        return _keras.unscaled(self.model.optimizer)

    def set_optimizer(self, optimizer):
        """Compile the model with another optimizer."""
        self.recompile(optimizer=optimizer)

    def recompile(self, **changes):
        """Compile the model again with other arguments."""
        arguments = compile_arguments(self.model)
        if not changes.keys() <= arguments.keys():
            _give_up("the model is compiled by a method of its own")
        arguments["optimizer"] = self.model.optimizer
        self.model.compile(**{**arguments, **changes})

    # Data of `fit`.

    def map_inputs(self, function):
        """Pass the inputs of training and validation data through a function."""
        x = self.arrays("x")
        self.fit["x"] = keras.tree.map_structure(function, x)
        before = self.prepare
        self.prepare = lambda given: keras.tree.map_structure(function, before(given))
        if (validation := self.validation()) is not None:
            first = keras.tree.map_structure(function, validation[0])
            self.fit["validation_data"] = (first, *validation[1:])

    def arrays(self, name):
        """Return an argument of `fit` that must be arrays."""
        found = self.fit.get(name)
        leaves = [] if found is None else keras.tree.flatten(found)
        if not leaves or not all(isinstance(leaf, np.ndarray) for leaf in leaves):
            _give_up(f"`{name}` must be arrays for that")
        return found

    def array(self, name):
        """Return an argument of `fit` that must be a single array."""
        found = self.arrays(name)
        if not isinstance(found, np.ndarray):
            _give_up(f"`{name}` must be one array for that")
        return found

    def validation(self):
        """Return the validation data as a tuple of arrays, or None."""
        found = self.fit.get("validation_data")
        if found is not None and not isinstance(found, tuple | list):
            _give_up("`validation_data` must be arrays for that")
        return found

    def add_callback(self, callback):
        """Add a callback to `fit`."""
        self.fit["callbacks"] = [*(self.fit.get("callbacks") or ()), callback]


def _give_up(reason) -> NoReturn:
    raise NotApplicable(reason)


# The optimizer.


def _learning_rate(program, value):
    config = program.inner_optimizer().get_config()
    if not isinstance(config["learning_rate"], float | int):
        # A schedule cannot be set.
        config["learning_rate"] = value
        program.set_optimizer(type(program.inner_optimizer()).from_config(config))
    program.model.optimizer.learning_rate = value


def _clip(name):
    def change(program, value):
        inner = program.inner_optimizer()
        config = inner.get_config()
        # An optimizer of `clipped` has its bounds apart.
        bounds = config.get("clipping", config)
        if any(bounds.get(other) for other in CLIPPING):
            bounds |= dict.fromkeys(CLIPPING) | {name: value}
            program.set_optimizer(type(inner).from_config(config))
        else:
            program.set_optimizer(clipped(inner, **{name: value}))

    return change


def _nonfinite(program, value):
    kind = type(program.inner_optimizer())
    default = 0.01 if issubclass(kind, keras.optimizers.SGD) else 1e-3
    bounded = clipped(kind(default), global_clipnorm=1.0, nonfinite=value)
    program.set_optimizer(bounded)


def _optimizer(program, value):
    kinds = {name.lower(): kind for name, kind in vars(keras.optimizers).items()}
    if value not in kinds:
        _give_up("the optimizer is none of Keras")
    kind, same = kinds[value], type(program.inner_optimizer())
    program.set_optimizer(same() if same.__name__.lower() == value else kind())


# The loss and the output.


def _loss_at(program, change):
    """Compile with `change(loss)` in place of the loss of the finding's output."""
    loss = compile_arguments(program.model).get("loss")
    if isinstance(loss, dict):
        if program.where not in loss:
            _give_up("the loss of this output has another name")
        program.recompile(loss={**loss, program.where: change(loss[program.where])})
    elif isinstance(loss, list | tuple):
        _give_up("losses must be given by the name of the output for that")
    else:
        program.recompile(loss=change(loss))


def _from_logits(program, value):
    def change(loss):
        if isinstance(loss, str):
            words = loss.split("_")
            loss = "".join(word.capitalize() for word in words)
            loss = getattr(keras.losses, loss, None)
            loss = None if loss is None else loss()
        if not isinstance(loss, keras.losses.Loss):
            _give_up("the loss is a function")
        config = loss.get_config()
        if "from_logits" not in config:
            _give_up("the loss does not take logits")
        return type(loss).from_config({**config, "from_logits": value})

    _loss_at(program, change)
    output = program.output_layer()
    if value and getattr(output.activation, "__name__", "") in IN_LOSS:
        output.activation = keras.activations.linear


def _output(program, value):
    activation, loss = value
    output = program.output_layer()
    units = getattr(output, "units", None) or getattr(output, "filters", None)
    if activation == "softmax" and (units is None or units < 2):
        _give_up("the output has another number of units")
    output.activation = keras.activations.get(activation)
    _loss_at(program, lambda _: loss)


# Hidden layers.


def _hidden_activation(program, value):
    if value not in REPLACED:
        _give_up("it needs new layers")
    function, names = keras.activations.get(value), REPLACED[value]
    layers, chosen = program.hidden_layers(), program.layer_at(program.where)
    if chosen in layers and _name(chosen.activation) == "linear":
        # One that has no activation.
        layers = [chosen]
    else:
        layers = [la for la in layers if _name(la.activation) in names]
    slopes = [
        layer
        for layer in program.layers().values()
        if isinstance(layer, keras.layers.ReLU) and not layer.negative_slope
    ]
    if value != "leaky_relu":
        slopes = []
    layers = [layer for layer in layers if not hasattr(layer, "recurrent_activation")]
    if not layers and not slopes:
        _give_up("it needs new layers")
    for layer in layers:
        # What comes of new weights must not count for the activation, unless the old
        # ones are of another scale, and the remedy names an initializer.
        if _name(layer.activation) in SATURATING:
            _redraw(layer, recommended_for(value))
        layer.activation = function
    for layer in slopes:
        layer.negative_slope = SLOPE


def _name(activation):
    return getattr(activation, "__name__", "")


def _redraw(layer, initializer):
    """Draw the kernel of a layer anew, and start its bias at 0."""
    layer.kernel_initializer = initializer
    if getattr(layer, "kernel", None) is not None and layer.built:
        kernel, bias = layer.kernel, getattr(layer, "bias", None)
        kernel.assign(initializer(kernel.shape, dtype=kernel.dtype))
        if bias is not None:
            bias.assign(np.zeros(bias.shape))


def _kernel_initializer(program, value):
    if value == "lsuv":
        _give_up("it needs a batch: call `kcomponents.initializers.lsuv`")
    for layer in program.with_attribute("kernel_initializer"):
        if layer.trainable:
            _redraw(layer, keras.initializers.get(value))


def _dropout(program, value):
    found = False
    for layer in program.layers().values():
        if isinstance(layer, keras.layers.Dropout) and layer.rate > value:
            layer.rate, found = value, True
        cell = getattr(layer, "cell", layer)
        for name in ("dropout", "recurrent_dropout"):
            if isinstance(getattr(cell, name, None), float) and getattr(cell, name):
                setattr(cell, name, min(getattr(cell, name), value))
                found = True
    if not found:
        _give_up("it needs new layers")


def _noise(program, value):
    layers = [
        layer
        for layer in program.layers().values()
        if isinstance(layer, keras.layers.GaussianNoise) and layer.stddev > value
    ]
    if not layers:
        _give_up("no layer adds noise")
    for layer in layers:
        layer.stddev = value


def _l2(program, value):
    new = L2(value) if value else None
    penalized = [w for w in program.model.weights if w.regularizer is not None]
    if not penalized:
        if not program.model.built:
            _give_up("the model is not built yet")
        penalize(program.model, new)
        return
    _replace_rules(program, "regularizer", new)


def _max_norm(program, value):
    _replace_rules(program, "constraint", keras.constraints.MaxNorm(value))


def _replace_rules(program, kind, new):
    """Replace the regularizers or constraints of weights, and those in configs."""
    for weight in program.model.weights:
        if getattr(weight, kind) is not None:
            setattr(weight, kind, new)
    for layer in program.layers().values():
        for name in list(vars(layer)):
            if name.endswith(f"_{kind}") and getattr(layer, name) is not None:
                setattr(layer, name, new)


def _momentum(program, value):
    kind = keras.layers.BatchNormalization
    layers = [la for la in program.layers().values() if isinstance(la, kind)]
    if not layers:
        _give_up("no layer has moving averages")
    for layer in layers:
        layer.momentum = value


def _trainable(program, value):
    if program.model.optimizer.built:
        _give_up("the optimizer is built for the weights that it trains")
    for layer in program.layers().values():
        if isinstance(layer, keras.layers.Layer):
            layer.trainable = value


def _mask(program, value):
    kind = keras.layers.Embedding
    layers = [la for la in program.layers().values() if isinstance(la, kind)]
    if not layers:
        _give_up("it needs a new layer")
    for layer in layers:
        layer.mask_zero = layer.supports_masking = value


# The arguments of `fit`.


def _batch_size(program, value):
    program.arrays("x")
    program.fit["batch_size"] = value


def _epochs(program, value):
    program.fit["epochs"] = value
    program.add_callback(
        keras.callbacks.EarlyStopping(
            "loss", patience=LONG_PATIENCE, restore_best_weights=True
        )
    )


def _early_stopping(program, value):
    if not program.fit.get("validation_data") and not program.fit.get(
        "validation_split"
    ):
        _give_up("there are no validation data")
    program.add_callback(
        keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
    )


def _shares(y):
    """Return the classes, the class of each entry and a weight of each class."""
    classes, places = np.unique(y, return_inverse=True)
    counts = np.bincount(places.reshape(-1))
    return classes, places, counts.sum() / (len(classes) * counts)


def _class_weight(program, value):
    y = program.array("y")
    if y.ndim > 1 and y.shape[-1] > 1:
        counts = np.maximum(y.reshape(-1, y.shape[-1]).sum(axis=0), 1)
        weights = counts.sum() / (len(counts) * counts)
        program.fit["class_weight"] = dict(enumerate(weights.tolist()))
        return
    classes, _, weights = _shares(y)
    found = dict(zip(classes.astype(int).tolist(), weights.tolist(), strict=True))
    program.fit["class_weight"] = found


def _sample_weight(program, value):
    y = program.array("y")
    _, places, weights = _shares(y)
    program.fit["sample_weight"] = weights[places].reshape(y.shape)


def _shuffle(program, value):
    if program.fit.get("shuffle", True):
        _give_up("the data must be shuffled before they are split")
    program.arrays("x")
    program.fit["shuffle"] = True


def _input_scaling(program, value):
    x = program.arrays("x")
    if value == "rescaling":
        program.map_inputs(lambda leaf: leaf.astype("float32") / 255)
    elif value == "once":
        program.map_inputs(lambda leaf: leaf * 255)
    elif value == "normalization":
        leaves = keras.tree.flatten(x)
        if len(leaves) > 1 or leaves[0].dtype.kind not in "fiu":
            _give_up("it needs a layer for each input")
        [leaf] = leaves
        axes = tuple(range(leaf.ndim - 1))
        mean, spread = leaf.mean(axis=axes), leaf.std(axis=axes)
        spread = np.where(spread > 0, spread, 1)
        program.map_inputs(lambda values: ((values - mean) / spread).astype("float32"))
    else:
        _give_up("it needs a new layer")


def _target_scaling(program, value):
    if value != "normalization":
        _give_up("the program must take differences by itself")
    y = program.array("y").astype("float32")
    mean, spread = y.mean(axis=0), y.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    program.fit["y"] = (y - mean) / spread
    program.scale, program.offset = spread, mean
    validation = program.validation()
    if validation is not None:
        x, targets, *others = validation
        program.fit["validation_data"] = (x, (targets - mean) / spread, *others)


CHANGES: dict[str, Callable[[Program, Any], None]] = {
    "batch_size": _batch_size,
    "class_weight": _class_weight,
    "clipnorm": _clip("clipnorm"),
    "clipvalue": _clip("clipvalue"),
    "dropout": _dropout,
    "early_stopping": _early_stopping,
    "epochs": _epochs,
    "from_logits": _from_logits,
    "global_clipnorm": _clip("global_clipnorm"),
    "hidden_activation": _hidden_activation,
    "input_scaling": _input_scaling,
    "kernel_initializer": _kernel_initializer,
    "l2": _l2,
    "learning_rate": _learning_rate,
    "mask": _mask,
    "max_norm": _max_norm,
    "momentum": _momentum,
    "noise": _noise,
    "nonfinite": _nonfinite,
    "optimizer": _optimizer,
    "output_activation_and_loss": _output,
    "sample_weight": _sample_weight,
    "shuffle_before_split": _shuffle,
    "target_scaling": _target_scaling,
    "trainable": _trainable,
}
