"""activation: let a search choose the hidden activation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kcomponents.tuning._spaces.activation import CHOICES, HiddenActivation, choose

if TYPE_CHECKING:
    import keras_tuner


def activation(
    hp: "keras_tuner.HyperParameters",
    name: str = "activation",
    choices: str | Sequence[str] = CHOICES,
) -> HiddenActivation:
    """Let a search choose the activation of hidden layers.

    Registers a choice called `name`, and the parameters of some activations:

    | hyperparameter | activation | values | default |
    | --- | --- | --- | --- |
    | `name/negative_slope` | `leaky_relu` | 0.01 to 0.3, log scale | 0.2 |
    | `name/alpha` | `elu` | 0.5 to 1.5 | 1.0 |
    | `name/shared` | `prelu` | whether all channels share one slope | `False` |
    | `name/pieces` | `maxout` | 2 to 4 | 2 |

    The result creates layers, new ones at each call, with a kernel initializer that
    suits the activation:

    - `dense(units)`, `conv1d(filters, kernel_size)`, `conv2d(filters, kernel_size)`: a
      list of layers, for `Sequential([*hidden.dense(64), ...])` or for `x =
      hidden.dense(64)(x)`. Other arguments are passed to the Keras layer.
    - `layer()`: the activation as a layer; `kernel_initializer()`: its initializer.
    - `dropout(rate)`: `Dropout`, or `AlphaDropout` for SELU.
    - `name`, `identifier` (such as `"elu:0.5"`), `pieces` (1 except for maxout).

    A maxout of `k` pieces has `k` kernels where other activations have one. To compare
    models of equal size, it gets `units * (fan_in + fan_out) / (k * fan_in + fan_out)`
    units. A unit has `fan_in` incoming and `fan_out` outgoing weights: pass both to
    `dense`, `conv1d` or `conv2d`. Without them, it gets `units / sqrt(k)`, which is
    right for deep networks of equal widths. `width(units, fan_in, fan_out, depth)`
    returns the width for `depth` layers together.

    This adds no regularizer, and PReLU slopes are not regularized; see `optimizer` for
    weight decay.

    Args:
        hp: `keras_tuner.HyperParameters`.
        name: String, name of the hyperparameter. Defaults to `"activation"`.
        choices: Identifiers of `kcomponents.activations.get`, or `"none"`. The
            parameter of `"maxout:3"` is fixed. The default choice is `"relu"` if it is
            there, else the first. Defaults to `("relu", "leaky_relu", "elu", "prelu",
            "gelu", "selu", "maxout")`.

    Returns:
        Object with the methods and attributes above.

    Raises:
        ValueError: If `choices` is empty or has an unknown activation.

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
