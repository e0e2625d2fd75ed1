"""The catalog of remedies: for each label, a function that returns its remedies.

Rules on a run and `examine_data` take their remedies from here, so a setting has one
name and one list of values. A label with several causes has a function for each.
"""

from kcomponents._activation_traits import traits_of
from kcomponents.doctor.diagnosis import Remedy

# Names of settings: arguments of Keras or of this package, and named steps.
SETTINGS = {
    "batch_size": "argument of `fit`",
    "check_inputs": "step",
    "check_labels": "step",
    "class_weight": "argument of `fit`",
    "drop_duplicates": "step",
    "drop_nonfinite_samples": "step",
    "dropout": "rate of dropout layers",
    "early_stopping": "whether to use the callback",
    "epochs": "argument of `fit`",
    "from_logits": "argument of the loss",
    "global_clipnorm": "argument of the optimizer",
    "hidden_activation": "activation of hidden layers",
    "input_scaling": "layer that scales the inputs",
    "kernel_initializer": "argument of layers",
    "l2": "strength of the kernel regularizer",
    "learning_rate": "argument of the optimizer",
    "nonfinite": "argument of `kcomponents.optimizers.clipped`",
    "normalization": "layer that normalizes hidden outputs",
    "optimizer": "argument of `compile`",
    "output_activation_and_loss": "activation of the last layer, argument of `compile`",
    "overfit_one_batch": "step",
    "recurrent_layer": "kind of recurrent layers",
    "residual": "whether to use shortcuts",
    "shuffle_before_split": "step",
    "target_scaling": "how to scale the targets",
    "trainable": "attribute of the model",
    "units": "argument of hidden layers",
}

# Data: inputs, targets and their split.


def nonfinite_samples():
    """Return how to drop samples that contain NaN or infinity."""
    return (
        Remedy(
            "drop_nonfinite_samples",
            (),
            "One NaN in a batch makes the loss NaN, and then every weight.",
            "keep = np.isfinite(x).reshape(len(x), -1).all(axis=1)\n"
            "keep &= np.isfinite(y).reshape(len(y), -1).all(axis=1)\n"
            "x, y = x[keep], y[keep]",
        ),
    )


def label_problem():
    """Return how to check labels and number the classes from 0."""
    return (
        Remedy(
            "check_labels",
            (),
            "Check some samples with their labels, and number the classes from 0.",
            "values, y = np.unique(y, return_inverse=True)\n"
            "print(len(values), np.bincount(y))",
        ),
    )


def constant_targets():
    """Return how to check targets that are all the same."""
    return (
        Remedy(
            "check_labels",
            (),
            "With a single target value there is nothing to learn: check how y is "
            "loaded.",
            "print(np.unique(y, return_counts=True))",
        ),
    )


def contradictory_labels():
    """Return how to check labels that do not belong to their inputs."""
    return (
        Remedy(
            "check_labels",
            (),
            "Check samples with their labels, and shuffle both in the same order.",
            "order = np.random.default_rng(0).permutation(len(x))\n"
            "x, y = x[order], y[order]",
        ),
    )


def constant_inputs():
    """Return how to check inputs that are all the same."""
    return (
        Remedy(
            "check_inputs",
            (),
            "Equal inputs always get equal predictions: check how x is loaded.",
            "print(x[0], x[1])",
        ),
    )


def data_split_problem():
    """Return how to shuffle before a split."""
    return (
        Remedy(
            "shuffle_before_split",
            (),
            "`validation_split` takes the last samples: shuffle inputs and labels "
            "together first, and scale both parts the same way.",
            "order = np.random.default_rng(0).permutation(len(x))\n"
            "x, y = x[order], y[order]",
        ),
    )


def unlike_validation_scale():
    """Return how to scale training and validation inputs in the same way."""
    return (
        Remedy(
            "input_scaling",
            ("normalization", "rescaling"),
            "A layer in the model scales training and validation data the same way.",
            "scale = keras.layers.Normalization()  # for pixels: Rescaling(1 / 255)\n"
            "scale.adapt(x)  # the training inputs only\n"
            "model = keras.Sequential([scale, *layers])",
        ),
    )


def duplicate_samples():
    """Return how to keep one copy of each sample."""
    return (
        Remedy(
            "drop_duplicates",
            (),
            "A score on memorized samples says nothing about new data.",
            "first = np.sort(np.unique(x, axis=0, return_index=True)[1])\n"
            "x, y = x[first], y[first]  # before the split",
        ),
    )


