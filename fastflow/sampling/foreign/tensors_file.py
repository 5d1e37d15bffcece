"""What a safetensors file says of its tensors, checked before a library reads it."""

from __future__ import annotations

import errno
import math
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fastflow.sampling.foreign.bounded import parse_json
from fastflow.sampling.foreign.schema import Count, check_schema

LARGEST_HEADER = 100_000_000  # bytes, as the format's own library allows
_PREFIX = 8  # bytes that hold the header's length, little-endian
_BITS = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}


@dataclass(frozen=True)
class StoredTensor:
    """States what the header holds of a tensor."""

    dtype: Literal[tuple(_BITS)]  # type: ignore[valid-type]
    shape: list[Count]
    data_offsets: tuple[Count, Count]


def check_tensors(path: Path) -> None:
    """Raises a ValueError that names a safetensors file, and the tensor, unless it is a whole one.

    Only its header is read. The format: https://github.com/huggingface/safetensors#format.
    """
    header, size = _header(path)
    content = parse_json(header, f"the header of {path}")
    check_schema(dict[str, dict[str, Any]], content, f"the header of {path}")
    check_schema(dict[str, str], content.pop("__metadata__", {}), f"the header of {path}")
    end = 0
    for name, tensor in sorted(content.items(), key=_start):
        check_schema(StoredTensor, tensor, f"{path}, tensor {name[:99]!r}:")
        begins, ends = tensor["data_offsets"]
        bits = math.prod(tensor["shape"]) * _BITS[tensor["dtype"]]
        if begins != end or bits != 8 * (ends - begins):
            raise ValueError(
                f"{path}, tensor {name[:99]!r}: `data_offsets` {[begins, ends]} are not those of "
                f"{tensor['dtype']} of shape {tensor['shape']} after byte {end}."
            )
        end = ends
    if end != size:
        raise ValueError(
            f"{path} is cut off or too long: it has {size} of {end} bytes of tensors."
        )


def _header(path: Path) -> tuple[str, int]:
    """Returns the header's text, and how many bytes follow it."""
    try:
        found = path.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        raise ValueError(f"{path} does not exist.") from error
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{path} is no file.")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_PREFIX), "little")
        rest = found.st_size - _PREFIX - length
        if length > LARGEST_HEADER or rest < 0:
            raise ValueError(f"{path} is cut off, or is no safetensors file.")
        try:
            return file.read(length).decode("utf-8"), rest
        except UnicodeDecodeError as error:
            raise ValueError(f"the header of {path} is not UTF-8 text.") from error


def _start(item: tuple[str, dict[str, Any]]) -> tuple[float, float]:
    """Returns where a tensor begins and ends, if it says so."""
    offsets = item[1].get("data_offsets")
    if not isinstance(offsets, list) or len(offsets) != 2:
        return (0, 0)
    begins, ends = (float(o) if isinstance(o, int) and o < 2**63 else 0.0 for o in offsets)
    return (begins, ends)
