"""greedy_pretrain: train the layers of a net one after the other."""

import copy
from typing import Any, NamedTuple

import keras

from kcomponents._check import fail, number, one_of, positive_int
from kcomponents.training._chain import Chain, corrupted, outputs_of, shape_after
from kcomponents.training._ends import decoder_of, head_of
from kcomponents.training._net import net_of, samples

MODES = ("autoencoder", "supervised")


class Pretrained(NamedTuple):
    """A pretrained model, and the history of each stage."""

    model: Any
    histories: list


def greedy_pretrain(
    layers,
    x,
    y=None,
    *,
    mode="autoencoder",
    optimizer="adam",
    loss=None,
    epochs=10,
    batch_size=32,
    validation_split=0.0,
    corruption=0.0,
    decoder=None,
    head=None,
    callbacks=None,
    verbose=0,
):
    r"""Train the layers of a net one after the other, each on what those before give.

    As an auto-encoder, stage `f_k` learns, with a decoder `g_k` that is thrown away, to
    give back its own inputs,

        min mean((g_k(f_k(h)) - h)^2)   for h = f_{k-1}(... f_1(x)),

    and in supervised mode to predict `y` with a new head. All stages before it are
    done by then; their outputs are computed once. Each stage has a new optimizer.

    A stage is a layer with trainable weights and what follows it: normalization,
    `PReLU`, and layers without trainable weights. A `Sequential` within the list is one
    layer. What stands before the first stage is run, not trained. Masks do not go from
    stage to stage.

    Args:
        layers: List of layers, which are trained themselves; or a `Sequential` model,
            whose last stage is the head.
        x: Array or tensor of samples, with the batch in front. Gather a dataset first.
        y: Targets, which only supervised mode needs. Defaults to `None`.
        mode: `"autoencoder"` or `"supervised"`. Defaults to `"autoencoder"`.
        optimizer: Keras optimizer or its name; each stage has a new one of its
            configuration. Defaults to `"adam"`.
        loss: Keras loss or its name. Defaults to `"mse"` for auto-encoders; supervised
            mode must be told.
        epochs: Integer, epochs of each stage. Defaults to 10.
        batch_size: Integer. Defaults to 32.
        validation_split: Number from 0 to below 1, share of the last samples that each
            stage is evaluated on and not trained. Defaults to 0.
        corruption: Number from 0 to below 1, share of a stage's inputs that are set to
            0 in training; it is to give them back whole. Defaults to 0.
        decoder: Function of the shape of a stage's inputs, without batch, that returns
            a new layer from the outputs of the stage to this shape. Defaults to a
            linear `Dense`: for each place where the stage keeps places, else for all.
        head: Layer that follows the last stage, for a list of layers. It stays as it
            is; supervised mode needs it, and trains new ones of its configuration,
            behind a `Flatten` where a stage gives more axes than the last one. Defaults
            to `None`.
        callbacks: List of callbacks, copied for each stage. Defaults to `None`.
        verbose: As in `fit`. Defaults to 0.

    Returns:
        Named tuple `(model, histories)`: the given `Sequential`, or a built one of the
        layers and the head, to be compiled and trained; and for each stage the dict
        that `fit` gives as `history`.

    Raises:
        ValueError: If there is no stage, `x` does not suit the layers or is no array of
            finite numbers, something that supervised mode needs is missing, a decoder
            gives another shape, or an argument is unknown or out of range.

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

    References: Bengio et al., "Greedy layer-wise training of deep networks", 2006,
    https://proceedings.neurips.cc/paper/2006/hash/5da713a690c067105aeb2fae32403405-Abstract.html;
    with corruption, Vincent et al., "Extracting and composing robust features with
    denoising autoencoders", 2008, https://doi.org/10.1145/1390156.1390294
    """
    one_of("mode", mode, MODES)
    optimizer = _checked(optimizer)
    corruption = _share("corruption", corruption)
    settings = {
        "batch_size": positive_int("batch_size", batch_size),
        "epochs": positive_int("epochs", epochs),
        "validation_split": _share("validation_split", validation_split),
        "verbose": verbose,
    }
    x = samples(x)
    net, histories = net_of(layers, head, x), []
    end_of = _ends(mode, net, x, y, loss, decoder)
    x = outputs_of(net.front, x, batch_size)
    for stage in net.stages:
        end, target = end_of(stage, x)
        trained = Chain([*corrupted(stage, corruption), *end])
        fresh = type(optimizer).from_config(optimizer.get_config())
        trained.compile(fresh, loss or "mse")
        own = copy.deepcopy(callbacks)
        histories.append(trained.fit(x, target, callbacks=own, **settings).history)
        if stage is not net.stages[-1]:
            x = outputs_of(stage, x, batch_size)
    return Pretrained(net.model, histories)


def _ends(mode, net, x, y, loss, decoder):
    """Return a function of a stage and its inputs: new layers behind it, the target."""
    if mode == "autoencoder":
        if isinstance(net.stages[0][0], keras.layers.Embedding):
            rule = "What an `Embedding` takes are no quantities to give back."
            fail(f"{rule} Use `mode='supervised'`.", layer=net.stages[0][0].name)
        return lambda stage, x: (decoder_of(stage, x, decoder), x)
    if y is None or loss is None or not net.head:
        rule = "Supervised mode needs `y`, `loss` and a head."
        fail(rule, y=y, loss=loss, head=net.head)
    if decoder is not None:
        fail("Supervised mode has no decoder.", decoder=decoder)
    axes = len(shape_after([*net.front, *sum(net.stages, [])], x))
    return lambda stage, x: (head_of(stage, x, net.head, axes), y)


def _checked(optimizer):
    """Return an optimizer by itself or its name."""
    found = keras.optimizers.get(optimizer)
    if not isinstance(found, keras.optimizers.Optimizer):
        fail("`optimizer` must be a Keras optimizer or its name.", optimizer=optimizer)
    return found


def _share(name, value):
    """Return a number from 0 to below 1 as a float."""
    value = number(name, value)
    if not 0 <= value < 1:
        fail(f"`{name}` must be at least 0 and below 1.", **{name: value})
    return value
