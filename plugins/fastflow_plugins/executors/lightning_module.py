"""The module that Lightning runs: a prediction step generates the samples until an update."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from fastflow.sampling import ProcessLost, Worker
from fastflow_plugins.executors.lifeline import main_address
from fastflow_plugins.executors.processes import Processes

MOST_PATIENCE = timedelta(days=30)  # for one that computes: `Lifeline` ends it
MOST_GPUS = 64  # on one machine


class WorkModule(L.LightningModule):
    """Does one part of the work, from one update to the next, in each prediction step."""

    def __init__(self, work: Callable[[Worker], Iterable[int]], dtype: str, processes: Processes):
        super().__init__()
        self.work, self.dtype_name, self.processes = work, dtype, processes
        self.parts: Iterator[int] | None = None
        self.finished = False
        self.group: Any = None

    def on_predict_start(self) -> None:
        """Connects the processes, and takes the signals: Lightning has set its own by now."""
        if dist.is_available() and dist.is_initialized():
            self.group = dist.new_group(backend="gloo", timeout=MOST_PATIENCE)
        self.processes.begin(self.gather)

    def predict_step(self, batch: Any, batch_idx: int) -> int:
        """Does the next part of the work and returns how many samples it finished."""
        try:
            if self.parts is None:
                self.parts = iter(self.work(self._worker()))
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

        Tensors arrive on the device of each process, or on the CPU if they come from it.

        Raises:
            ProcessLost: if another process has ended.
        """
        if self.group is None:
            return [value]
        packed = io.BytesIO()
        torch.save(value, packed)
        values: list[Any] = [None] * dist.get_world_size()
        try:
            dist.all_gather_object(values, packed.getvalue(), group=self.group)
        except RuntimeError as error:
            raise self.processes.lost() from error
        here = {f"cuda:{i}": self._place for i in range(MOST_GPUS)}
        return [
            torch.load(io.BytesIO(one), map_location=here, weights_only=False) for one in values
        ]

    def _worker(self) -> Worker:
        rank, size, device = self.trainer.global_rank, self.trainer.world_size, self._place
        worker = Worker(rank, size, device, self.dtype_name, self.gather)
        if size == 1:
            return worker
        places = self.gather((socket.gethostname(), device))
        lead = places.index(places[rank]) == rank
        return replace(worker, count=self._counter(), is_lead=lead)

    def _counter(self) -> Callable[[str], int]:
        """Returns the function that counts over all processes; the first one keeps the numbers."""
        options: dict[str, Any] = {"wait_for_workers": False, "timeout": timedelta(seconds=60)}
        store, port = None, None
        if self.trainer.global_rank == 0:
            store = dist.TCPStore(main_address(), 0, is_master=True, **options)
            port = store.port
        port = self.gather(port)[0]
        counts = store or dist.TCPStore(main_address(), port, is_master=False, **options)

        def count(name: str) -> int:
            try:
                return counts.add(name, 1) - 1
            except RuntimeError as error:
                raise self.processes.lost() from error

        return count

    @property
    def _place(self) -> str:
        return str(self.trainer.strategy.root_device)


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
