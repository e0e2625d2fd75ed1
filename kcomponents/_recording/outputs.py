"""Outputs of a model: their names, losses, targets and scores."""

import keras
import numpy as np

from kcomponents._recording.sample import target_facts
from kcomponents._scoring.scores import (
    constant_scores,
    guessed_task,
    positions,
    scores,
    task_of,
)
from kcomponents.probes.layer_walk import last_activation, named_layers


class Output:
    """One output of a model: facts about it, and the targets of a sample.

    Args:
        name: String.
        loss: Facts about its loss, as in `structure`.
        activation: Name of the activation of its layer, or None.
        targets: Targets of the sample, or None.
        predictions: Outputs of the model for its first samples.
        weights: Weights of the samples in the loss, or None.
    """

    def __init__(self, name, loss, activation, targets, predictions, weights=None):
        self.name, self.targets = name, targets
        known = isinstance(loss, dict)
        self.loss = loss.get("class") if known else None
        units = predictions.shape[-1] if predictions.ndim > 1 else 1
        target = {} if targets is None else target_facts(targets)
        self.given_weights = weights
        self.weights = _with_ignored(weights, loss if known else {}, targets)
        self.task = task_of(self.loss, target, units)
        shape = list(predictions.shape[1:])
        # Of a loss that is not known, targets and outputs may suggest the task.
        self.guessed = self.task == "unknown" and self.loss is None
        if self.guessed:
            self.task = guessed_task(target, shape)
        self.facts = {
            "name": name,
            "activation": activation,
            "units": int(units),
            "shape": shape,
            "loss": self.loss,
            "loss_name": loss.get("name") if known else loss,
            "from_logits": bool(known and loss.get("config", {}).get("from_logits")),
            "loss_axis": loss.get("config", {}).get("axis") if known else None,
            **_range_of(predictions),
            "task": self.task,
            "guessed": self.guessed,
            "weighted": self.weights is not None,
            # The loss of the logs is divided by the number of samples alone.
            "mean_weight": _mean(weights),
            "target": target,
        }
        if self.task != "unknown":
            self._add_baselines()

    def mask(self, mask):
        """Leave positions out of all scores; the mask is of the first samples."""
        leading = np.asarray(mask, "float64")
        # The mask of later samples, which the model was not run on, is not known.
        whole = np.zeros((len(self.targets), *leading.shape[1:]))
        whole[: len(leading)] = leading
        self.weights = whole * positions(self.weights, whole.shape)
        self.facts |= {"weighted": True, "masked": float(1 - leading.mean())}
        if self.task != "unknown":
            self._add_baselines()

    def _add_baselines(self):
        loss, accuracy = constant_scores(
            self.task, self.loss, self.targets, self.weights
        )
        self.facts.update(baseline_loss=loss, baseline_accuracy=accuracy)

    def scores(self, predictions):
        """Return name → score of predictions for the first samples."""
        found = {"spread": float(np.mean(predictions.std(0)))}
        finite = np.isfinite(predictions)
        found["nonfinite"] = float(1 - finite.mean())
        known = predictions[finite]
        found["size"] = float(np.sqrt(np.mean(known**2))) if known.size else 0.0
        if self.task != "unknown" and finite.all():
            count = len(predictions)
            weights = None if self.weights is None else self.weights[:count]
            rows = self.targets[:count]
            predictions = self._probabilities(predictions)
            found.update(scores(self.task, self.loss, rows, predictions, weights))
        return found

    def _probabilities(self, p):
        """Return predictions as probabilities, if the loss takes logits."""
        if not self.facts["from_logits"] or self.task == "regression":
            return p
        if self.task in ("sparse", "categorical"):
            p = np.exp(p - p.max(-1, keepdims=True))
            return p / p.sum(-1, keepdims=True)
        return 1 / (1 + np.exp(-np.clip(p, -50, 50)))


def _range_of(predictions):
    """Return the range of the outputs, and whether they sum to 1 like probabilities."""
    values = np.asarray(predictions, "float64")
    if not values.size or not np.isfinite(values).all():
        return {}
    sums = values.sum(-1) if values.ndim > 1 and values.shape[-1] > 1 else np.zeros(1)
    return {
        "lowest": float(values.min()),
        "highest": float(values.max()),
        "sums_to_one": bool(values.min() >= 0 and np.abs(sums - 1).max() < 1e-2),
    }


def _mean(weights):
    """Return the mean of weights, 1 if there are none."""
    return 1.0 if weights is None else float(np.mean(np.asarray(weights, "float64")))


def _with_ignored(weights, loss, targets):
    """Return weights that are 0 for the class that the loss ignores."""
    ignored = (loss.get("config") or {}).get("ignore_class")
    if ignored is None or targets is None:
        return weights
    counted = (np.asarray(targets) != ignored).astype("float64")
    return counted * positions(weights, counted.shape)


def numbering_scores(y, predictions):
    """Return the mean recall of the classes, as they are and renumbered.

    Renumbered, each predicted class has one number of its own, chosen from the most
    frequent pairs of a predicted and a true class on.
    """
    y, predictions = np.asarray(y), np.asarray(predictions)
    classes = y.argmax(-1) if y.shape == predictions.shape else y
    truth, found = classes.reshape(-1), predictions.argmax(-1).reshape(-1)
    if len(truth) != len(found):
        return {}
    known, places, counts = np.unique(truth, return_inverse=True, return_counts=True)
    shares = np.zeros((predictions.shape[-1], len(known)))
    np.add.at(shares, (found, places.reshape(-1)), 1.0)
    shares /= counts
    own = [shares[int(k), n] for n, k in enumerate(known) if 0 <= k < len(shares)]
    renumbered = []
    for _ in range(min(shares.shape)):
        predicted, true = np.unravel_index(shares.argmax(), shares.shape)
        renumbered.append(shares[predicted, true])
        shares[predicted], shares[:, true] = -1.0, -1.0
    return {
        "recall": float(sum(own) / len(known)),
        "renumbered": float(sum(renumbered) / len(known)),
    }


def outputs_of(model, loss, y, predictions, weights=None, masks=()):
    """Return an `Output` for each output of a model.

    Args:
        model: Keras model.
        loss: Facts about the loss, as in `structure`.
        y: Targets of a sample, as `fit` takes them.
        predictions: The model's outputs for the first samples.
        weights: Weights of the samples, as `fit` takes them. Defaults to `None`.
        masks: For each output, a mask of the first samples, or None. Defaults to `()`.
    """
    leaves = [np.asarray(leaf, "float64") for leaf in keras.tree.flatten(predictions)]
    names = _names(model, predictions, len(leaves))
    targets, losses = _each(y, names), _each_loss(loss, names)
    activations = _activations(model, names)
    facts = zip(names, leaves, targets, losses, _each(weights, names), strict=True)
    found = [
        Output(name, part, activations.get(name), target, leaf, of_output)
        for name, leaf, target, part, of_output in facts
    ]
    for output, mask in zip(found, masks, strict=False):
        if mask is not None and output.targets is not None and not np.all(mask):
            output.mask(mask)
    return found


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
    if hasattr(y, "shape") and len(names) > 1:
        return [y if y.ndim == 1 else None] * len(names)
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
