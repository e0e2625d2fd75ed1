"""DenseHyperModel: a search space of dense networks."""

import math
from collections.abc import Sequence

import keras
import keras_tuner

from kcomponents.tuning._choice_arguments import Layers, equal_widths
from kcomponents.tuning.activation import CHOICES, choose_activation
from kcomponents.tuning.hypermodels.base import ReadyHyperModel


class DenseHyperModel(ReadyHyperModel, keras_tuner.HyperModel):
    """Search space of dense networks.

    Each hidden layer consists of `Dense`, normalization, activation and dropout. Maxout
    gets fewer units, to keep the number of weights. The default is two layers of 64
    ReLU units and Adam, without regularizer, dropout and normalization.

    Args:
        input_shape: Tuple of integers without the batch axis; several axes are
            flattened.
        num_outputs: Integer, number of classes or regression outputs.
        task: `"classification"` (logits, sparse categorical crossentropy, accuracy) or
            `"regression"` (mean squared error). Defaults to `"classification"`.
        depth: Integer, or pair `(lowest, highest)`, number of hidden layers. Defaults
            to `(1, 4)`.
        units: Integer, or choices, units of each hidden layer. Defaults to `(16, 32,
            64, 128)`.
        activation: Strings, as `choices` of `tuning.activation`. Defaults to the same.
        l1: Pair `(lowest, highest)` of floats above 0, range of the L1 factor, or
            `None` for no L1. Defaults to `(1e-7, 1e-3)`.
        l2: Pair `(lowest, highest)` of floats above 0, range of the L2 factor, or
            `None` for no L2. Defaults to `(1e-6, 1e-2)`.
        max_dropout: Float in [0, 1), the highest dropout rate. Defaults to `0.5`.
        normalization: Strings, as `choices` of `tuning.normalization`. Defaults to
            `("none", "batch", "layer")`.
        optimizer: Strings, as `choices` of `tuning.optimizer`. Defaults to `("adam",
            "sgd", "rmsprop")`.
        learning_rate: Pair `(lowest, highest)` of floats above 0. Defaults to `(1e-4,
            1e-1)`.
        momentum: Floats in [0, 1], choices for SGD. Defaults to `(0.0, 0.9, 0.99)`.
        weight_decay: Optional pair `(lowest, highest)` of floats above 0. Defaults to
            `None`.
        clipping: Optional strings, as `choices` of `tuning.clipping`. Defaults to
            `None`.
        name: Optional string, name of the hypermodel. Defaults to `None`.
        tunable: Boolean, as in `keras_tuner.HyperModel`. Defaults to `True`.

    Raises:
        ValueError: If a shape, number or range is invalid, or a choice is unknown.

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
        input_shape: Sequence[int | None],
        num_outputs: int,
        task: str = "classification",
        *,
        depth: int | tuple[int, int] = (1, 4),
        units: int | Sequence[int] = (16, 32, 64, 128),
        activation: str | Sequence[str] = CHOICES,
        l1: tuple[float, float] | None = (1e-7, 1e-3),
        l2: tuple[float, float] | None = (1e-6, 1e-2),
        max_dropout: float = 0.5,
        normalization: str | Sequence[str] = ("none", "batch", "layer"),
        optimizer: str | Sequence[str] = ("adam", "sgd", "rmsprop"),
        learning_rate: tuple[float, float] | None = (1e-4, 1e-1),
        momentum: Sequence[float] | None = (0.0, 0.9, 0.99),
        weight_decay: tuple[float, float] | None = None,
        clipping: str | Sequence[str] | None = None,
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
        self.activation = activation
        # Check the choices now, not in the first trial.
        choose_activation(keras_tuner.HyperParameters(), "activation", activation)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the compiled model for these hyperparameters."""
        depth, units = self.choose_depth(hp), self.choose_units(hp, 64)
        hidden = choose_activation(hp, "activation", self.activation)
        inputs = outputs = keras.Input(self.input_shape)
        if len(self.input_shape) > 1:
            outputs = keras.layers.Flatten()(outputs)
        widths = equal_widths([units] * depth, self._weights, hidden.pieces)
        for width in widths:
            outputs = self._block(hp, hidden, width)(outputs)
        model = keras.Model(inputs, self.output_layer()(outputs))
        return self.compiled(hp, model)

    def _block(self, hp, hidden, width):
        """Return the layers of a hidden layer with `width` units."""
        linear, *active = hidden.layers_of_width(
            "dense", width, kernel_regularizer=self.choose_regularizer(hp)
        )
        dropout = hidden.dropout(self.choose_dropout(hp))
        return Layers([linear, *self.choose_normalization(hp), *active, dropout])

    def _weights(self, widths, pieces):
        """Return the number of weights of these layers and the output layer."""
        before = [math.prod(self.input_shape), *widths]
        hidden = zip(before, widths, strict=False)
        total = sum(pieces * (read + 1) * width for read, width in hidden)
        return total + widths[-1] * self.num_outputs
