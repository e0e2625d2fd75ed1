"""Monitors of a training in which the optimizer of `compile` has nothing to do."""

import keras
import numpy as np
import pytest

from kcomponents import callbacks
from tests.probes.guide import train_step_of_the_guide
from tests.probes.models import normal

OPTIONS = {"batch_size": 2, "epochs": 2, "verbose": 0}
OF_GRADIENTS = {"gradient_norm", "gradient_norm_max", "update_ratio", "weight_norm"}


def with_an_optimizer_of_its_own():
    """Return a model whose `train_step` uses another optimizer than `compile` got."""
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(1)(keras.layers.Dense(5, "relu")(inputs))
    step = train_step_of_the_guide("own")
    model = type("OwnOptimizer", (keras.Model,), step)(inputs, outputs)
    model.own = keras.optimizers.SGD(0.1)
    model.own.build(model.trainable_variables)
    # As in a GAN, `compile` gets none, and takes RMSprop.
    model.compile(loss="mse", jit_compile=keras.backend.backend() == "jax")
    return model


def frozen():
    """Return a model without a trainable variable."""
    hidden = keras.layers.Dense(5, "relu", trainable=False, name="hidden")
    last = keras.layers.Dense(1, trainable=False)
    model = keras.Sequential([keras.Input((4,)), hidden, last])
    model.compile("adam", "mse", jit_compile=False)
    return model


def warned(seen, message):
    texts = [str(w.message) for w in seen if issubclass(w.category, UserWarning)]
    return sum(message in text for text in texts)


# Keras warns too, on some backends.
@pytest.mark.filterwarnings("ignore:.*any trainable weights")
@pytest.mark.filterwarnings("ignore:The loss of this model cannot be measured")
@pytest.mark.parametrize(
    "make, message",
    [
        (with_an_optimizer_of_its_own, "The optimizer of `compile` gets no gradients"),
        (frozen, "No variable of the model is trained"),
    ],
)
@pytest.mark.parametrize(
    "monitor", [callbacks.GradientNormLogger, callbacks.UpdateRatioMonitor]
)
def test_a_monitor_says_once_that_it_has_no_gradients(make, message, monitor):
    model, monitor = make(), monitor()
    with pytest.warns(UserWarning, match=message) as seen:
        logs = model.fit(normal(4), normal(1), callbacks=[monitor], **OPTIONS).history
    assert list(logs) == ["loss"] and warned(seen, message) == 1
    assert monitor.report in ("No gradient was measured.", "No update was measured.")


@pytest.mark.filterwarnings("ignore:.*any trainable weights")
@pytest.mark.filterwarnings("ignore:The loss of this model cannot be measured")
@pytest.mark.parametrize("make", [with_an_optimizer_of_its_own, frozen])
def test_outputs_are_measured_all_the_same(make):
    monitor = callbacks.DeadReLUMonitor()
    logs = make().fit(normal(4), normal(1), callbacks=[monitor], **OPTIONS).history
    assert list(logs) == ["loss", "dead_relu", "dead_relu_max"]


@pytest.mark.filterwarnings("ignore:The loss of this model cannot be measured")
def test_a_guard_warns_that_it_does_not_see_gradients_and_still_checks_weights():
    model, x = with_an_optimizer_of_its_own(), normal(4).copy()
    x[4:] = np.inf
    guard = callbacks.FiniteGuard(["gradients", "weights"])
    with pytest.warns(UserWarning, match="gets no gradients|after step 4") as seen:
        model.fit(x, normal(1), shuffle=False, callbacks=[guard], **OPTIONS)
    assert guard.finding.what == "weight"
    assert warned(seen, "gets no gradients") == 1 and guard.finding.step == 4


@pytest.mark.filterwarnings("ignore:.*any trainable weights")
def test_a_guard_of_a_frozen_model_finds_nothing():
    guard = callbacks.FiniteGuard()
    frozen().fit(normal(4), normal(1), callbacks=[guard], **OPTIONS)
    assert guard.finding is None


@pytest.mark.filterwarnings("ignore:.*any trainable weights")
@pytest.mark.parametrize("make", [with_an_optimizer_of_its_own, frozen])
def test_the_doctor_does_not_judge_gradients_that_it_did_not_see(make):
    watching = callbacks.TrainingDoctor()
    make().fit(normal(4), normal(1), callbacks=[watching], **OPTIONS)
    readings = watching.record.readings
    assert len(readings) >= 2
    for reading in readings:
        assert not OF_GRADIENTS & set(reading.values)
    notes = watching.record.structure.get("notes", [])
    named = [note for note in notes if note.startswith("The optimizer of `compile`")]
    assert len(named) == (make is with_an_optimizer_of_its_own)
    about = {finding.label for finding in watching.diagnosis.findings}
    assert not about & {"vanishing_gradient", "exploding_gradient"}
