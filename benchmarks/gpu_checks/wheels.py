"""Wheels of what a machine with JAX and PyTorch lacks, to install without a network."""

import importlib.metadata
import pathlib
import subprocess
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).parents[2]
OURS = "kcomponents"
# What this package and a search import; all that these need comes with them.
WANTED = [
    "keras",
    "wrapt",
    "keras-tuner",
    "optuna",
    "cloudpickle",
    "filelock",
    "jinja2",
]
WANTED += ["psutil", "rich", "six"]
# Backends, and what is large and either comes with them or is not imported.
LEFT_OUT = {"jax", "jaxlib", "numpy", "scipy", "tensorflow", "torch"}
# pip takes these tags by name, and no newer one for an older.
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (34, 31, 28, 27, 24, 17, 12, 5)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
LIMIT = 64


def versions_here(names, python):
    """Return name → version of packages and all that they need, as installed here.

    Args:
        names: List of names.
        python: String, the version of Python that will run them.
    """
    found, waiting = {}, [canonicalize_name(name) for name in names]
    where = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "extra": "",
    }
    while waiting:
        name = waiting.pop()
        if name in found or name in LEFT_OUT:
            continue
        found[name] = importlib.metadata.version(name)
        for line in importlib.metadata.requires(name) or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate(where):
                waiting.append(canonicalize_name(need.name))
    return dict(sorted(found.items()))


def download(folder, python, platforms):
    """Download the wheels and build ours; return their paths."""
    versions = versions_here(WANTED, python)
    pins = [f"{name}=={version}" for name, version in versions.items()]
    pip = [sys.executable, "-m", "pip", "--quiet"]
    tags = [part for tag in platforms for part in ("--platform", tag)]
    target = ["--python-version", python, "--implementation", "cp", *tags]
    only = ["--no-deps", "--only-binary", ":all:", *target]
    subprocess.run([*pip, "download", *only, "--dest", folder, *pins], check=True)
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, str(ROOT)], check=True)
    return sorted(pathlib.Path(folder).glob("*.whl"))


def main(folder, python, platforms):
    """Fill a folder, and say how large it is and how to install from it."""
    sizes = {p.name: p.stat().st_size for p in download(folder, python, platforms)}
    for name, size in sizes.items():
        print(f"{size / 2**20:>7.2f} MiB  {name}")
    total = sum(sizes.values()) / 2**20
    print(f"{total:>7.2f} MiB in {len(sizes)} wheels")
    names = " ".join([OURS, *WANTED])
    print(f"python -m pip install --no-index --find-links {folder} {names}")
    if total > LIMIT:
        print(f"They are to be at most {LIMIT} MiB together.", file=sys.stderr)
    return int(total > LIMIT)
