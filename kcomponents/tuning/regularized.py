"""Regularized: a hypermodel whose penalty on kernels a search chooses."""

import keras_tuner

from kcomponents._check import fail
from kcomponents.regularizers import apply
from kcomponents.tuning._rewriting.wrapped import Wrapped
from kcomponents.tuning._spaces.regularizer import choose


class Regularized(Wrapped, keras_tuner.HyperModel):
    """Let a search choose the penalty on the kernels of models that are built already.

    Registers what `regularizer` does, builds the model of the given hypermodel and
    gives its kernels the penalty, in place of those they had. `"none"` leaves the model
    as it is. Biases, slopes, embeddings and normalization are spared. `fit` and
    `declare_hyperparameters` are those of the given hypermodel.

    Args:
        hypermodel: `keras_tuner.HyperModel` or function `build(hp)`.
        l1: Pair of floats above 0, the lowest and highest strength, or `None`, as in
            `regularizer`. Defaults to `(1e-7, 1e-3)`.
        l2: The same for the squares. Defaults to `(1e-6, 1e-2)`.
        name: String, name of the choice. Defaults to `"regularizer"`.

    Raises:
        ValueError: If the hypermodel is none or a range is wrong; in `build`, if the
            model is not built, as without a `keras.Input`.

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
        self, hypermodel, l1=(1e-7, 1e-3), l2=(1e-6, 1e-2), name="regularizer"
    ):
        super().__init__(hypermodel, name)
        self.l1, self.l2 = l1, l2
        # What is wrong is told here, not in the first trial.
        choose(keras_tuner.HyperParameters(), name, l1, l2)

    def build(self, hp):
        """Return the model with the penalty that `hp` says."""
        penalty = choose(hp, self.name, self.l1, self.l2)
        model = self.built_within(hp)
        if not model.built:
            fail("The model must be built: give it a `keras.Input`.", model=model.name)
        if penalty is not None:
            apply(model, penalty)
        return model
