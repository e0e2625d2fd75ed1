"""What becomes of data on their way through strangers: parts changed, bytes flipped."""

import copy

from hypothesis import strategies as st

from tests.fuzz.hostile import Given, plain, text


def places(data, path=()):
    """Return the path of each part of nested dicts and lists, the outermost first."""
    found = [path]
    keys = range(len(data)) if isinstance(data, list) else data
    for key in keys if isinstance(data, dict | list) else ():
        found += places(data[key], (*path, key))
    return found


@st.composite
def tampered(draw, data, most=3):
    """Draw a copy of plain data, as a `Given`, with up to so many parts changed."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, most))):
        known = places(data)[1:]
        if not known:
            break
        *path, last = draw(st.sampled_from(known))
        holder = data
        for key in path:
            holder = holder[key]
        if draw(st.booleans()):
            holder[last] = draw(plain())
        elif isinstance(holder, dict):
            holder[draw(text())] = holder.pop(last)
        else:
            holder.pop(last)
    return Given(lambda: data)


@st.composite
def damaged(draw, content):
    """Draw bytes, as a `Given`, that are cut off, flipped, or have others between."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        kind = draw(st.sampled_from(["flip", "flip", "cut", "put", "double", "drop"]))
        if kind == "flip" and content:
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del content[place:]
        elif kind == "put":
            content[place:place] = draw(st.binary(min_size=1, max_size=8))
        elif kind == "double":
            content[place:place] = content[place : place + 200]
        else:
            del content[place : place + draw(st.integers(1, 50))]
    return Given(lambda: bytes(content))
