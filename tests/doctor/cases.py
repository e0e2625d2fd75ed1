"""Records made by hand: a healthy run, with changes that make it faulty.

With what a rule says about one: `finding`, `severity` and `says`.
"""

import copy
import math

from kcomponents.doctor import examine
from kcomponents.record import Reading, Record

KERNELS = "first/kernel", "second/kernel", "third/kernel"
OUTPUT = "data__outputs__0__"
INPUT = "data__inputs__0__"
STUCK = (0.33, 0.34, 0.33)
NAN = math.nan


def structure(**changes):
    """Return the structure of a small, correct classifier."""
    dense = {"class": "Dense", "trainable": True, "parameters": 40, "units": 8}
    layers = [
        {"path": "first", "activation": "relu", **dense},
        {"path": "second", "activation": "relu", **dense},
        {"path": "third", "activation": "softmax", **dense, "units": 3},
    ]
    target = {
        "dtype": "int64",
        "shape": [],
        "rows": 300,
        "nonfinite": 0,
        "integer": True,
        "min": 0.0,
        "max": 2.0,
        "mean": 1.0,
        "std": 0.82,
        "values": [0.0, 1.0, 2.0],
        "counts": [100, 100, 100],
        "one_hot": False,
    }
    output = {
        "name": "output",
        "activation": "softmax",
        "units": 3,
        "shape": [3],
        "loss": "SparseCategoricalCrossentropy",
        "from_logits": False,
        "task": "sparse",
        "target": target,
        "baseline_loss": 1.0986,
        "baseline_accuracy": 1 / 3,
        "reachable": {"linear": 0.8, "best": 0.9},
    }
    inputs = {"name": "input", "dtype": "float32", "shape": [4], "rows": 300}
    inputs |= {"min": -3.0, "max": 3.0, "mean": 0.0, "std": 1.0, "distinct": 300}
    inputs |= {"nonfinite": 0, "integer": False}
    inputs |= {"column_mean": [0.0] * 4, "column_std": [1.0] * 4}
    shapes = [4, 8], [8, 8], [8, 3]
    variables = [
        {"path": path, "shape": shape, "trainable": True, "dtype": "float32"}
        for path, shape in zip(KERNELS, shapes, strict=True)
    ]
    initial = {
        path: {
            "shape": shape,
            "mean": 0.0,
            "std": 0.4,
            "fan_in": shape[0],
            "units_equal": False,
        }
        for path, shape in zip(KERNELS, shapes, strict=True)
    }
    found = {
        "model": {"name": "model", "class": "Sequential"},
        "layers": layers,
        "variables": variables,
        "optimizer": {"class": "Adam", "config": {"learning_rate": 0.001}, "clip": {}},
        "fit": {"epochs": 10, "batch_size": 32, "steps": 10, "validation": True},
        "data": {
            "rows": 300,
            "sampled": 300,
            "inputs": [inputs],
            "outputs": [output],
            "baseline_loss": 1.0986,
            "validation": None,
        },
        "initial": initial,
    }
    for path, value in changes.items():
        _put(found, path.split("__"), value)
    return found


def _put(found, path, value):
    *folders, name = path
    for folder in folders:
        found = found[int(folder) if folder.isdigit() else folder]
    found[int(name) if name.isdigit() else name] = value


def _loss(accuracy):
    """Return a loss that is as good as this accuracy."""
    return 1.0986 * (1 - 1.5 * (accuracy - 1 / 3))


def values(accuracy, **changes):
    """Return the values of one reading of a healthy run."""
    found = {
        "gradient_norm": {**dict.fromkeys(KERNELS, 0.1), "all": 0.2},
        "gradient_norm_max": {"all": 0.4},
        "update_ratio": dict.fromkeys(KERNELS, 1e-3),
        "weight_norm": dict.fromkeys(KERNELS, 3.0),
        "steps": {"all": 10.0},
        "batches": {"all": 10.0},
        "dead_units": {"first": 0.0, "second": 0.1},
        "saturated": {},
        "sample_accuracy": {"output": accuracy},
        "sample_loss": {"output": _loss(accuracy)},
        "sample_spread": {"output": 0.3},
        "sample_nonfinite": {"output": 0.0},
        "sample_recall": {"output": [accuracy] * 3},
    }
    for name, value in changes.items():
        found[name] = {**found.get(name, {}), **value} if value else {}
    return found


