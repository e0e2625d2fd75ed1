"""What hypermodels around another one share."""

from kcomponents._check import fail
from kcomponents.tuning._spaces.explore import build_with


class Wrapped:
    """Mixin: passes on whatever the hypermodel within does beside `build`."""

    def __init__(self, hypermodel, name):
        if not callable(getattr(hypermodel, "build", hypermodel)):
            rule = "`hypermodel` must be a function `build(hp)` or a `HyperModel`."
            fail(rule, hypermodel=hypermodel)
        super().__init__(name=name)
        self.hypermodel = hypermodel

    def built_within(self, hp):
        """Return the model of the hypermodel within."""
        return build_with(self.hypermodel, hp)

    def declare_hyperparameters(self, hp):
        """Declare what the hypermodel within declares."""
        if hasattr(self.hypermodel, "declare_hyperparameters"):
            self.hypermodel.declare_hyperparameters(hp)

    def fit(self, hp, model, *args, **kwargs):
        """Train the model as the hypermodel within does."""
        if hasattr(self.hypermodel, "fit"):
            return self.hypermodel.fit(hp, model, *args, **kwargs)
        return super().fit(hp, model, *args, **kwargs)
