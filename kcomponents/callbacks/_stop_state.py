"""Stop state: all that early stopping knows, to be saved and taken up again."""

import time
import warnings

from kcomponents import _keras
from kcomponents._check import fail
from kcomponents.callbacks._best_file import BestFile
from kcomponents.callbacks._best_state import BestState
from kcomponents.callbacks._generations import Generations
from kcomponents.callbacks._last_to_begin import once_all_began
from kcomponents.callbacks._stop_reason import StopReason

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
COUNTS = ("wait", "stopped_epoch", "best", "best_epoch", "history")
# Ends that are none if training goes on after all.
PASSING = (StopReason.END, StopReason.INTERRUPTED)


class StopState:
    """What `EarlyStopping` saves, and when it takes that up."""

    def get_state(self):
        """Return all that was found so far, as a dict of plain values and arrays."""
        kept, reason = self.best_weights, self.stop_reason
        return {
            **{name: getattr(self, name) for name in COUNTS},
            "history": {name: list(values) for name, values in self.history.items()},
            "best_step": self.best_step,
            "epoch": self._epoch,
            "seconds": self._seconds(),
            "stop_reason": None if reason is None else reason.name,
            "scores": [[s.best, s.criterion.get_state()] for s in self._scores],
            "best_weights": None if kept is None else kept.get_state(),
            "checks": None if self._checks is None else self._checks.get_state(),
        }

    def set_state(self, state):
        """Go on from what `get_state` returned, in a training that is beginning."""
        self._found = []
        for name in COUNTS:
            setattr(self, name, state[name])
        self._epoch, self._best_step = state["epoch"], state["best_step"]
        self._began = time.monotonic() - state["seconds"]
        reason = state["stop_reason"]
        reason = None if reason is None else StopReason[reason]
        self.stop_reason = None if reason in PASSING else reason
        if len(state["scores"]) != len(self._scores):
            rule = "`monitor` must be what it was when the state was saved."
            fail(rule, monitor=self.monitor, scores_saved=len(state["scores"]))
        for score, (best, counts) in zip(self._scores, state["scores"], strict=True):
            score.best = best
            score.criterion.set_state(counts)
        if self._checks is not None and state["checks"] is not None:
            self._checks.set_state(state["checks"])
        self.best_weights = self._kept_in(state["best_weights"])

    def _kept_in(self, state):
        if state is None:
            return None
        if "values" in state:
            return BestState(**state)
        if self.best_path is None:
            rule = "`best_path` must be what it was when the state was saved."
            fail(rule, best_path=None)
        return BestFile(self.best_path, **state)

    def _open_state(self, running):
        """See what an earlier process left, and that more can be written."""
        self._found, self._first, self._stays_stopped = [], None, False
        if self.best_path is not None:
            Generations(self.best_path, BestFile.KIND).check()
        if self.state_path is None:
            return
        files = Generations(self.state_path, KIND, PARTS)
        self._found = list(files.read())
        files.check()
        if self._found and running is not None:
            once_all_began(running, self._stay_stopped)

    def _stay_stopped(self):
        """Train nothing if an earlier process was killed after it had to stop."""
        last = self._found[0] if self._found else {"ended": True}
        known, at = _keras.running_fit(), _keras.begins_at(self.model)
        if not last["ended"] and last["stopped"] and at == last["next_epoch"]:
            _keras.begin_at(self.model, known["epochs"])
            self._stays_stopped = True

    def _take_up(self, epoch):
        """Go on from the state that was saved when this epoch was about to begin."""
        self._first = epoch if self._first is None else self._first
        if not self._found:
            return
        found, self._found = self._found, []
        last = found[0]
        self._first = last["first_epoch"]
        saved = [state["next_epoch"] for state in found]
        if epoch in saved:
            self.set_state(found[saved.index(epoch)])
        elif epoch > max(saved):
            self.set_state(last)
            warnings.warn(
                f"{self.state_path!r} knows nothing of the epochs {max(saved) + 1} to "
                f"{epoch}: list `EarlyStopping` before what saves the model.",
                RuntimeWarning,
                stacklevel=2,
            )
        elif epoch != self._first or not (last["ended"] or saved[0] == epoch + 1):
            fail(
                "`state_path` must be of this training: resume the model too, as with "
                "`Resume`, or remove the file to begin anew.",
                state_path=self.state_path,
                epochs_saved=saved[0],
                epoch=epoch,
            )

    def _save_state(self, ended=False):
        if self.state_path is None:
            return
        state = {
            **self.get_state(),
            "next_epoch": 0 if self._epoch is None else self._epoch + 1,
            "first_epoch": self._first,
            "stopped": bool(self.model.stop_training),
            "ended": ended,
        }
        Generations(self.state_path, KIND).write_or_warn(state)
