"""What `--cfg hydra` and `--info` print: Hydra's settings, and what a configuration is made of."""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.hydra import Hydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from fastflow.registry import messages
from fastflow.registry.applications.hydra_sweep import SweepLoader, compose_sweep
from fastflow.registry.applications.sweep_words import is_about_hydra
from fastflow.registry.compose import chooses
from fastflow.registry.messages import ConfigError
from fastflow.registry.nesting import is_inside


def show_hydra(root: str, words: Sequence[str], own: type) -> None:
    """Prints Hydra's settings of a sweep with these words, as YAML."""
    _, settings = compose_sweep(root, _for_hydra(words), own)
    print(OmegaConf.to_yaml(settings), end="")


def show_info(what: str, root: str, words: Sequence[str], own: type) -> None:
    """Prints what Hydra composes the configuration of a command from, in Hydra's words.

    Args:
        what: ``all``, ``config``, ``defaults``, ``defaults-tree``, ``plugins`` or ``searchpath``.
        root: the command.
        words: the words of the command line.
        own: the dataclass of the command's own settings.
    """
    chosen = _for_hydra(words)
    compose_sweep(root, chosen, own)  # says what is wrong with them
    try:
        Plugins.instance()
        Hydra(task_name=f"fastflow_{root}", config_loader=SweepLoader.make()).show_info(
            what, root, chosen, RunMode.RUN
        )
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(messages.plain_words(error)) from error


def _for_hydra(words: Sequence[str]) -> list[str]:
    """Returns the words that choose what a configuration is composed of."""
    return [w for w in words if is_about_hydra(w) or (chooses(w) and not is_inside(w))]
