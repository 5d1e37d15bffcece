"""Each recipe of docs/recipes.md works as written: made, checked, and used once."""

import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from recipe_page import RECIPES, TOML, write_metadata, write_package
from tiny_pipelines.cases import NAMED

from fastflow.cli import main
from fastflow.registry.hooks import KINDS

ROOT = Path(__file__).parents[2]
NEW_KIND = "A new kind of component"
TRIED = [title for title in RECIPES if title != NEW_KIND]
NAMED_OTHERWISE = {"method": "A comparison method"}


def execute(code, **names):
    """Runs a block of the page as a script of its own."""
    exec(compile(code, "docs/recipes.md", "exec"), {"__name__": "recipe", **names})


def commands(recipe):
    """Returns the words of each command of a recipe, ``fastflow`` left out."""
    lines = recipe.of_kind("console").splitlines()
    return [shlex.split(line.removeprefix("$ fastflow ")) for line in lines]


def quiet(words):
    """Returns a command's words, and for a run also those that keep it in this process."""
    if words[0] != "sample" or any(word.startswith("executor=") for word in words):
        return words
    return [*words, "executor=inline", "executor.progress=false"]


def use(recipe):
    """Runs a recipe's commands, each of which has to succeed."""
    for words in commands(recipe):
        assert main(quiet(words)) == 0, words


def rows(folder):
    lines = (folder / "run" / "samples.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def config(folder):
    return (folder / "run" / "config.yaml").read_text()


def test_every_kind_has_a_recipe_and_so_have_bandits_and_commands():
    kinds = [
        NAMED_OTHERWISE.get(kind, f"{'An' if kind[0] in 'aeiou' else 'A'} {kind}")
        for kind in KINDS
    ]
    assert {*kinds, "A bandit", "A contextual bandit", "A command", NEW_KIND} == set(RECIPES)


def test_the_toml_has_five_lines():
    assert len(TOML.splitlines()) == 5


@pytest.mark.parametrize("title", ["A policy", "A bandit", "An extrapolator", "A metric"])
def test_a_short_one_is_a_file_of_at_most_25_lines(title):
    assert len(RECIPES[title].code("mine.py").splitlines()) <= 25


@pytest.mark.parametrize("title", [t for t in TRIED if t != "A command"])
def test_what_a_recipe_makes_is_installed_and_keeps_to_the_rules(title, install):
    recipe = RECIPES[title]
    with install(recipe):
        assert "check(" in recipe.code("check")
        execute(recipe.code("check"))


@pytest.mark.parametrize("title", ["A policy", "A bandit", "An extrapolator", "A corrector"])
def test_what_decides_and_predicts_samples_and_skips(title, install):
    with install(RECIPES[title]) as folder:
        use(RECIPES[title])
        assert any(row["calls"] < row["calls_full"] for row in rows(folder))


def test_a_bandit_learns(install, capsys):
    with install(RECIPES["A bandit"]):
        use(RECIPES["A bandit"])
    assert "best" in capsys.readouterr().out


def test_a_reward_is_a_parameter_of_a_bandit(install):
    with install(RECIPES["A reward"]) as folder:
        use(RECIPES["A reward"])
        assert "component: budget\n    limit: 0.1" in config(folder).replace("loss: mse\n    ", "")


def test_a_model_is_sampled_from(install):
    with install(RECIPES["A model"]) as folder:
        use(RECIPES["A model"])
        assert len(rows(folder)) == 3
        assert "component: blob" in config(folder)


def test_a_probe_lets_teacache_decide_about_a_pipeline(install, capsys):
    case, recipe = NAMED["sd3"], RECIPES["A probe"]
    pipe = case.build(torch.float32)
    with install(recipe):
        draw = lambda: case.run(pipe, num_inference_steps=20)  # noqa: E731
        execute(recipe.code("use"), pipe=pipe, draw=draw)
    assert capsys.readouterr().out == recipe.of_kind("output")


def test_a_metric_measures_a_run(install):
    with install(RECIPES["A metric"]) as folder:
        use(RECIPES["A metric"])
        assert all(row["metrics"]["largest_error"] >= 0 for row in rows(folder))


def test_a_benchmark_goes_to_its_scorer_and_back(install, capsys):
    with install(RECIPES["A benchmark"]) as folder:
        (folder / "haiku.txt").write_text("an old silent pond\na frog jumps in\n")
        for side, score in (("skipped", 0.5), ("full", 1.0)):
            scores = [f"files/{side}/{n}-0.png {score}\n" for n in range(2)]
            (folder / f"{side}.txt").write_text("".join(scores))
        use(RECIPES["A benchmark"])
        assert (folder / "files" / "skipped" / "1-0.png").is_file()
    assert "1.0000   0.5000  -0.5000" in capsys.readouterr().out


def test_an_observer_follows_a_run(install):
    with install(RECIPES["An observer"]) as folder:
        use(RECIPES["An observer"])
        written = (folder / "run" / "calls.txt").read_text().splitlines()
        assert len(written) == 4
        assert written[-1].startswith("mean ")


def test_an_executor_runs_a_run(install):
    with install(RECIPES["An executor"]) as folder:
        use(RECIPES["An executor"])
        assert len(rows(folder)) == 2


def test_a_method_takes_part_in_a_comparison(install):
    with install(RECIPES["A comparison method"]) as folder:
        use(RECIPES["A comparison method"])
        with (folder / "run" / "comparison.csv").open() as file:
            assert {"uniform", "front"} <= {line["method"] for line in csv.DictReader(file)}


def test_a_command_runs(install, capsys):
    with install(RECIPES["A command"]):
        use(RECIPES["A command"])
        assert capsys.readouterr().out.endswith("3 samples\n")
        assert main(["--help"]) == 0
        assert "count the samples of a run" in capsys.readouterr().out
        assert main(["count"]) == 2


def test_pip_installs_the_package_from_its_five_lines(tmp_path):
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    source, site = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    write_package(source, RECIPES["A policy"])
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, *offline, "--target", site, source], check=True, env=path_of())
    listed = run_python(["-m", "fastflow.cli", "plugins", "policy"], site, cwd=tmp_path)
    assert "Takes the longest skip that fits with a given probability" in listed


