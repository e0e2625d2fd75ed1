"""Words that several checks of data use: counts, lists, sentences."""

# Beyond so many, a list says no more than its beginning.
SHOWN = 5


def counted(number, noun):
    """Return `1 row` or `1,234 rows`."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def listed(items):
    """Return the first few of these, `0, 1, 2, ...`."""
    items = items.tolist() if hasattr(items, "tolist") else items
    shown = [f"{item:g}" if isinstance(item, float) else str(item) for item in items]
    return ", ".join(shown[:SHOWN]) + ", ..." * (len(items) > SHOWN)


def sentence(text):
    """Return a clause as a sentence of its own."""
    return f"{text[0].upper()}{text[1:]}."
