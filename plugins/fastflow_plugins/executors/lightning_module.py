"""The module that Lightning runs: a prediction step generates the samples until an update."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from fastflow.sampling import ProcessLost, Worker
from fastflow_plugins.executors.processes import Processes


class WorkModule(L.LightningModule):
    """Does one part of the work, from one update to the next, in each prediction step."""

    def __init__(self, work: Callable[[Worker], Iterable[int]], dtype: str, processes: Processes):
        super().__init__()
        self.work, self.dtype_name, self.processes = work, dtype, processes
        self.parts: Iterator[int] | None = None
        self.finished = False

    def on_predict_start(self) -> None:
        """Takes the signals: Lightning has set its own by now."""
        self.processes.begin()

    def predict_step(self, batch: Any, batch_idx: int) -> int:
        """Does the next part of the work and returns how many samples it finished."""
        if self.parts is None:
            worker = Worker(
                self.trainer.global_rank,
                self.trainer.world_size,
                str(self.trainer.strategy.root_device),
                self.dtype_name,
                self.gather,
            )
            self.parts = iter(self.work(worker))
        try:
            return next(self.parts)
        except StopIteration:
            self.finished = True
            return 0
        except Exception as error:
            if not isinstance(error, ProcessLost):
                self.processes.failure = error
            raise

    def gather(self, value: Any) -> list[Any]:
        """Returns, in every process, the list of the values that all processes passed in.

        Raises:
            ProcessLost: if another process has ended.
        """
        if not (dist.is_available() and dist.is_initialized()):
            return [value]
        values: list[Any] = [None] * dist.get_world_size()
        try:
            dist.all_gather_object(values, value)
        except RuntimeError as error:
            raise self.processes.lost() from error
        return values


class _UntilFinished(IterableDataset):
    """Yields until the module has finished, as the number of updates depends on the policy."""

    def __init__(self, module: WorkModule):
        self.module = module

    def __iter__(self) -> Iterator[torch.Tensor]:
        while not self.module.finished:
            yield torch.zeros(())


def batches_until_finished(module: WorkModule) -> DataLoader:
    """Returns a loader that yields empty batches until the module has finished."""
    return DataLoader(_UntilFinished(module), batch_size=None, num_workers=0)


class SampleProgress(L.Callback):
    """Shows a progress bar that counts samples."""

    def __init__(self, total: int):
        self.total = total
        self.bar: tqdm | None = None

    def on_predict_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Moves the bar by the number of finished samples."""
        if self.bar is None:
            self.bar = tqdm(total=self.total, unit="sample", disable=trainer.global_rank > 0)
        self.bar.update(outputs)

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Closes the bar."""
        if self.bar is not None:
            self.bar.close()
