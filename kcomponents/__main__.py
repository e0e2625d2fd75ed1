"""The command line: `python -m kcomponents report RECORD -o page.html`."""

import argparse
import os
import sys
from collections.abc import Sequence

from kcomponents import report
from kcomponents._files import write_whole
from kcomponents._pages.output import check_output
from kcomponents._version import __version__
from kcomponents.record import Record
from kcomponents.tuning._command_parser import add_search, run_search_command

DESCRIPTION = "Diagnose Keras training runs, and search hyperparameters."
ABOUT_REPORT = """\
Diagnose a training run from its record, and print the report as text or JSON, or
write it as a web page. The run may still be in progress. Several records give one
page that compares the runs side by side.
"""
EXAMPLES = """\
examples:
  python -m kcomponents report run.jsonl
  python -m kcomponents report run.jsonl -o run.html
  python -m kcomponents report slow.jsonl fast.jsonl -o both.html
  python -m kcomponents report run.jsonl --json > run.json

kcomponents.callbacks.TrainingDoctor(record_path="run.jsonl") writes a record.
The exit status is 0, or 2 if a record cannot be read or the report cannot be written.
"""


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
        arguments = _parser().parse_args(argv)
    except SystemExit as end:
        # argparse exits after `--help`, and on wrong arguments.
        return int(end.code or 0)
    try:
        if arguments.command == "search":
            return run_search_command(arguments, argv or sys.argv[1:])
        _report(arguments)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        message = str(error).strip() or type(error).__name__
        if arguments.command == "report":
            message = " ".join(message.split())
        _write(f"python -m kcomponents {arguments.command}: {message}\n", sys.stderr)
        return 2
    return 0


def _parser():
    parser = argparse.ArgumentParser("python -m kcomponents", description=DESCRIPTION)
    shown = f"kcomponents {__version__}"
    parser.add_argument("--version", action="version", version=shown)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, title="commands"
    )
    command = commands.add_parser(
        "report",
        help="diagnose a training run from its record",
        description=ABOUT_REPORT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "records",
        nargs="+",
        metavar="RECORD",
        help="file with the record of a training run",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write a web page (.html) to this file, or JSON (.json) with --json",
    )
    command.add_argument(
        "--json", action="store_true", help="give JSON instead of text or a page"
    )
    add_search(commands)
    return parser


def _report(arguments):
    check_output(arguments.output, json=arguments.json)
    paths = _names(arguments.records)
    records = {name: Record.load(path) for name, path in paths.items()}
    if arguments.output and not arguments.json:
        _page(records, arguments.output)
        return
    text = (_json if arguments.json else _text)(records) + "\n"
    if arguments.output:
        write_whole(arguments.output, text)
    else:
        _write(text, sys.stdout)


def _names(paths):
    """Return `{name: path}`, named by the files, or by the paths if names repeat."""
    names = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    unique = len(set(names)) == len(names)
    named = dict(zip(names if unique else paths, paths, strict=True))
    if len(named) < len(paths):
        raise ValueError("A record is given twice. Give each record only once.")
    return named


def _page(records, path):
    if len(records) > 1:
        report.compare(list(records.values()), list(records), path)
    else:
        (record,) = records.values()
        report.to_html(None, record, path)


def _json(records):
    reports = [report.to_json(None, record) for record in records.values()]
    return reports[0] if len(reports) == 1 else f"[{', '.join(reports)}]"


def _text(records):
    if len(records) == 1:
        return report.to_text(None, *records.values())
    texts = {name: report.to_text(None, record) for name, record in records.items()}
    return "\n\n\n".join(f"== {name} ==\n\n{text}" for name, text in texts.items())


def _write(text, stream):
    # Characters that the console cannot encode are shown as "?".
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))


if __name__ == "__main__":
    sys.exit(main())
