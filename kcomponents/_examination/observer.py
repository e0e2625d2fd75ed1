"""Base class of the callbacks that only observe: if one fails, training continues."""

import functools
import logging
import threading

import keras

from kcomponents._keras.features import MissingInKeras
from kcomponents._keras.fit_guard import guarded_beginning

logger = logging.getLogger("kcomponents")

# What `on_train_begin` may raise: an argument does not fit the model or this machine.
ARGUMENT_ERRORS = ValueError, OSError, MissingInKeras


class Observer(keras.callbacks.Callback):
    """A callback that observes training, and never ends it by an error of its own.

    If a hook fails, the error is logged, the callback stops observing, and training
    continues as if the callback was not there. Errors in arguments are raised before
    the first batch.

    A subclass defines `_stop_observing()`, which undoes what the callback has changed.
    """

    # Exceptions that a subclass raises on purpose.
    RAISES: tuple[type[Exception], ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self._failed = self._stops_later = False
        # The threads that run a hook. Keras runs hooks after batches in others than
        # `fit` if `async_safe` is true.
        self._threads, self._fit_thread = set(), None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name, hook in list(vars(cls).items()):
            if name.startswith("on_") and callable(hook):
                setattr(cls, name, _without_errors(name, hook))

    def _stop_observing(self):
        """Undo what the callback has changed for this `fit`."""

    def _fail(self, error):
        self._failed = True
        logger.warning(
            "%s has failed and is off until the next `fit`; training continues without "
            "it. Please report this error: %s: %s",
            type(self).__name__,
            type(error).__name__,
            error,
            exc_info=error,
        )
        self._stop()

    def _stop(self):
        """Undo all changes, later if `fit` may be in a step in another thread."""
        self._stops_later = threading.get_ident() != self._fit_thread
        if self._stops_later:
            return
        try:
            self._stop_observing()
        except Exception:
            logger.debug("Clean-up of %s failed.", type(self).__name__, exc_info=True)


def _without_errors(name, hook):
    """Wrap a hook so that its errors switch the callback off instead of being raised.

    A hook may call that of its base class; only the outermost one handles errors.
    """
    begins = name == "on_train_begin"

    def observe(self, *args, **kwargs):
        try:
            return hook(self, *args, **kwargs)
        except (Warning, *self.RAISES):
            # A program may turn warnings into exceptions.
            raise
        except Exception as error:
            if begins and isinstance(error, ARGUMENT_ERRORS):
                raise
            self._fail(error)
            return None

    if begins:
        observe = guarded_beginning(observe)

    @functools.wraps(hook)
    def call(self, *args, **kwargs):
        thread = threading.get_ident()
        if thread in self._threads:
            return hook(self, *args, **kwargs)
        if begins:
            self._failed = self._stops_later = False
            self._fit_thread = thread
        elif self._failed:
            if self._stops_later:
                self._stop()
            return None
        self._threads.add(thread)
        try:
            return observe(self, *args, **kwargs)
        finally:
            self._threads.discard(thread)

    return call
