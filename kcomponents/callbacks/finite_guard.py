"""FiniteGuard: find the first value that is not finite, and do something about it."""

import warnings

from kcomponents._check import fail, number, one_of, positive_int
from kcomponents.callbacks._finite import Finding, broken_weight, found_in, statistics
from kcomponents.callbacks._monitor import Monitor
from kcomponents.callbacks._snapshot import Snapshot, check_rate
from kcomponents.probes import Probe

CHECKS = ("loss", "gradients", "weights")
ACTIONS = ("stop", "skip", "rollback", "raise")


class FiniteGuard(Monitor):
    """Find the first NaN or infinity in training by name and step, and act on it.

    Losses and gradients are checked within every step, so the batch or step is named
    exactly however seldom it is looked at. Weights are checked at each look, since they
    may hide: a fused ReLU makes a finite loss of NaN weights. Their step is known as an
    interval. What is found is in the attribute `finding`, told by a warning, and acted
    on at the next look: at the end of the epoch, or after `every` steps.

    A gradient counts as not finite too if its squared norm is not, from about 1e19.
    With `mixed_float16`, steps that the loss scaling skips are no finding. Moving
    averages, as of `BatchNormalization`, are weights, and a skipped step moves them.

    Args:
        check: Name or list of names of what to check: `"loss"`, `"gradients"`,
            `"weights"`. Defaults to all.
        action: What to do. `"stop"` ends training. `"skip"` leaves weights and
            optimizer as they are in each batch with a gradient that is not finite, and
            ends training only for weights, which that cannot mend; on PyTorch each
            batch waits for the device to decide. `"rollback"` goes
            back to the last look at which all was finite, with weights and optimizer,
            and lowers the learning rate. `"raise"` raises `FloatingPointError`.
            Defaults to `"stop"`.
        every: Optional integer, optimizer steps between looks within an epoch. Each one
            waits for the device. Defaults to `None`, one look an epoch.
        factor: Number between 0 and 1, by which `"rollback"` multiplies the learning
            rate. Defaults to 0.5.
        max_rollbacks: Integer, how often to go back; after that training ends. Defaults
            to 3.
        record: Optional `kcomponents.record.Record` that each reading is added to.
        verbose: 0 or 1, whether to print the report at the end. Defaults to 0.

    Raises:
        ValueError: If an argument is unknown or out of range; in `fit`, if the model
            has no weights yet or no optimizer, or the learning rate that `"rollback"`
            is to lower is a schedule.
        FloatingPointError: In `fit` with `action="raise"`.

    Example:
        >>> import keras
        >>> from kcomponents.callbacks import FiniteGuard
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = keras.ops.ones((8, 2)), keras.ops.ones((8, 1))
        >>> guard = FiniteGuard(action="rollback")
        >>> history = model.fit(x, y, verbose=0, callbacks=[guard])
        >>> guard.finding is None, guard.report
        (True, 'All was finite.')

    Reference: Goodfellow, Bengio & Courville, "Deep learning", 2016, chapter 11,
    https://www.deeplearningbook.org
    """

    def __init__(
        self,
        check=CHECKS,
        action="stop",
        *,
        every=None,
        factor=0.5,
        max_rollbacks=3,
        record=None,
        verbose=0,
    ):
        super().__init__(every=every, record=record, verbose=verbose)
        self.check = _checks(check)
        self.action = one_of("action", action, ACTIONS)
        if action == "skip" and "gradients" not in self.check:
            fail("To skip steps, `check` must have `'gradients'`.", check=check)
        self.factor = number("factor", factor, 0, 1, open_low=True)
        if self.factor == 1:
            fail("`factor` must be below 1.", factor=factor)
        self.max_rollbacks = positive_int("max_rollbacks", max_rollbacks)

    def _forget(self):
        super()._forget()
        self.finding, self.skipped, self.rollbacks = None, 0, 0
        self._snapshot, self._finite_at, self._ended = None, 0, False

    def _make_probe(self):
        chosen = statistics(self.check)
        return Probe(*chosen, skip_nonfinite=self.action == "skip")

    def on_train_begin(self, logs=None):
        """Attach the probe, with nothing left of an earlier fit."""
        if self.action == "rollback":
            check_rate(self.model)
        super().on_train_begin(logs)
        self._look([])

    def _see_epoch(self, epoch, reading, logs):
        pass

    def _see_reading(self, reading):
        if self.action == "skip":
            self.skipped += int(reading.values["nonfinite_batches"]["all"])
        self._look(found_in(reading, self._steps_at_begin, self._accumulated))

    def _look(self, found):
        """Act on what was found in the steps, and on the weights as they are now."""
        step, path = self._steps(), None
        if "weights" in self.check or self.action == "rollback":
            path = broken_weight(self.model)
        if path is None:
            self._finite_at = step
        else:
            since = self._finite_at if step else None
            found.append(Finding("weight", path, step, self._epoch, since))
        if found:
            first = self.finding is None
            self.finding = self.finding or found[0]
            self._act(found[0], first, mendable=path is None)
        elif self.action == "rollback":
            self._snapshot = Snapshot(self.model, step)

    def _act(self, finding, first, mendable):
        if self.action == "raise":
            self._probe.detach()
            raise FloatingPointError(str(finding))
        if self.action == "skip" and mendable:
            if first:
                _warn(finding, "Such steps are skipped.")
            return
        if self._snapshot is not None and not self._ended:
            self._roll_back()
            if self.rollbacks < self.max_rollbacks:
                self._go_on_slower(finding)
                return
        if not self._ended:
            _warn(finding, "Training ends.")
        self.model.stop_training = self._ended = True

    def _roll_back(self):
        optimizer = self.model.optimizer
        rate, lost = float(optimizer.learning_rate), self._steps() - self._snapshot.step
        self._snapshot.restore(self.model)
        optimizer.learning_rate = rate
        # Steps are counted on, though those of the optimizer went back.
        self._steps_at_begin -= lost
        self._snapshot.step += lost

    def _go_on_slower(self, finding):
        self.rollbacks += 1
        optimizer = self.model.optimizer
        rate = float(optimizer.learning_rate) * self.factor
        optimizer.learning_rate = rate
        back = "Weights and optimizer went back to where all was finite"
        _warn(finding, f"{back}; the learning rate is {rate:.3g} now.")

    @property
    def report(self):
        """What was found in the last fit and what was done, as sentences."""
        if self.finding is None:
            return "All was finite."
        parts = [str(self.finding)]
        if self.action == "skip":
            parts.append(f"Batches skipped: {self.skipped}.")
        if self.action == "rollback":
            parts.append(f"Rollbacks: {self.rollbacks}.")
        return " ".join(parts)


def _checks(check):
    names = [check] if isinstance(check, str) else check
    if not isinstance(names, (list, tuple)) or not names:
        fail("`check` must be a name or a list of at least one.", check=check)
    for name in names:
        one_of("check", name, CHECKS)
    return tuple(names)


def _warn(finding, then):
    warnings.warn(f"{finding} {then}", stacklevel=2)
