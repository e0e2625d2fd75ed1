"""Text helpers: counts, lists, sentences."""

# Longer lists are cut off after this many items.
SHOWN = 5


def counted(number, noun):
    """Return `1 sample` or `1,234 samples`."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def listed(items):
    """Return the first few items, `0, 1, 2, ...`."""
    items = items.tolist() if hasattr(items, "tolist") else items
    shown = [f"{item:g}" if isinstance(item, float) else str(item) for item in items]
    return ", ".join(shown[:SHOWN]) + ", ..." * (len(items) > SHOWN)


def sentence(text):
    """Return a text with a capital letter and a period."""
    return f"{text[0].upper()}{text[1:]}."
