"""Of a `fit` that is running: its arguments, its data, where it begins."""

import inspect

from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

from kcomponents._check import fail


def running_fit():
    """Return what the `fit` that is running knows, by name, or an empty dict."""
    frame = inspect.currentframe()
    try:
        while frame is not None:
            known = frame.f_locals
            if frame.f_code.co_name == "fit" and "validation_freq" in known:
                return dict(known)
            frame = frame.f_back
    finally:
        # A frame that refers to itself would keep alive all that it holds.
        del frame
    return {}


def validates_later():
    """Return whether the `fit` that is running validates, but not after each epoch."""
    known = running_fit()
    return known.get("validation_data") is not None and known["validation_freq"] != 1


def begin_at(model, epoch):
    """Let the `fit` that is beginning begin with this epoch, if that is not 0."""
    model._initial_epoch = epoch


def begins_at(model):
    """Return the epoch that the `fit` that is beginning begins with."""
    return model._initial_epoch or running_fit().get("initial_epoch", 0)


def begun(model):
    """Let the next `fit` begin where it is told to; Keras keeps what was set."""
    model._initial_epoch = None


def draw_epoch(epochs):
    """Draw the batches of one epoch from the data of `fit`, as training would."""
    with epochs.catch_stop_iteration():
        for _, _, data in epochs._enumerate_iterator():
            _draw(epochs, data)


def skip_steps(epochs, steps, then):
    """Let the next epoch of the data of `fit` begin after so many steps of it.

    `then` is called with the last batch skipped, before the first that is not.
    """
    enumerate_all = epochs._enumerate_iterator

    def rest():
        del epochs._enumerate_iterator
        found, last = enumerate_all(), None
        for begin, end, data in found:
            if begin >= steps:
                then(last)
                yield begin, end, data
                break
            try:
                last = _draw(epochs, data)
            except StopIteration:
                rule = "The data must be the same; an epoch of it is shorter now."
                fail(rule, steps_done=steps, steps_now=begin)
        yield from found

    epochs._enumerate_iterator = rest


def see_first(epochs, see, again):
    """Show the first batches of the data of `fit` to `see`, and train on them as well.

    `see(batch)` returns whether to show the next one too; `again(batches, iterator)`
    returns an iterator over batches that were drawn, for the train function, or None
    where that takes none but its own: then nothing is shown.
    """
    enumerate_all = epochs._enumerate_iterator

    def first():
        epochs.__dict__.pop("_enumerate_iterator", None)
        wanted = True
        for begin, end, data in enumerate_all():
            wanted = wanted and again([], data) is not None
            if not wanted:
                yield begin, end, data
                continue
            drawn = []
            for _ in range(epochs.steps_per_execution):
                if (batch := next(data, None)) is None:
                    break
                drawn.append(batch)
                wanted = wanted and see(batch)
            # Of no batch at all, the train function finds the end by itself.
            yield begin, end, again(drawn, data) if drawn else data

    epochs._enumerate_iterator = first


def _draw(epochs, data):
    for _ in range(epochs.steps_per_execution):
        batch = next(data)
    return batch


def build_metrics(model, batch):
    """Let a model that trains on such batches make what Keras defers to a trace."""
    model._symbolic_build(data_batch=batch)


def wait_for_hooks(running):
    """Wait for callbacks that Keras calls from another thread."""
    if running._async_train:
        running._flush_futures()


def global_seeds():
    """Return the variable behind random numbers that were given no seed, or None."""
    generator = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    return None if generator is None else generator.state
