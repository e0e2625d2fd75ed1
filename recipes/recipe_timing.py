"""How long a step of a net takes beside that of others, trained in turn."""

import time

import keras
import numpy as np


def side_by_side(nets, usual, x, y, epochs, batch_size=100):
    """Train nets, an epoch of each in turn; return what their steps take.

    Args:
        nets: Dict, compiled nets by name.
        usual: String, the name of the one that others are compared with.
        x: Array, inputs.
        y: Array, labels.
        epochs: Int, at least 2, as the first one compiles and is not timed.
        batch_size: Int, rows of a step. Defaults to 100.

    Returns:
        Dict by name of dicts: `"step_time"`, the median over epochs of the ratio of
        its step to the usual one's, and `"loss"` of the last epoch.
    """
    if epochs < 2:
        rule = "--epochs must be at least 2, as the first one compiles"
        raise ValueError(f"{rule}. Received: {epochs}")
    rounds = [
        {name: _timed(model, x, y, batch_size) for name, model in nets.items()}
        for _ in range(epochs)
    ]
    found = {}
    for name, (loss, _) in rounds[-1].items():
        # Whatever else the machine does, it does to all nets of a round.
        ratios = [done[name][1] / done[usual][1] for done in rounds[1:]]
        found[name] = {"step_time": float(np.median(ratios)), "loss": loss}
    return found


def _timed(model, x, y, batch_size):
    """Train for an epoch; return its loss and the usual seconds of a step."""
    ticks = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: ticks.append(time.perf_counter()),
        on_train_batch_end=lambda batch, logs: ticks.append(time.perf_counter()),
    )
    logs = model.fit(x, y, batch_size=batch_size, verbose=0, callbacks=[clock]).history
    return logs["loss"][0], np.median(np.subtract(ticks[1::2], ticks[::2]))
