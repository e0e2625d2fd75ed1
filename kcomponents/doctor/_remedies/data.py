"""Remedies for data: inputs, targets and their split."""

from kcomponents.doctor.diagnosis import Remedy


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


def label_problem(output=None):
    """Return how to check labels and number the classes from 0.

    Args:
        output: Dict of facts of the output, or None.
    """
    target = (output or {}).get("target") or {}
    shape = target.get("shape", [])
    if target.get("nonfinite"):
        return nonfinite_samples()
    if target and (shape not in ([], [1]) or not target.get("integer")):
        return (
            Remedy(
                "check_labels",
                (),
                "Check some samples with their targets, and the range of the targets.",
                "print(y.shape, y.dtype, np.min(y), np.max(y))\nprint(y[:3])",
            ),
        )
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


def wrong_labels(output):
    """Return how to look at the samples whose labels are most likely wrong."""
    own = "y.reshape(len(y), -1)[:, 0].astype(int)"
    given = "p[np.arange(len(p)), labels]"
    if output.get("task") == "categorical":
        own = "y.argmax(-1)"
    if output.get("task") == "binary":
        given = "np.where(labels, p[:, 0], -p[:, 0])"
    return (
        Remedy(
            "check_labels",
            (),
            "Look at the samples whose labels the model finds least likely, and count "
            "the wrong ones. If most are right, the inputs lack what tells classes "
            "apart.",
            f"p, labels = model.predict(x), {own}\n"
            f"for index in np.argsort({given})[:30]:\n"
            "    print(index, labels[index], x[index])",
        ),
    )


def swapped_targets(first, second):
    """Return how to give each of two outputs its own targets."""
    return (
        Remedy(
            "check_labels",
            (),
            "Give each output its targets by name, or swap two of a list.",
            f"targets[{first!r}], targets[{second!r}] = (\n"
            f"    targets[{second!r}], targets[{first!r}]\n)",
        ),
    )


def constant_input():
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


def sorted_batches(case):
    """Return how to shuffle the samples of each epoch."""
    if case.data.get("streamed"):
        return (
            Remedy(
                "shuffle_before_split",
                (),
                "Shuffle with a buffer of all samples, or list the files in random "
                "order and use a buffer of many batches.",
                "dataset = dataset.unbatch().shuffle(len(x)).batch(32)",
            ),
        )
    return (
        Remedy(
            "shuffle_before_split",
            (),
            "Without `shuffle=False`, each batch holds a mix of all classes.",
            "model.fit(x, y, shuffle=True)",
        ),
    )


def missing_classes():
    """Return how to look for the classes that training data lack."""
    return (
        Remedy(
            "check_labels",
            (),
            "Check whether all files were read, and shuffle before a split. If there "
            "are only these classes, give the output as many units.",
            "values, counts = np.unique(y, return_counts=True)\n"
            "print(dict(zip(values, counts)))",
        ),
    )


def telling_columns(columns):
    """Return how to leave out columns that give the target away."""
    return (
        Remedy(
            "check_inputs",
            (),
            "Leave out a column that is only known together with the target.",
            f"x = np.delete(x, {columns}, axis=1)",
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


def unlike_numbers():
    """Return how to number the classes of all data in the same way."""
    return (
        Remedy(
            "check_labels",
            (),
            "Number the classes of training and validation data by one list of names.",
            "names, y = np.unique(labels, return_inverse=True)\n"
            "y_val = np.searchsorted(names, labels_val)",
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


def scaled_twice(layer):
    """Return how to scale the inputs once."""
    return (
        Remedy(
            "input_scaling",
            ("once",),
            f"The model scales its inputs by itself, with {layer}: pass them as they "
            "are, pixels from 0 to 255.",
            "model.fit(x, y)  # not x / 255",
        ),
    )


def embedding_too_short(low, high, rows):
    """Return how many rows an embedding needs, or how to shift ids to 0.

    Args:
        low: Integer, the lowest id.
        high: Integer, the highest id.
        rows: Integer, the rows that there are.
    """
    if low < 0:
        return (
            Remedy(
                "check_inputs",
                (),
                "Ids count from 0, which may stand for padding.",
                f"x = x + {-low}  # and input_dim={max(high - low + 1, rows)}",
            ),
        )
    return (
        Remedy(
            "input_dim",
            (high + 1,),
            "An embedding needs a row for each id, from 0 to the highest.",
            f"layer = keras.layers.Embedding(input_dim={high + 1}, output_dim=64)",
        ),
    )


def uninformative_labels():
    """Return how to find out whether labels belong to their inputs."""
    return (
        Remedy(
            "check_labels",
            (),
            "Look at 20 samples with their labels. If these are right, the model "
            "overfits, and needs more data or regularization.",
            "for index in np.random.default_rng(0).integers(len(x), size=20):\n"
            "    print(x[index], y[index])",
        ),
    )


def mask_missing(case):
    """Return how to leave padding out of the loss."""
    embedded = bool(case.layers_of("Embedding"))
    code = "x = keras.layers.Masking(0.0)(inputs)"
    if embedded:
        code = "x = keras.layers.Embedding(vocabulary, 64, mask_zero=True)(inputs)"
    return (
        Remedy(
            "mask",
            (True,),
            "Masked positions count neither in the loss nor in the metrics.",
            code,
        ),
    )


BALANCED = (
    "labels, counts = np.unique(y, return_counts=True)\n"
    "weights = counts.sum() / (len(labels) * counts)\n"
    "class_weight = dict(zip(labels.tolist(), weights.tolist()))\n"
    "model.fit(x, y, class_weight=class_weight)"
)


def balanced_weights():
    """Return smaller class weights."""
    reason = "With balanced weights, all classes count the same."
    return (Remedy("class_weight", ("balanced",), reason, BALANCED),)


def class_imbalance(output=None):
    """Return weights for imbalanced classes.

    Args:
        output: Dict of facts of the output, or None.
    """
    target = (output or {}).get("target") or {}
    if (output or {}).get("class_weights"):
        return (
            Remedy(
                "units",
                (64, 128),
                "The classes are weighted already: a larger model, more samples of the "
                "rare classes, or a lower threshold may find them.",
                "found = model.predict(x)[:, 0] > 0.2",
            ),
        )
    if target.get("one_hot"):
        return (
            Remedy(
                "class_weight",
                ("balanced",),
                "Rare classes then count as much as frequent ones; watch the recall.",
                "counts = y.sum(axis=0)\n"
                "weights = counts.sum() / (len(counts) * np.maximum(counts, 1))\n"
                "model.fit(x, y, class_weight=dict(enumerate(weights.tolist())))",
            ),
        )
    if target.get("shape") not in (None, [], [1]):
        return (
            Remedy(
                "sample_weight",
                ("balanced",),
                "A weight for each position makes rare classes count as much as "
                "frequent ones; watch the recall.",
                "labels, places = np.unique(y, return_inverse=True)\n"
                "counts = np.bincount(places.reshape(-1))\n"
                "weights = counts.sum() / (len(labels) * counts)\n"
                "sample_weight = weights[places.reshape(y.shape)]\n"
                "model.fit(x, y, sample_weight=sample_weight)",
            ),
        )
    return (
        Remedy(
            "class_weight",
            ("balanced",),
            "Rare classes then count as much as frequent ones; watch the recall.",
            "# for one-hot y: np.unique(y.argmax(axis=1), return_counts=True)\n"
            + BALANCED,
        ),
    )
