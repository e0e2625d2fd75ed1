"""Made-up records and diagnoses, to make reports of."""

import math

from kcomponents.doctor import Diagnosis, Finding, Remedy
from kcomponents.record import Reading, Record


def noise(*place):
    """Return a number between -1 and 1 that looks random and is always the same."""
    far = sum((n + 1) * 12.9898 * (n + 7) ** k for k, n in enumerate(place))
    return math.modf(math.sin(far) * 43758.5453)[0]


def layer(path, units, before, activation):
    weights = "HeNormal" if activation == "relu" else "GlorotUniform"
    return {
        "path": path,
        "class": "Dense",
        "activation": activation,
        "trainable": True,
        "output_shape": [None, units],
        "parameters": (before + 1) * units,
        "units": units,
        "use_bias": True,
        "kernel_initializer": {"class": weights, "config": {}},
    }


def structure(paths, units, activation, epochs, rate=0.001):
    """Return the structure of a stack of dense layers that tells ten classes apart."""
    sizes = [units] * (len(paths) - 1) + [10]
    shapes = list(zip([64, *sizes], sizes, strict=False))
    kinds = [activation] * (len(paths) - 1) + ["softmax"]
    made = zip(paths, shapes, kinds, strict=True)
    layers = [layer(path, out, size, kind) for path, (size, out), kind in made]
    loss = "sparse_categorical_crossentropy"
    config = {"name": "adam", "learning_rate": rate, "beta_1": 0.9, "beta_2": 0.999}
    return {
        "model": {"name": "classifier", "class": "Sequential"},
        "backend": "numpy",
        "precision": "float32",
        "layers": layers,
        "variables": [
            {"path": f"{path}/{name}", "shape": shape, "trainable": True}
            for path, (size, out) in zip(paths, shapes, strict=True)
            for name, shape in (("kernel", [size, out]), ("bias", [out]))
        ],
        "optimizer": {"class": "Adam", "config": config, "clip": {}},
        "loss": {"name": loss, "class": "SparseCategoricalCrossentropy", "config": {}},
        "metrics": ["accuracy"],
        "fit": {
            "epochs": epochs,
            "batch_size": 32,
            "steps": 45,
            "validation": True,
            "class_weight": None,
            "rows": 1437,
            "shuffle": True,
        },
        "versions": {"keras": "3.15.1", "kcomponents": "0.1", "python": "3.11.9"},
        "data": {
            "baseline_loss": 2.302,
            "inputs": [image_facts()],
            "outputs": [output_facts()],
        },
    }


def image_facts():
    spread = {"min": 0.0, "max": 1.0, "mean": 0.3, "std": 0.38}
    known = {"name": "pixels", "dtype": "float32", "shape": [64], "rows": 1437}
    return {**known, **spread, "column_std": [0.3] * 64, "nonfinite": 0}


def output_facts():
    counts = [144, 146, 142, 146, 144, 145, 144, 143, 141, 142]
    target = {"min": 0.0, "max": 9.0, "mean": 4.5, "std": 2.87, "integer": True}
    target |= {"values": list(map(float, range(10))), "counts": counts, "shape": []}
    return {
        "name": "digits",
        "activation": "softmax",
        "units": 10,
        "loss": "SparseCategoricalCrossentropy",
        "task": "sparse",
        "from_logits": False,
        "target": {**target, "nonfinite": 0, "rows": 1437},
        "baseline_loss": 2.302,
        "baseline_accuracy": 0.102,
    }


def sick():
    """Return the diagnosis and record of a deep net whose gradients vanish."""
    names = [f"hidden_{number}" for number in range(1, 6)] + ["digits"]
    paths = [f"classifier/{name}" for name in names]
    record = Record(structure(paths, 64, "sigmoid", 20))
    for epoch in range(20):
        logs = {"loss": 2.309 - 0.0004 * epoch + 0.001 * noise(epoch)}
        logs["val_loss"] = 2.312 + 0.0015 * noise(epoch, 2)
        logs["accuracy"] = 0.1 + 0.006 * noise(epoch, 3)
        logs["val_accuracy"] = 0.098 + 0.008 * noise(epoch, 4)
        record.add(Reading(epoch, (epoch + 1) * 45, vanishing(paths, epoch)))
        record.add_logs(epoch, logs)
    return sick_diagnosis(), record


def vanishing(paths, epoch):
    values = {"gradient_norm": {}, "update_ratio": {}, "weight_norm": {}}
    deep = len(paths) - 1
    for row, path in enumerate(paths):
        norm = 0.3 * 10 ** (-1.7 * (deep - row) + 0.2 * noise(row, epoch))
        for name, share in (("kernel", 1.0), ("bias", 0.3)):
            values["gradient_norm"][f"{path}/{name}"] = norm * share
            ratio = 4e-4 * 10 ** (-0.7 * (deep - row) + 0.15 * noise(row, epoch, 5))
            values["update_ratio"][f"{path}/{name}"] = ratio
            size = 5.6 + 0.4 * row + 0.02 * epoch * row
            values["weight_norm"][f"{path}/{name}"] = size * share
    values["gradient_norm"]["all"] = 0.3
    shares = [0.93 - 0.13 * row + 0.02 * noise(row, epoch) for row in range(deep)]
    values["saturated"] = dict(zip(paths, shares, strict=False))
    return values


