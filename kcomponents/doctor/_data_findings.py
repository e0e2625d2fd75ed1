"""Findings about data, each with what helps against it."""

from kcomponents.doctor._finding import Diagnosis, Finding
from kcomponents.doctor._remedy import Remedy

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
        "rows",
        (),
        "One value that is not finite makes the loss and then every weight NaN.",
        "keep = np.isfinite(x).reshape(len(x), -1).all(axis=1)\n"
        "keep &= np.isfinite(y).reshape(len(y), -1).all(axis=1)\n"
        "x, y = x[keep], y[keep]",
    ),
    "normalize": Remedy(
        "input_scaling",
        ("normalization",),
        "Inputs of about the same size let one learning rate suit all weights.",
        "scale = keras.layers.Normalization()\n"
        "scale.adapt(x)  # the training inputs only\n"
        "model = keras.Sequential([scale, *layers])",
    ),
    "scale_within": Remedy(
        "input_scaling",
        ("normalization", "rescaling"),
        "A layer of the model treats all inputs alike, also those of validation.",
        "scale = keras.layers.Normalization()  # of pixels: Rescaling(1 / 255)\n"
        "scale.adapt(x)\n"
        "model = keras.Sequential([scale, *layers])",
    ),
    "other_inputs": Remedy(
        "x",
        (),
        "A model can only tell rows apart by inputs that differ: see how x is read.",
    ),
    "check_labels": Remedy(
        "y",
        (),
        "Look at rows and labels side by side: shuffle both in the same order.",
        "order = np.random.default_rng(0).permutation(len(x))\n"
        "x, y = x[order], y[order]",
    ),
    "other_labels": Remedy(
        "y",
        (),
        "What is always the same cannot be learned: see which column of the data y is.",
        "print(np.unique(y, return_counts=True))",
    ),
    "scale_target": Remedy(
        "target_scaling",
        ("standardize",),
        "An output starts near 0 and takes steps of the learning rate's size.",
        "mean, std = y.mean(axis=0), y.std(axis=0)\n"
        "model.fit(x, (y - mean) / std)\n"
        "prediction = model.predict(x) * std + mean",
    ),
    "class_weight": Remedy(
        "class_weight",
        ("balanced",),
        "Rare classes count as much as frequent ones; watch recall, not accuracy.",
        "# of one-hot rows: np.unique(y.argmax(axis=1), return_counts=True)\n"
        "labels, counts = np.unique(y, return_counts=True)\n"
        "weights = counts.sum() / (len(labels) * counts)\n"
        "model.fit(x, y, class_weight=dict(zip(labels.tolist(), weights.tolist())))",
    ),
    "shuffle": Remedy(
        "split",
        ("shuffled",),
        "Both parts must be drawn from the same rows.",
        "order = np.random.default_rng(0).permutation(len(x))\n"
        "x, y = x[order], y[order]  # before the split",
    ),
    "distinct": Remedy(
        "split",
        ("without duplicates",),
        "What is known by heart says nothing of new rows.",
        "first = np.sort(np.unique(x, axis=0, return_index=True)[1])\n"
        "x, y = x[first], y[first]  # before the split",
    ),
}


def finding(rule, where, evidence, severity, *remedies):
    """Return a `Finding` with the remedies of these names."""
    told = tuple(REMEDIES[name] for name in remedies)
    return Finding(rule, where, tuple(evidence), severity, told)


def diagnosis(said):
    """Return a `Diagnosis` of findings and notes; the fourth finding becomes a note."""
    findings = [thing for thing in said if isinstance(thing, Finding)]
    findings.sort(key=lambda found: ORDER.index(found.rule))
    notes = [thing for thing in said if isinstance(thing, str)]
    notes += [str(found) for found in findings[MOST_FINDINGS:]]
    verdict = "inconsistent" if findings else "healthy"
    return Diagnosis(verdict, tuple(findings[:MOST_FINDINGS]), tuple(notes))
