"""The guard of a running `fit`: whatever ends it, the model stays whole.

Keras calls `on_train_end` only if training ends by itself. So all that runs within
`fit` and may raise is wrapped: the hooks of the callbacks, the steps of training and of
validation, the data, and the metrics. If one of them raises, the model gets back the
state of the last finished step, and everything that was changed for this `fit` is
undone, before the exception leaves `fit`.
"""

import functools
import logging
import signal
import sys
import threading
import weakref

from kcomponents import _backends
from kcomponents._keras.callback_list import (
    after_train_begin,
    hook_of,
    running_callbacks,
)
from kcomponents._keras.fit_state import UNKNOWN, number_of_fit, running_fit
from kcomponents._keras.method_covers import MethodCovers
from kcomponents._keras.step_state import StepState, keep_step_state

logger = logging.getLogger("kcomponents")

_guards = weakref.WeakKeyDictionary()
# Methods of a model that `fit` calls between its steps.
BETWEEN_STEPS = ("reset_metrics", "get_metrics_result")


def guard_fit(model):
    """Return the guard of the running `fit` of a model, or None outside of `fit`.

    All callbacks of one `fit` share a guard.
    """
    running = running_callbacks()
    if running is None:
        return None
    guard = _guards.get(running)
    if guard is None or guard.ended:
        guard = _guards[running] = FitGuard(model, running)
    return guard


def guarded_beginning(hook):
    """Wrap a callback's `on_train_begin`: `fit` is guarded from here on.

    The guard cannot wrap a hook that is already running, so the hook ends the guard
    itself if it raises.
    """

    @functools.wraps(hook)
    def on_train_begin(self, *args, **kwargs):
        guard = guard_fit(self.model)
        try:
            return hook(self, *args, **kwargs)
        except BaseException as error:
            if guard is not None:
                guard.end(error)
            raise

    return on_train_begin


