"""clipped: every optimizer applies the clipped gradients."""

import copy
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from kcomponents.clipping import adaptive_clip
from kcomponents.optimizers import clipped
from kcomponents.testing import check_optimizer, compiled
from tests.backend_cases import once
from tests.keras_versions import needs_keras

BACKEND = keras.backend.backend()
NO_STEP = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
OPTIMIZERS = {
    name: value
    for name, value in vars(keras.optimizers).items()
    if isinstance(value, type) and issubclass(value, keras.optimizers.Optimizer)
    if name not in NO_STEP
}
FAILING = {
    "Muon": needs_keras("3.13", "fails in a graph with Muon", backend="tensorflow")
}
GRADS = [np.array([[3.0, 0.0], [0.0, 4.0]], "float32"), np.array([12.0], "float32")]


def variables():
    start = ops.convert_to_tensor(np.arange(1, 5, dtype="float32").reshape(2, 2))
    return [keras.Variable(start, name="kernel"), keras.Variable([1.0], name="bias")]


def apply(optimizer, *steps, weights=None):
    """Apply gradients step by step and return the weights as numpy arrays."""
    weights = weights or variables()
    for grads in steps:
        tensors = [None if g is None else ops.convert_to_tensor(g) for g in grads]
        optimizer.apply(tensors, weights)
    return values(weights)


def values(weights):
    return [ops.convert_to_numpy(w) for w in weights]


def near(found, expected, **tolerance):
    for f, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(f, e, **(tolerance or {"rtol": 1e-5, "atol": 1e-7}))


def sgd(**bounds):
    return clipped(keras.optimizers.SGD(1.0), **bounds)


def moved(optimizer, *grads):
    """Return by how much SGD of learning rate 1 moved the weights."""
    before = values(variables())
    after = apply(optimizer, *grads)
    return [b - a for a, b in zip(after, before, strict=True)]


def iterations(optimizer):
    return int(ops.convert_to_numpy(optimizer.iterations))


def broken(value):
    return [np.array([[value, 1.0], [1.0, 1.0]], "float32"), GRADS[1]]


def trained(optimizer, steps):
    """Return everything after applying gradients as `fit` does, compiled."""
    weights = variables()
    optimizer.build(weights)
    if BACKEND == "jax":
        state = [w.value for w in weights], [v.value for v in optimizer.variables]
        step = compiled(lambda t, o, g: optimizer.stateless_apply(o, g, t))
        for grads in steps:
            state = step(*state, grads)
        return values([*state[0], *state[1]])
    step = compiled(lambda *grads: optimizer.apply(list(grads), weights))
    for grads in steps:
        step(*map(ops.convert_to_tensor, grads))
    return values([*weights, *optimizer.variables])


@pytest.mark.parametrize(
    "optimizer",
    [pytest.param(o, id=n, marks=FAILING.get(n, ())) for n, o in OPTIMIZERS.items()],
)
def test_every_optimizer_sees_the_clipped_gradient(optimizer):
    wrapped = clipped(optimizer(0.1), global_clipnorm=6.5)
    assert isinstance(wrapped, optimizer)
    expected = trained(optimizer(0.1), [[g / 2 for g in GRADS]] * 2)
    near(trained(wrapped, [GRADS, broken(np.nan), GRADS]), expected)


@pytest.mark.parametrize(
    "bounds, factors",
    [
        ({"global_clipnorm": 6.5}, (1 / 2, 1 / 2)),
        ({"clipnorm": 10.0}, (1, 10 / 12)),
        ({"global_clipnorm": 100.0}, (1, 1)),
        (
            {"clipnorm": 10.0, "global_clipnorm": 5.0},
            (125**-0.5 * 5, 125**-0.5 * 5 * 10 / 12),
        ),
        ({}, (1, 1)),
    ],
)
def test_bounds_act_as_their_functions(bounds, factors):
    expected = [f * g for f, g in zip(factors, GRADS, strict=True)]
    near(moved(sgd(**bounds), GRADS), expected)


