"""Judge: ask all rules, sort what they find, and come to a verdict."""

import contextlib
from collections.abc import Iterator

from kcomponents._check import fail
from kcomponents.doctor._finding import Diagnosis, Finding
from kcomponents.doctor._labels import CONSISTENCY
from kcomponents.doctor._rules import RULES

MOST = 3
SEVERITIES = "high", "medium", "low"


@contextlib.contextmanager
def of_known_form() -> Iterator[None]:
    """Return a context that refuses records in which parts are of other kinds."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        rule = "A record must hold what `TrainingDoctor` writes, and a rule must return"
        told = f"{rule} a list of findings. Received: what raises {error!r}"
        raise ValueError(told) from error


def judge(case, rules=RULES):
    """Return the `Diagnosis` of a case, `rules` being functions."""
    found: list[Finding] = []
    notes = []
    for rule in rules:
        try:
            told = list(rule(case))
        except Exception as error:
            # A record made elsewhere may hold what no rule has thought of, and a rule
            # may be the user's; a diagnosis must not end the training that it is of.
            name = getattr(rule, "__name__", repr(rule))
            notes.append(f"The rule {name} could not be asked: {error!r}.")
            continue
        found += [finding for finding in told if not _told(finding, found)]
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    found = _without_symptoms(found)
    if lost := [finding for finding in found[MOST:] if finding.rule == "loss_nan"]:
        # What everybody sees is told, however many causes there are.
        found = [*found[: MOST - 1], *lost]
    chosen = tuple(found[:MOST])
    return Diagnosis(_verdict(case, chosen), chosen, (*notes, *_notes(case)))


def functions_of(rules):
    """Return rules as functions, those that are names as what they name."""
    known = {rule.__name__: rule for rule in RULES}
    unknown = [rule for rule in rules if not callable(rule) and rule not in known]
    if unknown:
        fail(f"`rules` must be among {', '.join(known)}.", rules=unknown)
    return [rule if callable(rule) else known[rule] for rule in rules]


def _told(finding, found):
    """Tell a finding of a label that was found already."""
    return any(other.rule == finding.rule for other in found)


def _without_symptoms(found):
    """Leave out what a sure cause explains."""
    if not any(f.severity == "high" for f in found):
        return found
    return [f for f in found if f.severity != "low"]


def _verdict(case, findings):
    rules = {finding.rule for finding in findings}
    if case.nonfinite:
        return "not_finite"
    if not findings:
        return "healthy"
    if rules & CONSISTENCY:
        return "inconsistent"
    if case.fails or "not_learning" in rules:
        return "not_learning"
    if case.short:
        return "optimization_failure"
    return "overfitting" if "overfitting" in rules else "optimization_failure"


def _notes(case):
    """Say what could not be known."""
    if not case.structure:
        yield "The record does not say what the model is."
    elif not case.data:
        yield "The data were not seen, so predictions could not be compared with them."
    elif not case.skills:
        yield (
            "Loss or targets are of a kind of their own, so the training was not "
            "compared with a constant prediction."
        )
    yield from case.structure.get("notes") or ()
    if case.structure and case.fit and not case.fit.get("validation"):
        yield "Without validation data, nothing is known of data it was not trained on."
