"""The running `fit`: its arguments, its data, and its first epoch."""

import contextlib
import math

import keras
import numpy as np

from kcomponents import _backends
from kcomponents._checks import fail
from kcomponents._keras.callback_list import check_states, frame_of
from kcomponents._keras.features import missing, module, needed

global_state = module("backend.common.global_state")
seed_generator = module("random.seed_generator")
# Of a call that does several steps, Keras 3.10 tells `on_train_batch_end` the first,
# later versions the last one.
FIRST_STEP_AT_END = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 11)
# The data of a `fit` of Keras that has no `epoch_iterator`.
UNKNOWN = object()


def _is_fit(frame):
    code = frame.f_code
    return code.co_name == "fit" and "validation_freq" in code.co_varnames


def number_of_fit():
    """Return a number of the running `fit`, unique while its frame exists, or None."""
    frame = frame_of(_is_fit)
    return None if frame is None else id(frame)


def running_fit():
    """Return the local variables of the running `fit`, or an empty dict."""
    frame = frame_of(_is_fit)
    if frame is None:
        return {}
    known = dict(frame.f_locals)
    of_keras = frame.f_globals.get("__name__", "").startswith("keras.src.")
    return {"epoch_iterator": UNKNOWN, **known} if of_keras else known


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
    count, _ = _items_of_call(epochs)
    with epochs.catch_stop_iteration():
        for *_, data in epochs._enumerate_iterator():
            _draw(data, count)


def skip_steps(epochs, steps, use_last):
    """Skip the first steps of the next epoch of the data of `fit`.

    `use_last` is called with the last skipped batch, before the next one is drawn.
    """
    _check_iterator(epochs)
    enumerate_all = epochs._enumerate_iterator

    def rest():
        del epochs._enumerate_iterator
        found, last = enumerate_all(), None
        count, batches_in = _items_of_call(epochs)
        # Keras 3.10 gives the first step of a call only, later versions also the last.
        for *now, data in found:
            if now[0] >= steps:
                use_last(batches_in(last)[-1])
                yield *now, data
                break
            try:
                last = _draw(data, count)
            except StopIteration:
                _fail_short(steps, now[0])
        else:
            # No batch was left, or not one after those to skip.
            _fail_short(steps, "at most that")
        yield from found

    epochs._enumerate_iterator = rest


def _fail_short(steps, now):
    rule = "The data must not change, but an epoch is shorter now."
    fail(rule, steps_done=steps, steps_now=now)


def show_first_batches(epochs, read, iterator_over):
    """Show some batches of the first epoch of `fit` to `read`, and train on them.

    `read(batch)` returns how many batches to let pass before the next one, or None for
    no more. `iterator_over(batches, iterator)` returns an iterator over drawn batches
    for the train function, or None if that only accepts its own iterator: then no batch
    is shown.
    """
    _check_iterator(epochs)
    enumerate_all = epochs._enumerate_iterator

    def first():
        epochs.__dict__.pop("_enumerate_iterator", None)
        to_pass, of_call = 0, epochs.steps_per_execution
        count, batches_in = _items_of_call(epochs)
        for *now, data in enumerate_all():
            if to_pass is not None and iterator_over([], data) is None:
                to_pass = None
            if to_pass is None or to_pass >= of_call:
                to_pass = to_pass and to_pass - of_call
                yield *now, data
                continue
            drawn = []
            for _ in range(count):
                if (item := next(data, None)) is None:
                    break
                drawn.append(item)
                for batch in batches_in(item):
                    if to_pass:
                        to_pass -= 1
                    elif to_pass == 0:
                        to_pass = read(batch)
            # Without a batch, the train function itself meets the end of the data.
            yield *now, iterator_over(drawn, data) if drawn else data

    epochs._enumerate_iterator = first


def _check_iterator(epochs):
    if epochs is UNKNOWN:
        raise missing("fit.epoch_iterator")
    needed(epochs, "EpochIterator._enumerate_iterator")
    needed(epochs, "EpochIterator.catch_stop_iteration")
    needed(epochs, "EpochIterator.steps_per_execution")


def _draw(data, count):
    for _ in range(count):
        item = next(data)
    return item


def _items_of_call(epochs):
    """Return how many items a call of the train function takes, and what is in one.

    That is a function of an item which returns its batches.
    """
    count = epochs.steps_per_execution
    if count > 1 and _backends.may_stack_batches and _stacks_batches(epochs):
        return 1, _unstacked
    return count, lambda item: [item]