def test_all_bounds_hold_at_the_end():
    found = moved(sgd(clipvalue=3.5, agc=0.5, clipnorm=2.0, global_clipnorm=2.1), GRADS)
    weights = variables()
    assert max(abs(g).max() for g in found) <= 3.5
    assert max(np.linalg.norm(g) for g in found) <= 2.0 * (1 + 1e-6)
    assert np.linalg.norm([np.linalg.norm(g) for g in found]) <= 2.1 * (1 + 1e-6)
    again = adaptive_clip(
        [ops.convert_to_tensor(g) for g in found], weights, 0.5 + 1e-5
    )
    near(found, values(again))


@pytest.mark.parametrize("exclude", ["bias", ["nothing", "^bi.s$"]])
def test_adaptive_clipping_leaves_excluded_variables_alone(exclude):
    kernel, bias = moved(sgd(agc=0.1, exclude=exclude), GRADS)
    norms = np.linalg.norm(values(variables())[0], axis=0)
    near([np.linalg.norm(kernel, axis=0)], [0.1 * norms])
    assert bias == 12


def test_no_gradient_stays_no_gradient():
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        kernel, bias = moved(sgd(global_clipnorm=1.0), [GRADS[0], None])
    near([kernel, bias], [GRADS[0] / 5, [0]])


@pytest.mark.parametrize("scale", [None, 8.0])
def test_the_loss_scale_is_removed_before_clipping(scale):
    optimizer = keras.optimizers.SGD(1.0, loss_scale_factor=scale)
    grads = [g * (scale or 1) for g in GRADS]
    for bounds in (
        {"global_clipnorm": 6.5},
        {"clipnorm": 2.0},
        {"clipvalue": 1.0},
        {"agc": 0.1},
    ):
        expected = moved(sgd(**bounds), GRADS)
        near(moved(clipped(optimizer, **bounds), grads), expected)


@pytest.mark.parametrize("scale", [None, 8.0])
def test_the_mean_of_accumulated_gradients_is_clipped(scale):
    arguments = {"gradient_accumulation_steps": 2, "loss_scale_factor": scale}
    optimizer = clipped(
        keras.optimizers.SGD(1.0, **arguments), agc=1e4, global_clipnorm=1.0
    )
    grads = [g * (scale or 1) for g in GRADS]
    steps = [[3 * g for g in grads], [-g for g in grads]] * 2
    near(moved(optimizer, *steps), [2 * g / 13 for g in GRADS])
    assert iterations(optimizer) == 2


def test_variables_that_their_gradient_overwrites_are_left_alone():
    weights = variables()
    weights[1].overwrite_with_gradient = True
    kernel, bias = apply(sgd(global_clipnorm=1.0), GRADS, weights=weights)
    near([kernel, bias], [values(variables())[0] - GRADS[0] / 5, [12]])


@pytest.mark.parametrize("size", [1e25, 1e30])
def test_gradients_whose_squares_overflow_are_clipped(size):
    found = moved(sgd(global_clipnorm=1.0), [g * np.float32(size) for g in GRADS])
    near(found, [g / 13 for g in GRADS])


def test_half_precision_gradients_are_measured_in_float32():
    weight = keras.Variable(np.zeros(2), dtype="float16")
    [found] = apply(
        sgd(clipnorm=1.0), [np.array([300, 400], "float16")], weights=[weight]
    )
    near([found], [[-0.6, -0.8]], atol=1e-3)


@pytest.mark.parametrize(
    "bounds, value",
    [
        ({"global_clipnorm": 1.0}, np.inf),
        *once(({}, np.nan), ({"clipvalue": 1.0}, -np.inf)),
    ],
)
@pytest.mark.parametrize("run", ["eager", "compiled"])
@pytest.mark.parametrize("more", [{}, {"gradient_accumulation_steps": 2}])
def test_a_step_with_a_gradient_that_is_not_finite_is_skipped(bounds, value, run, more):
    def after(*steps):
        arguments = {"use_ema": True, "weight_decay": 0.1, **more}
        optimizer = clipped(keras.optimizers.Adam(0.1, **arguments), **bounds)
        if run == "compiled":
            return trained(optimizer, steps)
        return [*apply(optimizer, *steps), *values(optimizer.variables)]

    good = GRADS, GRADS[:1] + [-GRADS[1]]
    near(after(good[0], broken(value), good[1], broken(value)), after(*good))


