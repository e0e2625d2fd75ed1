"""Read the file of an offline run of Weights & Biases, which ships no reader for it."""

import json

HEADER, BLOCK, FRAME = 7, 32 * 1024, 7
FIRST_OR_WHOLE, LAST_OR_WHOLE = (1, 2), (1, 4)


def messages(content):
    """Yield the bytes of each message: frames as in LevelDB's log, within blocks."""
    place, message = HEADER, b""
    while place + FRAME <= len(content):
        left = BLOCK - place % BLOCK
        if left < FRAME:
            place += left
            continue
        # A checksum of four bytes, the length, the kind.
        size = int.from_bytes(content[place + 4 : place + 6], "little")
        kind = content[place + 6]
        body = content[place + FRAME : place + FRAME + size]
        message = body if kind in FIRST_OR_WHOLE else message + body
        if kind in LAST_OR_WHOLE:
            yield message
        place += FRAME + size


def history(folder):
    """Return the dicts that were logged in the only run of a folder, in order."""
    from wandb.proto.wandb_internal_pb2 import Record

    [path] = folder.glob("wandb/offline-run-*/*.wandb")
    records = [Record.FromString(found) for found in messages(path.read_bytes())]
    logged = [r.history for r in records if r.WhichOneof("record_type") == "history"]
    return [
        {item.nested_key[0] or item.key: json.loads(item.value_json) for item in h.item}
        for h in logged
    ]
