"""Findings about data, and their remedies."""

from kcomponents.doctor.diagnosis import Diagnosis, Finding, Remedy

# Causes before symptoms.
ORDER = (
    "loss_nan",
    "label_problem",
    "data_split_problem",
    "not_learning",
    "unnormalized_input",
    "unnormalized_target",
    "class_imbalance",
)
MOST_FINDINGS = 3
REMEDIES = {
    "drop_rows": Remedy(
        "drop_nonfinite_samples",
        (),
        "One NaN in a batch makes the loss NaN, and then every weight.",
        "keep = np.isfinite(x).reshape(len(x), -1).all(axis=1)\n"
        "keep &= np.isfinite(y).reshape(len(y), -1).all(axis=1)\n"
        "x, y = x[keep], y[keep]",
    ),
    "normalize": Remedy(
        "input_scaling",
        ("normalization",),
        "With inputs of similar size, one learning rate suits all weights.",
        "scale = keras.layers.Normalization()\n"
        "scale.adapt(x)  # the training inputs only\n"
        "model = keras.Sequential([scale, *layers])",
    ),
    "scale_within": Remedy(
        "input_scaling",
        ("normalization", "rescaling"),
        "A layer in the model scales training and validation data the same way.",
        "scale = keras.layers.Normalization()  # for pixels: Rescaling(1 / 255)\n"
        "scale.adapt(x)\n"
        "model = keras.Sequential([scale, *layers])",
    ),
    "other_inputs": Remedy(
        "check_inputs",
        (),
        "Equal inputs always get equal predictions: check how x is loaded.",
    ),
    "check_labels": Remedy(
        "check_labels",
        (),
        "Check samples with their labels, and shuffle both in the same order.",
        "order = np.random.default_rng(0).permutation(len(x))\n"
        "x, y = x[order], y[order]",
    ),
    "other_labels": Remedy(
        "check_labels",
        (),
        "With a single target value there is nothing to learn: check how y is loaded.",
        "print(np.unique(y, return_counts=True))",
    ),
    "scale_target": Remedy(
        "target_scaling",
        ("normalization",),
        "A network learns targets near 0 and 1 quickly, large ones slowly.",
        "mean, std = y.mean(axis=0), y.std(axis=0)\n"
        "model.fit(x, (y - mean) / std)\n"
        "prediction = model.predict(x) * std + mean",
    ),
    "class_weight": Remedy(
        "class_weight",
        ("balanced",),
        "Rare classes then count as much as frequent ones; watch the recall.",
        "# for one-hot y: np.unique(y.argmax(axis=1), return_counts=True)\n"
        "labels, counts = np.unique(y, return_counts=True)\n"
        "weights = counts.sum() / (len(labels) * counts)\n"
        "model.fit(x, y, class_weight=dict(zip(labels.tolist(), weights.tolist())))",
    ),
    "shuffle": Remedy(
        "shuffle_before_split",
        (),
        "Draw training and validation data at random from the same samples.",
        "order = np.random.default_rng(0).permutation(len(x))\n"
        "x, y = x[order], y[order]  # before the split",
    ),
    "distinct": Remedy(
        "drop_duplicates",
        (),
        "A score on memorized samples says nothing about new data.",
        "first = np.sort(np.unique(x, axis=0, return_index=True)[1])\n"
        "x, y = x[first], y[first]  # before the split",
    ),
}


def finding(label, where, evidence, severity, *names):
    """Return a `Finding` with the remedies of these names."""
    remedies = tuple(REMEDIES[name] for name in names)
    return Finding(label, where, tuple(evidence), severity, remedies)


def diagnosis(results):
    """Return a `Diagnosis`; findings after the third become notes."""
    findings = [result for result in results if isinstance(result, Finding)]
    findings.sort(key=lambda found: ORDER.index(found.label))
    notes = [result for result in results if isinstance(result, str)]
    notes += [str(found) for found in findings[MOST_FINDINGS:]]
    verdict = "inconsistent" if findings else "healthy"
    return Diagnosis(verdict, tuple(findings[:MOST_FINDINGS]), tuple(notes))
