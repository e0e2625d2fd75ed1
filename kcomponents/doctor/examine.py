"""examine, compare and skills: from the records of runs to what they say."""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence

from kcomponents._checks import fail
from kcomponents.doctor import _remedies
from kcomponents.doctor._case import Case
from kcomponents.doctor.diagnosis import CONSISTENCY, Diagnosis, Finding
from kcomponents.doctor.rules import RULES
from kcomponents.record import Record

# The most findings of a diagnosis.
MOST = 3
SEVERITIES = "high", "medium", "low"
# Labels that a validation error alone can give.
OF_VALIDATION = "overfitting", "uninformative_labels"
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
        'not_watched'
    """
    functions = _functions(RULES if rules is None else rules)
    with _structure_errors():
        return _judge(Case(record), functions)


def compare(record_shallow: Record, record_deep: Record) -> Diagnosis:
    """Compare a deep network with a shallower one trained on the same data.

    A deeper network can compute everything that a shallow one can: its extra layers
    only have to be the identity. If the deeper network has the higher *training* loss,
    it does not overfit; its optimization fails. If only its validation loss is higher,
    it overfits. "Higher" means by more than 10 %.

    Args:
        record_shallow: `kcomponents.record.Record` of the network with fewer layers.
        record_deep: `kcomponents.record.Record` of the network with more layers.

    Returns:
        `Diagnosis` of the deep network: `"optimization_failure"`, `"overfitting"`, or
        the result of `examine(record_deep)`.

    Raises:
        ValueError: If a record has no finite training loss or another structure, or if
            the deep network does not have more layers with weights than the other.

    Example:
        >>> from kcomponents.doctor import compare
        >>> from kcomponents.record import Reading, Record
        >>> def record(depth, loss):
        ...     layer = {"class": "Dense", "activation": "relu", "parameters": 1}
        ...     layers = [{"path": str(n), **layer} for n in range(depth)]
        ...     record = Record({"layers": layers})
        ...     record.add_logs(0, {"loss": loss})
        ...     return record
        >>> compare(record(20, 0.1), record(56, 0.3)).verdict
        'optimization_failure'

    Reference: He, Zhang, Ren & Sun, "Deep residual learning for image recognition",
    2015, https://arxiv.org/abs/1512.03385
    """
    with _structure_errors():
        return _compared(Case(record_shallow), Case(record_deep))


def skills(record: Record, *, validation: bool = False) -> dict[str, float]:
    """Return how far each output of a run got, on training or validation data.

    0 is the best constant prediction, and 1 no error: by accuracy or loss, for a
    regression by the error relative to the spread of the targets.

    Args:
        record: `kcomponents.record.Record` of a run.
        validation: Boolean, whether to take the logs of the last epoch on validation
            data, and not a sample of the training data. Defaults to `False`.

    Returns:
        Dict from the name of an output to its skill. Outputs that cannot be judged, as
        with a loss of your own or without validation data, are left out.

    Raises:
        ValueError: If the record has another structure.

    Example:
        >>> from kcomponents.doctor import skills
        >>> from kcomponents.record import Reading, Record
        >>> output = {"name": "out", "units": 1, "task": "binary"}
        >>> output["baseline_accuracy"] = 0.5
        >>> record = Record({"data": {"outputs": [output]}})
        >>> record.add(Reading(0, 10, {"sample_accuracy": {"out": 0.75}}))
        >>> skills(record)
        {'out': 0.5}
    """
    with _structure_errors():
        judged = Case(record).skills
        if validation:
            curves = {skill.name: skill.in_validation for skill in judged}
            found = {name: curve[-1] for name, curve in curves.items() if curve}
        else:
            found = {skill.name: skill.final for skill in judged}
    return {name: value for name, value in found.items() if not math.isnan(value)}


@contextlib.contextmanager
def _structure_errors() -> Iterator[None]:
    """Return a context that raises `ValueError` for records of another structure."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        rule = "A record must hold what `TrainingDoctor` writes, and a rule must return"
        text = f"{rule} a list of findings. Received: a record that raises {error!r}"
        raise ValueError(text) from error


# From a case to a diagnosis.


def _judge(case, rules=RULES):
    """Return the `Diagnosis` of a case; `rules` are functions."""
    found: list[Finding] = []
    notes = []
    for rule in rules:
        try:
            new = list(rule(case))
        except Exception as error:
            # The record may come from another program and the rule from the user; a
            # failing rule must not stop the run.
            name = getattr(rule, "__name__", repr(rule))
            notes.append(f"Rule {name} was skipped because it raised {error!r}.")
            continue
        found += [finding for finding in new if not _has_label(found, finding.label)]
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    found = _without_symptoms(found)
    if lost := [finding for finding in found[MOST:] if finding.label == "loss_nan"]:
        # NaN is always reported, however many causes there are.
        found = [*found[: MOST - 1], *lost]
    chosen = tuple(found[:MOST])
    return Diagnosis(_verdict(case, chosen), chosen, (*notes, *_notes(case)))


