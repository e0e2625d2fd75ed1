"""Rows of the table: what a check found, and the page that shows them."""

import dataclasses
import sys
import traceback

FAILED = "FAILED"
# Longer texts would tear the table apart; the whole one is in the lines of JSON.
LONGEST = 160
PAGE = """# On a GPU

What `python benchmarks/gpu_check.py` checks on a GPU, in one command and within
minutes: that components compute there what they compute on a CPU, that monitors and the
doctor leave a training as it is, what they cost, and how the workers of a search share
a device. The command writes this page with `--markdown docs/gpu.md`.
"""
TRIAL = """**No GPU run has been made yet.** The table is that of a CPU, by the same
command with `--device cpu`: small sizes, and the CPU beside itself. It shows that the
checks run, and what they would find in the package itself, not what a GPU does.
"""
LEGEND = """How to read it:

- *Equal to the CPU* is the largest relative error, the norm of the difference over the
  norm of what the CPU gives, of outputs, gradients and trained weights: in float32, in
  bfloat16 and in float16. The bounds: in float32, a sum of up to 800 products in
  another order is off by at most 800 roundings of 6e-8, which is 5e-5; TensorFloat-32
  is switched off, and would show with 5e-4. In 16 bits each sum of a layer and of its
  gradients is rounded. Between JAX and PyTorch on one CPU that makes up to four units
  of the last place, and the bounds are eight: 6.2e-2 and 7.8e-3.
- *With and without* is the largest difference of a weight, or of what an optimizer
  keeps, after training with deterministic algorithms. Numbers of variables and what
  saved files hold must be equal.
- *Reads of the host* are values that Python takes from the device within epochs, the
  end of each left out, which Keras takes in the first place.
- *Time* is a ratio of epochs, with the callback over without, and its quartiles, as
  `benchmarks/probe_overhead.py` takes it. "Plain again" is the noise of the run.
- *Memory* is a ratio of peaks within one process, in which plain training comes first.
- A *trial* is measured on a CPU with small sizes, where the bound does not hold.
"""


@dataclasses.dataclass
class Row:
    """What a check found.

    Args:
        result: String, what was found.
        bound: String, what must hold. Defaults to "-", for nothing.
        ok: Boolean, whether it holds. Defaults to True.
        name: String, what was checked. Defaults to "", the name of the check.
        detail: String, what helps to mend a failure, such as a traceback.
    """

    result: str
    bound: str = "-"
    ok: bool = True
    name: str = ""
    detail: str = ""


def failure(name, why, detail=""):
    """Return the row of a check that has no result."""
    return Row(f"{FAILED}: {why}", ok=False, name=name, detail=detail)


def attempt(name, check):
    """Return the rows of a check; an exception becomes a row."""
    try:
        found = check()
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0][:LONGEST]
        told = f"{type(error).__name__}: {first}".strip(": ")
        return [failure(name, told, traceback.format_exc())]
    found = found if isinstance(found, list) else [found]
    for row in found:
        row.name = row.name or name
        if not row.ok and not row.result.startswith(FAILED):
            row.result = f"{FAILED}: {row.result}"
    return found


def table(found, backends):
    """Return the table in Markdown: a line for each check, a column for each backend.

    Args:
        found: Dict of a backend's name to its rows.
        backends: List of names, the columns.
    """
    lines = {}
    for backend in backends:
        for row in found.get(backend, []):
            lines.setdefault(row.name, {})[backend] = row
    cells = [["check", "bound", *backends], ["---"] * (2 + len(backends))]
    for name, line in lines.items():
        bounds = [row.bound for row in line.values() if row.bound != "-"]
        results = [line[b].result if b in line else "" for b in backends]
        cells.append([name, bounds[0] if bounds else "-", *results])
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in cells)


def _cell(text):
    """Return a text that cannot end a cell or a line."""
    text = " ".join(text.replace("|", "\\|").split())
    return f"**{text}**" if text.startswith(FAILED) else text


def page(heading, notes, content, trial):
    """Return the page for the docs.

    Args:
        heading: List of strings, the versions of each backend.
        notes: List of strings, what was not run.
        content: String, the table.
        trial: Boolean, whether it was run on a CPU.
    """
    parts = [PAGE, TRIAL] if trial else [PAGE]
    listed = "\n".join(f"- {line}" for line in [*heading, *notes])
    return "\n".join([*parts, listed, "", content, "", LEGEND])


def progress(message):
    """Say where the run is, apart from the table."""
    print(message, file=sys.stderr, flush=True)
