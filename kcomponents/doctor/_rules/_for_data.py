"""Remedies for the data: inputs, targets, and the loss that reads them."""

from kcomponents.doctor._remedy import Remedy


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
