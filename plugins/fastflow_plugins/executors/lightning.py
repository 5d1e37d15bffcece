"""Runs on the devices and in the processes that Lightning sets up."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fastflow.sampling import Executor, Worker

DTYPE_OF_PRECISION = {
    "32-true": "float32",
    "32": "float32",
    "bf16-true": "bfloat16",
    "16-true": "float16",
    "bf16-mixed": "float32",
    "16-mixed": "float32",
}


@dataclass(frozen=True, kw_only=True)
class Lightning(Executor):
    """Runs on the devices and with the precision that a `lightning.Trainer` sets up.

    Every process takes its share of the samples between two updates, and the feedback of all
    processes is gathered at each update. So the result does not depend on their number.

    Args:
        accelerator: auto, cpu, gpu or another one of Lightning's.
        devices: how many, or a list of their indices; auto takes all of them (one process if the
            accelerator is the CPU).
        strategy: how processes are started: auto, ddp or another one of Lightning's.
        precision: 32-true, bf16-true, 16-true (the weights), bf16-mixed, 16-mixed (autocast).
        num_nodes: how many machines.
        progress: whether to show a progress bar.
    """

    accelerator: str = "auto"
    devices: str = "auto"
    strategy: str = "auto"
    precision: str = "32-true"
    num_nodes: int = 1
    progress: bool = True

    def __post_init__(self):
        object.__setattr__(self, "devices", str(self.devices))
        if self.precision not in DTYPE_OF_PRECISION:
            raise ValueError(
                f"`precision` must be one of {', '.join(DTYPE_OF_PRECISION)}, got "
                f"{self.precision!r}."
            )

    def run(self, work: Callable[[Worker], Iterable[int]], total: int) -> None:
        import lightning as L
        from lightning.fabric.utilities.exceptions import MisconfigurationException

        from fastflow_plugins.executors.lightning_module import (
            SampleProgress,
            WorkModule,
            batches_until_finished,
        )

        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="lightning")
        module = WorkModule(work, DTYPE_OF_PRECISION[self.precision])
        try:
            trainer = L.Trainer(
                accelerator=self.accelerator,
                devices=self._devices(),
                strategy=self.strategy,
                precision=self.precision,  # type: ignore[arg-type]
                num_nodes=self.num_nodes,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
                callbacks=[SampleProgress(total)] if self.progress else [],
            )
        except (MisconfigurationException, ValueError) as error:
            raise ValueError(
                f"`executor` cannot use accelerator={self.accelerator!r} "
                f"devices={self.devices!r}: {error} Without a GPU use executor.accelerator=cpu."
            ) from error
        trainer.predict(module, batches_until_finished(module), return_predictions=False)

    def _devices(self) -> Any:
        """Returns `devices` in Lightning's form: a word, a number or a list of numbers."""
        text = self.devices.strip("[] ")
        if "," in text:
            return [int(part) for part in text.split(",")]
        if text == "auto" and self.accelerator in ("auto", "cpu"):
            import torch

            return "auto" if torch.cuda.is_available() and self.accelerator == "auto" else 1
        return int(text) if text.lstrip("-").isdigit() else text
