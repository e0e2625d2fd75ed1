"""Pages: templates filled in, names of strangers made harmless, files written whole."""

import functools
import importlib.resources
import re

from kcomponents._files import write_whole
from kcomponents.report import _settings, _words
from kcomponents.report._optional import needed

# Verdict, or a grade itself → how bad it is, shown by a sign and a color.
GRADES = {"healthy": "good", "overfitting": "warn", "good": "good", "warn": "warn"}


def page(template, path, **values):
    """Return a page, written to a file too if there is a path.

    `template` is a file of this part, or of another as `"kcomponents.part:file"`.
    """
    text = _environment().get_template(template).render(**values)
    # Half of a character, which JSON can name, cannot be written.
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
        choices=_words.choices,
        drawn=needed("markupsafe").Markup,
        number=_words.number,
        sentence=_sentence,
        shown=_settings.shown,
        title_of=_words.title,
    )
    environment.globals["grade"] = lambda verdict: GRADES.get(verdict, "bad")
    return environment


def _breakable(text):
    """Return code or a name that a narrow page may break between its words."""
    markupsafe = needed("markupsafe")
    text = str(markupsafe.escape(_words.clean(text)))
    text = re.sub(r"(?<=[(,./=])(?=[A-Za-z])", "<wbr>", text)
    text = re.sub(r"\w{24,}", _words_apart, text)
    return markupsafe.Markup(text)


def _sentence(text):
    """Return a sentence whose names between backquotes are set as code."""
    markupsafe = needed("markupsafe")
    text = str(markupsafe.escape(_words.clean(text)))
    return markupsafe.Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", text))


def _words_apart(found):
    return re.sub(r"(?<=_)(?=[A-Za-z])|(?<=[a-z])(?=[A-Z])", "<wbr>", found[0])


def _source(name):
    part, _, file = name.rpartition(":")
    folder = importlib.resources.files(part or "kcomponents.report") / "templates"
    return (folder / file).read_text(encoding="utf-8")


def _fit(value):
    """Return what is put into a page, without signs that no reader should meet."""
    is_text = isinstance(value, str) and not hasattr(value, "__html__")
    return _words.clean(value) if is_text else value
