"""Layers and callbacks of ours within scikit-learn, by Keras's wrappers."""

import keras
import numpy as np
import pytest

from kcomponents import callbacks, layers
from tests.ecosystem.page import run

sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from keras.wrappers import SKLearnClassifier, SKLearnRegressor  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_iris  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

FLOWERS, KINDS = load_iris(return_X_y=True)


def build(X, y, rate=0.05):
    """Return a model with layers of ours, for numbers or for rows of 0 and 1."""
    kinds = y.shape[1] if y.ndim > 1 else 1
    model = keras.Sequential(
        [
            keras.Input(X.shape[1:]),
            layers.MaxoutDense(8, num_pieces=2),
            layers.PReLU(),
            keras.layers.Dense(kinds, "softmax" if kinds > 1 else None),
        ]
    )
    loss = "categorical_crossentropy" if kinds > 1 else "mse"
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


def settings(*listed, epochs=3):
    return {"epochs": epochs, "verbose": 0, "callbacks": list(listed)}


@pytest.mark.any_backend
def test_the_example_of_the_page_scores_and_watches_each_fold():
    logger = callbacks.GradientNormLogger()
    fits = []
    seen = keras.callbacks.LambdaCallback(
        on_train_end=lambda logs: fits.append(logger.report)
    )
    names = {"flowers": FLOWERS, "kinds": KINDS, "watching": [logger, seen]}
    scores = run("cross_val_score", keras=keras, layers=layers, **names)["scores"]
    assert scores.min() > 0.8
    # Each fold's own norms, of ten epochs below a line of heads.
    assert len(set(fits)) == 3
    assert [len(report.splitlines()) for report in fits] == [11, 11, 11]


def test_callbacks_in_fit_kwargs_watch_a_fit():
    logger, stopping = callbacks.GradientNormLogger(), callbacks.EarlyStopping("loss")
    doctor = callbacks.TrainingDoctor()
    listed = settings(logger, stopping, doctor)
    classifier = SKLearnClassifier(build, fit_kwargs=listed).fit(FLOWERS, KINDS)
    assert classifier.history_.history["grad_norm"][0] > 0
    assert stopping.stop_reason is not None and doctor.diagnosis.verdict
    assert set(classifier.predict(FLOWERS)) <= set(KINDS)


def test_a_regressor_in_a_pipeline_passes_callbacks_on():
    logger, dead = callbacks.GradientNormLogger(), callbacks.DeadReLUMonitor()
    regressor = SKLearnRegressor(build, model_kwargs={"rate": 0.1})
    pipeline = make_pipeline(StandardScaler(), regressor)
    given = {f"sklearnregressor__{k}": v for k, v in settings(logger, dead).items()}
    pipeline.fit(FLOWERS[:, :3], FLOWERS[:, 3], **given)
    assert {"grad_norm", "clip_rate"} <= set(pipeline[-1].history_.history)
    assert np.isfinite(pipeline.predict(FLOWERS[:, :3])).all()


def test_a_clone_has_layers_of_ours_and_trains_alone():
    model = build(FLOWERS, np.eye(3)[KINDS])
    before = [weight.numpy().copy() for weight in model.weights]
    first = SKLearnClassifier(model)
    copy = clone(first).fit(FLOWERS, KINDS, **settings())
    for theirs, ours in zip(model.layers, copy.model_.layers, strict=True):
        assert type(theirs) is type(ours)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_a_clone_forgets_fit_kwargs_so_that_the_page_says_params():
    logger = callbacks.GradientNormLogger()
    copy = clone(SKLearnClassifier(build, fit_kwargs=settings(logger)))
    # The day this fails, `fit_kwargs` serves in cross-validation too: say so there.
    assert copy.fit_kwargs is None