def sick_diagnosis():
    relu = 'keras.layers.Dense(64, "relu", kernel_initializer="he_normal")'
    adam = "model.compile(keras.optimizers.Adam(learning_rate=0.003), model.loss)"
    first = Finding(
        "vanishing_gradient",
        "classifier/hidden_1",
        (
            "The gradient of the first layer is 1e-8 times that of the last.",
            "It shrinks at every sigmoid layer, by about 50 each, in all 20 epochs.",
        ),
        "high",
        (
            Remedy(
                "hidden_activation",
                ("relu", "elu"),
                "Rectifiers let gradients through to the first layers.",
                relu,
            ),
            Remedy(
                "batch_normalization",
                (),
                "Normalized inputs keep the layers where their slope is large.",
                "keras.layers.Dense(64, use_bias=False),\n"
                "keras.layers.BatchNormalization(),\n"
                'keras.layers.Activation("relu"),',
            ),
        ),
    )
    second = Finding(
        "saturated_activation",
        "classifier/hidden_1",
        ("Of the outputs of classifier/hidden_1, 93% are on a plateau.",),
        "medium",
        (Remedy("hidden_activation", ("relu",), "It has no plateau above 0.", relu),),
    )
    third = Finding(
        "learning_rate_too_low",
        "",
        ("Updates are 3e-7 of the weights in the first layers; 1e-3 is usual.",),
        "low",
        (Remedy("learning_rate", (0.003, 0.01), "Larger steps move more.", adam),),
    )
    notes = (
        "The classes are balanced: from 94 to 107 rows each.",
        "The inputs were not scaled; their largest standard deviation is 6.1.",
    )
    return Diagnosis("optimization_failure", (first, second, third), notes)


def healthy(epochs=30, rate=0.001):
    """Return the diagnosis and record of a small net that learns as it should."""
    paths = [f"classifier/{name}" for name in ("dense", "dense_1", "dense_2")]
    record = Record(structure(paths, 64, "relu", epochs, rate))
    for epoch in range(epochs):
        far = math.exp(-epoch / 5 * (rate / 0.001) ** 0.3)
        logs = {"loss": 0.035 + 1.9 * far + 0.01 * far * noise(epoch)}
        logs["val_loss"] = 0.11 + 1.8 * far + 0.006 * noise(epoch, 2)
        logs["accuracy"] = 0.995 - 0.6 * far
        logs["val_accuracy"] = 0.968 - 0.57 * far + 0.004 * noise(epoch, 3)
        record.add(Reading(epoch, (epoch + 1) * 45, steady(paths, epoch, rate)))
        record.add_logs(epoch, logs)
    return Diagnosis("healthy", (), ("Two units of dense never fire.",)), record


def steady(paths, epoch, rate):
    values = {"gradient_norm": {}, "update_ratio": {}, "weight_norm": {}}
    for row, path in enumerate(paths):
        wave = 10 ** (0.12 * noise(row, epoch))
        for name, share in (("kernel", 1.0), ("bias", 0.3)):
            norm = 0.4 * math.exp(-epoch / 9) * (1 + row) * wave
            values["gradient_norm"][f"{path}/{name}"] = norm * share
            ratio = 2.4 * rate * math.exp(-epoch / 16) * wave / (1 + row / 2)
            values["update_ratio"][f"{path}/{name}"] = ratio
            values["weight_norm"][f"{path}/{name}"] = 7 + row + 1.2 * math.sqrt(epoch)
    dead = [0.031, 0.016 + 0.0005 * epoch]
    values["dead_units"] = dict(zip(paths, dead, strict=False))
    return values


def monstrous(layers=200, epochs=60):
    """Return the diagnosis and record of a net with many layers of hostile names."""
    paths = [f"monster/{monstrous_name(number)}" for number in range(layers)]
    record = Record(structure(paths, 32, "relu", 1000))
    looks = [epoch for epoch in range(epochs) if epoch < 20 or epoch % 7 == 0]
    for epoch in range(epochs):
        record.add_logs(epoch, {"loss": 900 * 0.8**epoch if epoch != 12 else math.nan})
        if epoch in looks:
            record.add(Reading(epoch, epoch + 1, wild(paths, epoch)))
    where = paths[3]
    seen = f"In {where} 88% of the units fire for no sample."
    code = f"# {monstrous_name(0)}\nmodel.compile(loss='mse')"
    remedy = Remedy("learning_rate", (1e-5,), "Smaller steps kill fewer units.", code)
    finding = Finding("dead_relu", where, (seen,), "high", (remedy,))
    return Diagnosis("not_learning", (finding,), (f"{where} is odd.",)), record


def monstrous_name(number):
    kinds = (
        f"stage_{number}_with_a_name_that_goes_on_for_ever_and_ever/residual_unit_a",
        f"<script>alert({number})</script>",
        f"$x_{number}^2$ & \"quoted\" 'name' \\frac",
        f"層_{number}_Ünïcode_😀\u202e",
        f"block_{number}",
    )
    return kinds[(number + number // 10) % len(kinds)]


def wild(paths, epoch):
    values = {"gradient_norm": {}, "update_ratio": {}, "weight_norm": {}}
    values["dead_units"] = {}
    for row, path in enumerate(paths):
        norm = 10 ** (row / 20 - 6 + noise(row, epoch))
        broken = row > 180 and epoch == 12
        values["gradient_norm"][f"{path}/kernel"] = math.inf if broken else norm
        values["update_ratio"][f"{path}/kernel"] = 10 ** (-3 + 2 * noise(row, epoch))
        values["weight_norm"][f"{path}/kernel"] = (
            3 + row / 10 + (1 + noise(row)) * epoch
        )
        values["dead_units"][path] = abs(noise(row, 3)) * min(epoch / 30, 1)
    return values
