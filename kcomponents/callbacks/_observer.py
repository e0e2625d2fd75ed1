"""Base class of the callbacks that only observe: if one fails, training continues."""

import functools
import logging

import keras

from kcomponents._keras.features import MissingInKeras
from kcomponents._keras.fit_guard import guard_fit

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
        self._failed, self._depth = False, 0

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
        try:
            self._stop_observing()
        except Exception:
            logger.debug("Clean-up of %s failed.", type(self).__name__, exc_info=True)


def _without_errors(name, hook):
    """Wrap a hook so that its errors switch the callback off instead of being raised.

    A hook may call that of its base class; only the outermost one handles errors.
    """
    begins = name == "on_train_begin"

    @functools.wraps(hook)
    def call(self, *args, **kwargs):
        if self._depth:
            return hook(self, *args, **kwargs)
        if begins:
            self._failed = False
            guard_fit(self.model)
        elif self._failed:
            return None
        self._depth += 1
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
        finally:
            self._depth -= 1

    return call
