"""Rules for adapters that need no weights; `flow_models` has those for what they load."""

from __future__ import annotations

import inspect

from fastflow.sampling.model import Model
from fastflow.sampling.request import Prompt
from fastflow.testing.rule import demand, rule


@rule
def loads_onto_a_device_in_a_dtype(model: Model) -> None:
    """``load(device="cpu", dtype="float32")``."""
    parameters = inspect.signature(type(model).load).parameters
    names = list(parameters)[1:]
    demand(names == ["device", "dtype"], f"`load` takes {names}")
    defaults = [parameters[name].default for name in names]
    demand(defaults == ["cpu", "float32"], f"the defaults of `load` are {defaults}")


@rule
def gives_prompts_of_its_own_world(model: Model) -> None:
    """As many as asked for at most, always the same; none if the model has no world of its own."""
    prompts = model.prompts(3)
    demand(len(prompts) <= 3, f"asked for 3 prompts it gave {len(prompts)}")
    demand(all(isinstance(p, Prompt) for p in prompts), f"these are no prompts: {prompts}")
    images = any(p.image is not None for p in prompts)
    demand(model.takes_images or not images, "it gave images, which it does not take")
    demand(model.prompts(3) == prompts, "asked again it gave other prompts")
