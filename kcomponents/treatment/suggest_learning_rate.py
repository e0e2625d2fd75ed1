"""suggest_learning_rate: try learning rates for some steps, from the same start."""

import dataclasses
import math
from collections.abc import Callable
from html import escape
from typing import Any

import keras
import numpy as np

from kcomponents import _keras
from kcomponents._checks import fail, positive_int
from kcomponents._files import Path
from kcomponents._keras.random_state import no_trace, random_state, set_random_state
from kcomponents._optional import require
from kcomponents.treatment._batches import first_batches
from kcomponents.treatment._figure import save_figure
from kcomponents.treatment._forks import fork

# First powers of ten are tried, for few steps, then rates around the best of them.
COARSE = tuple(10.0**power for power in range(-6, 2))
COARSE_STEPS = 10
# Quarters of a power of ten around the best one; further ones while the loss falls.
FINE, MOST_BEYOND = (-3, -2, -1, 0, 1, 2, 3), 4
# The share of the last steps whose mean loss counts.
COUNTED = 0.5
# A trial ends once its loss is so many times the first one.
DIVERGED = 4.0


@dataclasses.dataclass(frozen=True)
class RateSuggestion:
    """A learning rate that `suggest_learning_rate` found, and what it was chosen from.

    `str(suggestion)` is a sentence, `suggestion.plot()` a picture.

    Args:
        learning_rate: Float, the suggestion.
        rates: Tuple of floats, the rates that were tried for all steps, ascending.
        losses: Tuple of tuples of floats, for each of these rates the loss before each
            step. A run that diverged is shorter.
        steps: Integer, the number of steps.

    Example:
        >>> from kcomponents.treatment import RateSuggestion
        >>> losses = (2.0, 1.9, 1.8), (2.0, 1.0, 0.5), (2.0, 9.0)
        >>> print(RateSuggestion(0.01, (0.001, 0.01, 0.1), losses, 3))
        Set learning_rate to 0.01: of 3 rates from 0.001 to 0.1, the loss fell fastest
        near it, in 3 steps from 2 to 0.75 (mean of the last 2).
    """

    learning_rate: float
    rates: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]
    steps: int

    def __str__(self) -> str:
        nearest = min(
            zip(self.rates, self.losses, strict=True),
            key=lambda pair: abs(math.log(pair[0] / self.learning_rate)),
        )[1]
        return (
            f"Set learning_rate to {self.learning_rate:.2g}: of {len(self.rates)} "
            f"rates from {self.rates[0]:.2g} to {self.rates[-1]:.2g}, the loss fell "
            f"fastest near it, in {self.steps} steps from {nearest[0]:.3g} to "
            f"{_end(nearest, self.steps):.3g} (mean of the last "
            f"{_counted(self.steps)})."
        )

    def _repr_html_(self) -> str:
        # Notebooks call this for the last line of a cell.
        return f"<p><b>{escape(str(self))}</b></p>"

    def plot(self, path: Path | None = None) -> Any:
        """Draw the loss of each trial, and the loss at the end by learning rate.

        Args:
            path: Path of a file for the picture, such as `"rates.png"`. Defaults to
                `None`: no file.

        Returns:
            The figure of matplotlib.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        figure = require("matplotlib.figure").Figure((10, 3.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        colors = require("matplotlib").colormaps["viridis"]
        shades = np.linspace(0.0, 0.95, len(self.rates))
        for rate, losses, shade in zip(self.rates, self.losses, shades, strict=True):
            left.plot(losses, color=colors(shade), label=f"{rate:.2g}")
        # A run that diverges would press the others flat.
        within = [loss for run in self.losses for loss in run if loss <= 1.5 * run[0]]
        left.set(xlabel="step", ylabel="loss", ylim=_padded(within))
        beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "frameon": False}
        left.legend(title="learning rate", reverse=True, **beside)
        ends = [_end(losses, self.steps) for losses in self.losses]
        right.plot(self.rates, ends, marker="o", color="0.3")
        right.axvline(self.learning_rate, color="tab:red")
        right.set(xlabel="learning rate", xscale="log")
        right.set_xticks(self.rates, [f"{rate:.2g}" for rate in self.rates])
        right.minorticks_off()
        right.set(ylabel=f"mean loss of the last {_counted(self.steps)} steps")
        right.set_title(f"suggested: {self.learning_rate:.2g}", fontsize=10)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
        save_figure(figure, path)
        return figure


def suggest_learning_rate(
    model: keras.Model | Callable[[], keras.Model],
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    batch_size: int = 32,
    steps: int = 40,
    seed: int = 0,
) -> RateSuggestion:
    """Find the learning rate at which the loss falls fastest, for the given optimizer.

    A copy of the model takes some steps at each of several learning rates, always from
    the same start and on the same batches: first 10 steps at powers of ten, then
    `steps` steps at seven rates around the best one, and at up to four more if the best
    one is the last. The model itself, its optimizer and all random generators stay as
    they are.

    In a range test, in which the rate grows from step to step, the loss at a rate
    depends on the steps before, so that the best rate has to be guessed from the curve.
    Here each rate has a run of its own.

    Args:
        model: Compiled Keras model, which is copied with its present weights, or a
            function without arguments that returns one. A learning rate schedule of
            its optimizer is left out.
        x: Inputs: an array, a list or dict of arrays, or an iterable of batches as
            `fit` takes it, of which `steps` are drawn.
        y: Targets, as `fit` takes them. Defaults to `None`.
        sample_weight: Weights of the samples, as `fit` takes them. Defaults to `None`.
        batch_size: Integer, the number of samples in a batch if `x` are arrays.
            Defaults to `32`.
        steps: Integer, the number of steps at each rate, at least 10. Defaults to `40`.
        seed: Integer, of the order in which samples of arrays are drawn. Defaults to
            `0`.

    Returns:
        `RateSuggestion`.

    Raises:
        ValueError: If the model is not compiled or cannot be copied, an argument is
            invalid, or the loss is not finite at any rate.

    Example:
        >>> import keras, numpy as np
        >>> from kcomponents.treatment import suggest_learning_rate
        >>> x = np.random.default_rng(0).normal(size=(999, 4)).astype("float32")
        >>> y = x @ np.array([[1.0], [2.0], [-1.0], [0.0]])
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(), "mse")
        >>> 0.02 < suggest_learning_rate(model, x, y).learning_rate < 1
        True

    Reference:
        Smith, [Cyclical learning rates for training neural
        networks](https://arxiv.org/abs/1506.01186), 2017, for the range test.
    """
    if positive_int("steps", steps) < COARSE_STEPS:
        fail(f"`steps` must be at least {COARSE_STEPS}.", steps=steps)
    positive_int("batch_size", batch_size)
    copy = fork(model, learning_rate=COARSE[0], steps_per_execution=1)
    updates = getattr(copy.optimizer, "gradient_accumulation_steps", None) or 1
    batches = first_batches(x, y, sample_weight, batch_size, steps * updates, seed)
    with no_trace():
        trials = _Trials(copy, batches, updates)
        coarse = {rate: trials.run(rate, COARSE_STEPS) for rate in COARSE}
        found = _around(trials, _best(coarse, COARSE_STEPS), steps)
    rates = tuple(sorted(found))
    losses = tuple(tuple(found[rate]) for rate in rates)
    best = _lowest(rates, [_end(curve, steps) for curve in losses])
    return RateSuggestion(best, rates, losses, steps)


def _around(trials, middle, steps):
    """Return rate → losses for rates around the middle, the best one within."""

    def rate_at(quarters):
        return middle * 10 ** (quarters / 4)

    found = {rate_at(n): trials.run(rate_at(n), steps) for n in FINE}
    for beyond in range(1, MOST_BEYOND + 1):
        best = _best(found, steps)
        if best == max(found):
            rate = rate_at(FINE[-1] + beyond)
        elif best == min(found):
            rate = rate_at(FINE[0] - beyond)
        else:
            break
        found[rate] = trials.run(rate, steps)
    return found


class _Trials:
    """Trains a model for some steps, always from the same start.

    Args:
        model: Compiled Keras model with a learning rate that can be set.
        batches: List of batches, tuples of inputs, targets and weights.
        updates: Integer, how many batches an update of the weights takes.
    """

    def __init__(self, model, batches, updates):
        self._model, self._batches, self._updates = model, batches, updates
        _keras.build_metrics(model, batches[0])
        _keras.build_optimizer(model)
        self._variables = [*model.variables, *model.optimizer.variables]
        self._start = [np.array(keras.ops.convert_to_numpy(v)) for v in self._variables]
        self._randoms = random_state()

    def run(self, rate, steps):
        """Return the losses before each step at a learning rate."""
        for variable, value in zip(self._variables, self._start, strict=True):
            variable.assign(value)
        set_random_state(self._randoms)
        return self._losses(rate, self._batches[: steps * self._updates])

    def _losses(self, rate, batches):
        model, found = self._model, []
        model.optimizer.learning_rate = rate
        for start in range(0, len(batches), self._updates):
            # Keras gives the mean loss since then: of the batches of an update.
            model.reset_metrics()
            for x, y, weights in batches[start : start + self._updates]:
                logs = model.train_on_batch(
                    x, y, sample_weight=weights, return_dict=True
                )
            found.append(float(logs["loss"]))
            if not abs(found[-1] - found[0]) <= DIVERGED * abs(found[0]) + 1e-6:
                break
        return found


def _padded(values):
    """Return the limits of an axis for values that include one at least."""
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _counted(steps):
    return max(1, round(steps * COUNTED))


def _end(losses, steps):
    """Return the mean loss of the last steps, infinity if the run diverged."""
    if len(losses) < steps or not math.isfinite(losses[-1]):
        return math.inf
    return float(np.mean(losses[-_counted(steps) :]))


def _best(curves, steps):
    """Return the rate whose loss is lowest at the end."""
    ends = {rate: _end(curve, steps) for rate, curve in curves.items()}
    best = min(ends, key=lambda rate: ends[rate])
    if not math.isfinite(ends[best]):
        losses = [curve[0] for curve in curves.values()]
        fail("The loss must be finite at some learning rate.", loss=losses[0])
    return best


def _lowest(rates, ends):
    """Return the rate at which a parabola through the lowest losses is lowest."""
    lowest = int(np.argmin(ends))
    around = slice(max(lowest - 1, 0), lowest + 2)
    x, y = np.log(rates[around]), np.asarray(ends[around])
    if len(x) < 3 or not np.isfinite(y).all():
        return rates[lowest]
    second, first, _ = np.polyfit(x - x[1], y, 2)
    if second <= 0:
        return rates[lowest]
    shift = np.clip(-first / (2 * second), x[0] - x[1], x[2] - x[1])
    return float(rates[lowest] * np.exp(shift))
