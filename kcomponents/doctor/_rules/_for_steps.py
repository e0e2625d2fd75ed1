"""Remedies for the optimizer: its settings, and how long it runs."""

from kcomponents.doctor._remedy import Remedy


def finite():
    """Return how to keep loss and weights finite."""
    return (
        Remedy(
            "nonfinite",
            ("skip",),
            "Skips steps whose gradient is NaN or infinite, and clips large gradients.",
            "optimizer = kcomponents.optimizers.clipped(\n"
            "    keras.optimizers.Adam(1e-3), global_clipnorm=1.0\n)",
        ),
        Remedy(
            "from_logits",
            (True,),
            "A loss computed from logits never takes the logarithm of 0.",
            "loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
        ),
    )


def clipping(case):
    """Return gradient clipping, and lower learning rates."""
    return (
        Remedy(
            "global_clipnorm",
            (1.0, 0.1),
            "Clipping shortens a large gradient and keeps its direction.",
            f"optimizer = kcomponents.optimizers.clipped(\n"
            f"    {_optimizer(case)}, global_clipnorm=1.0\n)",
        ),
        *lower_rate(case),
    )


def _optimizer(case, rate=None):
    kind = case.optimizer.get("class", "Adam")
    rate = case.rate if rate is None else rate
    return f"keras.optimizers.{kind}({'' if rate is None else f'{rate:.3g}'})"


def lower_rate(case):
    """Return lower learning rates."""
    rate = case.rate or 0.01
    usual = 0.01 if case.optimizer.get("class") == "SGD" else 1e-3
    first = min(rate / 10, usual)
    return (
        Remedy(
            "learning_rate",
            (_round(first), _round(first / 10)),
            "A smaller learning rate stops overshooting the minimum.",
            f"optimizer = {_optimizer(case, _round(first))}",
        ),
    )


def raise_rate(case):
    """Return higher learning rates."""
    rate = case.rate or 1e-4
    usual = 0.01 if case.optimizer.get("class") == "SGD" else 1e-3
    first = max(rate * 10, usual)
    return (
        Remedy(
            "learning_rate",
            (_round(first), _round(first * 10)),
            "A larger learning rate gets there within your epochs.",
            f"optimizer = {_optimizer(case, _round(first))}",
        ),
    )


def _round(rate):
    return float(f"{rate:.1g}")


def optimizer_defaults(case):
    """Return the optimizer with its default settings."""
    kind = case.optimizer.get("class", "Adam")
    usual = 0.01 if kind == "SGD" else 1e-3
    return (
        Remedy(
            "optimizer",
            (kind.lower(),),
            "The optimizer's default settings work for most models.",
            f"optimizer = keras.optimizers.{kind}(learning_rate={usual})",
        ),
    )


def calmer(case):
    """Return lower learning rates and a larger batch."""
    size = case.fit.get("batch_size") or 32
    return (
        *lower_rate(case),
        Remedy(
            "batch_size",
            (max(32, 2 * size),),
            "With larger batches, gradients vary less from step to step.",
            f"model.fit(x, y, batch_size={max(32, 2 * size)})",
        ),
    )


def longer(case):
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
        *raise_rate(case),
    )
