"""What Lightning itself does about lost processes and signals, which ours takes the place of."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector

from fastflow.sampling import Launch
from fastflow_plugins.executors.processes import POLL, SIGNALS, Processes


def test_lightning_kills_nothing_while_the_processes_have_not_met():
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
    ended.wait()
    would_be_killed = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    launcher = SimpleNamespace(procs=[])
    trainer = SimpleNamespace(strategy=SimpleNamespace(launcher=launcher), world_size=2)
    observer = _ChildProcessObserver(would_be_killed.pid, [ended], sleep_period=4 * POLL)
    with Processes(trainer, Launch("", nodes=1, on_node=1)):
        observer.start()
        observer.join(20)
    assert not observer.is_alive()
    time.sleep(POLL)
    assert would_be_killed.poll() is None
    would_be_killed.communicate(os.linesep.encode())


def test_a_signal_is_heard_until_the_others_are_told_of_the_end():
    accelerator = SimpleNamespace(cluster_environment=None)
    launcher = SimpleNamespace(procs=[])
    trainer = SimpleNamespace(
        _accelerator_connector=accelerator,
        strategy=SimpleNamespace(launcher=launcher),
        world_size=1,
        received_sigterm=False,
    )
    trainer._signal_connector = _SignalConnector(trainer)
    before = [signal.getsignal(signum) for signum in SIGNALS]
    with Processes(trainer, Launch("Slurm", nodes=1, on_node=2, rank=1)) as processes:
        trainer._signal_connector.register_signal_handlers()
        processes.begin(lambda value: [value])
        trainer._signal_connector.teardown()
        assert [signal.getsignal(signum) for signum in SIGNALS] == [processes._stop] * 2
    assert [signal.getsignal(signum) for signum in SIGNALS] == before
