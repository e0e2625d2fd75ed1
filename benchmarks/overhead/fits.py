"""Whole fits, as a user runs them: compiling, first looks, validation and the end."""

import gc
import itertools
import statistics
import time

import keras

from kcomponents.callbacks import TrainingDoctor
from overhead import cases, intervals

EPOCHS, AGAIN, DOCTOR = 6, "plain again", "TrainingDoctor()"
# Seconds of a plain fit → bound of the ratio.
BOUNDS = {10: 1.05, 60: 1.03}
# How many seconds later the first epoch may end, and how sure of that a row must be.
LATER, SURE = 0.5, 0.1
# Steps of the first two trials, from which the time of a step is known, and their
# epochs. The second trial grows until its epochs take so many seconds longer.
TRIALS, TRIAL_EPOCHS, DIFFERENCE = (16, 64), 4, 0.5


class Times(keras.callbacks.Callback):
    """Notes when an epoch ends."""

    def on_train_begin(self, logs=None):
        self.ends = []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter())


def fit(case, parts, epochs, callbacks):
    """Return the seconds of a fit of a new model, and of its first epoch.

    A third number is the median of the seconds of the later epochs, or 0.
    """
    (x, y), validation = parts
    times = Times()
    begin = time.perf_counter()
    model = cases.compiled(case, metrics=["accuracy"])
    begin_fit = time.perf_counter()
    model.fit(
        x,
        y,
        batch_size=case.batch,
        epochs=epochs,
        validation_data=validation,
        callbacks=[*callbacks, times],
        verbose=0,
    )
    end = time.perf_counter()
    del model
    gc.collect()
    later = [after - before for before, after in itertools.pairwise(times.ends)]
    return end - begin, times.ends[0] - begin_fit, statistics.median(later or [0.0])


def parts_of(case, steps):
    """Return training and validation data for so many steps of an epoch."""
    return cases.arrays(case, steps), cases.arrays(case, max(1, steps // 5), seed=1)


def plan(case, seconds):
    """Return data and a number of epochs with which a plain fit takes so long."""
    # The first one pays what a process pays once.
    fit(case, parts_of(case, 2), 1, [])
    short, long = TRIALS
    *_, of_short = fit(case, parts_of(case, short), TRIAL_EPOCHS, [])
    while True:
        whole, _, of_long = fit(case, parts_of(case, long), TRIAL_EPOCHS, [])
        if of_long - of_short >= DIFFERENCE or long >= 64 * TRIALS[1]:
            break
        long *= 4
    of_step = max((of_long - of_short) / (long - short), 1e-4)
    # What does not grow with the steps, of all and of each epoch.
    once = whole - TRIAL_EPOCHS * of_long
    of_epoch = max(of_long - long * of_step, 0.0)
    # Longer fits have more epochs and not more data.
    longest = max(BOUNDS) // min(BOUNDS)
    epochs = EPOCHS * longest if seconds > min(BOUNDS) else EPOCHS
    rest = max(seconds - once - epochs * of_epoch, seconds / 2)
    steps = max(1, round(rest / epochs / of_step))
    return parts_of(case, steps), epochs, steps


def rows(name, seconds, pairs, most, progress):
    """Yield the rows of a model: whole fits, and their first epochs.

    Sides take turns until the interval of the ratio is narrow, from `pairs` rounds on
    and for at most `most`.
    """
    case = cases.CASES[name]
    progress(f"{name}: how long its steps are")
    parts, epochs, steps = plan(case, seconds)
    sides = {"plain": list, AGAIN: list, DOCTOR: lambda: [TrainingDoctor()]}
    found = {side: [] for side in sides}
    for done in range(most):
        progress(f"{name}: round {done + 1}, {epochs} epochs of {steps} steps")
        for side, make in sides.items():
            found[side].append(fit(case, parts, epochs, make()))
        if done + 1 >= pairs and intervals.is_narrow(ratios(found, DOCTOR)):
            break
    took = statistics.median(whole for whole, *_ in found["plain"])
    for side in (AGAIN, DOCTOR):
        yield {
            "model": name,
            "what": f"whole fit of {took:.0f} s, {side}",
            "values": ratios(found, side),
            "bound": BOUNDS[seconds] if side == DOCTOR else None,
        }
    pairs = zip(found[DOCTOR], found["plain"], strict=True)
    yield {
        "model": name,
        "what": f"seconds by which the first epoch ends later, {DOCTOR}",
        "values": [ours[1] - plain[1] for ours, plain in pairs],
        "bound": LATER,
        "margin": SURE,
    }


def ratios(found, side):
    """Return the ratios of whole fits of a side to plain ones."""
    pairs = zip(found[side], found["plain"], strict=True)
    return [ours[0] / plain[0] for ours, plain in pairs]