def unnormalized_input(*, pixels=False):
    """Return a layer that normalizes the inputs."""
    if pixels:
        return (
            Remedy(
                "input_scaling",
                ("rescaling", "normalization"),
                "Default initializers expect small inputs: scale pixels to [0, 1].",
                "x = keras.layers.Rescaling(1 / 255)(inputs)",
            ),
        )
    return (
        Remedy(
            "input_scaling",
            ("normalization", "batch_normalization"),
            "Default initializers expect inputs with mean 0 and standard deviation 1.",
            "scale = keras.layers.Normalization()\n"
            "scale.adapt(x)  # the training inputs only\n"
            "model = keras.Sequential([scale, *layers])",
        ),
    )


def unnormalized_target():
    """Return how to train on normalized targets."""
    return (
        Remedy(
            "target_scaling",
            ("normalization",),
            "A network learns targets near 0 and 1 quickly, large ones slowly.",
            "mean, std = y.mean(axis=0), y.std(axis=0)\n"
            "model.fit(x, (y - mean) / std)\n"
            "predictions = model.predict(x) * std + mean",
        ),
    )


def class_imbalance():
    """Return class weights for imbalanced classes."""
    return (
        Remedy(
            "class_weight",
            ("balanced",),
            "Rare classes then count as much as frequent ones; watch the recall.",
            "# for one-hot y: np.unique(y.argmax(axis=1), return_counts=True)\n"
            "labels, counts = np.unique(y, return_counts=True)\n"
            "weights = counts.sum() / (len(labels) * counts)\n"
            "class_weight = dict(zip(labels.tolist(), weights.tolist()))\n"
            "model.fit(x, y, class_weight=class_weight)",
        ),
    )


# Output and loss.


def wrong_loss_or_output_activation(output):
    """Return the activation and loss that suit the targets."""
    logits = output["activation"] == "linear" and not output["from_logits"]
    several = str(output["loss"]).endswith("Crossentropy") and output["units"] > 1
    if logits and several:
        return _activation_and_loss(output), _from_logits(output["loss"])
    return (_activation_and_loss(output),)


def _from_logits(loss):
    return Remedy(
        "from_logits",
        (True,),
        "The loss then applies softmax or sigmoid itself, in a stable form.",
        f"loss = keras.losses.{loss}(from_logits=True)",
    )


def _activation_and_loss(output):
    target = output["target"]
    if target.get("one_hot"):
        return _pair("softmax", "categorical_crossentropy", len(target["column_mean"]))
    whole = target.get("integer") and "values" in target
    classes = whole and target["shape"] in ([], [1]) and target["min"] >= 0
    if classes and target["max"] == 1:
        return _pair("sigmoid", "binary_crossentropy", 1)
    if classes and output["task"] != "regression" or classes and output["units"] > 1:
        units = int(target["max"]) + 1
        return _pair("softmax", "sparse_categorical_crossentropy", units)
    if whole and target["max"] == 1 and target["min"] == 0:
        return _pair("sigmoid", "binary_crossentropy", output["units"])
    return _pair("linear", "mse", output["units"])


def _pair(activation, loss, units):
    return Remedy(
        "output_activation_and_loss",
        ((activation, loss),),
        "This output matches the loss and the targets.",
        f'outputs = keras.layers.Dense({units}, activation="{activation}")(x)\n'
        f'model.compile(optimizer="adam", loss="{loss}")',
    )


# Optimizer: its settings, and how long it runs.


def wrong_optimizer_setting(case):
    """Return the optimizer with its default settings."""
    kind = _optimizer_class(case)
    return (
        Remedy(
            "optimizer",
            (kind.lower(),),
            "The optimizer's default settings work for most models.",
            f"optimizer = keras.optimizers.{kind}(learning_rate={_default_rate(case)})",
        ),
    )


def learning_rate_too_high(case):
    """Return lower learning rates."""
    rate = min((case.learning_rate or 0.01) / 10, _default_rate(case))
    reason = "A smaller learning rate stops overshooting the minimum."
    return (_learning_rates(case, (rate, rate / 10), reason),)


def learning_rate_too_low(case):
    """Return higher learning rates."""
    rate = max((case.learning_rate or 1e-4) * 10, _default_rate(case))
    reason = "A larger learning rate gets there within your epochs."
    return (_learning_rates(case, (rate, rate * 10), reason),)


def _learning_rates(case, rates, reason):
    rates = tuple(float(f"{rate:.1g}") for rate in rates)
    code = f"optimizer = {_optimizer(case, rates[0])}"
    return Remedy("learning_rate", rates, reason, code)


def _optimizer(case, learning_rate):
    rate = "" if learning_rate is None else f"{learning_rate:.3g}"
    return f"keras.optimizers.{_optimizer_class(case)}({rate})"


