"""Batches of a dataset or generator, kept as `fit` draws them."""

import math

import keras
import numpy as np

# The most batches to keep of an epoch, the samples to keep of each if there are
# several, and how many of an unknown number come one after the other.
BATCHES_KEPT, ROWS_OF_BATCH, BATCHES_IN_A_ROW = 16, 32, 8


class Stream:
    """Some batches of the first epoch.

    Args:
        steps: Number of batches in an epoch, or None.

    Attributes:
        batches: List of the batches; the first one is whole as long as it is alone.
        batch_size: Integer, the samples in the first batch.
    """

    def __init__(self, steps):
        self._steps, self.batches, self.batch_size = steps, [], None

    def add(self, batch):
        """Keep a batch; return how many to let pass until the next, None for all."""
        if self.batches:
            # The first one was needed whole.
            self.batches[:1] = [first_rows(self.batches[0], ROWS_OF_BATCH)]
            batch = first_rows(batch, ROWS_OF_BATCH)
        else:
            self.batch_size = len(keras.tree.flatten(batch)[0])
        self.batches.append(batch)
        return batches_to_pass(len(self.batches), self._steps)


def batches_to_pass(kept, steps):
    """Return how many batches pass until the next one to keep, None for all.

    Those to keep are spread evenly over an epoch whose steps are known, and farther and
    farther apart otherwise.

    Args:
        kept: Integer, how many batches are kept so far.
        steps: Number of batches in an epoch, or None.
    """
    if kept >= BATCHES_KEPT:
        return None
    if steps and math.isfinite(steps):
        return max(int(steps) // BATCHES_KEPT, 1) - 1
    return 2 ** max(0, kept - BATCHES_IN_A_ROW) - 1


def first_rows(batch, count):
    """Return a copy of the first samples of a batch, or the batch if it has no rows."""
    leaves = [leaf for leaf in keras.tree.flatten(batch) if leaf is not None]
    if len({len(leaf) for leaf in leaves}) != 1:
        # As of nodes and edges of a graph.
        return batch

    def cut(leaf):
        # A view would keep the memory of all samples.
        rows = leaf if leaf is None else leaf[:count]
        return rows if rows is None else np.array(keras.ops.convert_to_numpy(rows))

    return keras.tree.map_structure(cut, batch)
