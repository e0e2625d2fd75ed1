"""The state file of early stopping: one state per epoch, to resume from."""

from kcomponents import _console, _keras
from kcomponents._checks import fail
from kcomponents._keras.callback_list import after_train_begin
from kcomponents._state_file import Generations

KIND = "the state of early stopping"
PARTS = {
    **dict.fromkeys(("wait", "next_epoch"), int),
    **dict.fromkeys(("stopped", "ended"), bool),
    **dict.fromkeys(("epoch", "first_epoch", "stopped_epoch"), int | None),
    **dict.fromkeys(("best_epoch", "best_step"), int | None),
    "best": int | float | None,
    "best_weights": dict | None,
    "checks": list | None,
    "history": dict,
    "scores": list,
    "seconds": int | float,
    "stop_reason": str | None,
}


# The counts that a state file of early stopping has, if they are not `None`.
COUNTS = ("wait", "next_epoch", "epoch", "first_epoch", "stopped_epoch", "best_epoch")


def _check_counts(state, path):
    """Raise unless all counts in a state are integers of at least 0."""
    for field in COUNTS:
        value = state[field]
        if value is not None and (isinstance(value, bool) or value < 0):
            rule = f"`{field}` must be an integer of at least 0."
            fail(rule, state_path=path, **{field: value})


class StopStateFile:
    """The file in which early stopping saves its state after each epoch.

    Another callback saves the model. If a process is killed between the two, the state
    of early stopping is one epoch ahead, so the file before is kept too.

    Args:
        path: Path of the file.
    """

    def __init__(self, path):
        self._path, self._states, self._first_epoch = path, [], None
        self._skips_epochs = False

    def open(self, model, running):
        """Read the states of an earlier process; check that the file can be written.

        Args:
            model: The model that is about to be trained.
            running: The list of callbacks that trains it, or `None`.
        """
        files = Generations(self._path, KIND, PARTS)
        self._states = list(files.read())
        for state in self._states:
            _check_counts(state, self._path)
        files.check()
        if self._states and running is not None:
            after_train_begin(running, lambda: self._skip_epochs(model))

    def _skip_epochs(self, model):
        """Skip all epochs if an earlier process was killed after it decided to stop."""
        last = self._states[0] if self._states else {"ended": True, "stopped": False}
        if last["ended"] or not last["stopped"]:
            return
        if _keras.first_epoch(model) == last["next_epoch"]:
            _keras.set_first_epoch(model, _keras.running_fit()["epochs"])
            self._skips_epochs = True

    def discard(self):
        """Forget the states of an earlier process."""
        self._states = []

    def state_before(self, epoch):
        """Return the state saved just before the first epoch, or None to start anew.

        For later epochs, return None.
        """
        if self._first_epoch is not None:
            return None
        self._first_epoch = epoch
        if not self._states:
            return None
        states, self._states = self._states, []
        last = states[0]
        self._first_epoch = last["first_epoch"]
        saved = [state["next_epoch"] for state in states]
        if epoch in saved:
            return states[saved.index(epoch)]
        if epoch > max(saved):
            _console.warn(
                f"{self._path!r} has no scores of epochs {max(saved) + 1} to "
                f"{epoch}. List `EarlyStopping` before the callback that saves the "
                "model.",
                RuntimeWarning,
                stacklevel=2,
            )
            return last
        if epoch != self._first_epoch or not (last["ended"] or saved[0] == epoch + 1):
            fail(
                "The state in `state_path` must be from this run. Resume the model "
                "too, for example with `Resume`, or delete the file to start again.",
                state_path=self._path,
                epochs_saved=saved[0],
                first_epoch=epoch + 1,
            )
        return None

    def state_without_epochs(self, model):
        """Return the last state if no epoch was left to train, else None."""
        if self._first_epoch is not None or not self._states:
            return None
        if self._skips_epochs:
            _keras.reset_first_epoch(model)
        return self.state_before(self._states[0]["next_epoch"])

    def save(self, state, epoch, stopped, ended):
        """Write a state; if that fails, warn and keep the files.

        Args:
            state: Dict, as `EarlyStopping.get_state` returns it.
            epoch: The last epoch, or `None` if there was none.
            stopped: Whether a callback stopped training.
            ended: Whether training has ended.
        """
        following = {
            "next_epoch": 0 if epoch is None else epoch + 1,
            "first_epoch": self._first_epoch,
            "stopped": stopped,
            "ended": ended,
        }
        Generations(self._path, KIND).write_or_warn({**state, **following})
