"""Runs on the devices and in the processes that Lightning sets up."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from fastflow.sampling import Executor, Launch, Worker

DTYPE_OF_PRECISION = {
    "32-true": "float32",
    "32": "float32",
    "bf16-true": "bfloat16",
    "16-true": "float16",
    "bf16-mixed": "float32",
    "16-mixed": "float32",
}


MOST_NODES = 10_000
PER_CORE = 4  # processes that may share a core of the CPU
CLUSTERS = ("MASTER_ADDR", "LSB_JOBID")  # set on several machines


@dataclass(frozen=True, kw_only=True)
class Lightning(Executor):
    """Runs on the devices and with the precision that a `lightning.Trainer` sets up.

    Every process takes its share of the samples between two updates, and the feedback of all
    processes is gathered at each update. So the result does not depend on their number.

    Args:
        accelerator: auto, cpu, gpu or another one of Lightning's.
        devices: how many on each machine, or a list of their indices; auto takes as many as
            torchrun or Slurm started processes, else all of them (one process if the accelerator
            is the CPU).
        strategy: how processes are started: auto, ddp or another one of Lightning's.
        precision: 32-true, bf16-true, 16-true (the weights), bf16-mixed, 16-mixed (autocast).
        num_nodes: how many machines; auto takes as many as torchrun or Slurm uses, else one.
        progress: whether to show a progress bar.
    """

    accelerator: str = "auto"
    devices: str = "auto"
    strategy: str = "auto"
    precision: str = "32-true"
    num_nodes: str = "auto"
    progress: bool = True

    def __post_init__(self):
        object.__setattr__(self, "devices", str(self.devices))
        object.__setattr__(self, "num_nodes", str(self.num_nodes))
        self._check_devices()
        nodes = self.num_nodes
        if nodes != "auto" and not (nodes.isdecimal() and 1 <= int(nodes) <= MOST_NODES):
            raise ValueError(f"`num_nodes` must be auto or from 1 to {MOST_NODES}, got {nodes}.")
        if self.precision not in DTYPE_OF_PRECISION:
            raise ValueError(
                f"`precision` must be one of {', '.join(DTYPE_OF_PRECISION)}, got "
                f"{self.precision!r}."
            )

    def run(self, work: Callable[[Worker], Iterable[int]], total: int) -> None:
        from fastflow_plugins.executors.launching import (
            environment_restored,
            meeting,
        )
        from fastflow_plugins.executors.lightning_module import (
            WorkModule,
            batches_until_finished,
        )
        from fastflow_plugins.executors.processes import Processes

        launch = self._checked(Launch.found())
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="lightning")
        with environment_restored(launch):
            trainer = self._trainer(total, launch)
            with Processes(trainer, launch) as processes:
                module = WorkModule(work, DTYPE_OF_PRECISION[self.precision], processes)
                batches = batches_until_finished(module)
                with meeting(trainer.world_size):
                    trainer.predict(module, batches, return_predictions=False)

    def _trainer(self, total: int, launch: Launch) -> Any:
        import lightning as L
        from lightning.fabric.utilities.exceptions import MisconfigurationException

        from fastflow_plugins.executors.launching import cluster_plugins, strategy_for
        from fastflow_plugins.executors.lightning_module import SampleProgress

        self._check_names()
        devices, nodes = self._devices(launch), self._nodes(launch)
        try:
            return L.Trainer(
                accelerator=self.accelerator,
                devices=devices,
                strategy=strategy_for(self.strategy, devices, nodes, launch),
                precision=self.precision,  # type: ignore[arg-type]
                num_nodes=nodes,
                plugins=cluster_plugins(launch),
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
                callbacks=[SampleProgress(total)] if self.progress else [],
            )
        except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
            raise ValueError(
                f"`executor` cannot use accelerator={self.accelerator!r} "
                f"devices={self.devices!r} strategy={self.strategy!r}: {error} "
                "Without a GPU use executor.accelerator=cpu."
            ) from error

    def _check_names(self) -> None:
        """Raises a ValueError for an accelerator or a strategy that Lightning does not know."""
        from lightning.pytorch.accelerators import AcceleratorRegistry
        from lightning.pytorch.strategies import StrategyRegistry

        known = {
            "accelerator": {"auto", "gpu", *AcceleratorRegistry.available_accelerators()},
            "strategy": {"auto", *StrategyRegistry.available_strategies()},
        }
        for name, names in known.items():
            if getattr(self, name) not in names:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(sorted(names))}, got "
                    f"{getattr(self, name)!r}."
                )

    def _check_devices(self) -> None:
        """Raises a ValueError unless `devices` is auto, a number or a list of indices."""
        text = self.devices.strip()
        listed = re.fullmatch(r"\[\s*(\d+\s*(,\s*\d+\s*)*)\]|\d+(\s*,\s*\d+)+", text)
        number = re.fullmatch(r"0*[1-9]\d{0,5}", text)
        if text != "auto" and not listed and not number:
            raise ValueError(
                "`devices` must be auto, a number from 1 on or a list of indices such as [0,1], "
                f"got {self.devices!r}."
            )

    def _checked(self, launch: Launch) -> Launch:
        """Returns what started this process.

        Raises:
            ValueError: if there are to be more processes, or machines, than there can be here, or
                other numbers of them than were started.
        """
        most = PER_CORE * (os.cpu_count() or 1)
        if self.accelerator == "cpu" and self.devices.isdigit() and int(self.devices) > most:
            raise ValueError(
                f"`devices` must be at most {most} on this CPU, {PER_CORE} for each core, got "
                f"{self.devices}."
            )
        if launch.by:
            self._check_started("devices", self._devices(launch), launch.on_node, launch.by)
            self._check_started("num_nodes", self._nodes(launch), launch.nodes, launch.by)
        elif self._nodes(launch) > 1 and not any(name in os.environ for name in CLUSTERS):
            raise ValueError(
                f"`num_nodes` is {self.num_nodes}, but nothing says where the other machines are. "
                "Start the run under Slurm or torchrun, or set MASTER_ADDR, MASTER_PORT and "
                "NODE_RANK on each machine."
            )
        return launch

    def _check_started(self, name: str, asked: Any, started: int, by: str) -> None:
        count = len(asked) if isinstance(asked, list) else asked
        if count != started:
            what = "processes on each machine" if name == "devices" else "machines"
            raise ValueError(
                f"`{name}` is {getattr(self, name)}, but {by} started {started} {what}. Leave "
                f"executor.{name} out, or start as many."
            )

    def _devices(self, launch: Launch) -> Any:
        """Returns `devices` in Lightning's form: a word, a number or a list of numbers."""
        text = self.devices.strip("[] ")
        if "," in text:
            return [int(part) for part in text.split(",")]
        if text == "auto" and launch.by:
            return launch.on_node
        if text == "auto" and self.accelerator in ("auto", "cpu"):
            import torch

            return "auto" if torch.cuda.is_available() and self.accelerator == "auto" else 1
        if self.devices.startswith("["):
            return [int(text)]
        return int(text) if text.isdigit() else text

    def _nodes(self, launch: Launch) -> int:
        return launch.nodes if self.num_nodes == "auto" else int(self.num_nodes)