def test_entries_that_are_not_finite_can_be_set_to_zero():
    found = moved(sgd(nonfinite="zero", global_clipnorm=1.0), broken(np.nan))
    grads = broken(0.0)
    near(found, [g / np.sqrt(147) for g in grads])


def test_gradients_that_are_not_finite_can_raise_with_the_variables_named():
    optimizer = sgd(nonfinite="raise", clipvalue=1.0)
    weights = variables()
    with pytest.raises(FloatingPointError, match="not finite: kernel"):
        apply(optimizer, broken(np.inf), weights=weights)
    near(values(weights), values(variables()))
    near(
        moved(optimizer.from_config(optimizer.get_config()), GRADS),
        moved(sgd(clipvalue=1.0), GRADS),
    )


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_raising_works_in_eager_training_only(run_eagerly):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    compiles = BACKEND != "torch" and not run_eagerly
    model.compile(sgd(nonfinite="raise", clipnorm=1.0), "mse", run_eagerly=run_eagerly)
    error, message = FloatingPointError, "dense/kernel"
    if compiles:
        error, message = ValueError, "run_eagerly=True"
    with pytest.raises(error, match=message):
        model.fit(np.full((4, 3), np.inf), np.ones((4, 1)), verbose=0)


def test_gradients_that_are_not_finite_can_be_applied():
    near(moved(sgd(nonfinite=None, clipnorm=1.0), broken(np.nan))[1:], [[1.0]])


@pytest.mark.any_backend
def test_passes_the_checks_of_an_optimizer():
    check_optimizer(
        lambda **k: clipped(keras.optimizers.Adam(**k), global_clipnorm=1.0)
    )


def test_keeps_the_promises_with_every_bound():
    bounds = {"agc": 0.1, "clipvalue": 0.5, "clipnorm": 0.3, "global_clipnorm": 0.2}

    def make(**arguments):
        optimizer = keras.optimizers.SGD(momentum=0.9, weight_decay=0.1, **arguments)
        return clipped(optimizer, **bounds, nonfinite="zero", exclude="dense_1")

    check_optimizer(make)


def test_the_given_optimizer_does_not_change():
    plain = keras.optimizers.SGD(1.0)
    clipped(plain, global_clipnorm=1.0)
    near(moved(plain, GRADS), GRADS)


def test_a_built_optimizer_keeps_its_state():
    weights, others = variables(), variables()
    plain, reference = (keras.optimizers.Adam(0.1) for _ in range(2))
    apply(plain, GRADS, weights=weights)
    expected = apply(reference, GRADS, [g / 13 for g in GRADS], weights=others)
    wrapped = clipped(plain, global_clipnorm=1.0)
    near(apply(wrapped, GRADS, weights=weights), expected)
    near(values(wrapped.variables), values(reference.variables))


def test_settings_that_no_config_holds_are_carried_over():
    plain = keras.optimizers.SGD(lambda: 0.5, weight_decay=1.0)
    plain.exclude_from_weight_decay(var_names=["bias"])
    kernel, bias = apply(clipped(plain, clipnorm=1.0), [0 * g for g in GRADS])
    near([kernel, bias], [values(variables())[0] / 2, [1]])


def test_states_load_with_and_without_clipping():
    plain = keras.optimizers.Adam()
    wrapped = clipped(plain, global_clipnorm=1.0)
    plain.build(variables())
    wrapped.build(variables())
    assert [v.path for v in plain.variables] == [v.path for v in wrapped.variables]


