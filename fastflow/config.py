"""Configuration: Hydra nodes derived from the components' own fields, and components made back."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fastflow.catalog import KINDS, Catalog, installed
from fastflow.comparison.settings import Plan
from fastflow.settings import Settings

PLAIN = (int, float, str, bool)
SETTINGS = {"settings": Settings, "comparison": Plan}  # of each job, by the name of its node
# named in a list, each with a node
LISTS = {"metrics": "metric", "observers": "observer", "methods": "method"}
NESTED = tuple(f"{kind}." for kind in LISTS.values())

Config = DictConfig
S = TypeVar("S", Settings, Plan)


class ConfigError(ValueError):
    """A command line or preset that cannot be composed; says what, where and what to do."""


def presets() -> Path:
    """Returns the folder of presets: in the package, or beside it in a checkout."""
    here = Path(__file__).parent
    return next(p for p in (here / "conf", here.parent / "conf") if p.is_dir())


def read(overrides: Sequence[str], root: str = "sample") -> Config:
    """Composes the configuration of a command line such as ``["policy=ucb", "steps=50"]``.

    Raises:
        ConfigError: for an unknown component, a misspelt key or a value of the wrong type.
    """
    catalog = installed()
    _store_nodes(catalog)
    overrides = [_expand(o) for o in overrides]
    _check_names(overrides, catalog)
    try:
        with initialize_config_dir(str(presets().resolve()), version_base="1.3"):
            # one look for what is named in lists, whose parameters are then nodes too
            plain = [o for o in overrides if not o.lstrip("+~").startswith(NESTED)]
            first = compose(root, overrides=plain)
            listed = [
                f"+{kind}@{kind}.{name}={name}"
                for key, kind in LISTS.items()
                for name in _listed(first, key, catalog)
            ]
            config = compose(root, overrides=[*listed, *overrides], return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error, overrides, root)) from error
    choices: Any = OmegaConf.to_container(config.hydra.runtime.choices)
    with open_dict(config):
        del config["hydra"]
        config.names = {kind: choices[kind] for kind in KINDS if kind in choices}
    return config


def build(node: Config) -> Any:
    """Makes a component from its node.

    Raises:
        ValueError: from the component, for a value out of range.
    """
    try:
        return instantiate(node, _convert_="all")
    except HydraException as error:
        name = str(node.get("_target_")).rpartition(".")[2]
        cause = error.__cause__ or error
        raise ConfigError(f"{name}: {cause}") from cause


def build_if_chosen(config: Config, kind: str) -> Any:
    """Makes the component of a kind that may be left out; None if it is."""
    node = config.get(kind)
    return None if node is None else build(node)


def preset(kind: str, name: str) -> Any:
    """Makes a component from a preset, such as the policy ucb_paper, or by its name.

    Raises:
        ConfigError: if there is none of that name; names those that come near.
    """
    return build(read([f"{kind}={name}"])[kind])


def settings(config: Config, kind: type[S]) -> S:
    """Returns the plain settings of a job, checked."""
    names = {f.name for f in dataclasses.fields(kind)}
    return kind(**{k: v for k, v in plain(config).items() if k in names})


def plain(config: Config) -> dict[str, Any]:
    """Returns a configuration as dictionaries and lists, its interpolations resolved."""
    content: Any = OmegaConf.to_container(config, resolve=True)
    return content


def save(config: Config, path: Path) -> None:
    """Writes a configuration as YAML."""
    OmegaConf.save(config, path)


def load(path: Path) -> Config:
    """Reads a configuration that `save` wrote.

    Raises:
        ConfigError: if the file is no YAML mapping.
    """
    try:
        config = OmegaConf.load(path)
    except Exception as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(config, DictConfig):
        raise ConfigError(f"{path} is no configuration of a run.")
    return config


def _store_nodes(catalog: Catalog) -> None:
    store = ConfigStore.instance()
    for entry in catalog.entries:
        store.store(group=entry.kind, name=entry.name, node=_node(entry.component, catalog))
    parts = [(name, Any, None) for name in ("names", *KINDS)]
    for name, kind in SETTINGS.items():
        store.store(name=name, node=dataclasses.make_dataclass(name, parts, bases=(kind,)))


def _node(component: type, catalog: Catalog) -> type:
    """Derives a structured config from a component: its fields, types, defaults, its class."""
    hints = get_type_hints(component)
    target = f"{component.__module__}.{component.__qualname__}"
    fields: list[Any] = [("_target_", str, target)]
    nested: list[Any] = []
    for f in dataclasses.fields(component):
        kind = _kind(hints[f.name])
        if kind:
            name = _name_of(f.default, kind, catalog)
            nested.append({f"/{kind}@{f.name}": name})
            continue
        default = f.default
        if f.default_factory is not dataclasses.MISSING:
            default = f.default_factory()
        elif default is dataclasses.MISSING:
            default = "???"
        if isinstance(default, (tuple, list)):
            items = list(default)
            default = dataclasses.field(default_factory=lambda items=items: list(items))
        fields.append((f.name, _plain(hints[f.name]), default))
    if nested:
        order = [*nested, "_self_"]
        defaults = dataclasses.field(default_factory=lambda: list(order))
        fields.append(("defaults", list[Any], defaults))
    return dataclasses.make_dataclass(component.__name__, fields)


def _kind(hint: Any) -> str | None:
    """Returns the kind of component a field holds, if it holds one."""
    if isinstance(hint, type):
        for kind, (_, base) in KINDS.items():
            if issubclass(hint, base):
                return kind
    return None


def _name_of(default: Any, kind: str, catalog: Catalog) -> str:
    for entry in catalog.entries:
        if entry.kind == kind and type(default) is entry.component:
            return entry.name
    return "???"


def _plain(hint: Any) -> Any:
    """Returns a type that OmegaConf knows for a field's type."""
    origin, args = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return hint
    if origin in (tuple, list) and args and args[0] in PLAIN:
        return list[args[0]]
    if len(args) == 2 and type(None) in args:
        inner = _plain(next(a for a in args if a is not type(None)))
        return inner | None if inner is not Any else Any
    return Any