def test_one_entry_makes_a_new_kind(tmp_path):
    """Written into a copy of the core, as the recipe has it."""
    recipe, core, site = RECIPES[NEW_KIND], tmp_path / "core", tmp_path / "site"
    site.mkdir()
    shutil.copytree(ROOT / "fastflow", core / "fastflow")
    shutil.copytree(ROOT / "conf", core / "conf")
    base = core / "fastflow" / "integration" / "schedule.py"
    base.write_text(recipe.code("fastflow/integration/schedule.py"))
    hooks = core / "fastflow" / "registry" / "hooks.py"
    text = hooks.read_text().replace(
        "from fastflow.integration.corrector",
        "from fastflow.integration.schedule import Schedule\nfrom fastflow.integration.corrector",
    )
    opening = "KINDS: dict[str, Kind] = {\n"
    assert opening in text
    hooks.write_text(text.replace(opening, f"{opening}    {recipe.code('entry')}"))
    write_package(site, recipe)
    write_metadata(site)
    run_python(["-c", recipe.code("check")], core, site, cwd=tmp_path)
    listed = run_python(["-m", "fastflow.cli", "plugins", "schedule"], core, site, cwd=tmp_path)
    assert "Spaces the steps evenly." in listed
    ((*_, _), sample) = commands(recipe)
    run_python(["-m", "fastflow.cli", *quiet(sample)], core, site, cwd=tmp_path)
    assert "component: even" in (tmp_path / "run" / "config.yaml").read_text()
    show = "import components; print(components.page())"
    page = run_python(["-c", show], core, site, ROOT / "docs", cwd=tmp_path)
    assert "Schedules place the steps of a time grid." in page


def path_of(*folders):
    """Returns the environment in which these folders are looked in first."""
    found = [*map(str, folders), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, found))}


def run_python(words, *folders, cwd):
    """Runs Python with these folders first on its path, and returns what it prints."""
    done = subprocess.run(
        [sys.executable, *words], env=path_of(*folders), cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
