"""Hypermodels that change the models of another hypermodel."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import keras_tuner

from kcomponents._checks import fail
from kcomponents.regularizers import apply
from kcomponents.tuning._space_walk import build_with
from kcomponents.tuning.activation import CHOICES, choose_activation
from kcomponents.tuning.choices import choose_regularizer
from kcomponents.tuning.hypermodels._rewrite import with_activation


class HyperModelWrapper:
    """Mixin that passes on all methods of the inner hypermodel except `build`."""

    def __init__(self, hypermodel, name):
        if not callable(getattr(hypermodel, "build", hypermodel)):
            rule = "`hypermodel` must be a function `build(hp)` or a `HyperModel`."
            fail(rule, hypermodel=hypermodel)
        super().__init__(name=name)
        self.hypermodel = hypermodel

    def build_inner(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the model of the inner hypermodel."""
        return build_with(self.hypermodel, hp)

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Declare the hyperparameters of the inner hypermodel."""
        if hasattr(self.hypermodel, "declare_hyperparameters"):
            self.hypermodel.declare_hyperparameters(hp)

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Train the model with the inner hypermodel's `fit`."""
        if hasattr(self.hypermodel, "fit"):
            return self.hypermodel.fit(hp, model, *args, **kwargs)
        return super().fit(hp, model, *args, **kwargs)


class WithActivation(HyperModelWrapper, keras_tuner.HyperModel):
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
        choose_activation(keras_tuner.HyperParameters(), name, choices)
        self.exclude = (exclude,) if isinstance(exclude, str) else tuple(exclude)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the model of the hypermodel with the chosen activation."""
        hidden = choose_activation(hp, self.name, self.choices)
        return with_activation(self.build_inner(hp), hidden, self.exclude)


class Regularized(HyperModelWrapper, keras_tuner.HyperModel):
    """Let a search choose the kernel regularizer of an existing hypermodel.

    It registers the hyperparameters of `regularizer`, builds the model of the given
    hypermodel, and replaces the regularizers of its kernels. `"none"` does not change
    the model. Biases, PReLU slopes, embeddings and normalization layers are not
    regularized. `fit` and `declare_hyperparameters` are passed on to the hypermodel.

    Args:
        hypermodel: `keras_tuner.HyperModel` or function `build(hp)`.
        l1: Pair `(lowest, highest)` of floats above 0, range of the L1 factor, or
            `None` for no L1. Defaults to `(1e-7, 1e-3)`.
        l2: Pair `(lowest, highest)` of floats above 0, range of the L2 factor, or
            `None` for no L2. Defaults to `(1e-6, 1e-2)`.
        name: String, name of the hyperparameter. Defaults to `"regularizer"`.

    Raises:
        ValueError: If `hypermodel` is not a hypermodel, or a range is invalid; in
            `build`, if the model is not built, for example without a `keras.Input`.

    Example:
        >>> import keras, keras_tuner
        >>> from kcomponents import tuning
        >>> def build(hp):
        ...     return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> hypermodel = tuning.Regularized(build, l1=None)
        >>> hp = keras_tuner.HyperParameters()
        >>> hp.values["regularizer"] = "l2"
        >>> len(hypermodel.build(hp).losses)
        1

    Reference: Krogh and Hertz, "A Simple Weight Decay Can Improve Generalization",
    1991, https://proceedings.neurips.cc/paper/1991/hash/8eefcfdf5990e441f0fb6f3fad709e21
    """

    def __init__(
        self,
        hypermodel: keras_tuner.HyperModel | Callable,
        l1: tuple[float, float] | None = (1e-7, 1e-3),
        l2: tuple[float, float] | None = (1e-6, 1e-2),
        name: str = "regularizer",
    ):
        super().__init__(hypermodel, name)
        self.l1, self.l2 = l1, l2
        # Check the arguments now, not in the first trial.
        choose_regularizer(keras_tuner.HyperParameters(), name, l1, l2)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the model of the hypermodel with the chosen regularizer."""
        regularizer = choose_regularizer(hp, self.name, self.l1, self.l2)
        model = self.build_inner(hp)
        if not model.built:
            fail("The model must be built. Add a `keras.Input`.", model=model.name)
        if regularizer is not None:
            apply(model, regularizer)
        return model
