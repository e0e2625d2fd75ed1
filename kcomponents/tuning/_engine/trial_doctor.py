"""The training doctor in a search: it ends hopeless trials, and gives the reason."""

import logging
import math

import keras
import numpy as np

from kcomponents import _backends, _keras
from kcomponents._activation_traits import DEAD_WHEN_INACTIVE
from kcomponents._recording.recorder import Recorder
from kcomponents.doctor import examine
from kcomponents.probes import structure
from kcomponents.probes.measures import is_dead, per_unit
from kcomponents.record import Reading, Record

logger = logging.getLogger("kcomponents")
# The doctor's label → the reason of a trial that it ends.
DIVERGED, NOT_LEARNING = "diverged", "not_learning"
REASONS = {
    "dead_relu": "dead_relu",
    "exploding_gradient": DIVERGED,
    "learning_rate_too_high": DIVERGED,
    "not_learning": NOT_LEARNING,
}
# A loss above this share of the first epoch's loss has not fallen.
STILL = 0.98


class TrialDoctor:
    """Judges one run of a trial.

    It checks the loss after each epoch, and the model's outputs on a sample of the
    training data after epochs 1, 2, 4, 8 ...

    Args:
        recorders: ModelRecorders.
        epochs: Integer, number of epochs of the run.
        strict: Boolean; if `False`, only NaN ends the run.
        keep: Boolean, whether a later trial may train the model again. What measures
            the model is then kept, because it has compiled the model.
    """

    def __init__(self, recorders, epochs, *, strict, keep):
        self.recorders, self.epochs = recorders, epochs
        self.strict, self.keep = strict, keep
        self._recorder, self._next = None, 1

    def start(self, model):
        """Inspect the model and its data when `fit` starts."""
        if not self.strict:
            return
        try:
            self._recorder = self.recorders.start(model, self.keep)
        except Exception as error:
            # A model that cannot be inspected must not fail its trial.
            logger.debug("Cannot judge a trial: %s", error)

    def reason(self, epoch, logs):
        """Return a reason and a message to end the run after an epoch, or None."""
        loss = logs.get("loss", 0.0)
        if not math.isfinite(loss):
            return "nan", f"The loss is {loss} in epoch {epoch + 1}."
        if self._recorder is None:
            return None
        self._recorder.record.add_logs(epoch, logs)
        if epoch + 1 < self._next:
            return None
        self._next = 2 * (epoch + 1)
        try:
            self._recorder.record_epoch(epoch)
            return self._examine(epoch)
        except Exception as error:
            logger.debug("Cannot judge a trial any longer: %s", error)
            self._recorder = None
            return None

    def _examine(self, epoch):
        """Return the first finding that ends the run, as reason and message."""
        for finding in examine(self._recorder.record).findings:
            reason = REASONS.get(finding.label)
            if reason == NOT_LEARNING:
                is_sure = self._stands_still(epoch)
            else:
                is_sure = finding.severity == "high"
                is_sure = is_sure and (epoch > 0 or reason != DIVERGED)
            if reason is not None and is_sure:
                return reason, " ".join(finding.evidence)
        return None

    def _stands_still(self, epoch):
        """Return whether the loss has not fallen after a third of the epochs."""
        losses = [entry["loss"] for entry in self._recorder.record.logs]
        is_time = max(3, math.ceil(self.epochs / 3)) <= epoch + 1 < self.epochs
        return is_time and losses[-1] > STILL * losses[0]


class ModelRecorders:
    """The recorders of models that later trials may train again."""

    def __init__(self):
        # ID of a model → its recorder, which holds the model.
        self._recorders = {}

    def start(self, model, keep):
        """Return a recorder for a `fit` that is starting.

        Args:
            model: Keras model.
            keep: Boolean, whether a later `fit` may train the model again.
        """
        recorder = TrialRecorder(model, self._recorders.get(id(model)))
        if keep:
            self._recorders[id(model)] = recorder
        return recorder

    def release(self, is_cached):
        """Release the recorders of models that no later trial will train.

        Args:
            is_cached: Function of a model.
        """
        self._recorders = {
            key: recorder
            for key, recorder in self._recorders.items()
            if is_cached(recorder.model)
        }


class TrialRecorder:
    """Records one `fit`, which is starting, and the dead units of its model.

    Args:
        model: Keras model.
        earlier: TrialRecorder of an earlier `fit` of the same model, or `None`. What it
            has compiled is used again.

    Attributes:
        record: Record.
    """

    def __init__(self, model, earlier=None):
        self.model, self.record = model, Record()
        before = None if earlier is None else earlier._recorder
        self._recorder = Recorder(model, self.record)
        self._recorder.start(_keras.running_fit(), tapped=False, before=before)
        if earlier is None:
            self._dead_units = DeadUnits(model)
            return
        self._dead_units = earlier._dead_units
        if not self.record.structure:
            self.record.structure = {**earlier.record.structure, **structure(model)}
            self.record.add(Reading(0, 0, self._recorder.scores()))

    def record_epoch(self, epoch):
        """Add a reading with the scores and the dead units to the record."""
        self._recorder.record_epoch(epoch, self._measure)

    def _measure(self, sample):
        return {"dead_units": self._dead_units.shares(sample)}


class DeadUnits:
    """Finds the ReLU units of a model that are 0 for every sample of a batch.

    Args:
        model: Keras model. There is nothing to find unless it is a graph of layers.
    """

    def __init__(self, model):
        layers = [layer for layer in _hidden_layers(model) if _is_rectifier(layer)]
        self._layers, self._run = layers, None
        if layers:
            inner = keras.Model(model.inputs, [layer.output for layer in layers])
            self._run = _backends.inference(inner)

    def shares(self, sample):
        """Return each ReLU layer's share of dead units, by the path of the layer."""
        if not self._layers:
            return {}
        outputs = keras.tree.flatten(
            self._run(keras.tree.flatten(sample.first_samples().x))
        )
        highest = [per_unit(np.max, keras.ops.convert_to_numpy(o), -1) for o in outputs]
        return {
            layer.path: float(np.mean(is_dead(units)))
            for layer, units in zip(self._layers, highest, strict=True)
        }


def _hidden_layers(model):
    if not isinstance(model, keras.Sequential | keras.Model) or not model.built:
        return []
    try:
        outputs = keras.tree.flatten(model.outputs)
    except AttributeError:
        return []
    return [la for la in model.layers if not any(la.output is out for out in outputs)]


def _is_rectifier(layer):
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", "")
    return isinstance(layer, keras.layers.ReLU) or name in DEAD_WHEN_INACTIVE
