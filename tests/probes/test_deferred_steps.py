"""Where steps are joined later, what is kept of them is a copy."""

import weakref

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents import _backends
from kcomponents.probes import Statistic
from kcomponents.probes._tally import TOGETHER, Tally
from kcomponents.probes._views import SMALL_VIEWS

pytestmark = pytest.mark.skipif(
    not _backends.defers, reason="this backend joins each step at once"
)


def view_of(source, number):
    kind = SMALL_VIEWS[source]
    parts = kind.__dataclass_fields__
    return kind(*(ops.full((3,), float(number + n)) for n in range(len(parts))))


@pytest.mark.parametrize("source", SMALL_VIEWS)
def test_no_tensor_of_a_step_is_kept(source):
    first = next(iter(SMALL_VIEWS[source].__dataclass_fields__))
    statistic = Statistic("s", source, lambda v: getattr(v, first))
    tally = Tally({statistic: (3,)}, defers=True)
    view = view_of(source, 1)
    kept = [weakref.ref(part) for part in vars(view).values() if ops.is_tensor(part)]
    tally.add(view)
    del view
    assert len(kept) > 1
    assert not any(reference() is not None for reference in kept)


@pytest.mark.parametrize("steps", [1, TOGETHER - 1, TOGETHER, 2 * TOGETHER + 1])
def test_each_step_counts_once(steps):
    total = Statistic("s", "gradients", lambda v: v.squares)
    last = Statistic("l", "gradients", lambda v: v.squares, "last")
    tally = Tally({total: (3,), last: (3,)}, defers=True)
    for number in range(steps):
        tally.add(view_of("gradients", number))
    tally.settle()
    found = tally.values(_backends.fetch(tally.variables))
    np.testing.assert_allclose(found[total], sum(range(steps)))
    np.testing.assert_allclose(found[last], steps - 1)


def test_numbers_and_tensors_are_stacked_in_their_own_types():
    buffer = _backends.StepBuffer(4)
    for number in range(3):
        buffer.add([ops.full((2,), number, "bfloat16"), number, number / 2])
    halves, whole, real = buffer.stacked()
    assert keras.backend.standardize_dtype(halves.dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(whole.dtype) == "int64"
    np.testing.assert_array_equal(ops.convert_to_numpy(whole), [0, 1, 2])
    np.testing.assert_array_equal(ops.convert_to_numpy(real), [0, 0.5, 1])
    buffer.clear()
    assert not buffer
