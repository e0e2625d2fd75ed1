"""WithActivation: let a search choose the activation of an existing hypermodel."""

from collections.abc import Callable, Sequence

import keras
import keras_tuner

from kcomponents.tuning._rewriting.rewrite import with_activation
from kcomponents.tuning._rewriting.wrapped import Wrapped
from kcomponents.tuning._spaces.activation import CHOICES, choose


class WithActivation(Wrapped, keras_tuner.HyperModel):
    """Let a search choose the hidden activation of an existing hypermodel.

    It registers the hyperparameters of `activation`, builds the model of the given
    hypermodel, and replaces its hidden activations: `activation` arguments of layers,
    and activation layers. These stay: the model's last activation, every `softmax`,
    sigmoid gates (which a `Multiply` reads), the activations in recurrent layers,
    Maxout layers, and frozen models inside the model. Initializers that are made for an
    activation (Glorot, He, a normal distribution) are replaced by one for the new
    activation.

    For a maxout, all its layers become narrower by one factor, to keep the model's
    number of weights. Where this is impossible, for example for an activation after an
    `Add` layer, `build` raises a `ValueError`.

    The new model is compiled with the same optimizer, loss and metrics. An optimizer
    with weight decay then decays kernels only. `fit` and `declare_hyperparameters` are
    passed on to the hypermodel.

    Args:
        hypermodel: `keras_tuner.HyperModel` or function `build(hp)` that returns
            `Sequential` or functional models.
        choices: Strings, as `choices` of `activation`. Defaults to the same.
        name: String, name of the hyperparameter. Defaults to `"activation"`.
        exclude: Regular expression, or several; layers with a matching name keep their
            activation. Defaults to `()`.

    Raises:
        ValueError: If `hypermodel` is not a hypermodel, or `choices` is empty or has an
            unknown activation; in `build`, if the model is subclassed, has no hidden
            activation, or the chosen activation is impossible.

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

    def __init__(
        self,
        hypermodel: keras_tuner.HyperModel | Callable,
        choices: str | Sequence[str] = CHOICES,
        name: str = "activation",
        exclude: str | Sequence[str] = (),
    ):
        super().__init__(hypermodel, name)
        self.choices = choices
        # Check the arguments now, not in the first trial.
        choose(keras_tuner.HyperParameters(), name, choices)
        self.exclude = (exclude,) if isinstance(exclude, str) else tuple(exclude)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the model of the hypermodel with the chosen activation."""
        hidden = choose(hp, self.name, self.choices)
        return with_activation(self.build_inner(hp), hidden, self.exclude)
