"""examine: diagnose a run from its record."""

from collections.abc import Callable, Sequence

from kcomponents.doctor._case import Case
from kcomponents.doctor._finding import Diagnosis, Finding
from kcomponents.doctor._judge import functions_of, judge, of_known_form
from kcomponents.doctor._rules import RULES
from kcomponents.record import Record

Rule = Callable[[Case], list[Finding]]


def examine(record: Record, rules: Sequence[Rule | str] | None = None) -> Diagnosis:
    """Diagnose a run from its record.

    The verdict is the first of these questions that is answered with no: Are loss and
    weights finite? Do data, outputs and loss match? Is the model better than the best
    constant prediction? Is the error on the training data low? Is the error on the
    validation data low? Dead units, small gradients and the like are findings only if
    training suffers.

    Args:
        record: `kcomponents.record.Record` of a run that has finished, is running, or
            has not started yet.
        rules: Optional list of rules in the order in which they run: names of rules in
            `RULES`, or functions that take a case and return a list of `Finding`.
            Defaults to `None`, which means all of `RULES`.

    Returns:
        `Diagnosis` with up to three findings, by severity, causes before symptoms. If
        one has severity `"high"`, those with `"low"` are left out.

    Raises:
        ValueError: If a name is not that of a rule, or the record has another
            structure.

    Example:
        >>> from kcomponents.doctor import examine
        >>> from kcomponents.record import Record
        >>> examine(Record()).verdict
        'healthy'
    """
    functions = functions_of(RULES if rules is None else rules)
    with of_known_form():
        return judge(Case(record), functions)
