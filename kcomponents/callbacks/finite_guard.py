"""FiniteGuard: find the first NaN or infinity in training, and react to it."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kcomponents import _backends, _console, _keras
from kcomponents._checks import fail, number, one_of, positive_int
from kcomponents._keras import unscaled_optimizer
from kcomponents.callbacks._monitor import Monitor
from kcomponents.probes import Probe, Statistic
from kcomponents.record import Record

CHECKS = ("loss", "gradients", "weights")
ACTIONS = ("stop", "skip", "rollback", "raise")


class FiniteGuard(Monitor):
    """Find the first NaN or infinity in training, and stop, skip, roll back or raise.

    Losses and gradients are checked in every step, on the device. The results are read
    at the end of each epoch, or after `every` steps; the callback then warns, naming
    the batch or step and the variable, and takes the `action`. Weights are checked only
    when results are read. They are checked separately because a fused ReLU can hide NaN
    weights behind a finite loss.

    A gradient also counts as infinite if its squared norm overflows float32, at a norm
    of about 1e19. Gradients that the `train_step` of the model gives to other
    optimizers than that of `compile` cannot be checked, and the callback warns once.
    With `mixed_float16`, steps that the loss scaling skips are ignored.
    Moving averages, as in `BatchNormalization`, count as weights, and skipped steps
    still update them.

    Attributes:
        finding: `None`, or the first problem, with the attributes `what` (`"loss"`,
            `"gradient"` or `"weight"`), `path`, `step` (from 1), `epoch` (from 0) and,
            for weights, `since`, the last step at which they were finite.
        skipped: Integer, batches that `"skip"` skipped.
        rollbacks: Integer, how often `"rollback"` restored an earlier state.

    Args:
        check: Name or list of names: `"loss"`, `"gradients"`, `"weights"`. Defaults to
            all three.
        action: String, what to do. Defaults to `"stop"`.

            - `"stop"`: stop training.
            - `"skip"`: leave weights and optimizer unchanged in each batch with a NaN
              or infinite gradient. If weights are NaN or infinite already, training
              stops. On PyTorch, each batch waits for the device.
            - `"rollback"`: restore weights and optimizer from the last reading without
              a finding, and lower the learning rate.
            - `"raise"`: raise `FloatingPointError`.
        every: Integer, optimizer steps between readings. Each reading waits for the
            device. Defaults to `None`, one reading per epoch.
        factor: Float between 0 and 1. `"rollback"` multiplies the learning rate by it.
            Defaults to 0.5.
        max_rollbacks: Integer, after how many rollbacks training stops at the next
            finding. Defaults to 3.
        record: `kcomponents.record.Record` that each reading is added to. Defaults to
            `None`.
        verbose: 0 or 1. With 1, the report is printed after training. Defaults to 0.

    Raises:
        ValueError: If an argument is invalid; in `fit`, if the model is not built or
            has no optimizer, or if `action` is `"rollback"` and the learning rate is a
            schedule.
        FloatingPointError: In `fit`, if `action` is `"raise"` and a value is NaN or
            infinite.

    Example:
        >>> import keras
        >>> from kcomponents.callbacks import FiniteGuard
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = keras.ops.ones((8, 2)), keras.ops.ones((8, 1))
        >>> guard = FiniteGuard(action="rollback")
        >>> history = model.fit(x, y, verbose=0, callbacks=[guard])
        >>> guard.finding is None, guard.report
        (True, 'No NaN or infinity was found.')

    Reference: Goodfellow, Bengio & Courville, "Deep learning", 2016, chapter 11,
    https://www.deeplearningbook.org
    """

    # With `action="raise"`.
    RAISES = (FloatingPointError,)

    def __init__(
        self,
        check: str | Sequence[str] = CHECKS,
        action: str = "stop",
        *,
        every: int | None = None,
        factor: float = 0.5,
        max_rollbacks: int = 3,
        record: Record | None = None,
        verbose: int = 0,
    ):
        super().__init__(every=every, record=record, verbose=verbose)
        self.check = _check_names(check)
        self.action = one_of("action", action, ACTIONS)
        if action == "skip" and "gradients" not in self.check:
            rule = '`check` must include "gradients" if `action` is "skip".'
            fail(rule, check=check)
        self.factor = number("factor", factor, 0, 1, open_low=True)
        if self.factor == 1:
            fail("`factor` must be less than 1.", factor=factor)
        self.max_rollbacks = positive_int("max_rollbacks", max_rollbacks)

    def _reset(self):
        super()._reset()
        self.finding, self.skipped, self.rollbacks = None, 0, 0
        self._snapshot, self._last_finite_step, self._ended = None, 0, False
        self._has_started = False

    def _make_probe(self):
        return Probe(*_statistics(self.check), skip_nonfinite=self.action == "skip")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Reset the callback and attach the probe."""
        if self.action == "rollback":
            _check_learning_rate(self.model)
        super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the weights before the first step."""
        super().on_epoch_begin(epoch, logs)
        # Not earlier, as a resumed run goes on from weights that were not read yet.
        if not self._has_started:
            self._has_started = True
            self._check_weights([])

    def get_state(self) -> dict[str, Any]:
        """Return what was found so far, as a dict of plain values and arrays."""
        finding, snapshot = self.finding, self._snapshot
        state = super().get_state()
        state["attributes"] |= {
            "finding": None if finding is None else dataclasses.asdict(finding),
            "_snapshot": None if snapshot is None else dict(vars(snapshot)),
        }
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state that `get_state` returned, during training.

        Args:
            state: Dict that `get_state` returned.

        Raises:
            ValueError: If the state is of a callback with other settings.
        """
        self.finding = self._snapshot = None
        super().set_state(state)
        if self.finding is not None:
            self.finding = Finding(**self.finding)
        if self._snapshot is not None:
            self._snapshot = Snapshot.of(self._snapshot)

    def _log_epoch(self, epoch, reading, logs):
        pass

    def _check_reading(self, reading):
        if "gradients" in self.check and self._probe.variables:
            self._has_gradients()
        if self.action == "skip":
            self.skipped += int(reading.values["nonfinite_batches"]["all"])
        self._check_weights(
            _findings_in(reading, self._steps_before, self._accumulated)
        )

    def _check_weights(self, findings):
        """Check the weights, and act on the findings in steps and weights."""
        step, path = self._steps(), None
        if "weights" in self.check or self.action == "rollback":
            path = _nonfinite_weight(self.model)
        if path is None:
            self._last_finite_step = step
        else:
            since = self._last_finite_step if step else None
            findings.append(Finding("weight", path, step, self._epoch, since))
        if findings:
            first = self.finding is None
            self.finding = self.finding or findings[0]
            self._act(findings[0], first, weights_finite=path is None)
        elif self.action == "rollback":
            self._snapshot = Snapshot(self.model, step)

    def _act(self, finding, first, weights_finite):
        if self.action == "raise":
            self._probe.detach()
            raise FloatingPointError(str(finding))
        if self.action == "skip" and weights_finite:
            if first:
                _warn(finding, "Batches with such gradients are skipped.")
            return
        if self._snapshot is not None and not self._ended:
            self._roll_back()
            if self.rollbacks < self.max_rollbacks:
                self._lower_learning_rate(finding)
                return
        if not self._ended:
            _warn(finding, "Training stops.")
        self.model.stop_training = self._ended = True

    def _roll_back(self):
        optimizer = self.model.optimizer
        rate, lost = float(optimizer.learning_rate), self._steps() - self._snapshot.step
        self._snapshot.restore(self.model)
        optimizer.learning_rate = rate
        # The optimizer's own count went back, but the steps of `fit` keep counting.
        self._steps_before -= lost
        self._snapshot.step += lost

    def _lower_learning_rate(self, finding):
        self.rollbacks += 1
        optimizer = self.model.optimizer
        rate = float(optimizer.learning_rate) * self.factor
        optimizer.learning_rate = rate
        restored = "The last finite weights and optimizer state were restored"
        _warn(finding, f"{restored}, and the learning rate is now {rate:.3g}.")

    @property
    def report(self) -> str:
        """The finding of the last `fit`, and what was done about it."""
        if self.finding is None:
            return "No NaN or infinity was found."
        parts = [str(self.finding)]
        if self.action == "skip":
            parts.append(f"Batches skipped: {self.skipped}.")
        if self.action == "rollback":
            parts.append(f"Rollbacks: {self.rollbacks}.")
        return " ".join(parts)


