"""Callbacks of Keras: the attributes that a resumed run restores."""

import keras

from kcomponents._keras._features import NEEDED, needed

# Without the attributes that a callback computes again.
STATE_OF_CALLBACKS = {
    keras.callbacks.History: ("epoch", "history"),
    keras.callbacks.ReduceLROnPlateau: ("best", "wait", "cooldown_counter"),
    keras.callbacks.EarlyStopping: (
        "best",
        "wait",
        "best_epoch",
        "best_weights",
        "stopped_epoch",
    ),
    keras.callbacks.ModelCheckpoint: (
        "best",
        "_batches_seen_since_last_saving",
        "_last_batch_seen",
    ),
    keras.callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
}


def check_states(callbacks):
    """Raise if a callback of Keras lacks an attribute of its state."""
    for callback in callbacks:
        for kind, names in STATE_OF_CALLBACKS.items():
            for name in (f"{kind.__name__}.{attribute}" for attribute in names):
                if name in NEEDED and isinstance(callback, kind):
                    needed(callback, name)
