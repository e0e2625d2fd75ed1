"""DenseHyperModel: dense networks, with everything about them to choose."""

import math

import keras
import keras_tuner

from kcomponents.tuning._hypermodel_ready import Ready
from kcomponents.tuning._spaces.activation import CHOICES, choose
from kcomponents.tuning._spaces.layers import Layers
from kcomponents.tuning._spaces.width import equal_widths


class DenseHyperModel(Ready, keras_tuner.HyperModel):
    """Dense networks: depth, units, activation, penalty, dropout, normalization, steps.

    Each hidden layer is linear layer, normalization, activation, dropout. A maxout has
    fewer units than `units` says, so that the model has as many weights. A search
    begins with two layers of 64 ReLU without any of the rest, and Adam.

    Args:
        input_shape: Tuple of ints without the batch; more than one axis is flattened.
        num_outputs: Int, number of classes, or of numbers to predict.
        task: `"classification"`, with logits, sparse crossentropy and accuracy, or
            `"regression"`, with the mean squared error. Defaults to
            `"classification"`.
        depth: Int or pair of ints, fewest and most hidden layers. Defaults to `(1, 4)`.
        units: Int or ints to choose from, units of each hidden layer. Defaults to
            `(16, 32, 64, 128)`.
        activation: Strings, as `choices` of `activation`. Defaults to the same.
        l1: Pair of floats above 0, range of the penalty on absolute values, or `None`.
            Defaults to `(1e-7, 1e-3)`.
        l2: The same for squares. Defaults to `(1e-6, 1e-2)`.
        max_dropout: Float below 1, the highest rate. Defaults to `0.5`.
        normalization: Strings, as in `normalization`. Defaults to `("none",
            "batch", "layer")`.
        optimizer: Strings, as in `optimizer`. Defaults to `("adam", "sgd", "rmsprop")`.
        learning_rate: Pair of floats, lowest and highest. Defaults to `(1e-4, 1e-1)`.
        momentum: Floats for SGD. Defaults to `(0.0, 0.9, 0.99)`.
        weight_decay: Optional pair of floats, lowest and highest. Defaults to `None`.
        clipping: Optional strings, as in `clipping`. Defaults to `None`.
        name: Optional string, the name of the hypermodel. Defaults to `None`.
        tunable: Bool, as in `keras_tuner.HyperModel`. Defaults to `True`.

    Raises:
        ValueError: If a shape, a number or a range is wrong, or a choice unknown.

    Example:
        >>> import keras_tuner
        >>> from kcomponents import tuning
        >>> hypermodel = tuning.DenseHyperModel((8,), 3, units=(16, 64))
        >>> model = hypermodel.build(keras_tuner.HyperParameters())
        >>> model.output_shape, model.count_params()
        ((None, 3), 4931)

    Reference: O'Malley et al., "KerasTuner", 2019,
    https://github.com/keras-team/keras-tuner; Goodfellow et al., "Maxout Networks",
    2013, https://arxiv.org/abs/1302.4389
    """

    def __init__(
        self,
        input_shape,
        num_outputs,
        task="classification",
        *,
        depth=(1, 4),
        units=(16, 32, 64, 128),
        activation=CHOICES,
        l1=(1e-7, 1e-3),
        l2=(1e-6, 1e-2),
        max_dropout=0.5,
        normalization=("none", "batch", "layer"),
        optimizer=("adam", "sgd", "rmsprop"),
        learning_rate=(1e-4, 1e-1),
        momentum=(0.0, 0.9, 0.99),
        weight_decay=None,
        clipping=None,
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
        self.activation = activation
        # What is wrong is told here, not in the first trial.
        choose(keras_tuner.HyperParameters(), "activation", activation)

    def build(self, hp):
        """Return the compiled model of these values."""
        depth, units = self.depth_of(hp), self.units_of(hp, 64)
        hidden = choose(hp, "activation", self.activation)
        inputs = outputs = keras.Input(self.input_shape)
        if len(self.input_shape) > 1:
            outputs = keras.layers.Flatten()(outputs)
        widths = equal_widths([units] * depth, self._weights, hidden.pieces)
        for width in widths:
            outputs = self._block(hp, hidden, width)(outputs)
        model = keras.Model(inputs, self.output()(outputs))
        return self.compiled(hp, model)

    def _block(self, hp, hidden, width):
        """Return a hidden layer with what belongs to it, `width` wide in the end."""
        penalty, rate = self.penalty_of(hp), self.rate_of(hp)
        linear, *active = hidden.exactly("dense", width, kernel_regularizer=penalty)
        return Layers([linear, *self.normalized(hp), *active, hidden.dropout(rate)])

    def _weights(self, widths, pieces):
        """Return the number of weights of such layers and of the last one."""
        before = [math.prod(self.input_shape), *widths]
        hidden = zip(before, widths, strict=False)
        total = sum(pieces * (read + 1) * width for read, width in hidden)
        return total + widths[-1] * self.num_outputs
