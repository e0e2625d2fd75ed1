"""Sound programs whose parts a fault can change one by one.

A program is a subclass of `Program` in a module of `sound` or `sealed`. It gives its
data as arrays and its settings as values, and builds and trains a model from both, so
that a fault is a change of the data or of the settings.
"""

import copy
import dataclasses
import importlib
import pkgutil
from typing import Any

import keras
import numpy as np

HALVES = "sound", "sealed"
PROGRAMS: dict[tuple[str, str], type["Program"]] = {}


@dataclasses.dataclass
class Part:
    """Rows of data: inputs and targets by name, and a weight for each row or None.

    Attributes:
        x: Dict of input name to array.
        y: Dict of target name to array; empty for a program that needs no targets.
        weights: Array with a weight for each row (and step), or None.
    """

    x: dict[str, np.ndarray]
    y: dict[str, np.ndarray]
    weights: np.ndarray | None = None

    def __len__(self):
        return len(next(iter(self.x.values())))

    def rows(self, chosen):
        """Return a part with these rows."""
        weights = None if self.weights is None else self.weights[chosen]
        x, y = ({k: v[chosen] for k, v in d.items()} for d in (self.x, self.y))
        return Part(x, y, weights)


@dataclasses.dataclass
class Data:
    """Rows to train on, to validate with (or None), and to score the model with."""

    train: Part
    validation: Part | None
    test: Part


@dataclasses.dataclass
class Settings:
    """What a program sets besides its data.

    None means that a program has no such thing, or what Keras does by itself: its
    initializers, no clipping, no weights of classes.

    Attributes:
        rate: Learning rate of all optimizers.
        epochs: Number of epochs.
        batch_size: Samples in a batch.
        shuffle: Whether `fit` shuffles the rows in each epoch.
        loss: Name of the loss of `compile`, or a dict of them by output; None if the
            program computes its loss itself.
        activation: Activation of the hidden layers.
        output_activation: Activation of the output, `"linear"` for logits or numbers.
        from_logits: Whether the loss takes logits.
        kernel_initializer: Initializer of the hidden kernels.
        dropout: Rate of the dropout layers.
        penalty: Factor of an L2 penalty of the hidden kernels.
        noise: Standard deviation of noise that is added to the inputs in training, as
            an augmentation.
        flip: Whether pictures are flipped at random in training, as an augmentation.
        scale: What inputs of numbers, pictures and series are multiplied by before the
            model sees them, as `1 / 255`; `run` does that.
        frozen: Names of layers that are not trained.
        mask: Whether padding is masked.
        vocabulary: Number of ids of the embedding.
        batch_normalization: Momentum of the moving averages.
        dtype: Dtype policy of the model.
        clipnorm: Threshold of the gradient norm.
        class_weight: Dict of class to weight, passed to `fit`.
        axis: Axis of an operation that a program could take over the wrong one.
        extra: Settings that only this program has, by name.
    """

    rate: float
    epochs: int
    batch_size: int
    shuffle: bool = True
    loss: Any = None
    activation: str | None = None
    output_activation: str | None = None
    from_logits: bool | None = None
    kernel_initializer: Any = None
    dropout: float | None = None
    penalty: float | None = None
    noise: float | None = None
    flip: bool | None = None
    scale: float | None = None
    frozen: tuple[str, ...] | None = None
    mask: bool | None = None
    vocabulary: int | None = None
    batch_normalization: float | None = None
    dtype: str = "float32"
    clipnorm: float | None = None
    class_weight: dict[int, float] | None = None
    axis: int | None = None
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)


class Program:
    """A sound program. A subclass sets the attributes and defines three methods.

    Attributes:
        kind: Kind of program in a few words, as "segmentation".
        metric: Metric that the user of such a program looks at, in words. The score is
            1 for a perfect model and near 0 for one that has learned nothing.
        good: Lowest score of a run that went well.
        inputs: Dict of input name to what it holds: `"numbers"` (columns of a table),
            `"picture"`, `"ids"` (one embedding per id), `"series"`, `"graph"` or
            `"other"`.
        targets: Dict of target name to what it holds: `"class"` (integer ids), `"one
            hot"`, `"binary"`, `"numbers"`, `"mask"` (a class for each pixel), `"tags"`
            (a class for each step), `"picture"`, or `"other"`.
        padding: Id of padding in inputs, or None.
        backends: Backends on which the program runs.
        settings: `Settings` of the program as it is.
    """

    kind: str
    metric: str
    good: float
    inputs: dict[str, str]
    targets: dict[str, str] = {}
    padding: int | None = None
    backends: tuple[str, ...] = ("jax", "tensorflow", "torch")
    settings: Settings

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        PROGRAMS[cls.__module__, cls.__name__] = cls

    def data(self, seed: int) -> Data:
        """Return the data, made or drawn with this seed."""
        raise NotImplementedError

    def build(self, settings: Settings) -> keras.Model:
        """Return a compiled model."""
        raise NotImplementedError

    def score(self, model: keras.Model, part: Part) -> float:
        """Return the metric on rows that were scaled already."""
        raise NotImplementedError

    def scaled(self, part, settings):
        """Return rows whose inputs are scaled by `settings.scale`."""
        if part is None or settings.scale is None:
            return part
        x = {
            name: values * np.float32(settings.scale)
            if self.inputs[name] in ("numbers", "picture", "series")
            else values
            for name, values in part.x.items()
        }
        return dataclasses.replace(part, x=x)

    def train(self, model, data, settings, callbacks):
        """Train with `fit`; a program with another way of training overrides it."""
        return model.fit(
            self.only(data.train.x),
            self.only(data.train.y) if data.train.y else None,
            sample_weight=data.train.weights,
            batch_size=settings.batch_size,
            epochs=settings.epochs,
            shuffle=settings.shuffle,
            class_weight=settings.class_weight,
            validation_data=self.validation(data),
            callbacks=callbacks,
            verbose=0,
        )

    def validation(self, data):
        """Return the validation rows as `fit` takes them, or None."""
        part = data.validation
        if part is None:
            return None
        if not part.y:
            return self.only(part.x)
        found = self.only(part.x), self.only(part.y)
        return found if part.weights is None else (*found, part.weights)

    @staticmethod
    def only(values):
        """Return the single array of a dict, or the dict."""
        return next(iter(values.values())) if len(values) == 1 else values


def run(program, *, seed=0, change=None, callbacks=()):
    """Train a program, changed or not, and return its model and its score.

    `change(data, settings, random)` changes both in place. What it does to the rows
    that are scored counts too, so it leaves them alone unless they are another task.
    """
    data, settings = program.data(seed), copy.deepcopy(program.settings)
    if change is not None:
        change(data, settings, np.random.default_rng(seed))
    keras.backend.clear_session()
    keras.config.set_dtype_policy(settings.dtype)
    try:
        keras.utils.set_random_seed(seed)
        model = program.build(settings)
        keras.utils.set_random_seed(seed + 1)
        train, validation, test = (
            program.scaled(part, settings)
            for part in (data.train, data.validation, data.test)
        )
        ready = Data(train, validation, test)
        program.train(model, ready, settings, list(callbacks))
        return model, float(np.nan_to_num(program.score(model, test)))
    finally:
        keras.config.set_dtype_policy("float32")


def load(half):
    """Import the modules of a half, and return its programs by name."""
    package = importlib.import_module(f"tests.doctor.bench.{half}")
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")
    return {
        name: program
        for (module, name), program in sorted(PROGRAMS.items())
        if module.startswith(f"{package.__name__}.")
    }
