"""The documentation is true: its examples run, and its lists are complete."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shlex
import sys
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tiny_pipelines import flux
from tiny_pipelines.cases import NAMED

import fastflow
from fastflow.cli import main
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.registry import hooks
from fastflow.registry.compose import read
from fastflow.registry.hooks import KINDS
from fastflow.runs.run_settings import RunSettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"^```([\w.]+)?[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Returns the language and the content of every fenced block."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


TRIED_ELSEWHERE = (
    DOCS / "recipes.md",  # each a package of its own: tests/recipes
    DOCS / "write_a_model.md",  # files that import each other: test_write_a_model.py
)
WITH_PYTHON = [
    page
    for page in PAGES
    if page not in TRIED_ELSEWHERE and any(kind == "python" for kind, _ in blocks(page))
]
REFUSALS = [
    tuple(text.strip().split("\n", 1))
    for kind, text in blocks(DOCS / "bad_input.md")
    if kind == "console"
]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_examples_run_and_print_what_the_page_shows(page, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    module = ModuleType("example")  # a module: dataclasses look up their types in theirs
    monkeypatch.setitem(sys.modules, "example", module)
    for kind, text in blocks(page):
        if kind == "python":
            capsys.readouterr()
            exec(compile(text, name_of(page), "exec"), module.__dict__)
        elif kind == "output":
            assert capsys.readouterr().out == text


@pytest.mark.parametrize(("command", "answer"), REFUSALS, ids=[c for c, _ in REFUSALS])
def test_a_refusal_reads_as_on_the_page(command, answer, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "something").touch()
    words = shlex.split(command.removeprefix("$ fastflow "))
    assert main(words) == 2
    printed = capsys.readouterr().err
    assert printed[printed.index(f"fastflow {words[0]}:") :].split() == answer.split()
    assert [path.name for path in tmp_path.rglob("*") if path.name != "runs"] == ["something"]


def test_what_enable_refuses_reads_as_on_the_page(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    section = (DOCS / "bad_input.md").read_text(encoding="utf-8")
    section = section.split("\n## Pipelines\n")[1].split("\n## ")[0]
    quotes = re.findall(r"(?:^>[^\n]*\n)+", section, re.MULTILINE)
    assert {" ".join(q.replace("\n>", " ").lstrip(">").split()) for q in quotes} == refusals()


def refusals() -> set[str]:
    """Returns the messages of `enable` for pipelines and arguments that it cannot take."""
    messages = set()

    def refuse(pipe, policy="ucb", **options):
        with pytest.raises(
            ValueError, match=r"cannot|accelerated|there is no|must|not"
        ) as refused:
            fastflow.enable(pipe, policy, **options)
        messages.add(str(refused.value))

    for name in ("stable_diffusion", "pixart", "sd3_heun"):
        refuse(NAMED[name].build(torch.float32))
    refuse(flux.pipeline(stochastic_sampling=True))
    pipe = flux.pipeline()
    with fastflow.enable(pipe):
        refuse(pipe)
    refuse(pipe, "ucbb")
    refuse(pipe, batch_error="max")
    refuse(pipe, memory="nowhere.json")
    other = NAMED["wan_21"].build(torch.float32)
    with fastflow.enable(other) as accelerated:
        NAMED["wan_21"].run(other, num_inference_steps=12)
        accelerated.memory.save("wan.json")
    refuse(pipe, memory="wan.json")
    return messages


HOOKS = ["fastflow_commands", *(kind.hook for kind in KINDS.values())]


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_heading_with_its_signature(hook):
    specification = getattr(hooks.SPECIFICATIONS, hook)
    signature = inspect.signature(specification, eval_str=True)
    lines = (DOCS / "hooks.md").read_text(encoding="utf-8").splitlines()
    assert f"## `{hook}{signature}`" in lines


def test_every_hook_is_of_a_kind_that_the_catalog_collects():
    specs = {name for name in vars(hooks.SPECIFICATIONS) if name.startswith("fastflow_")}
    assert specs == set(HOOKS)


def script(name: str) -> ModuleType:
    """Returns the script that writes a page."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["components", "fields"])
def test_a_written_page_is_current(name):
    committed = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert committed == script(name).page(), "run: make components"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", script("bad_input").mutations.NONSENSE)
def test_the_page_shows_what_a_command_says(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    lines = script("bad_input").command_lines(command)
    committed = (DOCS / "bad_input.md").read_text(encoding="utf-8")
    assert "\n".join(lines) in committed, "run: make components"


@pytest.mark.filterwarnings("ignore")
def test_the_page_shows_what_is_said_about_damaged_files(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    committed = (DOCS / "bad_input.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in script("bad_input").file_lines() if line not in committed] == []


def test_the_page_of_bad_input_has_the_text_of_its_cases():
    source = (ROOT / "tests" / "docs" / "bad_input.md").read_text(encoding="utf-8")
    committed = (DOCS / "bad_input.md").read_text(encoding="utf-8").splitlines()
    lines = [line for line in source.splitlines() if not line.startswith("<!-- table")]
    assert [line for line in lines if line not in committed] == []


def test_every_field_that_somebody_may_read_is_on_the_page_of_fields():
    page = script("fields")
    for cls, _ in page.SECTIONS.values():
        own = {f.name for f in fields(cls)} if is_dataclass(cls) else set(vars(cls))
        inherited = {f.name for f in fields(cls.__base__)} if is_dataclass(cls.__base__) else set()
        slots = set(getattr(cls, "__slots__", ())) - {"__dict__"}
        wanted = {name for name in (own | slots) - inherited if not name.startswith("_")}
        wanted -= {name for name in wanted if inspect.isfunction(getattr(cls, name, None))}
        assert wanted <= set(page.members(cls)), cls


def test_a_field_without_description_is_an_error():
    @dataclass
    class Bare:
        """Holds one thing.

        Attributes:
            told: what it is.
        """

        told: int = 0
        untold: int = 0

    with pytest.raises(ValueError, match="Bare does not describe untold"):
        script("fields").members(Bare)


@pytest.mark.parametrize(
    ("page", "settings"), [("command_line.md", RunSettings), ("comparing.md", ComparisonSettings)]
)
def test_every_setting_is_explained(page, settings):
    tables = [
        line.split("|")[1]
        for line in (DOCS / page).read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    missing = [f.name for f in fields(settings) if not any(f"`{f.name}`" in t for t in tables)]
    assert not missing


def test_every_method_of_a_comparison_is_explained():
    page = (DOCS / "comparing.md").read_text(encoding="utf-8")
    groups = read([], "compare", ComparisonSettings)["groups"]
    names = [name for group in groups.values() for name in group if not name.startswith("oracle_")]
    assert not [name for name in names if f"`{name}`" not in page]


@pytest.mark.parametrize(
    "name",
    [
        "fastflow_sawtooth/__init__.py",
        "fastflow_sawtooth/conf/method/sawtooth.yaml",
        "pyproject.toml",
    ],
)
def test_the_page_on_policies_shows_the_package_as_it_is(name):
    shown = {text for _, text in blocks(DOCS / "write_a_policy.md")}
    package = ROOT / "tests" / "packages" / "fastflow-sawtooth"
    assert (package / name).read_text(encoding="utf-8") in shown


def test_no_page_names_a_file_that_is_not_there():
    missing = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                missing.append(f"{name_of(page)}: {target}")
    assert not missing
