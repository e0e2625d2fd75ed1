"""Time training with monitors and with the doctor against plain `fit`.

Each row is a ratio, with callbacks over without. Rows of *steady epochs* are of epochs
after the first ones, the reading at their end included. The epochs are short, so a real
one pays less for that reading. The doctor watches as it does in a long run after its
first watched step.

The fits of a model live side by side: on JAX each in a thread of its own, elsewhere the
loop of `fit` by hand, since threads of PyTorch do not run alike. Each compiles once;
then they take turns of a few steps in random order, one at a time, so that the
machine's drift falls on all. All that is repeated with new models, since a fit may run
a few percent faster or slower than its like for as long as it lives. The row "plain
again" is the noise of the run. The column "first" is the ratio of the first epochs, in
which all is traced and compiled; it has no bound.

With --fits 10 60 each row is of *whole fits* as a user runs them, of about so many
seconds: compiling, first looks at the data, validation and the end are in it. A further
row says how many seconds later the first epoch ends. Sides take turns; a round is one
fit of each, and there are rounds until the interval is narrow, or --pairs of them.

The median of the pairs counts. Its 95 % interval, by drawing the pairs anew, must end
at most 0.02 above the bound (0.1 for seconds), and must not be wider than twice that:
else a row says MISSED or "not shown", and the command exits with 1.

    KERAS_BACKEND=jax python benchmarks/probe_overhead.py --pairs 31 --only MLP
    KERAS_BACKEND=jax python benchmarks/probe_overhead.py --fits 10 60
    KERAS_BACKEND=jax python benchmarks/probe_overhead.py --quick   # a few minutes

Rows without a bound are there for scale: the gradient norm computed once more by hand,
on one batch. Cockpit (Schneider et al., 2021, https://arxiv.org/abs/2102.06604), which
hooks into the backward pass of torch, reports 1.02x a step for the gradient norm on a
GPU, and 1.00-1.03x on a CPU.

With --memory each row compares fresh processes that train two epochs with all monitors
and without. "Peak" is the most memory that was ever used: of the GPU where there is
one, else of the process. "In use" is the memory of the process at the end, when the C
library has returned what is free to the system. A compiler frees its memory, but the
system does not get that back by itself, so that it is in the peak. A further row is
without monitors, and with the step compiled once more.
"""

import argparse
import ctypes
import gc
import itertools
import json
import os
import queue
import random
import statistics
import subprocess
import sys
import threading
import time

import keras
import numpy as np
from overhead import fits, intervals
from overhead.cases import CASES, LOSS, Case, compiled, data, forever

from kcomponents._recording import watch_plan
from kcomponents.callbacks import (
    DeadReLUMonitor,
    FiniteGuard,
    GradientNormLogger,
    SaturationMonitor,
    TrainingDoctor,
    UpdateRatioMonitor,
)

PLAIN, AGAIN, EVERYTHING = "plain", "plain again", "everything on"
COMPILED_AGAIN = "the step compiled once more"
DOCTOR = "TrainingDoctor()"
MEMORY_BOUND = 1.02
# Of a steady epoch: for one model, and for the median over all models.
BOUND, BOUND_OF_MEDIAN = 1.05, 1.02
MONITORS = (
    DeadReLUMonitor,
    SaturationMonitor,
    UpdateRatioMonitor,
    FiniteGuard,
)
# The models of --quick, and how many rounds it has, and how often they begin anew.
QUICK, QUICK_ROUNDS = ("tabular MLP", "CNN"), (3, 2)
# So many rounds of whole fits at least and at most, by seconds.
ROUNDS_OF_FITS = {10: (5, 30), 60: (3, 8)}

__all__ = ["AGAIN", "CASES", "EVERYTHING", "Case", "compiled", "data", "forever"]


