"""Regularized: let a search choose the regularizer of an existing hypermodel."""

from collections.abc import Callable

import keras
import keras_tuner

from kcomponents._check import fail
from kcomponents.regularizers import apply
from kcomponents.tuning._rewriting.wrapped import Wrapped
from kcomponents.tuning._spaces.regularizer import choose


class Regularized(Wrapped, keras_tuner.HyperModel):
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
        choose(keras_tuner.HyperParameters(), name, l1, l2)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the model of the hypermodel with the chosen regularizer."""
        regularizer = choose(hp, self.name, self.l1, self.l2)
        model = self.build_inner(hp)
        if not model.built:
            fail("The model must be built. Add a `keras.Input`.", model=model.name)
        if regularizer is not None:
            apply(model, regularizer)
        return model
