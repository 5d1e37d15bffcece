"""Seeded values for every setting of every installed component."""

from __future__ import annotations

import random
from dataclasses import fields

from mutations import COMPARISON, RUN

from fastflow.registry.catalog import installed

NO_NUMBERS = ("nan", "inf", "-inf", "1e400", "???", "{a:1}", "${nope}", "x", "[[1]]", "5000000*2")
ODD = ("null", "true", "-1", "0", "1", "1e300", "9223372036854775808", "[]", "''", "-1e-9", "a,b")
# built by the quick model, in no time, and without a download
CHOSEN = ("policy", "extrapolator", "corrector")
LISTED = {"metric": "metrics", "observer": "observers", "method": "methods"}


def setting(draw: random.Random) -> tuple[list[str], bool]:
    """Returns a command line with an odd value, and whether it must be refused."""
    entries = [e for e in installed().entries if e.kind not in ("probe", "benchmark")]
    entry = draw.choice([e for e in entries if fields(e.component)])
    field = draw.choice(fields(entry.component))
    value = draw.choice(NO_NUMBERS if draw.random() < 0.6 else ODD)
    words = _words(entry.kind, entry.name, field.name, value)
    kind = str(getattr(field.type, "__name__", field.type))
    return words, kind in ("int", "float") and value in NO_NUMBERS


def _words(kind: str, name: str, field: str, value: str) -> list[str]:
    own = f"{field}={value}"
    if kind == "method":
        return [
            "compare",
            *COMPARISON,
            "out=out",
            f"methods=[euler,{name}]",
            f"method.{name}.{own}",
        ]
    if kind in LISTED:
        return ["sample", *RUN, "out=out", f"{LISTED[kind]}=[{name}]", f"{kind}.{name}.{own}"]
    if kind == "reward":
        return ["sample", *RUN, "out=out", f"policy.reward={name}", f"policy.reward.{own}"]
    return ["sample", *RUN, "out=out", f"{kind}={name}", f"{kind}.{own}"]
