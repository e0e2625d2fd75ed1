"""Reports of a training run: text for the console, JSON, and a web page."""

from kcomponents.report.compare import compare
from kcomponents.report.to_html import to_html
from kcomponents.report.to_json import to_json
from kcomponents.report.to_text import to_text

__all__ = ["compare", "to_html", "to_json", "to_text"]