class FitGuard:
    """Leaves a model whole, and as it was, when an exception ends `fit`.

    Args:
        model: Keras model in training.
        running: The `CallbackList` of its `fit`.

    Attributes:
        ended: Boolean, whether this `fit` is over.
        error: The exception that ends this `fit`, while its changes are undone.
        unguarded_function: The train function that the model had, or None. It is to be
            called in a function that `step` returned.
    """

    def __init__(self, model, running):
        self.ended, self.error, self.unguarded_function = False, None, None
        self._error_before = sys.exc_info()[1]
        # The table of guards and the list must not keep each other or the model alive.
        self._model, self._running = weakref.ref(model), weakref.ref(running)
        self._clean_ups = []
        self._covers, self._hooks = MethodCovers(), {}
        self._train_function = self._function_before = self._step_state = None
        self._interrupts = Interrupts()
        try:
            self._step_state = keep_step_state(model, self._covers)
            self._guard_hooks(running)
            self._guard_model(model)
            self._guard_data()
        except BaseException:
            self.end()
            raise
        # Fallback for exceptions elsewhere in `fit`, and for custom loops.
        weakref.finalize(running, self.end).atexit = False

    def at_end(self, clean_up):
        """Call a function when `fit` ends with an exception; the last one first."""
        self._clean_ups.append(clean_up)

    def keep_plain_state(self, plain):
        """Keep, after each step, what a function makes of its state."""
        self._step_state.plain = plain

    def step(self, function):
        """Wrap a train function: all of a step, or nothing of it."""
        interrupts = self._interrupts

        @functools.wraps(function)
        def run(*args, **kwargs):
            if self.ended:
                return function(*args, **kwargs)
            # Not in a context manager, which would cost more than the rest.
            before = interrupts.waits, interrupts.in_step
            interrupts.waits = interrupts.in_step = True
            try:
                self._begin_step()
                outputs = function(*args, **kwargs)
                self._step_state.finish_step()
                interrupts.waits, interrupts.in_step = before
                if interrupts.waiting is not None:
                    interrupts.check()
                return outputs
            except _backends.end_of_data:
                # Keras ends the epoch.
                interrupts.waits, interrupts.in_step = before
                self._step_state.finish_step()
                raise
            except BaseException as error:
                interrupts.waits, interrupts.in_step = before
                self.end(error)
                raise

        return run

    def _begin_step(self):
        try:
            self._step_state.begin_step()
        except Exception:
            # Training continues without this safety.
            self._step_state = StepState(self._model())
            logger.warning(
                "The state before a step cannot be kept, so a step that fails may "
                "leave a part of its changes in the model.",
                exc_info=True,
            )

    def end(self, error=None):
        """Restore the last finished step after an error, and undo all changes.

        Args:
            error: The exception that ends `fit`, or None. Defaults to `None`.
        """
        if self.ended:
            return
        self.ended, self.error = True, error
        state = self._step_state
        restore = [] if state is None else [lambda: state.end(error)]
        changes = [self._covers.remove, self._restore_hooks, self._restore_function]
        for undo in (*restore, *self._clean_ups[::-1], *changes):
            try:
                undo()
            except Exception:
                # The exception of the training is the one to show.
                logger.warning("Clean-up after `fit` failed.", exc_info=True)
        self._clean_ups, self._error_before, self.error = [], None, None
        self.unguarded_function = None
        # The last one, as it raises if Ctrl-C is still waiting.
        self._interrupts.close()

    def _guarded(self, function, passes=()):
        """Wrap a function of `fit` between its steps, which Ctrl-C may interrupt."""
        interrupts = self._interrupts

        @functools.wraps(function)
        def run(*args, **kwargs):
            # Within a step, which may be a trace, nothing can be undone.
            if self.ended or interrupts.in_step:
                return function(*args, **kwargs)
            before, interrupts.waits = interrupts.waits, False
            try:
                if interrupts.waiting is not None:
                    interrupts.check()
                return function(*args, **kwargs)
            except passes:
                raise
            except BaseException as error:
                interrupts.waits = before
                self.end(error)
                raise
            finally:
                interrupts.waits = before

        return run

    def _guard_hooks(self, running):
        for name in dir(running):
            if name.startswith("on_"):
                # Keras ends the epoch if a batch hook raises `StopIteration`.
                batch = name.endswith(("batch_begin", "batch_end"))
                passes = _backends.end_of_data if batch else ()
                hook = self._guarded(hook_of(running, name), passes)
                self._hooks[name] = hook
                setattr(running, name, hook)
        # The hook that is running now was not wrapped.
        beginning = MethodCovers()
        for callback in running.callbacks:
            beginning.cover(callback, "on_train_begin", self._guarded)
        self.at_end(beginning.remove)
        after_train_begin(running, beginning.remove)
        end = self._hooks["on_train_end"]

        @functools.wraps(end)
        def on_train_end(*args, **kwargs):
            result = end(*args, **kwargs)
            self.end()
            return result

        self._hooks["on_train_end"] = on_train_end
        running.on_train_end = on_train_end

    def _restore_hooks(self):
        running = self._running()
        for name, hook in self._hooks.items():
            # Others may have wrapped it; it does nothing more from now on.
            if running is not None and vars(running).get(name) is hook:
                delattr(running, name)

    def _guard_model(self, model):
        for name in BETWEEN_STEPS:
            if hasattr(model, name):
                self._covers.cover(model, name, self._guarded)
        self._covers.cover(model, "evaluate", self._cover_evaluate)
        optimizer = getattr(model, "optimizer", None)
        if hasattr(optimizer, "finalize_variable_values"):
            self._covers.cover(optimizer, "finalize_variable_values", self._cover_last)
        self._function_before = model.train_function
        if self._function_before is not None:
            self.unguarded_function = self._step_state.train_function()
            self._train_function = self.step(self.unguarded_function)
            model.train_function = self._train_function

    def _cover_last(self, original):
        """Cover the last method that `fit` calls, on JAX after an exception too."""

        @functools.wraps(original)
        def last(*args, **kwargs):
            error = sys.exc_info()[1]
            if error is not None and error is not self._error_before:
                self.end(error)
            return original(*args, **kwargs)

        return self._guarded(last)

    def _restore_function(self):
        model = self._model()
        if model is not None and model.train_function is self._train_function:
            model.train_function = self._function_before

    def _cover_evaluate(self, original):
        @functools.wraps(original)
        def evaluate(*args, **kwargs):
            with self._step_state.test_function(self._interrupts.whole):
                return original(*args, **kwargs)

        return self._guarded(evaluate)

    def _guard_data(self):
        epochs = running_fit().get("epoch_iterator")
        if epochs is None or epochs is UNKNOWN:
            return
        guarded, passes = self._guarded, (StopIteration,)

        class Guarded(type(epochs)):
            """The batches of `fit`, whose errors end it."""

            __iter__ = _method(guarded, type(epochs).__iter__, passes)
            __next__ = _method(guarded, type(epochs).__next__, passes)

        # Only the running `fit` knows this object. Special methods are looked up in
        # the class.
        Guarded.__name__ = type(epochs).__name__
        Guarded.__qualname__ = type(epochs).__qualname__
        epochs.__class__ = Guarded


