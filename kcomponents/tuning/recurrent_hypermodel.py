"""RecurrentHyperModel: recurrent networks, with everything about them to choose."""

import functools

import keras
import keras_tuner

from kcomponents import activations
from kcomponents._check import one_of
from kcomponents.initializers import IRNN
from kcomponents.tuning._hypermodel_ready import Ready, function_names
from kcomponents.tuning._spaces.ranges import choices_of, plain_of

CELLS = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple_rnn": keras.layers.SimpleRNN,
    "irnn": keras.layers.SimpleRNN,
}


class RecurrentHyperModel(Ready, keras_tuner.HyperModel):
    """Recurrent networks for sequences, of which the last state is read.

    `depth` layers of cells, each with normalization and dropout. An IRNN is a simple
    recurrent layer of ReLU that begins by copying its state; the others choose the
    activation of their state. A search begins with one layer of the first cell, `tanh`,
    none of the rest, and Adam.

    Args:
        input_shape: Tuple without the batch, `(steps, features)`; `steps` may be
            `None`.
        num_outputs: Int, number of classes, or of numbers to predict.
        task: `"classification"`, with logits, sparse crossentropy and accuracy, or
            `"regression"`, with the mean squared error. Defaults to
            `"classification"`.
        depth: Int or pair of ints, fewest and most layers. Defaults to `(1, 3)`.
        units: Int or ints to choose from, units of each layer. Defaults to `(16, 32,
            64)`.
        cell: Strings, of `"lstm"`, `"gru"`, `"simple_rnn"` and `"irnn"`. Defaults to
            all of them.
        activation: Strings, names of functions for the state; PReLU, maxout and others
            that are layers fit in no cell. Defaults to `("tanh", "relu")`.
        l1: Pair of floats above 0, range of the penalty on absolute values, or `None`.
            Defaults to `(1e-7, 1e-3)`.
        l2: The same for squares. Defaults to `(1e-6, 1e-2)`.
        max_dropout: Float below 1, the highest rate. Defaults to `0.5`.
        normalization: Strings, as in `normalization`. Defaults to `("none", "layer")`.
        optimizer: Strings, as in `optimizer`. Defaults to `("adam", "sgd", "rmsprop")`.
        learning_rate: Pair of floats, lowest and highest. Defaults to `(1e-4, 1e-1)`.
        momentum: Floats for SGD. Defaults to `(0.0, 0.9, 0.99)`.
        weight_decay: Optional pair of floats, lowest and highest. Defaults to `None`.
        clipping: Optional strings, as in `clipping`. Defaults to `("none",
            "global_norm")`.
        name: Optional string, the name of the hypermodel. Defaults to `None`.
        tunable: Bool, as in `keras_tuner.HyperModel`. Defaults to `True`.

    Raises:
        ValueError: If a shape, a number or a range is wrong, or a choice unknown.

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
        input_shape,
        num_outputs,
        task="classification",
        *,
        depth=(1, 3),
        units=(16, 32, 64),
        cell=tuple(CELLS),
        activation=("tanh", "relu"),
        l1=(1e-7, 1e-3),
        l2=(1e-6, 1e-2),
        max_dropout=0.5,
        normalization=("none", "layer"),
        optimizer=("adam", "sgd", "rmsprop"),
        learning_rate=(1e-4, 1e-1),
        momentum=(0.0, 0.9, 0.99),
        weight_decay=None,
        clipping=("none", "global_norm"),
        name=None,
        tunable=True,
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
        known = functools.partial(one_of, "cell", choices=tuple(CELLS))
        self.cell = choices_of(cell, known)
        self.activation = function_names(activation)

    def build(self, hp):
        """Return the compiled model of these values."""
        depth, units = self.depth_of(hp, 1), self.units_of(hp, 32)
        cell = hp.Choice("cell", self.cell)
        inputs = outputs = keras.Input(self.input_shape)
        for place in range(depth):
            layer = self._layer(hp, cell, units, return_sequences=place < depth - 1)
            outputs = self.normalized(hp)(layer(outputs))
            outputs = keras.layers.Dropout(self.rate_of(hp))(outputs)
        return self.compiled(hp, keras.Model(inputs, self.output()(outputs)))

    def _layer(self, hp, cell, units, **kwargs):
        kwargs["kernel_regularizer"] = self.penalty_of(hp)
        if others := [name for name in self.cell if name != "irnn"]:
            with hp.conditional_scope("cell", others):
                start = plain_of(self.activation, "tanh")
                found = hp.Choice("activation", self.activation, default=start)
        if cell == "irnn":
            return CELLS[cell](
                units,
                "relu",
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.1),
                recurrent_initializer=IRNN(),
                **kwargs,
            )
        return CELLS[cell](units, activations.get(found), **kwargs)
