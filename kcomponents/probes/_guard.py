"""Guard: something to be done when training ends by an exception.

Keras tells callbacks nothing of an exception: `on_train_end` is not called. So what
runs during `fit` is covered by handlers, and what slips through them is noticed when
the list of callbacks, which only `fit` holds, is dropped.
"""

import functools
import inspect
import weakref

import keras


def guarded(function, clean_up):
    """Return the function with `clean_up()` called if an exception leaves it."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except StopIteration:
            # The data has come to its end, which Keras handles.
            raise
        except BaseException:
            clean_up()
            raise

    return run


def guard_callbacks(running, clean_up):
    """Guard all hooks of a list of callbacks, and its end."""
    for name in dir(running):
        if name.startswith("on_"):
            setattr(running, name, guarded(_hook(running, name), clean_up))
    weakref.finalize(running, clean_up).atexit = False


def around(running, name, before=None, after=None):
    """Call functions before and after a hook of all callbacks of a list."""
    hook = _hook(running, name)

    @functools.wraps(hook)
    def call(*args, **kwargs):
        if before is not None:
            before(*args, **kwargs)
        hook(*args, **kwargs)
        if after is not None:
            after(*args, **kwargs)

    setattr(running, name, call)


def _hook(running, name):
    """Return a hook, covered or not, that does not keep its list alive."""
    if name in vars(running):
        return vars(running)[name]
    function, reference = getattr(type(running), name), weakref.ref(running)
    return lambda *args, **kwargs: function(reference(), *args, **kwargs)


def calling_list():
    """Return the list of callbacks that is calling right now, or None."""
    frame = inspect.currentframe()
    try:
        while frame is not None:
            caller = frame.f_locals.get("self")
            if isinstance(caller, keras.callbacks.CallbackList):
                return caller
            frame = frame.f_back
    finally:
        # A frame that refers to itself would keep alive all that it holds.
        del frame
    return None
