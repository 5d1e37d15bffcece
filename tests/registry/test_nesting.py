"""Components inside components: at any depth, under any field name, as a word or in a file."""

import re

import pytest
import yaml
from own_package import own_package, write_files

from fastflow.cli import main
from fastflow.comparison.comparison_settings import ComparisonSettings
from fastflow.policies import Fixed, Paper
from fastflow.registry import ConfigError, build, preset, read
from fastflow.registry.preset_folders import searching
from fastflow.runs import RunSettings
from fastflow_plugins.policies import UCB, Uniform

PLUGIN = '''
from dataclasses import dataclass

from fastflow import Bandit, Policy, Reward, hookimpl
from fastflow.policies import Fixed, Paper


@dataclass(frozen=True, kw_only=True)
class Wrap(Policy):
    """Does what another policy does.

    Args:
        inner: the other policy; None computes every step.
        spare: others.
        depth: a number.
        note: a text.
    """

    inner: Policy | None = None
    spare: tuple[Policy, ...] = ()
    depth: int = 1
    note: str = ""

    def __post_init__(self):
        object.__setattr__(self, "spare", tuple(self.spare))

    def begin(self, grid, memory):
        return self.inner.begin(grid, memory)


@dataclass(frozen=True, kw_only=True)
class Needs(Policy):
    """Needs a bandit.

    Args:
        bandit: the bandit.
    """

    bandit: Bandit

    def begin(self, grid, memory):
        return self.bandit.begin(grid, memory)


@dataclass(frozen=True, kw_only=True)
class Relays(Reward):
    """Gives what another reward gives.

    Args:
        target: the other reward.
    """

    target: Reward = Paper(scale=2.5)

    def value(self, seen, constants):
        return self.target.value(seen, constants)


@hookimpl
def fastflow_policies():
    return {"wrap": Wrap, "needs": Needs}


@hookimpl
def fastflow_rewards():
    return {"relays": Relays}
'''


@pytest.fixture(scope="module", autouse=True)
def nests(tmp_path_factory):
    """Installs the package above; yields its module."""
    files = {"nests/__init__.py": "", "nests/plugin.py": PLUGIN}
    with own_package(tmp_path_factory.mktemp("nests"), files, "nests.plugin"):
        from nests import plugin

        yield plugin


def policy(*words):
    return build("policy", read(words, "sample", RunSettings)["policy"])


def test_a_field_that_may_be_none_holds_a_component_which_holds_another(nests):
    words = ["policy=wrap", "policy.inner=wrap", "policy.inner.inner=ucb"]
    more = ["policy.inner.inner.reward=paper", "policy.inner.inner.reward.scale=3", "steps=20"]
    expected = UCB(reward=Paper(scale=3.0))
    for shuffled in ([*words, *more], [*more, *words], [*more[::-1], *words[::-1]]):
        assert policy(*shuffled) == nests.Wrap(inner=nests.Wrap(inner=expected))


def test_the_field_has_a_name_of_its_own_and_a_default_with_parameters(nests):
    assert policy("policy=ucb", "policy.reward=relays").reward == nests.Relays()
    words = ["policy.reward=relays", "policy.reward.target=fixed", "policy.reward.target.mu=0.5"]
    assert policy(*words).reward == nests.Relays(target=Fixed(mu=0.5))
    kept = policy("policy.reward=relays", "policy.reward.target.loss=relative_l1")
    assert kept.reward == nests.Relays(target=Paper(scale=2.5, loss="relative_l1"))


def test_a_preset_is_a_name_too(nests):
    assert policy("policy=wrap", "policy.inner=ucb_paper").inner == preset("policy", "ucb_paper")
    given = "policy.inner={component: ucb_paper, gamma: 0.5}"
    assert policy("policy=wrap", given).inner == UCB(
        arms=(0, 2, 4, 6), gamma=0.5, update_every=1, reward=Paper()
    )


def test_nothing_is_a_choice_where_a_field_may_be_none(nests):
    assert policy("policy=wrap", "policy.inner=null") == nests.Wrap()
    with pytest.raises(ConfigError, match=r"`policy.reward` must name a reward, got null\."):
        policy("policy=ucb", "policy.reward=null")


def test_a_list_of_components_is_given_by_names_and_nodes(nests):
    given = "policy.spare=[uniform, {component: ucb, gamma: 2}]"
    expected = nests.Wrap(spare=[Uniform(), UCB(gamma=2.0)])
    assert policy("policy=wrap", given) == expected
    below = policy("policy=wrap", given, "policy.spare.1.gamma=3", "policy.spare.0=ucb")
    assert below == nests.Wrap(spare=[UCB(), UCB(gamma=3.0)])


def test_a_component_without_default_has_to_be_chosen(nests):
    message = "`policy.bandit` is missing. Choose a policy: policy.bandit=NAME."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        policy("policy=needs")
    assert policy("policy=needs", "policy.bandit=ucb") == nests.Needs(bandit=UCB())


def test_a_component_of_another_class_is_refused():
    config = read(["policy=needs", "policy.bandit=uniform"], "sample", RunSettings)
    with pytest.raises(ConfigError, match="Needs: `bandit` must be a Bandit, got Uniform"):
        build("policy", config["policy"])


