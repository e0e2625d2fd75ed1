"""Models of trials: built anew, or a compiled one of the same structure used again."""

import gc

from kcomponents._backends._reuse import forget_models, leaves_graphs
from kcomponents._keras._reuse import forget_names
from kcomponents.tuning._reuse.compiled_models import CompiledModels


class Models:
    """Gives each trial its model.

    Args:
        reuse: Boolean, whether trials of one structure share a compiled model.
    """

    def __init__(self, reuse):
        self.kept = CompiledModels() if reuse else None
        self.reused = False
        # Whether the last model, or one that made room for it, is held no longer.
        self._drops = True

    def holds(self, model):
        """Tell whether a model may be given out again."""
        return self.kept is not None and self.kept.holds(model)

    def model_for(self, build, hp):
        """Return the model that `build` makes, or one that is trained just like it."""
        if leaves_graphs and self._drops:
            gc.collect()
            forget_models()
        forget_names()
        if self.kept is None:
            return build(hp)
        model = self.kept.model_for(build(hp))
        self.reused = self.kept.reused
        self._drops = self.kept.let_go or not self.holds(model)
        return model
