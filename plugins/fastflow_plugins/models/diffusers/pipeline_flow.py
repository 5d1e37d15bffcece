"""A diffusers pipeline with one transformer as a velocity field, with or without true guidance."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from fastflow.integration import Grid
from fastflow.sampling import FlowModel, Request
from fastflow_plugins.models.diffusers.checks import check_class, check_scheduler, check_size

if TYPE_CHECKING:
    from fastflow_plugins.models.diffusers.pipeline_recipe import PipelineRecipe

BRANCHES = ("cond", "uncond")  # diffusers' names for the caches of guidance branches


def in_branch(network: Any, branch: int) -> AbstractContextManager[Any]:
    """Returns the context in which a network's caches are those of a branch of guidance.

    A network of somebody's own class need not have caches, and then the context does nothing.
    """
    context = getattr(network, "cache_context", None)
    return nullcontext() if context is None else context(BRANCHES[branch])


class PipelineFlow(FlowModel):
    """Computes velocities with a diffusers pipeline's transformer; sigma = 1 is noise.

    Results equal the pipeline's own, bit for bit, as long as no step is skipped and samples are
    not batched. The pipeline is not changed and can still be used on its own.

    Args:
        pipe: a loaded pipeline of the class that `pipeline` names.
        recipe: how to use it; its path, revision and variant only name the model.

    Raises:
        ValueError: if the pipeline is of another class, if its scheduler does not take plain Euler
            steps, or if the size does not fit its autoencoder.
    """

    pipeline: ClassVar[str]
    family: ClassVar[str]

    def __init__(self, pipe: Any, recipe: PipelineRecipe):
        check_class(pipe, self.pipeline)
        check_scheduler(pipe.scheduler)
        self.pipe, self.recipe = pipe, recipe
        self.height, self.width = self._size()
        self.scheduler = copy.copy(pipe.scheduler)  # the pipeline's keeps its state
        self.is_guided = recipe.true_cfg_scale > 1
        self.calls_per_velocity = 2 if self.is_guided else 1
        self.key = f"{self.family}({', '.join(self._settings())})"
        self._grids: dict[int, Grid] = {}

    @property
    @abstractmethod
    def patch(self) -> int:
        """The side in pixels of the square that is one token."""

    @abstractmethod
    def _make_grid(self, steps: int) -> Grid:
        """Returns the pipeline's time grid."""

    @abstractmethod
    def _call(self, branch: int, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        """Calls the transformer once, for one branch of guidance."""

    def _size(self) -> tuple[int, int]:
        """Returns the output's height and width in pixels."""
        check_size(self.recipe.height, self.recipe.width, self.patch)
        return self.recipe.height, self.recipe.width

    @property
    def _shape(self) -> str:
        return f"{self.height}x{self.width}"

    def _settings(self) -> list[str]:
        """Returns the settings that change the velocity; a memory fits only the same settings."""
        recipe = self.recipe
        parts = [recipe.path, self._shape, f"{recipe.max_sequence_length}"]
        if recipe.revision:
            parts.append(f"revision {recipe.revision}")
        if self._embeds_guidance:
            parts.append(f"guidance {recipe.guidance_scale}")
        if self.is_guided:
            parts.append(f"true_cfg {recipe.true_cfg_scale} from {recipe.negative_prompt!r}")
        return parts

    @property
    def network(self) -> Any:
        return self.pipe.transformer

    @property
    def _embeds_guidance(self) -> bool:
        return self.pipe.transformer.config.guidance_embeds

    def grid(self, steps: int) -> Grid:
        if steps not in self._grids:
            try:
                self._grids[steps] = self._make_grid(steps)
            except (TypeError, ArithmeticError) as error:
                raise ValueError(
                    f"`model.path` {self.recipe.path!r} has a scheduler that cannot make {steps} "
                    f"steps: look at its scheduler_config.json. diffusers says: {error}"
                ) from error
        return self._grids[steps]

    def _prompts(self, request: Request) -> list[str]:
        """Returns one prompt per guidance branch."""
        if not self.is_guided:
            return [request.prompt]
        negative = request.negative_prompt
        return [request.prompt, self.recipe.negative_prompt if negative is None else negative]

    def velocity(self, x: Tensor, t: Tensor, conditioning: Sequence[Any]) -> Tensor:
        v = self._call(0, x, t, conditioning)
        if not self.is_guided:
            return v
        negative = self._call(1, x, t, conditioning)
        return negative + self.recipe.true_cfg_scale * (v - negative)


def stack(rows: Sequence[Tensor]) -> Tensor:
    """Concatenates the conditions of several samples; returns a single one as it is."""
    return rows[0] if len(rows) == 1 else torch.cat(list(rows))
