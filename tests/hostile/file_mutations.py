"""Random changes to the text of a file, each named by a seed."""

import json
import random

import yaml

ODD = (
    None, True, -1, 0, 1.5, 2**63, 10**30, float("nan"), float("inf"), -float("inf"), "", "\0",
    "../../etc/passwd", "/etc/passwd", "${oc.env:HOME}", "<script>alert(1)</script>", [], [[]], {},
    {"_target_": "os.system", "command": "true"}, [1, "a", None], {"": {}}, "\u2028",
)  # fmt: skip


PARTS = (b"[", b"{", b"\\ud800", b"9" * 5000, b"[" * 99, b"&a *a")


def mutated(text, seed, kind):
    """Returns a text with one to three random changes: to its bytes, or to its content."""
    draw = random.Random(f"{kind} {seed}")
    if draw.random() < 0.25:
        return _bytes(text.encode(), draw)
    parse, write = FORMATS[kind]
    content = parse(text)
    for _ in range(draw.randint(1, 3)):
        content = _changed(content, draw)
    return write(content).encode("utf-8", "surrogatepass")


def _bytes(raw, draw):
    at, end = sorted(draw.randrange(len(raw) + 1) for _ in range(2))
    match draw.randrange(5):
        case 0:
            return raw[:at]
        case 1:
            return raw[:at] + raw[end:]
        case 2:
            return raw[:at] + bytes(draw.randrange(256) for _ in range(4)) + raw[at:]
        case 3:
            return (
                raw[:at]
                + draw.choice([b"[", b"{", b"\\ud800", b"9" * 5000, b"[" * 99, b"&a *a"])
                + raw[at:]
            )
    return raw[:at] + raw[at:end] * 2 + raw[end:]


def _changed(content, draw):
    """Returns content with one part replaced, removed, renamed or doubled, at a random depth."""
    if not isinstance(content, dict | list) or not content or draw.random() < 0.08:
        return draw.choice(ODD)
    keys = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = draw.choice(keys)
    changed = dict(content) if isinstance(content, dict) else list(content)
    what = draw.random()
    if what < 0.7:
        changed[key] = _changed(content[key], draw)
    elif what < 0.85:
        del changed[key]
    elif isinstance(changed, dict):
        changed[f"{key}_"] = changed.pop(key)
    else:
        changed.insert(key, content[key])
    return changed


def _lines(text):
    return [json.loads(line) for line in text.splitlines()]


def _as_lines(rows):
    rows = rows if isinstance(rows, list) else [rows]
    return "".join(json.dumps(row) + "\n" for row in rows)


FORMATS = {
    "json": (json.loads, json.dumps),
    "jsonl": (_lines, _as_lines),
    "yaml": (yaml.safe_load, yaml.safe_dump),
    "text": (
        str.splitlines,
        lambda rows: "\n".join(map(str, rows)) if isinstance(rows, list) else str(rows),
    ),
}
