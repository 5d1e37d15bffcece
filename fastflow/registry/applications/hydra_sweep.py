"""Sweeps by Hydra's own sweepers and launchers, which get one number for each run."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.errors import HydraException
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from fastflow.registry import messages
from fastflow.registry.catalog import installed
from fastflow.registry.compose import folders_of_presets, make_known
from fastflow.registry.messages import ConfigError
from fastflow.registry.nodes import store_settings

NUMBER = "hydra.sweep.subdir"  # what tells a job which run it is
# A run's files are its own: Hydra writes none, configures no logging and stays where it is.
SETTINGS = (
    "hydra.mode=MULTIRUN",
    "hydra.output_subdir=null",
    "hydra.job.chdir=false",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
)
EXTRAS = {  # what has to be installed for a choice
    "launcher": {"joblib": "joblib", "submitit_local": "submitit", "submitit_slurm": "submitit"}
    | {"ray": "ray"},
    "sweeper": {"optuna": "optuna"},
}
TRUSTED = ("hydra_plugins.", "hydra._internal.core_plugins.", "optuna.")
OWN_NAMES = ("sweep", "run", "mode", "output_subdir", "job", "callbacks", "runtime", "searchpath")

Overrides = Sequence[Sequence[str]]


class SweepLoader(ConfigLoaderImpl):
    """Composes Hydra's settings of a sweep; those of its runs are composed where they run."""

    @classmethod
    def make(cls) -> SweepLoader:
        """Returns a loader that finds our files, those of plugins and those of `--config-dir`."""
        make_known(installed())
        first, *others = folders_of_presets()
        search = create_config_search_path(str(first.path.resolve()))
        schema = search.get_path().pop(-1)
        for folder in others:
            search.append("fastflow", f"file://{folder.path.resolve()}")
        search.append(schema.provider, schema.path)
        return cls(search)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: list[str]
    ) -> DictConfig:
        """Returns the settings of one job, which has no content but Hydra's."""
        config = copy.deepcopy(master_config)
        words = [w for w in sweep_overrides if not w.startswith(f"{NUMBER}=")]
        number = [w.partition("=")[2] for w in sweep_overrides if w not in words]
        with open_dict(config):
            config.hydra.overrides.task = words
            config.hydra.sweep.subdir = number[0] if number else "0"
            config.hydra.job.override_dirname = ",".join(words)
        return config


@dataclass(frozen=True)
class HydraTask:
    """What Hydra's launchers call: it does the work of the run whose number the job has."""

    work: Callable[[int], Any]

    def __call__(self, config: Any) -> Any:
        """Does the work of a job and returns what a sweeper wants to know of it."""
        number = int(HydraConfig.get().sweep.subdir)
        # Lightning starts the other processes of a run in Hydra's way if it finds Hydra
        HydraConfig.instance().cfg = None
        return self.work(number)


@dataclass(frozen=True)
class RecordedLauncher:
    """Stands before a launcher: runs that are done are not launched again.

    Args:
        inner: Hydra's launcher.
        register: numbers the runs of a batch, given the settings of each.
        finished: returns whether a run is done, and what the sweeper wants to know of it.
    """

    inner: Any
    register: Callable[[Overrides], list[int]]
    finished: Callable[[int], tuple[bool, Any]]

    def launch(self, job_overrides: Overrides, initial_job_idx: int) -> list[JobReturn]:
        """Launches what is not done of a batch, and returns the results of all of it."""
        numbers = self.register(job_overrides)
        known = {number: self.finished(number) for number in numbers}
        left = [(n, words) for n, words in zip(numbers, job_overrides) if not known[n][0]]
        jobs = [[*words, f"{NUMBER}={number}"] for number, words in left]
        new = self.inner.launch(jobs, initial_job_idx=initial_job_idx) if jobs else []
        returned = dict(zip([number for number, _ in left], new, strict=True))
        return [returned.get(n) or _returned(known[n][1]) for n in numbers]


def _returned(value: Any) -> JobReturn:
    return JobReturn(status=JobStatus.COMPLETED, _return_value=value)


