"""WarmUp: a callback that raises the learning rate during the first steps."""

from typing import Any

import keras

from kcomponents import _keras
from kcomponents._checks import fail, number, positive_int


class WarmUp(keras.callbacks.Callback):
    """Raise the learning rate linearly during the first steps of training.

    Step `n` (the first is 1) of the first `steps` steps is taken at the rate
    `learning_rate · n / steps`. Later the callback does nothing, so that others may
    change the rate. Steps are counted by `optimizer.iterations`: a second `fit` of the
    same model is not warmed up again. With `steps_per_execution`, the steps of a call
    all have the rate of the first one.

    Early steps at the full rate may be too large for the initial weights, although
    later ones are not: gradients are large there, and the estimates of Adam rest on few
    of them.

    Args:
        steps: Integer, the number of steps with a lower rate.
        learning_rate: Float, the rate to reach. Defaults to `None`: that of the
            compiled optimizer.

    Raises:
        ValueError: If an argument is invalid; in `fit`, if the optimizer has a learning
            rate schedule.

    Example:
        >>> import keras, numpy as np
        >>> from kcomponents.callbacks import WarmUp
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> x, warm_up = np.zeros((64, 2)), WarmUp(4)
        >>> for _ in range(3):  # of two steps each
        ...     history = model.fit(x, x[:, 0], verbose=0, callbacks=[warm_up])
        ...     print(f"{float(model.optimizer.learning_rate):.2f}")
        0.05
        0.10
        0.10

    Reference:
        Goyal et al., [Accurate, large minibatch SGD: training ImageNet in 1
        hour](https://arxiv.org/abs/1706.02677), 2017.
    """

    def __init__(self, steps: int, learning_rate: float | None = None):
        super().__init__()
        self.steps = positive_int("steps", steps)
        if learning_rate is not None:
            learning_rate = number("learning_rate", learning_rate, 0.0, open_low=True)
        self.learning_rate = learning_rate
        self._target, self._ended = learning_rate, False

    def get_state(self) -> dict[str, Any]:
        """Return the rate to reach."""
        return {"target": self._target}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state that `get_state` returned.

        Args:
            state: Dict that `get_state` returned.
        """
        self._target = state["target"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Take over the learning rate of the optimizer."""
        optimizer = _keras.unscaled_optimizer(self.model)
        if _keras.learning_rate_source(optimizer) is not None:
            rule = "`WarmUp` needs an optimizer whose learning rate is a number."
            how = "Leave out the schedule, or warm up in it."
            fail(f"{rule} {how}", learning_rate=type(optimizer.learning_rate).__name__)
        if self.learning_rate is None and not self._steps_done():
            self._target = float(optimizer.learning_rate)
        self._ended = self._target is None

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Set the learning rate of the steps that follow."""
        if self._ended:
            return
        done = self._steps_done()
        # Others may have changed the rate since: it is set in the first steps only.
        if done < self.steps:
            rate = self._target * (done + 1) / self.steps
            self.model.optimizer.learning_rate = rate
        self._ended = done >= self.steps - 1

    def _steps_done(self):
        return int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))
