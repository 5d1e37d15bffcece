"""Rows of a dataset with images: Arrow and Parquet files, or JSON lines with paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from fastflow.sampling import decode_image, read_image, read_objects

ENDINGS = {".arrow": "Arrow stream", ".parquet": "Parquet file"}
WANTED = "the dataset's folder, its .arrow or .parquet files, or a .jsonl file of its fields"


def read_rows(
    path: Path, texts: Sequence[str], picture: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the rows of a file, or of the files in a folder, each as (location, fields).

    The location is a text that begins an error message.

    Args:
        path: an ``.arrow``, ``.parquet`` or ``.jsonl`` file, or a folder of the first two.
        texts: the fields that must be text.
        picture: the field with the picture, which `image` decodes.

    Raises:
        ValueError: if there is no such file, if it is damaged or lacks a field, or if pyarrow is
            needed but not installed.
    """
    if path.suffix == ".jsonl":
        found = read_objects(path, "`prompts`", WANTED)
    else:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        files = [file for file in files if file.is_file() and file.suffix in ENDINGS]
        if not files:
            raise ValueError(f"`prompts` {str(path)!r} is not a dataset. Give {WANTED}.")
        found = (row for file in files for row in _columns(file, [*texts, picture]))
    for where, row in found:
        lacking = [name for name in texts if not isinstance(row.get(name), str)]
        if row.get(picture) is None:
            lacking.append(picture)
        if lacking:
            raise ValueError(f"{where} has no `{'` and no `'.join(lacking)}`. Give {WANTED}.")
        yield where, row


def image(value: Any, path: Path, where: str) -> Image.Image:
    """Returns the picture of a row.

    Args:
        value: a dictionary with the picture's ``bytes``, or its path relative to `path`'s folder.
        path: the dataset.
        where: the row's location, which begins an error message.

    Raises:
        ValueError: if the picture is missing or cannot be read.
    """
    if isinstance(value, dict):
        if value.get("bytes") is None:
            raise ValueError(f"{where} holds no picture, only its name {value.get('path')!r}.")
        return decode_image(BytesIO(value["bytes"]), f"{where} its picture")
    return read_image(path.parent / str(value))


def _columns(file: Path, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        import pyarrow as pa  # pyright: ignore[reportMissingImports]
        from pyarrow import ipc, parquet  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ValueError(
            f"`prompts` {str(file)!r} needs pyarrow to be read: pip install pyarrow."
        ) from None
    number = 0
    try:
        if file.suffix == ".parquet":
            batches = parquet.ParquetFile(file).iter_batches(32)
        else:
            batches = ipc.open_stream(pa.memory_map(str(file)))
        for batch in batches:
            batch.validate(full=True)  # what it says of its texts' places and letters
            own = [name for name in names if name in batch.schema.names]
            for i in range(batch.num_rows):  # one at a time: pictures are large
                (row,) = batch.select(own).slice(i, 1).to_pylist()
                number += 1
                yield f"`prompts` {str(file)!r}, row {number},", row
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(
            f"`prompts` {str(file)!r} cannot be read: it is damaged, or is no "
            f"{ENDINGS[file.suffix]}. Give {WANTED}."
        ) from error
