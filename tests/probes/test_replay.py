"""The handwritten loop trains as `fit` does, and returns correct steps."""

import keras
import numpy as np
import pytest
from keras import optimizers

from tests.backend_cases import once
from tests.probes.replay import models, steps

BACKEND = keras.backend.backend()


def sgd():
    return optimizers.SGD(0.1)


OPTIMIZERS = {
    "adam": lambda: optimizers.Adam(0.01),
    "global_clipnorm": lambda: optimizers.Adam(0.01, global_clipnorm=0.1),
    "accumulation": lambda: optimizers.SGD(
        0.1, momentum=0.9, gradient_accumulation_steps=2
    ),
    "loss_scale_factor": lambda: optimizers.SGD(0.1, loss_scale_factor=64.0),
    "decay": lambda: optimizers.AdamW(0.01, weight_decay=0.1, clipnorm=0.1),
    "average": lambda: optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=3),
}
CLIPPINGS = {"clipnorm": 0.1, "global_clipnorm": 0.1, "clipvalue": 0.02}


def batches_of(*data, size=2):
    """Cut arrays, which may be nested, into batches."""
    length = len(keras.tree.flatten(data)[0])
    return [
        keras.tree.map_structure(lambda a, i=i: a[i : i + size], data)
        for i in range(0, length, size)
    ]


def compiled(name, optimizer, **kwargs):
    model, *data = models[name]()
    # XLA takes long and is not what is tested; JAX without it takes longer still.
    model.compile(optimizer, "mse", jit_compile=BACKEND == "jax", **kwargs)
    return model, *data


def check_trains_as_fit(name, optimizer, sample_weight=None, size=2, **kwargs):
    replayed, x, y = compiled(name, optimizer())
    data = (x, y) if sample_weight is None else (x, y, sample_weight)
    found = steps(replayed, batches_of(*data, size=size))
    fitted, *_ = compiled(name, optimizer(), **kwargs)
    options = {"batch_size": size, "shuffle": False, "verbose": 0}
    fitted.fit(x, y, sample_weight=sample_weight, **options)
    for ours, theirs in zip(replayed.weights, fitted.weights, strict=True):
        assert ours.path == theirs.path
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6, atol=1e-6)
    return found


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_trains_as_fit_with(optimizer):
    check_trains_as_fit("sequential", OPTIMIZERS[optimizer])


@pytest.mark.parametrize("name", models)
def test_trains_as_fit_the_model(name):
    check_trains_as_fit(name, sgd)


def test_trains_as_fit_with_sample_weights():
    check_trains_as_fit("sequential", sgd, np.linspace(0, 1, 8, dtype="float32"))


@pytest.mark.parametrize("steps_to_accumulate", [None, 2])
def test_trains_as_fit_where_scaling_skips_steps(steps_to_accumulate):
    def optimizer():
        inner = optimizers.SGD(0.1, gradient_accumulation_steps=steps_to_accumulate)
        # Halved until the gradients are finite, doubled after three steps. In single
        # precision: half of it comes out otherwise, compiled, on some processors.
        return optimizers.LossScaleOptimizer(inner, 2.0**127, dynamic_growth_steps=3)

    found = check_trains_as_fit("sequential", optimizer, size=1)
    skipped = [step for step in found if step.skipped]
    assert 0 < len(skipped) < len(found)
    for step in skipped:
        assert not all(np.isfinite(g).all() for g in step.gradients.values())
        assert all(np.array_equal(w, step.after[p]) for p, w in step.before.items())


@pytest.mark.parametrize("policy", ["mixed_float16", *once("mixed_bfloat16")])
def test_trains_as_fit_in_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    # The graphs of TensorFlow round bfloat16 less often than its eager operations.
    eager = BACKEND == "tensorflow"
    found = check_trains_as_fit("sequential", OPTIMIZERS["adam"], run_eagerly=eager)
    applied = [step for step in found if not step.skipped]
    assert applied
    for step in applied:
        assert all(np.isfinite(g).all() for g in step.gradients.values())