def record(accuracies=(0.5, 0.7, 0.9), looks=None, logs=None, **changes):
    """Return the record of a run with one epoch for each accuracy.

    `looks` changes the values of each reading (as a list, with a dict for each one),
    `logs` adds to each epoch's logs, and `changes` are changes of the structure, such
    as `data__inputs__0__std`.
    """
    made = Record(structure(**copy.deepcopy(changes)))
    for epoch, accuracy in enumerate(accuracies):
        step = 10 * (epoch + 1)
        changed = looks[epoch] if isinstance(looks, list) else looks or {}
        made.add(Reading(epoch, step, values(accuracy, **changed)))
        extra = {key: given[epoch] for key, given in (logs or {}).items()}
        made.add_logs(epoch, {"loss": _loss(accuracy), **extra})
    return made


# Label → accuracies, values of readings, logs, changes of the structure.
SICK = {
    "loss_nan": ((0.4, 0.33), {"weight_norm": {KERNELS[0]: NAN}}, {}, {}),
    "wrong_loss_or_output_activation": (
        (0.4, 0.9),
        {},
        {},
        {OUTPUT + "activation": "linear"},
    ),
    "label_problem": ((0.4, 0.9), {}, {}, {OUTPUT + "target__max": 3.0}),
    "data_split_problem": (
        (0.4, 0.9),
        {},
        {},
        {"data__validation": {"rows": 90, "in_training": 0.9}},
    ),
    "unnormalized_input": (STUCK, {}, {}, {INPUT + "std": 90.0, INPUT + "max": 255.0}),
    "unnormalized_target": (
        STUCK,
        {"sample_accuracy": None, "sample_loss": {"output": 1.2}},
        {},
        {OUTPUT + "task": "regression", OUTPUT + "target__mean": 300.0},
    ),
    "bad_initialization": (STUCK, {}, {}, {"initial__first/kernel__units_equal": True}),
    "vanishing_gradient": (STUCK, {"gradient_norm": {KERNELS[0]: 1e-6}}, {}, {}),
    "exploding_gradient": (STUCK, {"gradient_norm_max": {"all": 1e5}}, {}, {}),
    "dead_relu": (STUCK, {"dead_units": {"first": 0.95}}, {}, {}),
    "saturated_activation": (STUCK, {"saturated": {"first": 0.9}}, {}, {}),
    "learning_rate_too_high": (
        STUCK,
        {"update_ratio": dict.fromkeys(KERNELS, 0.3)},
        {},
        {"optimizer__config__learning_rate": 1.0},
    ),
    "learning_rate_too_low": (
        (0.34, 0.35, 0.36),
        {"update_ratio": dict.fromkeys(KERNELS, 1e-6)},
        {},
        {"optimizer__config__learning_rate": 1e-7},
    ),
    "slow_learning": ((0.34, 0.38, 0.43), {}, {}, {}),
    "not_learning": (STUCK, {}, {}, {}),
    "oscillating_loss": (
        (0.33,) * 9,
        {},
        {"loss": (1.2, 2.0, 1.2, 2.1, 1.2, 2.0, 1.3, 2.2, 1.2)},
        {},
    ),
    "overfitting": (
        (0.5, 0.8, 0.99),
        {},
        {"val_loss": (1.0, 1.2, 1.6), "val_accuracy": (0.5, 0.5, 0.5)},
        {},
    ),
    "underfitting": ((0.5,) * 4, {}, {}, {}),
    "over_regularized": (
        (0.5,) * 4,
        {},
        {},
        {"layers__1__class": "Dropout", "layers__1__rate": 0.9},
    ),
    "missing_activation": ((0.5,) * 4, {}, {}, {"layers__0__activation": "linear"}),
    "class_imbalance": (
        (0.92,) * 3,
        {"sample_recall": {"output": [1.0, 0.0]}, "sample_loss": {"output": 0.29}},
        {},
        {
            OUTPUT + "baseline_accuracy": 0.92,
            OUTPUT + "baseline_loss": 0.29,
            OUTPUT + "target__values": [0.0, 1.0],
            OUTPUT + "target__counts": [276, 24],
        },
    ),
    "wrong_optimizer_setting": (STUCK, {}, {}, {"optimizer__config__epsilon": 0.5}),
    "embedding_too_short": (
        (0.5, 0.7, 0.9),
        {},
        {},
        {"data__layers": {"table": {"input_dim": 100, "min": 0.0, "max": 119.0}}},
    ),
    "constant_input": (
        STUCK,
        {},
        {},
        {INPUT + "column_mean": [2.0] * 4, INPUT + "column_std": [0.01] * 4},
    ),
    "mask_missing": (STUCK, {}, {}, {OUTPUT + "padding": 0.6}),
    "uninformative_labels": (
        (0.5, 0.7, 0.95),
        {},
        {"val_loss": (1.2, 1.3, 1.5), "val_accuracy": (0.33, 0.34, 0.33)},
        {},
    ),
    "frozen_layers": (STUCK, {}, {}, {"untrained_frozen": ["second"]}),
    "no_gradient": (STUCK, {"gradient_norm": dict.fromkeys(KERNELS, 0.0)}, {}, {}),
    "float16_training": (STUCK, {}, {}, {"variables__0__dtype": "float16"}),
    "train_inference_gap": (
        STUCK,
        {},
        {"accuracy": (0.6, 0.8, 0.95)},
        {"layers__1__class": "BatchNormalization"},
    ),
    "future_leak": ((0.5, 0.8, 0.99), {}, {}, {OUTPUT + "sees_later": 0.9}),
    "collapsed_output": (
        STUCK,
        [
            {"sample_spread": {"output": spread}, "sample_size": {"output": 1.0}}
            for spread in (0.5, 0.02, 0.001)
        ],
        {},
        {OUTPUT + "task": "unknown"},
    ),
}
# The same for further rules, which give one of these labels too.
SICK_TOO = {
    "sorted_batches": (
        STUCK,
        {},
        {},
        {"fit__shuffle": False, "fit__batch_size": 32, "data__of_batches": 0.99},
    ),
    "telling_columns": (
        (0.5, 0.8, 0.99),
        {},
        {},
        {OUTPUT + "telling_columns": [[1], [3]]},
    ),
    "missing_classes": (
        (0.5, 0.8, 0.99),
        {},
        {},
        {OUTPUT + "units": 5},
    ),
    "swapped_targets": (
        STUCK,
        {},
        {},
        {"data__swapped": {"outputs": ["near", "far"], "own": 0.0, "other": 0.9}},
    ),
    "wrong_labels": (
        (0.4, 0.5, 0.55),
        {},
        {},
        {OUTPUT + "reachable": {"linear": 0.3, "best": 0.3, "surest": 0.2}},
    ),
    "constant_loss": (
        STUCK,
        {},
        {"loss": (0.7, 0.7001, 0.7)},
        {OUTPUT + "task": "unknown"},
    ),
    "contradictory_labels": (STUCK, {}, {}, {OUTPUT + "contradictions": 0.4}),
    "loss_of_another_task": (
        STUCK,
        {},
        {},
        {OUTPUT + "loss": "BinaryCrossentropy", OUTPUT + "task": "categorical"},
    ),
}


def sick(name):
    """Return a record with the problem of this label or rule."""
    accuracies, looks, logs, changes = (SICK | SICK_TOO)[name]
    return record(accuracies, looks, logs, **changes)


def finding(label, made, rule=None):
    """Return the finding of a rule with this label, None without one."""
    found = examine(made, rules=[rule or label])
    assert not any("was skipped" in note for note in found.notes), found.notes
    assert all(f.label == label for f in found.findings)
    return found.findings[0] if found.findings else None


def severity(label, made, rule=None):
    """Return the severity of the finding of a rule, None without one."""
    found = finding(label, made, rule)
    return found and found.severity


def says(words, label, made, rule=None):
    """Return whether a finding has a sentence with these words."""
    found = finding(label, made, rule)
    return found is not None and any(words in sentence for sentence in found.evidence)


UNKNOWN = {OUTPUT + "task": "unknown"}
LOST = {"weight_norm": {KERNELS[0]: NAN}}


def of_skill(skill):
    """Return the accuracy with this skill in a healthy record."""
    return 1 / 3 + skill * 2 / 3


def two_outputs(made):
    """Return a record with a second output, of which nothing is known."""
    outputs = made.structure["data"]["outputs"]
    outputs.append({"name": "other", "units": 1})
    return made
