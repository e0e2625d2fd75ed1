"""Models of trials: new ones, or a compiled model of the same structure reused."""

import gc

from kcomponents._backends._reuse import forget_models, leaves_graphs
from kcomponents._keras._reuse import forget_names
from kcomponents.tuning._reuse.compiled_models import CompiledModels


class Models:
    """Builds or reuses the model of each trial.

    Args:
        reuse: Boolean, whether trials with the same structure share a compiled model.
    """

    def __init__(self, reuse):
        self.kept = CompiledModels() if reuse else None
        self.reused = False
        # Whether a model was released since the last trial.
        self._drops = True

    def holds(self, model):
        """Return whether a model may be reused by a later trial."""
        return self.kept is not None and self.kept.holds(model)

    def model_for(self, build, hp):
        """Return the model that `build` returns, or an equivalent compiled one."""
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
