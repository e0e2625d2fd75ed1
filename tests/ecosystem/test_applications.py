"""A net of `keras.applications` with a new head: frozen first, then trained as well."""

import keras
import numpy as np
import pytest

from kcomponents import callbacks, layers
from kcomponents.doctor import VERDICTS
from tests.ecosystem.page import run

# Of a backend this net uses no more than smaller ones do, and it takes long to compile.
pytestmark = pytest.mark.any_backend

GENERATOR = np.random.default_rng(0)
IMAGES = (255 * GENERATOR.random((8, 32, 32, 3))).astype("float32")
LABELS = np.arange(8) % 3


class Kept(keras.callbacks.Callback):
    """Keeps the logs of the last epoch of each fit."""

    def __init__(self):
        super().__init__()
        self.fits = []

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            self.fits.append(dict(logs))


def tuned(*listed):
    """Run the example of the page with these callbacks; return its model."""
    keras.utils.set_random_seed(0)
    names = {"images": IMAGES, "labels": LABELS, "watching": listed}
    return run("MobileNetV3Small", keras=keras, layers=layers, **names)["model"]


@pytest.fixture(scope="module")
def watched():
    """Return a model that was tuned under our callbacks, and these by name."""
    stopping = callbacks.EarlyStopping("loss", patience=3, restore_best_weights=False)
    by_name = {
        "norms": callbacks.GradientNormLogger(per_variable=True),
        "ratios": callbacks.UpdateRatioMonitor(sample=1, per_variable=True),
        "dead": callbacks.DeadReLUMonitor(per_layer=True),
        "stopping": stopping,
        "doctor": callbacks.TrainingDoctor(),
        "kept": Kept(),
    }
    return tuned(*by_name.values()), by_name


def keys(logs, start):
    return {key.removeprefix(start) for key in logs if key.startswith(start)}


def test_gradients_are_those_of_the_head_until_the_base_is_trained_too(watched):
    model, by_name = watched
    frozen, trained = by_name["kept"].fits
    head = [
        w.path for name in ("maxout", "last") for w in model.get_layer(name).weights
    ]
    assert keys(frozen, "grad_norm/") == set(head)
    assert keys(trained, "grad_norm/") == {w.path for w in model.trainable_weights}
    assert len(keys(trained, "grad_norm/")) > 50
    assert keys(frozen, "update_ratio/") < keys(trained, "update_ratio/")


def test_units_within_the_base_are_watched_in_both(watched):
    _, by_name = watched
    frozen, trained = by_name["kept"].fits
    sites = keys(frozen, "dead_relu/")
    assert sites == keys(trained, "dead_relu/") and len(sites) > 10
    for logs in (frozen, trained):
        assert all(0 <= logs[f"dead_relu/{site}"] <= 1 for site in sites)


def test_early_stopping_and_the_doctor_have_their_say(watched):
    _, by_name = watched
    assert by_name["stopping"].stop_reason.name == "END"
    assert by_name["doctor"].diagnosis.verdict in VERDICTS


def test_weights_are_those_of_a_training_without_callbacks(watched):
    model, _ = watched
    plain = tuned()
    for ours, theirs in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=1e-6)


def test_weights_and_model_come_back_from_files(watched, tmp_path):
    model, _ = watched
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    copy = keras.models.clone_model(model)
    copy.load_weights(tmp_path / "model.weights.h5")
    for other in (loaded, copy):
        for ours, theirs in zip(model.weights, other.weights, strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
