"""Shadow: methods of single objects, covered for a while."""

import functools


class Shadow:
    """Covers methods on instances and takes all covers off again."""

    def __init__(self):
        self._covers = []

    def cover(self, thing, name, make):
        """Let `make(original)` stand for the method `name` of `thing`."""
        original = getattr(thing, name)
        cover = functools.wraps(original)(make(original))
        # Past `__setattr__`, which frameworks use to track what belongs to a layer.
        before = thing.__dict__.get(name)
        thing.__dict__[name] = cover
        self._covers.append((thing, name, cover, before))

    def lift(self):
        """Take the covers off, last one first."""
        while self._covers:
            thing, name, cover, before = self._covers.pop()
            if thing.__dict__.get(name) is not cover:
                # Someone else covered it since, and holds ours as the original.
                continue
            if before is None:
                del thing.__dict__[name]
            else:
                thing.__dict__[name] = before
