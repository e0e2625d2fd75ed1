"""The table of activation traits agrees with Keras and with our own activations."""

import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents import activations
from kcomponents._activation_traits import ALIASES, TRAITS, UNKNOWN, traits_of
from kcomponents.testing import gradient

# What they compute is the same on each backend.
pytestmark = pytest.mark.any_backend

GRID = np.linspace(-60, 60, 1201).astype("float32")
# Arguments that a function needs, or that move a bound which counts as infinite.
ARGUMENTS = {
    "celu": {"alpha": 100.0},
    "elu": {"alpha": 100.0},
    "threshold": {"threshold": -100.0, "default_value": 0.0},
}
OWN = {"maxout", "prelu", "rrelu"}
NOT_FUNCTIONS = {"get", "serialize", "deserialize"}
ELEMENTWISE = [name for name in TRAITS if TRAITS[name].reads == "unit"]


def keras_names():
    """Return the names of all activation functions of Keras."""
    return {
        name
        for name, value in inspect.getmembers(keras.activations, callable)
        if not name.startswith("_") and name not in NOT_FUNCTIONS
    }


def apply(name, x, **arguments):
    """Return what the activation computes, as a NumPy array."""
    function = activations.get(name)
    return ops.convert_to_numpy(function(ops.convert_to_tensor(x), **arguments))


def slopes(name):
    """Return the slope between neighboring points of the grid."""
    return np.diff(apply(name, GRID, **needed(name))) / np.diff(GRID)


def needed(name):
    """Return the arguments without which the function cannot be called."""
    return {"threshold": 0.5, "default_value": 0.0} if name == "threshold" else {}


def test_each_activation_of_keras_has_a_row():
    missing = keras_names() - TRAITS.keys() - ALIASES.keys()
    assert not missing, (
        f"Without a row in `_activation_traits.TRAITS`, {sorted(missing)} are unknown: "
        "the doctor does not check losses behind them, no monitor counts their dead or "
        "saturated outputs, and there is no recommended initializer."
    )


def test_each_row_is_an_activation_of_keras_or_of_this_package():
    assert TRAITS.keys() - OWN <= keras_names()
    assert all(callable(activations.get(name)) for name in OWN)


@pytest.mark.parametrize("alias", ALIASES)
def test_second_names_are_the_same_function(alias):
    assert activations.get(alias) is activations.get(ALIASES[alias])
    assert traits_of(alias) is TRAITS[ALIASES[alias]]


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if TRAITS[n].glorot_slope])
def test_the_slope_of_glorot_is_that_at_zero(name):
    low, high = apply(name, np.float32([-1e-3, 1e-3]))
    assert (high - low) / 2e-3 == pytest.approx(TRAITS[name].glorot_slope, rel=2e-3)


SLOPED = [name for name in ELEMENTWISE if TRAITS[name].inactive == "sloped"]


@pytest.mark.parametrize("name", [n for n in SLOPED if n not in OWN])
def test_the_slope_of_he_is_that_below_zero(name):
    low, high = apply(name, np.float32([-2.0, -1.0]), **needed(name))
    assert high - low == pytest.approx(TRAITS[name].he_slope)


def test_the_slope_of_a_random_rectifier_is_the_mean_of_its_bounds():
    arguments = inspect.signature(activations.rrelu).parameters
    mean = (arguments["lower"].default + arguments["upper"].default) / 2
    assert TRAITS["rrelu"].he_slope == pytest.approx(mean)


@pytest.mark.parametrize("name", [None, "", "custom", "lstm", "my_activation"])
def test_nothing_is_known_about_other_activations(name):
    assert traits_of(name) is UNKNOWN
    assert not (UNKNOWN.bounded or UNKNOWN.probabilities or UNKNOWN.distribution)


@pytest.mark.parametrize("name", TRAITS)
def test_the_names_are_those_that_keras_gives_its_functions(name):
    if name not in OWN:
        assert getattr(keras.activations, name).__name__ == name


@pytest.mark.parametrize("name", TRAITS)
def test_the_outputs_stay_within_the_bounds_and_reach_them(name):
    traits = TRAITS[name]
    x = np.stack([GRID, np.roll(GRID, 300)], axis=-1)
    y = apply(name, x, **ARGUMENTS.get(name, {}))
    assert traits.low - 1e-6 <= y.min() and y.max() <= traits.high + 1e-6
    for bound, reached in ((traits.low, y.min()), (traits.high, y.max())):
        if np.isinf(bound):
            assert abs(reached) > 10 and np.sign(reached) == np.sign(bound)
        else:
            assert reached == pytest.approx(bound, abs=0.02)