def _optimizer_class(case):
    return case.optimizer.get("class", "Adam")


def _default_rate(case):
    return 0.01 if case.optimizer.get("class") == "SGD" else 1e-3


def loss_nan():
    """Return how to keep loss and weights finite."""
    return (
        Remedy(
            "nonfinite",
            ("skip",),
            "Skips steps whose gradient is NaN or infinite, and clips large gradients.",
            "optimizer = kcomponents.optimizers.clipped(\n"
            "    keras.optimizers.Adam(1e-3), global_clipnorm=1.0\n)",
        ),
        Remedy(
            "from_logits",
            (True,),
            "A loss computed from logits never takes the logarithm of 0.",
            "loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
        ),
    )


def exploding_gradient(case):
    """Return gradient clipping, and lower learning rates."""
    return (
        Remedy(
            "global_clipnorm",
            (1.0, 0.1),
            "Clipping shortens a large gradient and keeps its direction.",
            f"optimizer = kcomponents.optimizers.clipped(\n"
            f"    {_optimizer(case, case.learning_rate)}, global_clipnorm=1.0\n)",
        ),
        *learning_rate_too_high(case),
    )


def oscillating_loss(case):
    """Return lower learning rates and a larger batch."""
    size = max(32, 2 * (case.fit.get("batch_size") or 32))
    return (
        *learning_rate_too_high(case),
        Remedy(
            "batch_size",
            (size,),
            "With larger batches, gradients vary less from step to step.",
            f"model.fit(x, y, batch_size={size})",
        ),
    )


def slow_learning(case):
    """Return more epochs, and higher learning rates."""
    epochs = 5 * (case.fit.get("epochs") or len(case.losses) or 10)
    return (
        Remedy(
            "epochs",
            (epochs,),
            "Train longer; early stopping ends the run when the loss stops improving.",
            "stopper = kcomponents.callbacks.EarlyStopping(\n"
            '    monitor="loss", patience=20, restore_best_weights=True\n)\n'
            f"model.fit(x, y, epochs={epochs}, callbacks=[stopper])",
        ),
        *learning_rate_too_low(case),
    )


# Model: what to change in its layers.


def bad_initialization(case, path):
    """Return initializers that keep the scale of signals from layer to layer."""
    activation = _hidden_activation(case, path)
    name = "lecun_normal" if activation == "selu" else "glorot_uniform"
    if traits_of(activation).he_slope is not None:
        name = "he_normal"
    return (
        Remedy(
            "kernel_initializer",
            (name, "lsuv"),
            "Signals keep their scale from layer to layer, and all units differ.",
            f'start = kcomponents.initializers.recommended_for("{activation}")\n'
            f"layer = {_same_layer(case, path)}, "
            f'activation="{activation}", kernel_initializer=start)',
        ),
    )


def vanishing_gradient(case, path):
    """Return activations and shortcuts that pass gradients through deep networks."""
    shortcut = f"kcomponents.layers.PreActivationResidual({_units(case, path)})"
    return (
        _steep_activations(case, path),
        Remedy(
            "residual",
            (True,),
            "A shortcut around each block passes the gradient on unchanged.",
            f"x = {shortcut}(x)",
        ),
    )


def _steep_activations(case, path):
    return Remedy(
        "hidden_activation",
        ("relu", "prelu", "maxout"),
        "ReLU, PReLU and Maxout have slope 1 for active units; a sigmoid's is at most "
        "1/4.",
        'start = kcomponents.initializers.recommended_for("prelu")\n'
        f"layer = {_same_layer(case, path)}, kernel_initializer=start)\n"
        "activation = kcomponents.layers.PReLU()",
    )


def vanishing_gradient_over_time():
    """Return layers that carry gradients through many time steps."""
    return (
        Remedy(
            "recurrent_layer",
            ("lstm", "gru", "irnn"),
            "These layers carry state and gradients over many time steps.",
            "layer = keras.layers.LSTM(32)",
        ),
    )


def dead_relu(case, path):
    """Return activations without a flat side, and lower learning rates."""
    return (
        Remedy(
            "hidden_activation",
            ("prelu", "leaky_relu"),
            "PReLU and LeakyReLU also have a slope below 0, so no unit dies.",
            f"layer = {_same_layer(case, path)})\n"
            "activation = kcomponents.layers.PReLU()",
        ),
        *learning_rate_too_high(case),
    )


