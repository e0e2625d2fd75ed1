"""Passed: bring the data of `fit` to where an earlier process had come."""

from kcomponents import _keras
from kcomponents._check import fail
from kcomponents.callbacks._random_state import random_state, set_random_state


class Passed:
    """Draws the batches again that were trained on, and random numbers with them.

    So whatever the order of the data depends on, a seed, a generator, a file, it goes
    on as it would have. Shared generators then get the state that they had.
    """

    def __init__(self):
        self._epochs = _keras.running_fit().get("epoch_iterator")
        self._at_epoch = None

    def replay(self, epochs):
        """Pass by so many epochs of data."""
        if self._epochs is not None:
            for _ in range(epochs):
                _keras.draw_epoch(self._epochs)

    def go_on(self, randoms, steps=0, then=None):
        """Let random numbers go on, and the next epoch begin after so many steps.

        `then` is called with the last batch skipped, before the first that is not.
        """
        self._at_epoch, now = randoms
        set_random_state(self._at_epoch)
        if not steps:
            return
        if self._epochs is None:
            rule = "Within an epoch, only Keras's own `fit` can be resumed."
            fail(rule, steps_done=steps)

        def skipped(batch):
            set_random_state(now)
            then(batch)

        _keras.skip_steps(self._epochs, steps, skipped)

    def begin_epoch(self):
        """Take note of the random numbers that an epoch begins with."""
        self._at_epoch = random_state()

    def get_state(self):
        """Return the random states at the begin of the epoch and now."""
        return [self._at_epoch, random_state()]
