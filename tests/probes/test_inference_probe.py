"""A probe on given data measures all of them, and says when."""

import keras
import numpy as np

from kcomponents.probes import Statistic
from kcomponents.probes.inference_probe import InferenceProbe
from tests.probes.models import models

LARGEST = Statistic("largest", "outputs", lambda v: keras.ops.max(v.outputs), "max")


def test_a_reading_joins_all_batches_and_begins_at_step_0():
    model, x, _ = models["sequential"]()
    # Two batches, the second with the largest outputs.
    x = np.concatenate([x, x, x, x, 2 * x])
    probe = InferenceProbe(LARGEST, data=x)
    probe.attach(model)
    reading = probe.read()
    assert (reading.epoch, reading.step) == (0, 0)
    hidden = x
    for layer in model.layers[:2]:
        hidden = keras.ops.convert_to_numpy(layer(hidden))
        found = reading.values["largest"][layer.path]
        np.testing.assert_allclose(found, hidden.max(), rtol=1e-5)
    later = probe.read(epoch=2, step=30)
    assert (later.epoch, later.step) == (2, 30)
    assert later.values == reading.values
