"""Remedies for data: what to change in inputs, targets and how they are fed."""

from kcomponents.doctor._remedy import Remedy


def output_and_loss(output):
    """Return the activation and loss that suit the targets of an output."""
    kept = output["activation"] == "linear" and not output["from_logits"]
    if kept and str(output["loss"]).endswith("Crossentropy") and output["units"] > 1:
        return _fitting(output), _logits(output["loss"])
    return (_fitting(output),)


def _logits(loss):
    return Remedy(
        "from_logits",
        (True,),
        "The loss then applies the softmax or sigmoid by itself, in a stable form.",
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
        "This output gives what the loss takes and the targets are.",
        f'outputs = keras.layers.Dense({units}, activation="{activation}")(x)\n'
        f'model.compile(optimizer="adam", loss="{loss}")',
    )


def labels(output):
    """Return how to look at labels, and to number them."""
    return (
        Remedy(
            "labels",
            (),
            "Look at some rows with their labels, and number classes from 0.",
            "values, y = numpy.unique(y, return_inverse=True)\n"
            "print(len(values), numpy.bincount(y))",
        ),
    )


def split():
    """Return how to split data."""
    return (
        Remedy(
            "validation_data",
            (),
            "`validation_split` takes the last rows: shuffle inputs and labels "
            "together before, and scale both parts alike.",
            "order = numpy.random.default_rng(0).permutation(len(x))\n"
            "x, y = x[order], y[order]",
        ),
    )


def scale_inputs(facts):
    """Return a layer that scales inputs."""
    if facts["min"] >= 0 and 100 < facts["max"] <= 255 and len(facts["shape"]) > 1:
        return (
            Remedy(
                "input_scaling",
                ("rescaling", "normalization"),
                "Pixels from 0 to 1 suit the usual first weights.",
                "x = keras.layers.Rescaling(1 / 255)(inputs)",
            ),
        )
    return (
        Remedy(
            "input_scaling",
            ("normalization", "batch_normalization"),
            "Columns of mean 0 and deviation 1 suit the usual first weights.",
            "scale = keras.layers.Normalization()\nscale.adapt(x_train)",
        ),
    )


def scale_targets():
    """Return how to train on scaled targets."""
    return (
        Remedy(
            "target_scaling",
            ("standard",),
            "A net reaches values around 0 and 1 soon, large ones late or never.",
            "mean, std = y_train.mean(0), y_train.std(0)\n"
            "model.fit(x_train, (y_train - mean) / std)\n"
            "predictions = model.predict(x) * std + mean",
        ),
    )


def finite_inputs():
    """Return how to get rid of NaN in data."""
    return (
        Remedy(
            "inputs",
            (),
            "One NaN in a batch makes all weights NaN.",
            "good = numpy.isfinite(x).reshape(len(x), -1).all(1)\n"
            "x, y = x[good], y[good]",
        ),
    )


def balance():
    """Return weights for rare classes."""
    return (
        Remedy(
            "class_weight",
            ("balanced",),
            "Each class then counts alike in the loss, however rare it is.",
            "counts = numpy.bincount(y)\n"
            "weights = dict(enumerate(len(y) / (len(counts) * counts)))\n"
            "model.fit(x, y, class_weight=weights)",
        ),
    )
