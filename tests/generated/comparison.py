"""Run a program with and without our callbacks, and list all differences."""

import contextlib
import logging
import tempfile
import warnings

import keras
import numpy as np

from kcomponents import _backends, _keras
from tests.generated import programs, snapshot

BACKEND = programs.BACKEND
# Of one program that is compiled twice; equal to the bit where nothing is compiled.
COMPILED = 1e-6
# Which intermediate results are rounded is up to the compiler.
ROUNDED = 5e-2


class Keeper(keras.callbacks.Callback):
    """Keeps the values after the last step, which Keras loses in a step that fails."""

    def on_train_begin(self, logs=None):
        self.keep()

    def on_train_batch_end(self, batch, logs=None):
        self.keep()

    def on_epoch_end(self, epoch, logs=None):
        # Validation has drawn random numbers.
        self.keep()

    def keep(self):
        if BACKEND == "jax":
            self.model.jax_state_sync()
        variables = [*self.model.variables, *self.model.optimizer.variables]
        self.values = [(variable, np.array(variable.numpy())) for variable in variables]
        self.random_state = _backends.random_state()

    def restore(self):
        for variable, value in self.values:
            variable.assign(value)
        _backends.set_random_state(self.random_state)


def differences(case):
    """Return a line for each difference that our callbacks make in a program."""
    with quiet():
        # Keras changes a subclass of `Model` at its first instance.
        programs.model_of(case)
        plain, ours = trained(case, False), trained(case, True)
    found = list(ours.pop("left over"))
    plain.pop("left over")
    exact = BACKEND == "torch" or case["eager"]
    low = case["policy"] in programs.LOW_PRECISION
    tolerance = 0 if exact else ROUNDED if low else COMPILED
    for name, expected in plain.items():
        found += [
            f"{name}: {line}" for line in compare(expected, ours[name], tolerance)
        ]
    return found


@contextlib.contextmanager
def quiet():
    """Silence warnings and the package's log, and restore the policy of Keras."""
    logger = logging.getLogger("kcomponents")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


def trained(case, with_ours):
    """Train a program; return by name what is compared."""
    model = programs.model_of(case)
    with tempfile.TemporaryDirectory(prefix="generated-") as folder:
        given = programs.callbacks_of(case, folder) if with_ours else []
        # With our callbacks, a model has the state of the last finished step. Plain
        # Keras loses it on JAX, and elsewhere keeps a part of the step that failed.
        loses = case["fault"] == "layer" or (BACKEND == "jax" and bool(case["fault"]))
        loses |= case["fault"] == "data" and case["steps_per_execution"] == 1
        keeper = Keeper() if loses and not with_ours else None
        found, kept = {"left over": []}, []
        things = [model, model.optimizer, *model.layers]
        classes = snapshot.classes_of(*things)
        for number in range(case["fits"]):
            keras.utils.set_random_seed(case["seed"] + 1)
            name = f"fit {number + 1}"
            found |= _fit(case, model, given, keeper, name, kept)
        found["random numbers"] = snapshot.next_random_numbers()
        if with_ours:
            found["left over"] += _changed_classes(things, classes)
        found["values"] = snapshot.values_of(model)
        metrics = model.metrics
        things = [*model.layers, model.optimizer, *metrics, model]
        found["attributes"] = snapshot.attributes_of(*things)
        found["files"] = snapshot.files_of(model, folder)
        copied = keras.models.clone_model(model)
        found["clone"] = [tuple(variable.shape) for variable in copied.variables]
        if BACKEND == "jax" and case["ema"]:
            # Keras leaves averages and weights in one buffer, with which no `fit`
            # begins.
            return found
        found |= _fit({**case, "fault": None}, model, [], None, "fit afterwards", [])
        found["values afterwards"] = snapshot.values_of(model)
        return found


def _fit(case, model, given, keeper, name, kept):
    """Call `fit`; return its history, or its exception, by name."""
    options = programs.data_of(case)
    faults = programs.faults_of(case)
    callbacks = [*([keeper] if keeper else []), *given, *faults]
    before = list(callbacks)
    if case["fault"] == "layer":
        programs.Breaking.calls_left = 2 if model.run_eagerly or _eager() else 1
    found = {}
    try:
        history = model.fit(callbacks=callbacks, **options).history
        found[f"{name}, history"] = {k: np.array(v) for k, v in history.items()}
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        # Messages of TensorFlow quote the traceback, which differs.
        found[f"{name}, exception"] = type(error).__name__
        if case["fault"] == "train_begin":
            # Monitors build the optimizer before the first step, as TensorFlow in it.
            _keras.build_optimizer(model)
        if case["kept"]:
            kept.append(error)
        if keeper is not None:
            keeper.restore()
    finally:
        programs.Breaking.calls_left = None
    same = len(before) == len(callbacks)
    found[f"{name}, list of callbacks"] = "the same" if same else "another"
    return found


def _eager():
    return BACKEND == "torch"


def _changed_classes(things, before):
    after = snapshot.classes_of(*things)
    return [
        f"the class {kind.__name__} has another {name}"
        for kind, members in before.items()
        for name in members.keys() | after[kind].keys()
        if members.get(name) is not after[kind].get(name)
        and not name.startswith(("_abc_", "__abstract"))
    ]


def compare(expected, found, tolerance):
    """Return a line for each difference between two results."""
    if isinstance(expected, dict):
        return _compare_dicts(expected, found, tolerance)
    if isinstance(expected, np.ndarray):
        return _compare_arrays(expected, found, tolerance)
    if isinstance(expected, list) and expected and isinstance(expected[0], tuple):
        if isinstance(expected[0][-1], np.ndarray):
            names = [name for name, _ in expected], [name for name, _ in found]
            if names[0] != names[1]:
                return _compare_lines(*names)
            pairs = zip(expected, found, strict=True)
            return [
                f"{name}: {line}"
                for (name, a), (_, b) in pairs
                for line in compare(a, b, tolerance)
            ]
    if isinstance(expected, list):
        return _compare_lines(expected, found)
    return [] if expected == found else [f"{expected!r} is now {found!r}"]


def _compare_dicts(expected, found, tolerance):
    lines = []
    for name, value in expected.items():
        if name not in found:
            lines.append(f"{name} is missing")
        else:
            pairs = compare(value, found[name], tolerance)
            lines += [f"{name}: {line}" for line in pairs]
    return lines


def _compare_lines(expected, found):
    before, after = set(map(str, expected)), set(map(str, found))
    lines = [f"without: {line}" for line in map(str, expected) if line not in after]
    lines += [f"with: {line}" for line in map(str, found) if line not in before]
    if not lines and list(expected) != list(found):
        lines.append("the order is another one")
    return lines[:20]


def _compare_arrays(expected, found, tolerance):
    if expected.shape != found.shape or expected.dtype != found.dtype:
        kinds = (expected.shape, expected.dtype), (found.shape, found.dtype)
        return ["{} {} is now {} {}".format(*kinds[0], *kinds[1])]
    if expected.dtype.kind not in "fV":
        return [] if np.array_equal(expected, found) else ["differs"]
    a, b = expected.astype("float64"), found.astype("float64")
    with np.errstate(invalid="ignore"):
        gap = np.abs(a - b) - tolerance * np.maximum(1, np.abs(a))
    wrong = (gap > 0) | (np.isnan(a) != np.isnan(b))
    return [f"differs by {np.nanmax(np.abs(a - b)):.2g}"] if wrong.any() else []
