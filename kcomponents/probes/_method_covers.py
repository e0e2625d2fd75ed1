"""Shadow: replaces methods of single objects for a while."""

import functools


class Shadow:
    """Wraps methods of instances, and restores them."""

    def __init__(self):
        self._covers = []

    def cover(self, thing, name, make):
        """Replace the method `name` of `thing` by `make(original)`."""
        original = getattr(thing, name)
        cover = functools.wraps(original)(make(original))
        # Not through `__setattr__`, with which frameworks track attributes of layers.
        before = thing.__dict__.get(name)
        thing.__dict__[name] = cover
        self._covers.append((thing, name, cover, before))

    def lift(self):
        """Restore the methods, the last one first."""
        while self._covers:
            thing, name, cover, before = self._covers.pop()
            if thing.__dict__.get(name) is not cover:
                # Other code has wrapped it since and still calls our wrapper.
                continue
            if before is None:
                del thing.__dict__[name]
            else:
                thing.__dict__[name] = before
