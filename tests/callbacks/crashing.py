"""A crash in the middle of training, as an exception."""

import keras


class Stopped(Exception):
    """Simulates a crash."""


class CrashAfter(keras.callbacks.Callback):
    """Ends training with an exception after a number of batches."""

    def __init__(self, batches):
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise Stopped
