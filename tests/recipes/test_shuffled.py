"""The batches of the recipes come in another order in each epoch and for each seed."""

import keras
import numpy as np
from lib.data import Shuffled

X = np.arange(10.0, dtype="float32").reshape(10, 1)


def orders(seed, fits=2, epochs=3):
    """Return the order of the samples in each epoch, as a training step sees it."""
    keras.utils.set_random_seed(seed)
    seen = []

    class Noting(keras.Sequential):
        def train_step(self, *arguments):
            x, y = map(keras.ops.convert_to_numpy, arguments[-1])
            assert (x == y).all()
            seen.extend(x[:, 0].astype(int).tolist())
            return super().train_step(*arguments)

    model = Noting([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    for _ in range(fits):
        model.fit(Shuffled(X, X, 4), epochs=epochs, verbose=0)
    return [tuple(seen[first : first + 10]) for first in range(0, len(seen), 10)]


def test_each_epoch_has_all_samples_in_an_order_of_its_own():
    found = orders(0)
    assert len(found) == 6 and len(set(found)) == 6
    assert all(sorted(order) == list(range(10)) for order in found)


def test_the_seed_decides_the_order():
    assert orders(0, 1, 2) == orders(0, 1, 2)
    assert not set(orders(0, 1, 2)) & set(orders(1, 1, 2))
