"""`fastflow calibrate`: from reference runs to a preset."""

import shlex

import pytest
import yaml

from fastflow.cli import main
from fastflow.registry import compose
from fastflow.registry.compose import build, preset, read
from fastflow.runs.run_settings import RunSettings
from fastflow_plugins.models.mixture import MixtureFlow
from fastflow_plugins.policies.published.teacache import TeaCache


@pytest.fixture
def calibrate(capsys):
    """Returns a function that runs `fastflow calibrate`; returns status, output and errors."""

    def run(*words, model="mixture"):
        status = main(["calibrate", *words, f"model={model}"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def probed(monkeypatch):
    """Gives the mixture a probe."""
    monkeypatch.setattr(MixtureFlow, "probe", lambda self, x, t, conditioning: x.abs() + 1)


def words_of(text):
    """Returns the overrides in a preset's comment."""
    return shlex.split(text.splitlines()[1].partition("or with: ")[2])


def test_the_preset_and_the_overrides_in_its_comment_are_the_fitted_policy(
    calibrate, probed, tmp_path, monkeypatch
):
    file = tmp_path / "mine.yaml"
    status, out, err = calibrate("teacache", "samples=5", "steps=12", f"out={file}")
    assert status == 0
    assert file.read_text() == out
    assert "5/5" in err  # the progress bar
    first = out.splitlines()[0]
    assert first.startswith("# teacache, fitted to mixture: 5 reference runs of 12 steps, R^2 0.")
    assert first.endswith(", points 55.")
    content = yaml.safe_load(out)
    assert content.keys() == {"defaults", "coefficients"}
    assert len(content["coefficients"]) == 5
    policy = build("policy", read(words_of(out), "sample", RunSettings)["policy"])
    assert policy == TeaCache(coefficients=tuple(content["coefficients"]))

    folder = tmp_path / "conf"
    (folder / "policy").mkdir(parents=True)
    for path in compose.presets().glob("*.yaml"):
        (folder / path.name).write_text(path.read_text())
    for path in (compose.presets() / "model").glob("*.yaml"):
        (folder / "model").mkdir(exist_ok=True)
        (folder / "model" / path.name).write_text(path.read_text())
    (folder / "policy" / "mine.yaml").write_text(out)
    monkeypatch.setattr(compose, "presets", lambda: folder)
    assert preset("policy", "mine") == policy


def test_the_fit_does_not_depend_on_the_batch_size(calibrate, probed):
    outs = [
        yaml.safe_load(calibrate("samples=5", "steps=12", f"max_batch={size}")[1])
        for size in (1, 2, 8)
    ]
    for out in outs[1:]:
        assert out["coefficients"] == pytest.approx(outs[0]["coefficients"], rel=0.02)


def test_the_same_noise_gives_the_same_fit_and_other_noise_another(calibrate, probed):
    words = "samples=3", "steps=12"
    first = calibrate(*words)[1]
    assert calibrate(*words)[1] == first
    assert calibrate(*words, "seed=5")[1] != first


def test_other_parameters_that_were_set_are_kept_in_the_preset(calibrate, probed):
    _, out, _ = calibrate("teacache_flux", "policy.threshold=0.25", "samples=1", "steps=12")
    assert out.startswith("# teacache_flux, fitted to mixture: 1 reference run of 12 steps")
    content = yaml.safe_load(out)
    assert content["defaults"] == ["teacache_flux", "_self_"]
    assert content["threshold"] == 0.25
    policy = build("policy", read(words_of(out), "sample", RunSettings)["policy"])
    assert (policy.threshold, policy.coefficients) == (0.25, tuple(content["coefficients"]))


def test_prompts_can_be_given(calibrate, probed, tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("one\ntwo\n")
    status, out, _ = calibrate(f"prompts={file}", "samples=3", "steps=12")
    assert status == 0
    assert ": 3 reference runs" in out


def test_a_network_with_a_probe_is_calibrated(calibrate):
    status, out, _ = calibrate("teacache", "samples=1", "steps=7", model="flux_mini")
    assert status == 0
    assert "1 reference run of 7 steps" in out
    assert "points 6." in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["ucb"],
            "the policy 'ucb' has no parameters to calibrate. These policies can be calibrated: "
            "bag, equal_change, teacache.",
        ),
        (["teacach"], "there is no policy named 'teacach'. Did you mean 'teacache'"),
        (["policy=teacach"], "there is no policy named 'teacach'. Did you mean 'teacache'"),
        (["teacache", "ucb"], "give one `policy` to calibrate, got teacache, ucb."),
        (
            ["teacache", "stepz=3"],
            "there is no setting `stepz`. Did you mean `steps`? `fastflow calibrate --cfg` prints "
            "all settings.",
        ),
        (["resume=run"], "`resume` is not used in a calibration. Leave it out."),
        (["metrics=[fidelity]"], "`metrics` is not used in a calibration. Leave it out."),
        (["samples=0"], "`samples` must be 1 or more, got 0."),
        (["prompts=nowhere.txt"], "`prompts` 'nowhere.txt' does not exist."),
        (["executor.device=cuda"], "`device` is 'cuda', but there is no such GPU. Use cpu."),
        (["policy.threshold=-1"], "TeaCache: `threshold` must be 0 or more, got -1.0."),
        (
            ["out=no/such/folder.yaml"],
            "`out` 'no/such/folder.yaml' lies in a folder that does not exist. Make it first.",
        ),
        (["teacache"], "this model has no probe, so TeaCache's rule cannot be fitted to it."),
    ],
)
def test_the_message_names_what_is_wrong(calibrate, words, message, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    status, out, err = calibrate(*words)
    assert (status, out) == (2, "")
    assert f"fastflow calibrate: {message}" in err


def test_an_unknown_model_is_refused(calibrate):
    status, _, err = calibrate("teacache", model="mixtur")
    assert status == 2
    assert "there is no model named 'mixtur'. Did you mean 'mixture'?" in err


def test_too_few_steps_are_refused(calibrate, probed):
    status, out, err = calibrate("steps=3", "samples=2")
    assert (status, out) == (2, "")
    assert "needs 5 or more different changes of the probe, but 4 were recorded." in err


def test_a_missing_probe_is_noticed_before_the_work(calibrate, monkeypatch):
    calls, plain = [], MixtureFlow.velocity

    def velocity(self, x, t, conditioning):
        calls.append(len(x))
        return plain(self, x, t, conditioning)

    monkeypatch.setattr(MixtureFlow, "velocity", velocity)
    assert calibrate("teacache")[0] == 2
    assert calls == [1, 1]


def test_a_file_is_not_overwritten(calibrate, probed, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("kept")
    status, _, err = calibrate(f"out={file}")
    assert status == 2
    assert "exists already, and nothing is overwritten. Choose another name." in err
    assert file.read_text() == "kept"


def test_all_settings_can_be_shown(calibrate):
    status, out, _ = calibrate("teacache", "--cfg")
    assert status == 0
    config = yaml.safe_load(out)
    assert (config["samples"], config["steps"], config["seed"]) == (24, 50, 1000)
    assert config["names"] == {"policy": "teacache", "model": "mixture", "executor": "inline"}
