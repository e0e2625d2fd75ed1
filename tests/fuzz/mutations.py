"""Mutations of files: bytes changed, parts made by hand, and what is not a file.

A mutation is drawn by `mutation`, with a seeded `random.Random`. It is a pair of its
name and its result: bytes, or a function that makes something at a path.
"""

import copy
import io
import json
import os
import socket
import struct
import warnings
import zipfile

from tests.fuzz.hostile import NUMBERS, TEXTS
from tests.fuzz.tampering import places

HEADER = "kcomponents.json"
# Texts that stand for JSON that Python cannot make.
TOKENS = {
    "@deep lists@": "[" * 5000 + "]" * 5000,
    "@lists@": "[" * 105 + "]" * 105,
    "@deep dicts@": '{"a":' * 5000 + "1" + "}" * 5000,
    "@digits@": "9" * 5000,
    "@large@": "1e999",
    "@NaN@": "NaN",
    "@-Infinity@": "-Infinity",
    "@twice@": '{"a": 1, "a": 2}',
}
VALUES = [None, [], {}, "", *TOKENS, *(t for t in TEXTS if len(t) < 5000)]
VALUES += [n for n in NUMBERS if type(n) in (int, float, bool) and abs(n) < 10**4000]
VALUES += [{"__array__": n} for n in (0, 1, -1, 10**9, True, 0.0, None, [0])]
SHAPES = ["()", "(0,)", "(-1,)", "(10**12,)", f"({10**12},)", "(2, 3)", "'a'", "[1]"]
DESCRS = [
    "'|O'",
    "'<f8'",
    "'<U9'",
    "'|V8'",
    "'>i4'",
    "'<f4'",
    "[('a', '<f8')]",
    "'<f3'",
]
DESCRS += ["'<M8[ns]'", "'<m8[9999999999999s]'", "'<f99999999999'", "-" * 6001 + "1"]


def mutation(random, content, others):
    """Return the name and the result of a mutation.

    Args:
        random: `random.Random`.
        content: Bytes of a good file.
        others: List of bytes, good files of other kinds.
    """
    kind = random.choice("bytes bytes parts parts parts place".split())
    if kind == "bytes":
        names, result = [], content
        for _ in range(random.choice([1, 1, 2, 3])):
            change = random.choice(OF_BYTES)
            names.append(change.__name__)
            result = change(random, result, others)
        return "bytes: " + "+".join(names), result
    if kind == "parts":
        changes = OF_ARCHIVES if content.startswith(b"PK") else OF_LINES
        change = random.choice(changes)
        return f"parts: {change.__name__}", change(random, content, others)
    make = random.choice([*PLACES, *[swapped] * 4])
    if make is swapped:
        return "swapped", random.choice(others)
    return f"place: {make.__name__}", make


def cut(content, size):
    """Return the mutation that keeps so many bytes."""
    return "cut", content[:size]


def swapped(random, content, others):
    """Return a good file of another kind."""
    return random.choice(others)


# Bytes


def flip(random, content, others):
    """Flip one bit."""
    content = bytearray(content or b"\0")
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    return bytes(content)


def put(random, content, others):
    """Put random bytes between others."""
    place = random.randint(0, len(content))
    return content[:place] + random.randbytes(random.randint(1, 20)) + content[place:]


def drop(random, content, others):
    """Leave bytes out."""
    place = random.randint(0, len(content))
    return content[:place] + content[place + random.choice([1, 2, 8, 100]) :]


def double(random, content, others):
    """Have bytes twice."""
    first, last = sorted(random.randint(0, len(content)) for _ in range(2))
    return content[:last] + content[first:]


def overwrite(random, content, others):
    """Replace bytes by zeros, ones or random bytes."""
    place, size = random.randint(0, len(content)), random.choice([1, 4, 8, 100])
    new = random.choice([bytes(size), b"\xff" * size, random.randbytes(size)])
    return content[:place] + new + content[place + size :]


def splice(random, content, others):
    """Go on in another file."""
    other = random.choice([content, *others])
    return (
        content[: random.randint(0, len(content))]
        + other[random.randint(0, len(other)) :]
    )


