"""EarlyStopping: stop when a score no longer improves, and restore the best weights."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

from kcomponents._check import boolean, fail, number, one_of, positive_int
from kcomponents.callbacks._score import best_first, scores_of
from kcomponents.callbacks._stop_criterion import StopCriterion
from kcomponents.callbacks._stopping import COMBINE, Stopping

RESTORE_ON = ("stop", "end", "interrupt")
_Monitor = str | Callable[[dict[str, Any]], float]


class EarlyStopping(Stopping):
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
        best_step: Integer, how many steps the optimizer had done at the best score.
        stopped_epoch: Integer, the epoch in which this callback stopped training, or 0
            if it did not. As in Keras, the first epoch is 0.
        history: Dict of lists: every score by name, its `"epoch"` (the first is 0) and,
            with `check_every`, its `"step"`.
        stop_reason: `StopReason`, or `None` before training has ended.
        stop_message: String that says why training stopped and what the best score was.
            It counts epochs from 1.

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
            also better than this value. Defaults to `None`.
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
            Training and the epoch's logs are not affected. Defaults to `None`, one
            check per epoch.
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
        best_path: str | os.PathLike[str] | None = None,
        state_path: str | os.PathLike[str] | None = None,
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
            mode=self._scores[0].given_mode,
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
        self.best_path, self.state_path = _path(best_path), _path(state_path)
        self._reset()


def _path(path):
    return None if path is None else os.path.abspath(os.fspath(path))


def _limit(name, value, low=-math.inf):
    return None if value is None else number(name, value, low)
