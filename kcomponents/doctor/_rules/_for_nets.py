"""Remedies for the model: what to change in its layers."""

from kcomponents.doctor._remedy import Remedy
from kcomponents.doctor._rules._for_steps import lower_rate
from kcomponents.doctor._rules._same_layer import same_layer, units


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
