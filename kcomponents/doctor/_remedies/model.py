"""Remedies for a model: what to change in its layers."""

from kcomponents._activation_traits import traits_of
from kcomponents.doctor._remedies.layer_code import (
    hidden_activation,
    is_recurrent,
    same_layer,
    units_of,
)
from kcomponents.doctor._remedies.training import learning_rate_too_high
from kcomponents.doctor.diagnosis import Remedy

# What lets a position of a layer see later ones, and how it does not.
CAUSAL = (
    (
        ("MultiHeadAttention", "GroupQueryAttention", "Attention"),
        "x = attention(x, x, use_causal_mask=True)",
    ),
    (("Conv1D", "SeparableConv1D"), 'x = Conv1D(64, 3, padding="causal")(x)'),
    (("Bidirectional",), "x = LSTM(64, return_sequences=True)(x)"),
    (("LayerNormalization", "RMSNormalization"), "x = LayerNormalization(axis=-1)(x)"),
)


def future_leak(case):
    """Return how to keep later positions from an output."""
    code = [line for classes, line in CAUSAL if case.layers_of(*classes)]
    return (
        Remedy(
            "causal",
            (True,),
            "Each position may use itself and earlier ones alone. Otherwise the model "
            "copies its targets, and fails where they are not known yet.",
            "\n".join(code or [CAUSAL[0][1]]),
        ),
    )


def bad_initialization(case, path):
    """Return initializers that keep the scale of signals from layer to layer."""
    activation = hidden_activation(case, path)
    name = "lecun_normal" if activation == "selu" else "glorot_uniform"
    if traits_of(activation).he_slope is not None:
        name = "he_normal"
    return (
        Remedy(
            "kernel_initializer",
            (name, "lsuv"),
            "Signals keep their scale from layer to layer, and all units differ.",
            f'start = kcomponents.initializers.recommended_for("{activation}")\n'
            f"layer = {same_layer(case, path)}, "
            f'activation="{activation}", kernel_initializer=start)',
        ),
    )


def vanishing_gradient(case, path):
    """Return activations and shortcuts that pass gradients through deep networks."""
    shortcut = f"kcomponents.layers.PreActivationResidual({units_of(case, path)})"
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
        f"layer = {same_layer(case, path)}, kernel_initializer=start)\n"
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
            f"layer = {same_layer(case, path)})\n"
            "activation = kcomponents.layers.PReLU()",
        ),
        *learning_rate_too_high(case),
    )


def saturated_activation(case, path):
    """Return normalization and activations that do not saturate."""
    normalization = (
        Remedy(
            "normalization",
            ("batch_normalization", "layer_normalization"),
            "Normalized inputs stay where the activation is steep, around 0.",
            "x = keras.layers.BatchNormalization()(x)\n"
            'x = keras.layers.Activation("tanh")(x)',
        ),
    )
    there = case.layers_of("BatchNormalization", "LayerNormalization")
    steep = () if is_recurrent(case, path) else (_steep_activations(case, path),)
    return (() if there else normalization) + steep


def missing_activation(case, path):
    """Return an activation for hidden layers."""
    return (
        Remedy(
            "hidden_activation",
            ("relu", "prelu", "maxout"),
            "Without an activation in between, two layers act as one linear layer.",
            f'layer = {same_layer(case, path)}, activation="relu")',
        ),
    )


def over_regularized(case):
    """Return weaker dropout, noise and regularizers, of those that there are."""
    found = []
    first = "First get the training error low, then add regularization."
    if any("Dropout" in la["class"] or la.get("dropout") for la in case.layers):
        code = "x = keras.layers.Dropout(0.2)(x)"
        found.append(Remedy("dropout", (0.2, 0.0), first, code))
    if case.layers_of("GaussianNoise"):
        code = "x = keras.layers.GaussianNoise(0.1)(x)"
        found.append(Remedy("noise", (0.1, 0.0), first, code))
    if case.data.get("added_losses"):
        found.append(
            Remedy(
                "added_loss",
                (0.01, 0.001),
                "The loss that a layer adds must stay small compared to the error: "
                "multiply it by a factor.",
                "weight = 0.01\nadded = weight * keras.ops.mean(kl)",
            )
        )
    if any(name.endswith("_regularizer") for la in case.layers for name in la):
        found.append(
            Remedy(
                "l2",
                (1e-4, 0.0),
                "The regularization loss must stay small compared to the rest of the "
                "loss.",
                "regularizer = kcomponents.regularizers.L2(1e-4)",
            )
        )
    if any(name.endswith("_constraint") for la in case.layers for name in la):
        found.append(
            Remedy(
                "max_norm",
                (3.0,),
                "A constraint must leave room for the weights that the model needs.",
                "constraint = keras.constraints.MaxNorm(3.0)",
            )
        )
    return tuple(found)


