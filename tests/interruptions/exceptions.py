"""End trainings by exceptions at random places, and compare what is left of the model.

Each training has callbacks of kcomponents, and ends at a random place of `fit` by an
exception or Ctrl-C. Afterwards the model must have the weights, the optimizer and the
random state of the last finished step of a plain training, and nothing else must be
left: no methods, attributes or variables, no signal handler.

    KERAS_BACKEND=jax python -m tests.interruptions.exceptions --count 24

Prints one line per training, and exits with 1 if one of them fails.
"""

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import warnings

import keras
import numpy as np

from kcomponents import callbacks as ours
from kcomponents._keras import global_seeds

EPOCHS, STEPS, SIZE = 3, 4, 4
x = np.random.default_rng(0).normal(size=(STEPS * SIZE, 4)).astype("float32")
y = x[:, :1]


class Boom(Exception):
    """The exception that ends a training."""


class Trap(keras.layers.Layer):
    """A layer that calls `spring` whenever it is called in training."""

    spring = None

    def call(self, inputs, training=False):
        if training and Trap.spring is not None:
            Trap.spring()
        return inputs


class TrapLoss(keras.losses.MeanSquaredError):
    """A loss that calls `spring` whenever it is computed."""

    spring = None

    def call(self, y_true, y_pred):
        if TrapLoss.spring is not None:
            TrapLoss.spring()
        return super().call(y_true, y_pred)


class TrapMetric(keras.metrics.MeanAbsoluteError):
    """A metric that calls `spring` when its result is read."""

    spring = None

    def result(self):
        if TrapMetric.spring is not None:
            TrapMetric.spring()
        return super().result()


