"""Outputs of a model: their names, losses, targets and scores."""

import keras
import numpy as np

from kcomponents._recording.sample import target_facts
from kcomponents._scoring.scores import constant_scores, scores, task_of
from kcomponents.probes.layer_walk import last_activation, named_layers


class Output:
    """One output of a model: facts about it, and the targets of a sample."""

    def __init__(self, name, loss, activation, targets, predictions):
        self.name, self.targets = name, targets
        known = isinstance(loss, dict)
        self.loss = loss.get("class") if known else None
        units = predictions.shape[-1] if predictions.ndim > 1 else 1
        target = {} if targets is None else target_facts(targets)
        self.task = task_of(self.loss, target, units)
        self.facts = {
            "name": name,
            "activation": activation,
            "units": int(units),
            "shape": list(predictions.shape[1:]),
            "loss": self.loss,
            "loss_name": loss.get("name") if known else loss,
            "from_logits": bool(known and loss.get("config", {}).get("from_logits")),
            "task": self.task,
            "target": target,
        }
        if self.task != "unknown":
            loss, accuracy = constant_scores(self.task, self.loss, targets)
            self.facts.update(baseline_loss=loss, baseline_accuracy=accuracy)

    def scores(self, predictions):
        """Return name → score of predictions for the first samples."""
        found = {"spread": float(np.mean(predictions.std(0)))}
        finite = np.isfinite(predictions)
        found["nonfinite"] = float(1 - finite.mean())
        if self.task != "unknown" and finite.all():
            rows = self.targets[: len(predictions)]
            predictions = self._probabilities(predictions)
            found.update(scores(self.task, self.loss, rows, predictions))
        return found

    def _probabilities(self, p):
        """Return predictions as probabilities, if the loss takes logits."""
        if not self.facts["from_logits"] or self.task == "regression":
            return p
        if self.task in ("sparse", "categorical"):
            p = np.exp(p - p.max(-1, keepdims=True))
            return p / p.sum(-1, keepdims=True)
        return 1 / (1 + np.exp(-np.clip(p, -50, 50)))


def outputs_of(model, loss, y, predictions):
    """Return an `Output` for each output of a model.

    Args:
        model: Keras model.
        loss: Facts about the loss, as in `structure`.
        y: Targets of a sample, as `fit` takes them.
        predictions: The model's outputs for the sample.
    """
    leaves = [np.asarray(leaf, "float64") for leaf in keras.tree.flatten(predictions)]
    names = _names(model, predictions, len(leaves))
    targets, losses = _each(y, names), _each_loss(loss, names)
    activations = _activations(model, names)
    return [
        Output(name, part, activations.get(name), target, leaf)
        for name, leaf, target, part in zip(names, leaves, targets, losses, strict=True)
    ]


def _names(model, predictions, count):
    names = getattr(model, "output_names", None) or []
    if isinstance(predictions, dict):
        names = sorted(predictions)
    if len(names) != count:
        names = [f"output_{n}" for n in range(1, count + 1)]
    return ["output"] if count == 1 else [str(name) for name in names]


def _each(y, names):
    """Return the targets of each output, None where unknown."""
    if isinstance(y, dict) and len(names) > 1:
        return [y.get(name) for name in names]
    leaves = [] if y is None else keras.tree.flatten(y)
    return leaves if len(leaves) == len(names) else [None] * len(names)


def _each_loss(loss, names):
    if isinstance(loss, dict) and "config" not in loss:
        return [loss.get(name) for name in names]
    if isinstance(loss, list):
        return loss if len(loss) == len(names) else [None] * len(names)
    return [loss] * len(names)


def _activations(model, names):
    """Return output name → activation of the layer it comes from, where known."""
    if isinstance(model, keras.Sequential):
        return {names[0]: last_activation(model.layers[-1])}
    of_layers = getattr(model, "output_names", None)
    if not of_layers:
        return {}
    layers = {layer.name: layer for layer in named_layers(model).values()}
    made_by = dict(zip(names, of_layers, strict=False))
    return {
        name: last_activation(layers[source])
        for name, source in made_by.items()
        if source in layers
    }
