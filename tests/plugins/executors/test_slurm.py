import pytest

from fastflow.sampling import Launch
from fastflow_plugins.executors.slurm import slurm_environment

ONE, TWO = Launch("Slurm", nodes=1, on_node=2), Launch("Slurm", nodes=2, on_node=1)


@pytest.fixture
def job(monkeypatch):
    """Sets the variables of a job, of which none are left from outside."""
    for name in ("MASTER_ADDR", "MASTER_PORT", "SLURM_NODELIST", "SLURM_STEP_NODELIST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "1")
    monkeypatch.setenv("SLURM_NTASKS", "2")

    def set_to(step, **variables):
        values = {"SLURM_JOB_ID": "4242", "SLURM_STEP_ID": step, **variables}
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        for name in ("MASTER_ADDR", "MASTER_PORT"):
            monkeypatch.delenv(name, raising=False)

    return set_to


def test_processes_of_one_machine_meet_there_whatever_its_name(job):
    job("0", SLURM_STEP_NODELIST="unheard-of.invalid")
    assert slurm_environment(ONE).main_address == "127.0.0.1"


def test_a_step_meets_on_its_own_first_machine(job):
    job("0", SLURM_NODELIST="unheard-of[1-2]", SLURM_STEP_NODELIST="localhost,unheard-of2")
    assert slurm_environment(TWO).main_address == "localhost"


def test_steps_of_a_job_have_ports_of_their_own(job):
    ports = []
    for step in ("0", "1"):
        job(step)
        ports.append(slurm_environment(ONE).main_port)
    assert ports[0] != ports[1]


def test_a_given_place_is_kept(job, monkeypatch):
    job("0")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "4321")
    found = slurm_environment(TWO)
    assert (found.main_address, found.main_port) == ("localhost", 4321)


def test_a_machine_that_is_not_known_is_named(job):
    job("0", SLURM_STEP_NODELIST="unheard-of.invalid")
    with pytest.raises(
        ValueError, match=r"does not know the first machine .*'unheard-of.invalid'"
    ):
        slurm_environment(TWO)
