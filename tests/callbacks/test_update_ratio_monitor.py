"""The ratios of `UpdateRatioMonitor` equal those of a handwritten training loop."""

import copy

import keras
import numpy as np
import pytest

from kcomponents.callbacks import UpdateRatioMonitor
from kcomponents.record import Record
from kcomponents.testing import check_callback
from tests.backend_cases import once
from tests.keras_own import takes_several_steps
from tests.probes.replay import models, steps

BACKEND = keras.backend.backend()

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01, clipnorm=0.1),
    "decay": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "average": lambda: keras.optimizers.SGD(
        0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
    ),
    "accumulated": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
}
MODES = {
    "run_eagerly": {"run_eagerly": True},
    "steps_per_execution": {"steps_per_execution": 2},
}
BATCH = 2


def compiled(name="sequential", optimizer=None):
    """Return a compiled model, its data, and its batches in order."""
    model, x, y = models[name]()
    model.compile(optimizer or keras.optimizers.SGD(0.1), "mse")
    pick = keras.tree.map_structure
    batches = [
        pick(lambda values, i=i: values[i : i + BATCH], (x, y)) for i in range(0, 8, 2)
    ]
    return model, x, y, batches


def fit(model, x, y, *callbacks, epochs=1):
    options = {"batch_size": BATCH, "shuffle": False, "verbose": 0, "epochs": epochs}
    return model.fit(x, y, callbacks=list(callbacks), **options).history


def ratios(done):
    """Return path → list of the ratio of each step, from what the loop did."""
    found = {path: [] for path, weight in done[0].before.items() if weight.ndim > 1}
    for path, values in found.items():
        for step in done:
            before, after = step.before[path], step.after[path]
            if np.linalg.norm(before):
                values.append(np.linalg.norm(after - before) / np.linalg.norm(before))
    return found


def close(found, expected):
    assert set(found) == set(expected)
    for path, values in expected.items():
        np.testing.assert_allclose(found[path], np.mean(values), rtol=1e-4)


def logged(history, epoch=0):
    prefix = "update_ratio/"
    return {
        key.removeprefix(prefix): values[epoch]
        for key, values in history.items()
        if key.startswith(prefix)
    }


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_is_the_mean_ratio_of_the_steps_that_moved_the_weights(kind):
    model, x, y, batches = compiled(optimizer=OPTIMIZERS[kind]())
    history = fit(model, x, y, UpdateRatioMonitor(per_variable=True, sample=1))
    model, _, _, batches = compiled(optimizer=OPTIMIZERS[kind]())
    close(logged(history), ratios(steps(model, batches)))


@pytest.mark.parametrize("name", ["embedding", "functional", "shared", "nested"])
def test_holds_for_all_kinds_of_models(name):
    model, x, y, _ = compiled(name)
    history = fit(model, x, y, UpdateRatioMonitor(per_variable=True, sample=1))
    model, _, _, batches = compiled(name)
    close(logged(history), ratios(steps(model, batches)))


def test_a_constraint_is_part_of_the_update():
    def make():
        model, x, y, batches = compiled()
        model.layers[0].kernel.constraint = keras.constraints.UnitNorm()
        return model, x, y, batches

    model, x, y, _ = make()
    history = fit(model, x, y, UpdateRatioMonitor(per_variable=True, sample=1))
    model, _, _, batches = make()
    close(logged(history), ratios(steps(model, batches)))


@pytest.mark.parametrize("sample", [3, *once(2, 16)])
@pytest.mark.parametrize("kind", ["adam", "accumulated"])
def test_samples_from_the_first_step_of_each_epoch(kind, sample):
    model, x, y, _ = compiled(optimizer=OPTIMIZERS[kind]())
    history = fit(
        model, x, y, UpdateRatioMonitor(per_variable=True, sample=sample), epochs=2
    )
    model, _, _, batches = compiled(optimizer=OPTIMIZERS[kind]())
    for epoch in range(2):
        close(logged(history, epoch), ratios(steps(model, batches)[::sample]))


# Of 4 steps in an epoch: with two in one execution, both, or on JAX the first of them.
@pytest.mark.parametrize("mode", MODES)
def test_samples_however_steps_are_run(mode):
    if mode == "steps_per_execution" and not takes_several_steps():
        pytest.skip("Keras refuses it on this backend")
    model, x, y, _ = compiled()
    model.compile("sgd", "mse", **MODES[mode])
    history = fit(
        model, x, y, UpdateRatioMonitor(per_variable=True, sample=3), epochs=2
    )
    measured = [0, 3] if mode == "run_eagerly" else [0] if BACKEND == "jax" else [0, 1]
    model, _, _, batches = compiled(optimizer="sgd")
    for epoch in range(2):
        done = steps(model, batches)
        close(logged(history, epoch), ratios([done[step] for step in measured]))


@pytest.mark.parametrize("kind", ["adam", "accumulated"])
def test_sampling_leaves_the_training_as_it_is(kind):
    model, x, y, _ = compiled(optimizer=OPTIMIZERS[kind]())
    fit(model, x, y, UpdateRatioMonitor(per_variable=True, sample=3), epochs=2)
    plain, *_ = compiled(optimizer=OPTIMIZERS[kind]())
    fit(plain, x, y, epochs=2)
    for a, b in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-7)


def test_two_monitors_measure_the_steps_that_one_of_them_samples():
    model, x, y, _ = compiled()
    record = Record()
    often = UpdateRatioMonitor(per_variable=True, sample=2, record=record)
    history = fit(model, x, y, often, UpdateRatioMonitor(per_variable=True, sample=3))
    model, _, _, batches = compiled()
    expected = ratios(steps(model, batches))
    # Steps 0 and 2 for the one, and 0 and 3 for the other.
    close(logged(history), {path: r[:1] + r[2:] for path, r in expected.items()})
    found = record.readings[0].values
    for path, values in expected.items():
        total = sum(values) - values[1]
        np.testing.assert_allclose(found["update_ratio"][path], total, rtol=1e-4)


