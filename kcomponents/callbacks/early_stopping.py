"""EarlyStopping: end training when it gets no better, and bring the best state back."""

import math
import os

from kcomponents._check import boolean, fail, number, one_of, positive_int
from kcomponents.callbacks._score import best_first, scores_of
from kcomponents.callbacks._stopping import COMBINE, Stopping

RESTORE_ON = ("stop", "end", "interrupt")


class EarlyStopping(Stopping):
    """Stop training when a score gets no better, and bring the best state back.

    It takes the place of `keras.callbacks.EarlyStopping`, with the same arguments in
    the same order, and does more: other criteria than patience, several scores, limits
    of score and time, a state that comes back whole, whatever ends training, and the
    reason in words. A score that is not finite is never the best one.

    The best state is weights, statistics such as those of `BatchNormalization`, and the
    state of random numbers. It is kept on the device; list this callback before others
    that read the weights when training ends. With `keras.callbacks.SwapEMAWeights`
    it is the averaged weights, if the monitor is one of validation.

    `best`, `best_epoch`, `best_step` tell of the best score, `history` of all scores,
    `stop_reason` is a `StopReason` and `stop_message` a sentence.

    Args:
        monitor: Name of a quantity in the logs, function of the logs, or list of
            several of these. Defaults to `"val_loss"`.
        min_delta: Number, by how much a score must be better to count. Defaults to 0.
        patience: Integer, for how many epochs without a better score to wait. Defaults
            to 0, which is the same as 1.
        verbose: 0 or 1, whether to print the sentence at the end. Defaults to 0.
        mode: `"min"`, `"max"`, or `"auto"`: by the metric, before training. Of several
            monitors a list, or one for all. Defaults to `"auto"`.
        baseline: Optional number, which a score must beat for `patience` to count
            anew. Defaults to `None`.
        restore_best_weights: Boolean, whether to bring the best state back. Defaults to
            `False`.
        start_from_epoch: Integer, epochs at the begin that are not looked at. Defaults
            to 0.
        min_delta_mode: `"abs"`, or `"rel"`: `min_delta` is a share of the best score.
            Defaults to `"abs"`.
        criterion: Optional `Patience`, `GL`, `PQ`, `UP` or other `StopCriterion`, in
            the place of `patience`. Defaults to `None`.
        combine: `"all"` or `"any"`, of several monitors, must say stop. Defaults to
            `"all"`.
        best_monitor: Name of the one of several monitors that decides what is best, and
            that the thresholds are for. Defaults to `None`, the first.
        stopping_threshold: Optional number; training ends as soon as the score that
            decides is better. Defaults to `None`.
        divergence_threshold: Optional number; training ends as soon as the score
            that decides is worse. Defaults to `None`.
        check_finite: Boolean, whether a score that is not finite ends training.
            Otherwise it counts as no better one. Defaults to `True`.
        max_seconds: Optional number; training ends after the epoch in which so much
            time has passed. Defaults to `None`.
        restore_optimizer: Boolean, whether the state comes back with the optimizer's.
            Defaults to `False`.
        restore_on: Which ends of training the state comes back at: `"stop"`, by
            whatever callback, `"end"`, after all epochs, `"interrupt"`, by an exception
            or Ctrl-C within `guard(model)`. Defaults to all.
        check_every: Optional integer; the scores are looked at each so many steps, with
            a validation there, in the place of each epoch. Training and the logs of
            the epoch stay what they are without. Defaults to `None`.
        validation_data: With `check_every`, what `fit` takes as `validation_data`.
            Defaults to `None`, that of `fit`.
        best_path: Optional path of a file (`.npz`), which holds the best state in the
            place of the device's memory. Defaults to `None`.
        state_path: Optional path of a file (`.npz`), which holds all this callback
            knows, saved each epoch, so that a training that another callback resumes,
            such as `keras.callbacks.BackupAndRestore`, finds it. `Resume` needs no such
            file. Defaults to `None`.

    Raises:
        ValueError: If an argument is unknown or out of range, or two contradict each
            other; in `fit`, before the first batch if `mode` cannot be known or a file
            is damaged, another's or of another training, after the first epoch if the
            logs have no such quantity.

    Example:
        >>> import keras
        >>> from kcomponents.callbacks import EarlyStopping
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = keras.ops.ones((8, 2)), keras.ops.ones((8, 1))
        >>> stopper = EarlyStopping("loss", stopping_threshold=1e-3)
        >>> history = model.fit(x, y, epochs=1000, verbose=0, callbacks=[stopper])
        >>> stopper.stop_reason, stopper.best < 1e-3
        (<StopReason.THRESHOLD: 'the score is good enough'>, True)

    Reference: Prechelt, "Early stopping - but when?", 1998,
    https://doi.org/10.1007/3-540-49430-8_3
    """

    def __init__(
        self,
        monitor="val_loss",
        min_delta=0,
        patience=0,
        verbose=0,
        mode="auto",
        baseline=None,
        restore_best_weights=False,
        start_from_epoch=0,
        *,
        min_delta_mode="abs",
        criterion=None,
        combine="all",
        best_monitor=None,
        stopping_threshold=None,
        divergence_threshold=None,
        check_finite=True,
        max_seconds=None,
        restore_optimizer=False,
        restore_on=RESTORE_ON,
        check_every=None,
        validation_data=None,
        best_path=None,
        state_path=None,
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
            fail(
                "The optimizer comes back with the weights: give "
                "`restore_best_weights=True` too.",
                restore_optimizer=restore_optimizer,
            )
        names = [restore_on] if isinstance(restore_on, str) else restore_on
        self.restore_on = tuple(one_of("restore_on", n, RESTORE_ON) for n in names)
        if check_every is not None:
            check_every = positive_int("check_every", check_every)
        elif validation_data is not None:
            rule = "Only `check_every` uses `validation_data`; give that to `fit`."
            fail(rule, check_every=None)
        if best_path is not None and not self.restore_best_weights:
            rule = (
                "The best state is kept to come back: give `restore_best_weights=True`."
            )
            fail(rule, best_path=best_path)
        self.check_every, self.validation_data = check_every, validation_data
        self.best_path, self.state_path = _path(best_path), _path(state_path)
        self._forget()


def _path(path):
    return None if path is None else os.path.abspath(os.fspath(path))


def _limit(name, value, low=-math.inf):
    return None if value is None else number(name, value, low)
