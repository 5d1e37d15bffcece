"""The experiment does_it_travel: its models, and a tiny run from training to the table."""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fastflow.testing import check

FOLDER = Path(__file__).parents[2] / "experiments" / "does_it_travel"
MODULES = ("network", "models", "train", "run", "verdicts", "analysis")
METHODS = ("plan", "euler", "uniform", "teacache_linear", "negative_control")


@pytest.fixture(scope="module")
def experiment():
    """The modules of the folder, which import each other by their short names."""
    hidden = {name: sys.modules.pop(name, None) for name in MODULES}
    sys.path.insert(0, str(FOLDER))
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    sys.path.remove(str(FOLDER))
    for name, module in hidden.items():
        del sys.modules[name]
        if module is not None:
            sys.modules[name] = module


@pytest.fixture(scope="module")
def weights(experiment, tmp_path_factory):
    """Weights of both models: scenes after four steps of training, digits untrained."""
    folder = tmp_path_factory.mktemp("weights")
    trainings = experiment.train.TRAININGS
    recipe = experiment.train.replace(trainings["pixel_scenes"], steps=4, batch=4, examples=8)
    experiment.train.train(recipe, folder)
    digits = trainings["digits"].build(folder)
    for parameter in digits.network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    digits.save(folder)
    return folder


@pytest.fixture(scope="module")
def runs(experiment, weights, tmp_path_factory):
    """Comparisons of both models, for two seeds each."""
    out = tmp_path_factory.mktemp("runs")
    plan = plan_of(experiment, out, weights)
    for model in ("pixel_scenes", "digits"):
        for seed in (0, 1000):
            experiment.run.run(plan, model, seed)
    return out


def plan_of(experiment, out, weights, methods=METHODS):
    sizes = {"samples": 2, "tuning": 2, "steps": 10, "max_batch": 2}
    return experiment.run.Plan(out, methods, (5,), weights=weights, **sizes)


def load(experiment, weights, name):
    path = weights / f"{name}.safetensors"
    return experiment.models.MODELS[name](weights=str(path)).load()


@pytest.mark.parametrize("name", ["pixel_scenes", "digits"])
def test_the_models_obey_the_rules_of_flow_models(experiment, weights, name):
    model = load(experiment, weights, name)
    check(model, steps=4, prompt="a picture of a red circle")
    assert sum(p.numel() for p in model.net.parameters()) < 1_000_000


def test_the_two_models_differ_in_grid_and_guidance(experiment, weights):
    scenes, digits = (load(experiment, weights, n) for n in ("pixel_scenes", "digits"))
    assert (scenes.calls_per_velocity, digits.calls_per_velocity) == (1, 2)
    even, shifted = scenes.grid(4), digits.grid(4)
    assert even.sigma == pytest.approx((1, 0.75, 0.5, 0.25, 0))
    assert shifted.sigma == pytest.approx((1, 0.9, 0.75, 0.5, 0))


def test_guidance_of_one_is_the_conditional_velocity(experiment, weights):
    path = str(weights / "digits.safetensors")
    recipes = [experiment.models.Digits(weights=path, guidance_scale=g) for g in (1.0, 2.0)]
    plain, guided = (recipe.load() for recipe in recipes)
    x, t = torch.randn(1, 1, 8, 8), torch.tensor([0.5])
    words, none = (plain.recipe.tokens(text)[None] for text in ("bold seven", ""))
    with torch.no_grad():
        v, free = plain.velocity(x, t, [words]), plain.velocity(x, t, [none])
        assert torch.allclose(guided.velocity(x, t, [words]), 2 * v - free, atol=1e-5)
    assert plain.key != guided.key


def test_captions_become_the_ids_of_their_words(experiment):
    digits = experiment.models.Digits()
    assert digits.tokens("bold seven").tolist() == [4, 12]
    assert digits.tokens("seven").tolist() == [12, 0]
    assert digits.tokens("a strange caption").tolist() == [1, 1]


def test_prompts_of_the_digits_are_distinct_and_both_parts_have_most_digits(experiment):
    prompts = [prompt.text for prompt in experiment.models.Digits().prompts(88)]
    assert len(set(prompts)) == 30
    measured, tuning = prompts[:22], prompts[22:]
    assert [len({text.split()[1] for text in part}) for part in (measured, tuning)] == [10, 8]


def test_the_longest_caption_fits(experiment):
    scenes = experiment.models.PixelScenes()
    words = scenes.tokens("a photo of a circle and a square on a black background").tolist()
    assert 0 not in words[:12]
    assert experiment.models.UNKNOWN not in words


def test_a_model_that_is_not_trained_says_how_to_train_it(experiment, tmp_path):
    path = tmp_path / "digits.safetensors"
    with pytest.raises(ValueError, match="Train the model: python experiments/does_it_travel"):
        experiment.models.Digits(weights=str(path)).load()


def test_digits_need_scikit_learn(experiment, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ValueError, match="pip install scikit-learn"):
        experiment.train.digits(experiment.train.TRAININGS["digits"])


def test_strokes_are_thirds_of_the_pictures_of_each_digit(experiment, monkeypatch):
    rng = experiment.train.np.random.default_rng(0)
    found = SimpleNamespace(
        images=rng.uniform(0, 16, (60, 8, 8)), target=experiment.train.np.arange(60) % 10
    )
    monkeypatch.setitem(
        sys.modules, "sklearn.datasets", SimpleNamespace(load_digits=lambda: found)
    )
    monkeypatch.setitem(sys.modules, "sklearn", SimpleNamespace())
    pictures, captions = experiment.train.digits(experiment.train.TRAININGS["digits"])
    assert pictures.shape == (60, 1, 8, 8)
    assert pictures.abs().max() <= 1
    assert all(captions.count(text) == 2 for text in captions)


