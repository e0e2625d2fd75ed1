"""Figures of matplotlib, written whole or not at all."""

import io
import os

from kcomponents._files import full_path, write_whole


def save_figure(figure, path):
    """Write a figure to a file, in the format of its ending, unless `path` is None."""
    if path is None:
        return
    path, file = full_path("path", path), io.BytesIO()
    kind = os.path.splitext(path)[1].removeprefix(".") or "png"
    figure.savefig(file, dpi=150, format=kind)
    write_whole(path, file.getvalue())
