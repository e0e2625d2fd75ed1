"""activation: the choice of a hidden activation, with what belongs to it."""

from kcomponents.tuning._spaces.activation import CHOICES, choose


def activation(hp, name="activation", choices=CHOICES):
    """Let a search choose the activation of hidden layers.

    Registers a choice of this name and, where the activation is chosen that they
    belong to:

    | name | of | values | first |
    | --- | --- | --- | --- |
    | `name/negative_slope` | `leaky_relu` | 0.01 to 0.3, logarithmic | 0.2 |
    | `name/alpha` | `elu` | 0.5 to 1.5 | 1.0 |
    | `name/shared` | `prelu` | whether all channels share one slope | `False` |
    | `name/pieces` | `maxout` | 2 to 4 | 2 |

    The result makes layers. Everything is fresh at each call, and kernels start as
    suits the activation:

    - `dense(units)`, `conv1d(filters, kernel_size)`, `conv2d(filters, kernel_size)`: a
      list of layers, for `Sequential([*hidden.dense(64), ...])`, or `x =
      hidden.dense(64)(x)`. Other arguments go to the Keras layer.
    - `layer()`: the activation by itself; `kernel_initializer()`: what suits it.
    - `dropout(rate)`: `Dropout`, or `AlphaDropout` for SELU.
    - `name`, `identifier` (`"elu:0.5"`), `pieces` (more than 1 for a maxout).

    A maxout of `k` pieces has `k` kernels where others have one. So that nothing wins
    by its size, it gets `units * (fan_in + fan_out) / (k * fan_in + fan_out)` units,
    where `fan_in` weights lead into a unit and the next layer has `fan_out` for it:
    pass both to `dense` and its kin. Without them it is `units / sqrt(k)`, right for
    deep nets of equal widths; `width(units, fan_in, fan_out, depth)` solves it for
    `depth` layers together.

    Nothing is penalized here. A PReLU has no penalty on its slopes; see `optimizer`
    for weight decay.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the choice. Defaults to `"activation"`.
        choices: Strings that `kcomponents.activations.get` knows, or `"none"`. One with
            its parameter, such as `"maxout:3"`, leaves nothing to choose about it. A
            search begins with `"relu"` or, if it is missing, the first. Defaults to
            `("relu", "leaky_relu", "elu", "prelu", "gelu", "selu", "maxout")`.

    Returns:
        An object as described above.

    Raises:
        ValueError: If there is no choice, or an unknown one.

    Example:
        >>> import keras, keras_tuner
        >>> from kcomponents import tuning
        >>> def build(hp):
        ...     hidden = tuning.activation(hp, "activation", ["relu", "maxout"])
        ...     return keras.Sequential([
        ...         keras.Input((8,)),
        ...         *hidden.dense(32, fan_in=8, fan_out=2),
        ...         keras.layers.Dense(2),
        ...     ])
        >>> build(keras_tuner.HyperParameters()).count_params()
        354
        >>> hp = keras_tuner.HyperParameters()
        >>> hp.values = {"activation": "maxout", "activation/pieces": 2}
        >>> build(hp).count_params()
        362

    Reference: Goodfellow et al., "Maxout Networks", 2013,
    https://arxiv.org/abs/1302.4389; He et al., "Delving Deep into Rectifiers", 2015,
    https://arxiv.org/abs/1502.01852
    """
    return choose(hp, name, choices)
