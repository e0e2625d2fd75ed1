"""The command line: `python -m kcomponents report RECORD -o page.html`."""

import argparse
import os
import sys

from kcomponents import report
from kcomponents._files import write_whole
from kcomponents._version import __version__
from kcomponents.record import Record
from kcomponents.tuning._command_line.parser import add_search, run_search_command

DESCRIPTION = "Components for Keras models that train badly."
ABOUT_REPORT = """\
Say what a training suffers from, by the record that was written during it:
as text, as JSON, or as a web page. The training may still be going on.
Several records give one page that lays them side by side.
"""
EXAMPLES = """\
examples:
  python -m kcomponents report run.jsonl
  python -m kcomponents report run.jsonl -o run.html
  python -m kcomponents report slow.jsonl fast.jsonl -o both.html
  python -m kcomponents report run.jsonl --json > run.json

A record is written by kcomponents.callbacks.TrainingDoctor(record_path="run.jsonl").
The exit status is 0, or 2 if a record cannot be read or the report not written.
"""


def main(argv=None):
    """Run a command and return its exit status.

    Args:
        argv: List of strings, the arguments. Defaults to `None`, those of the process.

    Example:
        >>> from kcomponents.__main__ import main
        >>> main(["--version"])
        kcomponents ...
        0
    """
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as end:
        # By which argparse answers `--help` and wrong arguments.
        return end.code or 0
    try:
        if arguments.command == "search":
            return run_search_command(arguments, argv or sys.argv[1:])
        _report(arguments)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        told = str(error).strip() or type(error).__name__
        if arguments.command == "report":
            told = " ".join(told.split())
        _write(f"python -m kcomponents {arguments.command}: {told}\n", sys.stderr)
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
        help="say what a training suffers from, by its record",
        description=ABOUT_REPORT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "records",
        nargs="+",
        metavar="RECORD",
        help="record of a training, a file",
    )
    command.add_argument(
        "-o", "--output", metavar="FILE", help="write a page there, or JSON with --json"
    )
    command.add_argument(
        "--json", action="store_true", help="give JSON in place of text or a page"
    )
    add_search(commands)
    return parser


def _report(arguments):
    names = _names(arguments.records)
    found = {name: Record.load(path) for name, path in names.items()}
    if arguments.output and not arguments.json:
        _page(found, arguments.output)
        return
    text = (_json if arguments.json else _text)(found) + "\n"
    if arguments.output:
        write_whole(arguments.output, text)
    else:
        _write(text, sys.stdout)


def _names(paths):
    """Return `{name: path}`: the files' names, or the paths where these are equal."""
    names = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    unique = len(set(names)) == len(names)
    found = dict(zip(names if unique else paths, paths, strict=True))
    if len(found) < len(paths):
        raise ValueError("A record is named twice. Name each only once.")
    return found


def _page(found, path):
    if len(found) > 1:
        report.compare(list(found.values()), list(found), path)
    else:
        (record,) = found.values()
        report.to_html(None, record, path)


def _json(found):
    told = [report.to_json(None, record) for record in found.values()]
    return told[0] if len(told) == 1 else f"[{', '.join(told)}]"


def _text(found):
    if len(found) == 1:
        return report.to_text(None, *found.values())
    told = {name: report.to_text(None, record) for name, record in found.items()}
    return "\n\n\n".join(f"== {name} ==\n\n{text}" for name, text in told.items())


def _write(text, stream):
    # A console that cannot show a name shows "?" in its place.
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))


if __name__ == "__main__":
    sys.exit(main())
