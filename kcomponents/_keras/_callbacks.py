"""Of the callbacks that come with Keras: what they remember of a training."""

import keras

# By what they must go on from; the rest they find out anew.
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
