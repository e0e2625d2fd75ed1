"""Configurations that together have every value of a space at least once."""

from kcomponents.tuning._optional import needed
from kcomponents.tuning._spaces.explore import points, values_with


class Cover:
    """Hands out configurations, the defaults first, until every value was there once.

    The space may grow in between. Of a range the lowest, the highest and the default
    count as its values.
    """

    def __init__(self, space):
        self.space = space
        self._had = set()
        self._begun = False

    def __iter__(self):
        while (values := self._next()) is not None:
            yield values
            # By now with what the model has registered on its way.
            self._had |= {_key(name, value) for name, value in values.items()}

    def _next(self):
        if not self._begun:
            self._begun = True
            return values_with(self.space, {})
        for hp in self.space.space:
            for value in ends(hp):
                if _key(hp.name, value) not in self._had:
                    # Had or not: what no parent's value leads to is left out.
                    self._had.add(_key(hp.name, value))
                    values = self._values(hp, value)
                    if values.get(hp.name) == value:
                        return values
        return None

    def _values(self, target, value):
        """Return values with this one, and as many others as possible that are new."""
        wanted = {hp.name: self._new(hp) for hp in self.space.space}
        wanted |= {c.name: c.values for c in target.conditions}
        wanted[target.name] = [value]
        return values_with(self.space, wanted)

    def _new(self, hp):
        return [value for value in ends(hp) if _key(hp.name, value) not in self._had]


def ends(hp):
    """Return all values of a choice; of a range the lowest, highest and default."""
    kinds = needed("keras_tuner").engine.hyperparameters
    found = points(hp)
    if isinstance(hp, (kinds.Int, kinds.Float)):
        found = [found[0], found[-1], hp.default]
    return list(dict.fromkeys(found))


def _key(name, value):
    return name, type(value), value
