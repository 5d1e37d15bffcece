"""Lightning's own watch of the processes of a run, which ours takes the place of."""

import os
import subprocess
import sys
import time
from types import SimpleNamespace

from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver

from fastflow.sampling import Launch
from fastflow_plugins.executors.processes import POLL, Processes


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
