"""Cover: configurations that together contain every value of a space."""

from kcomponents.tuning._optional import needed
from kcomponents.tuning._spaces.explore import points, values_with


class Cover:
    """Iterates over configurations, the defaults first, until each value was used.

    The space may grow during the iteration. The values of a range are its lowest value,
    its highest value and its default.
    """

    def __init__(self, space):
        self.space = space
        self._used = set()
        self._started = False

    def __iter__(self):
        while (values := self._next()) is not None:
            yield values
            # By now, the values of new hyperparameters are included.
            self._used |= {_key(name, value) for name, value in values.items()}

    def _next(self):
        if not self._started:
            self._started = True
            return values_with(self.space, {})
        for hp in self.space.space:
            for value in ends(hp):
                if _key(hp.name, value) not in self._used:
                    # Mark it in any case: it may be impossible with every parent value.
                    self._used.add(_key(hp.name, value))
                    values = self._values(hp, value)
                    if values.get(hp.name) == value:
                        return values
        return None

    def _values(self, target, value):
        """Return a configuration with this value, and as many new ones as possible."""
        wanted = {hp.name: self._new(hp) for hp in self.space.space}
        wanted |= {c.name: c.values for c in target.conditions}
        wanted[target.name] = [value]
        return values_with(self.space, wanted)

    def _new(self, hp):
        return [value for value in ends(hp) if _key(hp.name, value) not in self._used]


def ends(hp):
    """Return all values of a choice, or lowest, highest and default of a range."""
    kinds = needed("keras_tuner").engine.hyperparameters
    values = points(hp)
    if isinstance(hp, (kinds.Int, kinds.Float)):
        values = [values[0], values[-1], hp.default]
    return list(dict.fromkeys(values))


def _key(name, value):
    return name, type(value), value
