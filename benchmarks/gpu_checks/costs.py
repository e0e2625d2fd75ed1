"""Costs of monitors, the doctor and early stopping on the GPU: time and memory."""

import functools
import gc
import sys

import keras
import probe_overhead

from gpu_checks.device import accelerator
from gpu_checks.rows import Row, progress
from kcomponents import _backends
from kcomponents.callbacks import (
    EarlyStopping,
    FiniteGuard,
    SaturationMonitor,
    TrainingDoctor,
    UpdateRatioMonitor,
)

Dense, Conv2D = keras.layers.Dense, keras.layers.Conv2D
ROUNDS = 15
# Of what `probe_overhead` has no row for, all of which is on in "everything".
BOUND = 1.05
DENSE, CONVOLUTIONS = "dense net", "conv net"
LEAK_BOUND = 1.02
STOPPING = "EarlyStopping(restore_best_weights=True)"
KEPT = [probe_overhead.AGAIN, probe_overhead.EVERYTHING, STOPPING]
REPEATED_FITS = 5


def dense(widths):
    """Return a function that puts wide layers of ReLU on its inputs."""

    def hidden(x):
        for width in widths:
            x = Dense(width, "relu")(x)
        return x

    return hidden


def convolutions(widths):
    """Return a function that puts blocks of two convolutions on its inputs."""

    def hidden(x):
        for filters in widths:
            for _ in range(2):
                x = Conv2D(filters, 3, padding="same", use_bias=False)(x)
                x = keras.layers.BatchNormalization()(x)
                x = keras.layers.Activation("relu")(x)
            x = keras.layers.MaxPooling2D()(x)
        return keras.layers.GlobalAveragePooling2D()(x)

    return hidden


def cases(trial):
    """Return the nets by name: as large as some that are trained, or small ones."""
    if trial:
        small = {"batch": 16, "steps": 8, "turn": 4}
        return {
            DENSE: probe_overhead.Case(dense([64] * 3), (64,), **small),
            CONVOLUTIONS: probe_overhead.Case(convolutions([8]), (12, 12, 3), **small),
        }
    # One turn is an epoch, since each wait for the device costs.
    large = {"steps": 64, "turn": 64}
    widths, blocks = [4096] * 4, [64, 128, 256]
    return {
        DENSE: probe_overhead.Case(dense(widths), (784,), batch=2048, **large),
        CONVOLUTIONS: probe_overhead.Case(
            convolutions(blocks), (64, 64, 3), batch=128, **large
        ),
    }


def sides(case):
    """Return what is compared with plain `fit`: maker of the callbacks, and bound."""
    known = probe_overhead.rows(case)
    chosen = {name: row for name, row in known.items() if "by hand" not in name}
    others = UpdateRatioMonitor, SaturationMonitor, FiniteGuard
    chosen |= {f"{kind.__name__}()": (lambda k=kind: [k()], BOUND) for kind in others}
    options = {"patience": sys.maxsize, "restore_best_weights": True}
    chosen[STOPPING] = (lambda: [EarlyStopping("loss", **options)], BOUND)
    return chosen


def time_rows(name, trial):
    """Time a net with each callback beside plain `fit`, in turns in one run."""
    case = cases(trial)[name]
    probe_overhead.CASES[name] = case
    chosen = sides(case)
    if trial:
        # To compile all of them would take most of the time of a trial.
        kept = KEPT if name == DENSE else KEPT[:2]
        chosen = {what: chosen[what] for what in kept}
    found = []
    for each in probe_overhead.time_rows(name, chosen, 2 if trial else ROUNDS, 1):
        low, ratio, high = each["quartiles"]
        row = Row(f"{ratio:.3f} ({low:.3f}-{high:.3f})", str(each["bound"] or "-"))
        row.name = f"Time of a {name}: {each['what']}"
        judge(row, not probe_overhead.missed(each), trial)
        found.append(row)
    return found


def judge(row, ok, trial):
    """Say whether a cost is within its bound; on a CPU it is a trial and has none."""
    if trial:
        row.result += ", trial"
    else:
        row.ok = ok


def peak():
    """Return the peak of the memory of the GPU so far in MiB, or of the process."""
    used = _backends.peak_memory()
    return used / 2**20 if used else probe_overhead.peak()


def peak_after(name, make):
    """Fit a new model with callbacks, and return the peak so far."""
    case = probe_overhead.CASES[name]
    batches = probe_overhead.forever(probe_overhead.data(case))
    options = {"steps_per_epoch": case.steps, "epochs": 2, "shuffle": False}
    probe_overhead.compiled(case).fit(batches, callbacks=make(), verbose=0, **options)
    keras.utils.clear_session()
    gc.collect()
    return peak()


def memory_rows(trial):
    """Compare peaks in one process: plain, with callbacks, and after more fits."""
    name = DENSE if trial else CONVOLUTIONS
    case = probe_overhead.CASES[name] = cases(trial)[name]
    everything = sides(case)[probe_overhead.EVERYTHING][0]
    x, y = probe_overhead.data(case)[0]

    def both():
        return [*everything(), TrainingDoctor((x, y))]

    plain = peak_after(name, list)
    watched = peak_after(name, everything)
    advised = peak_after(name, both)
    progress(f"memory: {plain:.0f}, {watched:.0f}, {advised:.0f} MiB")
    more = 1 if trial else REPEATED_FITS
    for _ in range(more):
        again = peak_after(name, both)
    what, bound = f"Memory of a {name}: ", probe_overhead.MEMORY_BOUND
    return [
        ratio_row(f"{what}all monitors", watched, plain, bound, trial),
        ratio_row(f"{what}monitors and doctor", advised, plain, bound, trial),
        ratio_row(f"{what}after more fits", again, advised, LEAK_BOUND, trial),
    ]


def ratio_row(name, used, base, bound, trial):
    """Return the row of a peak over another one."""
    ratio, unit = used / base, "GPU" if accelerator() else "process"
    row = Row(f"{ratio:.3f} of {base:.0f} MiB ({unit})", str(bound), name=name)
    judge(row, ratio <= bound, trial)
    return row


def checks(trial):
    """Return the checks of this part by name."""
    return {
        "Memory": functools.partial(memory_rows, trial),
        f"Time of a {DENSE}": functools.partial(time_rows, DENSE, trial),
        f"Time of a {CONVOLUTIONS}": functools.partial(time_rows, CONVOLUTIONS, trial),
    }
