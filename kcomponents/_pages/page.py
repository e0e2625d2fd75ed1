"""Web pages: templates, rendered with all text escaped, and written atomically."""

import functools
import importlib.resources
import re

from kcomponents import _text
from kcomponents._files import optional_path, write_whole
from kcomponents._optional import require

# Verdict or grade → grade, shown by a sign and a color; all others are "bad".
GRADES = {"healthy": "good", "overfitting": "warn", "good": "good", "warn": "warn"}


def page(package, template, path, **values):
    """Return a page, and write it to a file if `path` is given.

    Args:
        package: String, the package whose folder `templates` has the template. It can
            include the templates of this package too.
        template: String, the file's name.
        path: Path of the HTML file to write, or `None`.
        **values: Values of the template's variables.
    """
    path = optional_path("path", path)
    text = _environment(package).get_template(template).render(**values)
    # JSON may hold lone surrogates, which UTF-8 cannot encode.
    text = text.encode("utf-8", "replace").decode()
    if path is not None:
        write_whole(path, text)
    return text


@functools.cache
def _environment(package):
    jinja2 = require("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(functools.partial(_source, package)),
        autoescape=True,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        breakable=_breakable,
        choices=_text.choices,
        drawn=require("markupsafe").Markup,
        sentence=_sentence,
        setting=_text.setting_text,
        title_of=_text.title,
    )
    environment.globals["grade"] = lambda verdict: GRADES.get(verdict, "bad")
    return environment


def _source(package, name):
    """Return the text of a template; those that all pages share are in this package."""
    for folder in (package, "kcomponents._pages"):
        file = importlib.resources.files(folder) / "templates" / name
        if file.is_file():
            return file.read_text(encoding="utf-8")
    return None


def _clean(value):
    """Return a value for a page, without control characters."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return _text.clean(value) if is_text else value


def _breakable(text):
    """Return code or a name with line breaks allowed between its words."""
    markupsafe = require("markupsafe")
    text = str(markupsafe.escape(_text.clean(text)))
    text = re.sub(r"(?<=[(,./=])(?=[A-Za-z])", "<wbr>", text)
    text = re.sub(r"\w{24,}", _break_words, text)
    return markupsafe.Markup(text)


def _break_words(match):
    return re.sub(r"(?<=_)(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])", "<wbr>", match[0])


def _sentence(text):
    """Return a sentence with the names between backquotes set as code."""
    markupsafe = require("markupsafe")
    text = str(markupsafe.escape(_text.clean(text)))
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", text))
