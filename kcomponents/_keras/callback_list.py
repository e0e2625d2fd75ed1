"""The list of callbacks in a running `fit`: its hooks, exceptions and states."""

import functools
import inspect
import weakref

import keras

from kcomponents._keras.features import NEEDED, needed

CODE_OF_LISTS = {
    method.__code__
    for method in vars(keras.callbacks.CallbackList).values()
    if inspect.isfunction(method)
}


def wrap_hook(running, name, before=None, after=None):
    """Call functions before and after a hook of a list of callbacks."""
    hook = hook_of(running, name)

    @functools.wraps(hook)
    def call(*args, **kwargs):
        if before is not None:
            before(*args, **kwargs)
        hook(*args, **kwargs)
        if after is not None:
            after(*args, **kwargs)

    setattr(running, name, call)


def hook_of(running, name):
    """Return a hook, wrapped or not, that does not keep its list alive."""
    if name in vars(running):
        return vars(running)[name]
    function, reference = getattr(type(running), name), weakref.ref(running)
    return lambda *args, **kwargs: function(reference(), *args, **kwargs)


def frame_of(matches):
    """Return the innermost frame of the call stack that a function accepts, or None.

    The local variables of other frames must not be read: Python keeps what it read, and
    so keeps these variables alive, until the frame ends.
    """
    frame = inspect.currentframe().f_back
    while frame is not None and not matches(frame):
        frame = frame.f_back
    return frame


def running_callbacks():
    """Return the list of callbacks that is on the call stack, or None."""
    frame = frame_of(lambda frame: frame.f_code in CODE_OF_LISTS)
    return None if frame is None else frame.f_locals["self"]


class LastCallback(keras.callbacks.Callback):
    """The last callback of a list, added while the list calls `on_train_begin`."""

    def __init__(self):
        super().__init__()
        self.functions = []

    def on_train_begin(self, logs=None):
        """Call each function once."""
        functions, self.functions = self.functions, []
        for function in functions:
            function()


def after_train_begin(running, function):
    """Call a function after a list has called `on_train_begin` of all its callbacks.

    It is not called if one of the callbacks raises an exception.
    """
    if not isinstance(running.callbacks[-1], LastCallback):
        # The loop over the callbacks also reaches callbacks appended meanwhile.
        running.callbacks.append(LastCallback())
    running.callbacks[-1].functions.append(function)


# The attributes that a resumed run restores, without those that a callback computes
# again.
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