def test_learning_rates_and_schedules_still_work():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [1.0, 0.5])
    optimizer = clipped(keras.optimizers.SGD(schedule), global_clipnorm=1.0)
    near(moved(optimizer, GRADS, GRADS, GRADS), [2.5 * g / 13 for g in GRADS])
    optimizer = sgd(global_clipnorm=1.0)
    optimizer.learning_rate = 0.25
    near(moved(optimizer, GRADS), [0.25 * g / 13 for g in GRADS])
    assert optimizer.get_config()["learning_rate"] == 0.25


def test_the_config_names_the_public_class_on_every_backend():
    config = clipped("adam", global_clipnorm=1, exclude="head", agc=0.1).get_config()
    assert config["optimizer"] == {
        "module": "keras.optimizers",
        "class_name": "Adam",
        "registered_name": None,
    }
    clipping = config["clipping"]
    assert clipping["global_clipnorm"] == 1.0 and clipping["exclude"] == ["head"]
    # Keras's own, which would clip once more.
    assert config["global_clipnorm"] is None
    json.dumps(config)


@keras.saving.register_keras_serializable("tests")
class OwnSGD(keras.optimizers.SGD):
    """An optimizer that Keras does not know."""


def test_custom_optimizers_are_saved_and_loaded():
    optimizer = clipped(OwnSGD(0.5), clipvalue=1.0)
    for again in (
        keras.optimizers.deserialize(keras.optimizers.serialize(optimizer)),
        copy.deepcopy(optimizer),
    ):
        assert isinstance(again, OwnSGD)
        assert type(again) is type(optimizer)
        assert again.get_config() == optimizer.get_config()


ALL_BOUNDS = {"global_clipnorm": 0.2, "clipnorm": 0.3, "clipvalue": 0.5, "agc": 0.1}


def inner_of(optimizer):
    return getattr(optimizer, "inner_optimizer", optimizer)


