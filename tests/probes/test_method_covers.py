"""Covers of methods nest with the wrappers of other code, fit after fit."""

import collections
import copy
import functools
import gc

import keras
import numpy as np
import pytest

from kcomponents import _keras
from kcomponents._keras.method_covers import MethodCovers, _Cover
from kcomponents.probes import Probe, _hub
from tests.backend_cases import once
from tests.probes.models import models
from tests.probes.reading import STATISTICS, Reader, near

pytestmark = pytest.mark.usefixtures("small_heap")
METHODS = [("optimizer", name) for name in ("apply", _keras.clipping_method())]
METHODS += [("model", name) for name in ("call", "compute_loss", "train_step")]
METHODS += [("layer", "call")]
OWNERS = {
    "optimizer": lambda model: model.optimizer,
    "model": lambda model: model,
    "layer": lambda model: model.layers[0],
}


def all_covers():
    """Return our covers that exist anywhere."""
    gc.collect()
    # Not `isinstance`, which imports what lazy modules stand for.
    return [item for item in gc.get_objects() if type(item) is _Cover]


def covers_of(thing, name):
    """Return our covers of a method that exist anywhere."""
    return [c for c in all_covers() if c.thing is thing and c.name == name]


def wrap(thing, name):
    """Wrap a method as other packages do; return the wrapper, which counts calls."""
    original = getattr(thing, name)

    def wrapper(*args, **kwargs):
        wrapper.calls += 1
        return original(*args, **kwargs)

    wrapper.calls = 0
    setattr(thing, name, wrapper)
    return wrapper


class Wrapping(keras.callbacks.Callback):
    """Wraps all methods that probes cover, when training begins."""

    def __init__(self):
        super().__init__()
        self.wrappers = []

    def wrap(self, model):
        found = {
            (owner, name): wrap(OWNERS[owner](model), name) for owner, name in METHODS
        }
        self.wrappers.append(found)

    def on_train_begin(self, logs=None):
        self.wrap(self.model)


def small_model(**options):
    model, x, y = models["sequential"]()
    model.compile(keras.optimizers.SGD(0.1, clipnorm=0.5), "mse", **options)
    # The compiled step needs the variables of the optimizer.
    model.optimizer.build(model.trainable_variables)
    return model, x, y


def four_fits(when, monitor, every=False, **options):
    """Train four times, with wrappers of all methods that are put on at some time.

    Returns the model, the wrappers, the readings, and the number of covers of each
    method after each training.
    """
    model, x, y = small_model(**options)
    wrapping, readings, covers = Wrapping(), [], []
    if when == "before":
        wrapping.wrap(model)
    for number in range(4):
        callbacks = [Reader()] if monitor else []
        if when == "during" and (every or number == 0):
            callbacks.append(wrapping)
        keras.utils.set_random_seed(number)
        model.fit(x, y, batch_size=4, verbose=0, shuffle=False, callbacks=callbacks)
        if when == "between" and (every or number == 0):
            wrapping.wrap(model)
        readings += [callbacks[0].values] if monitor else []
        found = collections.Counter((id(c.thing), c.name) for c in all_covers())
        methods = [(id(OWNERS[owner](model)), name) for owner, name in METHODS]
        covers.append({found[method] for method in methods})
    if when == "after":
        wrapping.wrap(model)
    return model, wrapping.wrappers, readings, covers


def weights(model):
    return [keras.ops.convert_to_numpy(v) for v in model.variables]


