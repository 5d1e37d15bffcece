"""Rules for models that need no weights; those for loaded models are in `flow_model_rules`."""

from __future__ import annotations

import inspect

from fastflow.sampling.model import Model
from fastflow.sampling.request import Prompt
from fastflow.testing.rule import demand, rule


@rule
def loads_onto_a_device_in_a_dtype(model: Model) -> None:
    """The signature is ``load(device="cpu", dtype="float32")``."""
    parameters = inspect.signature(type(model).load).parameters
    names = list(parameters)[1:]
    demand(names == ["device", "dtype"], f"`load` takes {names}")
    defaults = [parameters[name].default for name in names]
    demand(defaults == ["cpu", "float32"], f"the defaults of `load` are {defaults}")


@rule
def gives_prompts_of_its_own(model: Model) -> None:
    """At most as many as requested, and always the same; none if the model has none."""
    prompts = model.prompts(3)
    demand(len(prompts) <= 3, f"for 3 prompts it returned {len(prompts)}")
    demand(all(isinstance(p, Prompt) for p in prompts), f"these are not prompts: {prompts}")
    images = any(p.image is not None for p in prompts)
    demand(model.takes_images or not images, "it returned images, which it does not take")
    demand(model.prompts(3) == prompts, "called again it returned other prompts")
