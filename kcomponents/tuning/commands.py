"""The commands of `kcomponents search`."""

import importlib.util
import os
import sys

from kcomponents._checks import fail
from kcomponents._console import show, show_error
from kcomponents._files import write_whole
from kcomponents._optional import keras_tuner
from kcomponents._text import one_line
from kcomponents.tuning import Search
from kcomponents.tuning._engine.settings import Settings
from kcomponents.tuning._engine.stop import Stop
from kcomponents.tuning._results import console
from kcomponents.tuning._results.page import to_html
from kcomponents.tuning._storage.backend import refuse_damage
from kcomponents.tuning._storage.project import (
    ProjectFolder,
    open_store,
    problems,
    results_in,
)
from kcomponents.tuning.describe import describe
from kcomponents.tuning.validate import validate as validated

OF_SEARCH = (
    "max_trials",
    "sampler",
    "pruner",
    "repeats",
    "seed",
    "workers",
    "gpus_per_worker",
    "engine",
    "max_hours",
    "store",
    "directory",
    "overwrite",
)


def run(arguments):
    """Start or resume a search, and write its report."""
    module = _load(arguments.file)
    objective = arguments.objective
    if arguments.direction is not None:
        objective = keras_tuner.Objective(objective, arguments.direction)
    options = {name: getattr(arguments, name) for name in OF_SEARCH}
    search = Search(module.build, objective, project_name=arguments.name, **options)
    status = 0
    try:
        search.search(
            data=module.data,
            epochs=arguments.epochs,
            verbose=1,
            command=arguments.command_line,
        )
    except KeyboardInterrupt:
        show_error("Stopped by Ctrl-C. Run the same command to resume.")
        status = 130
    page = search.report(arguments.output)
    show(f"{console.summary(search.results)}\n\nReport: {one_line(page)}")
    return status


def validate(arguments):
    """Build and train every branch of a model once, and print its search space."""
    build = _load(arguments.file).build
    validated(build)
    show(f"{describe(build)}\n\nEvery branch builds and trains.")
    return 0


def worker(arguments):
    """Run trials of a search that another process started."""
    module = _load(arguments.file)
    place = arguments.store or os.path.join(arguments.directory, arguments.name)
    store = open_store(place, arguments.name)
    facts = store.facts
    if not {"settings", "objective", "epochs"} <= facts.keys():
        fail("This search has not started. Use `run` first.", store=store.address)
    objective, settings = keras_tuner.Objective(**facts["objective"]), facts["settings"]
    # Others may have written to the store: no other argument of `Search` comes from it.
    if unknown := settings.keys() - Settings.__annotations__:
        rule = "The settings of this search are not those of a search."
        fail(f"{rule} Use the same version of kcomponents.", settings=sorted(unknown))
    settings |= {"workers": None, "engine": "local", "store": store.place}
    search = Search(
        module.build,
        objective,
        project_name=arguments.name,
        directory=arguments.directory,
        **settings,
    )
    args, kwargs = search.prepare(data=module.data, epochs=facts["epochs"])
    stop = Stop(store, search.settings.max_hours)
    with stop.on_signals():
        search.run_trials(args, kwargs, stop, arguments.trials)
    return 0


def status(arguments):
    """Print the progress and the best trials of a search."""
    store = open_store(arguments.place, arguments.name)
    with refuse_damage(store.place):
        results = results_in(store)
        text = f"{console.line(results)}\n\n{console.summary(results)}"
    show(text)
    return 0


def report(arguments):
    """Write the report of a search."""
    store = open_store(arguments.place, arguments.name)
    is_folder = os.path.isdir(arguments.place)
    folder = arguments.place if is_folder else os.path.dirname(store.place)
    folder = "." if "://" in store.place else folder
    with refuse_damage(store.place):
        page = to_html(results_in(store))
    path = arguments.output or ProjectFolder(folder).own_file("report.html")
    write_whole(path, page)
    show(f"Report: {one_line(path)}")
    return 0


def verify(arguments):
    """Check the store of a search; return 1 if there is a problem."""
    folder = arguments.place if os.path.isdir(arguments.place) else None
    store = open_store(arguments.place, arguments.name)
    with refuse_damage(store.place):
        lines = [one_line(problem) for problem in problems(store, folder)]
        good = f"No problems found. {console.line(results_in(store))}"
    show("\n".join(lines) or good)
    return 1 if lines else 0


def stop(arguments):
    """Stop all workers of a search after their current epoch."""
    open_store(arguments.place, arguments.name).set_fact("stop", True)
    show("Workers stop after their current epoch. Resume the search with `run`.")
    return 0


def _load(path):
    """Return the module in a file; workers import it by its name."""
    if not os.path.isfile(path):
        fail("The file does not exist.", file=path)
    folder, name = os.path.split(os.path.abspath(path))
    name = os.path.splitext(name)[0]
    sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path)
    if name in sys.modules or spec is None:
        fail("The file must not have the name of another module. Rename it.", file=path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for wanted in ("build", "data"):
        if not callable(getattr(module, wanted, None)):
            fail(f"The file must define a function `{wanted}`.", file=path)
    return module