@pytest.mark.parametrize("name", TRAITS)
def test_an_output_depends_on_the_inputs_that_the_table_names(name):
    x = np.array([[0.4, -0.3, 0.9, -2.0]], "float32")
    other = x.copy()
    other[0, -1] = 5.0
    y, changed = (apply(name, each, **needed(name)) for each in (x, other))
    reads = {(4, 0): "unit", (4, 3): "units"}
    count = int((y != changed).sum()) - 1
    wanted = "group" if y.shape[-1] < 4 else reads[4, count and 3]
    assert TRAITS[name].reads == wanted


@pytest.mark.parametrize("name", TRAITS)
def test_the_outputs_of_a_distribution_sum_to_one_and_no_others_do(name):
    # Far apart, because Keras 3.15 computes sparsemax of close inputs wrongly.
    x = 100 * np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
    sums = apply(name, x, **needed(name)).sum(-1)
    assert np.allclose(sums, 1, atol=1e-5) == TRAITS[name].distribution


@pytest.mark.parametrize("name", TRAITS)
def test_homogeneous_activations_and_no_others_scale_with_their_inputs(name):
    x = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
    y, twice = (apply(name, each, **needed(name)) for each in (4 * x, 8 * x))
    assert np.allclose(twice, 2 * y, atol=1e-5) == TRAITS[name].homogeneous


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_zero_centered_activations_and_no_others_are_odd(name):
    x = np.linspace(0.1, 6, 60).astype("float32")
    y, mirrored = (apply(name, each, **needed(name)) for each in (x, -x))
    assert np.allclose(mirrored, -y, atol=1e-5) == TRAITS[name].zero_centered


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_piecewise_linear_activations_and_no_others_have_few_slopes(name):
    x = np.linspace(-3.05, 2.95, 61).astype("float32")
    bends = np.abs(np.diff(apply(name, x, **needed(name)), 2)) > 2e-5
    # A jump between two points counts as two bends.
    assert bool(bends.sum() <= 4) == TRAITS[name].piecewise_linear


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_bounded_activations_saturate_beyond_their_plateaus(name):
    traits = TRAITS[name]
    assert (traits.plateaus is not None) == (traits.bounded and not traits.inactive)
    if traits.plateaus is None:
        return
    x = np.linspace(-12, 12, 24001).astype("float32")
    y = apply(name, x)
    slope = np.diff(y) / np.diff(x)
    low, high = traits.plateaus
    within = (y > low) & (y < high)
    assert slope[~within[1:] & ~within[:-1]].max() < slope.max() / 24.9
    assert slope[within[1:] & within[:-1]].min() > slope.max() / 110
    if traits.piecewise_linear:
        assert traits.plateaus == (traits.low, traits.high)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_rectifiers_are_named_by_their_slope_below_zero(name):
    traits = TRAITS[name]
    x = np.array([0.5, 1, 2, 4], "float32")
    ratios = apply(name, x, **needed(name)) / x
    near, far, scale = [float(s) for s in slopes(name)[[595, 10, 605]]]
    rectifies = np.allclose(ratios, ratios[0]) and far < 0.999 * scale
    # A step is no slope.
    rectifies = rectifies and name not in ("threshold", "hard_shrink")
    assert rectifies == (traits.inactive is not None)
    if rectifies:
        kinds = {(False, False): "flat", (True, False): "fading"}
        assert traits.inactive == kinds.get((near > 0, far > 1e-4), "sloped")


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu", "prelu", "rrelu"])
def test_the_slope_in_the_formula_of_he_is_that_below_zero(name):
    [y] = apply(name, np.array([[-1.0]], "float32"))
    assert TRAITS[name].he_slope == pytest.approx(-float(y[0]), abs=1e-6)


@pytest.mark.parametrize(
    "name", [n for n in ELEMENTWISE if TRAITS[n].glorot_slope is not None]
)
def test_the_slope_in_the_formula_of_glorot_is_that_at_zero(name):
    [slope] = gradient(activations.get(name), 1e-4)
    assert slope == pytest.approx(TRAITS[name].glorot_slope, rel=1e-3)


def test_the_table_needs_neither_keras_nor_numpy():
    code = (
        "import sys, kcomponents._activation_traits\n"
        "print({'keras', 'numpy', 'tensorflow', 'jax', 'torch'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
