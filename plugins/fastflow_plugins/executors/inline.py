"""The executor of one process on one device, without a framework."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from tqdm import tqdm

from fastflow.sampling import Executor, Worker


@dataclass(frozen=True, kw_only=True)
class Inline(Executor):
    """Runs everything in this process, on one device.

    Args:
        device: a torch device.
        dtype: a torch floating dtype for the model.
        progress: whether to show a progress bar.
    """

    device: str = "cpu"
    dtype: str = "float32"
    progress: bool = True

    def run(self, work: Callable[[Worker], Iterable[int]], total: int) -> None:
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise ValueError(f"`device` is {self.device!r}, but there is no such GPU. Use cpu.")
        with tqdm(total=total, unit="sample", disable=not self.progress) as bar:
            for done in work(Worker(device=self.device, dtype=self.dtype)):
                bar.update(done)