def _check_names(check):
    names = [check] if isinstance(check, str) else check
    if not isinstance(names, (list, tuple)) or not names:
        rule = f"`check` must be one of {', '.join(CHECKS)}, or a list of them."
        fail(rule, check=check)
    for name in names:
        one_of("check", name, CHECKS)
    return tuple(names)


def _warn(finding, consequence):
    _console.warn(f"{finding} {consequence}", stacklevel=2)


def _check_learning_rate(model):
    """Raise `ValueError` unless the model has one learning rate that can be set."""
    optimizer = unscaled_optimizer(model)
    if hasattr(optimizer, "optimizers"):
        fail(
            'The optimizer must have a single learning rate if `action` is "rollback".',
            optimizer=keras.saving.get_registered_name(type(optimizer)),
        )
    source = optimizer and _keras.learning_rate_source(optimizer)
    if source is not None:
        fail(
            "The learning rate must be a number, not a schedule, if `action` is "
            '"rollback".',
            learning_rate=keras.saving.get_registered_name(type(source)),
        )


class Snapshot:
    """Copies of a model's weights and its optimizer's variables."""

    def __init__(self, model, step):
        self.step = step
        self.weights = [np.array(weight.numpy()) for weight in model.weights]
        store = {}
        # The method that saves to files leaves out the variables of probes.
        model.optimizer.save_own_variables(store)
        self.optimizer = {name: np.array(value) for name, value in store.items()}

    @classmethod
    def of(cls, state):
        """Return the snapshot whose attributes are in a dict."""
        snapshot = cls.__new__(cls)
        vars(snapshot).update(state)
        return snapshot

    def restore(self, model):
        """Set the model and its optimizer to this state."""
        for weight, value in zip(model.weights, self.weights, strict=True):
            weight.assign(value)
        model.optimizer.load_own_variables(self.optimizer)


