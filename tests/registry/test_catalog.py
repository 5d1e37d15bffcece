"""The catalog: names, similar names, and plugins that cannot be used."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from fastflow import Policy, hookimpl, installed
from fastflow.registry import PluginError, catalog
from fastflow_plugins.policies.never import Never


def plugin(policies):
    """Returns a plugin that provides these policies."""

    class Plugin:
        @hookimpl
        def fastflow_policies(self):
            return policies

    return Plugin()


def collect(**plugins):
    manager = catalog.manager()
    for name, module in plugins.items():
        manager.register(module, name=name)
    return catalog.Catalog.collect(manager)


def refusal(**plugins):
    with pytest.raises(PluginError) as error:
        collect(**plugins)
    return str(error.value)


def test_an_installed_component_is_found_by_kind_and_name():
    assert installed().get("policy", "never") is Never
    assert "reuse" in installed().names("extrapolator")


def test_an_unknown_name_is_refused_with_similar_ones():
    with pytest.raises(ValueError, match="named 'nver'") as error:
        installed().get("policy", "nver")
    assert str(error.value) == "there is no policy named 'nver'. Did you mean 'never' or 'every'?"


def test_an_unknown_name_like_no_other_is_refused_with_all_names():
    collected = collect(mine=plugin({"never": Never}))
    with pytest.raises(ValueError, match="named 'zzz'") as error:
        collected.get("policy", "zzz")
    assert str(error.value) == "there is no policy named 'zzz'. Installed: never."


def test_two_plugins_with_one_name_are_refused_by_both_names():
    message = refusal(first=plugin({"same": Never}), second=plugin({"same": Never}))
    assert message in (
        "two plugins give a policy named 'same': second and first. "
        "Uninstall one, or rename it in its `fastflow_policies`.",
        "two plugins give a policy named 'same': first and second. "
        "Uninstall one, or rename it in its `fastflow_policies`.",
    )


def test_an_object_that_is_not_a_component_is_refused():
    assert refusal(mine=plugin({"odd": int})) == (
        "plugin mine: `fastflow_policies` gives 'odd' as <class 'int'>, "
        "which is not a subclass of `Policy`."
    )
    assert "gives 'made' as Never(), which is not a subclass" in refusal(
        mine=plugin({"made": Never()})
    )


def test_a_component_without_docstring_still_has_a_line():
    @dataclass(frozen=True)
    class Plain(Policy):
        def begin(self, grid, memory): ...

    (entry,) = collect(mine=plugin({"plain": Plain})).entries
    assert (entry.plugin, entry.name, entry.kind) == ("mine", "plain", "policy")
    assert entry.line == "Plain()"


def test_a_plugin_that_cannot_be_imported_is_an_error(monkeypatch):
    def load():
        raise ModuleNotFoundError("No module named 'missing'")

    point = SimpleNamespace(name="broken", value="broken.plugin", load=load)
    monkeypatch.setattr(catalog, "entry_points", lambda group: [point])
    with pytest.raises(PluginError) as error:
        installed.__wrapped__()
    assert str(error.value) == (
        "plugin 'broken' (broken.plugin) cannot be loaded: "
        "ModuleNotFoundError: No module named 'missing'. Fix it or uninstall it."
    )