def compose_sweep(root: str, words: Sequence[str], own: type) -> tuple[SweepLoader, DictConfig]:
    """Returns Hydra's settings of a sweep.

    Args:
        root: the command.
        words: words about Hydra's settings, and those that choose an experiment.
        own: the dataclass of the command's own settings.

    Raises:
        ConfigError: for a launcher or sweeper that is not installed, or a setting that is unknown
            or would change where a run is and what is in its directory.
    """
    for word in words:
        _check_word(word)
    setup_globals()
    store_settings(own)
    try:
        loader = SweepLoader.make()
        config = loader.load_configuration(root, [*words, *SETTINGS], RunMode.MULTIRUN)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(messages.plain_words(error)) from error
    settings = OmegaConf.masked_copy(config, ["hydra"])
    with open_dict(settings):
        settings.hydra.callbacks = {}
        settings.hydra.job.name = f"fastflow_{root}"
    _check_targets(settings.hydra, "hydra")
    return loader, settings


def _check_word(word: str) -> None:
    """Raises a ConfigError for what a sweep decides itself, or what is not installed."""
    key, _, value = word.lstrip("+").partition("=")
    group, _, name = key.partition("/")
    if group == "hydra" and name in EXTRAS:
        available = Plugins.instance() and _options(name)
        if value not in available and value in EXTRAS[name]:
            extra = EXTRAS[name][value]
            raise ConfigError(f"`{key}={value}` needs a package: pip install 'fastflow[{extra}]'.")
        if value not in available:
            hint = messages.similar(value, available).replace("`", "'")
            hint = hint or f"There are {', '.join(available)}."
            raise ConfigError(f"there is no {key} named {value!r}. {hint}")
    part = key.split(".")[1:2]
    if part and part[0] in OWN_NAMES:
        raise ConfigError(
            f"`{key}` is decided by fastflow: a sweep's runs are in the folder `out`, and each is "
            "as without a sweep. Leave it out."
        )


def _options(name: str) -> list[str]:
    return SweepLoader.make().get_group_options(f"hydra/{name}")


def _check_targets(node: Any, where: str) -> None:
    """Raises a ConfigError for a class that Hydra would make and that is none of its plugins."""
    if not isinstance(node, DictConfig | ListConfig) or node._is_none() or node._is_missing():
        return
    keys: Any = node.keys() if isinstance(node, DictConfig) else range(len(node))
    for key in keys:
        child: Any = node._get_node(key)
        text = child._value() if child is not None else None
        if key in ("_target_", "custom_search_space") and isinstance(text, str):
            if not text.startswith(TRUSTED):
                raise ConfigError(
                    f"`{where}.{key}` is {text!r}, and only Hydra's plugins are run. Leave it out."
                )
        else:
            _check_targets(child, f"{where}.{key}")


def is_basic(settings: DictConfig) -> bool:
    """Returns whether a sweep goes through all combinations, and optimises nothing."""
    return str(settings.hydra.sweeper._target_).startswith("hydra._internal.core_plugins.")


def parameters_of(settings: DictConfig) -> dict[str, str]:
    """Returns what the configuration itself sweeps over: ``hydra.sweeper.params``."""
    found = OmegaConf.to_container(settings.hydra.sweeper, resolve=False)
    parameters = found.get("params") if isinstance(found, dict) else None
    return {str(key): str(value) for key, value in (parameters or {}).items()}


def launch_sweep(
    loader: SweepLoader,
    settings: DictConfig,
    path: Path,
    words: Sequence[str],
    work: Callable[[int], Any],
    register: Callable[[Overrides], list[int]],
    finished: Callable[[int], tuple[bool, Any]],
) -> None:
    """Sweeps over settings.

    Args:
        loader: made with the settings.
        settings: Hydra's settings of the sweep.
        path: the sweep's folder.
        words: the settings with several values.
        work: does one run, given its number; also in another process.
        register: numbers the runs of a batch.
        finished: returns whether a run is done, and what the sweeper wants to know of it.

    Raises:
        ConfigError: if the sweeper cannot sweep over these values.
    """
    with open_dict(settings):
        settings.hydra.sweep.dir = str(path.resolve()).replace("${", "\\${")
    context = HydraContext(config_loader=loader, callbacks=Callbacks())
    try:
        sweeper: Any = Plugins.instance().instantiate_sweeper(
            hydra_context=context, task_function=HydraTask(work), config=settings
        )
        logging.getLogger("optuna").setLevel(logging.WARNING)  # it sets a level on import
        holder = sweeper if hasattr(sweeper, "launcher") else sweeper.sweeper
        holder.launcher = RecordedLauncher(holder.launcher, register, finished)
        sweeper.sweep(list(words))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(messages.plain_words(error)) from error
    finally:
        (path / "multirun.yaml").unlink(missing_ok=True)
