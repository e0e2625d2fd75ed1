"""examine: what a record says is wrong with a training."""

from collections.abc import Callable, Sequence

from kcomponents.doctor._case import Case
from kcomponents.doctor._finding import Diagnosis, Finding
from kcomponents.doctor._judge import functions_of, judge, of_known_form
from kcomponents.doctor._rules import RULES
from kcomponents.record import Record

Rule = Callable[[Case], list[Finding]]


def examine(record: Record, rules: Sequence[Rule | str] = RULES) -> Diagnosis:
    """Judge a training by what was recorded of it.

    The questions are asked in an order: is the loss finite, do data, outputs and loss
    fit together, does it learn at all (against the best constant prediction), is the
    error on the training data good, and only then, on the validation data? What goes on
    in a training is a finding only where it came to harm; without harm it is normal.

    Args:
        record: `kcomponents.record.Record`, of a training that is over, still going, or
            not begun.
        rules: Functions of a case that return a list of findings, your own too, or
            names of those in `RULES`, in the order in which they are asked. Defaults to
            `RULES`, all.

    Returns:
        A `Diagnosis` of at most three findings: the surest first, among those causes
        before symptoms. A symptom is left out where a sure cause explains it.

    Raises:
        ValueError: If a name is none of a rule, or the record is of another form.

    Example:
        >>> from kcomponents.doctor import examine
        >>> from kcomponents.record import Record
        >>> examine(Record()).verdict
        'healthy'
    """
    functions = functions_of(rules)
    with of_known_form():
        return judge(Case(record), functions)
