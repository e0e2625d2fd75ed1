"""Best file: a copy of a model's variables at its best score, on disk."""

import uuid

from kcomponents._check import fail
from kcomponents._state_file import Damaged, opened_state
from kcomponents.callbacks._best_state import best_of, restore_values
from kcomponents.callbacks._generations import Generations


class BestFile:
    """A file with the variables of a model; the previous file is kept beside it.

    A process may be killed after it wrote a better state but before it saved the score.
    The saved score then belongs to the previous file, so each file has a label.

    Args:
        path: Path of the file.
        label: String that identifies this state.
        with_optimizer: Whether the variables of optimizers are included.
    """

    KIND = "the best state of a model"
    serves_again = False

    def __init__(self, path, label, with_optimizer=False):
        self.path, self.label, self.with_optimizer = path, label, with_optimizer

    @classmethod
    def of(cls, model, path, with_optimizer=False, places=()):
        """Write the current state of a model.

        Raises:
            OSError: If the file cannot be written.
        """
        written = cls(path, uuid.uuid4().hex, with_optimizer)
        values = best_of(model, with_optimizer, places)
        state = {"label": written.label, "values": values}
        Generations(path, cls.KIND).write(state)
        return written

    def restore(self, model):
        """Set the variables of a model, or of another one like it, to this state."""
        for path in Generations(self.path, self.KIND).paths:
            try:
                with opened_state(path, self.KIND) as (state, arrays):
                    if state["label"] == self.label:
                        stored = _Stored(arrays, len(state["values"]))
                        restore_values(model, stored, self.with_optimizer)
                        return
            except (Damaged, FileNotFoundError):
                continue
        rule = "The best state must still be in its file, which is gone or overwritten."
        fail(rule, path=self.path)

    def get_state(self):
        """Return the arguments of this state, to be saved in another file."""
        return {"label": self.label, "with_optimizer": self.with_optimizer}


class _Stored:
    """The arrays of a file, each read only when it is needed."""

    def __init__(self, arrays, count):
        self._arrays, self._count = arrays, count

    def __iter__(self):
        return (self._arrays[index] for index in range(self._count))
