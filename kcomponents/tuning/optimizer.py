"""optimizer: the choice of an optimizer with its learning rate and the rest."""

from kcomponents.tuning._spaces.optimizer import choose, spare


def optimizer(
    hp,
    name="optimizer",
    choices=("adam", "sgd", "rmsprop"),
    learning_rate=(1e-4, 1e-1),
    *,
    momentum=(0.0, 0.9, 0.99),
    weight_decay=None,
    clipping=None,
    model=None,
):
    """Let a search choose an optimizer and its settings.

    Registers a choice of this name, `name/learning_rate` on a logarithmic scale,
    `name/momentum` for SGD and, if asked for, `name/decay` (whether there is weight
    decay) with `name/weight_decay`, and `name/clipping` as `clipping` does. A search
    begins with the first choice, its usual learning rate and nothing else.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the choice. Defaults to `"optimizer"`.
        choices: Strings, names of Keras's optimizers. Defaults to `("adam", "sgd",
            "rmsprop")`.
        learning_rate: Pair of floats above 0, the lowest and the highest, or `None` for
            the optimizer's own. Defaults to `(1e-4, 1e-1)`.
        momentum: Floats in [0, 1] to choose from for SGD, or `None` for none. Defaults
            to `(0.0, 0.9, 0.99)`.
        weight_decay: Optional pair of floats above 0, the lowest and the highest.
            Defaults to `None`, no weight decay but the optimizer's own.
        clipping: Optional strings, choices as in `clipping`. Defaults to `None`.
        model: Optional built model. If the optimizer decays weights, biases, slopes of
            PReLU, embeddings and normalization are excluded. Defaults to `None`: then
            call `kcomponents.regularizers.exclude_from_decay`.

    Returns:
        A fresh `keras.optimizers.Optimizer`.

    Raises:
        ValueError: If a choice is unknown, there is none, or a range is wrong.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hp = keras_tuner.HyperParameters()
        >>> found = tuning.optimizer(hp, choices=["sgd", "adam"])
        >>> hp.values
        {'optimizer': 'sgd', 'optimizer/learning_rate': 0.01, 'optimizer/momentum': 0.0}

    Reference: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019,
    https://arxiv.org/abs/1711.05101
    """
    arguments = learning_rate, momentum, weight_decay, clipping
    found = choose(hp, name, choices, *arguments)
    return found if model is None else spare(found, model)
