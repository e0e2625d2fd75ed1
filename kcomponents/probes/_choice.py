"""Choice: one train function for measured steps, and one for all others."""

import itertools

from kcomponents import _backends


def counts_of(model):
    """Return how the steps of a model are counted, as in `kcomponents._backends`."""
    several = model.steps_per_execution > 1
    return "device" if several and _backends.counts == "steps" else _backends.counts


class Choice:
    """Calls the train function that measures the tallies due in this step.

    Args:
        make: Function that returns a new train function. Which tallies are due is fixed
            while it is traced.
        tallies: Sampled tallies, whose steps are counted here.
    """

    def __init__(self, make, tallies):
        self._tallies = tallies
        # Made now, because within a step the model's variables have no values on JAX,
        # which needs them for their sharding. Compiled at the first call.
        answers = itertools.product((True, False), repeat=len(tallies))
        self._functions = {due: make() for due in answers}

    def __call__(self, *args, **kwargs):
        due = tuple(tally.due() for tally in self._tallies)
        outputs = self._functions[due](*args, **kwargs)
        for tally in self._tallies:
            tally.count("steps")
        return outputs