def same(ours, theirs):
    for a, b in zip(weights(ours), weights(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


@functools.cache
def readings_without_wrappers():
    return four_fits("never", True, run_eagerly=True)[2]


# Under wrappers that are put on during a fit, one cover of each method stays.
LEFT = {"before": 0, "during": 1, "between": 0, "after": 0}


@pytest.mark.parametrize("when", ["before", "during", *once("between", "after")])
def test_four_fits_with_foreign_wrappers_measure_and_train_as_without(when):
    watched, [wrappers], readings, covers = four_fits(when, True, run_eagerly=True)
    plain, *_ = four_fits(when, False, run_eagerly=True)
    same(watched, plain)
    for found, expected in zip(readings, readings_without_wrappers(), strict=True):
        for statistic in STATISTICS:
            near(found[statistic.name], expected[statistic.name], statistic.name)
    assert covers == [{LEFT[when]}] * 4
    for (owner, name), wrapper in wrappers.items():
        assert vars(OWNERS[owner](watched))[name] is wrapper


@pytest.mark.parametrize("when", ["during", *once("before", "between")])
def test_a_compiled_step_calls_the_wrappers_and_measures(when):
    watched, [wrappers], readings, covers = four_fits(when, True)
    plain, *_ = four_fits(when, False)
    same(watched, plain)
    of_steps = [("optimizer", "apply"), ("optimizer", _keras.clipping_method())]
    assert all(wrappers[method].calls for method in of_steps)
    assert [found["steps"]["all"] for found in readings] == [2] * 4
    assert covers == [{LEFT[when]}] * 4


@pytest.mark.parametrize("when", ["during", "between"])
def test_new_wrappers_in_each_fit_leave_one_cover(when):
    options = {"run_eagerly": True, "every": True}
    watched, wrappers, readings, covers = four_fits(when, True, **options)
    plain, others, *_ = four_fits(when, False, **options)
    same(watched, plain)
    assert covers == [{LEFT[when]}] * 4
    assert [found["steps"]["all"] for found in readings] == [2] * 4
    for owner, name in METHODS:
        assert vars(OWNERS[owner](watched))[name] is wrappers[-1][owner, name]
        for ours, theirs in zip(wrappers, others, strict=True):
            # The taps also call the model on symbolic inputs.
            assert ours[owner, name].calls >= theirs[owner, name].calls


def test_the_readings_of_a_cover_under_a_wrapper_show_what_the_wrapper_passes_on():
    model, x, y = small_model(run_eagerly=True)
    optimizer, reader = model.optimizer, Reader()

    class Halving(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            original = optimizer.apply
            optimizer.apply = lambda grads, *args: original([0 * g for g in grads])

    model.fit(x, y, batch_size=2, verbose=0, callbacks=[reader, Halving()])
    assert reader.values["total_max"]["all"] == 0
    model.fit(x, y, batch_size=2, verbose=0, callbacks=[reader])
    assert reader.values["total_max"]["all"] == 0


def test_a_cover_that_a_wrapper_uncovers_is_taken_off_in_the_next_fit():
    model, x, y = small_model(run_eagerly=True)
    optimizer, originals = model.optimizer, []

    class Patch(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            originals.append(optimizer.apply)
            wrap(optimizer, "apply")

    model.fit(x, y, verbose=0, callbacks=[Reader(), Patch()])
    optimizer.apply = originals[0]
    reader = Reader()
    model.fit(x, y, verbose=0, callbacks=[reader])
    assert reader.values["steps"]["all"] == 1
    originals.clear()
    assert "apply" not in vars(optimizer)
    assert not covers_of(optimizer, "apply")


@pytest.mark.parametrize("count", [0, 13, *once(*range(1, 13))])
def test_a_tap_that_cannot_be_created_leaves_no_cover(count, monkeypatch):
    model, x, y = small_model()
    cover, calls = MethodCovers.cover, []

    def limited(self, thing, name, make):
        calls.append((thing, name))
        if len(calls) > count:
            raise RuntimeError("no more covers")
        cover(self, thing, name, make)

    probe = Probe(*STATISTICS)
    with monkeypatch.context() as patch:
        patch.setattr(MethodCovers, "cover", limited)
        try:
            probe.attach(model)
        except RuntimeError:
            # The last one was not put on.
            calls.pop()
        else:
            probe.detach()
    assert calls[:1] == [] or len(calls) <= count
    for thing, name in calls:
        assert name not in vars(thing)
    before = weights(model)
    reader = Reader()
    model.fit(x, y, batch_size=2, verbose=0, callbacks=[reader])
    assert reader.values["steps"]["all"] == 4
    assert any(np.any(a != b) for a, b in zip(before, weights(model), strict=True))


def test_a_missing_optimizer_tap_leaves_no_cover(monkeypatch):
    model, *_ = small_model()

    def broken(*args):
        raise RuntimeError("no tap")

    monkeypatch.setattr(_hub, "OptimizerTap", broken)
    with pytest.raises(RuntimeError, match="no tap"):
        Probe(*STATISTICS).attach(model)
    for thing in (model, model.optimizer, *model.layers):
        assert not {"call", "compute_loss", "apply"} & vars(thing).keys()


class Thing:
    """An object with a method."""

    def method(self, *names):
        return [*names]


def measured(original):
    return lambda *names: original("measured", *names)


def covered(thing):
    covers = MethodCovers()
    covers.cover(thing, "method", measured)
    return covers


def by_closure(thing):
    wrap(thing, "method")


def by_wraps(thing):
    original = thing.method
    thing.method = functools.wraps(original)(lambda *names: original(*names))


def by_partial(thing):
    thing.method = functools.partial(thing.method)


def by_default(thing):
    thing.method = lambda *names, original=thing.method: original(*names)


def by_global(thing):
    names = {"thing": thing}
    exec("original = thing.method\ndef wrapper(*names): return original(*names)", names)
    thing.method = names["wrapper"]


class Patch:
    """Keeps the originals in a dict, as mock libraries do."""

    def __init__(self, thing):
        self.originals = {"method": thing.method}
        thing.method = self.run

    def run(self, *names):
        return self.originals["method"](*names)


class Callable:
    """A wrapper that is an object."""

    def __init__(self, function):
        self.function = function

    def __call__(self, *names):
        return self.function(*names)


def by_object(thing):
    thing.method = Callable(thing.method)


WRAPS = [by_closure, by_wraps, by_partial, by_default, by_global, Patch, by_object]


@pytest.mark.parametrize("wrap_method", WRAPS, ids=lambda wrap: wrap.__name__)
def test_a_cover_is_found_under_every_kind_of_wrapper(wrap_method):
    thing = Thing()
    for _ in range(3):
        covers = covered(thing)
        wrap_method(thing)
        assert thing.method("a") == ["measured", "a"]
        covers.remove()
        assert thing.method("a") == ["a"]
    assert len(covers_of(thing, "method")) == 1


def test_a_cover_that_is_on_is_not_used_twice():
    thing = Thing()
    outer, inner = covered(thing), covered(thing)
    assert thing.method() == ["measured", "measured"]
    inner.remove()
    assert thing.method() == ["measured"]
    outer.remove()
    assert thing.method() == [] and "method" not in vars(thing)


def test_covers_that_are_removed_out_of_order_are_all_taken_off():
    thing = Thing()
    first, second = covered(thing), covered(thing)
    first.remove()
    assert thing.method() == ["measured"]
    second.remove()
    assert thing.method() == [] and "method" not in vars(thing)


def test_a_cover_of_another_object_is_not_used():
    thing, other = Thing(), Thing()
    covers = covered(other)
    by_closure(other)
    covers.remove()
    thing.method = other.method
    covers = covered(thing)
    assert thing.method() == ["measured"] and other.method() == []
    covers.remove()
    assert thing.method is other.method


def test_a_copy_of_an_object_has_its_own_cover():
    thing = Thing()
    covers = covered(thing)
    by_closure(thing)
    covers.remove()
    twin = copy.copy(thing)
    covers = covered(twin)
    assert twin.method() == ["measured"] and thing.method() == []
    covers.remove()
    assert twin.method() == []


def test_a_switched_off_cover_holds_nothing_of_the_measurement():
    thing, calls = Thing(), []

    def make(original):
        return lambda *names: calls.append(names)

    covers = MethodCovers()
    covers.cover(thing, "method", make)
    by_closure(thing)
    covers.remove()
    [cover] = covers_of(thing, "method")
    assert cover.method == cover.original
    assert thing.method("a") == ["a"] and not calls


def doubling(original):
    return lambda *args: 2 * original(*args)


class Number:
    def value(self):
        return 1


def test_suspended_covers_are_gone_and_come_back():
    number, covers = Number(), MethodCovers()
    covers.cover(number, "value", doubling)
    for _ in range(3):
        covers.suspend()
        assert number.value() == 1 and not vars(number) and covers.suspended
        covers.resume()
        assert number.value() == 2 and not covers.suspended
    covers.remove()
    assert not vars(number)


def test_a_cover_comes_back_over_what_others_wrapped_meanwhile():
    number, covers = Number(), MethodCovers()
    covers.cover(number, "value", doubling)
    covers.suspend()
    wrapped = number.value
    number.value = lambda: wrapped() + 10
    covers.resume()
    assert number.value() == 22
    covers.suspend()
    assert number.value() == 11
    covers.resume()
    covers.remove()
    assert number.value() == 11


def test_a_cover_under_the_wrapper_of_others_is_switched_off_and_on_again():
    number, covers = Number(), MethodCovers()
    covers.cover(number, "value", doubling)
    wrapped = number.value
    number.value = lambda: wrapped() + 10
    assert number.value() == 12
    covers.suspend()
    assert number.value() == 11
    covers.resume()
    assert number.value() == 12
    covers.remove()
    assert number.value() == 11


def test_covers_of_two_that_cover_one_method_are_suspended_alone():
    number, first, second = Number(), MethodCovers(), MethodCovers()
    first.cover(number, "value", doubling)
    second.cover(number, "value", lambda original: lambda: original() + 100)
    assert number.value() == 102
    first.suspend()
    assert number.value() == 101
    first.resume()
    assert number.value() == 102
    second.suspend()
    assert number.value() == 2
    second.resume()
    first.suspend()
    second.suspend()
    assert number.value() == 1 and not vars(number)
    # In the order in which they come back.
    second.resume()
    assert number.value() == 101
    first.resume()
    assert number.value() == 202
    second.remove()
    first.remove()
    assert not vars(number)
