"""The options that Hydra gives to a command, apart from the settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastflow.errors import UserError
from fastflow.words import HELP

CONFIGURATIONS = ("job", "hydra", "all")
INFORMATION = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
CHOICES = {"--cfg": CONFIGURATIONS, "--info": INFORMATION}
SHORT = {"-c": "--cfg", "-i": "--info", "-m": "--multirun", "-r": "--run"}


@dataclass(frozen=True)
class Options:
    """What a command is asked to do with its settings.

    Attributes:
        words: the words that are not options.
        help: whether to explain the command.
        sweep: whether settings may have several values, each of which is a run.
        cfg: which configuration to print; empty to run.
        info: what to print about how the configuration is composed; empty to run.
    """

    words: list[str]
    help: bool = False
    sweep: bool = False
    cfg: str = ""
    info: str = ""

    @classmethod
    def of(cls, words: Sequence[str], takes_name: bool = False) -> Options:
        """Separates the options from the settings; what is unknown stays among the settings.

        Args:
            words: the words after the command.
            takes_name: whether a word of the command may be a name, which then may follow an
                option that has a default.

        Raises:
            UserError: if an option has a value that it does not take.
        """
        found: dict[str, str] = {}
        others, rest = [], list(words)
        while rest:
            word = rest.pop(0)
            name, equals, value = word.partition("=")
            name = SHORT.get(name, name)
            if name in CHOICES:
                found[name] = _choice(name, value if equals else _next(name, rest, takes_name))
            elif word in HELP or (name in ("--multirun", "--run") and not equals):
                found["--help" if word in HELP else name] = "yes"
            else:
                others.append(word)
        if "--run" in found and "--multirun" in found:
            raise UserError("give --run or --multirun, not both.")
        asked = {name: found.get(f"--{name}", "") for name in ("cfg", "info")}
        return cls(others, "--help" in found, "--multirun" in found, **asked)


def _next(name: str, rest: list[str], takes_name: bool) -> str:
    """Returns the value that follows an option, or what stands for it if none does."""
    is_value = bool(rest) and "=" not in rest[0] and not rest[0].startswith(("-", "~"))
    if is_value and (rest[0] in CHOICES[name] or not takes_name):
        return rest.pop(0)
    return CHOICES[name][0]


def _choice(name: str, value: str) -> str:
    if value not in CHOICES[name]:
        raise UserError(f"`{name}` must be one of {', '.join(CHOICES[name])}, got {value!r}.")
    return value