def test_training_learns(experiment, tmp_path):
    recipe = experiment.train.replace(
        experiment.train.TRAININGS["pixel_scenes"], steps=30, batch=8, examples=8, warmup=5
    )
    mini = recipe.build(tmp_path)
    matching = experiment.train.FlowMatching(mini.learners, mini.objective(tmp_path), recipe)
    losses = [matching.advance() for _ in range(recipe.steps)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_every_model_and_method_of_the_real_run_can_be_built(experiment, tmp_path):
    run = experiment.run
    plan = run.Plan(tmp_path, run.default_methods())
    assert {"halving", "plan", "ucb", "uniform", "ab2", "teacache_linear"} <= set(plan.methods)
    for model in run.ALL_MODELS:
        config = plan.config(model, 1000)
        assert config["names"]["model"] == model
        assert run._model(config)
        settings = run.settings_of(config, run.ComparisonSettings)
        assert (settings.seed, settings.pairs, settings.converged_steps) == (1000, 0, 0)
        assert run.build_listed(config, "metrics").keys() == set(settings.metrics)


def test_a_finished_comparison_is_not_computed_again(experiment, runs, weights, monkeypatch):
    def never(*args):
        raise AssertionError("computed again")

    monkeypatch.setattr(experiment.run, "work", never)
    experiment.run.run(plan_of(experiment, runs, weights), "digits", 0)


def test_more_methods_are_added_to_those_that_are_there(experiment, weights, tmp_path):
    experiment.run.run(plan_of(experiment, tmp_path, weights, ["euler"]), "digits", 0)
    folder = experiment.run.run(plan_of(experiment, tmp_path, weights, ["ab2"]), "digits", 0)
    rows = json.loads((folder / "comparison.json").read_text())["table"]
    assert [row["method"] for row in rows] == ["euler", "ab2"]


def test_other_settings_need_another_folder(experiment, runs, weights):
    plan = plan_of(experiment, runs, weights)
    other = type(plan)(**{**vars(plan), "samples": 3})
    with pytest.raises(ValueError, match="holds a comparison with another samples: its rows"):
        experiment.run.run(other, "digits", 0)


def test_only_one_process_works_in_a_folder(experiment, tmp_path):
    with experiment.run.claimed(tmp_path) as first, experiment.run.claimed(tmp_path) as second:
        assert (first, second) == (True, False)
    with experiment.run.claimed(tmp_path) as third:
        assert third


def test_the_analysis_writes_a_table_a_result_and_a_figure(
    experiment, runs, tmp_path, monkeypatch
):
    words = ["analysis.py", "--runs", str(runs), "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", words)
    experiment.analysis.main()
    table = (tmp_path / "table.md").read_text()
    result = json.loads((tmp_path / "result.json").read_text())
    assert "`flux_mini` has 0 finished seeds" in table
    assert "## digits at 5 of 10 steps" in table
    assert result["models"].keys() == {"pixel_scenes", "digits"}
    assert [(one["model"], one["ours"]) for one in result["verdicts"]] == [
        ("pixel_scenes", "plan"),
        ("digits", "plan"),
    ]
    assert (tmp_path / "figure.svg").read_text().startswith("<?xml")


def test_a_verdict_pairs_the_best_of_ours_with_the_best_rival(experiment, runs):
    found, _ = experiment.verdicts.read(runs)
    for one, verdict in zip(found, experiment.verdicts.verdicts(found), strict=True):
        rivals = [r for r in one.at(5) if r["method"] in ("euler", "uniform", "teacache_linear")]
        fair = [row for row in rivals if row["steps"] <= 6]
        assert verdict.rival == max(fair, key=lambda row: row["psnr"][0])["method"]
        means = [one.row(name, 5)["psnr"][0] for name in ("plan", verdict.rival)]
        assert verdict.difference[0] == pytest.approx(means[0] - means[1])


def test_what_an_interval_says_about_ours(experiment):
    words = [experiment.verdicts.word_of(d) for d in ([1, 0.5, 2], [-1, -2, 0.1], [-1, -2, -0.5])]
    assert words == ["ahead", "not distinguishable", "behind"]


def test_rows_of_ours_below_uniform_are_listed(experiment):
    rows = [
        {"method": name, "group": group, "target": 7, "steps": steps, "psnr": [db] * 3, **more}
        for name, group, steps, db, more in [
            ("halving", "ours", 9.0, 60.0, {"marks": "missed its target"}),
            ("path", "ours", 7.0, 55.0, {"marks": "fell back to Uniform"}),
            ("plan", "ours", 7.0, 50.0, {"marks": ""}),
            ("bespoke", "anchor", 7.0, 49.0, {"marks": ""}),
            ("uniform", "static", 7.0, 45.0, {"marks": ""}),
            ("ucb", "ours", 7.0, 40.0, {"marks": ""}),
        ]
    ]
    one = experiment.verdicts.ModelResults("digits", {"table": rows}, [], 0.0)
    assert one.best(7, True)["method"] == "plan"
    assert one.best(7, False)["method"] == "uniform"
    assert dict(experiment.verdicts._below(one, 7)) == {"ucb": -5.0}
