"""What `--help` prints: all commands, or one that Hydra composes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastflow.registry.applications.plugin_commands import Command

HEAD = "fastflow: step skipping for flow-matching models\n"
EXAMPLES = """
Try: fastflow sample model=flux_mini policy=ucb samples=16
     fastflow sample --help           all settings and groups of a command, and examples
     fastflow sample --cfg job        print the configuration instead of running it
     fastflow sample -m seed=0,1,2    a run for each seed, in one folder
     --traceback with any command     show where an error comes from
     fastflow --shell-completion install=bash     print what completes words in your shell"""

APPLICATION_PURPOSES = {
    "sample": "Generates with skipping, learns between samples, scores, and writes a report: one "
    "run,\none directory.",
    "compare": "Compares methods at the same number of computed steps, on the same noise.",
    "calibrate": "Fits a policy's parameters to reference runs of a model, and prints a preset.",
}
TRY = {
    "sample": (
        "fastflow sample model=flux_mini policy=ucb samples=16",
        "fastflow sample policy=ucb policy.reward=paper policy.reward.scale=2",
        "fastflow sample -m policy=ucb,epsilon_greedy seed=0,1,2 hydra/launcher=joblib",
        "fastflow sample resume=runs/DIRECTORY",
    ),
    "compare": (
        "fastflow compare model=mixture targets=[10] methods=[euler,uniform,ucb] samples=4",
        "fastflow compare -m model=flux_mini,kontext_mini seeds=3",
        "fastflow compare resume=runs/DIRECTORY",
    ),
    "calibrate": (
        "fastflow calibrate teacache model=flux_mini out=mine.yaml",
        "fastflow calibrate -m policy=teacache,seacache model=flux_mini",
    ),
}
OPTIONS = """\
  -m, --multirun          a sweep: every setting may have several values, as in seed=0,1,2
  --cfg job|hydra|all     print the configuration instead of running it
  --info [WHAT]           print what Hydra composes it from: all, config, defaults,
                          defaults-tree, plugins or searchpath
  --config-dir DIR        also search DIR for presets, DIR/KIND/NAME.yaml, and experiments
  --traceback             show where an error comes from"""
NAME_WIDTH = 23


def usage(commands: Mapping[str, Command]) -> str:
    """Returns the help text: every command with its arguments and its purpose."""
    calls = [f"  fastflow {name} {command.usage}".rstrip() for name, command in commands.items()]
    width = 44
    lines = [
        f"{call:<{width}}  {c.purpose}"
        if len(call) <= width
        else f"{call}\n{'':{width}}  {c.purpose}"
        for call, c in zip(calls, commands.values(), strict=True)
    ]
    return "\n".join([HEAD, *lines, EXAMPLES])


def application_help(
    command: str, own: type, groups: Mapping[str, str], chosen: Mapping[str, str | None]
) -> str:
    """Returns the help text of a command that Hydra composes.

    Args:
        command: its name.
        own: the dataclass of its own settings, whose docstring explains them.
        groups: what may be chosen by name, each with its purpose.
        chosen: what is chosen if nothing is said, by group.
    """
    words = "[POLICY] [key=value ...]" if command == "calibrate" else "[key=value ...]"
    parts = [
        f"fastflow {command} [-m] {words}\n\n{APPLICATION_PURPOSES[command]}",
        "Options\n" + OPTIONS,
        "Groups: GROUP=NAME, then GROUP.PARAMETER=VALUE\n" + _groups(groups, chosen),
        "Settings\n" + "\n".join(_line(name, text) for name, text in _explained(own).items()),
        "Examples\n" + "\n".join(f"  {line}" for line in TRY[command]),
        f"`fastflow {command} --cfg job` prints all settings with their values, `fastflow plugins "
        "KIND` all\ncomponents of a group. Sweeps, experiments and launchers: docs/sweeps.md.",
    ]
    return "\n\n".join(parts)


def _groups(groups: Mapping[str, str], chosen: Mapping[str, str | None]) -> str:
    named = {name: f"={chosen[name]}" if chosen.get(name) else "" for name in groups}
    return "\n".join(_line(name + named[name], text) for name, text in groups.items())


def _line(name: str, text: str) -> str:
    return f"  {name:<{NAME_WIDTH}} {text}"


def _explained(own: type) -> dict[str, str]:
    """Returns the first sentence about each argument in a dataclass's docstring."""
    entries = re.split(r"\n {8}(?=\w+: )", (own.__doc__ or "").partition("Args:")[2])
    pairs = (entry.strip().partition(": ")[::2] for entry in entries[1:])
    return {name: _sentence(" ".join(text.split())) for name, text in pairs}


def _sentence(text: str) -> str:
    """Returns the part of a text that stands before the first end of a sentence or clause."""
    return re.split(r"(?<=\w)[.;:](?=\s|$)", text, maxsplit=1)[0].rstrip(".") + "."
