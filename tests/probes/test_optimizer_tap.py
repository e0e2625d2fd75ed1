"""Squared norms of many tensors are exact, and take few operations."""

import keras
import numpy as np
import pytest

from kcomponents import _backends
from kcomponents.probes._optimizer_tap import square_sums

BACKEND = keras.backend.backend()


def arrays(*shapes, dtype="float32"):
    random = np.random.default_rng(0)
    return [random.normal(size=shape).astype(dtype) for shape in shapes]


def found(values):
    tensors = [keras.ops.convert_to_tensor(v) for v in values]
    return keras.ops.convert_to_numpy(square_sums(tensors))


@pytest.mark.parametrize(
    "shapes",
    [
        [(3,)],
        [(3,), (2, 2), (3,), ()],
        [(2, 3), (600, 700), (2, 3), (5,)],
        [(600, 700)] * 2,
        [(3,), (2, 2)] * 9 + [(600, 700)],
    ],
)
def test_equals_numpy_in_order(shapes):
    values = arrays(*shapes)
    expected = [np.square(v.astype("float64")).sum() for v in values]
    np.testing.assert_allclose(found(values), expected, rtol=1e-5)


def test_half_precision_does_not_overflow():
    np.testing.assert_allclose(found([np.full(8, 300.0, "float16")] * 2), 8 * 300.0**2)


@pytest.mark.parametrize("count", [3, 30])
def test_infinity_stays_with_its_tensor(count):
    values = [np.ones(3, "float32") for _ in range(count)]
    values[1][:] = np.inf
    assert found(values).tolist() == [3.0, np.inf, *[3.0] * (count - 2)]


def operations(values):
    """Count the operations on tensors that the norms of these arrays take."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        graph = tf.function(square_sums).get_concrete_function(values).graph
        kinds = {"Placeholder", "Const", "Identity", "NoOp"}
        return sum(op.type not in kinds for op in graph.get_operations())
    if BACKEND == "jax":
        import jax

        # Joining tensors into one is one loop once it is compiled. JAX before 0.10
        # joins some at a time.
        free = {"broadcast_in_dim", "concatenate", "reshape", "squeeze"}
        equations = jax.make_jaxpr(square_sums)(values).jaxpr.eqns
        return sum(equation.primitive.name not in free for equation in equations)
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            self.calls += not function.__name__.startswith("detach")
            return function(*args, **(kwargs or {}))

    tensors = [torch.tensor(v) for v in values]
    with Count() as count:
        square_sums(tensors)
    return count.calls


def test_a_thousand_variables_take_few_operations():
    # As of a model of 250 equal blocks, with a kernel and three vectors each.
    assert operations(arrays(*[(8, 8), (8,), (8,), (4,)] * 250)) <= 40


@pytest.mark.skipif(not _backends.worth_stacking, reason="PyTorch squares a list")
def test_tensors_up_to_a_limit_are_joined_before_they_are_squared():
    limit = _backends.worth_stacking
    joined, single = (operations(arrays(*[(n,)] * 20)) for n in (limit, limit + 1))
    assert joined < 20 <= single
