"""Configurations: composed by Hydra from presets and a command line, and stored as plain YAML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fastflow.registry import messages, texts
from fastflow.registry.building import (
    Config,
    build,
    build_chosen,
    build_listed,
    load,
    settings_of,
)
from fastflow.registry.catalog import Catalog, installed
from fastflow.registry.hooks import KINDS
from fastflow.registry.messages import ConfigError
from fastflow.registry.nesting import Nesting, depth, is_inside, keys_of, plain
from fastflow.registry.nodes import LISTS, NAME, named_first, store_nodes, store_settings
from fastflow.registry.preset_folders import (
    EXPERIMENT,
    GROUPS,
    PresetFolder,
    check_apart,
    distinct,
    given,
)
from fastflow.sampling.storage import write_whole

IN_LISTS = tuple(f"{kind}." for kind in LISTS.values())

__all__ = [
    "Config",
    "build",
    "build_chosen",
    "build_listed",
    "load",
    "preset",
    "presets",
    "read",
    "save",
    "settings_of",
    "to_yaml",
]


def presets() -> Path:
    """Returns the folder of presets, which is in the package, or next to it in a checkout."""
    package = Path(__file__).parents[1]
    return next(p for p in (package / "conf", package.parent / "conf") if p.is_dir())


def read(overrides: Sequence[str], root: str, settings: type) -> Config:
    """Composes the configuration of a command line such as ``["policy=ucb", "steps=50"]``.

    Args:
        overrides: the words of the command line.
        root: the command, whose name is that of its file in the folder of presets.
        settings: the dataclass of the command's own settings.

    Returns:
        The settings, a node for each component, and the chosen ``names`` by kind.

    Raises:
        ConfigError: for an unknown component, an unknown setting or a value of the wrong type.
    """
    catalog = installed()
    make_known(catalog)
    store_settings(settings)
    overrides = [o.removeprefix("+") if _is_experiment(o) else o for o in overrides]
    outer = [o for o in overrides if not is_inside(o)]
    inside = [o for o in overrides if is_inside(o)]
    _check_names(outer, catalog)
    if message := messages.beside_resume(overrides):
        raise ConfigError(message)
    nesting = Nesting(catalog, _named, root)
    try:
        # the first composition finds the names in lists, each of which then adds its node
        chosen = [o for o in outer if chooses(o) and not o.startswith("~")]
        _check_grammar(chosen, (*GROUPS, *LISTS), root)
        first = _compose(root, chosen)
        if message := messages.refused(overrides, (*keys_of(first), *GROUPS, *LISTS), root):
            raise ConfigError(message)
        listed = [
            f"+{kind}@{kind}.{name}={name}"
            for key, kind in LISTS.items()
            for name in _listed(first, key, catalog)
        ]
        given, words = texts.separate(outer, first)
        _check_grammar(words, keys_of(first), root)
        config = _compose(root, [*listed, *words], return_hydra_config=True)
        own = nesting.complete_all(_own(config))
        for override in sorted(inside, key=depth):  # what holds a component comes before it
            nesting.place(own, override, given)
        texts.check_references(own)
        if message := next(nesting.missing(own), None):
            raise ConfigError(message)
        content = texts.content_of(own)
        texts.put(content, given)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error, outer, root)) from error
    choices: Any = OmegaConf.to_container(config.hydra.runtime.choices)
    names = {kind: choices[kind] for kind in KINDS if kind in choices}
    unused = {kind for kind in KINDS if content.get(kind) is None}
    used = {key: named_first(value) for key, value in content.items() if key not in unused}
    return used | {"names": names}


def shape_of(words: Sequence[str], root: str, settings: type) -> DictConfig:
    """Returns a configuration with the components that words choose, to look types up in it.

    Raises:
        ConfigError: if there is no such component or experiment.
    """
    catalog = installed()
    make_known(catalog)
    store_settings(settings)
    chosen = [word.lstrip("+") for word in words if chooses(word) and not word.startswith("~")]
    chosen = [word for word in chosen if not is_inside(word)]
    _check_names(chosen, catalog)
    _check_grammar(chosen, (*GROUPS, *LISTS), root)
    try:
        return Nesting(catalog, _named, root).complete_all(_own(_compose(root, chosen)))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error, chosen, root)) from error


def chosen_by_default(root: str) -> dict[str, str | None]:
    """Returns the name that a command chooses of each kind, None for none; lists as texts."""
    stated = yaml.safe_load((presets() / f"{root}.yaml").read_text(encoding="utf-8"))
    pairs = (item for item in stated["defaults"] if isinstance(item, dict))
    chosen = {kind: name for item in pairs for kind, name in item.items() if kind in KINDS}
    return chosen | {kind: None for key, kind in LISTS.items() if key in stated}


def preset(kind: str, name: str) -> Any:
    """Returns the component of a preset, such as the policy ucb_paper, or of a name.

    Raises:
        ConfigError: if there is neither of that name; suggests similar names.
    """
    catalog = installed()
    if name in catalog.names(kind):
        return catalog.get(kind, name)()
    make_known(catalog)
    node = Nesting(catalog, _named).complete(kind, _named(kind, name), kind)
    return build(kind, texts.content_of(node))


def to_yaml(config: Config) -> str:
    """Returns a configuration as YAML."""
    return texts.as_yaml(config)


def save(config: Config, path: Path) -> None:
    """Writes a configuration as YAML, atomically."""
    write_whole(path, to_yaml(config))


def chooses(override: str) -> bool:
    """Returns whether a word chooses components of a run: ``policy=ucb``, ``metrics=[psnr]``."""
    key = override.partition("=")[0].lstrip("+~")
    kind, _, package = key.partition("@")
    return (kind in GROUPS or kind in LISTS) and not f"{package}.".startswith(IN_LISTS)


def _is_experiment(override: str) -> bool:
    return override.lstrip("+").startswith(f"{EXPERIMENT}=")


def _compose(root: str | None, overrides: Sequence[str], **options: Any) -> DictConfig:
    more = [str(folder.path.resolve()).replace("'", "\\'") for folder in folders_of_presets()[1:]]
    quoted = ",".join(f"'file://{path}'" for path in more)
    search = [f"hydra.searchpath=[{quoted}]"] if more else []
    with initialize_config_dir(str(presets().resolve()), version_base="1.3"):
        try:
            config = compose(root, overrides=[*search, *overrides], **options)
        except yaml.YAMLError as error:
            raise ConfigError(messages.no_yaml(error)) from error
    texts.check_references(config)
    return config


def make_known(catalog: Catalog) -> None:
    """Makes components and presets known to Hydra, by names that each mean one thing."""
    store_nodes(catalog)
    check_apart(folders_of_presets(), [(entry.kind, entry.name) for entry in catalog.entries])


def folders_of_presets() -> list[PresetFolder]:
    """Returns all folders of presets, ours first."""
    return distinct([PresetFolder("fastflow", presets()), *given(), *installed().folders])


def _own(config: DictConfig) -> DictConfig:
    """Returns a configuration without Hydra's own settings."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


