"""Wrapped: base class of hypermodels that change the models of another one."""

from typing import TYPE_CHECKING, Any

import keras

from kcomponents._check import fail
from kcomponents.tuning._spaces.explore import build_with

if TYPE_CHECKING:
    import keras_tuner


class Wrapped:
    """Mixin that passes on all methods of the inner hypermodel except `build`."""

    def __init__(self, hypermodel, name):
        if not callable(getattr(hypermodel, "build", hypermodel)):
            rule = "`hypermodel` must be a function `build(hp)` or a `HyperModel`."
            fail(rule, hypermodel=hypermodel)
        super().__init__(name=name)
        self.hypermodel = hypermodel

    def build_inner(self, hp: "keras_tuner.HyperParameters") -> keras.Model:
        """Return the model of the inner hypermodel."""
        return build_with(self.hypermodel, hp)

    def declare_hyperparameters(self, hp: "keras_tuner.HyperParameters") -> None:
        """Declare the hyperparameters of the inner hypermodel."""
        if hasattr(self.hypermodel, "declare_hyperparameters"):
            self.hypermodel.declare_hyperparameters(hp)

    def fit(
        self,
        hp: "keras_tuner.HyperParameters",
        model: keras.Model,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Train the model with the inner hypermodel's `fit`."""
        if hasattr(self.hypermodel, "fit"):
            return self.hypermodel.fit(hp, model, *args, **kwargs)
        return super().fit(hp, model, *args, **kwargs)
