"""compare: does a deeper network overfit, or does its optimization fail?"""

import math

from kcomponents._check import fail
from kcomponents.doctor._case import Case
from kcomponents.doctor._finding import Diagnosis, Finding
from kcomponents.doctor._judge import judge, of_known_form
from kcomponents.doctor._rules import _for_nets
from kcomponents.record import Record


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
    with of_known_form():
        return _compared(Case(record_shallow), Case(record_deep))


def _compared(shallow, deep):
    losses = [_last(case, "loss") for case in (shallow, deep)]
    depths = [_depth(case) for case in (shallow, deep)]
    if not all(map(math.isfinite, losses)):
        names = dict(zip(("shallow", "deep"), losses, strict=True))
        fail("Both records must hold a finite training loss.", **names)
    if depths[1] <= depths[0]:
        rule = "`record_deep` must be the record of the network with more layers."
        fail(rule, shallow=depths[0], deep=depths[1])
    alone = judge(deep)
    if losses[1] > 1.1 * losses[0]:
        return _failure(deep, alone, losses, depths)
    validation = [_last(case, "val_loss") for case in (shallow, deep)]
    if validation[1] > 1.1 * validation[0] and alone.verdict == "healthy":
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
    remedies = _for_nets.vanishing(case, next(iter(case.kernels), ""))[::-1]
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
    found = Finding("overfitting", "", evidence, "medium", _for_nets.overfitting())
    return Diagnosis("overfitting", (found,), alone.notes)
