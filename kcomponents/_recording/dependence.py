"""What the outputs of a model depend on: later positions, and single inputs."""

import functools

import keras
import numpy as np

from kcomponents._scoring.simple_models import reachable

# The share of positions at which the targets are the next values of an input.
NEXT = 0.95
# A change of an output that counts, relative to how much the output varies.
CHANGE = 0.02
FEWEST_POSITIONS = 4
PURPOSE = "what outputs depend on"


class Dependence:
    """Finds out what outputs depend on, by changes of the inputs.

    Args:
        run: Function from inputs to the list of the outputs of the model.
        x: Inputs, nested arrays.
        outputs: Function that returns the list of arrays that the model returns for
            these; it is called when they are needed.
        grants: Function that returns whether the model may be run again.
    """

    def __init__(self, run, x, outputs, grants):
        self._run, self._x, self._find_outputs = run, x, outputs
        self._leaves, self._grants = keras.tree.flatten(x), grants

    @functools.cached_property
    def _outputs(self):
        return self._find_outputs()

    def sees_later(self, index, of_output):
        """Return the share of an output that changes with later values of an input.

        None if the model may not be run.

        Args:
            index: Integer, the position of the input, of shape `(samples, positions,
                ...)`.
            of_output: Integer, the position of the output, with as many positions.
        """
        if not self._grants():
            return None
        half = self._leaves[index].shape[1] // 2
        changed = self._leaves[index].copy()
        changed[:, half:] = np.roll(changed[:, half:], 1, axis=0)
        after = self._with(index, changed)[of_output]
        return _changed(self._outputs[of_output][:, :half], after[:, :half])

    def inputs_of_outputs(self):
        """Return, for each output, the indices of the inputs that it depends on.

        None if the model may not be run.
        """
        found = [[] for _ in self._outputs]
        for index, leaf in enumerate(self._leaves):
            if not self._grants():
                return None
            others = self._with(index, np.roll(leaf, 1, axis=0))
            for own, before, after in zip(found, self._outputs, others, strict=True):
                if _changed(before, after):
                    own.append(index)
        return found

    def _with(self, index, array):
        leaves = [*self._leaves]
        leaves[index] = array
        return self._run(keras.tree.pack_sequence_as(self._x, leaves))


def next_values(arrays, targets):
    """Return the index of the input whose next values are the targets, or None.

    Args:
        arrays: List of arrays, the inputs of the model.
        targets: Array of targets.
    """
    y = _sequences(targets)
    if y is None or y.shape[1] < FEWEST_POSITIONS:
        return None
    for index, array in enumerate(arrays):
        x = _sequences(array)
        if x is not None and x.shape == y.shape:
            # Padding and other constants say nothing of what is the next value.
            varied = (x[:, 1:] != x[:, :-1]).any(-1)
            same = (x[:, 1:] == y[:, :-1]).all(-1)
            if varied.any() and same[varied].mean() > NEXT:
                return index
    return None


def swapped_targets(arrays, outputs, inputs_of, ids=()):
    """Return how well inputs predict the targets of two outputs, as given and swapped.

    Args:
        arrays: List of arrays, the inputs of the model.
        outputs: Pair of `Output` of the same task, with targets of the same shape.
        inputs_of: For each of them, the indices of the inputs that it depends on.
        ids: Indices of the inputs that hold ids. Defaults to `()`.

    Returns:
        Dict of the names of the outputs, and of the lower skill of simple models for
        the targets as they are, `"own"`, and for those of the other output, `"other"`;
        None if a skill is unknown.
    """
    if inputs_of[0] == inputs_of[1] or not all(inputs_of):
        return None

    def lower_skill(outputs):
        found = [
            reachable(
                [arrays[i] for i in indices],
                output.targets,
                output.task,
                weights=output.weights,
                ids=[place for place, i in enumerate(indices) if i in ids],
            )
            for indices, output in zip(inputs_of, outputs, strict=True)
        ]
        return None if None in found else min(skills["best"] for skills in found)

    own, other = lower_skill(outputs), lower_skill(outputs[::-1])
    if own is None or other is None:
        return None
    names = [output.name for output in outputs]
    return {"outputs": names, "own": own, "other": other}


def _sequences(array):
    """Return an array of shape `(samples, positions, values)`, or None."""
    array = np.asarray(array)
    if array.ndim < 2 or array.dtype.kind not in "biuf":
        return None
    return array.reshape(*array.shape[:2], -1)


def _changed(before, after):
    """Return the share of the numbers that differ, 0 of outputs that are not finite."""
    before, after = (np.asarray(a, "float64") for a in (before, after))
    spread = before.std()
    if not np.isfinite(spread) or not np.isfinite(after).all():
        return 0.0
    return float(np.mean(np.abs(after - before) > CHANGE * max(spread, 1e-6)))
