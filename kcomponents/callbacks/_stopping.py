"""Stopping: check the scores of each epoch, keep the best state, stop training."""

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
from kcomponents.callbacks._iterations import iterations_on_device
from kcomponents.callbacks._restoring import Restoring
from kcomponents.callbacks._stop_reason import StopReason
from kcomponents.callbacks._stop_state import StopState
from kcomponents.probes._guard import around, calling_list

COMBINE = {"all": all, "any": any}


class Stopping(Restoring, StopState, keras.callbacks.EarlyStopping):
    """The part of `EarlyStopping` that runs during training."""

    def _reset(self):
        self.wait = self.stopped_epoch = self.best_epoch = self._best_step = 0
        self.best = self.best_weights = self.stop_reason = self._spare = None
        self.history = {}
        self._epoch = self._restored = self._checks = self._first_epoch = None
        self._training, self._saved_states = False, []
        self._start_time = time.monotonic()

    @property
    def best_step(self) -> int:
        """Number of steps that the optimizer had done at the best score."""
        return int(keras.ops.convert_to_numpy(self._best_step))

    def on_train_begin(self, logs=None):
        """Reset the state of an earlier `fit` and check the arguments."""
        self._reset()
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
                rule = "`check_every` works only in `fit` or with a `CallbackList`."
                fail(rule, check_every=self.check_every)
            self._checks = InnerChecks(self.check_every, self.validation_data)
            around(running, "on_train_batch_end", after=self._after_batch)
        self._open_state(running)
        self._training = True

    def on_epoch_begin(self, epoch, logs=None):
        """Resume from the state that an earlier process saved, if there is one."""
        if self._first_epoch is None:
            self._resume(epoch)
        self._epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        """Check the scores, keep the state if it is the best, and stop if needed."""
        self._epoch = epoch
        if self._checks is None:
            self._check_logs(logs or {})
        self._save_state()

    def _after_batch(self, batch, logs=None):
        if self._checks.is_due(batch) and not self.model.stop_training:
            self._check_logs(self._checks.logs(self.model, logs or {}))

    def _check_logs(self, logs):
        values = [score.value(logs) for score in self._scores]
        if None in values:
            self._check_missing(self._scores[values.index(None)], logs)
        elif self._epoch >= self.start_from_epoch:
            self._check(values, logs)
        if self.max_seconds is not None and self.stop_reason is None:
            if self._seconds() >= self.max_seconds:
                self._stop(StopReason.TIME)

    def _seconds(self):
        return time.monotonic() - self._start_time

    def on_train_end(self, logs=None):
        """Set the stop reason, restore the best state, and print the message."""
        self._training = False
        if self._first_epoch is None and self._saved_states:
            # No epoch was left to train, so `on_epoch_begin` was never called.
            if self._stays_stopped:
                _keras.begun(self.model)
            self._resume(self._saved_states[0]["next_epoch"])
        if self.stop_reason is None:
            stopped = self.model.stop_training
            self.stop_reason = StopReason.OTHER if stopped else StopReason.END
        end = "end" if self.stop_reason is StopReason.END else "stop"
        self._restore_at(end, self.model)
        self._save_state(ended=True)
        if self._checks is not None:
            self._checks.release()
        if self.verbose:
            # Not logged, so that it appears with the progress bar of `fit`.
            print(self.stop_message)

    def _check(self, values, logs):
        pairs = zip(self._scores, values, strict=True)
        results = [score.update(value, logs) for score, value in pairs]
        first, value = self._scores[0], values[0]
        improved, _ = results[0]
        self._record(values)
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
        elif COMBINE[self.combine](stop for _, stop in results):
            self._stop(StopReason.CRITERION)

    def _keep(self, value):
        """Keep the best score so far and the state of the model that has it."""
        if self.restore_best_weights:
            # Checks within an epoch score the weights, never their averages.
            inner = self._checks is not None
            places = {} if inner else scored_places(self.model, self._scores[0])
            # Two buffers alternate, so that the best state stays complete if an
            # exception interrupts the copy.
            previous = self.best_weights
            self.best_weights = self._copy_state(places, self._spare)
            reusable = previous is not None and previous.serves_again
            self._spare = previous if reusable else None
        self.best, self.best_epoch = value, self._epoch
        self._best_step = iterations_on_device(self.model)

    def _copy_state(self, places, spare):
        """Return the state of the model, written to `best_path` if possible."""
        arguments = self.restore_optimizer, places
        if self.best_path is not None:
            try:
                return BestFile.of(self.model, self.best_path, *arguments)
            except OSError as error:
                warnings.warn(
                    f"Could not write the best state to {self.best_path!r}, so it is "
                    f"kept on the device: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )
        return BestState.of(self.model, *arguments, spare)

    def _record(self, values):
        """Add the scores to `history`."""
        entry = {"epoch": self._epoch}
        if self._checks is not None:
            entry["step"] = self._checks.steps
        entry |= {s.name: v for s, v in zip(self._scores, values, strict=True)}
        for name, value in entry.items():
            self.history.setdefault(name, []).append(value)

    def _stop(self, reason):
        self.stop_reason, self.stopped_epoch = reason, self._epoch
        self.model.stop_training = True

    def _check_missing(self, score, logs):
        """Raise if a score is not in the logs, unless validation comes later."""
        awaited = score.name.startswith("val_") and _keras.validates_later()
        if not awaited:
            fail(
                "`monitor` must be in the logs. Available: "
                f"{', '.join(map(repr, logs)) or 'none'}. If another callback adds it, "
                "list this one after that one.",
                monitor=score.name,
            )

    def __getstate__(self):
        # Tuners copy callbacks, which must not copy the model too.
        return {**self.__dict__, "_model": None, "_checks": None}