def _method(guarded, function, passes):
    run = guarded(function, passes)

    @functools.wraps(function)
    def method(self):
        return run(self)

    return method


class Interrupts:
    """Lets a step finish before Ctrl-C ends training.

    Within a step, the first Ctrl-C waits for the end of the step; a second one
    interrupts at once. Between the parts of `fit` that are guarded, it waits for the
    next of them. Handlers that are not Python functions are left alone, as are threads
    other than the main one, which get no signals.

    Attributes:
        waits: Boolean, whether a signal waits now.
        in_step: Boolean, whether a step is running.
        waiting: The signal that waits, and its frame, or None.
    """

    def __init__(self):
        self.waits, self.in_step = True, False
        self.waiting = self._before = None
        self._fit, self._closed = number_of_fit(), False
        before = _open_handler(signal.getsignal(signal.SIGINT))
        if callable(before) and _in_main_thread():
            self._before = before
            signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number, frame):
        waits = self.waits and self.waiting is None and self._before is not None
        if waits and self._is_in_fit(frame):
            self.waiting = number, frame
            return
        self.waiting = None
        self._call(number, frame)

    def _is_in_fit(self, frame):
        """Return whether this `fit` is running, as its end may have gone unnoticed."""
        while frame is not None:
            if id(frame) == self._fit:
                return True
            frame = frame.f_back
        return False

    def _call(self, number, frame):
        (self._before or signal.default_int_handler)(number, frame)

    def check(self):
        """Call the handler of the program if a signal came meanwhile."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            self._call(*waiting)

    def whole(self, function):
        """Wrap a function that the first Ctrl-C does not interrupt."""

        @functools.wraps(function)
        def run(*args, **kwargs):
            before = self.waits, self.in_step
            self.waits = self.in_step = True
            try:
                outputs = function(*args, **kwargs)
            finally:
                self.waits, self.in_step = before
            self.check()
            return outputs

        return run

    def close(self):
        """Restore the handler that was set before."""
        if self._before is None:
            return
        self.waits, self._closed = False, True
        # Compared by `==`, because each bound method is a new object.
        if _in_main_thread() and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, _open_handler(self._before))
        self.check()


def _open_handler(handler):
    """Return a handler, or what stood below it if its `fit` has ended meanwhile."""
    while isinstance(owner := getattr(handler, "__self__", None), Interrupts):
        if not owner._closed:
            break
        handler = owner._before
    return handler


def _in_main_thread():
    return threading.current_thread() is threading.main_thread()
