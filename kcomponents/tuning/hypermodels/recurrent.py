"""RecurrentHyperModel: a search space of recurrent networks."""

import functools
from collections.abc import Sequence

import keras
import keras_tuner

from kcomponents import activations
from kcomponents._checks import one_of
from kcomponents.initializers import IRNN
from kcomponents.tuning._choice_arguments import choices_of, default_of
from kcomponents.tuning.hypermodels.base import ReadyHyperModel, function_names

CELLS = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple_rnn": keras.layers.SimpleRNN,
    "irnn": keras.layers.SimpleRNN,
}


class RecurrentHyperModel(ReadyHyperModel, keras_tuner.HyperModel):
    """Search space of recurrent networks; the output layer reads the last state.

    The models have `depth` recurrent layers, each with normalization and dropout. An
    IRNN is a `SimpleRNN` with ReLU whose recurrent kernel is initialized to the
    identity; the other cells have a choice of activations. The default is one layer of
    the first cell with `tanh` and Adam, without regularizer, dropout, normalization and
    clipping.

    Args:
        input_shape: Tuple without the batch axis, `(steps, features)`; `steps` may be
            `None`.
        num_outputs: Integer, number of classes or regression outputs.
        task: `"classification"` (logits, sparse categorical crossentropy, accuracy) or
            `"regression"` (mean squared error). Defaults to `"classification"`.
        depth: Integer, or pair `(lowest, highest)`, number of layers. Defaults to `(1,
            3)`.
        units: Integer, or choices, units of each layer. Defaults to `(16, 32, 64)`.
        cell: Strings, from `"lstm"`, `"gru"`, `"simple_rnn"` and `"irnn"`. Defaults to
            all of them.
        activation: Strings, names of activation functions. PReLU, maxout and other
            layers are impossible in a recurrent layer. Defaults to `("tanh", "relu")`.
        l1: Pair `(lowest, highest)` of floats above 0, range of the L1 factor, or
            `None` for no L1. Defaults to `(1e-7, 1e-3)`.
        l2: Pair `(lowest, highest)` of floats above 0, range of the L2 factor, or
            `None` for no L2. Defaults to `(1e-6, 1e-2)`.
        max_dropout: Float in [0, 1), the highest dropout rate. Defaults to `0.5`.
        normalization: Strings, as `choices` of `tuning.normalization`. Defaults to
            `("none", "layer")`.
        optimizer: Strings, as `choices` of `tuning.optimizer`. Defaults to `("adam",
            "sgd", "rmsprop")`.
        learning_rate: Pair `(lowest, highest)` of floats above 0. Defaults to `(1e-4,
            1e-1)`.
        momentum: Floats in [0, 1], choices for SGD. Defaults to `(0.0, 0.9, 0.99)`.
        weight_decay: Optional pair `(lowest, highest)` of floats above 0. Defaults to
            `None`.
        clipping: Optional strings, as `choices` of `tuning.clipping`. Defaults to
            `("none", "global_clipnorm")`.
        name: Optional string, name of the hypermodel. Defaults to `None`.
        tunable: Boolean, as in `keras_tuner.HyperModel`. Defaults to `True`.

    Raises:
        ValueError: If a shape, number or range is invalid, or a choice is unknown.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hypermodel = tuning.RecurrentHyperModel((12, 3), 1, "regression")
        >>> model = hypermodel.build(keras_tuner.HyperParameters())
        >>> model.output_shape, model.count_params()
        ((None, 1), 4641)

    Reference: Le, Jaitly and Hinton, "A Simple Way to Initialize Recurrent Networks of
    Rectified Linear Units", 2015, https://arxiv.org/abs/1504.00941
    """

    ranks = (2,)

    def __init__(
        self,
        input_shape: Sequence[int | None],
        num_outputs: int,
        task: str = "classification",
        *,
        depth: int | tuple[int, int] = (1, 3),
        units: int | Sequence[int] = (16, 32, 64),
        cell: str | Sequence[str] = tuple(CELLS),
        activation: str | Sequence[str] = ("tanh", "relu"),
        l1: tuple[float, float] | None = (1e-7, 1e-3),
        l2: tuple[float, float] | None = (1e-6, 1e-2),
        max_dropout: float = 0.5,
        normalization: str | Sequence[str] = ("none", "layer"),
        optimizer: str | Sequence[str] = ("adam", "sgd", "rmsprop"),
        learning_rate: tuple[float, float] | None = (1e-4, 1e-1),
        momentum: Sequence[float] | None = (0.0, 0.9, 0.99),
        weight_decay: tuple[float, float] | None = None,
        clipping: str | Sequence[str] | None = ("none", "global_clipnorm"),
        name: str | None = None,
        tunable: bool = True,
    ):
        super().__init__(
            input_shape,
            num_outputs,
            task,
            depth,
            units,
            name,
            tunable,
            l1=l1,
            l2=l2,
            max_dropout=max_dropout,
            normalization=normalization,
            optimizer=optimizer,
            learning_rate=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            clipping=clipping,
        )
        check = functools.partial(one_of, "cell", choices=tuple(CELLS))
        self.cell = choices_of(cell, check)
        self.activation = function_names(activation)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the compiled model for these hyperparameters."""
        depth, units = self.choose_depth(hp, 1), self.choose_units(hp, 32)
        cell = hp.Choice("cell", self.cell)
        inputs = outputs = keras.Input(self.input_shape)
        for place in range(depth):
            layer = self._layer(hp, cell, units, return_sequences=place < depth - 1)
            outputs = self.choose_normalization(hp)(layer(outputs))
            outputs = keras.layers.Dropout(self.choose_dropout(hp))(outputs)
        return self.compiled(hp, keras.Model(inputs, self.output_layer()(outputs)))

    def _layer(self, hp, cell, units, **kwargs):
        kwargs["kernel_regularizer"] = self.choose_regularizer(hp)
        if others := [name for name in self.cell if name != "irnn"]:
            with hp.conditional_scope("cell", others):
                default = default_of(self.activation, "tanh")
                activation = hp.Choice("activation", self.activation, default=default)
        if cell == "irnn":
            return CELLS[cell](
                units,
                "relu",
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.1),
                recurrent_initializer=IRNN(),
                **kwargs,
            )
        return CELLS[cell](units, activations.get(activation), **kwargs)
