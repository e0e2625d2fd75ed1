"""ScaledIdentity against its definition and Keras's tests of `Identity`."""

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.initializers import ScaledIdentity
from kcomponents.testing import check_initializer
from tests.keras_own import cases, run, theirs_in

constant_initializers_test = theirs_in("initializers.constant_initializers_test")

KERAS = [
    case for case in cases(constant_initializers_test) if "identity" in str(case.id)
]


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (1, 1)])
def test_is_the_identity_times_the_gain(shape):
    values = ops.convert_to_numpy(ScaledIdentity(0.3)(shape))
    np.testing.assert_array_equal(values, np.float32(0.3) * np.eye(*shape))


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX has no float64 unless asked for it"
)
def test_float64_keeps_every_digit_of_the_gain():
    values = ops.convert_to_numpy(ScaledIdentity(0.1)((2, 2), "float64"))
    assert values[0, 0] == 0.1


def test_keeps_the_promises_of_an_initializer():
    check_initializer(ScaledIdentity(0.5), shape=(3, 4))


@pytest.mark.parametrize("gain", [float("nan"), float("inf"), "1", True, None])
def test_rejects_what_is_no_gain(gain):
    with pytest.raises(ValueError, match="`gain` must be a finite number"):
        ScaledIdentity(gain)


@pytest.mark.parametrize("shape", [(3,), (3, 4, 4)])
def test_rejects_what_is_no_matrix(shape):
    with pytest.raises(ValueError, match="ConvIdentity"):
        ScaledIdentity()(shape)


@pytest.mark.parametrize("case", KERAS)
def test_passes_the_tests_of_keras(case, monkeypatch):
    theirs = constant_initializers_test.initializers
    monkeypatch.setattr(theirs, "Identity", ScaledIdentity)
    known = theirs.ALL_OBJECTS_DICT
    monkeypatch.setitem(known, "IdentityInitializer", ScaledIdentity)
    run(case)
