"""The words of a sweep: what is the same in all its runs, and what has several values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import get_type_hints

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import StringNode

from fastflow.registry.catalog import installed
from fastflow.registry.compose import folders_of_presets, shape_of
from fastflow.registry.messages import ConfigError
from fastflow.registry.texts import find, is_text

FREE_TEXTS = ("prompt",)  # texts in which a comma is a comma


@dataclass(frozen=True)
class SweepWords:
    """The words of a sweep's command line, by what they are for.

    Attributes:
        hydra: settings of Hydra, such as ``hydra/launcher=joblib``.
        same: what is the same in all runs.
        swept: settings with several values, in Hydra's grammar.
        texts: the names of those whose values are texts.
    """

    hydra: list[str]
    same: list[str]
    swept: list[str]
    texts: frozenset[str]

    @classmethod
    def of(cls, words: Sequence[str], root: str, settings: type) -> SweepWords:
        """Separates the words.

        Args:
            words: the words of the command line.
            root: the command.
            settings: the dataclass of the command's own settings.

        Raises:
            ConfigError: if the components cannot be composed.
        """
        hydra = [word for word in words if is_about_hydra(word)]
        others = [word for word in words if word not in hydra]
        several = {word: parsed for word in others if (parsed := _several(word))}
        firsts = [_first(several[word]) if word in several else word for word in others]
        shape = shape_of([word for word in firsts if word], root, settings)
        hints = get_type_hints(settings)
        same, swept, texts = [], [], set()
        for word in others:
            name, _, value = word.partition("=")
            held = isinstance(find(shape, name), StringNode)
            text = held or (name in hints and is_text(hints[name]))
            if word not in several or (text and _is_one_text(name, value)):
                same.append(word)
            else:
                swept.append(word)
                texts |= {name} if text else set()
        return cls(hydra, same, swept, frozenset(texts))

    def as_typed(self, override: str) -> str:
        """Returns a setting of one run as it is typed without a sweep: texts without quotes."""
        name = override.partition("=")[0]
        if name not in self.texts:
            return override
        try:
            return f"{name}={OverridesParser.create().parse_override(override).value()}"
        except HydraException:
            return override


def names_of_group(group: str) -> list[str]:
    """Returns the names of components, presets and experiments of a kind, or Hydra's plugins."""
    if group.startswith("hydra/"):
        Plugins.instance()
        prefix = f"{group}/"
        stored = ConfigStore.instance().list(group)
        return [name.removesuffix(".yaml").removeprefix(prefix) for name in stored]
    files = [own for folder in folders_of_presets() for of, own in folder.presets if of == group]
    return [*installed().names(group), *files]


def is_about_hydra(word: str) -> bool:
    """Returns whether a word is about Hydra itself and not about a run."""
    return word.lstrip("+~").startswith(("hydra.", "hydra/"))


def has_several(name: str, value: str) -> bool:
    """Returns whether a setting is given several values."""
    return _several(f"{name}={value}") is not None


def _several(word: str) -> Override | None:
    """Returns a word as Hydra reads it if it has several values; None otherwise."""
    try:
        parsed = OverridesParser.create().parse_override(word)
    except HydraException:
        return None
    return parsed if parsed.is_sweep_override() else None


def _first(parsed: Override) -> str:
    """Returns the first of several values as a word; empty if it takes a search to know it."""
    if not parsed.is_discrete_sweep():
        return ""
    try:
        values = list(islice(parsed.sweep_string_iterator(), 1))
    except (HydraException, AttributeError):
        return ""
    return f"{parsed.get_key_element()}={values[0]}" if values else ""


def _is_one_text(name: str, value: str) -> bool:
    """Returns whether a text with commas in it is meant as it stands."""
    if value.startswith("choice("):
        return False
    return name in FREE_TEXTS or (len(value) < 4096 and "\0" not in value and Path(value).exists())


def check_no_sweep(words: Sequence[str], root: str) -> None:
    """Raises a ConfigError for a word about sweeps on the command line of a single run."""
    for word in words:
        if is_about_hydra(word):
            name = word.partition("=")[0].lstrip("+~")
            raise ConfigError(f"`{name}` is for sweeps: fastflow {root} -m ... {word}")
