"""Last to begin: something to be done once all callbacks have begun."""

import keras


class LastToBegin(keras.callbacks.Callback):
    """Stands at the end of a list of callbacks while that calls `on_train_begin`."""

    def __init__(self):
        super().__init__()
        self.things = []

    def on_train_begin(self, logs=None):
        """Do what is to be done, once."""
        things, self.things = self.things, []
        for do in things:
            do()


def once_all_began(running, do):
    """Call a function when a list that is calling `on_train_begin` has done so.

    It is not called if one of the callbacks fails.
    """
    if not isinstance(running.callbacks[-1], LastToBegin):
        # A list that grows while it is gone through is gone through to its new end.
        running.callbacks.append(LastToBegin())
    running.callbacks[-1].things.append(do)
