"""Models of trials: built anew, or a compiled one of the same structure used again."""

import keras

from kcomponents._backends._reuse import leaves_graphs
from kcomponents.tuning._reuse.compiled_models import CompiledModels


class Models:
    """Gives each trial its model.

    Args:
        reuse: Boolean, whether trials of one structure share a compiled model.
    """

    def __init__(self, reuse):
        self.kept = CompiledModels() if reuse else None
        self.reused = False

    def holds(self, model):
        """Tell whether a model may be given out again."""
        return self.kept is not None and self.kept.holds(model)

    def model_for(self, build, hp):
        """Return the model that `build` makes, or one that is trained just like it."""
        if leaves_graphs and not self.reused:
            # Of the model before, which no other trial takes.
            keras.backend.clear_session()
        if self.kept is None:
            return build(hp)
        model = self.kept.model_for(build(hp))
        self.reused = self.kept.reused
        return model
