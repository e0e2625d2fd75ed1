"""The running `fit`: its arguments, its data, and its first epoch."""

import contextlib
import inspect

from kcomponents._checks import fail
from kcomponents._keras.callback_list import check_states
from kcomponents._keras.features import missing, module, needed

global_state = module("backend.common.global_state")
seed_generator = module("random.seed_generator")
# The data of a `fit` of Keras that has no `epoch_iterator`.
UNKNOWN = object()


def number_of_fit():
    """Return a number of the running `fit`, unique while its frame exists, or None."""
    frame = inspect.currentframe()
    try:
        while frame is not None:
            code = frame.f_code
            if code.co_name == "fit" and "validation_freq" in code.co_varnames:
                return id(frame)
            frame = frame.f_back
    finally:
        # A reference of the frame to itself would keep its variables alive.
        del frame
    return None


def running_fit():
    """Return the local variables of the running `fit`, or an empty dict."""
    frame = inspect.currentframe()
    try:
        while frame is not None:
            known = frame.f_locals
            if frame.f_code.co_name == "fit" and "validation_freq" in known:
                of_keras = frame.f_globals.get("__name__", "").startswith("keras.src.")
                return {"epoch_iterator": UNKNOWN, **known} if of_keras else dict(known)
            frame = frame.f_back
    finally:
        # A reference of the frame to itself would keep its variables alive.
        del frame
    return {}


def validates_later():
    """Return whether the running `fit` validates, but not after each epoch."""
    known = running_fit()
    return known.get("validation_data") is not None and known["validation_freq"] != 1


def set_first_epoch(model, epoch):
    """Start the `fit` that is about to train at this epoch, if it is not 0."""
    needed(model, "Model._initial_epoch")
    model._initial_epoch = epoch


def first_epoch(model):
    """Return the first epoch of the `fit` that is about to train."""
    epoch = needed(model, "Model._initial_epoch")
    return epoch or running_fit().get("initial_epoch", 0)


def reset_first_epoch(model):
    """Undo `set_first_epoch`, which would also apply to the next `fit`."""
    if hasattr(model, "_initial_epoch"):
        model._initial_epoch = None


def draw_epoch(epochs):
    """Draw the batches of one epoch from the data of `fit`, as training does."""
    _check_iterator(epochs)
    with epochs.catch_stop_iteration():
        for _, _, data in epochs._enumerate_iterator():
            _draw(epochs, data)


def skip_steps(epochs, steps, use_last):
    """Skip the first steps of the next epoch of the data of `fit`.

    `use_last` is called with the last skipped batch, before the next one is drawn.
    """
    _check_iterator(epochs)
    enumerate_all = epochs._enumerate_iterator

    def rest():
        del epochs._enumerate_iterator
        found, last = enumerate_all(), None
        for begin, end, data in found:
            if begin >= steps:
                use_last(last)
                yield begin, end, data
                break
            try:
                last = _draw(epochs, data)
            except StopIteration:
                _fail_short(steps, begin)
        else:
            # No batch was left, or not one after those to skip.
            _fail_short(steps, "at most that")
        yield from found

    epochs._enumerate_iterator = rest


def _fail_short(steps, now):
    rule = "The data must not change, but an epoch is shorter now."
    fail(rule, steps_done=steps, steps_now=now)


def show_first_batches(epochs, read, iterator_over):
    """Show the first batches of the data of `fit` to `read`, and still train on them.

    `read(batch)` returns whether to show the next one too. `iterator_over(batches,
    iterator)` returns an iterator over drawn batches for the train function, or None if
    that only accepts its own iterator: then no batch is shown.
    """
    _check_iterator(epochs)
    enumerate_all = epochs._enumerate_iterator

    def first():
        epochs.__dict__.pop("_enumerate_iterator", None)
        wanted = True
        for begin, end, data in enumerate_all():
            wanted = wanted and iterator_over([], data) is not None
            if not wanted:
                yield begin, end, data
                continue
            drawn = []
            for _ in range(epochs.steps_per_execution):
                if (batch := next(data, None)) is None:
                    break
                drawn.append(batch)
                wanted = wanted and read(batch)
            # Without a batch, the train function itself meets the end of the data.
            yield begin, end, iterator_over(drawn, data) if drawn else data

    epochs._enumerate_iterator = first


def _check_iterator(epochs):
    if epochs is UNKNOWN:
        raise missing("fit.epoch_iterator")
    needed(epochs, "EpochIterator._enumerate_iterator")
    needed(epochs, "EpochIterator.catch_stop_iteration")
    needed(epochs, "EpochIterator.steps_per_execution")


def _draw(epochs, data):
    for _ in range(epochs.steps_per_execution):
        batch = next(data)
    return batch


def build_metrics(model, batch):
    """Build what a model builds when it first trains on such a batch."""
    needed(model, "Model._symbolic_build")(data_batch=batch)


def wait_for_hooks(running):
    """Wait for callbacks that run in another thread, so that their states are final."""
    check_states(running.callbacks)
    flush = needed(running, "CallbackList._flush_futures")
    if needed(running, "CallbackList._async_train"):
        flush()


def global_seed():
    """Return the seed of `keras.utils.set_random_seed`, or None if it is unknown."""
    read = getattr(global_state, "get_global_attribute", None)
    return None if read is None else read("global_random_seed")


def global_seeds():
    """Return the state of the global random generator as a variable, or None."""
    name = needed(seed_generator, "seed_generator.GLOBAL_SEED_GENERATOR")
    generator = needed(global_state, "global_state.get_global_attribute")(name)
    return None if generator is None else generator.state


@contextlib.contextmanager
def without_new_global_seeds():
    """Drop, at the end, a global random generator that Keras made in this context.

    Keras makes it at the first draw without a seed, from a number of `random`.
    """
    name = getattr(seed_generator, "GLOBAL_SEED_GENERATOR", None)
    read = getattr(global_state, "get_global_attribute", None)
    write = getattr(global_state, "set_global_attribute", None)
    known = name is not None and read is not None and write is not None
    before = read(name) if known else None
    try:
        yield
    finally:
        if known and read(name) is not before:
            write(name, before)
