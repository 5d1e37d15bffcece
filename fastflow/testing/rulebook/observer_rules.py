"""Rules for observers: one on the signature, which opens nothing."""

from __future__ import annotations

import inspect

from fastflow.evaluation.observer import Observer
from fastflow.testing.rule import demand, rule


@rule
def opens_on_a_run_directory_and_its_configuration(observer: Observer) -> None:
    """The signature is ``open(run_dir, config)``."""
    names = list(inspect.signature(observer.open).parameters)
    demand(names == ["run_dir", "config"], f"`open` takes {names}")
