"""Revive: a callback that reinitializes constant units during training."""

from typing import Any

import keras

from kcomponents import _keras
from kcomponents._checks import fail, positive_int
from kcomponents._recording.sample import sample_of
from kcomponents.surgery import revive


class Revive(keras.callbacks.Callback):
    """Reinitialize units whose output is constant, at the end of epochs.

    A ReLU unit that is 0 for all samples gets no gradient, so that it stays 0. At the
    end of an epoch, `kcomponents.surgery.revive` gives such units new incoming weights,
    and outgoing weights of 0: the outputs of the model stay the same, and training can
    use the units again. Other units and the optimizer state do not change.

    A new unit needs some epochs to learn: leave enough of them after `until`.

    Attributes:
        revived: Dict from epoch (the first is 0) to the units that were revived at its
            end: a dict from layer name to the list of units. Epochs without revived
            units are left out.

    Args:
        x: Inputs to judge the units by: an array of shape `(samples, ...)`, or a list
            or dict of such arrays. Defaults to `None`: samples of the arrays that are
            passed to `fit`.
        every: Integer, the number of epochs between checks. Defaults to `1`.
        until: Integer, the epoch (the first is 0) from which on no unit is revived.
            Defaults to `None`: the last epoch.
        seed: Integer, seed of the new weights. Defaults to `None`, for other weights in
            each run.
        batch_size: Integer, the number of samples in a batch. Defaults to `128`.

    Raises:
        ValueError: If an argument is invalid; in `fit`, if `x` is needed or the model
            has no graph of layers.

    Example:
        >>> import keras, numpy as np
        >>> from kcomponents.callbacks import Revive
        >>> hidden = keras.layers.Dense(3, "relu", name="hidden")
        >>> model = keras.Sequential([keras.Input((2,)), hidden, keras.layers.Dense(1)])
        >>> dead = hidden.bias.assign([-9.0, 1.0, -9.0])
        >>> model.compile("sgd", "mse")
        >>> x = np.random.default_rng(0).uniform(size=(64, 2)).astype("float32")
        >>> alive = Revive(seed=0)
        >>> history = model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[alive])
        >>> alive.revived
        {0: {'hidden': [0, 2]}}

    Reference:
        Sokar et al., [The Dormant Neuron Phenomenon in Deep Reinforcement
        Learning](https://arxiv.org/abs/2302.12902), 2023.
    """

    def __init__(
        self,
        x: Any = None,
        *,
        every: int = 1,
        until: int | None = None,
        seed: int | None = None,
        batch_size: int = 128,
    ):
        super().__init__()
        self.x = x
        self.every = positive_int("every", every)
        self.until = None if until is None else positive_int("until", until)
        self.seed = seed
        self.batch_size = positive_int("batch_size", batch_size)
        self.revived: dict[int, dict[str, list[int]]] = {}
        self._inputs, self._end = None, 0

    def get_state(self) -> dict[str, Any]:
        """Return what was revived so far, as plain values."""
        return {"revived": {str(k): v for k, v in self.revived.items()}}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from a state that `get_state` returned.

        Args:
            state: Dict that `get_state` returned.
        """
        self.revived = {int(k): v for k, v in state["revived"].items()}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Find the samples to judge the units by."""
        known, self.revived = _keras.running_fit(), {}
        x = known.get("x") if self.x is None else self.x
        sample = None if x is None else sample_of(x, None)
        if sample is None:
            rule = "Pass `x=` to `Revive`: it needs arrays, and `fit` got none."
            fail(rule, x=type(x).__name__)
        self._inputs = sample.x
        self._end = self.until
        if self._end is None:
            self._end = known.get("epochs", 1) - 1
        # Raises for a model that it cannot change.
        _keras.calls_of(self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Revive constant units, if this epoch is due."""
        if epoch >= self._end or (epoch + 1) % self.every:
            return
        seed = None if self.seed is None else self.seed + epoch
        options = {"seed": seed, "batch_size": self.batch_size}
        if found := revive(self.model, self._inputs, **options):
            self.revived[epoch] = found
