"""Stopping: look at the scores of each epoch, keep the best state, stop when due."""

import math
import time
import warnings

import keras

from kcomponents import _keras
from kcomponents._check import fail
from kcomponents.callbacks._averaged import scored_places
from kcomponents.callbacks._best_file import BestFile
from kcomponents.callbacks._best_state import BestState
from kcomponents.callbacks._inner_checks import InnerChecks
from kcomponents.callbacks._iterations import iterations_there
from kcomponents.callbacks._restoring import Restoring
from kcomponents.callbacks._stop_reason import StopReason
from kcomponents.callbacks._stop_state import StopState
from kcomponents.probes._guard import around, calling_list

COMBINE = {"all": all, "any": any}


class Stopping(Restoring, StopState, keras.callbacks.EarlyStopping):
    """What `EarlyStopping` does while a model trains."""

    def _forget(self):
        self.wait = self.stopped_epoch = self.best_epoch = self._best_step = 0
        self.best = self.best_weights = self.stop_reason = self._spare = None
        self.history = {}
        self._epoch = self._restored = self._checks = self._first = None
        self._running, self._found = False, []
        self._began = time.monotonic()

    @property
    def best_step(self):
        """The steps that the optimizer had done when the score was best."""
        return int(keras.ops.convert_to_numpy(self._best_step))

    def on_train_begin(self, logs=None):
        """Begin anew, with nothing left of an earlier fit."""
        self._forget()
        for score in self._scores:
            score.start(self.model)
        first = self._scores[0]
        better = {"min": keras.ops.less, "max": keras.ops.greater}
        self.monitor_op = better[first.mode]
        good, bad = self.stopping_threshold, self.divergence_threshold
        if None not in (good, bad) and not first.is_beyond(good, bad):
            fail(
                "`stopping_threshold` must be better than `divergence_threshold`.",
                stopping_threshold=good,
                divergence_threshold=bad,
            )
        running = calling_list()
        if self.check_every is not None:
            if running is None:
                rule = "Checks within an epoch need a list of callbacks, as in `fit`."
                fail(rule, check_every=self.check_every)
            self._checks = InnerChecks(self.check_every, self.validation_data)
            around(running, "on_train_batch_end", after=self._after_batch)
        self._open_state(running)
        self._running = True

    def on_epoch_begin(self, epoch, logs=None):
        """Go on from the state of an earlier process, if there is one."""
        if self._first is None:
            self._take_up(epoch)
        self._epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        """Look at the scores, keep the state if it is the best, and stop if due."""
        self._epoch = epoch
        if self._checks is None:
            self._look(logs or {})
        self._save_state()

    def _after_batch(self, batch, logs=None):
        if self._checks.is_due(batch) and not self.model.stop_training:
            self._look(self._checks.logs(self.model, logs or {}))

    def _look(self, logs):
        values = [score.value(logs) for score in self._scores]
        if None in values:
            self._check_missing(self._scores[values.index(None)], logs)
        elif self._epoch >= self.start_from_epoch:
            self._check(values, logs)
        if self.max_seconds is not None and self.stop_reason is None:
            if self._seconds() >= self.max_seconds:
                self._stop(StopReason.TIME)

    def _seconds(self):
        return time.monotonic() - self._began

    def on_train_end(self, logs=None):
        """Bring the best state back and say why training ended."""
        self._running = False
        if self._first is None and self._found:
            # There was no epoch left to train.
            if self._stays_stopped:
                _keras.begun(self.model)
            self._take_up(self._found[0]["next_epoch"])
        if self.stop_reason is None:
            stopped = self.model.stop_training
            self.stop_reason = StopReason.OTHER if stopped else StopReason.END
        end = "end" if self.stop_reason is StopReason.END else "stop"
        self._restore_at(end, self.model)
        self._save_state(ended=True)
        if self._checks is not None:
            self._checks.release()
        if self.verbose:
            # Where the user looks while `fit` shows its progress.
            print(self.stop_message)

    def _check(self, values, logs):
        both = zip(self._scores, values, strict=True)
        found = [score.update(value, logs) for score, value in both]
        first, value = self._scores[0], values[0]
        improved, _ = found[0]
        self._note(values)
        if improved:
            self._keep(value)
        self.wait = getattr(first.criterion, "wait", 0)
        good, bad = self.stopping_threshold, self.divergence_threshold
        if self.check_finite and not all(map(math.isfinite, values)):
            self._stop(StopReason.NOT_FINITE)
        elif good is not None and first.is_beyond(value, good):
            self._stop(StopReason.THRESHOLD)
        elif bad is not None and first.is_beyond(bad, value):
            self._stop(StopReason.DIVERGED)
        elif COMBINE[self.combine](stop for _, stop in found):
            self._stop(StopReason.CRITERION)

    def _keep(self, value):
        """Take note of the best score so far, and of the state that made it."""
        if self.restore_best_weights:
            # Within an epoch, what is validated are the weights themselves.
            inner = self._checks is not None
            places = {} if inner else scored_places(self.model, self._scores[0])
            # Two memories take turns: an interruption leaves the best one whole.
            found = self._copied(places, self._spare)
            before, self.best_weights = self.best_weights, found
            reused = before is not None and before.serves_again
            self._spare = before if reused else None
        self.best, self.best_epoch = value, self._epoch
        self._best_step = iterations_there(self.model)

    def _copied(self, places, spare):
        """Return the state of the model, on disk if it should and can be there."""
        arguments = self.restore_optimizer, places
        if self.best_path is not None:
            try:
                return BestFile.of(self.model, self.best_path, *arguments)
            except OSError as error:
                warnings.warn(
                    f"The best state could not be written to {self.best_path!r}; it is "
                    f"kept on the device: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )
        return BestState.of(self.model, *arguments, spare)

    def _note(self, values):
        """Add the scores to the history of these."""
        found = {"epoch": self._epoch}
        if self._checks is not None:
            found["step"] = self._checks.steps
        found |= {s.name: v for s, v in zip(self._scores, values, strict=True)}
        for name, value in found.items():
            self.history.setdefault(name, []).append(value)

    def _stop(self, reason):
        self.stop_reason, self.stopped_epoch = reason, self._epoch
        self.model.stop_training = True

    def _check_missing(self, score, logs):
        """Refuse what does not appear, unless validation is still to come."""
        awaited = score.name.startswith("val_") and _keras.validates_later()
        if not awaited:
            fail(
                "`monitor` must be in the logs; there are "
                f"{', '.join(map(repr, logs)) or 'none'}. List this callback after the "
                "one that adds it.",
                monitor=score.name,
            )

    def __getstate__(self):
        # Tuners copy callbacks, not the models that these were set to.
        return {**self.__dict__, "_model": None, "_checks": None}
