"""The pipeline calls of a tuning: one for each prompt and seed, checked before anything runs."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Prompts = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]

OWN = {
    "generator": "every run has a generator of its own: give `seeds`",
    "latents": "the noise follows from `seeds`",
    "output_type": "only latents are compared",
    "return_dict": "only latents are compared",
    "callback_on_step_end": "a callback would be called in every trial",
    "prompt": "give prompts as `prompts`",
}
STEPS_ARGUMENT = "num_inference_steps"


def tune_calls(
    plain: Callable[..., Any], prompts: Prompts, seeds: int | Sequence[int], common: dict[str, Any]
) -> list[tuple[dict[str, Any], int]]:
    """Returns the arguments and the seed of every reference run.

    Args:
        plain: the pipeline's ``__call__``.
        prompts: a prompt, or a list; each is a text, or a mapping of the arguments in which its
            call differs from the others, such as ``{"prompt": ..., "image": ...}``.
        seeds: the seed or seeds; every prompt is run with each.
        common: the other arguments of all calls.

    Raises:
        ValueError: if one of them is wrong, or the pipeline does not take it.
    """
    if isinstance(prompts, (str, Mapping)):
        prompts = [prompts]
    if not isinstance(prompts, Sequence) or not prompts:
        raise ValueError(f"`prompts` must be a text or a list of texts, got {prompts!r}.")
    numbers = [seeds] if isinstance(seeds, int) else seeds
    if not isinstance(numbers, Sequence) or not numbers or not all(map(_is_seed, numbers)):
        raise ValueError(f"`seeds` must be a whole number or a list of them, got {seeds!r}.")
    parameters = inspect.signature(plain).parameters
    if "generator" not in parameters:
        raise ValueError(
            "`pipe` cannot be tuned: its call takes no `generator`, so no run can be repeated."
        )
    _check_names(common, parameters)
    calls = [common | _arguments(prompt, parameters) for prompt in prompts]
    return [(call, seed) for call in calls for seed in dict.fromkeys(numbers)]


def steps_of(plain: Callable[..., Any], arguments: Mapping[str, Any]) -> int | None:
    """Returns the number of steps of a call; None if its arguments do not show it."""
    for name in ("sigmas", "timesteps"):
        if arguments.get(name) is not None:
            return len(arguments[name])
    parameter = inspect.signature(plain).parameters.get(STEPS_ARGUMENT)
    steps = arguments.get(STEPS_ARGUMENT, parameter.default if parameter else None)
    return steps if isinstance(steps, int) and steps > 0 else None


def _is_seed(seed: Any) -> bool:
    return isinstance(seed, int) and not isinstance(seed, bool)


def _arguments(prompt: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments that a prompt stands for."""
    if isinstance(prompt, Mapping):
        _check_names({k: v for k, v in prompt.items() if k != "prompt"}, parameters)
        return dict(prompt)
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError(
            "each of `prompts` must be a text, or a mapping of a call's arguments, got "
            f"{prompt!r}."
        )
    if "prompt" not in parameters:
        raise ValueError(
            "`prompts` are texts, but the pipeline's call takes no `prompt`: give mappings of its "
            "arguments instead."
        )
    return {"prompt": prompt}


def _check_names(arguments: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
    """Raises a ValueError for an argument that is tune's own or that the pipeline lacks."""
    any_name = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    for name in arguments:
        if name in OWN:
            raise ValueError(f"`{name}` cannot be given to tune: {OWN[name]}.")
        if name not in parameters and not any_name:
            near = difflib.get_close_matches(name, list(parameters), n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise ValueError(f"the pipeline's call takes no `{name}`.{hint}")
