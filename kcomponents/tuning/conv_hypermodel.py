"""ConvHyperModel: convolutional networks, with everything about them to choose."""

import keras
import keras_tuner

from kcomponents.tuning._hypermodel_ready import Ready, sizes
from kcomponents.tuning._spaces.activation import CHOICES, choose
from kcomponents.tuning._spaces.layers import Layers
from kcomponents.tuning._spaces.width import equal_widths


class ConvHyperModel(Ready, keras_tuner.HyperModel):
    """Convolutional networks for images or sequences, channels last.

    `depth` blocks of convolution, normalization, activation, pooling by 2 and dropout,
    each with twice the filters of the one before, then the mean over all places. A
    maxout has fewer filters than `units` says, so that the model has as many weights.
    A search begins with two blocks of ReLU without any of the rest, and Adam.

    Args:
        input_shape: Tuple without the batch: `(height, width, channels)` or `(steps,
            channels)`; sizes other than the channels may be `None`.
        num_outputs: Int, number of classes, or of numbers to predict.
        task: `"classification"`, with logits, sparse crossentropy and accuracy, or
            `"regression"`, with the mean squared error. Defaults to
            `"classification"`.
        depth: Int or pair of ints, fewest and most blocks. Defaults to `(1, 4)`.
        units: Int or ints to choose from, filters of the first block. Defaults to
            `(16, 32)`.
        kernel_size: Int or ints to choose from, the window. Defaults to `(3, 5)`.
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
        >>> hypermodel = tuning.ConvHyperModel((8, 8, 1), 10)
        >>> model = hypermodel.build(keras_tuner.HyperParameters())
        >>> model.output_shape, model.count_params()
        ((None, 10), 5130)

    Reference: O'Malley et al., "KerasTuner", 2019,
    https://github.com/keras-team/keras-tuner; Lin, Chen and Yan, "Network in Network",
    2014, https://arxiv.org/abs/1312.4400 (the mean over all places)
    """

    ranks = 2, 3

    def __init__(
        self,
        input_shape,
        num_outputs,
        task="classification",
        *,
        depth=(1, 4),
        units=(16, 32),
        kernel_size=(3, 5),
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
        self.kernel_size = sizes("kernel_size", kernel_size)

    def build(self, hp):
        """Return the compiled model of these values."""
        depth, units = self.depth_of(hp), self.units_of(hp, 16)
        kernel_size = hp.Choice("kernel_size", self.kernel_size)
        hidden = choose(hp, "activation", self.activation)
        inputs = outputs = keras.Input(self.input_shape)

        def weights(widths, pieces):
            return self._weights(widths, pieces, kernel_size**self._axes)

        widths = [units * 2**place for place in range(depth)]
        for width in equal_widths(widths, weights, hidden.pieces):
            outputs = self._block(hp, hidden, width, kernel_size)(outputs)
        flat = keras.layers.GlobalAveragePooling1D, keras.layers.GlobalAveragePooling2D
        outputs = flat[self._axes - 1](data_format="channels_last")(outputs)
        return self.compiled(hp, keras.Model(inputs, self.output()(outputs)))

    @property
    def _axes(self):
        return len(self.input_shape) - 1

    def _block(self, hp, hidden, width, kernel_size):
        """Return a convolution with what belongs to it, `width` wide in the end."""
        linear, *active = hidden.exactly(
            f"conv{self._axes}d",
            width,
            kernel_size,
            padding="same",
            data_format="channels_last",
            kernel_regularizer=self.penalty_of(hp),
        )
        pool = keras.layers.MaxPooling1D, keras.layers.MaxPooling2D
        pool = pool[self._axes - 1](2, padding="same", data_format="channels_last")
        dropped = hidden.dropout(self.rate_of(hp))
        return Layers([linear, *self.normalized(hp), *active, pool, dropped])

    def _weights(self, widths, pieces, places):
        """Return the number of weights of such layers and of the last one."""
        before = [self.input_shape[-1], *widths]
        hidden = zip(before, widths, strict=False)
        total = sum(pieces * (places * read + 1) * width for read, width in hidden)
        return total + widths[-1] * self.num_outputs
