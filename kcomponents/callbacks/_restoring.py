"""Restoring: restore the best state of the model, and report why training ended."""

import contextlib
from collections.abc import Iterator
from typing import Self

import keras

from kcomponents._check import fail
from kcomponents.callbacks._stop_reason import StopReason


class Restoring:
    """The part of `EarlyStopping` that runs when training ends."""

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
        self._restored = self.best_epoch

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
        if self._restored is None:
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

    def _restore_at(self, end, model):
        kept = self.best_weights is not None
        if self.restore_best_weights and end in self.restore_on and kept:
            self.restore(model)
