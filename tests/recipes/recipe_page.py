"""The recipes of docs/recipes.md, and a package made of one."""

import re
import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
FENCE = re.compile(r'^( *)```(\w+)(?: title="([^"]+)")?\n(.*?)^ *```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Recipe:
    """A section of the page: its code by title, its commands and what it prints."""

    title: str
    text: str

    @property
    def blocks(self):
        return [
            (kind, title, textwrap.dedent(code))
            for _, kind, title, code in FENCE.findall(self.text)
        ]

    def code(self, wanted):
        """Returns the code with a title; an empty string if there is none."""
        return next((code for _, title, code in self.blocks if title == wanted), "")

    def of_kind(self, wanted):
        """Returns the code in a language that has no title."""
        return "".join(code for kind, _, code in self.blocks if kind == wanted)


def recipes():
    """Returns the sections by their titles, such as ``A policy``."""
    _, *sections = PAGE.read_text(encoding="utf-8").split("\n## ")
    found = [section.partition("\n") for section in sections]
    return {title.partition(". ")[2]: Recipe(title, text) for title, _, text in found}


RECIPES = recipes()
TOML = Recipe("", PAGE.read_text(encoding="utf-8")).code("pyproject.toml")


def write_package(folder, recipe):
    """Writes a recipe's two files into a folder."""
    (folder / "mine.py").write_text(recipe.code("mine.py"), encoding="utf-8")
    (folder / "pyproject.toml").write_text(TOML, encoding="utf-8")


def write_metadata(folder):
    """Writes what pip would keep of the TOML, so that its entry point is found."""
    project = tomllib.loads(TOML)["project"]
    info = folder / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    name, version = project["name"], project["version"]
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = [f"{key} = {value}\n" for key, value in project["entry-points"]["fastflow"].items()]
    (info / "entry_points.txt").write_text("".join(["[fastflow]\n", *points]))
