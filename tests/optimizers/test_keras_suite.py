"""The optimizer tests of Keras, with every optimizer in them clipped."""

import types

import keras
import pytest

from kcomponents.optimizers import clipped
from tests.keras_own import cases, run, theirs_in

optimizer_test = theirs_in("optimizers.optimizer_test")

CLIPS = {"clipnorm", "global_clipnorm", "clipvalue"}


class Clipping(type):
    """Stands for a class of optimizers, and clips what it makes."""

    def __call__(cls, *args, **kwargs):
        return wrapped(cls.plain(*args, **kwargs))

    def __instancecheck__(cls, instance):
        return isinstance(instance, cls.plain)


def wrapped(optimizer):
    if optimizer is None or any(getattr(optimizer, name) for name in CLIPS):
        return optimizer
    return clipped(optimizer, global_clipnorm=1e6)


@pytest.mark.parametrize(
    "case", cases(optimizer_test, once="test_gradient_accumulation_with_w")
)
def test_passes_the_tests_of_keras(case, monkeypatch):
    ours = types.SimpleNamespace(**vars(optimizer_test.optimizers))
    for name in ("Adam", "AdamW", "SGD"):
        plain = getattr(keras.optimizers, name)
        setattr(ours, name, Clipping(name, (), {"plain": plain}))
    ours.get = lambda identifier: wrapped(keras.optimizers.get(identifier))
    monkeypatch.setattr(optimizer_test, "optimizers", ours)
    run(case)