@pytest.mark.parametrize("scaled", [False, True])
def test_bounds_survive_a_file_and_keras_does_not_clip_too(scaled, tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    optimizer = sgd(**ALL_BOUNDS, nonfinite="zero", exclude=["head"])
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, "mse")
    model.fit(np.ones((2, 2)), np.ones((2, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert type(loaded) is type(optimizer)
    for each in map(inner_of, (optimizer, loaded)):
        own = ("clipnorm", "clipvalue", "global_clipnorm")
        assert [getattr(each, name) for name in own] == [None] * 3
        assert [each.get_config()[name] for name in own] == [None] * 3
        expected = {**ALL_BOUNDS, "nonfinite": "zero", "exclude": ["head"]}
        assert each.get_config()["clipping"] == expected
    assert inner_of(loaded).get_config() == inner_of(optimizer).get_config()


def test_a_config_that_would_clip_twice_is_refused():
    config = sgd(global_clipnorm=1.0).get_config()
    cls = type(sgd())
    with pytest.raises(ValueError, match="own `clipnorm`"):
        cls.from_config({**config, "clipnorm": 1.0})


FRESH = """
import sys, keras, numpy as np, kcomponents
model = keras.saving.load_model(sys.argv[1] + "/model.keras")
x = np.load(sys.argv[1] + "/x.npy")
model.fit(x, x[:, :1], batch_size=4, epochs=2, shuffle=False, verbose=0)
np.savez(sys.argv[1] + "/after.npz", *model.get_weights())
"""


@pytest.mark.any_backend
def test_a_saved_model_trains_on_in_a_new_process(tmp_path):
    x = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(clipped("adam", global_clipnorm=0.1, agc=0.5), "mse")
    options = {"batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0}
    model.fit(x, x[:, :1], **options)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    model.fit(x, x[:, :1], **options)
    subprocess.run([sys.executable, "-c", FRESH, str(tmp_path)], check=True)
    after = np.load(tmp_path / "after.npz")
    near([after[name] for name in after.files], model.get_weights(), rtol=1e-6)


def test_works_inside_loss_scaling():
    optimizer = keras.optimizers.LossScaleOptimizer(sgd(global_clipnorm=6.5), 8.0)
    found = trained(optimizer, [[g * 8 for g in GRADS], broken(np.inf)])
    before = values(variables())
    near(found[:2], [b - g / 2 for b, g in zip(before, GRADS, strict=True)])
    names = [variable.name for variable in optimizer.variables]
    # Of the two counts of iterations, the last is that of the one inside.
    state = dict(zip(names, found[2:], strict=True))
    assert state["iteration"] == 1 and state["dynamic_scale"] == 4


needs_multi_optimizer = pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"), reason="newer than this Keras"
)


@needs_multi_optimizer
def test_one_norm_spans_several_optimizers():
    parts = {"kernel": keras.optimizers.SGD(1.0)}
    parts = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.5), parts)
    optimizer = clipped(keras.optimizers.MultiOptimizer(parts), global_clipnorm=1.0)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    for each in (optimizer, again):
        near(moved(each, GRADS, broken(np.nan)), [GRADS[0] / 13, GRADS[1] / 26])


@needs_multi_optimizer
@pytest.mark.parametrize(
    "arguments", [{"gradient_accumulation_steps": 2}, {"clipnorm": 1.0}]
)
def test_rejects_several_optimizers_that_accumulate_or_clip(arguments):
    parts = keras.optimizers.OptimizerMap(keras.optimizers.SGD(**arguments))
    with pytest.raises(ValueError, match="must not"):
        clipped(keras.optimizers.MultiOptimizer(parts), global_clipnorm=1.0)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has sparse ones")
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("bounds", [{"global_clipnorm": 1.0}, {"clipnorm": 1.0}])
def test_repeated_rows_of_an_embedding_are_summed_first(bounds, jit_compile):
    embedding = keras.layers.Embedding(4, 1)
    model = keras.Sequential([keras.Input((4,), dtype="int32"), embedding])
    model.compile(sgd(**bounds), lambda y, p: ops.sum(p), jit_compile=jit_compile)
    before = embedding.get_weights()[0]
    model.fit(np.array([[1, 1, 1, 2]]), np.zeros((1, 4, 1)), verbose=0)
    found = before - embedding.get_weights()[0]
    near([found], [np.array([[0], [3], [1], [0]]) / 10**0.5])


@pytest.mark.parametrize("name", ["global_clipnorm", "clipnorm", "clipvalue", "agc"])
@pytest.mark.parametrize("bound", [0, -1.0, np.nan, np.inf, True, "1"])
def test_rejects_an_invalid_bound(name, bound):
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        clipped("sgd", **{name: bound})


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"nonfinite": None}, "at least one bound"),
        ({"nonfinite": "skipp"}, "Did you mean one of 'skip'"),
        ({"exclude": "head"}, "`agc`"),
        ({"agc": 0.1, "exclude": ["("]}, "regular expression:"),
        ({"agc": 0.1, "exclude": [1]}, "list of strings"),
    ],
)
def test_rejects_invalid_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        clipped("sgd", **arguments)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: keras.optimizers.SGD(clipnorm=1.0), "clipnorm=1.0"),
        (lambda: keras.optimizers.SGD(clipvalue=1.0), "clipvalue=1.0"),
        (lambda: keras.optimizers.SGD(global_clipnorm=1.0), "global_clipnorm=1.0"),
        (lambda: clipped("sgd", clipnorm=1.0), "clipped already"),
        (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()), "inner"),
        (lambda: "no such optimizer", "no such optimizer"),
        (lambda: None, "optimizer"),
    ],
)
def test_rejects_optimizers_it_cannot_clip(make, message):
    with pytest.raises(ValueError, match=message):
        clipped(make(), global_clipnorm=1.0)


@pytest.mark.parametrize("given", [[], [GRADS[0]]])
def test_wrong_gradients_are_refused_as_by_keras(given):
    optimizer = sgd(global_clipnorm=1.0)
    assert optimizer.apply([]) is None
    with pytest.raises(ValueError, match="must already be built"):
        optimizer.apply([ops.ones((1,))])
    optimizer.build(variables())
    with pytest.raises(ValueError, match="No gradients provided"):
        optimizer.apply([None, None])
    with pytest.raises(ValueError, match="must match"):
        optimizer.apply([ops.ones((1,))])
