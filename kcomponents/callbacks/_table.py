"""Plain-text tables for reports."""


def table(header, rows):
    """Format rows under a header; the first column is left-aligned."""
    cells = [list(map(str, header)), *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *rest in cells:
        line = first.ljust(widths[0])
        for cell, width in zip(rest, widths[1:], strict=True):
            line += "  " + cell.rjust(width)
        lines.append(line.rstrip())
    return "\n".join(lines)


def _shown(cell):
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
