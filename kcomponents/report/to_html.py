"""A diagnosis as a self-contained web page."""

from kcomponents._checks import fail
from kcomponents._files import Path
from kcomponents._pages.page import page
from kcomponents.doctor import Diagnosis
from kcomponents.record import Record
from kcomponents.report._contents import (
    diagnosis_of,
    figures,
    layer_rows,
    missing_facts,
    settings_of,
    versions_of,
)
from kcomponents.report._layer_panels import panel_for, panels_of


def to_html(
    diagnosis: Diagnosis | None, record: Record, path: Path | None = None
) -> str:
    """Return a diagnosis as an HTML page: verdict, findings, curves and settings.

    The page is one file without scripts and needs no network. It works on wide and
    narrow screens, in dark mode and in print. The same record gives the same page.
    Requires jinja2 and matplotlib: `pip install "kcomponents[report]"`.

    Args:
        diagnosis: `Diagnosis`, or `None` to examine the record.
        record: `Record` of the run.
        path: Path of the HTML file to write. Defaults to `None`, no file.

    Returns:
        String: the HTML of the page.

    Raises:
        ValueError: If `diagnosis` or `record` has another type.
        FileNotFoundError: If the folder of `path` does not exist.
        ImportError: If jinja2 or matplotlib is not installed.

    Example:
        >>> from kcomponents.doctor import Diagnosis
        >>> from kcomponents.record import Record
        >>> from kcomponents.report import to_html
        >>> page = to_html(Diagnosis("healthy", ()), Record())
        >>> page[:15], "No problems found." in page
        ('<!DOCTYPE html>', True)
    """
    if record is None:
        fail("`record` must be a `Record`.", record=record)
    diagnosis = diagnosis_of(diagnosis, record)
    findings = [
        (finding, panel_for(record, finding, number))
        for number, finding in enumerate(diagnosis.findings, 1)
    ]
    return page(
        "kcomponents.report",
        "report.html",
        path,
        diagnosis=diagnosis,
        findings=findings,
        panels=panels_of(record),
        figures=figures(record),
        missing=list(missing_facts(record)),
        settings=settings_of(record),
        layers=layer_rows(record),
        versions=versions_of(record),
    )
