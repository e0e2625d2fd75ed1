"""Pages: renders templates, escapes all text, and writes files atomically."""

import functools
import importlib.resources
import re

from kcomponents import _text
from kcomponents._files import write_whole
from kcomponents._optional import needed

# Verdict or grade → grade, shown by a sign and a color; all others are "bad".
GRADES = {"healthy": "good", "overfitting": "warn", "good": "good", "warn": "warn"}


def page(template, path, **values):
    """Return a page, and write it to a file if `path` is given.

    `template` is a file name here, or `"kcomponents.part:file"` elsewhere.
    """
    text = _environment().get_template(template).render(**values)
    # JSON may hold lone surrogates, which UTF-8 cannot encode.
    text = text.encode("utf-8", "replace").decode()
    if path is not None:
        write_whole(path, text)
    return text


@functools.cache
def _environment():
    jinja2 = needed("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        finalize=_fit,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        breakable=_breakable,
        choices=_text.choices,
        drawn=needed("markupsafe").Markup,
        number=_text.number,
        sentence=_sentence,
        shown=_text.shown,
        title_of=_text.title,
    )
    environment.globals["grade"] = lambda verdict: GRADES.get(verdict, "bad")
    return environment


def _breakable(text):
    """Return code or a name with line breaks allowed between its words."""
    markupsafe = needed("markupsafe")
    text = str(markupsafe.escape(_text.clean(text)))
    text = re.sub(r"(?<=[(,./=])(?=[A-Za-z])", "<wbr>", text)
    text = re.sub(r"\w{24,}", _words_apart, text)
    return markupsafe.Markup(text)


def _sentence(text):
    """Return a sentence with the names between backquotes set as code."""
    markupsafe = needed("markupsafe")
    text = str(markupsafe.escape(_text.clean(text)))
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", text))


def _words_apart(found):
    return re.sub(r"(?<=_)(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])", "<wbr>", found[0])


def _source(name):
    part, _, file = name.rpartition(":")
    folder = importlib.resources.files(part or "kcomponents.report") / "templates"
    return (folder / file).read_text(encoding="utf-8")


def _fit(value):
    """Return a value for a page, without control characters."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return _text.clean(value) if is_text else value