def _functions(rules):
    """Return rules as functions; names are looked up in `RULES`."""
    known = {rule.__name__: rule for rule in RULES}
    unknown = [rule for rule in rules if not callable(rule) and rule not in known]
    if unknown:
        fail(f"`rules` must be functions, or among {', '.join(known)}.", rules=unknown)
    return [rule if callable(rule) else known[rule] for rule in rules]


def _has_label(findings, label):
    return any(finding.label == label for finding in findings)


def _without_symptoms(found):
    """Drop findings of low severity when there is one of high severity.

    A validation error says nothing of a model if the validation data are others.
    """
    if any(f.where == "validation_data" for f in found):
        found = [f for f in found if f.label not in OF_VALIDATION]
    if not any(f.severity == "high" for f in found):
        return found
    return [f for f in found if f.severity != "low"]


def _verdict(case, findings):
    labels = {finding.label for finding in findings}
    if case.nonfinite:
        return "not_finite"
    if case.ended and not labels & CONSISTENCY:
        return "interrupted"
    if not findings:
        return _without_findings(case)
    if labels & CONSISTENCY:
        return "inconsistent"
    if case.at_chance or "not_learning" in labels:
        return "not_learning"
    if case.underfits:
        return "optimization_failure"
    if labels & {"overfitting", "uninformative_labels"}:
        return "overfitting"
    return "optimization_failure"


def _without_findings(case):
    if not case.structure and not case.record.logs:
        return "not_watched"
    if not case.trained and not case.record.logs:
        return "not_trained"
    return "healthy" if case.judged else "not_judged"


def _notes(case):
    """Yield what was not checked, and why."""
    if case.ended:
        yield f"`fit` ended with {case.ended['class']}: {case.ended['reason']}"
    if not case.structure:
        yield "The record does not describe the model."
    elif not case.data:
        yield "The record has no data, so predictions were not compared with targets."
    elif not case.skills:
        yield (
            "The loss or the targets are custom, so the model was not compared with a "
            "constant prediction."
        )
    if case.trained and case.fit.get("repeats_order"):
        yield (
            "On TensorFlow, `keras.utils.set_random_seed` gives every epoch the same "
            "order of samples."
        )
    refused = (case.structure.get("work") or {}).get("refused")
    if refused:
        yield f"Left out, to keep to a share of the work: {', '.join(refused)}."
    yield from case.structure.get("notes") or ()
    if case.structure and case.fit and not case.fit.get("validation"):
        yield "There is no validation data, so overfitting was not checked."


# From two cases to a diagnosis.


def _compared(shallow, deep):
    losses = [_last(case, "loss") for case in (shallow, deep)]
    depths = [_depth(case) for case in (shallow, deep)]
    if not all(map(math.isfinite, losses)):
        names = dict(zip(("shallow", "deep"), losses, strict=True))
        fail("Both records must hold a finite training loss.", **names)
    if depths[1] <= depths[0]:
        rule = "`record_deep` must be the record of the network with more layers."
        fail(rule, shallow=depths[0], deep=depths[1])
    alone = _judge(deep)
    if losses[1] > 1.1 * losses[0]:
        return _failure(deep, alone, losses, depths)
    validation = [_last(case, "val_loss") for case in (shallow, deep)]
    if validation[1] > 1.1 * validation[0] and not alone.findings:
        return _overfitting(alone, losses, validation, depths)
    return alone


def _last(case, key):
    found = [entry[key] for entry in case.record.logs if key in entry]
    return found[-1] if found else math.nan


def _depth(case):
    return sum(bool(layer.get("parameters")) for layer in case.layers)


def _failure(case, alone, losses, depths):
    evidence = (
        f"With {depths[1]} layers the training loss is {losses[1]:.3g}, with "
        f"{depths[0]} layers {losses[0]:.3g}: the deeper network does not overfit, its "
        "optimization fails.",
    )
    remedies = _remedies.vanishing_gradient(case, next(iter(case.kernels), ""))[::-1]
    first = Finding("underfitting", "", evidence, "high", remedies)
    others = [
        f for f in alone.findings if f.label not in ("underfitting", "overfitting")
    ]
    findings = first, *others[:2]
    return Diagnosis("optimization_failure", findings, alone.notes)


def _overfitting(alone, losses, validation, depths):
    evidence = (
        f"The deeper network overfits: with {depths[1]} layers the validation loss is "
        f"{validation[1]:.3g}, with {depths[0]} layers {validation[0]:.3g}, but the "
        f"training loss is no higher ({losses[1]:.3g} vs {losses[0]:.3g}).",
    )
    found = Finding("overfitting", "", evidence, "medium", _remedies.overfitting())
    return Diagnosis("overfitting", (found,), alone.notes)
