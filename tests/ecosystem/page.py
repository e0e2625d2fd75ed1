"""Run the examples of docs/ecosystem.md that are not run as doctests."""

import pathlib
import re

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "ecosystem.md"


def run(words, **names):
    """Run the example that holds these words; return the names that it leaves."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.M)
    [block] = [found for found in blocks if words in found and ">>>" not in found]
    exec(compile(block, PAGE, "exec"), names)
    return names
