"""The command line: `kcomponents report RECORD -o page.html`, `kcomponents search`."""

import os
import shlex
import sys
from collections.abc import Sequence

from kcomponents._command_parser import command_parser
from kcomponents._console import show, show_error

# Suffixes of the files that `--output` may name.
PAGES, JSON = ("", ".html", ".htm"), ("", ".json")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Args:
        argv: List of strings, the command-line arguments. Defaults to `None`, the
            arguments of this process.

    Returns:
        Integer: 0 on success, 2 for wrong input, 1 if `search verify` finds a problem,
        130 if Ctrl-C ended a search.

    Example:
        >>> from kcomponents.__main__ import main
        >>> main(["--version"])
        kcomponents ...
        0
    """
    try:
        arguments = command_parser().parse_args(argv)
    except SystemExit as end:
        # argparse exits after `--help`, and on wrong arguments.
        return int(end.code or 0)
    try:
        if arguments.command == "search":
            return _search(arguments, argv or sys.argv[1:])
        _report(arguments)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        message = str(error).strip() or type(error).__name__
        if arguments.command == "report":
            message = " ".join(message.split())
        show_error(f"kcomponents {arguments.command}: {message}")
        return 2
    return 0


def _search(arguments, argv):
    """Run a command of `search`, and return the exit status."""
    from kcomponents._checks import fail

    _check_output(getattr(arguments, "output", None))
    if arguments.what in ("run", "worker"):
        name = arguments.name or os.path.splitext(os.path.basename(arguments.file))[0]
        if not name:
            fail("`FILE` must be a Python file.", file=arguments.file)
        arguments.name = name
        arguments.command_line = shlex.join(["kcomponents", *argv])
    _check_backend()
    from kcomponents.tuning import commands

    return getattr(commands, arguments.what)(arguments)


def _check_output(path, *, json=None):
    """Refuse a path whose suffix does not fit its content; no suffix is a page too.

    Args:
        path: String, or `None` for no file.
        json: Boolean, whether the file is JSON. Defaults to `None`, for a command that
            writes only pages.
    """
    if path is None:
        return
    from kcomponents._checks import fail

    suffix = os.path.splitext(path)[1].lower()
    if json and suffix not in JSON:
        fail("With `--json`, the name of `--output` must end in .json.", output=path)
    if not json and suffix not in PAGES:
        rule = "The name of `--output` must end in .html or .htm"
        hint = ", or in .json with `--json`" * (json is not None)
        fail(f"{rule}{hint}.", output=path)


def _check_backend():
    """Import Keras, or raise an error that says what is wrong with its backend."""
    try:
        import keras  # noqa: F401
    except (ImportError, ValueError) as error:
        if str(error).startswith("No module named 'keras'"):
            raise
        wanted = os.environ.get("KERAS_BACKEND")
        rule = "Keras cannot import its backend: set the environment variable "
        rule += "KERAS_BACKEND to an installed one, such as tensorflow, jax or torch."
        raise ValueError(
            f"{rule} Received: KERAS_BACKEND={wanted!r} ({error})"
        ) from error


def _report(arguments):
    from kcomponents._files import write_whole
    from kcomponents.record import Record

    _check_output(arguments.output, json=arguments.json)
    paths = _names(arguments.records)
    records = {name: Record.load(path) for name, path in paths.items()}
    if arguments.output and not arguments.json:
        _page(records, arguments.output)
        return
    text = (_json if arguments.json else _text)(records)
    if arguments.output:
        write_whole(arguments.output, f"{text}\n")
    else:
        # The texts of reports are clean, apart from the colors on a terminal.
        show(text, colors=not arguments.json)


def _names(paths):
    """Return `{name: path}`, named by the files, or by the paths if names repeat."""
    names = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    unique = len(set(names)) == len(names)
    named = dict(zip(names if unique else paths, paths, strict=True))
    if len(named) < len(paths):
        raise ValueError("A record is given twice. Give each record only once.")
    return named


def _page(records, path):
    from kcomponents import report

    if len(records) > 1:
        report.compare(list(records.values()), list(records), path)
    else:
        (record,) = records.values()
        report.to_html(None, record, path)


def _json(records):
    from kcomponents import report

    reports = [report.to_json(None, record) for record in records.values()]
    return reports[0] if len(reports) == 1 else f"[{', '.join(reports)}]"


def _text(records):
    from kcomponents import report
    from kcomponents._text import one_line

    if len(records) == 1:
        return report.to_text(None, *records.values())
    texts = {name: report.to_text(None, record) for name, record in records.items()}
    parts = (f"== {one_line(name)} ==\n\n{text}" for name, text in texts.items())
    return "\n\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
