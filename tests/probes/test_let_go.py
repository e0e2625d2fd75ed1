"""What a watched training compiled is let go of when it ends."""

import gc
import weakref

import keras
import numpy as np

from kcomponents.callbacks import TrainingDoctor


def test_the_train_function_of_a_watched_fit_is_not_kept():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "relu")])
    model.compile("sgd", "mse")
    seen = []

    def see(batch, logs):
        seen.append(weakref.ref(model.train_function))

    x = np.ones((4, 3), "float32")
    look = keras.callbacks.LambdaCallback(on_train_batch_end=see)
    watching = [TrainingDoctor(), look]
    model.fit(x, x[:, :2], epochs=2, verbose=0, callbacks=watching)
    del watching, look
    gc.collect()
    assert len(seen) == 2 and seen[0]() is None
