"""Data replay: move the data of `fit` to the position of an earlier process."""

from kcomponents import _keras
from kcomponents._check import fail
from kcomponents.callbacks._random_state import random_state, set_random_state


class DataReplay:
    """Draws the batches of earlier epochs and steps again, without training on them.

    The order of the data then continues as it would have, even if it depends on a seed,
    a generator or a file. Afterwards the global random generators are restored.
    """

    def __init__(self):
        self._epochs = _keras.running_fit().get("epoch_iterator")
        self._at_epoch_start = None

    def replay(self, epochs):
        """Draw the batches of this many epochs."""
        if self._epochs is not None:
            for _ in range(epochs):
                _keras.draw_epoch(self._epochs)

    def resume(self, random_states, steps=0, then=None):
        """Restore random states, and skip the first steps of the next epoch.

        `then` is called with the last skipped batch, before the next one is drawn.
        """
        self._at_epoch_start, now = random_states
        set_random_state(self._at_epoch_start)
        if not steps:
            return
        if self._epochs is None:
            rule = "Within an epoch, only the `fit` of Keras can be resumed."
            fail(rule, steps_done=steps)

        def skipped(batch):
            set_random_state(now)
            then(batch)

        _keras.skip_steps(self._epochs, steps, skipped)

    def start_epoch(self):
        """Keep the random state at the start of an epoch."""
        self._at_epoch_start = random_state()

    def get_state(self):
        """Return the random states at the start of the epoch and now."""
        return [self._at_epoch_start, random_state()]