def saturated_activation(case, path):
    """Return normalization and activations that do not saturate."""
    return (
        Remedy(
            "normalization",
            ("batch_normalization", "layer_normalization"),
            "Normalized inputs stay where the activation is steep, around 0.",
            "x = keras.layers.BatchNormalization()(x)\n"
            'x = keras.layers.Activation("tanh")(x)',
        ),
        _steep_activations(case, path),
    )


def missing_activation(case, path):
    """Return an activation for hidden layers."""
    return (
        Remedy(
            "hidden_activation",
            ("relu", "prelu", "maxout"),
            "Without an activation in between, two layers act as one linear layer.",
            f'layer = {_same_layer(case, path)}, activation="relu")',
        ),
    )


def over_regularized():
    """Return weaker dropout and regularizers."""
    return (
        Remedy(
            "dropout",
            (0.2, 0.0),
            "First get the training error low, then add regularization.",
            "x = keras.layers.Dropout(0.2)(x)",
        ),
        Remedy(
            "l2",
            (1e-4, 0.0),
            "The regularization loss must stay small compared to the rest of the loss.",
            "regularizer = kcomponents.regularizers.L2(1e-4)",
        ),
    )


def overfitting():
    """Return early stopping and regularization."""
    return (
        Remedy(
            "early_stopping",
            (True,),
            "Stops when the validation loss no longer improves, and restores the best "
            "weights.",
            "stopper = kcomponents.callbacks.EarlyStopping(\n"
            "    patience=5, restore_best_weights=True\n)",
        ),
        Remedy(
            "dropout",
            (0.3, 0.5),
            "With dropout, no unit can rely on any single other unit.",
            "x = keras.layers.Dropout(0.3)(x)",
        ),
        Remedy(
            "l2",
            (1e-4, 1e-3),
            "Penalizes the large weights needed to memorize single samples.",
            "kcomponents.regularizers.apply(model, kcomponents.regularizers.L2(1e-4))",
        ),
    )


def underfitting():
    """Return a larger model."""
    return (
        Remedy(
            "units",
            (64, 128),
            "More units and one more layer can fit more complex data.",
            'x = keras.layers.Dense(128, activation="relu")(x)\n'
            'x = keras.layers.Dense(128, activation="relu")(x)',
        ),
    )


def not_learning():
    """Return the first thing to try with a model that learns nothing."""
    return (
        Remedy(
            "overfit_one_batch",
            (),
            "A model that cannot memorize 16 samples has a bug; one that can needs "
            "better data, more units or more epochs.",
            "model.fit(x[:16], y[:16], epochs=500)",
        ),
    )


def frozen_weights():
    """Return how to unfreeze the weights."""
    return (
        Remedy(
            "trainable",
            (True,),
            "Frozen weights are never updated; compile again after unfreezing them.",
            "model.trainable = True\nmodel.compile(optimizer, loss)",
        ),
    )


# Code that creates the layer of a finding again, for a remedy to change.

RANKS = {"Conv1D": 3, "Conv2D": 4, "Conv3D": 5}


def _same_layer(case, path):
    """Return the call that creates the layer, without the closing parenthesis."""
    dense = f"keras.layers.Dense({_units(case, path)}"
    return _convolution(case, _layer(case, path)) or dense


def _units(case, path):
    """Return the number of units of a layer, 64 where it is not known."""
    found = _layer(case, path).get("units")
    # A record from another program may hold anything.
    return found if type(found) is int else 64


def _hidden_activation(case, path):
    """Return the activation of the layer, or of the first other one, or `"relu"`."""
    layers = [_layer(case, path), *case.layers]
    found = [layer.get("activation") for layer in layers]
    weighted = [name for name in found if _has_formula(name)]
    return weighted[0] if weighted else "relu"


def _has_formula(activation):
    """Return whether a layer with this activation can be created by its name."""
    traits = traits_of(activation)
    hidden = activation != "linear" and traits.reads == "unit"
    known = traits.he_slope is not None or traits.glorot_slope is not None
    named = activation not in ("prelu", "rrelu")
    return hidden and named and (known or activation == "selu")


def _layer(case, path):
    """Return the facts of the layer at a path, or of the layer that owns a kernel."""
    above = [la for la in case.layers if f"{path}/".startswith(f"{la['path']}/")]
    return max(above, key=lambda la: len(la["path"]), default={})


def _convolution(case, layer):
    kind, filters = layer.get("class"), layer.get("filters")
    shape = case.kernels.get(f"{layer.get('path')}/kernel", [])
    if len(shape) != RANKS.get(kind) or type(filters) is not int:
        return None
    sizes = shape[:-2]
    size = sizes[0] if len(set(sizes)) == 1 else tuple(sizes)
    return f"keras.layers.{kind}({filters}, {size}"