def tensorflow_norm(model):
    """Return a function of a batch: the norm of the gradient, on TensorFlow."""
    import tensorflow as tf

    @tf.function(jit_compile=model.jit_compile)
    def norm(x, y):
        with tf.GradientTape() as tape:
            loss = LOSS(y, model(x, training=True))
        return tf.linalg.global_norm(tape.gradient(loss, model.trainable_variables))

    return norm


def jax_norm(model):
    """Return a function of a batch: the norm of the gradient, on JAX."""
    import jax

    def loss(trainable, other, x, y):
        return LOSS(y, model.stateless_call(trainable, other, x, training=True)[0])

    @jax.jit
    def norm(*state_and_batch):
        _, gradients = jax.value_and_grad(loss)(*state_and_batch)
        return sum((g**2).sum() for g in gradients) ** 0.5

    def norm_now(x, y):
        sides = (model.trainable_variables, model.non_trainable_variables)
        return norm(*([v.value for v in side] for side in sides), x, y)

    return norm_now


def torch_norm(model):
    """Return a function of a batch: the norm of the gradient, on torch."""
    import torch

    def norm(x, y):
        loss = LOSS(y, model(x, training=True))
        weights = [v.value for v in model.trainable_variables]
        gradients = torch.autograd.grad(loss, weights)
        return torch.stack([g.norm() for g in gradients]).norm().detach()

    return norm


NORMS = {"tensorflow": tensorflow_norm, "jax": jax_norm, "torch": torch_norm}


class NormByHand(keras.callbacks.Callback):
    """Compute the norm of the gradient on one batch, once an epoch or after each step.

    On JAX, asking for `self.model` brings the state of the running epoch into it.
    """

    def __init__(self, case, every_step):
        """Take the batch from the data of the case."""
        super().__init__()
        self.every_step = every_step
        self.batch = data(case)[0]

    def on_train_begin(self, logs=None):
        self.batch = [keras.ops.convert_to_tensor(values) for values in self.batch]
        self.norm = NORMS[keras.backend.backend()](self.model)

    def on_train_batch_end(self, batch, logs=None):
        if self.every_step and self.model:
            float(self.norm(*self.batch))

    def on_epoch_end(self, epoch, logs=None):
        if not self.every_step and self.model:
            float(self.norm(*self.batch))


def rows(case):
    """Return what is compared with plain `fit`: maker of the callbacks, and bound."""

    def norms():
        return [GradientNormLogger(per_variable=True)]

    def everything():
        return [*norms(), *(monitor() for monitor in MONITORS)]

    def doctor():
        # The loop by hand gives it no data to find.
        x, y = (np.concatenate(part) for part in zip(*data(case), strict=True))
        return [TrainingDoctor((x, y))]

    return {
        AGAIN: (list, None),
        "GradientNormLogger(per_variable=True)": (norms, BOUND),
        **{f"{m.__name__}()": (lambda m=m: [m()], BOUND) for m in MONITORS},
        EVERYTHING: (everything, BOUND),
        DOCTOR: (doctor, BOUND),
        "norm by hand, once an epoch": (lambda: [NormByHand(case, False)], None),
        "norm by hand, each step": (lambda: [NormByHand(case, True)], None),
    }


