"""The executor of one process on one device, without a framework."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tqdm import tqdm

from fastflow.sampling import (
    Executor,
    Worker,
    check_available,
    check_device_name,
    check_dtype_name,
)


@dataclass(frozen=True, kw_only=True)
class Inline(Executor):
    """Runs everything in this process, on one device.

    Args:
        device: a torch device.
        dtype: the model's floating type: float32, bfloat16, float16 or float64.
        progress: whether to show a progress bar.
    """

    device: str = "cpu"
    dtype: str = "float32"
    progress: bool = True

    def __post_init__(self):
        check_device_name(self.device)
        check_dtype_name(self.dtype)

    def run(self, work: Callable[[Worker], Iterable[int]], total: int) -> None:
        check_available(self.device)
        with tqdm(total=total, unit="sample", disable=not self.progress) as bar:
            for done in work(Worker(device=self.device, dtype=self.dtype)):
                bar.update(done)
