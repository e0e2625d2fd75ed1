"""Restoring: bring the best state of a training back, and say how it ended."""

import contextlib

from kcomponents._check import fail
from kcomponents.callbacks._stop_reason import StopReason


class Restoring:
    """What `EarlyStopping` does when training ends, in whatever way."""

    @contextlib.contextmanager
    def guard(self, model):
        """Return a context that brings the best state back if an exception leaves it.

        Keras tells callbacks nothing of an exception or of Ctrl-C. Either goes on as
        it came.

        Args:
            model: The model that is trained within.

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
        # Of an earlier fit that an exception ended outside of a guard.
        self._running = False
        try:
            yield self
        except BaseException:
            if self._running:
                self._running, self.stop_reason = False, StopReason.INTERRUPTED
                self._restore_at("interrupt", model)
            raise

    def restore(self, model=None):
        """Bring a model to the best state of the last fit.

        Args:
            model: Keras model like the one that was trained. Defaults to `None`, that
                one.

        Raises:
            ValueError: If no state was kept.
        """
        if self.best_weights is None:
            rule = "A state must have been kept: give `restore_best_weights=True`."
            fail(rule, best=self.best)
        self.best_weights.restore(self.model if model is None else model)
        self._restored = self.best_epoch

    @property
    def stop_message(self):
        """Why training ended, and what the best was, as a sentence."""
        if self.stop_reason is None:
            return "Training has not ended."
        first, epoch = self._scores[0], self._epoch
        when = "Training ended" if epoch is None else f"Epoch {epoch + 1}"
        message = f"{when}: {self._why()}."
        if self.best is not None:
            message += f" Best {first.name}: {self.best:.4g} in epoch "
            message += f"{self.best_epoch + 1}"
            message += ", which is restored." if self._restored is not None else "."
        return message

    def _why(self):
        reason = self.stop_reason.value
        if self.stop_reason is StopReason.CRITERION:
            told = [f"{s.name} by {s.criterion!r}" for s in self._scores]
            reason += f" ({', '.join(told)})"
        return reason

    def _restore_at(self, end, model):
        kept = self.best_weights is not None
        if self.restore_best_weights and end in self.restore_on and kept:
            self.restore(model)
