"""WithActivation: a hypermodel whose hidden activations a search chooses."""

import keras_tuner

from kcomponents.tuning._rewriting.rewrite import with_activation
from kcomponents.tuning._rewriting.wrapped import Wrapped
from kcomponents.tuning._spaces.activation import CHOICES, choose


class WithActivation(Wrapped, keras_tuner.HyperModel):
    """Let a search choose the hidden activation of models that are built already.

    Registers what `activation` does, builds the model of the given hypermodel and
    replaces its hidden activations: those of layers with `activation=` and those that
    are layers of their own. The last activation of the model, `softmax` anywhere,
    sigmoids that are multiplied with something, what is inside of recurrent layers,
    existing maxouts and frozen models within the model stay. Where an initializer is
    one that draws for an activation (Glorot's, He's, a normal distribution), it becomes
    that of the new one.

    A maxout narrows all its layers by one factor, so that the model keeps its number of
    weights. What does not allow that raises a `ValueError`, such as an activation
    behind a sum.

    The model is compiled with the same optimizer, loss and metrics. If the optimizer
    decays weights, it decays kernels only from then on. `fit` and
    `declare_hyperparameters` are those of the given hypermodel.

    Args:
        hypermodel: `keras_tuner.HyperModel` or function `build(hp)`, whose models are
            `Sequential` or functional.
        choices: Strings, as in `activation`.
        name: String, name of the choice. Defaults to `"activation"`.
        exclude: String or strings, regular expressions; layers in whose name one is
            found keep their activation. Defaults to `()`.

    Raises:
        ValueError: If the hypermodel is none, or there is no choice or an unknown one;
            in `build`, if the model is subclassed,
            has no hidden activation, or cannot take the one chosen.

    Example:
        >>> import keras, keras_tuner
        >>> from kcomponents import tuning
        >>> def build(hp):
        ...     return keras.Sequential([
        ...         keras.Input((4,)),
        ...         keras.layers.Dense(8, "relu"),
        ...         keras.layers.Dense(3, "softmax"),
        ...     ])
        >>> hypermodel = tuning.WithActivation(build, ["relu", "prelu", "maxout"])
        >>> hp = keras_tuner.HyperParameters()
        >>> hp.values["activation"] = "prelu"
        >>> [type(layer).__name__ for layer in hypermodel.build(hp).layers]
        ['Dense', 'PReLU', 'Dense']

    Reference: Goodfellow et al., "Maxout Networks", 2013,
    https://arxiv.org/abs/1302.4389; He et al., "Delving Deep into Rectifiers", 2015,
    https://arxiv.org/abs/1502.01852
    """

    def __init__(self, hypermodel, choices=CHOICES, name="activation", exclude=()):
        super().__init__(hypermodel, name)
        self.choices = choices
        # What is wrong is told here, not in the first trial.
        choose(keras_tuner.HyperParameters(), name, choices)
        self.exclude = (exclude,) if isinstance(exclude, str) else tuple(exclude)

    def build(self, hp):
        """Return the model with the activation that `hp` says."""
        hidden = choose(hp, self.name, self.choices)
        return with_activation(self.built_within(hp), hidden, self.exclude)