def _named(kind: str, name: str) -> Any:
    """Returns the plain node of a component or a preset.

    Raises:
        ConfigError: if there is neither of that name; suggests similar names.
    """
    if name in installed().names(kind):
        return {NAME: name}
    _check_name(kind, name, installed())
    return plain(_compose(None, [f"+{kind}={name}"])[kind])


def _check_names(overrides: Sequence[str], catalog: Catalog) -> None:
    """Raises a ConfigError for an unknown component such as ``policy=ucbb``."""
    for override in overrides:
        group, _, name = override.partition("=")
        kind = group.split("@")[0].lstrip("+")
        if "@" in group and kind not in KINDS:
            raise ConfigError(f"there is no setting `{group}`. Only a kind of component has an @.")
        if kind in GROUPS and "," not in name:
            _check_name(kind, name, catalog)


def _check_name(kind: str, name: str, catalog: Catalog) -> None:
    files = [own for folder in folders_of_presets() for of, own in folder.presets if of == kind]
    if name not in catalog.names(kind) + files:
        raise ConfigError(catalog.unknown(kind, name, files))


def _check_grammar(words: Sequence[str], names: Iterable[str], root: str) -> None:
    if message := messages.unreadable(words, names, root):
        raise ConfigError(message)


def _listed(first: DictConfig, key: str, catalog: Catalog) -> list[str]:
    """Returns the names in a list, checked; those of all groups if the list is None."""
    if (names := first.get(key, ())) is None:
        names = [name for group in first.groups.values() for name in group]
    for name in names:
        if not isinstance(names, Sequence) or not isinstance(name, str):
            raise ConfigError(f"`{key}` must list names of its kind, got {name!r} in it.")
        _check_name(LISTS[key], name, catalog)
    return list(dict.fromkeys(names))


def _explain(error: Exception, overrides: Sequence[str], root: str) -> str:
    """Returns the message, with a remedy, for an error of Hydra or OmegaConf."""
    if message := messages.foreign_kind(error, root):
        return message
    if (key := messages.unknown_key(error)) is None:
        return messages.plain_words(error)
    if key.partition(".")[0] == EXPERIMENT:
        return (
            "an experiment's file states settings of the whole configuration, and says so in its "
            "first line: # @package _global_"
        )
    choices = [o for o in overrides if o.partition("=")[0].split("@")[0] in KINDS]
    whole = Nesting(installed(), _named, root).complete_all(_compose(root, choices))
    return messages.unknown_setting(key, keys_of(whole), root)
