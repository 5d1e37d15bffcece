"""The folder or hub repository of a pipeline, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from fastflow.sampling import check_schema, check_tensors, parse_json, read_bounded
from fastflow_plugins.models.diffusers.hub import download

AGAIN = "Copy or download it again."
VOCABULARIES = ("tokenizer.json", "vocab.json", "tokenizer.model", "spiece.model", "vocab.txt")
LIBRARIES = ("diffusers", "transformers")
NAMES_OF_WEIGHTS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
FORMATS = (".safetensors", ".bin")
PART_COUNTS, PART_COUNT = ("layers", "extra_ids"), Annotated[int, Field(le=1000)]
"""How settings' names end that count parts, and how many there may be.

Building ten thousand layers takes minutes; FLUX has 57 blocks.
"""
FACTORS: dict[str, Any] = {
    "scaling_factor": Annotated[float, Field(gt=0, le=1e6)],
    "shift_factor": Annotated[float | None, Field(ge=-1e6, le=1e6)],
}
"""Settings that adapters compute with."""
WITHOUT_WEIGHTS = ("Tokenizer", "TokenizerFast", "Scheduler", "Processor", "Extractor")
SAVE = "`pipe.save_pretrained(folder)` writes one."


@dataclass(frozen=True)
class Origin:
    """Describes a pipeline that is not loaded yet.

    Args:
        source: what ``from_pretrained`` takes.
        index: the content of its model_index.json.
        folder: its folder; None if it is on the hub.
    """

    source: str
    index: dict[str, Any]
    folder: Path | None = None

    @classmethod
    def find(cls, path: str, revision: str | None = None) -> Origin:
        """Reads the index of a folder or of a hub repository, without its weights.

        Raises:
            ValueError: if there is no such folder or repository, or if it has no readable index.
        """
        folder = Path(path).expanduser()
        if folder.exists():
            return cls(str(folder), _local_index(folder), folder)
        lacking = "is not a diffusers pipeline: it holds no model_index.json"
        return cls(path, _read(download(path, "model_index.json", revision, lacking)))

    @property
    def where(self) -> str:
        """The origin in words."""
        return f"the {'hub repository' if self.folder is None else 'folder'} {self.source}"

    def check_kind(self, kind: str) -> None:
        """Raises a ValueError if it is another class of pipeline."""
        found = self.index.get("_class_name")
        if found != kind:
            raise ValueError(
                f"{self.where} holds a {found}, but this model takes a {kind}. Choose the model "
                "for it (`fastflow plugins` lists them) or another `path`."
            )

    def check_parts(self) -> None:
        """Raises a ValueError if a folder lacks a part that its index names, or one is damaged."""
        for folder, (library, kind) in self._parts():
            if not any(folder.glob("*.json")):
                raise ValueError(
                    f"{self.where} is incomplete: its model_index.json names the part "
                    f"{folder.name!r} ({kind}), but {folder.name}/ holds no configuration. {AGAIN}"
                )
            if "Tokenizer" in kind:
                _check_vocabulary(folder, kind)
            _check_files(folder)
            if not str(kind).endswith(WITHOUT_WEIGHTS):
                _check_weights_are_there(folder, NAMES_OF_WEIGHTS[library])

    def reason(self, error: Exception) -> str:
        """Returns why loading failed, in the words of the library that knows its files."""
        for folder, (library, kind) in self._parts():
            if found := _failure(library, kind, folder):
                return (
                    f"the folder {str(folder)!r} does not hold a {kind} that can be loaded. "
                    f"{AGAIN} {library} says: {_in_words(found)}"
                )
        return (
            f"{self.where} cannot be loaded by its model_index.json. diffusers says: "
            f"{_in_words(error)}"
        )

    def _parts(self) -> Iterator[tuple[Path, tuple[str, str]]]:
        """Yields the folder of each part with its library and class; nothing of the hub's."""
        for name, value in self.index.items():
            if self.folder and isinstance(value, list) and len(value) == 2 and None not in value:
                yield self.folder / name, (value[0], value[1])


@dataclass(frozen=True)
class ListedWeights:
    """States what the list of several files of weights holds: the file of each tensor."""

    weight_map: dict[str, str]


