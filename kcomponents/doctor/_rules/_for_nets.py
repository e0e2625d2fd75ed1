"""Remedies for nets: what to change in their layers."""

from kcomponents.doctor._remedy import Remedy
from kcomponents.doctor._rules._for_steps import lower_rate
from kcomponents.doctor._rules._same_layer import same_layer, units


def initializers(case, path):
    """Return initializers that keep signals at their scale."""
    names = [la["activation"] for la in case.layers if la["activation"]]
    kind = "relu" if "relu" in names else "tanh" if "tanh" in names else "sigmoid"
    name = "he_normal" if kind == "relu" else "glorot_uniform"
    return (
        Remedy(
            "kernel_initializer",
            (name, "lsuv"),
            "Signals keep their scale from layer to layer, and units differ.",
            f'start = kcomponents.initializers.recommended_for("{kind}")\n'
            f"layer = {same_layer(case, path)}, "
            f'activation="{kind}", kernel_initializer=start)',
        ),
    )


def vanishing(case, path):
    """Return what lets gradients through deep nets."""
    return (
        Remedy(
            "hidden_activation",
            ("relu", "prelu", "maxout"),
            "Their slope is 1 where they fire; that of a sigmoid is at most 1/4.",
            'start = kcomponents.initializers.recommended_for("prelu")\n'
            f"layer = {same_layer(case, path)}, kernel_initializer=start)\n"
            "activation = kcomponents.layers.PReLU()",
        ),
        Remedy(
            "residual",
            (True,),
            "Around each block the gradient passes by unchanged.",
            f"x = kcomponents.layers.PreActivationResidual({units(case, path)})(x)",
        ),
    )


def recurrent():
    """Return what carries gradients through many steps."""
    return (
        Remedy(
            "recurrent_layer",
            ("lstm", "gru", "irnn"),
            "Their state passes from step to step unchanged, if nothing is written.",
            "layer = keras.layers.LSTM(32)",
        ),
    )


def dead(case, path):
    """Return what keeps rectifiers alive."""
    return (
        Remedy(
            "hidden_activation",
            ("prelu", "leaky_relu"),
            "They have a slope on the left side too, so that no unit dies.",
            f"layer = {same_layer(case, path)})\n"
            "activation = kcomponents.layers.PReLU()",
        ),
        *lower_rate(case),
    )


def saturated(case, path):
    """Return what brings activations off their plateaus."""
    return (
        Remedy(
            "normalization",
            ("batch_normalization", "layer_normalization"),
            "Inputs of mean 0 and deviation 1 are where the slope is.",
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
            "Without one, however many layers are one linear map.",
            f'layer = {same_layer(case, path)}, activation="relu")',
        ),
    )


def less_regularized():
    """Return milder penalties."""
    return (
        Remedy(
            "dropout",
            (0.2, 0.0),
            "First let the training error get good, then hold it back.",
            "x = keras.layers.Dropout(0.2)(x)",
        ),
        Remedy(
            "l2",
            (1e-4, 0.0),
            "A penalty must stay small beside the loss.",
            "regularizer = kcomponents.regularizers.L2(1e-4)",
        ),
    )


def one_batch():
    """Return the first thing to try with a net that learns nothing."""
    return (
        Remedy(
            "data",
            (),
            "A net that cannot learn 16 rows by heart has an error in it; one that can "
            "lacks signal, size or time.",
            "model.fit(x[:16], y[:16], epochs=500)",
        ),
    )


def unfreeze():
    """Return how to let weights be trained."""
    return (
        Remedy(
            "trainable",
            (True,),
            "Frozen weights stay what they are; compile again after the change.",
            "model.trainable = True\nmodel.compile(optimizer, loss)",
        ),
    )


def larger():
    """Return a larger net."""
    return (
        Remedy(
            "units",
            (64, 128),
            "More units, and one layer more, can follow more of the data.",
            'x = keras.layers.Dense(128, activation="relu")(x)\n'
            'x = keras.layers.Dense(128, activation="relu")(x)',
        ),
    )


def overfitting():
    """Return what helps where the validation error is bad."""
    return (
        Remedy(
            "early_stopping",
            (True,),
            "It stops where the validation loss is least, and brings that state back.",
            "stopper = kcomponents.callbacks.EarlyStopping(\n"
            "    patience=5, restore_best_weights=True\n)",
        ),
        Remedy(
            "dropout",
            (0.3, 0.5),
            "No unit can rely on a single other one.",
            "x = keras.layers.Dropout(0.3)(x)",
        ),
        Remedy(
            "l2",
            (1e-4, 1e-3),
            "Large weights, which single rows need, cost something.",
            "kcomponents.regularizers.apply(model, kcomponents.regularizers.L2(1e-4))",
        ),
    )
