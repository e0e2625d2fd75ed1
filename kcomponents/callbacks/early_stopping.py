"""EarlyStopping: stop when a score no longer improves, restore the best weights."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import keras

from kcomponents import _console, _keras
from kcomponents._checks import boolean, fail, number, one_of, positive_int
from kcomponents._files import Path, optional_path
from kcomponents._keras.callback_list import running_callbacks, wrap_hook
from kcomponents._keras.fit_guard import guarded_beginning
from kcomponents._keras.optimizers import iterations_on_device
from kcomponents.callbacks._best_state import (
    BestFile,
    BestState,
    BestStates,
    averaged_variables,
    load_best_state,
)
from kcomponents.callbacks._mid_epoch_validation import MidEpochValidation
from kcomponents.callbacks._score import best_first, scores_of
from kcomponents.callbacks._stop_state import StopStateFile
from kcomponents.callbacks.stop_criteria import StopCriterion, StopReason

COMBINE = {"all": all, "any": any}
RESTORE_ON = ("stop", "end", "interrupt")
# The attributes that are part of the saved state as they are.
SAVED = ("wait", "stopped_epoch", "best", "best_epoch", "history")
# If training resumes after one of these ends, there is no stop reason yet.
RESUMABLE = (StopReason.END, StopReason.INTERRUPTED)
_Monitor = str | Callable[[dict[str, Any]], float]


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Stop training when a score no longer improves, and restore the best weights.

    It replaces `keras.callbacks.EarlyStopping` and takes the same arguments in the same
    order. In addition, it has stop criteria other than patience, several monitors,
    score and time limits, checks within an epoch, and a message that says why training
    stopped. A NaN or infinite score is never the best score.

    Restoring the best weights also restores the rest of the model's state, such as the
    moving statistics of `BatchNormalization` and the seeds of `Dropout`.
    The best state is kept on the device. List this callback before callbacks that read
    the weights when training ends. With `keras.callbacks.SwapEMAWeights` and a
    validation monitor, the averaged weights are restored.

    Attributes:
        best: Float, the best score, or `None`.
        best_epoch: Integer, the epoch of the best score. As in Keras, the first epoch
            is 0.
        stopped_epoch: Integer, the epoch in which this callback stopped training, or 0
            if it did not. As in Keras, the first epoch is 0.
        history: Dict of lists: every score by name, its `"epoch"` (the first is 0) and,
            with `check_every`, its `"step"`.
        stop_reason: `StopReason`, or `None` before training has ended.

    Args:
        monitor: Name of a metric in the logs, a function of the logs that returns a
            number, or a list of these. Defaults to `"val_loss"`.
        min_delta: Float, the smallest improvement that counts as one. Defaults to 0.
        patience: Integer, number of epochs without improvement after which to stop.
            Defaults to 0, which is the same as 1.
        verbose: 0 or 1. With 1, `stop_message` is printed after training. Defaults
            to 0.
        mode: `"min"`, `"max"`, or `"auto"`, which infers the direction from the metric
            before training starts. With several monitors, one mode for all or a list
            of modes. Defaults to `"auto"`.
        baseline: Float. The count of `patience` restarts only if an improved score is
            also better than this value, as in Keras up to 3.15; later versions restart
            it at any improvement. Defaults to `None`.
        restore_best_weights: Boolean, whether to restore the best state of the model.
            Defaults to `False`.
        start_from_epoch: Integer, number of epochs at the start whose scores are
            ignored. Defaults to 0.
        min_delta_mode: `"abs"`, or `"rel"` if `min_delta` is a fraction of the best
            score. Defaults to `"abs"`.
        criterion: `Patience`, `GeneralizationLoss`, `ProgressQuotient`,
            `SuccessiveIncreases` or another `StopCriterion`, used instead of
            `patience`. Defaults to `None`.
        combine: `"all"` or `"any"`: with several monitors, how many must meet their
            criterion before training stops. Defaults to `"all"`.
        best_monitor: With several monitors, the name of the one that defines the best
            epoch and that the thresholds apply to. Defaults to `None`, the first.
        stopping_threshold: Float. Training stops once the score is better than this
            value. Defaults to `None`.
        divergence_threshold: Float. Training stops once the score is worse than this
            value. Defaults to `None`.
        check_finite: Boolean, whether a NaN or infinite score stops training. If
            `False`, it counts as no improvement. Defaults to `True`.
        max_seconds: Float, the time limit in seconds. Training stops after the epoch in
            which it is reached. Defaults to `None`.
        restore_optimizer: Boolean, whether to restore the state of the optimizer too.
            Defaults to `False`.
        restore_on: When to restore the best state: any of `"stop"` (a callback stopped
            training), `"end"` (all epochs are finished) and `"interrupt"` (an exception
            or Ctrl-C within `guard(model)`). Defaults to all three.
        check_every: Integer, number of training steps between checks. Each check
            validates the model and takes the place of the check after each epoch.
            Training and the epoch's logs are not affected. If all monitors are training
            metrics, such as `"loss"`, nothing is validated: they are checked as Keras
            logs them, as means over the epoch so far. With `steps_per_execution` above
            1, a check comes after the execution in which it is due. Defaults to `None`,
            one check per epoch.
        validation_data: Validation data for `check_every`, in any form that `fit`
            accepts. Defaults to `None`, the validation data of `fit`.
        best_path: Path of an `.npz` file to keep the best state in, instead of on the
            device. Defaults to `None`.
        state_path: Path of an `.npz` file to save the state of this callback in after
            each epoch. It is needed if another callback than `Resume` resumes the run,
            such as `keras.callbacks.BackupAndRestore`. Defaults to `None`.

    Raises:
        ValueError: If an argument is invalid or contradicts another one; in `fit`,
            before the first batch, if `mode` cannot be inferred or a file is damaged or
            belongs to another run; after the first epoch, if `monitor` is not in the
            logs.

    Example:
        >>> import keras
        >>> from kcomponents.callbacks import EarlyStopping
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = keras.ops.ones((8, 2)), keras.ops.ones((8, 1))
        >>> stopper = EarlyStopping("loss", stopping_threshold=1e-3)
        >>> history = model.fit(x, y, epochs=1000, verbose=0, callbacks=[stopper])
        >>> stopper.stop_reason, stopper.best < 1e-3
        (<StopReason.THRESHOLD: 'passed the stopping threshold'>, True)

    Reference: Prechelt, "Early stopping - but when?", 1998,
    https://doi.org/10.1007/3-540-49430-8_3
    """

    def __init__(
        self,
        monitor: _Monitor | Sequence[_Monitor] = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str | Sequence[str] = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        *,
        min_delta_mode: str = "abs",
        criterion: StopCriterion | None = None,
        combine: str = "all",
        best_monitor: str | None = None,
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
        check_finite: bool = True,
        max_seconds: float | None = None,
        restore_optimizer: bool = False,
        restore_on: str | Sequence[str] = RESTORE_ON,
        check_every: int | None = None,
        validation_data: Any = None,
        best_path: Path | None = None,
        state_path: Path | None = None,
    ):
        scores = scores_of(
            monitor, mode, min_delta, min_delta_mode, baseline, patience, criterion
        )
        self._scores = best_first(scores, best_monitor)
        shared = {"min_delta": min_delta, "patience": patience, "baseline": baseline}
        super().__init__(
            monitor,
            **shared,
            verbose=verbose,
            mode=self._scores[0].requested_mode,
            restore_best_weights=boolean("restore_best_weights", restore_best_weights),
            start_from_epoch=start_from_epoch,
        )
        self.combine = one_of("combine", combine, COMBINE)
        self.stopping_threshold = _limit("stopping_threshold", stopping_threshold)
        self.divergence_threshold = _limit("divergence_threshold", divergence_threshold)
        self.check_finite = boolean("check_finite", check_finite)
        self.max_seconds = _limit("max_seconds", max_seconds, 0)
        self.restore_optimizer = boolean("restore_optimizer", restore_optimizer)
        if self.restore_optimizer and not self.restore_best_weights:
            rule = "`restore_optimizer` also needs `restore_best_weights=True`."
            fail(rule, restore_optimizer=restore_optimizer)
        names = [restore_on] if isinstance(restore_on, str) else restore_on
        self.restore_on = tuple(one_of("restore_on", n, RESTORE_ON) for n in names)
        if check_every is not None:
            check_every = positive_int("check_every", check_every)
        elif validation_data is not None:
            rule = "`validation_data` needs `check_every`. Or pass it to `fit` instead."
            fail(rule, check_every=None)
        if best_path is not None and not self.restore_best_weights:
            rule = "`best_path` also needs `restore_best_weights=True`."
            fail(rule, best_path=best_path)
        self.check_every, self.validation_data = check_every, validation_data
        self.best_path = optional_path("best_path", best_path)
        self.state_path = optional_path("state_path", state_path)
        self._reset()

    def _reset(self):
        self.wait = self.stopped_epoch = self.best_epoch = self._best_step = 0
        self.best = self.best_weights = self.stop_reason = None
        self.history = {}
        self._epoch = self._restored_epoch = None
        self._training, self._start_time = False, time.monotonic()
        self._state_file = self._validation = None

    @property
    def best_weights(self) -> BestState | BestFile | None:
        """The state of the model at the best score, or `None`."""
        return self._best_states.current

    @best_weights.setter
    def best_weights(self, state: BestState | BestFile | None) -> None:
        self._best_states = BestStates(state)

    @property
    def best_step(self) -> int:
        """Number of steps that the optimizer had done at the best score."""
        return int(keras.ops.convert_to_numpy(self._best_step))

    @property
    def stop_message(self) -> str:
        """Why training ended and what the best score was; epochs count from 1."""
        if self.stop_reason is None:
            return "Training has not ended."
        message = self._reason_text()
        if self.best is None:
            return message
        name, best = self._scores[0].name, f"{self.best:.4g}"
        epoch = f"epoch {self.best_epoch + 1}"
        if self._restored_epoch is None:
            return f"{message} Best {name}: {best} ({epoch})."
        return f"{message} Restored the best weights ({epoch}, {name} {best})."

    def _reason_text(self):
        reason, count = self.stop_reason, (self._epoch or 0) + 1
        if reason is StopReason.END and count > 1:
            return f"Finished all {count} epochs."
        if reason is StopReason.END:
            return "Finished 1 epoch." if self._epoch == 0 else "Finished all epochs."
        at = "" if self._epoch is None else f" in epoch {count}"
        text = reason.value
        if reason is StopReason.CRITERION:
            scores = [f"{s.name} ({s.criterion!r})" for s in self._scores]
            text = f"{text} in {', '.join(scores)}"
        elif reason in (StopReason.THRESHOLD, StopReason.DIVERGED):
            text = f"{self._scores[0].name} {text}"
        return f"Stopped{at}: {text}."

    @contextlib.contextmanager
    def guard(self, model: keras.Model) -> Iterator[Self]:
        """Return a context that restores the best state if an exception occurs in it.

        Keras does not call callbacks after an exception or Ctrl-C. The exception is
        raised again once the state is restored.

        Args:
            model: The `keras.Model` that is trained inside the context.

        Returns:
            A context manager for `with`; its value is this callback.

        Example:
            >>> import keras
            >>> from kcomponents.callbacks import EarlyStopping
            >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
            >>> model.compile("sgd", "mse")
            >>> x, y = keras.ops.ones((8, 2)), keras.ops.ones((8, 1))
            >>> stopper = EarlyStopping("loss", restore_best_weights=True)
            >>> with stopper.guard(model):
            ...     history = model.fit(x, y, verbose=0, callbacks=[stopper])
        """
        # It is still True if an exception ended an earlier `fit` outside of a guard.
        self._training = False
        try:
            yield self
        except BaseException:
            if self._training:
                self._training, self.stop_reason = False, StopReason.INTERRUPTED
                self._restore_at("interrupt", model)
            raise

    def restore(self, model: keras.Model | None = None) -> None:
        """Restore the best state of the last `fit` in a model.

        Args:
            model: `keras.Model` with the same variables as the trained one. Defaults to
                `None`, the trained model itself.

        Raises:
            ValueError: If there is no best state, or the model has other variables.
        """
        if self.best_weights is None:
            rule = "There must be a best state: train with `restore_best_weights=True`."
            fail(rule, best=self.best)
        self.best_weights.restore(self.model if model is None else model)
        self._restored_epoch = self.best_epoch

    def get_state(self) -> dict[str, Any]:
        """Return the state of this callback, as a dict of plain values and arrays."""
        best, reason = self.best_weights, self.stop_reason
        validation = self._validation
        return {
            **{name: getattr(self, name) for name in SAVED},
            "history": {name: list(values) for name, values in self.history.items()},
            "best_step": self.best_step,
            "epoch": self._epoch,
            "seconds": self._seconds(),
            "stop_reason": None if reason is None else reason.name,
            "scores": [score.get_state() for score in self._scores],
            "best_weights": None if best is None else best.get_state(),
            "checks": None if validation is None else validation.get_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Resume from a state that `get_state` returned, at the start of training.

        Args:
            state: Dict that `get_state` returned.

        Raises:
            ValueError: If `monitor` or `best_path` was different.
        """
        if self._state_file is not None:
            self._state_file.discard()
        if not all(isinstance(values, list) for values in state["history"].values()):
            fail("`history` must have lists of values.", history=state["history"])
        for name in SAVED:
            setattr(self, name, state[name])
        self._epoch, self._best_step = state["epoch"], state["best_step"]
        self._start_time = time.monotonic() - state["seconds"]
        reason = state["stop_reason"]
        reason = None if reason is None else StopReason[reason]
        self.stop_reason = None if reason in RESUMABLE else reason
        if len(state["scores"]) != len(self._scores):
            rule = "`monitor` must be the same as when the state was saved."
            fail(rule, monitor=self.monitor, scores_saved=len(state["scores"]))
        for score, saved in zip(self._scores, state["scores"], strict=True):
            score.set_state(saved)
        if self._validation is not None and state["checks"] is not None:
            self._validation.set_state(state["checks"])
        best = load_best_state(state["best_weights"], self.best_path)
        if best is not None and self.restore_best_weights:
            best.check_fits(self.model)
        self.best_weights = best

    @guarded_beginning
    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
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
        running = running_callbacks()
        if self.check_every is not None:
            if running is None:
                rule = "`check_every` works only in `fit` or with a `CallbackList`."
                fail(rule, check_every=self.check_every)
            required = any(score.of_validation for score in self._scores)
            self._validation = MidEpochValidation(
                self.check_every, self.validation_data, required
            )
            wrap_hook(running, "on_train_batch_end", after=self._after_batch)
        if self.best_path is not None:
            BestFile.check(self.best_path)
        if self.state_path is not None:
            self._state_file = StopStateFile(self.state_path)
            self._state_file.open(self.model, running)
        self._training = True

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Resume from the state that an earlier process saved, if there is one."""
        if self._state_file is not None:
            self._resume(self._state_file.state_before(epoch))
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the scores, keep the state if it is the best, and stop if needed."""
        self._epoch = epoch
        if self._validation is None:
            self._check_logs(logs or {})
        self._save_state()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Set the stop reason, restore the best state, and print the message."""
        self._training = False
        if self._state_file is not None:
            self._resume(self._state_file.state_without_epochs(self.model))
        if self.stop_reason is None:
            stopped = self.model.stop_training
            self.stop_reason = StopReason.OTHER if stopped else StopReason.END
        end = "end" if self.stop_reason is StopReason.END else "stop"
        self._restore_at(end, self.model)
        self._save_state(ended=True)
        if self._validation is not None:
            self._validation.release()
        if self.verbose:
            # Not logged, so that it appears with the progress bar of `fit`.
            _console.show(self.stop_message)

    def _resume(self, state):
        if state is None:
            return
        try:
            self.set_state(state)
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            rule = "The state in `state_path` must be one that this callback has saved."
            fail(rule, state_path=self.state_path, error=error)
        except ValueError as error:
            raise ValueError(f"{error}, state_path={self.state_path!r}") from error

    def _save_state(self, ended=False):
        if self._state_file is not None:
            stopped = bool(self.model.stop_training)
            self._state_file.save(self.get_state(), self._epoch, stopped, ended)

    def _restore_at(self, end, model):
        saved = self.best_weights is not None
        if self.restore_best_weights and end in self.restore_on and saved:
            self.restore(model)

    def _after_batch(self, batch, logs=None):
        due = self._validation.is_due(_keras.last_step(self, batch))
        if due and not self.model.stop_training:
            self._check_logs(self._validation.logs(self.model, logs or {}))

    def _check_logs(self, logs):
        values = [score.value(logs) for score in self._scores]
        if None in values:
            self._check_missing(self._scores[values.index(None)], logs)
        elif self._epoch >= self.start_from_epoch:
            self._check(values, logs)
        if self.max_seconds is not None and self.stop_reason is None:
            if self._seconds() >= self.max_seconds:
                self._stop(StopReason.TIME)

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

    def _check(self, values, logs):
        pairs = zip(self._scores, values, strict=True)
        results = [score.update(value, logs) for score, value in pairs]
        first, value = self._scores[0], values[0]
        improved, _ = results[0]
        self._add_to_history(values)
        if improved:
            self._save_best(value)
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

    def _add_to_history(self, values):
        entry = {"epoch": self._epoch}
        if self._validation is not None:
            entry["step"] = self._validation.steps
        entry |= {s.name: v for s, v in zip(self._scores, values, strict=True)}
        for name, value in entry.items():
            self.history.setdefault(name, []).append(value)

    def _save_best(self, value):
        """Save the best score so far and the state of the model that has it."""
        if self.restore_best_weights:
            # Checks within an epoch score the weights, never their averages.
            averages = self._validation is None and self._scores[0].of_validation
            self._best_states.save(
                self.model,
                self.best_path,
                with_optimizer=self.restore_optimizer,
                places=averaged_variables(self.model) if averages else {},
            )
        self.best, self.best_epoch = value, self._epoch
        self._best_step = iterations_on_device(self.model)

    def _stop(self, reason):
        self.stop_reason, self.stopped_epoch = reason, self._epoch
        self.model.stop_training = True

    def _seconds(self):
        return time.monotonic() - self._start_time

    def __getstate__(self):
        # Tuners copy callbacks, which must not copy the model too.
        return {**self.__dict__, "_model": None, "_validation": None}


def _limit(name, value, low=-math.inf):
    return None if value is None else number(name, value, low)
