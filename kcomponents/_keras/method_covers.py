"""Method covers: replace methods of single objects for a while.

Other code may wrap the same methods. A cover under such a wrapper cannot be taken off,
because the wrapper calls it. It is switched off instead, so that it only calls the
original method, and the next covers of the same method switch it on again.
"""

import functools
import types

import keras

# The most objects to look through for a cover under the wrappers of other code.
SEARCHED = 1000


class MethodCovers:
    """Covers methods of objects, and takes the covers off again.

    Attributes:
        suspended: Boolean, whether the covers are off for a while.
    """

    def __init__(self):
        self._covers = []
        self.suspended = False

    def cover(self, thing, name, make):
        """Replace the method `name` of `thing` by `make(original)`."""
        cover = _cover_to_reuse(thing, name) or _Cover(thing, name)
        self._covers.append(cover)
        cover.switch_on(make)

    def remove(self):
        """Take all covers off, the last one first, or switch them off."""
        while self._covers:
            self._covers.pop().switch_off()

    def suspend(self):
        """Take all covers off for a while, the last one first."""
        for cover in reversed(self._covers):
            cover.switch_off()
        self.suspended = True

    def resume(self):
        """Put all covers on again."""
        self._covers = [cover.switched_on_again() for cover in self._covers]
        self.suspended = False


class _Cover:
    """Replaces one method of an object by a function that it can switch on and off."""

    def __init__(self, thing, name):
        self.thing, self.name, self.on = thing, name, False
        # What stood on the object itself, instead of its class.
        self.before = thing.__dict__.get(name)
        self.original = self.method = getattr(thing, name)

        @functools.wraps(self.original)
        def function(*args, **kwargs):
            return self.method(*args, **kwargs)

        function.method_cover, self.function = self, function
        self._make = self._replacement = None
        self._put()

    def _put(self):
        # Not through `__setattr__`, with which frameworks track attributes of layers.
        self.thing.__dict__[self.name] = self.function
        self.is_put = True

    def switch_on(self, make):
        """Call `make(original)` from now on."""
        self._make, self._replacement = make, make(self.original)
        self.method, self.on = self._replacement, True

    def switched_on_again(self):
        """Switch the cover on again, or a new one over what others did meanwhile."""
        if not self.is_put:
            if self.thing.__dict__.get(self.name) is not self.before:
                cover = _Cover(self.thing, self.name)
                cover.switch_on(self._make)
                return cover
            self._put()
        self.method, self.on = self._replacement, True
        return self

    def switch_off(self):
        """Call the original method only, and be taken off if nothing wraps the cover.

        This also takes off covers below that were switched off before.
        """
        self.method, self.on = self.original, False
        methods = self.thing.__dict__
        while (cover := _cover_of(methods.get(self.name), self.thing)) and not cover.on:
            cover.is_put = False
            if cover.before is None:
                del methods[self.name]
            else:
                methods[self.name] = cover.before


def _cover_of(function, thing):
    """Return the cover on an object of which this is the function, or None."""
    if not isinstance(function, types.FunctionType):
        return None
    cover = getattr(function, "method_cover", None)
    # `functools.wraps` copies the attribute, and `copy` the methods of an object.
    ours = isinstance(cover, _Cover) and cover.function is function
    return cover if ours and cover.thing is thing else None


def _cover_to_reuse(thing, name):
    """Return the cover of this method that is switched off, or None.

    It is looked for in all that the wrappers on the object may call.
    """
    found = [thing.__dict__[name]] if name in thing.__dict__ else []
    seen = {id(item) for item in found}
    for item in found:
        cover = _cover_of(item, thing)
        if cover is not None and cover.name == name and not cover.on:
            return cover
        for part in _parts(item):
            if id(part) not in seen and len(found) < SEARCHED:
                seen.add(id(part))
                found.append(part)
    return None


def _parts(item):
    """Return the objects that a function, or an object that holds one, refers to."""
    if isinstance(item, types.FunctionType):
        return _parts_of_function(item)
    if isinstance(item, types.MethodType):
        return [item.__func__, item.__self__]
    if isinstance(item, functools.partial):
        return [item.func, *item.args, *item.keywords.values()]
    if isinstance(item, list | tuple | set):
        return list(item)
    if isinstance(item, dict):
        return list(item.values())
    # Models and the like are no wrappers.
    of_keras = isinstance(item, keras.Layer | keras.optimizers.Optimizer)
    if of_keras or isinstance(item, type | types.ModuleType):
        return []
    return list(getattr(item, "__dict__", {}).values())


def _parts_of_function(function):
    names = function.__code__.co_names
    return [
        *(part for cell in function.__closure__ or () for part in _contents(cell)),
        *(function.__defaults__ or ()),
        *(function.__kwdefaults__ or {}).values(),
        *vars(function).values(),
        *(function.__globals__[n] for n in names if n in function.__globals__),
    ]


def _contents(cell):
    try:
        return [cell.cell_contents]
    except ValueError:
        # The variable has no value yet.
        return []
