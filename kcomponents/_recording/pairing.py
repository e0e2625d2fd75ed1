"""Whether a loss of the user's own depends on which targets belong to which inputs."""

import inspect

import keras
import numpy as np
from keras import ops

from kcomponents import _backends


def paired_losses(model, sample, seed=0):
    """Return the loss of a sample, and the mean loss with its targets permuted.

    Without targets, the first of several inputs is permuted. None if the model cannot
    compute its loss outside of a training step, or has nothing to permute.
    """
    x, y = sample.x, sample.y
    several = len(keras.tree.flatten(x)) > 1
    own = type(model).compute_loss is not keras.Model.compute_loss
    if y is None and not several or model.loss is None and not own:
        # A `train_step` computes its loss itself.
        return None
    known = inspect.signature(model.compute_loss).parameters
    options = {"sample_weight": None, "training": False}
    options = {name: value for name, value in options.items() if name in known}
    order = np.random.default_rng(seed).permutation(sample.size)

    def call(both):
        first, targets = both
        outputs = model(first, training=False)
        return model.compute_loss(x=first, y=targets, y_pred=outputs, **options)

    run = _backends.inference(model, call)
    if y is None:
        leaves = keras.tree.flatten(x)
        mixed = keras.tree.pack_sequence_as(x, [leaves[0][order], *leaves[1:]])
        pairs = (x, y), (mixed, y)
    else:
        pairs = (x, y), (x, keras.tree.map_structure(lambda leaf: leaf[order], y))
    _backends.synchronize(model)
    with _backends.keep_random_state():
        found = [float(ops.convert_to_numpy(ops.mean(run(pair)))) for pair in pairs]
    return found if np.isfinite(found).all() else None