@pytest.mark.parametrize("accumulation", [None, 2])
@pytest.mark.parametrize("clipping", [None, *CLIPPINGS])
def test_clipped_gradients_are_what_moved_the_weights(clipping, accumulation):
    bound = {} if clipping is None else {clipping: CLIPPINGS[clipping]}
    optimizer = optimizers.SGD(1.0, gradient_accumulation_steps=accumulation, **bound)
    # Its gradients are rows with indices on TensorFlow, and arrays.
    model, x, y = compiled("embedding", optimizer)
    found = steps(model, batches_of(x, y))
    assert [step.batches for step in found] == [accumulation or 1] * len(found)
    for step in found:
        for path, clipped in step.clipped.items():
            moved = step.before[path] - step.after[path]
            np.testing.assert_allclose(clipped, moved, rtol=1e-5, atol=1e-6)
            assert clipping or np.array_equal(clipped, step.gradients[path])


@pytest.mark.parametrize("clipping", CLIPPINGS)
def test_clipped_gradients_are_those_of_keras_where_not_finite(clipping):
    bound = {clipping: CLIPPINGS[clipping]}
    model, x, y = compiled("sequential", optimizers.SGD(1.0, **bound))
    [step] = steps(model, [(x, np.where(x[:, :1] > 0, np.inf, y))])
    assert not step.skipped
    for path, clipped in step.clipped.items():
        moved = step.before[path] - step.after[path]
        np.testing.assert_allclose(clipped, moved, rtol=1e-5, atol=1e-6)


def test_gradients_are_the_slope_of_the_loss():
    model, x, y = compiled("sequential", optimizers.SGD(0.0, loss_scale_factor=8.0))
    [step] = steps(model, [(x, y)])
    [path] = [path for path in step.gradients if path.endswith("second/kernel")]
    [kernel] = [v for v in model.trainable_variables if v.path == path]
    change, losses = np.zeros(kernel.shape), []
    change[2, 1] = 1e-2
    for sign in (1, -1):
        kernel.assign(step.before[path] + sign * change)
        losses.append(np.mean((model.predict(x, verbose=0) - y) ** 2))
    slope = (losses[0] - losses[1]) / 2e-2
    assert step.gradients[path][2, 1] == pytest.approx(slope, rel=1e-2)


def test_outputs_are_those_of_the_weights_before_the_step():
    model, x, y = compiled("sequential", optimizers.SGD(0.1))
    first = model.get_layer("first")
    found = steps(model, batches_of(x, y), watch=[first])
    for step, (x_batch, _) in zip(found, batches_of(x, y), strict=True):
        kernel, bias = (step.before[v.path] for v in first.weights)
        expected = np.maximum(x_batch @ kernel + bias, 0)
        np.testing.assert_allclose(step.outputs["first"], [expected], atol=1e-6)
    assert "call" not in vars(first)


def test_outputs_hold_one_array_for_each_call():
    optimizer = optimizers.SGD(0.1, gradient_accumulation_steps=2)
    model, x, y = compiled("shared", optimizer)
    found = steps(model, batches_of(x, y), watch=[model.get_layer("twice")])
    assert [len(step.outputs["twice"]) for step in found] == [4, 4]
    assert found[0].outputs["twice"][0].shape == (2, 5)


def test_loss_is_the_mean_over_the_batches_of_a_step():
    optimizer = optimizers.SGD(0.1, gradient_accumulation_steps=2)
    model, x, y = compiled("sequential", optimizer)
    expected = np.mean((model.predict(x, verbose=0) - y)[:4] ** 2)
    assert steps(model, batches_of(x, y))[0].loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", models)
def test_models_are_the_same_at_each_call(name):
    (first, *_), (again, *_) = models[name](), models[name]()
    assert [w.path for w in first.weights] == [w.path for w in again.weights]
    for ours, theirs in zip(first.weights, again.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
