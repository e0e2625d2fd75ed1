"""Judge: run all rules, sort their findings, and choose the verdict."""

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
    """Return a context that raises `ValueError` for records of another structure."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        rule = "A record must hold what `TrainingDoctor` writes, and a rule must return"
        text = f"{rule} a list of findings. Received: a record that raises {error!r}"
        raise ValueError(text) from error


def judge(case, rules=RULES):
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


def functions_of(rules):
    """Return rules as functions; names are looked up in `RULES`."""
    known = {rule.__name__: rule for rule in RULES}
    unknown = [rule for rule in rules if not callable(rule) and rule not in known]
    if unknown:
        fail(f"`rules` must be functions, or among {', '.join(known)}.", rules=unknown)
    return [rule if callable(rule) else known[rule] for rule in rules]


def _has_label(findings, label):
    return any(finding.label == label for finding in findings)


def _without_symptoms(found):
    """Drop findings of low severity when there is one of high severity."""
    if not any(f.severity == "high" for f in found):
        return found
    return [f for f in found if f.severity != "low"]


def _verdict(case, findings):
    labels = {finding.label for finding in findings}
    if case.nonfinite:
        return "not_finite"
    if not findings:
        return "healthy"
    if labels & CONSISTENCY:
        return "inconsistent"
    if case.fails or "not_learning" in labels:
        return "not_learning"
    if case.short:
        return "optimization_failure"
    return "overfitting" if "overfitting" in labels else "optimization_failure"


def _notes(case):
    """Yield what was not checked, and why."""
    if not case.structure:
        yield "The record does not describe the model."
    elif not case.data:
        yield "The record has no data, so predictions were not compared with targets."
    elif not case.skills:
        yield (
            "The loss or the targets are custom, so the model was not compared with a "
            "constant prediction."
        )
    yield from case.structure.get("notes") or ()
    if case.structure and case.fit and not case.fit.get("validation"):
        yield "There is no validation data, so overfitting was not checked."
