"""Monitors measure the same numbers in a training of any precision."""

import types

import keras
import numpy as np
import pytest

from kcomponents import callbacks
from kcomponents.callbacks.finite_guard import LOSS
from tests.probes.models import normal

FLOATS = ["float64", "float16", "bfloat16"]
POLICIES = [*FLOATS, "mixed_float16", "mixed_bfloat16"]
# Errors of rounding in the training itself.
CLOSE = {"float64": 1e-5, "float16": 1e-2, "bfloat16": 0.06}


@pytest.fixture
def precision(request):
    """Set what Keras trains in, and reset it after the test."""
    kind, name = request.param
    if kind == "floatx":
        keras.config.set_floatx(name)
    keras.config.set_dtype_policy(name)
    yield name.removeprefix("mixed_")
    keras.config.set_floatx("float32")


def model_and_data():
    """Return a model whose numbers can be computed by hand, and its data."""
    hidden = keras.layers.Dense(4, "relu", name="hidden")
    bounded = keras.layers.Activation("tanh", name="bounded")
    last = keras.layers.Dense(1, name="last")
    model = keras.Sequential([keras.Input((3,)), hidden, bounded, last], name="m")
    # The last unit never fires.
    hidden.bias.assign([0.25, 0.5, 3.5, -20.0])
    optimizer = keras.optimizers.SGD(0.125)
    model.compile(optimizer, "mse", jit_compile=False)
    if hasattr(model.optimizer, "initial_scale"):
        model.optimizer.initial_scale = 16.0
    return model, normal(3), normal(1)


def by_hand(model, x, y):
    """Return gradients, dead and saturated shares and update ratios in float64."""
    kernel, bias, last, end = (w.astype("float64") for w in model.get_weights())
    before = np.maximum(x @ kernel + bias, 0)
    bounded = np.tanh(before)
    errors = 2 * (bounded @ last + end - y) / len(x)
    inner = (errors @ last.T) * (1 - bounded**2) * (before > 0)
    grads = [x.T @ inner, inner.sum(0), bounded.T @ errors, errors.sum(0)]
    norm = np.linalg.norm
    return {
        "norm": np.sqrt(sum(norm(g) ** 2 for g in grads)),
        "ratio": 0.125 * norm(grads[0]) / norm(kernel),
        "dead": (~(before > 0).any(0)).mean(),
        "saturated": (bounded > 0.99).mean(),
    }


@pytest.mark.parametrize(
    "precision",
    [("policy", p) for p in POLICIES] + [("floatx", f) for f in FLOATS],
    indirect=True,
    ids="-".join,
)
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")
def test_all_monitors_measure_in(precision):
    model, x, y = model_and_data()
    expected = by_hand(model, x, y)
    dead = callbacks.DeadReLUMonitor()
    seen = callbacks.DeadReLUMonitor(x)
    saturation = callbacks.SaturationMonitor()
    guard = callbacks.FiniteGuard("gradients")
    norms = callbacks.GradientNormLogger()
    ratios = callbacks.UpdateRatioMonitor(sample=1, variables="hidden")
    watching = [dead, seen, saturation, guard, norms, ratios]
    logs = model.fit(x, y, verbose=0, callbacks=watching).history
    close = CLOSE[precision]
    for key in ("grad_norm", "grad_norm_max", "grad_norm_last", "grad_norm_clipped"):
        assert logs[key] == pytest.approx([expected["norm"]], rel=close)
    assert logs["update_ratio"] == pytest.approx([expected["ratio"]], rel=5 * close)
    assert logs["dead_relu"] == [expected["dead"]] == [0.25]
    assert logs["saturated"] == pytest.approx(
        [expected["saturated"]], abs=0 if precision == "float64" else 1 / 32
    )
    assert guard.finding is None and seen.dead_units == dead.dead_units


def test_a_guard_counts_beyond_what_half_precision_can_hold():
    keras.config.set_floatx("float16")
    try:
        view = types.SimpleNamespace(loss=keras.ops.array(np.nan), step=70001.0)
        assert float(LOSS.measure(view)) == 70001.0
    finally:
        keras.config.set_floatx("float32")
