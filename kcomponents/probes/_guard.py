"""Guard: clean up when training ends with an exception.

Keras does not call `on_train_end` after an exception. So the functions that run during
`fit` are wrapped to clean up on exceptions. For exceptions elsewhere, a finalizer
cleans up when the list of callbacks, which only `fit` references, is collected.
"""

import functools
import inspect
import weakref

import keras


def guarded(function, clean_up):
    """Wrap a function so that `clean_up()` is called if it raises."""

    @functools.wraps(function)
    def run(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except StopIteration:
            # The data has ended, which Keras handles.
            raise
        except BaseException:
            clean_up()
            raise

    return run


def guard_callbacks(running, clean_up):
    """Guard all hooks of a list of callbacks, and clean up when it is collected."""
    for name in dir(running):
        if name.startswith("on_"):
            setattr(running, name, guarded(_hook(running, name), clean_up))
    weakref.finalize(running, clean_up).atexit = False


def around(running, name, before=None, after=None):
    """Call functions before and after a hook of a list of callbacks."""
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
    """Return a hook, wrapped or not, that does not keep its list alive."""
    if name in vars(running):
        return vars(running)[name]
    function, reference = getattr(type(running), name), weakref.ref(running)
    return lambda *args, **kwargs: function(reference(), *args, **kwargs)


def calling_list():
    """Return the list of callbacks that is on the call stack, or None."""
    frame = inspect.currentframe()
    try:
        while frame is not None:
            caller = frame.f_locals.get("self")
            if isinstance(caller, keras.callbacks.CallbackList):
                return caller
            frame = frame.f_back
    finally:
        # A reference of the frame to itself would keep its variables alive.
        del frame
    return None
