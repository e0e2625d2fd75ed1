"""The keys, report and suggestions of `GradientNormLogger`."""

import copy

import keras
import numpy as np
import pytest

from kcomponents.callbacks import FiniteGuard, GradientNormLogger
from kcomponents.optimizers import clipped
from kcomponents.record import Record
from kcomponents.testing import check_callback
from tests.backend_cases import once
from tests.probes.replay import models, steps

KEYS = [
    "grad_norm",
    "grad_norm_max",
    "grad_norm_last",
    "grad_norm_clipped",
    "clip_rate",
    "skipped_steps",
]
OPTIONS = {"batch_size": 2, "shuffle": False, "verbose": 0}


def trained(logger, epochs=1, **settings):
    """Return the history of a fit with the logger, and the steps of a loop by hand."""
    model, x, y = models["sequential"]()
    model.compile(keras.optimizers.SGD(0.1, **settings), "mse")
    history = model.fit(x, y, epochs=epochs, callbacks=[logger], **OPTIONS).history
    model, x, y = models["sequential"]()
    model.compile(keras.optimizers.SGD(0.1, **settings), "mse")
    batches = [(x[i : i + 2], y[i : i + 2]) for i in range(0, len(x), 2)]
    return history, [step for _ in range(epochs) for step in steps(model, batches)]


def norms(done, kind="gradients"):
    found = [getattr(step, kind).values() for step in done]
    return np.array([np.sqrt(sum(np.sum(g**2) for g in all_)) for all_ in found])


def root_mean(values):
    return np.sqrt(np.mean(np.square(values)))


def test_adds_these_keys_to_the_logs_of_each_epoch():
    bound = 0.5
    history, done = trained(GradientNormLogger(), epochs=2, global_clipnorm=bound)
    assert list(history) == ["loss", *KEYS]
    for epoch in range(2):
        here = done[epoch * 4 : epoch * 4 + 4]
        expected = [
            root_mean(norms(here)),
            norms(here).max(),
            norms(here)[-1],
            root_mean(norms(here, "clipped")),
            np.mean(norms(here) > bound),
            0,
        ]
        found = [history[key][epoch] for key in KEYS]
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_adds_a_key_for_each_variable_if_asked():
    history, done = trained(GradientNormLogger(per_variable=True))
    assert len(history) == 1 + len(KEYS) + len(done[0].gradients)
    for path in done[0].gradients:
        expected = root_mean([np.linalg.norm(step.gradients[path]) for step in done])
        np.testing.assert_allclose(history[f"grad_norm/{path}"], expected, rtol=1e-4)


def test_reads_within_the_epoch_if_asked_and_logs_the_same():
    record = Record()
    logger = GradientNormLogger(every=2, record=record)
    history, done = trained(logger, epochs=2)
    np.testing.assert_allclose(history["grad_norm"][1], root_mean(norms(done[4:])))
    readings = record.readings
    assert readings == logger.readings
    assert [(r.epoch, r.step) for r in readings] == [(0, 2), (0, 4), (1, 6), (1, 8)]
    found = [reading.values["gradient_square"]["all"] for reading in readings]
    expected = np.square(norms(done)).reshape(4, 2).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("per_variable", [False, True])
def test_leaves_gradients_that_are_not_finite_out_of_the_norms(per_variable):
    def fit(places, x, y):
        model, *_ = models["sequential"]()
        model.compile(clipped(keras.optimizers.SGD(0.1), global_clipnorm=9.0), "mse")
        logger = GradientNormLogger(per_variable=per_variable)
        return model.fit(x[places], y[places], callbacks=[logger], **OPTIONS).history

    _, x, y = models["sequential"]()
    x = x.copy()
    x[2:4] = np.inf
    history, expected = fit(np.r_[:8], x, y), fit(np.r_[:2, 4:8], x, y)
    keys = [key for key in history if key.startswith("grad_norm")]
    assert len(keys) == (10 if per_variable else 4)
    for key in keys:
        np.testing.assert_allclose(history[key], expected[key], rtol=1e-5)
    assert history["skipped_steps"] == [1]


def skipping(kind):
    """Return a model whose steps with infinite gradients are skipped, and callbacks."""
    if kind == "loss scaling":
        keras.config.set_dtype_policy("mixed_float16")
    model, x, y = models["sequential"]()
    optimizer, guards = keras.optimizers.SGD(0.1), []
    if kind == "clipped":
        optimizer = clipped(optimizer, global_clipnorm=1e9)
    if kind == "guard":
        guards = [FiniteGuard("gradients", action="skip")]
    model.compile(optimizer, "mse")
    if kind == "loss scaling":
        # So low that nothing but the inputs overflows.
        model.optimizer.initial_scale = 16.0
    return model, x.copy(), y, guards


