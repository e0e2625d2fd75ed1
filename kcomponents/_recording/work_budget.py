"""Work budget: what the doctor may compute, as a share of what training computes."""

import math
from typing import NamedTuple

# The share of the work of training so far.
SHARE = 0.02
# What may be spent before that: so many operations, and so many samples in any case.
LOAN, LOAN_SAMPLES = 3e9, 32
# A training step costs a forward pass, and twice as much for the gradients.
PASSES = 3


class Work(NamedTuple):
    """How much there is to do, by how fast devices are at it.

    Attributes:
        dense: Number of floating-point operations of layers that multiply whole
            samples by their weights.
        others: Number of those of layers that are applied at many positions, such as
            convolutions and recurrent layers, and of all else.
        written: Number of elements that layers write to memory.
    """

    dense: float
    others: float
    written: float = 0.0

    @property
    def operations(self):
        """The number of all operations."""
        return self.dense + self.others


class WorkBudget:
    """Counts the work of training and that of looks at the model and its data.

    Work is counted in floating-point operations, from shapes alone, so that two runs of
    a program see the same. Seconds play no role.

    Args:
        per_sample: Number of operations of a forward pass of one sample.
        training: `Work` of training on one sample. Defaults to `None`, as much as a
            forward pass and the gradients of all layers take.

    Attributes:
        trained: Operations of training so far.
        spent: Operations of looks so far.
    """

    def __init__(self, per_sample, training=None):
        self.per_sample = max(float(per_sample), 1.0)
        self.training = training or Work(0.0, PASSES * self.per_sample)
        self.trained = self.spent = 0.0
        self.refused = set()

    @property
    def loan(self):
        """The operations that may be spent before training."""
        return max(LOAN, LOAN_SAMPLES * self.per_sample)

    @property
    def left(self):
        """The operations that may still be spent now."""
        return self.loan + SHARE * self.trained - self.spent

    def add_training(self, samples):
        """Count samples that were trained on."""
        self.trained += samples * self.training.operations

    def grants(self, operations, purpose):
        """Spend operations if they are left, and return whether they were.

        Args:
            operations: Number of operations.
            purpose: String, what they are for, to list it in `refused` if not.
        """
        if operations > self.left:
            self.refused.add(purpose)
            return False
        self.spent += operations
        return True

    def sample_size(self, planned, readings, most):
        """Return how many samples each of some readings may run the model on.

        Args:
            planned: Number of samples that training will see, in all epochs.
            readings: Number of readings.
            most: Integer, the largest answer.
        """
        whole = self.loan / 2 + SHARE * planned * self.training.operations
        share = whole / self.per_sample / (readings + 1)
        return int(min(max(share, LOAN_SAMPLES), most))

    def continue_from(self, counts):
        """Add to the counts that `to_dict` returned before."""
        self.trained, self.spent = counts["trained"], counts["looks"]
        self.refused = set(counts["refused"])

    def to_dict(self):
        """Return the counts as a dict of plain numbers."""
        return {
            "per_sample": self.per_sample,
            "trained": self.trained,
            "looks": self.spent,
            "loan": self.loan,
            "refused": sorted(self.refused),
        }


def operations_of(structure, samples):
    """Return about how many operations a forward pass of one sample takes.

    Each weight counts twice for each position at which its layer applies it. Those of
    an embedding are only looked up, so it counts the size of its output.

    Args:
        structure: Dict that `kcomponents.probes.structure` returned.
        samples: List of arrays, the inputs of the model.
    """
    of_layers = _operations_by_layer(structure, samples)
    return _elements(samples) + sum(of_one * places for _, of_one, places in of_layers)


def training_work(structure, samples):
    """Return about what `Work` it is to train on one sample.

    Frozen layers take a forward pass alone.

    Args:
        structure: Dict that `kcomponents.probes.structure` returned.
        samples: List of arrays, the inputs of the model.
    """
    dense, others, written = 0.0, float(_elements(samples)), 0.0
    for layer, of_one, places in _operations_by_layer(structure, samples):
        passes = PASSES if layer["trainable"] else 1
        if places == 1:
            dense += passes * of_one
        else:
            others += passes * of_one * places
        if _is_flat(shape := layer.get("output_shape")) and None not in shape[1:]:
            written += passes * math.prod(shape[1:])
    return Work(dense, others, written)


def _is_flat(shape):
    """Return whether a layer has one output, whose shape is known."""
    return bool(shape) and all(isinstance(n, int | type(None)) for n in shape)


def _elements(samples):
    return sum(math.prod(array.shape[1:]) for array in samples)


def _operations_by_layer(structure, samples):
    """Yield each layer, its operations at one position, and how many there are."""
    layers, dims = structure.get("layers") or (), _dims_of_embeddings(structure)
    embeds = any(layer["path"] in dims for layer in layers)
    widest = max((_positions(array, embeds) for array in samples), default=1)
    for layer in layers:
        places = widest
        shape = layer.get("output_shape")
        if _is_flat(shape) and None not in shape[1:-1]:
            places = math.prod(shape[1:-1])
        yield layer, dims.get(layer["path"], 2 * layer["parameters"]), places


def _dims_of_embeddings(structure):
    """Return path → size of a vector, for each layer that looks vectors up."""
    shapes = {
        path: variable["shape"]
        for variable in structure.get("variables") or ()
        for path, _, name in [variable["path"].rpartition("/")]
        if name == "embeddings"
    }
    return {path: shape[-1] for path, shape in shapes.items()}


def _positions(array, embeds):
    """Return at how many positions layers may be applied; ids have no features."""
    ids = embeds and array.dtype.kind in "iu"
    return math.prod(array.shape[1:] if ids else array.shape[1:-1])