def overfitting(case=None):
    """Return early stopping, and the regularization that there is not yet."""
    layers = [] if case is None else case.layers
    dropped = max([la.get("rate") or 0.0 for la in layers], default=0.0)
    penalized = any(name.endswith("_regularizer") for la in layers for name in la)
    found = [
        Remedy(
            "early_stopping",
            (True,),
            "Stops when the validation loss no longer improves, and restores the best "
            "weights.",
            "stopper = kcomponents.callbacks.EarlyStopping(\n"
            "    patience=5, restore_best_weights=True\n)",
        ),
    ]
    if dropped < 0.3:
        found.append(
            Remedy(
                "dropout",
                (0.3, 0.5),
                "With dropout, no unit can rely on any single other unit.",
                "x = keras.layers.Dropout(0.3)(x)",
            )
        )
    if not penalized:
        found.append(
            Remedy(
                "l2",
                (1e-4, 1e-3),
                "Penalizes the large weights needed to memorize single samples.",
                "kcomponents.regularizers.apply(model, "
                "kcomponents.regularizers.L2(1e-4))",
            )
        )
    return tuple(found)


def underfitting(case):
    """Return a larger model, or the baseline of a series to start from."""
    if any(skill.falls_behind_repeating for skill in case.skills):
        return (
            Remedy(
                "target_scaling",
                ("differences",),
                "Let the network see and predict changes, with a linear output as they "
                "may be negative, and add the last value to what it predicts.",
                "scale = np.diff(x, axis=1).std()\n"
                "changes = np.diff(x, axis=1, prepend=x[:, :1]) / scale\n"
                "output = keras.layers.Dense(1)\n"
                "model.fit(changes, (y - x[:, -1]) / scale)\n"
                "predicted = x[:, -1] + scale * model.predict(changes)",
            ),
        )
    kinds = {la["class"] for la in case.layers}
    recurrent = next((k for k in ("LSTM", "GRU", "SimpleRNN") if k in kinds), None)
    code = (
        'x = keras.layers.Dense(128, activation="relu")(x)\n'
        'x = keras.layers.Dense(128, activation="relu")(x)'
    )
    if recurrent:
        code = f"x = keras.layers.{recurrent}(128)(x)"
    elif "Conv2D" in kinds:
        code = 'x = keras.layers.Conv2D(128, 3, activation="relu")(x)'
    return (
        Remedy(
            "units",
            (64, 128),
            "More units and one more layer can fit more complex data.",
            code,
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


def no_gradient():
    """Return how to find where the gradient is lost."""
    return (
        Remedy(
            "check_gradient",
            (),
            "A loss that rounds, compares or takes the largest index has no gradient, "
            "and neither has what does not take part in the loss.",
            "loss = keras.ops.mean(keras.ops.square(y - y_pred))  # no round, argmax",
        ),
    )


def collapsed_output():
    """Return what keeps outputs apart."""
    return (
        Remedy(
            "normalization",
            ("batch_normalization", "unit_normalization"),
            "Normalized outputs cannot all shrink to one point; also lower the "
            "learning rate, and choose pairs at random instead of the hardest.",
            "x = keras.layers.UnitNormalization()(x)",
        ),
    )


def posterior_collapse():
    """Return how to make a variational autoencoder use its code."""
    return (
        Remedy(
            "added_loss",
            (0.01, 0.1),
            "Sum the error of a reconstruction over its values, and do not average it, "
            "or give the divergence a small weight, which may grow in training.",
            "error = keras.ops.sum(keras.ops.square(x - decoded), axis=-1)\n"
            "loss = keras.ops.mean(error) + 0.01 * keras.ops.mean(divergence)",
        ),
    )


def train_inference_gap(case, averages):
    """Return how to make training and inference agree."""
    if averages:
        return (
            Remedy(
                "momentum",
                (0.9, 0.8),
                "Moving averages settle within about 1 / (1 - momentum) steps.",
                "x = keras.layers.BatchNormalization(momentum=0.9)(x)",
            ),
        )
    return (
        Remedy(
            "augmentation",
            ("weaker",),
            "An augmented sample must look like one that may occur, on the same scale.",
            "x = keras.layers.RandomContrast(0.1)(x)",
        ),
    )


def frozen_layers():
    """Return how to unfreeze the weights."""
    return (
        Remedy(
            "trainable",
            (True,),
            "Frozen weights are never updated; compile again after unfreezing them.",
            "model.trainable = True\nmodel.compile(optimizer, loss)",
        ),
    )