@pytest.mark.parametrize("text", ["a, b", "${c} [d", "null", "'quoted'", "k=v", ""])
def test_a_text_is_taken_as_it_is_at_any_depth(nests, text):
    words = ["policy=wrap", "policy.inner=wrap", "policy.spare=[wrap]"]
    given = policy(*words, f"policy.inner.note={text}", f"policy.spare.0.note={text}")
    note = nests.Wrap(note=text)
    assert given == nests.Wrap(inner=note, spare=(note,))


NESTED = ["policy=wrap", "policy.inner=wrap", "policy.inner.inner=ucb"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["policy.inner.inner.reward=papr"], "no reward named 'papr'. Did you mean 'paper'?"),
        (["policy.inner.inner=ucbb"], "no policy named 'ucbb'. Did you mean 'ucb'?"),
        (
            ["policy.inner.inner.gama=1"],
            "no setting `policy.inner.inner.gama`. Did you mean `policy.inner.inner.gamma`",
        ),
        (["policy.inner.innner=ucb"], "`policy.inner.innner`. Did you mean `policy.inner.inner`"),
        (["policy.inner.inner.gamma=x"], "`policy.inner.inner.gamma` must be a number, got 'x'."),
        (
            ["policy.inner={component: ucb, gama: 1}"],
            "there is no setting `policy.inner.gama`. Did you mean `policy.inner.gamma`",
        ),
        (
            ["policy.innner.gamma=1"],
            "no setting `policy.innner.gamma`. Did you mean `policy.inner`",
        ),
        (
            ["policy.inner.inner.inner=ucb"],
            "no setting `policy.inner.inner.inner`. Did you mean",
        ),
        (
            ["policy.inner.inner=null", "policy.inner.inner.gamma=1"],
            "`policy.inner.inner` is null: choose a policy first, policy.inner.inner=NAME.",
        ),
        (["policy.inner=3"], "`policy.inner` must name a policy, got 3."),
    ],
)
def test_a_wrong_name_is_refused_at_any_depth(words, message):
    with pytest.raises(ConfigError) as refused:
        policy(*NESTED, *words)
    assert message in str(refused.value)


FILE = """\
component: wrap
inner:
  component: wrap
  depth: 7
  inner:
    component: ucb
    gamma: 2
    reward:
      component: relays
      target: fixed
"""


def test_a_file_states_nested_components_by_name_and_the_command_line_goes_on(nests, tmp_path):
    write_files(tmp_path, {"policy/deep.yaml": FILE})
    with searching([tmp_path]):
        inner = UCB(gamma=2.0, reward=nests.Relays(target=Fixed()))
        assert policy("policy=deep") == nests.Wrap(inner=nests.Wrap(depth=7, inner=inner))
        assert preset("policy", "deep") == policy("policy=deep")
        words = ["policy.inner.inner.reward.target=paper", "policy.inner.inner.update_every=3"]
        changed = policy("policy=deep", *words).inner.inner
        assert changed == UCB(gamma=2.0, update_every=3, reward=nests.Relays(target=Paper()))


def test_a_file_adds_to_a_default_and_replaces_one(nests, tmp_path):
    files = {
        "policy/adds.yaml": "defaults: [ucb, _self_]\nreward: {mu: 0.9}\n",
        "policy/replaces.yaml": "component: ucb\nreward: {component: paper, scale: 9}\n",
    }
    write_files(tmp_path, files)
    with searching([tmp_path]):
        assert policy("policy=adds").reward.mu == 0.9
        assert policy("policy=replaces").reward == Paper(scale=9.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FILE.replace("fixed", "fixd"), "there is no reward named 'fixd'. Did you mean 'fixed'?"),
        (FILE.replace("gamma", "gama"), "`policy.inner.inner.gama`. Did you mean `policy.inner"),
        (
            FILE.replace("depth: 7", "depth: x"),
            "`policy.inner.depth` must be a whole number, got 'x'.",
        ),
    ],
)
def test_a_wrong_name_in_a_file_is_refused(tmp_path, text, message):
    write_files(tmp_path, {"policy/deep.yaml": text})
    with searching([tmp_path]), pytest.raises(ConfigError) as refused:
        policy("policy=deep")
    assert message in str(refused.value)


def test_a_method_of_a_comparison_holds_them_too(nests):
    words = [
        "methods=[plan,skipping]",
        "method.skipping.policy=wrap",
        "method.skipping.policy.inner=ucb",
        "method.skipping.policy.inner.reward.mu=0.25",
    ]
    node = read(words, "compare", ComparisonSettings)["method"]["skipping"]
    assert build("method", node).policy.inner.reward.mu == 0.25


def test_what_is_written_can_be_read_again(nests, capsys):
    assert main(["sample", "--cfg", *NESTED, "policy.inner.inner.gamma=4"]) == 0
    node = yaml.safe_load(capsys.readouterr().out)["policy"]
    assert build("policy", node) == nests.Wrap(inner=nests.Wrap(inner=UCB(gamma=4.0)))