def make_model(kind, **options):
    """Return a compiled model with all that a step changes."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, "relu")(inputs)
    hidden = keras.layers.BatchNormalization()(hidden)
    hidden = keras.layers.Dropout(0.2, seed=1)(hidden)
    outputs = keras.layers.Dense(1)(Trap()(hidden))
    model = keras.Model(inputs, outputs)
    optimizers = {
        "adam": lambda: keras.optimizers.Adam(0.01),
        "accumulation": lambda: keras.optimizers.SGD(
            0.01, momentum=0.9, gradient_accumulation_steps=2
        ),
        "scaling": lambda: keras.optimizers.LossScaleOptimizer(
            keras.optimizers.Adam(0.01), 8.0
        ),
    }
    metrics = [TrapMetric(name="error")]
    model.compile(optimizers[kind](), TrapLoss(), metrics=metrics, **options)
    return model


def state(model):
    """Return all that a step changes, without the metrics."""
    left_out = {id(variable) for variable in model.metrics_variables}
    variables = [v for v in model.variables if id(v) not in left_out]
    seeds = global_seeds()
    variables += [] if seeds is None else [seeds]
    of_optimizer = model.optimizer.variables if model.optimizer.built else []
    return [
        [keras.ops.convert_to_numpy(v) for v in part]
        for part in (variables, of_optimizer)
    ]


class States(keras.callbacks.Callback):
    """Collects the state after each step."""

    def on_train_begin(self, logs=None):
        self.states = [state(self.model)]

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        self.states.append(state(self.model))


class Hook(keras.callbacks.Callback):
    """Calls a function at the n-th call of a hook."""

    def __init__(self, hook, count, function):
        super().__init__()
        self.left, self.function = count, function
        setattr(self, hook, self.call)

    def call(self, *args, **kwargs):
        self.left -= 1
        if self.left == 0:
            self.function()


class Batches(keras.utils.PyDataset):
    """The data in order, which calls a function at the n-th batch."""

    def __init__(self, count=0, function=None):
        super().__init__()
        self.left, self.function = count, function

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        self.left -= 1
        if self.left == 0:
            self.function()
        rows = slice(index * SIZE, (index + 1) * SIZE)
        return x[rows], y[rows]


def counted(count, function):
    """Return a function that calls another one at its n-th call."""
    left = [count]

    def spring():
        left[0] -= 1
        if left[0] == 0:
            function()

    return spring


def raise_boom():
    raise Boom


def raise_interrupt():
    raise KeyboardInterrupt


def raise_stop():
    raise StopIteration


def press_ctrl_c():
    # To this thread, so that it arrives at once.
    signal.raise_signal(signal.SIGINT)


ENDS = {
    "exception": raise_boom,
    "KeyboardInterrupt": raise_interrupt,
    "StopIteration": raise_stop,
    "Ctrl-C": press_ctrl_c,
}
HOOKS = (
    "on_train_begin",
    "on_epoch_begin",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_epoch_end",
    "on_test_begin",
    "on_test_batch_end",
    "on_test_end",
    "on_train_end",
)
PLACES = (*HOOKS, "layer", "loss", "metric", "data", "validation data", "shape")


def callbacks_of(names, folder):
    """Return new callbacks of kcomponents."""
    makers = {
        "EarlyStopping": lambda: ours.EarlyStopping(
            "loss", patience=9, restore_best_weights=True
        ),
        "Resume": lambda: ours.Resume(folder, save_freq=3),
        "GradientNormLogger": ours.GradientNormLogger,
        "UpdateRatioMonitor": lambda: ours.UpdateRatioMonitor(every=2),
        "DeadReLUMonitor": ours.DeadReLUMonitor,
        "FiniteGuard": ours.FiniteGuard,
        "TrainingDoctor": ours.TrainingDoctor,
    }
    return [makers[name]() for name in names]


CALLBACKS = (
    "EarlyStopping",
    "Resume",
    "GradientNormLogger",
    "UpdateRatioMonitor",
    "DeadReLUMonitor",
    "FiniteGuard",
    "TrainingDoctor",
)


def draw_case(generator):
    """Return a random case, as a dict of plain values."""
    place = generator.choice(PLACES)
    end = generator.choice(list(ENDS))
    if place == "shape":
        end = "exception"
    names = generator.sample(CALLBACKS, generator.choice([1, 1, 2, 7]))
    return {
        "place": place,
        "end": end,
        "count": generator.randint(1, 3 if place in HOOKS else 2 * STEPS),
        "callbacks": sorted(names, key=lambda name: generator.random()),
        "optimizer": generator.choice(["adam", "adam", "accumulation", "scaling"]),
        "run_eagerly": generator.random() < 0.3,
        "second_fit": generator.random() < 0.4,
        "keeps_traceback": generator.random() < 0.5,
        "trap_first": generator.random() < 0.5,
    }


def fit(model, data, validation, callbacks):
    """Train as all cases do."""
    model.fit(
        data,
        epochs=EPOCHS,
        validation_data=validation,
        verbose=0,
        callbacks=callbacks,
    )


def reference(case):
    """Return the states after each step of a plain training, and the model."""
    model = make_model(case["optimizer"], run_eagerly=case["run_eagerly"])
    if case["second_fit"]:
        fit(model, Batches(), Batches(), [])
    states = States()
    fit(model, Batches(), Batches(), [states])
    return states.states, model


def interrupted(case, folder):
    """Return a model after its training was ended, the exception, and its callbacks."""
    model = make_model(case["optimizer"], run_eagerly=case["run_eagerly"])
    if case["second_fit"]:
        fit(model, Batches(), Batches(), [])
    place, function = case["place"], ENDS[case["end"]]
    spring = counted(case["count"], function)
    data, validation, traps = Batches(), Batches(), []
    if place in HOOKS:
        traps = [Hook(place, case["count"], function)]
    elif place == "data":
        data = Batches(case["count"], function)
    elif place == "validation data":
        validation = Batches(case["count"], function)
    elif place == "shape":
        data = (x, np.zeros((len(x), 3, 2), "float32"))
    callbacks = callbacks_of(case["callbacks"], folder)
    callbacks = traps + callbacks if case["trap_first"] else callbacks + traps
    error = None
    try:
        Trap.spring = spring if place == "layer" else None
        TrapLoss.spring = spring if place == "loss" else None
        TrapMetric.spring = spring if place == "metric" else None
        if place == "shape":
            model.fit(*data, epochs=1, batch_size=SIZE, verbose=0, callbacks=callbacks)
        else:
            fit(model, data, validation, callbacks)
    except BaseException as raised:
        error = raised if case["keeps_traceback"] else type(raised).__name__
    finally:
        Trap.spring = TrapLoss.spring = TrapMetric.spring = None
    return model, error, callbacks


def own_names(thing):
    """Return the names of functions that stand on an object, and odd attributes."""
    return {name for name, value in vars(thing).items() if callable(value)}


def leftovers(model, plain, handler):
    """Return a list of what is left on a model that a plain one lacks."""
    found = []
    things = [model, model.optimizer, *model.layers, *model.metrics]
    others = [plain, plain.optimizer, *plain.layers, *plain.metrics]
    if case_inner := getattr(model.optimizer, "inner_optimizer", None):
        things.append(case_inner)
        others.append(plain.optimizer.inner_optimizer)
    for thing, other in zip(things, others, strict=True):
        new = vars(thing).keys() - vars(other).keys() - MAY_DIFFER
        new |= own_names(thing) - own_names(other)
        new |= {
            name
            for name in vars(thing).keys() & vars(other).keys()
            if type(vars(thing)[name]) is not type(vars(other)[name])
            and name not in MAY_DIFFER
            and getattr(thing, "built", True)
        }
        found += [f"{type(thing).__name__}.{name}" for name in sorted(new)]
    for name in ("train_function", "test_function"):
        function = getattr(model, name)
        module = getattr(function, "__module__", None) or ""
        wrapped = hasattr(function, "__wrapped__") and "kcomponents" in str(
            getattr(function, "__code__", "")
        )
        if module.startswith("kcomponents") or wrapped:
            found.append(name)
    if len(model.variables) != len(plain.variables):
        found.append("variables of the model")
    count = len(plain.optimizer.variables)
    if model.optimizer.built and len(model.optimizer.variables) != count:
        found.append("variables of the optimizer")
    if signal.getsignal(signal.SIGINT) is not handler:
        found.append("signal handler")
    return found


# Whether a function was compiled, or a run was finished, when the training ended.
MAY_DIFFER = {
    "train_function",
    "test_function",
    "_jax_state",
    "history",
    "_eval_epoch_iterator",
    "_initial_epoch",
}


def failures(case):
    """Return a list of what is wrong after a training that was ended."""
    states, plain = reference(case)
    handler = signal.getsignal(signal.SIGINT)
    with tempfile.TemporaryDirectory() as folder:
        model, error, callbacks = interrupted(case, folder)
    try:
        now = state(model)
    except Exception as lost:
        return [f"the weights are lost: {type(lost).__name__}: {lost}"]
    found = leftovers(model, plain, handler)
    # An epoch that `StopIteration` ends has other steps than a plain one.
    if case["end"] != "StopIteration" and case["place"] != "shape":
        steps = len(states) - 1
        equal = [i for i in range(steps + 1) if _equal(now, states[i])]
        if not equal:
            found.append("the state is not that of a finished step")
        elif error is None and equal[-1] != steps:
            found.append(f"the training ended after step {equal[-1]} of {steps}")
        found += _wrong_step(case, equal, error)
    if error is None and not case["end"] == "StopIteration" and _must_raise(case):
        found.append("the exception was lost")
    with contextlib.suppress(AttributeError):
        del callbacks
    fit(model, Batches(), Batches(), [])
    return found


def _must_raise(case):
    """Return whether the place is reached in every training."""
    once = {"on_train_begin", "on_train_end"}
    traced = {"layer", "loss", "metric"}
    if case["place"] == "metric" and case["end"] == "KeyboardInterrupt":
        # Keras swallows it while it builds the metrics.
        return False
    return case["count"] == 1 or case["place"] not in once | traced


def _wrong_step(case, equal, error):
    """Return what is wrong with the number of finished steps, where it is known."""
    expected = {
        "on_train_batch_end": case["count"],
        "on_train_batch_begin": case["count"] - 1,
        "on_epoch_begin": (case["count"] - 1) * STEPS,
        "on_epoch_end": case["count"] * STEPS,
        "on_test_begin": case["count"] * STEPS,
        "on_train_begin": 0,
    }.get(case["place"])
    if error is None or expected is None or not equal or expected in equal:
        return []
    return [f"the state is that of step {equal}, not {expected}"]


def _equal(a, b):
    """Compare two states; an optimizer that is not built yet is equal to any other."""
    return all(
        np.allclose(p, q, rtol=1e-5, atol=1e-6)
        for mine, other in zip(a, b, strict=True)
        if mine and other
        for p, q in zip(mine, other, strict=True)
    )


def main():
    """Run the cases that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=24, help="number of trainings")
    parser.add_argument("--seed", type=int, default=0, help="seed of the cases")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    # A process in the background may ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    generator, wrong = random.Random(arguments.seed), 0
    for number in range(arguments.count):
        case = draw_case(generator)
        found = failures(case)
        wrong += bool(found)
        print(f"{number:3} {'; '.join(found) or 'whole':8} {case}", flush=True)
    print(f"{wrong} of {arguments.count} trainings left something behind.")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
