"""Settings of Sphinx, which makes the site of these pages and of all docstrings."""

import importlib
import inspect
import pathlib
import re

from sphinx.util import logging

import kcomponents

logger = logging.getLogger(__name__)
project = "kcomponents"
author = "The kcomponents authors"
copyright = author
version = release = kcomponents.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
extensions += ["sphinx.ext.viewcode", "sphinx_copybutton"]
html_theme = "furo"
html_title = "kcomponents"
html_show_sphinx = False
# What is copied can be run: without prompts, and without what they answered.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
exclude_patterns = ["_build"]
# In docstrings a name in backquotes is linked where it is one of ours.
default_role = "py:obj"
add_module_names = False
autodoc_default_options = {"members": True, "imported-members": True}
autodoc_inherit_docstrings = False
autodoc_typehints = "none"
napoleon_custom_sections = [
    ("Input shape", "returns_style"),
    ("Output shape", "returns_style"),
    "Shapes",
    "Reference",
]
myst_heading_anchors = 3

# What has no docstring of its own.
CONSTANTS = {
    "doctor.LABELS": "What a finding may be, as [the doctor](../doctor.md) explains.",
    "doctor.RULES": "The functions that are asked, in order: [the rules](../rules.md).",
    "doctor.VERDICTS": "What a diagnosis may say, [the worst first](../doctor.md).",
}
REFERENCE = pathlib.Path(__file__).parent / "reference"
PARTS = [
    name for name in kcomponents.__all__ if inspect.ismodule(getattr(kcomponents, name))
]


def _public():
    """Yield module and name of each public thing."""
    for part in sorted(PARTS):
        module = importlib.import_module(f"kcomponents.{part}")
        for name in module.__all__:
            yield module, name


def write_reference(app):
    """Write a page for each module, which Sphinx fills with its docstrings."""
    REFERENCE.mkdir(exist_ok=True)
    for part in sorted(PARTS):
        blocks = [f"# {part}"]
        blocks.append(f"```{{eval-rst}}\n.. automodule:: kcomponents.{part}\n```")
        for name, told in CONSTANTS.items():
            if name.startswith(f"{part}."):
                own = name.removeprefix(f"{part}.")
                given = f"{own}\n:module: kcomponents.{part}\n\n{told}"
                blocks.append(f"```{{py:data}} {given}\n```")
        page = "\n\n".join(blocks) + "\n"
        (REFERENCE / f"{part}.md").write_text(page, encoding="utf-8")
    pages = "\n".join(sorted(PARTS))
    tree = f"```{{toctree}}\n:maxdepth: 2\n\n{pages}\n```\n"
    (REFERENCE / "index.md").write_text(f"# Reference\n\n{tree}", encoding="utf-8")


def links_of_markdown(app, what, name, thing, options, lines):
    """Turn links, which docstrings write as Keras does, into those of Sphinx."""
    text = "\n".join(lines)
    link = re.compile(r"\[([^\]\[]+)\]\((https?://[^\s)]+(?:\([^\s)]*\)[^\s)]*)*)\)")
    text = link.sub(lambda m: f"`{' '.join(m[1].split())} <{m[2]}>`__", text)
    # What goes on in the next line, indented, is still the same paragraph.
    text = re.sub(r"^(Reference: .*)\n +", r"\1 ", text, flags=re.MULTILINE)
    lines[:] = text.split("\n")


def own_arguments(app, what, name, thing, options, signature, told):
    """Show what a class takes itself: Keras's layers hide it behind `**kwargs`."""
    if what != "class":
        return None
    known = inspect.signature(thing.__init__)
    own = [p for p in known.parameters.values() if p.name != "self"]
    return str(known.replace(parameters=own, return_annotation=known.empty)), None


def every_name_has_an_entry(app, env):
    """Fail the build where a public name is missing from the reference."""
    entries = env.get_domain("py").objects
    for module, name in _public():
        if f"{module.__name__}.{name}" not in entries:
            logger.warning("%s.%s has no entry.", module.__name__, name)


def setup(app):
    """Tell Sphinx of the functions above."""
    app.connect("builder-inited", write_reference)
    app.connect("autodoc-process-docstring", links_of_markdown, priority=400)
    app.connect("autodoc-process-signature", own_arguments)
    app.connect("env-check-consistency", every_name_has_an_entry)
