"""One way to call one tiny pipeline, and what the call must cost."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers import DiffusionPipeline

PRECISIONS = (torch.float32, torch.bfloat16)


@dataclass(frozen=True)
class Case:
    """A pipeline and one ordinary call of it.

    Attributes:
        name: family and way of calling, unique.
        build: returns the pipeline in a precision, always the same weights.
        inputs: returns the call's keyword arguments with a fresh seeded generator; its
            ``output_type`` is "pt". ``case.inputs() | {"output_type": "latent"}`` is fine too.
        calls: for each step that the loop makes, the components called in it, in their order.
            Guidance of two calls has two entries; so has a ControlNet and its transformer.
            None at all where diffusers itself refuses the call.
        shape: of the output: (B, C, H, W) or, for a video, (B, F, C, H, W).
        dtypes: the precisions it runs in on a CPU.
    """

    name: str
    build: Callable[[torch.dtype], DiffusionPipeline]
    inputs: Callable[[], dict]
    calls: tuple[tuple[str, ...], ...]
    shape: tuple[int, ...]
    dtypes: tuple[torch.dtype, ...] = PRECISIONS

    @property
    def steps(self) -> int:
        """The steps that the loop makes: fewer than asked for where it starts inside the grid."""
        return len(self.calls)

    @property
    def calls_per_step(self) -> int:
        """The components called in a step: as many in each."""
        return len(self.calls[0])

    @property
    def denoisers(self) -> tuple[str, ...]:
        """The names of the components that are called in the loop, each once."""
        return tuple(dict.fromkeys(name for step in self.calls for name in step))

    @property
    def switches(self) -> tuple[int, ...]:
        """The steps at which other components take over: the velocity jumps there."""
        return tuple(k for k in range(1, self.steps) if self.calls[k] != self.calls[k - 1])

    def run(self, pipe: DiffusionPipeline, **changes) -> torch.Tensor:
        """Calls the pipeline, with some of the inputs changed, and returns its output."""
        return output(pipe(**self.inputs() | changes))


def output(result) -> torch.Tensor:
    """Returns the images or the frames of what a pipeline returned."""
    return result.images if hasattr(result, "images") else result.frames


def each_step(*components: str, steps: int) -> tuple[tuple[str, ...], ...]:
    """Returns the calls of a loop that calls the same components in each step."""
    return (components,) * steps