@pytest.mark.filterwarnings("ignore:The gradient of")
@pytest.mark.parametrize("every", [None, *once(1)])
@pytest.mark.parametrize("kind", ["loss scaling", "clipped", "guard"])
@pytest.mark.parametrize("bad", [[2, 3], *once([1], [3], [0, 1, 2, 3])], ids=str)
def test_a_skipped_step_is_the_same_whoever_skips_it(kind, bad, every):
    model, x, y, guards = skipping(kind)
    for step in bad:
        x[2 * step : 2 * step + 2] = np.inf
    logger = GradientNormLogger(every=every)
    history = model.fit(x, y, callbacks=[logger, *guards], **OPTIONS).history
    assert history["skipped_steps"] == [len(bad)]
    model, *_ = skipping(kind)
    good = [step for step in range(4) if step not in bad]
    batches = [(x[2 * n : 2 * n + 2], y[2 * n : 2 * n + 2]) for n in good]
    found = norms(steps(model, batches)) if good else np.full(1, np.nan)
    expected = {
        "grad_norm": root_mean(found),
        "grad_norm_max": found.max(),
        "grad_norm_last": found[-1],
        "grad_norm_clipped": root_mean(found),
        "clip_rate": 0.0 if good else np.nan,
    }
    close = 1e-2 if kind == "loss scaling" else 1e-4
    for key, value in expected.items():
        np.testing.assert_allclose(history[key], value, rtol=close)


def test_counts_the_steps_that_loss_scaling_skips():
    keras.config.set_dtype_policy("mixed_float16")
    model, x, y = models["sequential"]()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    # So low that nothing but the inputs overflows.
    model.optimizer.initial_scale = 16.0
    x = x.copy()
    x[2:4] = np.inf
    history = model.fit(x, y, callbacks=[GradientNormLogger()], **OPTIONS).history
    assert history["skipped_steps"] == [1]
    assert np.isfinite(history["grad_norm_max"]).all()


@pytest.mark.any_backend
@pytest.mark.parametrize("percentile", [0, 10, 50, 90, 100])
def test_suggests_a_percentile_of_all_norms(percentile):
    logger = GradientNormLogger()
    _, done = trained(logger, epochs=5)
    found = logger.suggest_clipnorm(percentile=percentile)
    method = "inverted_cdf"
    expected = np.percentile(norms(done), percentile, method=method)
    np.testing.assert_allclose(found, expected, rtol=0.045)


@pytest.mark.any_backend
def test_suggests_the_tenth_percentile_by_default():
    logger = GradientNormLogger()
    trained(logger, epochs=5)
    assert logger.suggest_clipnorm() == logger.suggest_clipnorm(percentile=10)


@pytest.mark.any_backend
def test_suggests_the_mean_of_all_norms():
    logger = GradientNormLogger(every=3)
    _, done = trained(logger, epochs=3)
    found = logger.suggest_clipnorm("mean")
    np.testing.assert_allclose(found, norms(done).mean(), rtol=1e-4)


def test_reports_a_row_for_each_epoch():
    logger = GradientNormLogger()
    history, _ = trained(logger, epochs=2)
    header, *rows = [line.split() for line in logger.report.splitlines()]
    keys = ["grad_norm", "grad_norm_max", "grad_norm_clipped", "clip_rate"]
    assert header == ["epoch", *keys]
    assert rows == [
        [str(epoch + 1), *(f"{history[key][epoch]:.4g}" for key in keys)]
        for epoch in range(2)
    ]


def test_prints_the_report_only_if_asked(capsys):
    trained(GradientNormLogger())
    assert capsys.readouterr().out == ""
    logger = GradientNormLogger(verbose=1)
    trained(logger)
    assert capsys.readouterr().out == logger.report + "\n"


def test_keeps_the_promises_of_a_callback():
    check_callback(lambda: GradientNormLogger(per_variable=True, every=3))


def test_one_instance_forgets_the_fit_before():
    logger, fresh = GradientNormLogger(), GradientNormLogger()
    trained(logger, epochs=3)
    for each in (logger, fresh):
        trained(each)
    assert logger.report == fresh.report
    assert logger.suggest_clipnorm("mean") == fresh.suggest_clipnorm("mean")
    assert copy.deepcopy(logger).report == logger.report


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"every": 0}, "every"), ({"every": 1.5}, "every"), ({"record": []}, "record")],
)
def test_refuses_wrong_arguments(wrong, message):
    with pytest.raises(ValueError, match=message):
        GradientNormLogger(**wrong)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rule": "percentil"}, "Did you mean one of 'percentile'"),
        ({"percentile": -1}, "percentile"),
        ({"percentile": 101}, "percentile"),
        ({"percentile": float("nan")}, "percentile"),
        ({"percentile": True}, "percentile"),
    ],
)
def test_refuses_a_wrong_suggestion(wrong, message):
    logger = GradientNormLogger()
    trained(logger)
    with pytest.raises(ValueError, match=message):
        logger.suggest_clipnorm(**wrong)


def test_has_no_suggestion_before_a_fit():
    with pytest.raises(ValueError, match="call `fit`"):
        GradientNormLogger().suggest_clipnorm()


def test_refuses_a_model_without_weights():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Flatten()])
    model.compile("sgd", "mse")
    x = np.ones((2, 3), "float32")
    with pytest.raises(ValueError, match="built"):
        model.fit(x, x, callbacks=[GradientNormLogger()], verbose=0)
