"""The commands of `python -m kcomponents search`."""

import argparse
import os
import shlex

from kcomponents._check import fail

ABOUT = """\
Search hyperparameters: of a model in a file, by workers on this machine or on many.
Every step is kept at once, so that `run` also goes on with a search that was ended.
"""
ABOUT_FILE = "a Python file with `build(hp)`, which returns a compiled model, and "
ABOUT_FILE += "`data()`, which returns arguments of `fit`: a dict, (x, y), or "
ABOUT_FILE += "((x, y), (x_val, y_val))"
EXAMPLES = """\
examples:
  python -m kcomponents search validate digits.py
  python -m kcomponents search run digits.py --max-trials 50 --epochs 20 --workers 2
  python -m kcomponents search status runs/digits
  python -m kcomponents search report runs/digits -o digits.html
  python -m kcomponents search stop runs/digits

several machines, on each of them, with any launcher:
  python -m kcomponents search run digits.py --store postgresql://user@host/name \\
      --max-trials 500 --epochs 20
  python -m kcomponents search worker digits.py --store postgresql://user@host/name

The exit status is 0, 2 for wrong input, or of `verify` 1 if something is wrong.
"""


def add_search(commands):
    """Add the command `search` with its own commands to a parser."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "search",
        help="search hyperparameters, go on with a search, look at it",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=plain,
    )
    own = parser.add_subparsers(
        dest="what", metavar="COMMAND", required=True, title="commands"
    )
    _add_run(own.add_parser("run", help="begin a search, or go on with it"))
    _add_worker(own.add_parser("worker", help="work on a search that was begun"))
    check = own.add_parser("validate", help="build every branch of a model once")
    check.add_argument("file", metavar="FILE", help=ABOUT_FILE)
    abouts = {
        "status": "say how far a search is",
        "report": "write a page on what was found, also while it runs",
        "verify": "check that nothing of a search was lost or is there twice",
        "stop": "let all workers end after their epoch",
    }
    for name, about in abouts.items():
        command = own.add_parser(name, help=about, description=f"{about.capitalize()}.")
        command.add_argument("place", metavar="PLACE", help="folder or URL of a search")
        command.add_argument("--name", help="which search, if there are several")
        if name == "report":
            command.add_argument("-o", "--output", metavar="FILE", help="the page")
    return parser


def _add_run(parser):
    _add_file(parser)
    add = parser.add_argument
    add("--directory", default="runs", help="folder of projects (%(default)s)")
    add("--objective", default="val_loss", help="what to optimize (%(default)s)")
    add("--direction", choices=("min", "max"), help="where the name does not tell")
    add("--max-trials", type=int, default=10, help="values to try (%(default)s)")
    add("--epochs", type=int, default=10, help="of each trial (%(default)s)")
    add("--sampler", default="tpe", help="tpe, random, gp or grid (%(default)s)")
    add("--pruner", default="asha", help="asha, median or none (%(default)s)")
    add("--repeats", type=int, default=3, help="seeds at the end (%(default)s)")
    add("--seed", type=int, help="from which each trial gets its own")
    add("--workers", type=int, help="processes; without, this one alone")
    add("--gpus-per-worker", type=float, help="share of a GPU for each")
    add("--engine", default="local", help="local or ray (%(default)s)")
    add("--max-hours", type=float, help="after which the search ends")
    add("--overwrite", action="store_true", help="forget an earlier search")
    add("-o", "--output", metavar="FILE", help="the page (report.html in the folder)")


def _add_worker(parser):
    _add_file(parser)
    parser.add_argument("--directory", default="runs", help="folder for weights")
    parser.add_argument("--trials", type=int, help="how many to run at most")


def _add_file(parser):
    parser.add_argument("file", metavar="FILE", help=ABOUT_FILE)
    parser.add_argument("--name", help="of the search (the file's name)")
    parser.add_argument("--store", help="URL of a database (a file in the folder)")


def run_search_command(arguments, argv):
    """Do what was asked for on the command line; return the exit status."""
    from kcomponents.tuning._command_line import commands

    if arguments.what in ("run", "worker"):
        name = arguments.name or os.path.splitext(os.path.basename(arguments.file))[0]
        if not name:
            fail("`file` must be a Python file.", file=arguments.file)
        arguments.name = name
        arguments.command_line = shlex.join(["python", "-m", "kcomponents", *argv])
    return getattr(commands, arguments.what)(arguments)