class LiveFit(keras.callbacks.Callback):
    """A `fit` in a thread that waits every few steps until it is asked to go on.

    It is the last of the callbacks and times from a request to the next wait, so that
    all they do counts. The last turn of an epoch takes in the epoch's end.
    """

    def __init__(self, case, batches, callbacks):
        """Build the model; training starts with the first turn."""
        super().__init__()
        self.requests, self.answers = queue.SimpleQueue(), queue.SimpleQueue()
        self.ends = range(case.turn, case.steps, case.turn)
        # One endless iterator: TensorFlow takes up to a second to start another.
        options = {"steps_per_epoch": case.steps, "shuffle": False, "verbose": 0}
        options |= {"epochs": sys.maxsize, "callbacks": [*callbacks, self]}
        work = (compiled(case), forever(batches), options)
        self.thread = threading.Thread(target=self.run, args=work, daemon=True)
        self.thread.start()

    def run(self, model, batches, options):
        try:
            if self.wait():
                model.fit(batches, **options)
        except Exception as error:
            self.answers.put(error)

    def wait(self):
        asked = self.requests.get()
        self.begin = time.perf_counter()
        return asked

    def answer(self, value):
        # Steps may still be under way on the device: a value waits for the last.
        keras.ops.convert_to_numpy(value)
        self.answers.put(time.perf_counter() - self.begin)
        return self.wait()

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 in self.ends:
            asked = self.answer(logs["loss"])
            if not asked:
                self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        asked = self.answer(self.model.trainable_variables[-1])
        self.model.stop_training = not asked

    def turn(self):
        """Train until the next wait and return the seconds."""
        self.requests.put(True)
        answer = self.answers.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        """End the fit, at once or, within an epoch, at two waits."""
        self.requests.put(False)
        self.requests.put(False)
        self.thread.join()


class LiveLoop:
    """The loop of `fit` by hand, where a step keeps its state in the model."""

    def __init__(self, case, batches, callbacks):
        """Build the model; training starts with the first turn."""
        self.ends = range(case.turn, case.steps, case.turn)
        self.work = self.train(case, compiled(case), batches, callbacks)

    def train(self, case, model, batches, callbacks):
        """Train for ever, and pause where a turn ends."""
        data = endless(batches)
        model.make_train_function()
        options = {"epochs": sys.maxsize, "steps": case.steps, "verbose": 0}
        hooks = keras.callbacks.CallbackList(callbacks, model=model, **options)
        hooks.on_train_begin()
        for epoch in itertools.count():
            model.reset_metrics()
            hooks.on_epoch_begin(epoch)
            for step in range(case.steps):
                hooks.on_train_batch_begin(step)
                logs = model.train_function(next(data))
                hooks.on_train_batch_end(step, logs)
                if step + 1 in self.ends:
                    keras.ops.convert_to_numpy(logs["loss"])
                    yield
            hooks.on_epoch_end(epoch, model.get_metrics_result())
            keras.ops.convert_to_numpy(model.trainable_variables[-1])
            yield

    def turn(self):
        """Train until the next pause and return the seconds."""
        begin = time.perf_counter()
        next(self.work)
        return time.perf_counter() - begin

    def close(self):
        """End the fit."""
        self.work.close()


def endless(batches):
    """Yield what the train function of this backend takes."""
    if keras.backend.backend() == "torch":
        import torch

        tensors = [[tuple(map(torch.as_tensor, batch))] for batch in batches]
        yield from itertools.cycle(tensors)
    import tensorflow as tf

    x, y = (np.concatenate(part) for part in zip(*batches, strict=True))
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(len(batches[0][0]))
    iterator = iter(dataset.cache().repeat().prefetch(2))
    yield from itertools.repeat(iterator)


def progress(message):
    """Say where the run is, apart from the table."""
    print(message, file=sys.stderr, flush=True)


def one_epoch(fits, order):
    """Return the seconds that an epoch of each fit takes, all of them in turns."""
    took = dict.fromkeys(fits, 0.0)
    for _ in range(len(next(iter(fits.values())).ends) + 1):
        for name in order(fits):
            took[name] += fits[name].turn()
    return took


