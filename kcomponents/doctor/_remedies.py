"""Remedies for the optimizer: its settings, and how long it runs."""

from kcomponents.doctor.diagnosis import Remedy


def finite():
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


def clipping(case):
    """Return gradient clipping, and lower learning rates."""
    return (
        Remedy(
            "global_clipnorm",
            (1.0, 0.1),
            "Clipping shortens a large gradient and keeps its direction.",
            f"optimizer = kcomponents.optimizers.clipped(\n"
            f"    {_optimizer(case)}, global_clipnorm=1.0\n)",
        ),
        *lower_rate(case),
    )


def _optimizer(case, rate=None):
    kind = case.optimizer.get("class", "Adam")
    rate = case.rate if rate is None else rate
    return f"keras.optimizers.{kind}({'' if rate is None else f'{rate:.3g}'})"


def lower_rate(case):
    """Return lower learning rates."""
    rate = case.rate or 0.01
    usual = 0.01 if case.optimizer.get("class") == "SGD" else 1e-3
    first = min(rate / 10, usual)
    return (
        Remedy(
            "learning_rate",
            (_round(first), _round(first / 10)),
            "A smaller learning rate stops overshooting the minimum.",
            f"optimizer = {_optimizer(case, _round(first))}",
        ),
    )


def raise_rate(case):
    """Return higher learning rates."""
    rate = case.rate or 1e-4
    usual = 0.01 if case.optimizer.get("class") == "SGD" else 1e-3
    first = max(rate * 10, usual)
    return (
        Remedy(
            "learning_rate",
            (_round(first), _round(first * 10)),
            "A larger learning rate gets there within your epochs.",
            f"optimizer = {_optimizer(case, _round(first))}",
        ),
    )


def _round(rate):
    return float(f"{rate:.1g}")


def optimizer_defaults(case):
    """Return the optimizer with its default settings."""
    kind = case.optimizer.get("class", "Adam")
    usual = 0.01 if kind == "SGD" else 1e-3
    return (
        Remedy(
            "optimizer",
            (kind.lower(),),
            "The optimizer's default settings work for most models.",
            f"optimizer = keras.optimizers.{kind}(learning_rate={usual})",
        ),
    )


def calmer(case):
    """Return lower learning rates and a larger batch."""
    size = case.fit.get("batch_size") or 32
    return (
        *lower_rate(case),
        Remedy(
            "batch_size",
            (max(32, 2 * size),),
            "With larger batches, gradients vary less from step to step.",
            f"model.fit(x, y, batch_size={max(32, 2 * size)})",
        ),
    )


def longer(case):
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
        *raise_rate(case),
    )


# Code that creates the layer of a finding again, for a remedy to change.

RANKS = {"Conv1D": 3, "Conv2D": 4, "Conv3D": 5}


def same_layer(case, path):
    """Return the call that creates the layer, without the closing parenthesis."""
    dense = f"keras.layers.Dense({units(case, path)}"
    return _convolution(case, _layer(case, path)) or dense


def units(case, path):
    """Return the number of units of a layer, 64 where it is not known."""
    found = _layer(case, path).get("units")
    # A record from another program may hold anything.
    return found if type(found) is int else 64


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


# Remedies for the model: what to change in its layers.


def initializers(case, path):
    """Return initializers that keep the scale of signals from layer to layer."""
    names = [la["activation"] for la in case.layers if la["activation"]]
    kind = "relu" if "relu" in names else "tanh" if "tanh" in names else "sigmoid"
    name = "he_normal" if kind == "relu" else "glorot_uniform"
    return (
        Remedy(
            "kernel_initializer",
            (name, "lsuv"),
            "Signals keep their scale from layer to layer, and all units differ.",
            f'start = kcomponents.initializers.recommended_for("{kind}")\n'
            f"layer = {same_layer(case, path)}, "
            f'activation="{kind}", kernel_initializer=start)',
        ),
    )


def vanishing(case, path):
    """Return activations and shortcuts that pass gradients through deep networks."""
    return (
        Remedy(
            "hidden_activation",
            ("relu", "prelu", "maxout"),
            "ReLU, PReLU and Maxout have slope 1 for active units; a sigmoid's is at "
            "most 1/4.",
            'start = kcomponents.initializers.recommended_for("prelu")\n'
            f"layer = {same_layer(case, path)}, kernel_initializer=start)\n"
            "activation = kcomponents.layers.PReLU()",
        ),
        Remedy(
            "residual",
            (True,),
            "A shortcut around each block passes the gradient on unchanged.",
            f"x = kcomponents.layers.PreActivationResidual({units(case, path)})(x)",
        ),
    )


def recurrent():
    """Return layers that carry gradients through many time steps."""
    return (
        Remedy(
            "recurrent_layer",
            ("lstm", "gru", "irnn"),
            "These layers carry state and gradients over many time steps.",
            "layer = keras.layers.LSTM(32)",
        ),
    )


