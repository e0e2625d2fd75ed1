"""Stop state: save the state of early stopping in a file, and resume from it."""

import time
import warnings
from typing import Any

from kcomponents import _keras
from kcomponents._checks import fail
from kcomponents._keras.callback_list import once_all_began
from kcomponents._state_file import Generations
from kcomponents.callbacks._best_state import BestFile, BestState
from kcomponents.callbacks.stop_criteria import StopReason

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
# If training resumes after one of these ends, there is no stop reason yet.
RESUMABLE = (StopReason.END, StopReason.INTERRUPTED)


class StopState:
    """The part of `EarlyStopping` that saves its state and resumes from it."""

    def get_state(self) -> dict[str, Any]:
        """Return the state of this callback, as a dict of plain values and arrays."""
        best, reason = self.best_weights, self.stop_reason
        return {
            **{name: getattr(self, name) for name in COUNTS},
            "history": {name: list(values) for name, values in self.history.items()},
            "best_step": self.best_step,
            "epoch": self._epoch,
            "seconds": self._seconds(),
            "stop_reason": None if reason is None else reason.name,
            "scores": [[s.best, s.criterion.get_state()] for s in self._scores],
            "best_weights": None if best is None else best.get_state(),
            "checks": None if self._checks is None else self._checks.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Resume from a state that `get_state` returned, at the start of training."""
        self._saved_states = []
        for name in COUNTS:
            setattr(self, name, state[name])
        self._epoch, self._best_step = state["epoch"], state["best_step"]
        self._start_time = time.monotonic() - state["seconds"]
        reason = state["stop_reason"]
        reason = None if reason is None else StopReason[reason]
        self.stop_reason = None if reason in RESUMABLE else reason
        if len(state["scores"]) != len(self._scores):
            rule = "`monitor` must be the same as when the state was saved."
            fail(rule, monitor=self.monitor, scores_saved=len(state["scores"]))
        for score, (best, counts) in zip(self._scores, state["scores"], strict=True):
            score.best = best
            score.criterion.set_state(counts)
        if self._checks is not None and state["checks"] is not None:
            self._checks.set_state(state["checks"])
        self.best_weights = self._best_state(state["best_weights"])

    def _best_state(self, state):
        if state is None:
            return None
        if "values" in state:
            return BestState(**state)
        if self.best_path is None:
            rule = "`best_path` must be the same as when the state was saved."
            fail(rule, best_path=None)
        return BestFile(self.best_path, **state)

    def _open_state(self, running):
        """Read the states of an earlier process; check that files can be written."""
        self._saved_states, self._first_epoch = [], None
        self._stays_stopped = False
        if self.best_path is not None:
            Generations(self.best_path, BestFile.KIND).check()
        if self.state_path is None:
            return
        files = Generations(self.state_path, KIND, PARTS)
        self._saved_states = list(files.read())
        files.check()
        if self._saved_states and running is not None:
            once_all_began(running, self._stay_stopped)

    def _stay_stopped(self):
        """Skip all epochs if an earlier process was killed after it decided to stop."""
        last = self._saved_states[0] if self._saved_states else {"ended": True}
        known, at = _keras.running_fit(), _keras.begins_at(self.model)
        if not last["ended"] and last["stopped"] and at == last["next_epoch"]:
            _keras.begin_at(self.model, known["epochs"])
            self._stays_stopped = True

    def _resume(self, epoch):
        """Resume from the state that was saved just before this epoch."""
        if self._first_epoch is None:
            self._first_epoch = epoch
        if not self._saved_states:
            return
        states, self._saved_states = self._saved_states, []
        last = states[0]
        self._first_epoch = last["first_epoch"]
        saved = [state["next_epoch"] for state in states]
        if epoch in saved:
            self.set_state(states[saved.index(epoch)])
        elif epoch > max(saved):
            self.set_state(last)
            warnings.warn(
                f"{self.state_path!r} has no scores of epochs {max(saved) + 1} to "
                f"{epoch}. List `EarlyStopping` before the callback that saves the "
                "model.",
                RuntimeWarning,
                stacklevel=2,
            )
        elif epoch != self._first_epoch or not (last["ended"] or saved[0] == epoch + 1):
            fail(
                "The state in `state_path` must be from this run. Resume the model "
                "too, for example with `Resume`, or delete the file to start again.",
                state_path=self.state_path,
                epochs_saved=saved[0],
                first_epoch=epoch + 1,
            )

    def _save_state(self, ended=False):
        if self.state_path is None:
            return
        state = {
            **self.get_state(),
            "next_epoch": 0 if self._epoch is None else self._epoch + 1,
            "first_epoch": self._first_epoch,
            "stopped": bool(self.model.stop_training),
            "ended": ended,
        }
        Generations(self.state_path, KIND).write_or_warn(state)