def shorten(random, content, others):
    """Keep only the first bytes."""
    return content[: random.randint(0, len(content))]


OF_BYTES = [flip, flip, flip, put, drop, double, overwrite, splice, shorten]


# JSON


def tampered(random, data):
    """Return a copy of plain data with up to three parts changed."""
    data = copy.deepcopy(data)
    for _ in range(random.choice([1, 1, 2, 3])):
        known = places(data)[1:]
        if not known:
            break
        *path, last = random.choice(known)
        holder = data
        for key in path:
            holder = holder[key]
        change = random.choice(["set", "set", "set", "drop", "move", "wrap"])
        if change == "set":
            holder[last] = random.choice(VALUES)
        elif change == "wrap":
            holder[last] = random.choice([[holder[last]], {"a": holder[last]}])
        elif change == "move" and isinstance(holder, dict):
            holder[random.choice([*holder, "", "__array__", "../a"])] = holder.pop(last)
        else:
            holder.pop(last)
    return data


def encode(data):
    """Return data as JSON, with what only a text can have."""
    text = json.dumps(data)
    for token, instead in TOKENS.items():
        text = text.replace(json.dumps(token), instead)
    return text.encode()


# Lines of JSON


def line_changed(random, content, others):
    """Change a value in a line."""
    lines = content.split(b"\n")
    place = random.randrange(max(len(lines) - 1, 1))
    lines[place] = encode(tampered(random, json.loads(lines[place])))
    return b"\n".join(lines)


def line_moved(random, content, others):
    """Leave a line out, have it twice, or put it elsewhere."""
    lines = content.splitlines(keepends=True)
    line = lines.pop(random.randrange(len(lines)))
    for _ in range(random.choice([0, 1, 2])):
        lines.insert(random.randint(0, len(lines)), line)
    return b"".join(lines)


def line_made(random, content, others):
    """Put a line between others that no program of ours writes."""
    made = [b"", b"\0" * 50, b"\xff\xfe", b"{", b"3", b'"a"', b"[[[", b" " * 3_000_000]
    made += [token.encode() for token in TOKENS.values()]
    lines = content.split(b"\n")
    lines.insert(random.randint(0, len(lines)), random.choice(made))
    return b"\n".join(lines)


def saved_by_an_editor(random, content, others):
    """Change the encoding or the ends of lines."""
    text = content.decode()
    return random.choice(
        [
            b"\xef\xbb\xbf" + content,
            text.encode("utf-16"),
            text.replace("\n", "\r\n").encode(),
            text.replace("\n", "\r").encode(),
            text.rstrip("\n").encode(),
        ]
    )


OF_LINES = [line_changed] * 5 + [line_moved, line_made, saved_by_an_editor]


# Archives


def parts_of(content):
    """Return a dict of name → content of an archive's parts."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(pairs, compression=zipfile.ZIP_STORED, comment=b""):
    """Return an archive, with right checksums, of pairs of name and content."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", compression) as archive:
        # `zipfile` warns of names that are there twice.
        warnings.simplefilter("ignore")
        for name, part in pairs:
            archive.writestr(name, part)
        archive.comment = comment
    return file.getvalue()


def arrays_in(parts):
    """Return the names of the arrays among the parts."""
    return [name for name in parts if name.endswith(".npy")]


def header_changed(random, content, others):
    """Change a value in the JSON."""
    parts = parts_of(content)
    parts[HEADER] = encode(tampered(random, json.loads(parts[HEADER])))
    return packed(parts.items())


def array_changed(random, content, others):
    """Give an array another type, shape, order, size or version."""
    parts = parts_of(content)
    name = random.choice(arrays_in(parts))
    size = struct.unpack("<H", parts[name][8:10])[0]
    old, data = parts[name][10 : 10 + size], parts[name][10 + size :]
    descr, order, shape = _fields(old)
    change = random.choice(["descr", "shape", "order", "data", "version", "bytes"])
    if change == "descr":
        descr = random.choice(DESCRS)
    elif change == "shape":
        shape = random.choice(SHAPES)
    elif change == "order":
        order = random.choice(["True", "1", "None"])
    elif change == "data":
        data = random.choice([data[:-1], data + b"\0", b"", data * 2])
    elif change == "bytes" and data:
        data = flip(random, data, others)
    fields = f"'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, "
    header = ("{" + fields + "}").encode() + b" \n"
    version = random.choice([2, 3, 9]) if change == "version" else 1
    start = b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(header))
    parts[name] = start + header + data
    return packed(parts.items())


