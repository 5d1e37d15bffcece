"""Rules for adapters that need no weights; `flow_models` has those for what they load."""

from __future__ import annotations

import inspect

from fastflow.testing.rule import demand, rule


@rule
def loads_onto_a_device_in_a_dtype(adapter):
    """``load(device="cpu", dtype="float32")``."""
    parameters = inspect.signature(type(adapter).load).parameters
    names = list(parameters)[1:]
    demand(names == ["device", "dtype"], f"`load` takes {names}")
    defaults = [parameters[name].default for name in names]
    demand(defaults == ["cpu", "float32"], f"the defaults of `load` are {defaults}")


@rule
def gives_prompts_with_their_tasks(adapter):
    """As many as asked for at most, always the same; none if the model has no world of its own."""
    prompts = adapter.prompts(3)
    demand(len(prompts) <= 3, f"asked for 3 prompts it gave {len(prompts)}")
    pairs = all(len(p) == 2 and all(isinstance(s, str) for s in p) for p in prompts)
    demand(pairs, f"these are no (prompt, task) pairs: {prompts}")
    demand(adapter.prompts(3) == prompts, "asked again it gave other prompts")
