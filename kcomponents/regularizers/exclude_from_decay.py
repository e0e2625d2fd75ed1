"""exclude_from_decay: keep decoupled weight decay to the kernels."""

import keras

from kcomponents._check import fail
from kcomponents.regularizers._weights import choose, renew_steps, weights_of


def exclude_from_decay(optimizer, model, *, keep="kernels"):
    """Exclude biases, normalization, slopes and embeddings from weight decay.

    The decoupled weight decay of a Keras optimizer shrinks every trainable weight,
    `weight -= learning_rate * weight_decay * weight`. Here only the weights that `keep`
    means go on decaying, the same ones on every backend: they are told apart as
    variables, not by name. Embeddings are excluded because rows that no example of the
    batch used would decay too.

    The optimizer may be built or not, and its model fitted before or not. Each call
    replaces earlier exclusions of the optimizer, those by
    `optimizer.exclude_from_weight_decay` too. Keras does not save them: call it again
    on the optimizer of a loaded model.

    Args:
        optimizer: Instance of `keras.optimizers.Optimizer` with weight decay; one in a
            `LossScaleOptimizer` is found there.
        model: Built Keras model whose weights the optimizer trains.
        keep: Which weights go on decaying, in the terms of `include` in `apply`.
            Defaults to `"kernels"`.

    Returns:
        List of the paths of the weights excluded.

    Raises:
        ValueError: If the optimizer is none or has no weight decay, if the model is
            not built, or if `keep` matches no trainable weight. Nothing is changed
            then.

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
    kept = choose(model, "keep", keep)
    # PyTorch's optimizers fail where no weight at all decays.
    if not any(weight.trainable for weight in kept):
        rule = "`keep` must leave a trainable weight to decay, or set"
        fail(f"{rule} `optimizer.weight_decay = None`.", keep=keep)
    kept = {id(weight) for weight in kept}
    excluded = [weight for weight in weights_of(model) if id(weight) not in kept]
    inner.exclude_from_weight_decay(var_list=excluded)
    # A step traced before has the old decay in it.
    renew_steps(model)
    return [weight.path for weight in excluded]


def _with_decay(optimizer):
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        fail("`optimizer` must be a Keras optimizer.", optimizer=optimizer)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return _with_decay(optimizer.inner_optimizer)
    # Muon has a second decay, for the weights that it leaves to Adam.
    decays = [optimizer.weight_decay, getattr(optimizer, "adam_weight_decay", None)]
    if decays == [None, None]:
        rule = "`optimizer` must have weight decay: set its argument `weight_decay`."
        fail(rule, optimizer=optimizer)
    return optimizer
