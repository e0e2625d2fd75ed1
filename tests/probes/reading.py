"""Shared by the tests of probes: statistics of every source, and a callback."""

import keras
import numpy as np
from keras import ops

from kcomponents.probes import Probe, Statistic


def over_all_but(axis, x, reduce):
    """Reduce all axes of a tensor but one."""
    rank = len(x.shape)
    return reduce(x, [a for a in range(rank) if a != axis % rank])


STATISTICS = (
    Statistic("squares", "gradients", lambda v: v.squares, per_variable=True),
    Statistic("total_max", "gradients", lambda v: v.total, "max"),
    Statistic("total_min", "gradients", lambda v: v.total, "min"),
    Statistic("total_last", "gradients", lambda v: v.total, "last"),
    Statistic("steps", "gradients", lambda v: 1.0),
    Statistic("clipped", "clipped_gradients", lambda v: v.squares, per_variable=True),
    Statistic("before", "clipped_gradients", lambda v: v.before),
    Statistic("moved", "updates", lambda v: v.squares, per_variable=True),
    Statistic("weights", "updates", lambda v: v.weights * v.applied, per_variable=True),
    Statistic("applied", "updates", lambda v: v.applied),
    Statistic("losses", "losses", lambda v: v.loss),
    Statistic("batches", "losses", lambda v: 1.0),
    Statistic(
        "highest",
        "outputs",
        lambda v: over_all_but(v.axis, ops.relu(v.outputs), ops.max),
        "max",
    ),
    Statistic("sums", "outputs", lambda v: over_all_but(v.axis, v.outputs, ops.sum)),
)


class Reader(keras.callbacks.Callback):
    """Reads a probe after each epoch."""

    def __init__(self, *statistics):
        super().__init__()
        self.statistics = statistics or STATISTICS

    def on_train_begin(self, logs=None):
        self.readings = []
        self.probe = Probe(*self.statistics)
        self.probe.attach(self.model)
        self.sites = dict(self.probe.sites)
        self.last_layers = set(self.probe.last_layers)

    def on_epoch_end(self, epoch, logs=None):
        self.readings.append(self.probe.read(epoch=epoch))
        self.probe.reset()

    def on_train_end(self, logs=None):
        self.probe.detach()

    @property
    def values(self):
        return self.readings[-1].values


def squares(arrays):
    """Return path → squared norm."""
    return {path: float(np.square(a).sum()) for path, a in arrays.items()}


def summed(dicts):
    """Return path → sum over dicts."""
    return {path: sum(d.get(path, 0.0) for d in dicts) for d in dicts for path in d}


def near(found, expected, what="", rtol=1e-5, atol=1e-9):
    """Assert that numbers, or lists of them, are equal path by path."""
    for path, value in expected.items():
        np.testing.assert_allclose(
            found[path], value, rtol=rtol, atol=atol, err_msg=f"{what} {path}"
        )


def expected_of(steps):
    """Return the expected statistics of gradients and updates over these steps."""
    done = [step for step in steps if not step.skipped]
    totals = [sum(squares(step.gradients).values()) for step in done]
    moved = [
        {path: step.after[path] - step.before[path] for path in step.before}
        for step in done
    ]
    return {
        "squares": summed([squares(step.gradients) for step in done]),
        "total_max": {"all": max(totals)},
        "total_min": {"all": min(totals)},
        "total_last": {"all": totals[-1]},
        "steps": {"all": len(done)},
        "clipped": summed([squares(step.clipped) for step in done]),
        "before": {"all": sum(totals)},
        "moved": summed([squares(found) for found in moved]),
        "weights": summed([squares(step.before) for step in done]),
        "applied": {"all": len(done)},
    }
