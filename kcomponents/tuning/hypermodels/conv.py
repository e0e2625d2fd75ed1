"""ConvHyperModel: a search space of convolutional networks."""

from collections.abc import Sequence

import keras
import keras_tuner

from kcomponents.tuning._choice_arguments import Layers, equal_widths
from kcomponents.tuning.activation import CHOICES, choose_activation
from kcomponents.tuning.hypermodels.base import ReadyHyperModel, sizes


class ConvHyperModel(ReadyHyperModel, keras_tuner.HyperModel):
    """Search space of convolutional networks for images or sequences.

    The models have `depth` blocks of convolution, normalization, activation, pooling
    by 2 and dropout. Each block has twice the filters of the previous one. Global
    average pooling and the output layer follow. Maxout gets fewer filters, to keep the
    number of weights. The default is two blocks with ReLU and Adam, without
    regularizer, dropout and normalization. Inputs are channels last.

    Args:
        input_shape: Tuple without the batch axis: `(height, width, channels)` or
            `(steps, channels)`; sizes other than the channels may be `None`.
        num_outputs: Integer, number of classes or regression outputs.
        task: `"classification"` (logits, sparse categorical crossentropy, accuracy) or
            `"regression"` (mean squared error). Defaults to `"classification"`.
        depth: Integer, or pair `(lowest, highest)`, number of blocks. Defaults to `(1,
            4)`.
        units: Integer, or choices, filters of the first block. Defaults to `(16, 32)`.
        kernel_size: Integer, or choices, size of the convolution window. Defaults to
            `(3, 5)`.
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
        >>> hypermodel = tuning.ConvHyperModel((8, 8, 1), 10)
        >>> model = hypermodel.build(keras_tuner.HyperParameters())
        >>> model.output_shape, model.count_params()
        ((None, 10), 5130)

    Reference: O'Malley et al., "KerasTuner", 2019,
    https://github.com/keras-team/keras-tuner; Lin, Chen and Yan, "Network in Network",
    2014, https://arxiv.org/abs/1312.4400 (global average pooling)
    """

    ranks = 2, 3

    def __init__(
        self,
        input_shape: Sequence[int | None],
        num_outputs: int,
        task: str = "classification",
        *,
        depth: int | tuple[int, int] = (1, 4),
        units: int | Sequence[int] = (16, 32),
        kernel_size: int | Sequence[int] = (3, 5),
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
        self.kernel_size = sizes("kernel_size", kernel_size)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return the compiled model for these hyperparameters."""
        depth, units = self.choose_depth(hp), self.choose_units(hp, 16)
        kernel_size = hp.Choice("kernel_size", self.kernel_size)
        hidden = choose_activation(hp, "activation", self.activation)
        inputs = outputs = keras.Input(self.input_shape)

        def weights(widths, pieces):
            return self._weights(widths, pieces, kernel_size**self._axes)

        widths = [units * 2**place for place in range(depth)]
        for width in equal_widths(widths, weights, hidden.pieces):
            outputs = self._block(hp, hidden, width, kernel_size)(outputs)
        flat = keras.layers.GlobalAveragePooling1D, keras.layers.GlobalAveragePooling2D
        outputs = flat[self._axes - 1](data_format="channels_last")(outputs)
        return self.compiled(hp, keras.Model(inputs, self.output_layer()(outputs)))

    @property
    def _axes(self):
        return len(self.input_shape) - 1

    def _block(self, hp, hidden, width, kernel_size):
        """Return the layers of a block with `width` filters."""
        linear, *active = hidden.layers_of_width(
            f"conv{self._axes}d",
            width,
            kernel_size,
            padding="same",
            data_format="channels_last",
            kernel_regularizer=self.choose_regularizer(hp),
        )
        pool = keras.layers.MaxPooling1D, keras.layers.MaxPooling2D
        pool = pool[self._axes - 1](2, padding="same", data_format="channels_last")
        dropped = hidden.dropout(self.choose_dropout(hp))
        return Layers([linear, *self.choose_normalization(hp), *active, pool, dropped])

    def _weights(self, widths, pieces, places):
        """Return the number of weights of these blocks and the output layer."""
        before = [self.input_shape[-1], *widths]
        hidden = zip(before, widths, strict=False)
        total = sum(pieces * (places * read + 1) * width for read, width in hidden)
        return total + widths[-1] * self.num_outputs
