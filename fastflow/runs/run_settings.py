"""The settings of a run that belong to no component."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class RunSettings:
    """What to generate and where to write it; the components are chosen beside.

    Args:
        steps: the number T of time steps.
        samples: how many samples; of a prompt file or a single prompt, prompts are repeated with
            new seeds if there are fewer. None: one per prompt (of a benchmark's as many as its
            convention says), or 64 of the model's own world.
        seed: seeds noise (sample i has ``seed + i``) and decisions.
        prompt: a single prompt.
        prompts: a text file with one prompt per line, or a ``.jsonl`` file with one object per
            line: ``prompt``, and if wanted ``image`` (a file, beside this one) and ``task``;
            with a benchmark, its own file.
        image: a picture to edit; for all prompts that bring none of their own.
        reference: whether every sample is also run in full, to compare with.
        max_batch: how many samples are under way at once; bounds memory.
        memory: a memory.json to start from.
        frozen: whether memory is only read: nothing is learned, nothing explored.
        out: the run directory to make; named after time, model and policy under runs/ if None.
        resume: a run directory to finish; its own configuration is used.
        metrics: names of metrics.
        observers: names of observers that follow the run, such as wandb.
    """

    steps: int = 50
    samples: int | None = None
    seed: int = 0
    prompt: str | None = None
    prompts: str | None = None
    image: str | None = None
    reference: bool = True
    max_batch: int = 8
    memory: str | None = None
    frozen: bool = False
    out: str | None = None
    resume: str | None = None
    metrics: list[str] = field(default_factory=list)
    observers: list[str] = field(default_factory=list)

    def __post_init__(self):
        for name in ("steps", "max_batch", "samples"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise ValueError(f"`{name}` must be 1 or more, got {value}.")
        if self.prompt is not None and not str(self.prompt).strip():
            raise ValueError("`prompt` is empty. Say what to generate.")
        if self.prompt is not None and self.prompts is not None:
            raise ValueError("give `prompt` or `prompts`, not both.")
        if self.image is not None and self.prompt is None and self.prompts is None:
            raise ValueError("`image` needs a `prompt`, or `prompts`, to say what to do with it.")
