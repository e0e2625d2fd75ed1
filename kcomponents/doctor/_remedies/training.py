"""Remedies for the output, the loss and the optimizer, and how long it runs."""

from kcomponents.doctor.diagnosis import Remedy


def wrong_loss_or_output_activation(output):
    """Return the activation and loss that suit the targets."""
    logits = output["activation"] == "linear" and not output["from_logits"]
    several = str(output["loss"]).endswith("Crossentropy") and output["units"] > 1
    if logits and several:
        return _activation_and_loss(output), _from_logits(output["loss"])
    return (_activation_and_loss(output),)


def _from_logits(loss):
    return Remedy(
        "from_logits",
        (True,),
        "The loss then applies softmax or sigmoid itself, in a stable form.",
        f"loss = keras.losses.{loss}(from_logits=True)",
    )


def _activation_and_loss(output):
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


def wrong_optimizer_setting(case, bounds=()):
    """Return the optimizer with its default settings, or a larger bound.

    Args:
        case: `Case` of the run.
        bounds: Names of clipping arguments that are too small. Defaults to `()`.
    """
    kind = _optimizer_class(case)
    if bounds:
        name = bounds[0]
        return (
            Remedy(
                name,
                (1.0, 10.0),
                "A bound must leave most gradients as they are, and stop the largest.",
                f"optimizer = keras.optimizers.{kind}("
                f"{case.learning_rate or _default_rate(case):.3g}, {name}=1.0)",
            ),
        )
    return (
        Remedy(
            "optimizer",
            (kind.lower(),),
            "The optimizer's default settings work for most models.",
            f"optimizer = keras.optimizers.{kind}(learning_rate={_default_rate(case)})",
        ),
    )


def learning_rate_too_high(case):
    """Return lower learning rates."""
    rate = min((case.learning_rate or 0.01) / 10, _default_rate(case))
    reason = "A smaller learning rate stops overshooting the minimum."
    return (_learning_rates(case, (rate, rate / 10), reason),)


def learning_rate_too_low(case):
    """Return higher learning rates."""
    rate = max((case.learning_rate or 1e-4) * 10, _default_rate(case))
    reason = "A larger learning rate gets there within your epochs."
    return (_learning_rates(case, (rate, rate * 10), reason),)


def _learning_rates(case, rates, reason):
    rates = tuple(float(f"{rate:.1g}") for rate in rates)
    code = f"optimizer = {_optimizer(case, rates[0])}"
    return Remedy("learning_rate", rates, reason, code)


def _optimizer(case, learning_rate):
    rate = "" if learning_rate is None else f"{learning_rate:.3g}"
    return f"keras.optimizers.{_optimizer_class(case)}({rate})"


def _optimizer_class(case):
    return case.optimizer.get("class", "Adam")


def _default_rate(case):
    return 0.01 if case.optimizer.get("class") == "SGD" else 1e-3


def same_shapes():
    """Return how to give targets the shape of the outputs."""
    return (
        Remedy(
            "check_labels",
            (),
            "With equal shapes, the loss compares each target with its own output.",
            "y = y.reshape(len(y), 1)",
        ),
    )


def float16_training():
    """Return the policy that keeps weights in float32."""
    return (
        Remedy(
            "dtype_policy",
            ("mixed_float16",),
            "Mixed precision computes in float16 and keeps weights in float32.",
            'keras.config.set_dtype_policy("mixed_float16")',
        ),
    )


def loss_nan(case):
    """Return how to keep loss and weights finite."""
    found = [
        Remedy(
            "nonfinite",
            ("skip",),
            "Skips steps whose gradient is NaN or infinite, and clips large gradients.",
            "optimizer = kcomponents.optimizers.clipped(\n"
            f"    {_optimizer(case, _default_rate(case))}, global_clipnorm=1.0\n)",
        ),
    ]
    entropies = [
        output["loss"]
        for output in case.outputs
        if str(output["loss"]).endswith("Crossentropy") and not output["from_logits"]
    ]
    if entropies:
        found.append(
            Remedy(
                "from_logits",
                (True,),
                "A loss computed from logits never takes the logarithm of 0; leave out "
                "the activation of the last layer.",
                f"loss = keras.losses.{entropies[0]}(from_logits=True)",
            )
        )
    return tuple(found)


def exploding_gradient(case):
    """Return gradient clipping, if there is none, and lower learning rates."""
    if case.optimizer.get("clip"):
        return learning_rate_too_high(case)
    return (
        Remedy(
            "global_clipnorm",
            (1.0, 0.1),
            "Clipping shortens a large gradient and keeps its direction.",
            f"optimizer = kcomponents.optimizers.clipped(\n"
            f"    {_optimizer(case, case.learning_rate)}, global_clipnorm=1.0\n)",
        ),
        *learning_rate_too_high(case),
    )


def oscillating_loss(case):
    """Return lower learning rates and a larger batch."""
    size = max(32, 2 * (case.fit.get("batch_size") or 32))
    return (
        *learning_rate_too_high(case),
        Remedy(
            "batch_size",
            (size,),
            "With larger batches, gradients vary less from step to step.",
            f"model.fit(x, y, batch_size={size})",
        ),
    )


def slow_learning(case):
    """Return more epochs, and higher learning rates."""
    epochs = 5 * (case.fit.get("epochs") or len(case.losses) or 10)
    return (
        Remedy(
            "epochs",
            (epochs,),
            "Train longer; early stopping ends the run when the loss stops improving.",
            "stopper = kcomponents.callbacks.EarlyStopping(\n"
            '    monitor="loss", patience=20, restore_best_weights=True\n)\n'
            f"model.fit(x, y, epochs={epochs}, callbacks=[stopper])",
        ),
        *learning_rate_too_low(case),
    )