def batches_in_item():
    """Return a function of an item of the data of the running `fit`: its batches."""
    epochs = running_fit().get("epoch_iterator")
    if epochs is None or epochs is UNKNOWN:
        return lambda item: [item]
    return _items_of_call(epochs)[1]


def _stacks_batches(epochs):
    """Return whether the batches of several steps come as one item.

    Some versions of Keras do this, so other data are drawn in the same way.
    """
    distribution = keras.distribution.distribution()
    mesh = (1,) if distribution is None else distribution.device_mesh.shape
    size, count = math.prod(mesh), epochs.steps_per_execution
    x = np.zeros((size * count, 1), "float32")
    trial = type(epochs)(x=x, batch_size=size, steps_per_execution=count)
    *_, items = next(trial._enumerate_iterator())
    [leaf] = keras.tree.flatten(next(items))
    return len(leaf.shape) > x.ndim


def _unstacked(item):
    """Return the batches in an item: a stack of them, or a list with its own class."""
    if isinstance(item, list) and type(item) is not list:
        return list(item)
    leaves = [leaf for leaf in keras.tree.flatten(item) if leaf is not None]

    def batch(number):
        return keras.tree.map_structure(
            lambda leaf: None if leaf is None else leaf[number], item
        )

    return [batch(number) for number in range(leaves[0].shape[0])]


def shuffles_of(epochs):
    """Return the number from which Keras shuffles an epoch of arrays, or None."""
    return getattr(getattr(epochs, "data_adapter", None), "_epoch", None)


def set_shuffles(epochs, number):
    """Shuffle the next epoch of arrays as `number` says, where Keras has such one."""
    if number is not None and shuffles_of(epochs) is not None:
        epochs.data_adapter._epoch = number


def build_metrics(model, batch):
    """Build what a model builds when it first trains on such a batch."""
    needed(model, "Model._symbolic_build")(data_batch=batch)


def batch_spec(epochs):
    """Return shapes and dtypes of the batches of `fit`, or None if they are unknown.

    Of a `tf.data.Dataset`, in which Keras puts all data on TensorFlow.
    """
    dataset = getattr(epochs, "_distributed_dataset", None)
    return getattr(dataset, "element_spec", None)


def wait_for_hooks(running):
    """Wait for callbacks that run in another thread, so that their states are final."""
    check_states(running.callbacks)
    flush = needed(running, "CallbackList._flush_futures")
    if needed(running, "CallbackList._async_train"):
        flush()


def last_step(callback, batch):
    """Return the last step before `on_train_batch_end(batch)` of a callback."""
    if not FIRST_STEP_AT_END:
        return batch
    # Not `callback.model`, which copies the state back into the model on JAX.
    return batch + callback._model.steps_per_execution - 1


def global_seed():
    """Return the seed of `keras.utils.set_random_seed`, or None if it is unknown."""
    read = getattr(global_state, "get_global_attribute", None)
    return None if read is None else read("global_random_seed")


def _name_of_global_seeds():
    """Return the name of the global random generator, or None if it is unknown."""
    name = getattr(seed_generator, "GLOBAL_SEED_GENERATOR", None)
    if name is not None:
        return name
    # Before Keras 3.13, the name only stands in the function that reads it.
    reader = getattr(seed_generator, "global_seed_generator", None)
    known = getattr(getattr(reader, "__code__", None), "co_consts", ())
    return "global_seed_generator" if "global_seed_generator" in known else None


def global_seeds():
    """Return the state of the global random generator as a variable, or None."""
    name = _name_of_global_seeds()
    if name is None:
        raise missing("seed_generator.GLOBAL_SEED_GENERATOR")
    generator = needed(global_state, "global_state.get_global_attribute")(name)
    return None if generator is None else generator.state


@contextlib.contextmanager
def without_new_global_seeds():
    """Drop, at the end, a global random generator that Keras made in this context.

    Keras makes it at the first draw without a seed, from a number of `random`.
    """
    name = _name_of_global_seeds()
    read = getattr(global_state, "get_global_attribute", None)
    write = getattr(global_state, "set_global_attribute", None)
    known = name is not None and read is not None and write is not None
    before = read(name) if known else None
    try:
        yield
    finally:
        if known and read(name) is not before:
            write(name, before)
