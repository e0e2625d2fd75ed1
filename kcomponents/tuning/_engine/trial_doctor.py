"""Dead units: ReLU units that are 0 for every sample of a batch."""

import logging
import math

import keras
import numpy as np

from kcomponents import _backends, _keras
from kcomponents._recording.recorder import Watch
from kcomponents.doctor import examine
from kcomponents.probes import structure
from kcomponents.record import Reading, Record

RECTIFIERS = ("relu", "relu6")


def dead_units_of(model):
    """Return a function that maps a batch to each ReLU layer's share of dead units.

    It returns an empty dict for models that are not a graph of layers.
    """
    layers = [layer for layer in _hidden(model) if _rectifies(layer)]
    if not layers:
        return lambda sample: {}
    inner = keras.Model(model.inputs, [layer.output for layer in layers])
    run = _backends.inference(inner)

    def dead(sample):
        found = keras.tree.flatten(run(keras.tree.flatten(sample.few().x)))
        outputs = [keras.ops.convert_to_numpy(out) for out in found]
        return {
            layer.path: float(np.mean(_highest(out) <= 0))
            for layer, out in zip(layers, outputs, strict=True)
        }

    return dead


def _hidden(model):
    if not isinstance(model, keras.Sequential | keras.Model) or not model.built:
        return []
    try:
        outputs = keras.tree.flatten(model.outputs)
    except AttributeError:
        return []
    return [la for la in model.layers if not any(la.output is out for out in outputs)]


def _rectifies(layer):
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", "")
    return isinstance(layer, keras.layers.ReLU) or name in RECTIFIERS


def _highest(outputs):
    return outputs.reshape(-1, outputs.shape[-1]).max(axis=0)


# Judge: ends a trial when the training doctor finds it hopeless.

logger = logging.getLogger("kcomponents")
# The doctor's issue → the reason of a trial that it ends.
DIVERGED, NOT_LEARNING = "diverged", "not_learning"
REASONS = {
    "dead_relu": "dead_relu",
    "exploding_gradient": DIVERGED,
    "learning_rate_too_high": DIVERGED,
    "not_learning": NOT_LEARNING,
}
# A loss above this share of the first epoch's loss has not fallen.
STILL = 0.98


class Judge:
    """Ends hopeless trials, and gives the reason.

    It checks the loss after each epoch, and the model's outputs on a sample of the
    training data after epochs 1, 2, 4, 8 ...

    Args:
        holds: Function that returns whether a model will be trained again. The watch of
            such a model is kept, because it has compiled the model.
    """

    def __init__(self, holds):
        self.holds = holds
        self._watches = []
        self._watch = None

    def set(self, epochs, strict):
        """Start a trial of `epochs` epochs; unless strict, only NaN ends it."""
        self.epochs, self.strict = epochs, strict
        self._watch, self._next = None, 1

    def begin(self, model):
        """Inspect the model and its data when `fit` starts."""
        if not self.strict:
            return
        try:
            self._watch = self._begun(model)
        except Exception as error:
            # A model that cannot be inspected must not fail its trial.
            logger.debug("Cannot judge a trial: %s", error)

    def reason(self, epoch, logs):
        """Return a reason and a message to end the trial after an epoch, or None."""
        loss = logs.get("loss", 0.0)
        if not math.isfinite(loss):
            return "nan", f"The loss is {loss} in epoch {epoch + 1}."
        if self._watch is None:
            return None
        self._watch.record.add_logs(epoch, logs)
        if epoch + 1 < self._next:
            return None
        self._next = 2 * (epoch + 1)
        try:
            return self._found(epoch)
        except Exception as error:
            logger.debug("Cannot judge a trial any longer: %s", error)
            self._watch = None
            return None

    def _begun(self, model):
        record = Record()
        before = next((w for w in self._watches if w.model is model), None)
        watch = Watch(model, record)
        watch.begin(_keras.running_fit(), tapped=False, before=before)
        if not record.structure and before is not None:
            record.structure = {**before.record.structure, **structure(model)}
            record.add(Reading(0, 0, watch.scores()))
        if before is None:
            watch.dead_units = dead_units_of(model)
        else:
            watch.dead_units = before.dead_units
            self._watches.remove(before)
        self._watches = [w for w in [watch, *self._watches] if self.holds(w.model)]
        return watch

    def _found(self, epoch):
        watch = self._watch
        watch.look(epoch)
        dead = watch.dead_units(watch.sample)
        # Added to the reading of `look`, as a record has one reading per epoch.
        watch.record.readings[-1].values["dead_units"] = dead
        for finding in examine(watch.record).findings:
            reason = REASONS.get(finding.label)
            if reason == NOT_LEARNING:
                sure = self._stands_still(epoch)
            else:
                sure = finding.severity == "high" and (epoch > 0 or reason != DIVERGED)
            if reason is not None and sure:
                return reason, " ".join(finding.evidence)
        return None

    def _stands_still(self, epoch):
        """Return whether the loss has not fallen after a third of the epochs."""
        losses = [entry["loss"] for entry in self._watch.record.logs]
        some = max(3, math.ceil(self.epochs / 3)) <= epoch + 1 < self.epochs
        return some and losses[-1] > STILL * losses[0]
