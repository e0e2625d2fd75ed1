"""Best file: what a model was at its best, kept on disk."""

import uuid

from kcomponents._check import fail
from kcomponents._state_file import Damaged, opened_state
from kcomponents.callbacks._best_state import best_of, bring_back
from kcomponents.callbacks._generations import Generations


class BestFile:
    """A file with the variables of a model, and the one before it.

    A process may die after a better state is written and before its score is: then the
    score that is known belongs to the file before. So each has a name in it.

    Args:
        path: Where the file is.
        label: String, what tells this state from others.
        with_optimizer: Whether variables of the optimizers are in it.
    """

    KIND = "the best state of a model"
    serves_again = False

    def __init__(self, path, label, with_optimizer=False):
        self.path, self.label, self.with_optimizer = path, label, with_optimizer

    @classmethod
    def of(cls, model, path, with_optimizer=False, places=()):
        """Write what a model is now; raise `OSError` if that cannot be."""
        found = cls(path, uuid.uuid4().hex, with_optimizer)
        values = best_of(model, with_optimizer, places)
        state = {"label": found.label, "values": values}
        Generations(path, cls.KIND).write(state)
        return found

    def restore(self, model):
        """Bring the model, or another one like it, to this state."""
        for path in Generations(self.path, self.KIND).paths:
            try:
                with opened_state(path, self.KIND) as (state, arrays):
                    if state["label"] == self.label:
                        stored = _Stored(arrays, len(state["values"]))
                        bring_back(model, stored, self.with_optimizer)
                        return
            except (Damaged, FileNotFoundError):
                continue
        fail("The file of the best state is gone, or is another's.", path=self.path)

    def get_state(self):
        """Return what a file should keep of this one."""
        return {"label": self.label, "with_optimizer": self.with_optimizer}


class _Stored:
    """Arrays of a file, which are read one by one."""

    def __init__(self, arrays, count):
        self._arrays, self._count = arrays, count

    def __iter__(self):
        return (self._arrays[index] for index in range(self._count))
