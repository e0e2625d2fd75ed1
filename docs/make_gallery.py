"""Run the recipes, and make of what they print and draw the pages of docs/gallery.

    python docs/make_gallery.py                 # all of them, half an hour
    python docs/make_gallery.py depth cliff     # these two
    python docs/make_gallery.py --pages         # the pages again, of the last results

Each page has the recipe's paragraph, its command, its picture and its table; no figure
is written by hand. The curves behind a picture stay in the folder of results.
"""

import argparse
import ast
import concurrent.futures
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]
RECIPES, GALLERY = ROOT / "recipes", ROOT / "docs" / "gallery"
RESULTS = ROOT / "results" / "gallery"
# Those that say for themselves what they found.
WITHOUT_SUMMARY = {"quickstart", "search_activations"}
# Further runs of a recipe, by the name of their page.
VARIANTS = {
    "clipped_rnn_adding": ["clipped_rnn", "--task", "adding"],
    "irnn_150": ["irnn", "--length", "150", "--seeds", "1"],
    "irnn_pixels": ["irnn", "--task", "pixels", "--epochs", "6", "--seeds", "1"],
}


def names():
    """Return the recipes, in order."""
    return sorted(path.stem for path in RECIPES.glob("*.py"))


def command(page):
    """Return the arguments of a recipe for its page."""
    name, *options = VARIANTS.get(page, [page])
    return [f"recipes/{name}.py", *options]


def paragraph(page):
    """Return the first line of a recipe's docstring, and the rest of it."""
    file, *options = command(page)
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    first, _, rest = ast.get_docstring(tree).partition("\n")
    given = f", with `{shlex.join(options)}`" if options else ""
    return first.strip().rstrip(".") + given, rest.strip()


def ran(page, quick):
    """Run a recipe; return its page, whether it went well, its seconds and its end."""
    out = "--results" if page in WITHOUT_SUMMARY else "--out"
    folder = RESULTS / page
    shown = [sys.executable, *command(page), out, str(folder)]
    begin = time.perf_counter()
    done = subprocess.run(
        [*shown, "--quick"] if quick and page != "quickstart" else shown,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "printed.txt").write_text(done.stdout, encoding="utf-8")
    return page, done.returncode == 0, time.perf_counter() - begin, done.stdout[-2000:]


def cells(rows):
    """Return a table of Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    told = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in told)


def found(page):
    """Return what was kept of a recipe's last run for its page."""
    summary = GALLERY / f"{page}.json"
    return json.loads(summary.read_text()) if summary.is_file() else None


def sentence(summary):
    """Return under which settings it was run, and how often the effect was there."""
    versions = ", ".join(f"{name} {v}" for name, v in summary["versions"].items())
    first, count = summary["first_seed"], summary["seeds"]
    seeds = f"Seeds {first} to {first + count - 1}" if count > 1 else f"Seed {first}"
    tiny = " A tiny run, which shows nothing." if summary["quick"] else ""
    return (
        f"{summary['claim']}: **{summary['shown']} of {count} seeds**. {seeds}, "
        f"{versions}, {summary['seconds']:.0f} s. Cells are medians over the seeds, "
        f"with the least and the most.{tiny}"
    )


def keep(page):
    """Take the picture and the summary of a run into the gallery."""
    name = pathlib.Path(command(page)[0]).stem
    GALLERY.mkdir(exist_ok=True)
    for ending in (".png", ".json"):
        made = RESULTS / page / (name + ending)
        if made.is_file():
            shutil.copy(made, GALLERY / (page + ending))


def write_page(page):
    """Write the page of a recipe."""
    heading, body = paragraph(page)
    shown = f"python {shlex.join(command(page))}"
    parts = [f"# {heading}", body, f"![{page}]({page}.png)"]
    if summary := found(page):
        parts += [cells(summary["rows"]), sentence(summary)]
    if f"    {shown}\n" not in f"{body}\n":
        parts.append(f"```\n{shown}\n```")
    parts.append("[All recipes](index.md)")
    (GALLERY / f"{page}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def write_index(pages):
    """Write the list of all pages, with how often each effect was there."""
    rows = []
    for page in pages:
        summary = found(page)
        shown = f"{summary['shown']} of {summary['seeds']}" if summary else ""
        heading = paragraph(page)[0]
        row = {"recipe": f"[{page}]({page}.md)", "": heading, "shown": shown}
        rows.append(row | {"picture": f"[![{page}]({page}.png)]({page}.md)"})
    told = "Made by `tox -e gallery`, which runs every recipe; no figure is by hand."
    tree = "```{toctree}\n:hidden:\n:glob:\n\n*\n```"
    text = f"# Gallery of recipes\n\n{told}\n\n{cells(rows)}\n\n{tree}\n"
    (GALLERY / "index.md").write_text(text, encoding="utf-8")


def main(argv=None):
    """Run the recipes asked for, and write their pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    known = [*names(), *VARIANTS]
    add("recipes", nargs="*", metavar="RECIPE", help=f"of {', '.join(known)}")
    add("--pages", action="store_true", help="run nothing, write the pages again")
    add("--jobs", type=int, default=1, help="recipes at once (default: %(default)s)")
    add("--quick", action="store_true", help="tiny runs, to see that all work")
    args = parser.parse_args(argv)
    if wrong := set(args.recipes) - set(known):
        parser.error(f"no such recipe: {', '.join(sorted(wrong))}")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    asked = [] if args.pages else args.recipes or known
    bad = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        runs = [pool.submit(ran, page, args.quick) for page in asked]
        for number, run in enumerate(concurrent.futures.as_completed(runs), 1):
            page, well, seconds, end = run.result()
            said = "" if well else f" failed:\n{end}"
            print(f"[{number}/{len(runs)}] {page}: {seconds:.0f} s{said}", flush=True)
            if well:
                keep(page)
            else:
                bad.append(page)
    pages = [page for page in known if (GALLERY / f"{page}.png").is_file()]
    for page in pages:
        write_page(page)
    write_index(pages)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
