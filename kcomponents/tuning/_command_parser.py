"""The commands of `python -m kcomponents search`."""

import argparse
import os
import shlex

from kcomponents._checks import fail
from kcomponents._pages.output import check_output

ABOUT = """\
Search the hyperparameters of a model, with workers on one or several machines.
Every trial is saved at once: `run` also resumes a search that was interrupted.
"""
ABOUT_FILE = "Python file with `build(hp)`, which returns a compiled model, and "
ABOUT_FILE += "`data()`, which returns arguments of `fit`: a dict, (x, y), or "
ABOUT_FILE += "((x, y), (x_val, y_val))"
EXAMPLES = """\
examples:
  python -m kcomponents search validate digits.py
  python -m kcomponents search run digits.py --max-trials 50 --epochs 20 --workers 2
  python -m kcomponents search status runs/digits
  python -m kcomponents search report runs/digits -o digits.html
  python -m kcomponents search stop runs/digits

on several machines (`run` on one, `worker` on the others):
  python -m kcomponents search run digits.py --store postgresql://user@host/name \\
      --max-trials 500 --epochs 20
  python -m kcomponents search worker digits.py --store postgresql://user@host/name

The exit status is 0 on success, 2 for wrong input, 130 if Ctrl-C ended the search,
and 1 if `verify` finds a problem.
"""

# argparse puts the value in.
DEFAULT = " (default: %(default)s)"


def add_search(commands):
    """Add the command `search` and its subcommands to a parser."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "search",
        help="search hyperparameters; resume or inspect a search",
        description=ABOUT,
        epilog=EXAMPLES,
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


def run_search_command(arguments, argv):
    """Run a subcommand of `search`; return the exit status."""
    check_output(getattr(arguments, "output", None))
    from kcomponents.tuning import _command_line

    if arguments.what in ("run", "worker"):
        name = arguments.name or os.path.splitext(os.path.basename(arguments.file))[0]
        if not name:
            fail("`FILE` must be a Python file.", file=arguments.file)
        arguments.name = name
        arguments.command_line = shlex.join(["python", "-m", "kcomponents", *argv])
    return getattr(_command_line, arguments.what)(arguments)