def _expand(override: str) -> str:
    """Lets ``policy.reward=paper`` choose a nested component: ``reward@policy.reward=paper``."""
    match = re.fullmatch(r"(\w+)\.(\w+)=([a-z]\w*)", override)
    if match and match[2] in KINDS and match[1] in KINDS:
        return f"{match[2]}@{match[1]}.{match[2]}={match[3]}"
    return override


def _check_names(overrides: Sequence[str], catalog: Catalog) -> None:
    """Refuses ``policy=ucbb`` with the names that come near."""
    for override in overrides:
        group, _, name = override.partition("=")
        kind = group.split("@")[0].lstrip("+")
        if kind not in KINDS or "," in name:
            continue
        _check_name(kind, name, catalog)


def _check_name(kind: str, name: str, catalog: Catalog) -> None:
    files = [p.stem for p in (presets() / kind).glob("*.yaml")]
    if name not in catalog.names(kind) + files:
        raise ConfigError(catalog.unknown(kind, name, files))


def _listed(first: DictConfig, key: str, catalog: Catalog) -> list[str]:
    """Returns the names in a list, each checked; all that are in groups if the list is None."""
    names = first.get(key, ())
    if names is None:
        names = [name for group in first.groups.values() for name in group]
    for name in names:
        _check_name(LISTS[key], name, catalog)
    return list(dict.fromkeys(names))


def _explain(error: Exception, overrides: Sequence[str], root: str) -> str:
    """Turns Hydra's and OmegaConf's errors into one that says what to do."""
    text = "\n".join(str(e).strip() for e in (error, error.__cause__) if e)
    foreign = re.search(r"Could not override '(\w+)'", text)
    if foreign and foreign[1] in KINDS:
        return f"`{foreign[1]}` plays no part in `fastflow {root}`. Leave it out."
    unknown = re.search(r"Key '([^']+)' is not in struct|Key '([^']+)' not in '", text)
    if not unknown:
        return re.sub(r"\n\s*(object_type=|reference_type=|set env).*", "", text, flags=re.I)
    where = re.search(r"full_key: (\S+)", text)
    key = where[1] if where else unknown[1] or unknown[2]
    choices = [o for o in overrides if o.partition("=")[0].split("@")[0] in KINDS]
    with initialize_config_dir(str(presets().resolve()), version_base="1.3"):
        known = _keys(compose(root, overrides=choices))
    near = difflib.get_close_matches(key, known, n=3)
    hint = f"Did you mean {' or '.join(f'`{name}`' for name in near)}? " if near else ""
    return f"there is no setting `{key}`. {hint}`fastflow {root} --cfg` prints all settings."


def _keys(node: DictConfig, prefix: str = "") -> list[str]:
    """Returns the dotted names of all settings below a node."""
    found = []
    for key in node:
        name = f"{prefix}{key}"
        child = node._get_node(key)
        found += _keys(child, f"{name}.") if isinstance(child, DictConfig) else [name]
    return found
