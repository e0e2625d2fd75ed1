"""The arguments of all commands, without any library: help appears at once."""

import argparse

from kcomponents._console import show_error
from kcomponents._version import __version__

DESCRIPTION = "Diagnose Keras training runs, and search hyperparameters."
ABOUT_REPORT = """\
Diagnose a training run from its record, and print the report as text or JSON, or
write it as a web page. The run may still be in progress. Several records give one
page that compares the runs side by side.
"""
REPORT_EXAMPLES = """\
examples:
  kcomponents report run.jsonl
  kcomponents report run.jsonl -o run.html
  kcomponents report slow.jsonl fast.jsonl -o both.html
  kcomponents report run.jsonl --json > run.json

kcomponents.callbacks.TrainingDoctor(record_path="run.jsonl") writes a record.
The exit status is 0, or 2 if a record cannot be read or the report cannot be written.
"""
ABOUT_SEARCH = """\
Search the hyperparameters of a model, with workers on one or several machines.
Every trial is saved at once: `run` also resumes a search that was interrupted.
"""
ABOUT_FILE = "Python file with `build(hp)`, which returns a compiled model, and "
ABOUT_FILE += "`data()`, which returns arguments of `fit`: a dict, (x, y), or "
ABOUT_FILE += "((x, y), (x_val, y_val))"
SEARCH_EXAMPLES = """\
examples:
  kcomponents search validate digits.py
  kcomponents search run digits.py --max-trials 50 --epochs 20 --workers 2
  kcomponents search status runs/digits
  kcomponents search report runs/digits -o digits.html
  kcomponents search stop runs/digits

on several machines (`run` on one, `worker` on the others):
  kcomponents search run digits.py --store postgresql://user@host/name \\
      --max-trials 500 --epochs 20
  kcomponents search worker digits.py --store postgresql://user@host/name

The exit status is 0 on success, 2 for wrong input, 130 if Ctrl-C ended the search,
and 1 if `verify` finds a problem.
"""

# argparse puts the value in.
DEFAULT = " (default: %(default)s)"


class Parser(argparse.ArgumentParser):
    """A parser whose errors, which contain the arguments, are fit for a terminal."""

    def exit(self, status=0, message=None):
        """Print the message, and exit."""
        if message:
            show_error(message.removesuffix("\n"))
        super().exit(status)


def command_parser():
    """Return the parser of all commands."""
    parser = Parser("kcomponents", description=DESCRIPTION)
    shown = f"kcomponents {__version__}"
    parser.add_argument("--version", action="version", version=shown)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, title="commands"
    )
    command = commands.add_parser(
        "report",
        help="diagnose a training run from its record",
        description=ABOUT_REPORT,
        epilog=REPORT_EXAMPLES,
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
    _add_search(commands)
    return parser


def _add_search(commands):
    """Add the command `search` and its subcommands to a parser."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "search",
        help="search hyperparameters; resume or inspect a search",
        description=ABOUT_SEARCH,
        epilog=SEARCH_EXAMPLES,
        formatter_class=plain,
    )
    own = parser.add_subparsers(
        dest="what", metavar="COMMAND", required=True, title="commands"
    )
    _add_run(own.add_parser("run", help="start a search, or resume it"))
    _add_worker(
        own.add_parser("worker", help="run trials of a search that `run` has started")
    )
    check = own.add_parser(
        "validate", help="build and train every branch of a model once"
    )
    check.add_argument("file", metavar="FILE", help=ABOUT_FILE)
    abouts = {
        "status": "print the progress and the best trials of a search",
        "report": "write a web page with the results, also during the search",
        "verify": "check a search for missing, duplicate or damaged trials",
        "stop": "stop all workers after their current epoch",
    }
    for name, about in abouts.items():
        command = own.add_parser(name, help=about, description=f"{about.capitalize()}.")
        command.add_argument(
            "place", metavar="PLACE", help="folder of a search, or URL of its database"
        )
        command.add_argument(
            "--name", help="name of the search, if the store has several"
        )
        if name == "report":
            about = "web page to write (default: report.html in the folder)"
            command.add_argument("-o", "--output", metavar="FILE", help=about)
    return parser


def _add_run(parser):
    _add_file(parser)
    add = parser.add_argument
    add(
        "--directory", default="runs", help="folder for searches (default: %(default)s)"
    )
    add(
        "--objective",
        default="val_loss",
        help="metric to optimize (default: %(default)s)",
    )
    add(
        "--direction",
        choices=("min", "max"),
        help="if it can't be inferred from the objective",
    )
    add(
        "--max-trials",
        type=int,
        default=10,
        help="number of trials (default: %(default)s)",
    )
    add(
        "--epochs", type=int, default=10, help="epochs per trial (default: %(default)s)"
    )
    add(
        "--sampler",
        default="tpe",
        help="tpe, random, gp or grid (default: %(default)s)",
    )
    add("--pruner", default="asha", help="asha, median or none" + DEFAULT)
    about = "runs with other seeds for the best and the baseline" + DEFAULT
    add("--repeats", type=int, default=3, help=about)
    add("--seed", type=int, help="seed of the search (default: random)")
    add(
        "--workers",
        type=int,
        help="number of worker processes (default: none, run here)",
    )
    add("--gpus-per-worker", type=float, help="GPUs per worker, may be a fraction")
    add("--engine", default="local", help="local or ray" + DEFAULT)
    add("--max-hours", type=float, help="time limit of the search in hours")
    add(
        "--overwrite",
        action="store_true",
        help="delete an existing search of this name",
    )
    about = "web page to write (default: report.html in the search's folder)"
    add("-o", "--output", metavar="FILE", help=about)


def _add_worker(parser):
    _add_file(parser)
    parser.add_argument(
        "--directory", default="runs", help="folder for weights (default: %(default)s)"
    )
    parser.add_argument("--trials", type=int, help="maximum number of trials to run")


def _add_file(parser):
    parser.add_argument("file", metavar="FILE", help=ABOUT_FILE)
    parser.add_argument("--name", help="name of the search (default: name of FILE)")
    parser.add_argument(
        "--store",
        help="URL of a database, or path of a journal (default: in the folder)",
    )
