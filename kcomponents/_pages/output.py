"""The path of a report on the command line, checked before any work is done."""

import pathlib

from kcomponents._checks import fail

PAGES, JSON = ("", ".html", ".htm"), ("", ".json")


def check_output(path: str | None, *, json: bool | None = None) -> None:
    """Refuse a path whose suffix does not fit its content; no suffix is a page too.

    Args:
        path: String, or `None` for no file.
        json: Boolean, whether the file is JSON. Defaults to `None`, for a command that
            writes only pages.
    """
    if path is None:
        return
    suffix = pathlib.PurePath(path).suffix.lower()
    if json and suffix not in JSON:
        fail("With `--json`, the name of `--output` must end in .json.", output=path)
    if not json and suffix not in PAGES:
        rule = "The name of `--output` must end in .html or .htm"
        hint = ", or in .json with `--json`" * (json is not None)
        fail(f"{rule}{hint}.", output=path)