def dead(case, path):
    """Return activations without a flat side, and lower learning rates."""
    return (
        Remedy(
            "hidden_activation",
            ("prelu", "leaky_relu"),
            "PReLU and LeakyReLU also have a slope below 0, so no unit dies.",
            f"layer = {same_layer(case, path)})\n"
            "activation = kcomponents.layers.PReLU()",
        ),
        *lower_rate(case),
    )


def saturated(case, path):
    """Return normalization and activations that do not saturate."""
    return (
        Remedy(
            "normalization",
            ("batch_normalization", "layer_normalization"),
            "Normalized inputs stay where the activation is steep, around 0.",
            "x = keras.layers.BatchNormalization()(x)\n"
            'x = keras.layers.Activation("tanh")(x)',
        ),
        *vanishing(case, path)[:1],
    )


def activation(case, path):
    """Return an activation for hidden layers."""
    return (
        Remedy(
            "hidden_activation",
            ("relu", "prelu", "maxout"),
            "Without an activation in between, two layers act as one linear layer.",
            f'layer = {same_layer(case, path)}, activation="relu")',
        ),
    )


def less_regularized():
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


def one_batch():
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


def unfreeze():
    """Return how to unfreeze the weights."""
    return (
        Remedy(
            "trainable",
            (True,),
            "Frozen weights are never updated; compile again after unfreezing them.",
            "model.trainable = True\nmodel.compile(optimizer, loss)",
        ),
    )


def larger():
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


def overfitting():
    """Return remedies for a validation error far above the training error."""
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
            "Units cannot rely on any single other unit.",
            "x = keras.layers.Dropout(0.3)(x)",
        ),
        Remedy(
            "l2",
            (1e-4, 1e-3),
            "Penalizes the large weights needed to memorize single samples.",
            "kcomponents.regularizers.apply(model, kcomponents.regularizers.L2(1e-4))",
        ),
    )


# Remedies for the data: inputs, targets, and the loss that reads them.


def output_and_loss(output):
    """Return remedies for an output whose activation and loss contradict."""
    kept = output["activation"] == "linear" and not output["from_logits"]
    if kept and str(output["loss"]).endswith("Crossentropy") and output["units"] > 1:
        return _fitting(output), _logits(output["loss"])
    return (_fitting(output),)


def _logits(loss):
    return Remedy(
        "from_logits",
        (True,),
        "The loss then applies softmax or sigmoid itself, in a stable form.",
        f"loss = keras.losses.{loss}(from_logits=True)",
    )


def _fitting(output):
    """Return the activation and loss that suit the targets."""
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


def labels(output):
    """Return how to inspect the labels and number them from 0."""
    return (
        Remedy(
            "check_labels",
            (),
            "Check some samples with their labels, and number the classes from 0.",
            "values, y = numpy.unique(y, return_inverse=True)\n"
            "print(len(values), numpy.bincount(y))",
        ),
    )


def split():
    """Return how to shuffle before a split."""
    return (
        Remedy(
            "shuffle_before_split",
            (),
            "`validation_split` takes the last samples: shuffle inputs and labels "
            "together first, and scale both parts the same way.",
            "order = numpy.random.default_rng(0).permutation(len(x))\n"
            "x, y = x[order], y[order]",
        ),
    )


def scale_inputs(facts):
    """Return a layer that normalizes the inputs."""
    if facts["min"] >= 0 and 100 < facts["max"] <= 255 and len(facts["shape"]) > 1:
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
            "scale = keras.layers.Normalization()\nscale.adapt(x_train)",
        ),
    )


def scale_targets():
    """Return how to train on normalized targets."""
    return (
        Remedy(
            "target_scaling",
            ("normalization",),
            "A network learns targets near 0 and 1 quickly, large ones slowly.",
            "mean, std = y_train.mean(0), y_train.std(0)\n"
            "model.fit(x_train, (y_train - mean) / std)\n"
            "predictions = model.predict(x) * std + mean",
        ),
    )


def finite_inputs():
    """Return how to drop samples that hold NaN or infinity."""
    return (
        Remedy(
            "drop_nonfinite_samples",
            (),
            "One NaN in a batch makes the loss NaN, and then every weight.",
            "good = numpy.isfinite(x).reshape(len(x), -1).all(1)\n"
            "x, y = x[good], y[good]",
        ),
    )


def balance():
    """Return class weights for imbalanced classes."""
    return (
        Remedy(
            "class_weight",
            ("balanced",),
            "Rare classes then count as much as frequent ones; watch the recall.",
            "counts = numpy.bincount(y)\n"
            "weights = dict(enumerate(len(y) / (len(counts) * counts)))\n"
            "model.fit(x, y, class_weight=weights)",
        ),
    )
