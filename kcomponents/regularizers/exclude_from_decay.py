"""exclude_from_decay: apply decoupled weight decay to the kernels only."""

from typing import Any

import keras

from kcomponents._checks import fail
from kcomponents.regularizers._weight_rules import recompile_steps, select, weights_of


def exclude_from_decay(
    optimizer: keras.optimizers.Optimizer, model: keras.Model, *, keep: Any = "kernels"
) -> list[str]:
    """Exclude biases, normalization, slopes and embeddings from weight decay.

    The decoupled weight decay of a Keras optimizer shrinks every trainable weight,
    `weight -= learning_rate * weight_decay * weight`. After this call, only the weights
    that match `keep` decay. Weights are identified as variables, not by name, so they
    are the same on every backend. Embeddings are excluded because otherwise also the
    rows that no sample of the batch uses would decay.

    The optimizer may be built or not, and the model fitted or not. Each call replaces
    earlier exclusions, including those by `optimizer.exclude_from_weight_decay`. Keras
    does not save exclusions: call the function again after loading a model.

    Args:
        optimizer: Instance of `keras.optimizers.Optimizer` with weight decay, possibly
            inside a `LossScaleOptimizer`.
        model: Built Keras model whose weights the optimizer trains.
        keep: Selects the weights that still decay, in the forms of `include` in
            `apply`. Defaults to `"kernels"`.

    Returns:
        List of the paths of the excluded weights.

    Raises:
        ValueError: If `optimizer` is not an optimizer or has no weight decay, if the
            model is not built, or if `keep` matches no trainable weight. The optimizer
            is then unchanged.

    Example:
        >>> import keras
        >>> from kcomponents.regularizers import exclude_from_decay
        >>> layers = [keras.Input((3,)), keras.layers.Dense(2, name="first")]
        >>> model = keras.Sequential(layers, name="model")
        >>> model.compile(keras.optimizers.AdamW(weight_decay=0.01), "mse")
        >>> exclude_from_decay(model.optimizer, model)
        ['model/first/bias']

    Reference:
        Loshchilov and Hutter, [Decoupled weight decay
        regularization](https://arxiv.org/abs/1711.05101), 2019.
    """
    inner = _with_decay(optimizer)
    kept = select(model, "keep", keep)
    # On PyTorch optimizers fail if no weight decays.
    if not any(weight.trainable for weight in kept):
        rule = "`keep` must match a trainable weight. To turn weight decay off, set"
        fail(f"{rule} `optimizer.weight_decay = None`.", keep=keep)
    kept = {id(weight) for weight in kept}
    excluded = [weight for weight in weights_of(model) if id(weight) not in kept]
    inner.exclude_from_weight_decay(var_list=excluded)
    # A step compiled before contains the old decay.
    recompile_steps(model)
    return [weight.path for weight in excluded]


def _with_decay(optimizer):
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        fail("`optimizer` must be a Keras optimizer.", optimizer=optimizer)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return _with_decay(optimizer.inner_optimizer)
    # Muon has a second weight decay, for the weights that it updates with Adam.
    decays = [optimizer.weight_decay, getattr(optimizer, "adam_weight_decay", None)]
    if decays == [None, None]:
        rule = "`optimizer` must have weight decay: pass `weight_decay` to it."
        fail(rule, optimizer=optimizer)
    return optimizer
