"""Facts on outputs: what simple models learn, and what the outputs depend on."""

import keras
import numpy as np

from kcomponents._recording.dependence import (
    PURPOSE,
    Dependence,
    next_values,
    swapped_targets,
)
from kcomponents._recording.run_facts import narrowest_passage
from kcomponents._scoring.simple_models import ROWS, reachable, work_of


def add_reachable(facts, outputs, arrays, structure, layers, budget):
    """Add the skill of simple models to the facts of each output.

    Args:
        facts: Dict of the facts of the data.
        outputs: List of `Output`.
        arrays: List of arrays, the inputs of the sample.
        structure: Dict that `kcomponents.probes.structure` returned.
        layers: Dict of path to facts of a layer in a forward pass.
        budget: `WorkBudget`.
    """
    ids = _ids(arrays, layers)
    width = narrowest_passage(structure)
    for output, of_output in zip(outputs, facts["outputs"], strict=True):
        if output.task == "unknown" or output.targets is None:
            continue
        if budget.grants(_work(arrays, output), "simple models"):
            of_output["reachable"] = reachable(
                arrays,
                output.targets,
                output.task,
                weights=output.weights,
                ids=ids,
                width=width,
            )


def add_dependence(facts, outputs, sample, small, forward, budget):
    """Add what outputs depend on, where it tells right targets from wrong ones.

    Args:
        facts: Dict of the facts of the data.
        outputs: List of `Output`.
        sample: `Sample` of the training data.
        small: `Sample`, the part of it that the model is run on.
        forward: `ForwardPass` of the model.
        budget: `WorkBudget`.
    """
    arrays = [np.asarray(array) for array in sample.leaves]
    work = small.size * budget.per_sample

    def run(x):
        return keras.tree.flatten(forward.run(x)[0])

    def outputs_now():
        budget.spent += work
        return run(small.x)

    dependence = Dependence(
        run, small.x, outputs_now, lambda: budget.grants(work, PURPOSE)
    )
    for number, output in enumerate(outputs):
        index = None
        if output.targets is not None and len(output.facts["shape"]) > 1:
            index = next_values(arrays, output.targets)
        if index is not None:
            of_output = facts["outputs"][number]
            of_output["sees_later"] = dependence.sees_later(index, number)
    if len(outputs) == 2 and len(arrays) > 1 and not sample.whole:
        work_of_pair = 4 * max(_work(arrays, output) for output in outputs)
        if not _alike(*outputs) or not budget.grants(work_of_pair, PURPOSE):
            return
        inputs_of = dependence.inputs_of_outputs()
        if inputs_of is not None:
            ids = _ids(arrays, forward.layers)
            facts["swapped"] = swapped_targets(arrays, outputs, inputs_of, ids)


def _ids(arrays, layers):
    """Return the indices of the inputs that hold ids: integers, for an embedding."""
    if not any(layer["input_dim"] for layer in layers.values()):
        return []
    numbers = {n: a for n, a in enumerate(arrays) if a.dtype.kind in "biuf"}
    return [n for n, a in numbers.items() if np.array_equal(a, np.floor(a))]


def _alike(first, second):
    """Return whether one output could take the targets of the other."""
    known = first.targets is not None and second.targets is not None
    same = first.task == second.task != "unknown"
    return known and same and np.shape(first.targets) == np.shape(second.targets)


def _work(arrays, output):
    """Return about how many operations simple models of an output take."""
    if output.targets is None:
        return 0.0
    rows, features = min(len(arrays[0]), ROWS), arrays[0][0].size
    targets = min(int(np.prod(np.shape(output.targets)[1:])), ROWS)
    return work_of(rows, min(features, 400), targets)