def _fields(header):
    text = header.decode()
    between = ["'descr': ", ", 'fortran_order': ", ", 'shape': ", ", }"]
    found = []
    for start, end in zip(between, between[1:], strict=False):
        text = text.partition(start)[2]
        found.append(text.partition(end)[0])
    return found


def parts_changed(random, content, others):
    """Leave a part out, have one more, or give one another name."""
    pairs = list(parts_of(content).items())
    name, part = pairs.pop(random.randrange(len(pairs)))
    names = [name, name, "7.npy", "../../victim", "/tmp/R", "a/", "0.npy", HEADER]
    for _ in range(random.choice([0, 1, 2, 2, 50])):
        pairs.insert(random.randint(0, len(pairs)), (random.choice(names), part))
    return packed(pairs)


def repacked(random, content, others):
    """Compress the parts, encrypt them, or put bytes around them."""
    parts = parts_of(content)
    kinds = [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    change = random.choice(["compressed", "flag", "link", "around", "comment"])
    if change == "compressed":
        return packed(parts.items(), random.choice(kinds))
    if change == "comment":
        return packed(parts.items(), comment=random.randbytes(200))
    if change == "around":
        return random.choice([b"#!/bin/sh\n" + content, content + b"\0" * 30])
    pairs = []
    for name, part in parts.items():
        info = zipfile.ZipInfo(name)
        if change == "link":
            info.create_system, info.external_attr = 3, 0o120777 << 16
            part = random.choice([part, b"../../victim/file"])
        pairs.append((info, part))
    content = packed(pairs)
    if change == "flag":
        place = content.rindex(b"PK\x01\x02") + 8
        content = content[:place] + b"\x01" + content[place + 1 :]
    return content


def bomb(random, content, others):
    """Hold much more than the file is large."""
    parts = parts_of(content)
    size = 30_000_000
    name = random.choice([*parts, "7.npy", HEADER])
    head = parts.get(name, b"")[:128]
    parts[name] = head + random.choice([b"\0", b" ", b"["]) * size
    return packed(parts.items(), zipfile.ZIP_DEFLATED)


def sizes_changed(random, content, others):
    """Let the list of parts state other sizes or places."""
    content = bytearray(content)
    start = content.rindex(b"PK\x01\x02")
    if random.random() < 0.5:
        start = content.index(b"PK\x01\x02")
    field = start + random.choice([16, 20, 24, 42])
    number = random.choice([0, 1, 2**31, 2**32 - 1, 2**32 - 2, random.randrange(3000)])
    content[field : field + 4] = struct.pack("<I", number)
    return bytes(content)


OF_ARCHIVES = [header_changed] * 5 + [array_changed] * 4
OF_ARCHIVES += [parts_changed, repacked, sizes_changed, bomb]


# Not a file


def folder(path):
    """Make a folder."""
    path.mkdir()


def pipe(path):
    """Make a pipe, which nobody writes to."""
    os.mkfifo(path)


def listener(path):
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as server:
        before = os.getcwd()
        # The path of a socket has at most 108 bytes.
        os.chdir(path.parent)
        server.bind(path.name)
        os.chdir(before)


def zeros(path):
    """Make a link to a device that has no end."""
    path.symlink_to("/dev/zero")


def loop(path):
    """Make a link to itself."""
    path.symlink_to(path.name)


def dangling(path):
    """Make a link to nothing."""
    path.symlink_to("nothing")


def victim(path):
    """Make a link to a file of somebody else."""
    path.symlink_to("../victim/file")


def empty(path):
    """Make an empty file."""
    path.write_bytes(b"")


PLACES = [folder, pipe, listener, zeros, loop, dangling, victim, empty]