def epoch_seconds(name, sides, rounds, seed):
    """Return the seconds of the epochs of each side, the first of which compiled."""
    case = CASES[name]
    batches, chance = data(case), random.Random(seed)
    live = LiveFit if keras.backend.backend() == "jax" else LiveLoop

    def shuffled(fits):
        return chance.sample(list(fits), len(fits))

    # The first one pays what a process pays once.
    first = live(case, batches, [])
    first.turn()
    first.close()
    # In another order each time, as the place in memory may matter.
    fits = {side: live(case, batches, sides[side]()) for side in shuffled(sides)}
    try:
        progress(f"{name}: compiling {len(fits)} fits")
        epochs = [one_epoch(fits, list)]
        # One epoch more to warm up, then no walks through the objects of other models.
        one_epoch(fits, shuffled)
        gc.collect()
        gc.freeze()
        for done in range(rounds):
            progress(f"{name}: round {done + 1} of {rounds}")
            epochs.append(one_epoch(fits, shuffled))
    finally:
        for fit in fits.values():
            fit.close()
        gc.unfreeze()
    return {name: [epoch[name] for epoch in epochs] for name in fits}


def time_rows(name, chosen, pairs, repeats):
    """Yield a row for each side of a model."""
    sides = {PLAIN: list} | {what: make for what, (make, _) in chosen.items()}
    runs = [epoch_seconds(name, sides, pairs, seed) for seed in range(repeats)]
    for what, (_, bound) in chosen.items():
        both = [(run[what], run[PLAIN]) for run in runs]
        pairs = [pair for run in both for pair in list(zip(*run, strict=True))[1:]]
        yield {
            "model": name,
            "what": what,
            "quartiles": statistics.quantiles([a / b for a, b in pairs], n=4),
            "values": [a / b for a, b in pairs],
            "bound": bound,
            "first": statistics.median(ours[0] / plain[0] for ours, plain in both),
        }


def peak():
    """Return the most memory used so far, in MiB: of the GPU if any, else all."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        used = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    elif backend == "torch":
        import torch

        used = torch.cuda.is_available() and torch.cuda.max_memory_allocated()
    else:
        import tensorflow as tf

        gpu = tf.config.list_physical_devices("GPU")
        used = gpu and tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return used / 2**20 if used else resident("VmHWM")


def resident(name):
    """Return the memory of this process in MiB: "VmHWM" at most so far, "VmRSS" now."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(name))
    return int(line.split()[1]) / 1024


def in_use():
    """Return the memory of this process that something uses, in MiB."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident("VmRSS")


class CompileAgain(keras.callbacks.Callback):
    """Lets the step be compiled once more, for the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            self.model.make_train_function(force=True)


def memory_of_fit(name, side):
    """Train two epochs; return the peak of this process, and what is in use then."""
    case = CASES[name]
    callbacks = {PLAIN: list, COMPILED_AGAIN: lambda: [CompileAgain()]}
    make = callbacks[side] if side in callbacks else rows(case)[side][0]
    callbacks = make()
    options = {"steps_per_epoch": case.steps, "epochs": 2, "shuffle": False}
    batches = forever(data(case))
    # Kept, so that it is in use at the end.
    model = compiled(case)
    model.fit(batches, callbacks=callbacks, verbose=0, **options)
    return peak(), in_use()


def memory_rows(name, pairs):
    """Yield the rows of a model: memory of fresh processes, in turn."""
    found = {PLAIN: [], EVERYTHING: [], COMPILED_AGAIN: []}
    for done in range(pairs):
        progress(f"{name}: processes {done + 1} of {pairs}")
        for side, memory in found.items():
            command = [sys.executable, __file__, "--memory-of", name, side]
            answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            memory.append([float(number) for number in answer.stdout.split()[-2:]])
    for place, kind in enumerate(("peak", "in use")):
        plain = [memory[place] for memory in found[PLAIN]]
        for side, bound in ((EVERYTHING, MEMORY_BOUND), (COMPILED_AGAIN, None)):
            ours = [memory[place] for memory in found[side]]
            yield {
                "model": name,
                "what": f"{kind}, {side}",
                "values": [a / b for a, b in zip(ours, plain, strict=True)],
                "bound": bound,
            }


