"""Last to begin: call functions after `on_train_begin` of all callbacks."""

import keras


class LastToBegin(keras.callbacks.Callback):
    """The last callback of a list, added while the list calls `on_train_begin`."""

    def __init__(self):
        super().__init__()
        self.functions = []

    def on_train_begin(self, logs=None):
        """Call each function once."""
        functions, self.functions = self.functions, []
        for function in functions:
            function()


def once_all_began(running, function):
    """Call a function after a list has called `on_train_begin` of all its callbacks.

    It is not called if one of the callbacks raises an exception.
    """
    if not isinstance(running.callbacks[-1], LastToBegin):
        # The loop over the callbacks also reaches callbacks appended meanwhile.
        running.callbacks.append(LastToBegin())
    running.callbacks[-1].functions.append(function)
