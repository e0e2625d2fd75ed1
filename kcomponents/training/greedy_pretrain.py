"""greedy_pretrain: train the layers of a network one after the other."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kcomponents import layers
from kcomponents._checks import fail, number, one_of, positive_int

MODES = ("autoencoder", "supervised")


class Pretrained(NamedTuple):
    """A pretrained model, and the history of each stage."""

    model: keras.Sequential
    histories: list[dict[str, list[float]]]


def greedy_pretrain(
    layers: Sequence[keras.Layer] | keras.Sequential,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    mode: str = "autoencoder",
    optimizer: str | keras.optimizers.Optimizer = "adam",
    loss: str | keras.losses.Loss | Callable[..., Any] | None = None,
    epochs: int = 10,
    batch_size: int = 32,
    validation_split: float = 0.0,
    corruption: float = 0.0,
    decoder: Callable[[tuple[int, ...]], keras.Layer] | None = None,
    head: keras.Layer | None = None,
    callbacks: list[keras.callbacks.Callback] | None = None,
    verbose: int | str = 0,
) -> Pretrained:
    r"""Train the layers of a network one after the other, each on the previous outputs.

    In autoencoder mode, stage `f_k` learns to reconstruct its own inputs with a
    decoder `g_k`, which is discarded afterwards,

        min mean((g_k(f_k(h)) - h)^2)   for h = f_{k-1}(... f_1(x)),

    and in supervised mode to predict `y` with a new head. The stages before it are
    already trained; their outputs are computed once. Each stage has a new optimizer.

    A stage is a layer with trainable weights and the layers that follow it:
    normalization, `PReLU`, and layers without trainable weights. A `Sequential` in the
    list counts as one layer. Layers before the first stage run, but are not trained.
    Masks are not passed from stage to stage.

    Args:
        layers: List of layers, which are trained in place; or a `Sequential` model,
            whose last stage is the head.
        x: Array or tensor of samples, with the batch axis first. Concatenate the
            batches of a dataset first.
        y: Targets, needed in supervised mode only. Defaults to `None`.
        mode: `"autoencoder"` or `"supervised"`. Defaults to `"autoencoder"`.
        optimizer: Keras optimizer or its name; each stage gets a new one with the same
            configuration. Defaults to `"adam"`.
        loss: Keras loss or its name. Defaults to `None`, for `"mse"` in autoencoder
            mode; supervised mode requires it.
        epochs: Int, epochs of each stage. Defaults to 10.
        batch_size: Int, number of samples in a batch. Defaults to 32.
        validation_split: Float from 0 to below 1, fraction of the samples, the last
            ones, that each stage is validated on and not trained on. Defaults to 0.
        corruption: Float from 0 to below 1, fraction of a stage's inputs that are set
            to 0 in training; the stage learns to reconstruct the original inputs.
            Defaults to 0.
        decoder: Function of the shape of a stage's inputs, without the batch axis,
            that returns a new layer from the outputs of the stage to this shape.
            Defaults to `None`, for a linear `Dense`: on the last axis if the stage
            keeps the other axes, on all axes otherwise.
        head: Layer behind the last stage, if `layers` is a list. It is not trained;
            supervised mode requires it and trains new layers with its configuration,
            behind a `Flatten` if a stage has more output axes than the last one.
            Defaults to `None`.
        callbacks: List of callbacks, copied for each stage. Defaults to `None`.
        verbose: As in `fit`. Defaults to 0.

    Returns:
        Named tuple `(model, histories)`: the given `Sequential`, or a built one of the
        layers and the head, to compile and train; and for each stage the
        `history` dict of `fit`.

    Raises:
        ValueError: If there is no stage, `x` does not fit the layers or is not an array
            of finite numbers, supervised mode lacks an argument, a decoder returns
            another shape, or an argument is unknown or out of range.

    Example:
        >>> import numpy as np
        >>> import keras
        >>> from kcomponents.training import greedy_pretrain
        >>> x = np.random.default_rng(0).uniform(size=(64, 6))
        >>> hidden = [keras.layers.Dense(units, "sigmoid") for units in (4, 3)]
        >>> head = keras.layers.Dense(2, "softmax")
        >>> model, histories = greedy_pretrain(hidden, x, head=head, epochs=2)
        >>> [len(history["loss"]) for history in histories]
        [2, 2]
        >>> model.layers == [*hidden, head]
        True
        >>> model.compile("sgd", "sparse_categorical_crossentropy")  # then `fit`

    Reference:
        - Bengio et al., [Greedy layer-wise training of deep
          networks](https://proceedings.neurips.cc/paper/2006/hash/5da713a690c067105aeb2fae32403405-Abstract.html),
          2006.
        - Vincent et al., [Extracting and composing robust features with denoising
          autoencoders](https://doi.org/10.1145/1390156.1390294), 2008, for
          `corruption`.
    """
    one_of("mode", mode, MODES)
    optimizer = _checked_optimizer(optimizer)
    corruption = _fraction("corruption", corruption)
    settings = {
        "batch_size": positive_int("batch_size", batch_size),
        "epochs": positive_int("epochs", epochs),
        "validation_split": _fraction("validation_split", validation_split),
        "verbose": verbose,
    }
    x = _checked_samples(x)
    network, histories = _network(layers, head, x), []
    if mode == "autoencoder":
        _check_autoencoder(network)
    else:
        _check_supervised(network, y, loss, decoder)
        axes = len(_shape_after([*network.front, *sum(network.stages, [])], x))
    x = outputs_of(network.front, x, batch_size)
    for stage in network.stages:
        if mode == "autoencoder":
            top, target = _decoder_for(stage, x, decoder), x
        else:
            top, target = _head_for(stage, x, network.head, axes), y
        chain = Chain([*_corrupted(stage, corruption), *top])
        fresh = type(optimizer).from_config(optimizer.get_config())
        chain.compile(fresh, loss or "mse")
        own = copy.deepcopy(callbacks)
        histories.append(chain.fit(x, target, callbacks=own, **settings).history)
        if stage is not network.stages[-1]:
            x = outputs_of(stage, x, batch_size)
    return Pretrained(network.model, histories)


def _checked_optimizer(optimizer):
    """Return the optimizer, given as an object or a name."""
    found = keras.optimizers.get(optimizer)
    if not isinstance(found, keras.optimizers.Optimizer):
        fail("`optimizer` must be a Keras optimizer or its name.", optimizer=optimizer)
    return found


def _fraction(name, value):
    """Return a number as a float; raise unless it is from 0 to below 1."""
    value = number(name, value)
    if not 0 <= value < 1:
        fail(f"`{name}` must be at least 0 and below 1.", **{name: value})
    return value


def _checked_samples(x):
    """Return samples as an array of finite floats."""
    if not hasattr(x, "shape") or len(x.shape) < 2 or not x.shape[0]:
        rule = (
            "`x` must be an array of at least one sample, with the batch axis first. "
            "Concatenate the batches of a dataset first."
        )
        fail(rule, type=type(x).__name__, shape=getattr(x, "shape", None))
    x = np.asarray(ops.convert_to_numpy(x), keras.config.floatx())
    if not np.isfinite(x).all():
        fail("`x` must be finite.", x=x)
    return x


def _check_autoencoder(network):
    first = network.stages[0][0]
    if isinstance(first, keras.layers.Embedding):
        rule = "An autoencoder cannot reconstruct the inputs of an `Embedding`."
        fail(f"{rule} Use `mode='supervised'`.", layer=first.name)


def _check_supervised(network, y, loss, decoder):
    if y is None or loss is None or not network.head:
        rule = "Supervised mode needs `y`, `loss` and `head`."
        fail(rule, y=y, loss=loss, head=network.head)
    if decoder is not None:
        fail("`decoder` must be None in supervised mode.", decoder=decoder)


# The stages of a network, and the layers that each is trained with.

# Layers with trainable weights that belong to the stage of the layer before them.
IN_STAGE_BEFORE = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.PReLU,
    keras.layers.RMSNormalization,
    layers.PReLU,
)


class Network(NamedTuple):
    """A built model, and its layers by stage: front, stages and head."""

    model: Any
    front: list
    stages: list
    head: list


def _network(layers, head, x):
    """Return the model and stages of a `Sequential`, or of a list of layers and a head.

    Raises:
        ValueError: If there is no layer to train before the head, or `x` has another
            shape.
    """
    chain = isinstance(layers, keras.Sequential)
    if not chain and not (isinstance(layers, list | tuple) and layers):
        rule = "`layers` must be a list of at least one layer, or a `Sequential`."
        fail(rule, layers=layers)
    if chain and head is not None:
        fail("`head` must be None for a `Sequential`, which has its own.", head=head)
    head = [] if head is None else [head]
    model = layers
    if not chain:
        model = keras.Sequential([keras.Input(x.shape[1:]), *layers, *head])
    if not model.built:
        model.build((None, *x.shape[1:]))
    # Raises if the samples have another shape.
    model(x[:1], training=False)
    front, *stages = _stages(model.layers if chain else layers)
    if chain and stages:
        head = stages.pop()
    if not stages:
        rule = "`layers` must have a layer with trainable weights before the head."
        fail(rule, layers=[layer.name for layer in model.layers])
    return Network(model, front, stages, head)


def _stages(layers):
    """Return the layers before the first stage, then those of each stage."""
    groups = [[]]
    for layer in layers:
        if layer.trainable_weights and not isinstance(layer, IN_STAGE_BEFORE):
            groups.append([])
        groups[-1].append(layer)
    return groups


def _decoder_for(stage, x, make):
    """Return new layers that map the outputs of a stage to the shape of its inputs."""
    inputs = x.shape[1:]
    if make is None:
        return _default_decoder(inputs, _shape_after(stage, x), stage[0].dtype_policy)
    decoder = [make(inputs)]
    decoded = _shape_after([*stage, *decoder], x)
    if decoded != inputs:
        rule = f"`decoder` must return a layer with outputs of shape {inputs}."
        fail(rule, shape=decoded)
    return decoder


def _default_decoder(inputs, outputs, dtype):
    if inputs[:-1] == outputs[:-1]:
        return [keras.layers.Dense(inputs[-1], dtype=dtype)]
    return [
        keras.layers.Flatten(),
        keras.layers.Dense(int(np.prod(inputs)), dtype=dtype),
        keras.layers.Reshape(inputs),
    ]


def _head_for(stage, x, head, axes):
    """Return copies of a head's layers, behind a `Flatten` if it needs fewer axes."""
    copies = [type(layer).from_config(layer.get_config()) for layer in head]
    flat = len(_shape_after(stage, x)) == axes
    return copies if flat else [keras.layers.Flatten(), *copies]


def _corrupted(stage, fraction):
    """Return the layers of a stage, behind a `Corruption` if `fraction` is above 0."""
    policy = stage[0].dtype_policy
    return [Corruption(fraction, dtype=policy), *stage] if fraction else stage


class Corruption(keras.layers.Layer):
    """Set a fraction of the inputs to 0 in training; unlike `Dropout`, scale none."""

    def __init__(self, fraction, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.fraction = fraction
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs, training=False):
        if not training:
            return inputs
        drawn = keras.random.uniform(ops.shape(inputs), seed=self.seed_generator)
        return inputs * ops.cast(drawn >= self.fraction, inputs.dtype)


class Chain(keras.Model):
    """Model of layers called one after the other.

    Args:
        layers: List of layers. The dtype policy of the first one decides whether the
            loss is scaled.
    """

    def __init__(self, layers):
        super().__init__(dtype=layers[0].dtype_policy, autocast=False)
        self.chain = LayerChain(layers)

    def call(self, x, training=None):
        # Keras may call this without `__call__`. Then only the call of an inner layer
        # passes `training` on to the layers within it.
        return self.chain(x, training=training)


class LayerChain(keras.layers.Layer):
    """Layers called one after the other, without the graph that `Sequential` records.

    Args:
        layers: List of layers. Each casts its own inputs.
    """

    def __init__(self, layers):
        super().__init__(autocast=False)
        self.layers = layers

    def call(self, x, training=None):
        for layer in self.layers:
            x = layer(x)
        return x


def outputs_of(layers, x, batch_size):
    """Return the outputs of layers for an array."""
    if not layers:
        return x
    outputs = Chain(layers).predict(x, batch_size, verbose=0)
    return np.asarray(outputs, keras.config.floatx())


def _shape_after(layers, x):
    """Return the output shape of layers for an array, without the batch axis."""
    if not layers:
        return x.shape[1:]
    return tuple(Chain(layers)(x[:1], training=False).shape[1:])
