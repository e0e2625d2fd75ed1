"""optimizer: let a search choose the optimizer and its settings."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras

from kcomponents.tuning._spaces.optimizer import choose, decay_kernels_only

if TYPE_CHECKING:
    import keras_tuner


def optimizer(
    hp: "keras_tuner.HyperParameters",
    name: str = "optimizer",
    choices: str | Sequence[str] = ("adam", "sgd", "rmsprop"),
    learning_rate: tuple[float, float] | None = (1e-4, 1e-1),
    *,
    momentum: Sequence[float] | None = (0.0, 0.9, 0.99),
    weight_decay: tuple[float, float] | None = None,
    clipping: str | Sequence[str] | None = None,
    model: keras.Model | None = None,
) -> keras.optimizers.Optimizer:
    """Let a search choose an optimizer and its settings.

    Registers a choice called `name`, `name/learning_rate` on a log scale, and
    `name/momentum` for SGD. With `weight_decay`, it also registers `name/decay`
    (whether to decay weights) and `name/weight_decay`; with `clipping`, `name/clipping`
    as the function `clipping` does. The default is the first optimizer with its usual
    learning rate, without momentum, weight decay and clipping.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter. Defaults to `"optimizer"`.
        choices: Strings, names of Keras optimizers in lowercase. Defaults to `("adam",
            "sgd", "rmsprop")`.
        learning_rate: Pair `(lowest, highest)` of floats above 0, or `None` to use the
            optimizer's default. Defaults to `(1e-4, 1e-1)`.
        momentum: Floats in [0, 1], choices for SGD, or `None` for no choice. Defaults
            to `(0.0, 0.9, 0.99)`.
        weight_decay: Optional pair `(lowest, highest)` of floats above 0. Defaults to
            `None`, the optimizer's default.
        clipping: Optional strings, `choices` of the function `clipping`. Defaults to
            `None`, no clipping.
        model: Optional built model, whose biases, PReLU slopes, embeddings and
            normalization layers are excluded from weight decay. Defaults to `None`: use
            `kcomponents.regularizers.exclude_from_decay` instead.

    Returns:
        New `keras.optimizers.Optimizer`.

    Raises:
        ValueError: If `choices` is empty, a choice is unknown, or a range is invalid.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> optimizer = tuning.optimizer(hp, choices=["sgd", "adam"])
        >>> hp.values
        {'optimizer': 'sgd', 'optimizer/learning_rate': 0.01, 'optimizer/momentum': 0.0}

    Reference: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019,
    https://arxiv.org/abs/1711.05101
    """
    arguments = learning_rate, momentum, weight_decay, clipping
    chosen = choose(hp, name, choices, *arguments)
    return chosen if model is None else decay_kernels_only(chosen, model)