@dataclasses.dataclass(frozen=True)
class Finding:
    """The first NaN or infinity of a run.

    Args:
        what: String, `"loss"`, `"gradient"` or `"weight"`.
        path: String, path of the variable. `None` for the loss.
        step: Integer, counted from 1 over the whole `fit`: for a loss the batch, for a
            gradient the optimizer step, for a weight the step after which it was found,
            or 0 if it was found before training.
        epoch: Integer, counted from 0.
        since: Integer, for a weight the last step at which it was finite. Otherwise
            `None`.
    """

    what: str
    path: str | None
    step: int
    epoch: int
    since: int | None = None

    def __str__(self):
        name = f"The {self.what}" + (f" of `{self.path}`" if self.path else "")
        if self.what == "weight":
            name = f"The weight `{self.path}`"
        return f"{name} was NaN or infinite {self._when()}."

    def _when(self):
        if self.step == 0:
            return "before training"
        epoch = f"of `fit` (epoch {self.epoch + 1})"
        if self.what == "loss":
            return f"in batch {self.step} {epoch}"
        if self.what == "gradient":
            return f"in step {self.step} {epoch}"
        return f"after step {self.step} {epoch}, but finite after step {self.since}"


# What the probe measures, and the findings in a reading


def _step_unless_finite(value, step):
    # Numbers of Python would have the precision of the training.
    step = ops.cast(step, "float32")
    return ops.where(ops.isfinite(value), ops.full_like(step, math.inf), step)


LOSS = Statistic(
    "nonfinite_loss_batch",
    "losses",
    lambda view: _step_unless_finite(view.loss, view.step),
    "min",
)
GRADIENTS = Statistic(
    "nonfinite_gradient_step",
    "batch_gradients",
    lambda view: _step_unless_finite(view.squares, view.step),
    "min",
    per_variable=True,
)
SKIPPED = Statistic(
    "nonfinite_batches",
    "batch_gradients",
    lambda view: 1.0 - ops.cast(view.finite, "float32"),
)


def _statistics(check):
    """Return the statistics that the checks need."""
    chosen = {"loss": [LOSS], "gradients": [GRADIENTS, SKIPPED]}
    return [statistic for name in check for statistic in chosen.get(name, [])]


def _findings_in(reading, steps_before, window):
    """Return the findings in a reading, the earliest first.

    Args:
        reading: `Reading` of the statistics above.
        steps_before: Integer, optimizer steps before this `fit`.
        window: Integer, batches per optimizer step.
    """
    batch = reading.values.get(LOSS.name, {}).get("all", math.inf)
    steps = reading.values.get(GRADIENTS.name, {})
    path = min(steps, key=steps.get, default=None)
    step = steps.get(path, math.inf) - steps_before
    findings = []
    if math.isfinite(step):
        findings.append(Finding("gradient", path, int(step), reading.epoch))
    if math.isfinite(batch):
        # A loss comes before the gradient of the same step, as it is the cause.
        place = 0 if (batch - 1) // window + 1 <= step else 1
        findings.insert(place, Finding("loss", None, int(batch), reading.epoch))
    return findings


def _nonfinite_weight(model):
    """Return the path of the first weight with NaN or infinity, or None."""
    weights = [w for w in model.weights if "float" in str(w.dtype)]
    if not weights:
        return None
    values, [library, *_] = zip(*map(_backends.value_and_library, weights), strict=True)
    finite = [library.all(library.isfinite(value)) for value in values]
    finite = np.asarray(ops.convert_to_numpy(library.stack(finite)))
    return None if finite.all() else weights[int(np.argmin(finite))].path