def _failure(library: str, kind: str, folder: Path) -> Exception | None:
    """Returns why a part cannot be loaded; None if it can be."""
    try:
        getattr(import_module(library), kind).from_pretrained(folder)
    except Exception as error:
        return error
    return None


def _in_words(error: Exception) -> str:
    if "ignore_mismatched_sizes" in str(error):  # it refers to a table that is not shown
        return "its weights have other shapes than its config.json states."
    return f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"


def _check_files(folder: Path) -> None:
    """Raises a ValueError if a part's configuration is no JSON object, or its weights are damaged.

    What the settings mean is known to the part's library alone, which is asked when it is loaded.
    """
    try:
        for file in sorted(folder.glob("*.json")):
            content = parse_json(read_bounded(file, str(file), "a pipeline's file"), str(file))
            check_schema(dict[str, Any], content, str(file))
            if file.name.endswith("config.json"):  # others are vocabularies, of any words
                check_settings(content, file)
        for file in sorted(folder.glob("*.safetensors")):
            check_tensors(file)
    except ValueError as error:
        raise ValueError(f"{error} {AGAIN}") from error


def check_settings(settings: dict[str, Any], file: Path) -> None:
    """Raises a ValueError for a number that a library or an adapter would use as it is.

    Args:
        settings: what a part's configuration holds.
        file: is named in the message.
    """
    for name, value in settings.items():
        if isinstance(value, dict):
            check_settings(value, file)
        elif name.endswith(PART_COUNTS) and isinstance(value, int):
            check_schema(PART_COUNT, value, str(file), name=name)
        elif name in FACTORS:
            check_schema(FACTORS[name], value, str(file), name=name)


def _check_weights_are_there(folder: Path, name: str) -> None:
    """Raises a ValueError if a part's file of weights, or one of several, is missing."""
    wanted = []
    for index in sorted(folder.glob("*.safetensors.index.json")):
        content = parse_json(read_bounded(index, str(index), "a pipeline's file"), str(index))
        check_schema(ListedWeights, content, str(index))
        wanted += sorted(set(content["weight_map"].values()))
    if not any(file.suffix in FORMATS for file in folder.iterdir()):
        wanted.append(f"{name}.safetensors")
    missing = next((file for file in wanted if not (folder / file).exists()), None)
    if missing:
        raise ValueError(f"{folder / missing} is missing: it holds the weights. {AGAIN}")


def _check_vocabulary(folder: Path, kind: str) -> None:
    """Raises a ValueError if a tokenizer has no vocabulary, which transformers does not report."""
    if not any((folder / file).is_file() for file in VOCABULARIES):
        raise ValueError(
            f"the folder {folder} holds no vocabulary for its {kind}: it needs one of "
            f"{', '.join(VOCABULARIES)}. {AGAIN}"
        )


def _local_index(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ValueError(
            f"`path` {str(folder)!r} is a file. Give the folder of a diffusers pipeline; {SAVE}"
        )
    file = folder / "model_index.json"
    if not file.exists():
        raise ValueError(
            f"`path` {str(folder)!r} is not the folder of a diffusers pipeline: it holds no "
            f"model_index.json. {SAVE}"
        )
    return _read(file)


def _read(file: Path) -> dict[str, Any]:
    """Returns the index in a file, whose parts are classes of the libraries that pipelines use."""
    try:
        content = parse_json(read_bounded(file, str(file), "a model_index.json"), str(file))
        check_schema(dict[str, Any], content, str(file))
        for name, value in content.items():
            if isinstance(value, list):
                _check_part(name, value, file)
    except ValueError as error:
        raise ValueError(f"{error} {AGAIN}") from error
    return content


def _check_part(name: str, value: list[Any], file: Path) -> None:
    """Raises a ValueError if a part is not a class of a library that pipelines take parts from.

    diffusers imports whatever module an index names.
    """
    check_schema(tuple[str | None, str | None], value, str(file), name=name)
    if not name.isidentifier() or value[0] not in (None, *LIBRARIES):
        raise ValueError(
            f"{file} `{name}` is a class of {value[0]!r}, and parts are taken only from "
            f"{', '.join(LIBRARIES)}."
        )
