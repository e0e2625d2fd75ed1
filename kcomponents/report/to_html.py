"""to_html: a diagnosis as one page that needs nothing else."""

from kcomponents._check import fail
from kcomponents._files import Path
from kcomponents.doctor import Diagnosis
from kcomponents.record import Record
from kcomponents.report._given import diagnosed
from kcomponents.report._page import page
from kcomponents.report._panels import panel_for, panels_of
from kcomponents.report._progress import figures, missing
from kcomponents.report._settings import layer_rows, settings_of, versions_of


def to_html(
    diagnosis: Diagnosis | None, record: Record, path: Path | None = None
) -> str:
    """Return a diagnosis as an HTML page: the verdict, its evidence, all that was seen.

    The page is one file without scripts, needs no network, and is made for screens
    wide and narrow, light and dark, and for paper. The same training gives the same
    page. Needs jinja2 and matplotlib: `pip install kcomponents[report]`.

    Args:
        diagnosis: `Diagnosis`, or `None` to have the record examined.
        record: `Record` that the diagnosis is of.
        path: Optional path of a file to write the page to, whole or not at all.

    Raises:
        ValueError: If `diagnosis` or `record` is something else.
        FileNotFoundError: If there is no folder to write to.
        ImportError: If a library that it needs is not installed.

    Example:
        >>> from kcomponents.doctor import Diagnosis
        >>> from kcomponents.record import Record
        >>> from kcomponents.report import to_html
        >>> page = to_html(Diagnosis("healthy", ()), Record())
        >>> page[:15], "Nothing is wrong with this training." in page
        ('<!DOCTYPE html>', True)
    """
    if record is None:
        fail("`record` must be a `Record`.", record=record)
    diagnosis = diagnosed(diagnosis, record)
    shown = [
        (finding, panel_for(record, finding, number))
        for number, finding in enumerate(diagnosis.findings, 1)
    ]
    return page(
        "report.html",
        path,
        diagnosis=diagnosis,
        findings=shown,
        panels=panels_of(record),
        figures=figures(record),
        missing=list(missing(record)),
        settings=settings_of(record),
        layers=layer_rows(record),
        versions=versions_of(record),
    )