def text(row):
    """Return a row of the table."""
    low, high = intervals.interval(row["values"])
    ratio = statistics.median(row["values"])
    first = f"{row['first']:.2f}" if "first" in row else ""
    head = f"{ratio:>6.3f}{low:>8.3f}-{high:.3f}{row['bound'] or '-':>6}{first:>7}"
    return f"{head:<35}{shown(row):<10}{row['model']:<12} {row['what']}"


def shown(row):
    """Return "", "not shown" or "MISSED"."""
    margin = row.get("margin", intervals.MARGIN)
    return intervals.verdict(row["values"], row["bound"], margin)


def missed(row):
    """Return whether the bound of a row does not hold, or is not shown to hold."""
    return bool(shown(row))


def median_rows(rows):
    """Yield for each callback the row of the medians over all models."""
    found = {}
    for row in rows:
        if row["bound"] == BOUND and "first" in row:
            median = statistics.median(row["values"])
            found.setdefault(row["what"], []).append(median)
    for what, medians in found.items():
        if len(medians) > 1:
            # One number, which has no interval.
            yield {
                "model": "median",
                "what": what,
                "values": [statistics.median(medians)],
                "bound": BOUND_OF_MEDIAN,
            }


def results(args):
    """Yield the rows asked for."""
    steady = []
    for name, case in CASES.items():
        wanted = args.only.lower()
        if args.quick and name not in QUICK:
            continue
        for seconds in args.fits:
            if wanted in name.lower():
                least, most = ROUNDS_OF_FITS[seconds]
                most = args.pairs or most
                yield from fits.rows(name, seconds, min(least, most), most, progress)
        if args.fits:
            continue
        chosen = rows(case).items()
        if args.quick:
            chosen = [
                (what, row) for what, row in chosen if what in (EVERYTHING, DOCTOR)
            ]
        chosen = {w: row for w, row in chosen if wanted in f"{name}, {w}".lower()}
        if chosen:
            chosen = {AGAIN: rows(case)[AGAIN], **chosen}
        if args.memory and EVERYTHING in chosen:
            yield from memory_rows(name, args.pairs or 5)
        elif chosen and not args.memory:
            pairs, repeats = QUICK_ROUNDS if args.quick else (5, 3)
            options = args.pairs or pairs, args.repeats or repeats
            for row in time_rows(name, chosen, *options):
                steady.append(row)
                yield row
    yield from median_rows(steady)


def main(argv=None):
    """Print the table of ratios; return 1 if one is beyond its bound."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--pairs", type=int, help="rounds: of epochs, of processes (5), of fits at most"
    )
    add("--repeats", type=int, help="how often to begin with new models (3)")
    add("--only", default="", help='part of "model, what", such as "MLP, everything"')
    add("--json", action="store_true", help="print one line per row")
    add("--memory", action="store_true", help="compare peaks of memory, not times")
    seconds = {"nargs": "+", "type": int, "choices": [*fits.BOUNDS], "default": []}
    add("--fits", **seconds, help="time whole fits of about so many seconds")
    add("--quick", action="store_true", help="two models, and few callbacks")
    add("--turn", type=int, help="steps of a turn; 1000 if a wait costs, as on a GPU")
    add("--memory-of", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.memory_of:
        print(*memory_of_fit(*args.memory_of))
        return 0
    for case in CASES.values():
        case.turn = args.turn or case.turn
    if not args.fits:
        # The epochs are those of a long run in which watching has begun.
        watch_plan.REPAID = watch_plan.SHORT = 0
    backend = keras.backend.backend()
    if not args.json:
        print(f"Keras {keras.version()} on {backend}, {os.cpu_count()} cores")
        first = "" if args.memory or args.fits else "first"
        head = f"{'ratio':>6}{'95 %':>14}{'bound':>6}{first:>7}"
        print(f"{head:<45}with / without")
    beyond = False
    for row in results(args):
        beyond |= missed(row)
        print(json.dumps({"backend": backend, **row}) if args.json else text(row))
        sys.stdout.flush()
    return int(beyond)


if __name__ == "__main__":
    sys.exit(main())
