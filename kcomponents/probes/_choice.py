"""Choice: a train function for the steps that are looked at, and one for the others."""

import itertools

from kcomponents import _backends


def counts_of(model):
    """Return what counts the steps of a model, as in `kcomponents._backends`."""
    several = model.steps_per_execution > 1
    return "device" if several and _backends.counts == "steps" else _backends.counts


class Choice:
    """Calls the train function for the tallies that are due in this step.

    Args:
        make: Function that returns a new train function; what the tallies say while it
            is traced stays so.
        tallies: Sampled tallies, whose steps are counted here.
    """

    def __init__(self, make, tallies):
        self._tallies = tallies
        # Made now: within a step, JAX has taken the values out of the model, which it
        # needs to see how they are spread over devices. Compiled when they are called.
        answers = itertools.product((True, False), repeat=len(tallies))
        self._functions = {due: make() for due in answers}

    def __call__(self, *args, **kwargs):
        due = tuple(tally.due() for tally in self._tallies)
        outputs = self._functions[due](*args, **kwargs)
        for tally in self._tallies:
            tally.count("steps")
        return outputs