def test_each_reading_within_an_epoch_begins_with_a_measured_step():
    model, x, y, _ = compiled()
    monitor = UpdateRatioMonitor(every=2, per_variable=True)
    history = fit(model, x, y, monitor)
    assert len(monitor.readings) == 2
    model, _, _, batches = compiled()
    close(logged(history), ratios(steps(model, batches)[::2]))


def test_a_kernel_of_zeros_has_no_ratio_in_that_step():
    def make():
        model, x, y, batches = compiled()
        kernel = model.layers[-1].kernel
        kernel.assign(np.zeros(kernel.shape))
        return model, x, y, batches

    model, x, y, _ = make()
    history = fit(model, x, y, UpdateRatioMonitor(per_variable=True, sample=1))
    model, _, _, batches = make()
    expected = ratios(steps(model, batches))
    assert sorted(map(len, expected.values())) == [3, 4, 4]
    close(logged(history), expected)


def test_a_kernel_without_any_ratio_is_nan():
    model, x, y, _ = compiled()
    kernel = model.layers[-1].kernel
    kernel.assign(np.zeros(kernel.shape))
    monitor = UpdateRatioMonitor(per_variable=True)
    history = fit(model, x, y, monitor)
    assert np.isnan(logged(history)["sequential/last/kernel"])
    assert monitor.report.splitlines()[-1].split()[-1] == "unknown"


def test_steps_that_are_skipped_do_not_count():
    keras.config.set_dtype_policy("mixed_float16")
    model, x, y, _ = compiled()
    model.optimizer.initial_scale = 16.0
    x = x.copy()
    x[:BATCH] = np.inf
    record = Record()
    fit(model, x, y, UpdateRatioMonitor(per_variable=True, sample=1, record=record))
    counts = record.readings[0].values["update_steps"]
    assert {counts[layer.kernel.path] for layer in model.layers} == {3.0}


@pytest.mark.any_backend
def test_variables_are_chosen_by_regular_expression():
    model, x, y, _ = compiled()
    chosen = ["first", "last/kernel$"]
    history = fit(model, x, y, UpdateRatioMonitor(variables=chosen, per_variable=True))
    assert set(logged(history)) == {
        "sequential/first/kernel",
        "sequential/last/kernel",
    }


def test_logs_the_median_and_the_largest_of_all_kernels():
    model, x, y, batches = compiled()
    history = fit(model, x, y, UpdateRatioMonitor(sample=1))
    assert list(history) == ["loss", "update_ratio", "update_ratio_max"]
    model, *_ = compiled()
    means = [np.mean(values) for values in ratios(steps(model, batches)).values()]
    np.testing.assert_allclose(history["update_ratio"], np.median(means), rtol=1e-4)
    np.testing.assert_allclose(history["update_ratio_max"], max(means), rtol=1e-4)


def test_prints_only_kernels_that_are_not_ok(capsys):
    model, x, y, _ = compiled()
    fit(model, x, y, UpdateRatioMonitor(verbose=1, band=(1e-9, 1e9)))
    assert capsys.readouterr().out == "3 kernels: ok.\n"
    kernel = model.layers[0].kernel
    kernel.assign(np.zeros(kernel.shape))
    fit(model, x[:2], y[:2], UpdateRatioMonitor(verbose=1, band=(1e-9, 1e9)))
    _, row, others = capsys.readouterr().out.splitlines()
    assert row.split()[-1] == "unknown" and others == "2 other kernels: ok."


@pytest.mark.any_backend
def test_reports_a_verdict_by_the_band():
    model, x, y, _ = compiled()
    model.layers[0].trainable = False
    monitor = UpdateRatioMonitor(band=(1e-9, 1e-8))
    fit(model, x, y, monitor)
    lines = monitor.report.splitlines()
    assert lines[0].split()[-1] == "verdict" and lines[1].split()[-1] == "high"
    for band, verdict in {(1e-9, 1e9): "ok", (1e8, 1e9): "low"}.items():
        monitor.band = band
        assert monitor.report.splitlines()[1].split()[-1] == verdict


def test_keeps_the_promises_of_a_callback(capsys):
    check_callback(lambda: UpdateRatioMonitor(every=2, sample=1))
    assert capsys.readouterr().out == ""


def test_one_instance_forgets_the_fit_before():
    model, x, y, _ = compiled()
    monitor = UpdateRatioMonitor(verbose=1)
    fit(model, x, y, monitor)
    other, x, y, _ = compiled("nested")
    fit(other, x, y, monitor)
    assert "sequential" not in monitor.report
    assert copy.deepcopy(monitor).report == monitor.report


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"every": 0}, "every"),
        ({"sample": 0}, "sample"),
        ({"sample": 1.5}, "sample"),
        ({"band": 1e-3}, "band"),
        ({"band": (1e-2, 1e-4)}, "band"),
        ({"band": (0, 1e-4)}, "band"),
        ({"band": (1e-4, float("nan"))}, "band"),
        ({"variables": "("}, "variables"),
        ({"variables": []}, "variables"),
        ({"variables": 3}, "variables"),
        ({"record": {}}, "record"),
    ],
)
def test_refuses_wrong_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        UpdateRatioMonitor(**wrong)


def test_refuses_variables_that_are_not_there_and_leaves_the_model_as_it_was():
    model, x, y, _ = compiled()
    with pytest.raises(ValueError, match="sequential/first/kernel"):
        fit(model, x, y, UpdateRatioMonitor(variables="sequential/first/kernle"))
    assert "apply" not in vars(model.optimizer)
